//! Loads and attaches the kernel programs, and says in the kernel's own words which of them it refused.

use std::io;
use std::path::Path;

use aya::maps::{Array, HashMap, MapData, MapError, PerCpuArray, ProgramArray, RingBuf};
use aya::programs::{Program, ProgramError, ProgramFd, RawTracePoint, RawTracePointRunOptions, TestRun as _};
use aya::{Btf, Ebpf, EbpfError, EbpfLoader, VerifierLogLevel};
use thiserror::Error;

use super::calls::{HANDLERS, operation_table};
use super::casts;
use super::crowding::Crowding;
use super::descriptor_table::DescriptorTable;
use super::embedded::{
    CANARY, EmbeddedObject, KERNEL_OBJECTS, KERNEL_OBJECTS_BY_CALLS, KERNEL_OBJECTS_BY_CASTS, KERNEL_OBJECTS_BY_EVENT,
    SYSTEM_CALLS, SYSTEM_CALLS_BY_EVENT,
};
use super::map_layout::{ACCOUNT_SIZE, BinderCallBytes, DescriptorKey, SETTINGS_SIZE, UNIX_NAMES_SIZE, settings};
use super::skips::Skips;
use super::{EbpfOptions, binder, tracefs, trial};
use crate::event::{Family, ProbeId, ProbeState, ProbeStatus};

const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";
const LOCKDOWN_PATH: &str = "/sys/kernel/security/lockdown";

/// The tier that an object belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tier {
    KernelObjects,
    SystemCalls,
}

impl Tier {
    pub(super) fn probe(self) -> ProbeId {
        match self {
            Self::KernelObjects => ProbeId::EbpfKernelObjects,
            Self::SystemCalls => ProbeId::EbpfSystemCalls,
        }
    }
}

/// Why nothing of a tier can be used.
#[derive(Debug, Error)]
pub(super) enum LoadError {
    /// The kernel or this build lacks something.
    #[error("{0}")]
    Unsupported(String),
    /// The kernel has what is needed and refuses it to us.
    #[error("{0}")]
    Denied(String),
}

impl LoadError {
    pub(super) fn state(&self) -> ProbeState {
        match self {
            Self::Unsupported(_) => ProbeState::Unsupported,
            Self::Denied(_) => ProbeState::Denied,
        }
    }

    /// Tells a refusal from a lack, by what the system said.
    fn from_system(action: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let message = format!("{action}: {}", chain(error));
        match system_error(error) {
            Some(libc::EPERM | libc::EACCES) => Self::Denied(format!("{message}. {}", way_out())),
            _ => Self::Unsupported(message),
        }
    }
}

/// The error and its causes, each once.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

/// The errno somewhere below an error.
pub(super) fn system_error(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut current = Some(error);
    while let Some(inner) = current {
        if let Some(system) = inner.downcast_ref::<io::Error>() {
            return system.raw_os_error();
        }
        current = inner.source();
    }
    None
}

/// What someone can do about a refusal.
fn way_out() -> String {
    if !nix::unistd::geteuid().is_root() {
        return "Run the daemon as root, or give it CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE".to_owned();
    }
    let lockdown = std::fs::read_to_string(LOCKDOWN_PATH).unwrap_or_default();
    if lockdown.contains("[confidentiality]") {
        return "The kernel is locked down (confidentiality), which forbids programs that read its memory: boot with \
                lockdown=integrity or without lockdown"
            .to_owned();
    }
    "The system's policy forbids it (seccomp, SELinux, a container without CAP_BPF): allow it, or use another probe"
        .to_owned()
}

/// A loaded and attached tier. Everything detaches when it is dropped, or when the process dies: attachments are file
/// descriptors, and nothing is pinned.
pub(super) struct Loaded {
    pub(super) tier: Tier,
    pub(super) statuses: Vec<ProbeStatus>,
    /// The kernel interrupts programs, and so it matters when this process reads maps (see `priority`).
    pub(super) interrupts: bool,
    /// Nothing was refused but what depends on the binder driver, which another object would not change.
    whole: bool,
    pub(super) ring: RingBuf<MapData>,
    pub(super) ring_bytes: u32,
    pub(super) settings: Array<MapData, [u8; SETTINGS_SIZE]>,
    pub(super) operations: Vec<u8>,
    pub(super) uids: HashMap<MapData, u32, u64>,
    pub(super) trees: HashMap<MapData, u32, u64>,
    pub(super) descriptors: DescriptorTable,
    pub(super) unix_names: HashMap<MapData, DescriptorKey, [u8; UNIX_NAMES_SIZE]>,
    pub(super) accounts: PerCpuArray<MapData, [u8; ACCOUNT_SIZE]>,
    pub(super) session_losses: HashMap<MapData, u64, [u64; 2]>,
    pub(super) binder_calls: HashMap<MapData, u32, BinderCallBytes>,
    /// Keeps the handlers in their table, and the programs attached.
    _handlers: ProgramArray<MapData>,
    _programs: Ebpf,
}

