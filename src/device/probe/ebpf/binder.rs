//! Binder: what the driver of this kernel offers to hook, and what the kernel programs must know of it.
//!
//! The programs hang on the driver's own tracepoints, which are looked up by name: the driver in C has them in the group
//! `binder`, the one in Rust in `rust_binder`, with or without a prefix in front of the names. Android 16 devices have
//! either, test machines none.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use aya::maps::{HashMap, MapData};
use aya::programs::Program;
use aya::{Btf, Ebpf};

use super::super::binder_driver::DEVICES;
use super::super::record_layout::{u32_at, u64_at};
use super::loader::{Hook, LoadError, Loaded, Tier, attach, take};
use super::map_layout::{BINDER_CALL_NO_REPLY, BINDER_ONE_WAY, BinderCallBytes, InterfaceKey, binder_call};
use super::tracefs;
use crate::event::{Family, PRIVACY_INTERFACES, ProbeState, ProbeStatus};

/// The families that come from binder.
const FAMILIES: &[Family] = &[Family::Provider, Family::Service];

/// A group of tracepoints, and what is in front of their names.
const DRIVERS: &[(&str, &str)] = &[("binder", ""), ("rust_binder", "rust_"), ("rust_binder", "")];

/// A call that has been under way for this long is looked at more closely.
const UNDELIVERABLE_AFTER_NS: u64 = 10_000_000_000;
/// `BPF_EXIST`: an entry that the programs have removed meanwhile stays removed.
const UPDATE_EXISTING: u64 = 2;

/// The tracepoint without which nothing can be told.
const SENT: &str = "binder_transaction";
const RECEIVED: &str = "binder_transaction_received";
const NODE_TO_REF: &str = "binder_transaction_node_to_ref";
const REF_TO_REF: &str = "binder_transaction_ref_to_ref";
const BEGUN: &str = "binder_ioctl";
const DONE: &str = "binder_ioctl_done";

/// Variables of the kernel programs, and the field whose place each holds: tracepoint, field, and where it usually is.
const PLACES: &[(&str, &str, &str, i32)] = &[
    ("binder_sent_debug_id_offset", SENT, "debug_id", 8),
    ("binder_sent_target_node_offset", SENT, "target_node", 12),
    ("binder_sent_to_proc_offset", SENT, "to_proc", 16),
    ("binder_sent_to_thread_offset", SENT, "to_thread", 20),
    ("binder_sent_reply_offset", SENT, "reply", 24),
    ("binder_sent_code_offset", SENT, "code", 28),
    ("binder_sent_flags_offset", SENT, "flags", 32),
    ("binder_received_debug_id_offset", RECEIVED, "debug_id", 8),
    ("binder_node_to_ref_debug_id_offset", NODE_TO_REF, "debug_id", 8),
    ("binder_node_to_ref_node_offset", NODE_TO_REF, "node_debug_id", 12),
    ("binder_node_to_ref_handle_offset", NODE_TO_REF, "ref_desc", 28),
    ("binder_ref_to_ref_debug_id_offset", REF_TO_REF, "debug_id", 8),
    ("binder_ref_to_ref_node_offset", REF_TO_REF, "node_debug_id", 12),
    ("binder_ref_to_ref_handle_offset", REF_TO_REF, "dest_ref_desc", 28),
];

/// The binder driver of this kernel, as far as its tracepoints show it.
pub(super) struct Driver {
    group: &'static str,
    prefix: &'static str,
}

impl Driver {
    /// The driver, if there is one with tracepoints.
    pub(super) fn find() -> Option<Self> {
        DRIVERS
            .iter()
            .map(|(group, prefix)| Self { group, prefix })
            // Entering the driver is the oldest of the tracepoints: it tells a driver that lacks the others from none.
            .find(|driver| driver.offers(SENT) || driver.offers(BEGUN))
    }

    fn name(&self, event: &str) -> String {
        format!("{}{event}", self.prefix)
    }