impl Loaded {
    /// What the kernel leaves out of the runs of these programs.
    pub(super) fn skips(&self) -> Skips {
        Skips::of(&self._programs)
    }
}

/// A program that does nothing, attached to every system call until dropped: what benchmarks compare with.
pub struct EmptyProgram {
    _programs: Ebpf,
}

/// Attaches a program that does nothing to the end of every system call.
///
/// # Errors
///
/// When the kernel refuses it; the message says what can be done.
pub fn attach_empty_program() -> Result<EmptyProgram, super::super::ProbeError> {
    load_canary().map_err(|error| super::super::ProbeError::Unsupported(error.to_string()))
}

fn load_canary() -> Result<EmptyProgram, LoadError> {
    let mut programs = EbpfLoader::new()
        .btf(None)
        .verifier_log_level(VerifierLogLevel::DEBUG)
        .load(CANARY.unpack().map_err(|error| broken_build(&error))?.bytes())
        .map_err(|error| LoadError::from_system("prepare a first, empty eBPF program", &error))?;
    let program = raw_tracepoint(&mut programs, "canary")?;
    program.load().map_err(|error| LoadError::from_system("load a first, empty eBPF program", &error))?;
    // Run once by hand, before every system call of the machine runs it. Kernels before 5.10 cannot.
    match program.test_run(RawTracePointRunOptions::new()) {
        Ok(result) if result.return_value == 0 => {}
        Ok(result) => {
            let answer = result.return_value;
            return Err(LoadError::Unsupported(format!("a first, empty eBPF program gave {answer} in place of 0")));
        }
        Err(error) => tracing::debug!(%error, "the empty program cannot be run by hand; it is attached as it is"),
    }
    program.attach("sys_exit").map_err(|error| LoadError::from_system("attach a first, empty eBPF program", &error))?;
    Ok(EmptyProgram { _programs: programs })
}

fn broken_build(error: &io::Error) -> LoadError {
    LoadError::Unsupported(format!(
        "this daemon file is damaged, its kernel programs do not unpack ({error}): install it again"
    ))
}

fn raw_tracepoint<'a>(programs: &'a mut Ebpf, name: &str) -> Result<&'a mut RawTracePoint, LoadError> {
    programs
        .program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| LoadError::Unsupported(format!("this build has no program {name}")))
}

/// How a program is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook<'a> {
    /// A tracepoint of this group and name, in whatever form the program was compiled for: raw, with types, or with fields.
    Any(&'a str, &'a str),
    /// A tracepoint of this group and name, in the form with fields.
    Fields(&'a str, &'a str),
}