    fn format(&self, event: &str) -> Option<String> {
        tracefs::event_format(self.group, &self.name(event))
    }

    fn offers(&self, event: &str) -> bool {
        self.format(event).is_some()
    }

    /// Whether the fields of the call into the driver are where programs on the form with fields read them.
    fn begins_as_usual(&self, program: Option<&Program>) -> Result<(), String> {
        if !matches!(program, Some(Program::TracePoint(_))) {
            return Ok(());
        }
        let format = self.format(BEGUN).unwrap_or_default();
        let places = ["cmd", "arg"].map(|field| tracefs::field_offset(&format, field));
        if places == [Some(8), Some(16)] {
            Ok(())
        } else {
            Err(format!("the fields of {} are not where they usually are", self.name(BEGUN)))
        }
    }

    /// What the programs must know before they are loaded: variables and their values. A field that is not there is at -1.
    pub(super) fn places(&self) -> Vec<(&'static str, i32)> {
        places(|event| self.format(event))
    }
}

fn places(format: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, i32)> {
    let mut usual = 1;
    let mut found = Vec::new();
    for (variable, event, field, usual_place) in PLACES {
        let format = format(event);
        let place = format.as_deref().and_then(|format| tracefs::field_offset(format, field)).unwrap_or(-1);
        // Of a tracepoint that is not there no field is ever read.
        if format.is_some() && place != *usual_place {
            usual = 0;
        }
        found.push((*variable, place));
    }
    found.push(("binder_usual_layout", usual));
    found
}

/// What came of attaching.
pub(super) struct State {
    state: ProbeState,
    reasons: Vec<String>,
}

impl State {
    fn of(state: ProbeState, reason: impl Into<String>) -> Self {
        Self { state, reasons: vec![reason.into()] }
    }

    /// The same for each family that comes from binder.
    pub(super) fn statuses(&self, tier: Tier) -> impl Iterator<Item = ProbeStatus> + use<> {
        let (state, reason) = (self.state, self.reasons.join("; "));
        FAMILIES.iter().map(move |family| ProbeStatus {
            probe: tier.probe(),
            family: *family,
            state,
            reason: reason.clone(),
        })
    }
}

/// Attaches what can be attached. What is missing is no error of the probe: the other families do without binder.
pub(super) fn attach_all(programs: &mut Ebpf, btf: Option<&Btf>, tier: Tier, driver: Option<&Driver>) -> State {
    let Some(driver) = driver else {
        return if tracefs::is_readable() {
            State::of(ProbeState::Absent, "this kernel has no binder driver, or had none when the daemon started")
        } else {
            State::of(ProbeState::Denied, "the tracing file system can be neither read nor mounted")
        };
    };
    let missing: Vec<String> = [SENT, RECEIVED, DONE]
        .into_iter()
        .filter(|event| !driver.offers(event))
        .map(|event| format!("{}:{}", driver.group, driver.name(event)))
        .collect();
    if !missing.is_empty() {
        return State::of(
            ProbeState::Unsupported,
            format!("this kernel's binder driver lacks the tracepoints {}", missing.join(", ")),
        );
    }
    if let Some((variable, _)) = driver
        .places()
        .into_iter()
        .filter(|(variable, _)| variable.starts_with("binder_sent_") || variable.starts_with("binder_received_"))
        .find(|(_, place)| *place < 0)
    {
        let field = variable.trim_start_matches("binder_").trim_end_matches("_offset");
        return State::of(
            ProbeState::Unsupported,
            format!("the tracepoints of this kernel's binder driver lack {field}"),
        );
    }
    let mut state = State { state: ProbeState::Attached, reasons: Vec::new() };
    // The receiving side first: a sender that is seen before anybody looks at receivers would be remembered in vain.
    let delivered = if tier == Tier::KernelObjects {
        attach(programs, btf, "binder_delivered", Hook::Any(driver.group, &driver.name(DONE)))
    } else {
        Err("needs the kernel's type information".to_owned())
    };
    if let Err(reason) = delivered {
        let by_map = attach(programs, btf, "binder_delivered_by_map", Hook::Any(driver.group, &driver.name(DONE)))
            .and_then(|()| driver.begins_as_usual(programs.program("binder_entered")))
            .and_then(|()| attach(programs, btf, "binder_entered", Hook::Any(driver.group, &driver.name(BEGUN))));
        if let Err(by_map) = by_map {
            return State::of(ProbeState::Denied, format!("program binder_delivered: {reason}; by map: {by_map}"));
        }
        state.state = ProbeState::Partial;
        state.reasons.push(format!(
            "what a thread receives in a call into the driver that had begun before the start is not seen, and which \
             binder device was used is not known (program binder_delivered: {reason})"
        ));
    }
    for (program, event) in [
        ("binder_received", RECEIVED),
        ("binder_node_to_ref", NODE_TO_REF),
        ("binder_ref_to_ref", REF_TO_REF),
        ("binder_sent", SENT),
    ] {
        let name = driver.name(event);
        let result = if driver.offers(event) {
            attach(programs, btf, program, Hook::Fields(driver.group, &name))
        } else {
            Err(format!("there is no tracepoint {}:{name}", driver.group))
        };
        match result {
            Ok(()) => {}
            Err(reason) if event == SENT || event == RECEIVED => {
                return State::of(ProbeState::Denied, format!("program {program}: {reason}"));
            }
            Err(reason) => {
                state.state = ProbeState::Partial;
                state
                    .reasons
                    .push(format!("names of services are learned from the platform only: program {program}: {reason}"));
            }
        }
    }
    state
}

/// Puts into the maps what the programs look up: wanted interfaces, device numbers.
pub(super) fn fill_maps(programs: &mut Ebpf) -> Result<(), LoadError> {
    let refused = |map: &str, error: &dyn std::fmt::Display| LoadError::Unsupported(format!("map {map}: {error}"));
    let mut interfaces: HashMap<MapData, InterfaceKey, u32> = take(programs, "wanted_interfaces")?;
    for interface in PRIVACY_INTERFACES.iter().map(|interface| interface.descriptor) {
        let Some(key) = interface_key(interface) else {
            return Err(LoadError::Unsupported(format!(
                "the interface {interface} is longer than the programs compare"
            )));
        };
        interfaces.insert(key, 1, 0).map_err(|error| refused("wanted_interfaces", &error))?;
    }
    let mut devices: HashMap<MapData, u32, u32> = take(programs, "binder_devices")?;
    for (device, places) in DEVICES {
        let Some(number) = places.iter().find_map(|place| device_number(&Path::new("/").join(place))) else { continue };
        devices.insert(number, u32::from(device), 0).map_err(|error| refused("binder_devices", &error))?;
    }
    Ok(())
}

/// The key of an interface: its descriptor in UTF-16, filled with zeros. None when it is too long.
fn interface_key(descriptor: &str) -> Option<InterfaceKey> {
    let mut key: InterfaceKey = [0; size_of::<InterfaceKey>()];
    let mut places = key.chunks_exact_mut(2);
    for unit in descriptor.encode_utf16() {
        places.next()?.copy_from_slice(&unit.to_le_bytes());
    }
    Some(key)
}

/// The number of a device in the kernel's own encoding; stat(2) gives another one.
fn device_number(path: &Path) -> Option<u32> {
    let number = std::fs::metadata(path).ok()?.rdev();
    let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
    u32::try_from(major << 20 | minor).ok().filter(|number| *number != 0)
}