/// A program, where it is attached, and the families that are incomplete without it.
type Attachment = (&'static str, Hook<'static>, &'static [Family]);

const KERNEL_OBJECTS_HOOKS: &[Attachment] = &[
    ("process_start", Hook::Any("sched", "sched_process_fork"), &[Family::Process]),
    ("process_exec", Hook::Any("sched", "sched_process_exec"), &[Family::Process]),
    ("process_exit", Hook::Any("sched", "sched_process_exit"), &[Family::Process]),
    (SYSTEM_CALL_EXIT, Hook::Any("raw_syscalls", "sys_exit"), &[Family::Process, Family::File, Family::Socket]),
];

const SYSTEM_CALLS_HOOKS: &[Attachment] = &[
    ("thread_start", Hook::Any("task", "task_newtask"), &[Family::Process]),
    ("process_start", Hook::Fields("sched", "sched_process_fork"), &[Family::Process]),
    ("process_exec", Hook::Fields("sched", "sched_process_exec"), &[Family::Process]),
    ("process_exit", Hook::Fields("sched", "sched_process_exit"), &[Family::Process]),
    (SYSTEM_CALL_EXIT, Hook::Any("raw_syscalls", "sys_exit"), &[Family::Process, Family::File, Family::Socket]),
];

/// The program that everything but the process family hangs on.
const SYSTEM_CALL_EXIT: &str = "system_call_exit";

/// Loads a tier, as much of it as the kernel takes.
pub(super) fn load(tier: Tier, options: &EbpfOptions) -> Result<Loaded, LoadError> {
    raise_memory_limit();
    drop(load_canary()?);
    if let Some((denied, why)) = trial::obstacle(&trial::try_types()) {
        return Err(if denied {
            LoadError::Denied(format!("{why}. {}", way_out()))
        } else {
            LoadError::Unsupported(why)
        });
    }
    let interrupts = interrupts_programs();
    // What each is refused by is said where it is defined.
    let (first, otherwise): (Vec<&EmbeddedObject>, _) = match tier {
        Tier::KernelObjects => {
            let by_event = interrupts.then_some(&KERNEL_OBJECTS_BY_EVENT);
            (
                by_event.into_iter().chain([&KERNEL_OBJECTS_BY_CASTS, &KERNEL_OBJECTS]).collect(),
                &KERNEL_OBJECTS_BY_CALLS,
            )
        }
        Tier::SystemCalls => (interrupts.then_some(&SYSTEM_CALLS_BY_EVENT).into_iter().collect(), &SYSTEM_CALLS),
    };
    tracefs::with_tracefs(|| {
        for object in first {
            match load_tier(tier, object, options, interrupts) {
                Ok(loaded) if loaded.whole => return Ok(loaded),
                Ok(loaded) => tracing::debug!(statuses = ?loaded.statuses, "another form of the programs is tried"),
                Err(error) => tracing::debug!(%error, "another form of the programs is tried"),
            }
        }
        load_tier(tier, otherwise, options, interrupts)
    })
}

/// Whether the kernel interrupts programs on raw tracepoints: from 7.0 on. The version decides, because nothing else tells:
/// both forms of the programs load, and the one that can be interrupted loses a call now and then (see `skips`).
fn interrupts_programs() -> bool {
    let release = nix::sys::utsname::uname().ok();
    let release = release.as_ref().and_then(|names| names.release().to_str()).unwrap_or_default();
    major_version(release) >= FIRST_TO_INTERRUPT
}

/// The first version that interrupts programs on raw tracepoints.
const FIRST_TO_INTERRUPT: u32 = 7;

fn major_version(release: &str) -> u32 {
    release.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn load_tier(
    tier: Tier,
    object: &EmbeddedObject,
    options: &EbpfOptions,
    interrupts: bool,
) -> Result<Loaded, LoadError> {
    let btf = match tier {
        // Without BTF the loader would skip relocation silently, and the programs would read wrong offsets.
        Tier::KernelObjects if !Path::new(BTF_PATH).exists() => {
            return Err(LoadError::Unsupported(format!(
                "the kernel offers no type information ({BTF_PATH}): it was built without CONFIG_DEBUG_INFO_BTF"
            )));
        }
        Tier::KernelObjects => Some(
            Btf::from_sys_fs()
                .map_err(|error| LoadError::Unsupported(format!("the type information in {BTF_PATH}: {error}")))?,
        ),
        Tier::SystemCalls => None,
    };
    let mut object = object.unpack().map_err(|error| broken_build(&error))?;
    casts::resolve(object.bytes_mut(), btf.as_ref())?;
    let ring_bytes = options.ring_bytes.max(4096).next_power_of_two();
    let offsets = if tier == Tier::SystemCalls { tracefs::field_offsets() } else { Vec::new() };
    let mut loader = EbpfLoader::new();
    let binder_driver = binder::Driver::find();
    let binder_places = binder_driver.as_ref().map(binder::Driver::places).unwrap_or_default();
    for (name, offset) in offsets.iter().chain(&binder_places) {
        loader.override_global(name, offset, true);
    }
    let mut programs = loader
        .btf(btf.as_ref())
        // The loader asks for words only after a refusal.
        .verifier_log_level(VerifierLogLevel::DEBUG)
        .map_max_entries("ring", ring_bytes)
        .load(object.bytes())
        .map_err(|error| object_error(tier, &error))?;

    let mut refusals = Vec::new();
    let mut handlers: ProgramArray<MapData> = take(&mut programs, "handlers")?;
    let mut loaded = Vec::new();
    for (index, name, families) in HANDLERS {
        match load_handler(&mut programs, btf.as_ref(), &mut handlers, *index, name) {
            Ok(()) => loaded.push(*index),
            Err(reason) => refusals.push((*families, format!("program {name}: {reason}"))),
        }
    }
    let hooks = match tier {
        Tier::KernelObjects => KERNEL_OBJECTS_HOOKS,
        Tier::SystemCalls => SYSTEM_CALLS_HOOKS,
    };
    let mut attached = Vec::new();
    for (name, hook, families) in hooks {
        match attach(&mut programs, btf.as_ref(), name, *hook) {
            Ok(()) => attached.push(*name),
            Err(reason) => refusals.push((*families, format!("program {name}: {reason}"))),
        }
    }
    let binder_state = binder::attach_all(&mut programs, btf.as_ref(), tier, binder_driver.as_ref());
    drop(btf);
    return_memory();
    if !attached.contains(&SYSTEM_CALL_EXIT) {
        let reasons: Vec<_> = refusals.into_iter().map(|(_, reason)| reason).collect();
        return Err(LoadError::Denied(format!("{}. {}", reasons.join("; "), way_out())));
    }
    binder::fill_maps(&mut programs)?;
    let mut statuses = statuses(tier, &refusals);
    statuses.extend(binder_state.statuses(tier));
    Ok(Loaded {
        tier,
        interrupts,
        whole: refusals.is_empty(),
        statuses,
        ring: take(&mut programs, "ring")?,
        ring_bytes,
        settings: take(&mut programs, "settings")?,
        operations: operation_table(&loaded).to_vec(),
        uids: take(&mut programs, "selected_uids")?,
        trees: take(&mut programs, "selected_trees")?,
        descriptors: DescriptorTable::take(&mut programs)?,
        unix_names: take(&mut programs, "unix_socket_names")?,
        accounts: take(&mut programs, "accounts")?,
        session_losses: take(&mut programs, "session_losses")?,
        binder_calls: take(&mut programs, "binder_calls")?,
        _handlers: handlers,
        _programs: programs,
    })
}

fn object_error(tier: Tier, error: &EbpfError) -> LoadError {
    match LoadError::from_system("create the maps of the eBPF programs", error) {
        // A relocation that cannot be done is the kernel lacking a type or field that we know.
        LoadError::Unsupported(message) if tier == Tier::KernelObjects => LoadError::Unsupported(format!(
            "{message}. This kernel's structures differ from all we know; the probe for system calls needs none of them"
        )),
        other => other,
    }
}

pub(super) fn take<M>(programs: &mut Ebpf, name: &str) -> Result<M, LoadError>
where
    M: TryFrom<aya::maps::Map, Error = MapError>,
{
    let map = programs.take_map(name).ok_or_else(|| LoadError::Unsupported(format!("this build has no map {name}")))?;
    M::try_from(map).map_err(|error| LoadError::Unsupported(format!("map {name}: {error}")))
}

fn load_handler(
    programs: &mut Ebpf,
    btf: Option<&Btf>,
    handlers: &mut ProgramArray<MapData>,
    index: u32,
    name: &str,
) -> Result<(), String> {
    let descriptor = load_program(programs, btf, name)?;
    handlers.set(index, &descriptor, 0).map_err(|error| chain(&error))
}

/// Loads a program of whatever type its object has it in.
fn load_program(programs: &mut Ebpf, btf: Option<&Btf>, name: &str) -> Result<ProgramFd, String> {
    let absent = || format!("this build has no program {name}");
    let clone = |descriptor: Result<&ProgramFd, ProgramError>| {
        descriptor.map_err(|error| chain(&error))?.try_clone().map_err(|error| chain(&error))
    };
    match programs.program_mut(name).ok_or_else(absent)? {
        Program::RawTracePoint(program) => {
            program.load().map_err(|error| refusal(&error))?;
            clone(program.fd())
        }
        Program::BtfTracePoint(program) => {
            let btf = btf.ok_or("it needs the kernel's type information")?;
            program.load("sys_exit", btf).map_err(|error| refusal(&error))?;
            clone(program.fd())
        }
        Program::TracePoint(program) => {
            program.load().map_err(|error| refusal(&error))?;
            clone(program.fd())
        }
        _ => Err(absent()),
    }
}

pub(super) fn attach(programs: &mut Ebpf, btf: Option<&Btf>, name: &str, hook: Hook<'_>) -> Result<(), String> {
    load_program(programs, btf, name)?;
    let absent = || format!("this build has no program {name}");
    match (programs.program_mut(name).ok_or_else(absent)?, hook) {
        (Program::RawTracePoint(program), Hook::Any(_, tracepoint)) => program.attach(tracepoint).map(|_| ()),
        // The tracepoint was chosen when it was loaded.
        (Program::BtfTracePoint(program), Hook::Any(..)) => program.attach().map(|_| ()),
        (Program::TracePoint(program), Hook::Fields(group, tracepoint) | Hook::Any(group, tracepoint)) => {
            program.attach(group, tracepoint).map(|_| ())
        }
        _ => return Err(absent()),
    }
    .map_err(|error| chain(&error))
}

/// What the kernel said: its error, and the last words of the verifier that are not statistics.
fn refusal(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            let words = log
                .lines()
                .rev()
                .map(str::trim)
                .find(|line| !line.is_empty() && !line.starts_with("processed ") && !line.starts_with("verification"))
                .unwrap_or("the kernel gave no reason");
            format!("{io_error} ({words})")
        }
        other => chain(other),
    }
}