/// What the programs remember of a call is of no use any more: the session that it was remembered for has ended.
pub(super) fn forget_session(kernel: &mut Loaded, bit: u64) {
    let calls: Vec<(u32, BinderCallBytes)> = kernel.binder_calls.iter().flatten().collect();
    for (id, mut call) in calls {
        let sessions = u64_at(&call, binder_call::SESSIONS);
        if sessions & bit == 0 {
            continue;
        }
        if sessions == bit {
            let _gone = kernel.binder_calls.remove(&id);
        } else if let Some(place) = call.get_mut(binder_call::SESSIONS..binder_call::SESSIONS + 8) {
            place.copy_from_slice(&(sessions & !bit).to_le_bytes());
            let _gone = kernel.binder_calls.insert(id, call, UPDATE_EXISTING);
        }
    }
}

/// Forgets calls that nobody will ever receive: nobody waits for their end, and the process that they were sent to is gone.
/// The driver says nothing when it throws them away.
pub(super) fn forget_undeliverable(kernel: &mut Loaded, proc_root: &Path, now_ns: u64) {
    let calls: Vec<(u32, BinderCallBytes)> = kernel.binder_calls.iter().flatten().collect();
    for (id, call) in calls {
        let one_way = u32_at(&call, binder_call::FLAGS) & BINDER_ONE_WAY != 0;
        let deserted = u32_at(&call, binder_call::STATE) & BINDER_CALL_NO_REPLY != 0;
        let old = now_ns.saturating_sub(u64_at(&call, binder_call::TIME_NS)) > UNDELIVERABLE_AFTER_NS;
        let receiver = u32_at(&call, binder_call::RECEIVER).to_string();
        if old && (one_way || deserted) && !proc_root.join(receiver).exists() {
            let _gone = kernel.binder_calls.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSACTION: &str = "name: binder_transaction\nID: 5\nformat:\n\tfield:int debug_id;\toffset:8;\tsize:4;\tsigned:1;\n\
        \tfield:int target_node;\toffset:12;\tsize:4;\tsigned:1;\n\tfield:int to_proc;\toffset:16;\tsize:4;\tsigned:1;\n\
        \tfield:int to_thread;\toffset:20;\tsize:4;\tsigned:1;\n\tfield:int reply;\toffset:24;\tsize:4;\tsigned:1;\n\
        \tfield:unsigned int code;\toffset:28;\tsize:4;\tsigned:0;\n\tfield:unsigned int flags;\toffset:32;\tsize:4;\tsigned:0;\n";

    fn value(places: &[(&str, i32)], variable: &str) -> i32 {
        places.iter().find(|(name, _)| *name == variable).unwrap().1
    }

    #[test]
    fn places_are_those_of_the_format_files() {
        let only_sent = |event: &str| (event == SENT).then(|| TRANSACTION.to_owned());
        let usual = places(only_sent);
        assert_eq!(value(&usual, "binder_usual_layout"), 1);
        assert_eq!(value(&usual, "binder_sent_flags_offset"), 32);
        assert_eq!(value(&usual, "binder_received_debug_id_offset"), -1);
        let moved = places(|event| only_sent(event).map(|format| format.replace("offset:28", "offset:48")));
        assert_eq!(value(&moved, "binder_usual_layout"), 0);
        assert_eq!(value(&moved, "binder_sent_code_offset"), 48);
    }

    #[test]
    fn an_interface_is_compared_in_the_words_of_a_parcel() {
        let key = interface_key("ab").unwrap();
        assert_eq!(&key[..5], &[b'a', 0, b'b', 0, 0]);
        assert!(interface_key(&"x".repeat(64)).is_some());
        assert!(interface_key(&"x".repeat(65)).is_none());
        assert!(PRIVACY_INTERFACES.iter().all(|interface| interface_key(interface.descriptor).is_some()));
        assert!(PRIVACY_INTERFACES.len() < 512, "the map of the programs holds no more");
    }

    #[test]
    fn a_device_has_the_kernels_number() {
        assert_eq!(device_number(Path::new("/dev/null")), Some(1 << 20 | 3));
        assert_eq!(device_number(Path::new("/proc/self/status")), None);
        assert_eq!(device_number(Path::new("/nonexistent")), None);
    }
}