/// The status of each family, from what was refused.
fn statuses(tier: Tier, refusals: &[(&[Family], String)]) -> Vec<ProbeStatus> {
    [Family::Process, Family::File, Family::Socket]
        .into_iter()
        .map(|family| {
            let mut reasons: Vec<&str> = refusals
                .iter()
                .filter(|(families, _)| families.contains(&family))
                .map(|(_, why)| why.as_str())
                .collect();
            reasons.extend(limits(tier, family));
            let state = if reasons.is_empty() { ProbeState::Attached } else { ProbeState::Partial };
            ProbeStatus { probe: tier.probe(), family, state, reason: reasons.join("; ") }
        })
        .collect()
}

/// What a tier never sees of a family.
fn limits(tier: Tier, family: Family) -> Option<&'static str> {
    match (tier, family) {
        (Tier::KernelObjects, _) | (_, Family::Provider | Family::Service | Family::Session) => None,
        (Tier::SystemCalls, Family::Process) => Some("seen through system calls only: exit status is not known"),
        (Tier::SystemCalls, Family::File) => Some(
            "seen through system calls only: paths are those the app passed; descriptors that were inherited, duplicated or \
             received are not followed",
        ),
        (Tier::SystemCalls, Family::Socket) => Some(
            "seen through system calls only: addresses are those the app passed; descriptors that were inherited, \
             duplicated or received are not followed",
        ),
    }
}

/// Kernels before 5.11 count maps and programs as locked memory of the process, of which it may have little. Newer ones do
/// not; there, as where it is refused, nothing is lost: creating the maps says what is wrong.
fn raise_memory_limit() {
    use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
    if let Err(error) = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY) {
        tracing::debug!(%error, "the limit of locked memory stays as it is");
    }
}

/// Gives the memory that held the kernel's type information back to the system: some 25 MB in small pieces, which the
/// allocator would keep for ever.
fn return_memory() {
    #[cfg(target_env = "gnu")]
    {
        #[expect(
            unsafe_code,
            reason = "malloc_trim has no safe wrapper; it takes no pointer and may be called at any time"
        )]
        // SAFETY: it only releases free pages of the C library's allocator, under the allocator's own lock.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

/// The settings as the programs read them.
pub(super) fn settings_bytes(
    selected_by: u32,
    wake_bytes: u32,
    generation: u32,
    crowding: &Crowding,
    operations: &[u8],
) -> [u8; SETTINGS_SIZE] {
    let mut bytes = [0; SETTINGS_SIZE];
    let mut put = |offset: usize, value: &[u8]| {
        if let Some(place) = bytes.get_mut(offset..offset + value.len()) {
            place.copy_from_slice(value);
        }
    };
    put(settings::SELECTED_BY, &selected_by.to_le_bytes());
    put(settings::OWN_TGID, &std::process::id().to_le_bytes());
    put(settings::WAKE_BYTES, &wake_bytes.to_le_bytes());
    put(settings::GENERATION, &generation.to_le_bytes());
    put(settings::CROWDING, &crowding.sessions().to_le_bytes());
    put(settings::CROWD_BYTES, &crowding.bytes().to_le_bytes());
    put(settings::OPERATION, operations);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_says_whether_programs_are_interrupted() {
        for (release, interrupts) in [("6.18.44", false), ("7.0.0-rc1", true), ("10.1-vendor", true), ("", false)] {
            assert_eq!(major_version(release) >= FIRST_TO_INTERRUPT, interrupts, "{release}");
        }
    }
}
