//! What the system says about itself, each thing by itself.

use std::fs;
use std::path::Path;

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, access, geteuid};

use super::Check;
use crate::device::clock;
use crate::device::probe::binder_driver;
use crate::device::probe::ebpf::{self, Trial};
use crate::device::probe::platform;
use crate::event::{DeviceInfo, Family, ProbeId, ProbeState, ProbeStatus};
use crate::wire::DEFAULT_SOCKET_PATH;

/// Tracepoints that the programs use. Those of raw tracepoints exist on every kernel that has them; they are looked up
/// here because a kernel can be built without events at all.
const TRACEPOINTS: &[(&str, &str)] = &[
    ("raw_syscalls", "sys_exit"),
    ("sched", "sched_process_fork"),
    ("sched", "sched_process_exec"),
    ("sched", "sched_process_exit"),
    ("oom", "oom_score_adj_update"),
];
/// What a daemon with one busy session may take beside its ring: its spool of 64 MiB, and 32 MiB for all else.
const DAEMON_BYTES: u64 = 96 << 20;
/// 2020-01-01: no device of today has an earlier date.
const EARLIEST_WALL_NS: u64 = 1_577_836_800_000_000_000;

fn first_line(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()?.lines().next().map(|line| line.trim().to_owned())
}

pub(super) fn kernel(device: &DeviceInfo) -> Check {
    let found = format!("Linux {} {}", device.kernel_release, device.architecture);
    match device.architecture.as_str() {
        "x86_64" | "aarch64" => Check::ok("kernel", found),
        _ => Check::missing("kernel", found, "the kernel programs know the system calls of x86_64 and aarch64 only"),
    }
}

pub(super) fn privileges(root: &Path) -> Check {
    let user = geteuid();
    let lockdown = fs::read_to_string(root.join("sys/kernel/security/lockdown")).unwrap_or_default();
    let lockdown = lockdown.split('[').nth(1).and_then(|rest| rest.split(']').next()).unwrap_or("none").to_owned();
    let found = format!("user id {user}, kernel lockdown {lockdown}");
    if !user.is_root() {
        return Check::missing("privileges", found, "tracing needs root")
            .way_out("start it with sudo, or as root over adb");
    }
    if lockdown == "confidentiality" {
        return Check::missing("privileges", found, "this lockdown forbids programs that read the kernel's memory")
            .way_out("boot with lockdown=integrity or without lockdown");
    }
    Check::ok("privileges", found)
}

pub(super) fn type_information(device: &DeviceInfo) -> Check {
    if device.kernel_btf {
        return Check::ok("btf", "the kernel tells the layout of its objects");
    }
    Check::limited(
        "btf",
        "/sys/kernel/btf/vmlinux is not there",
        "the kernel was built without CONFIG_DEBUG_INFO_BTF, so that only system calls are seen: paths are hints",
    )
    .way_out("a kernel with CONFIG_DEBUG_INFO_BTF")
}

/// A line for programs and one for maps.
pub(super) fn types(trials: &[Trial]) -> Vec<Check> {
    let line = |name: &str, program: bool| {
        let (good, bad): (Vec<&Trial>, Vec<&Trial>) =
            trials.iter().filter(|trial| trial.program == program).partition(|trial| trial.refusal.is_none());
        let names = |trials: &[&Trial]| trials.iter().map(|trial| trial.name).collect::<Vec<_>>().join(", ");
        if good.is_empty() && bad.is_empty() {
            return Check::missing(name, "not tried", "this build has no eBPF")
                .way_out("build with the cargo feature ebpf");
        }
        if bad.is_empty() {
            return Check::ok(name, names(&good));
        }
        let reason =
            bad.iter().map(|trial| format!("{}: {}", trial.name, trial.refusal.as_deref().unwrap_or_default()));
        let reason = reason.collect::<Vec<_>>().join("; ");
        let found = format!("refused: {}", names(&bad));
        let check = if bad.iter().any(|trial| trial.needed) {
            Check::missing(name, found, reason)
        } else {
            Check::limited(name, found, reason)
        };
        let way_out = if bad.iter().any(|trial| trial.denied) {
            "run it as root; in a container, with CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE"
        } else {
            "a kernel from 5.8 on"
        };
        check.way_out(way_out)
    };
    vec![line("program_types", true), line("map_types", false)]
}

pub(super) fn tracepoints() -> Check {
    let Some(there) = ebpf::tracepoints(TRACEPOINTS) else {
        return Check::limited(
            "tracepoints",
            "tracefs cannot be read",
            "the places of fields in tracepoints are not known, which programs for kernels without BTF need",
        )
        .way_out("mount -t tracefs tracefs /sys/kernel/tracing, as root");
    };
    let missing: Vec<String> = TRACEPOINTS
        .iter()
        .zip(&there)
        .filter(|(_, there)| !**there)
        .map(|((group, event), _)| format!("{group}:{event}"))
        .collect();
    if missing.is_empty() {
        let names: Vec<&str> = TRACEPOINTS.iter().map(|(_, event)| *event).collect();
        return Check::ok("tracepoints", names.join(", "));
    }
    let found = format!("not there: {}", missing.join(", "));
    Check::limited(
        "tracepoints",
        found,
        "the kernel was built without them; the lines of the families say what that costs",
    )
}

pub(super) fn binder(root: &Path) -> Check {
    let device = binder_driver::place(root);
    let module = root.join("sys/module/rust_binder").exists();
    match (device, module) {
        (Some(place), false) => Check::ok("binder", format!("/{place}")),
        (Some(place), true) => Check::missing(
            "binder",
            format!("/{place}, by the driver written in Rust"),
            "its tracepoints differ and are not known: providers and services are not seen",
        ),
        (None, _) if platform::api_level(root) > 0 => {
            Check::missing("binder", "no device", "this is an Android system without a binder device")
                .way_out("mount binderfs, or load the driver")
        }
        (None, _) => Check::ok("binder", "no device: there are no providers and no services that could be missed"),
    }
}

/// One line for each family: by which means it is seen, and how far that can be trusted.
pub(super) fn families(statuses: &[ProbeStatus]) -> Vec<Check> {
    Family::TRACED.iter().map(|family| family_line(*family, statuses)).collect()
}

fn family_line(family: Family, statuses: &[ProbeStatus]) -> Check {
    let name = family.name();
    let of_family = || statuses.iter().filter(|status| status.family == family);
    let traces =
        |probe: ProbeId| matches!(probe, ProbeId::EbpfKernelObjects | ProbeId::EbpfSystemCalls | ProbeId::Ptrace);
    let rank = |status: &&ProbeStatus| match (status.state, status.probe) {
        (ProbeState::Attached | ProbeState::Absent, ProbeId::EbpfKernelObjects) => 0,
        (ProbeState::Attached | ProbeState::Absent, _) => 1,
        (ProbeState::Partial, _) => 2,
        (ProbeState::Unsupported | ProbeState::Denied, _) => 3,
    };
    let Some(best) = of_family().filter(|status| traces(status.probe)).min_by_key(rank) else {
        return Check::missing(name, "not seen", "no probe that traces was opened");
    };
    let probe = best.probe.name();
    // Names of methods and services add to what is traced. A probe that only names is partial by nature.
    let naming = of_family().find(|status| status.probe == ProbeId::Platform && family == Family::Service);
    match best.state {
        ProbeState::Absent => Check::ok(name, "nothing of it on this system, so nothing can be missed"),
        ProbeState::Attached if best.probe == ProbeId::EbpfSystemCalls => Check::limited(
            name,
            format!("hints by {probe}"),
            "arguments are read from the app's memory, which another thread can have changed",
        )
        .way_out("a kernel with BTF"),
        ProbeState::Attached if best.probe == ProbeId::Ptrace => {
            Check::limited(name, format!("by stops, through {probe}"), best.reason.clone())
                .way_out("a kernel that takes eBPF programs")
        }
        ProbeState::Attached => {
            let found = format!("faithful by {probe}: read from the kernel's own objects");
            match naming {
                Some(names) if matches!(names.state, ProbeState::Unsupported | ProbeState::Denied) => {
                    Check::limited(name, found, format!("without names: {}", names.reason))
                }
                Some(names) if !names.reason.is_empty() => Check::ok(name, format!("{found}; {}", names.reason)),
                _ => Check::ok(name, found),
            }
        }
        ProbeState::Partial => Check::limited(name, format!("in part by {probe}"), best.reason.clone()),
        ProbeState::Unsupported | ProbeState::Denied => {
            let reasons: std::collections::BTreeSet<&str> =
                of_family().filter(|status| traces(status.probe)).map(|status| status.reason.as_str()).collect();
            Check::missing(
                name,
                format!("blind: {}", best.state.name()),
                reasons.into_iter().collect::<Vec<_>>().join("; "),
            )
        }
    }
}

pub(super) fn io_uring(root: &Path) -> Check {
    match first_line(&root.join("proc/sys/kernel/io_uring_disabled")).as_deref() {
        Some("2") => Check::ok("io_uring", "disabled: nothing can go past the system calls"),
        _ => Check::limited(
            "io_uring",
            "apps may use it",
            "what goes through it makes no system call; that it is used is reported as a blind spot",
        )
        .way_out("sysctl kernel.io_uring_disabled=2, on kernels from 6.6 on"),
    }
}

pub(super) fn packages(root: &Path) -> Check {
    let path = root.join("data/system/packages.list");
    match fs::read_to_string(&path) {
        Ok(text) => Check::ok("packages", format!("{} packages in /data/system/packages.list", text.lines().count())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && platform::api_level(root) == 0 => {
            Check::limited("packages", "not an Android system", "apps are named by their user id only")
                .way_out("select by user id or by process; candor record --uid, candor run")
        }
        Err(error) => Check::missing("packages", "/data/system/packages.list cannot be read", error.to_string())
            .way_out("run it as root, in a domain that may read it"),
    }
}

pub(super) fn resolver(root: &Path) -> Check {
    if platform::api_level(root) > 0 {
        return Check::limited(
            "resolver",
            "names are resolved by netd for all apps",
            "what an app asks netd is not joined with its connections; hosts are named by TLS and HTTP",
        );
    }
    let text = fs::read_to_string(root.join("etc/resolv.conf")).unwrap_or_default();
    let servers: Vec<&str> =
        text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")).map(str::trim).collect();
    if servers.is_empty() {
        return Check::limited(
            "resolver",
            "no name server in /etc/resolv.conf",
            "no names will be resolved in clear text",
        );
    }
    Check::ok("resolver", format!("asked in clear text: {}", servers.join(", ")))
}

pub(super) fn memory(root: &Path, ring_bytes: u32) -> Check {
    let text = fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
    let kibibytes = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let Some(available) = kibibytes.map(|kibibytes| kibibytes << 10) else {
        return Check::limited("memory", "not known", "/proc/meminfo does not tell what is available");
    };
    let wanted = DAEMON_BYTES + u64::from(ring_bytes);
    let found = format!("{} MiB available, a busy daemon takes up to {} MiB", available >> 20, wanted >> 20);
    if available < wanted {
        return Check::limited("memory", found, "the system may end the daemon, or the app")
            .way_out("candord serve --spool-megabytes 16 --ring-megabytes 2");
    }
    Check::ok("memory", found)
}

/// Whether the directory of spools, or the place where it will be made, takes as much as all spools may hold.
pub(super) fn spool(directory: &Path, wanted: u64) -> Check {
    const WAY_OUT: &str = "candord serve --spool-directory DIR; without one, sessions do not survive the daemon";
    let Some(place) = directory.ancestors().find(|place| place.is_dir()) else {
        return Check::limited(
            "spool",
            format!("no place for {}", directory.display()),
            "sessions are held in memory alone",
        )
        .way_out(WAY_OUT);
    };
    let there = directory.display();
    let (system, writable) = (statvfs(place), access(place, AccessFlags::W_OK));
    let system = match (system, writable) {
        (Ok(system), Ok(())) if !system.flags().contains(FsFlags::ST_RDONLY) => system,
        (Err(error), _) | (_, Err(error)) => {
            return Check::limited("spool", there.to_string(), format!("{}: {}", place.display(), error.desc()))
                .way_out(WAY_OUT);
        }
        _ => {
            return Check::limited("spool", there.to_string(), format!("{} is read-only", place.display()))
                .way_out(WAY_OUT);
        }
    };
    let free = system.blocks_available().saturating_mul(system.fragment_size());
    let found = format!("{there}, {} MiB free, all sessions together take up to {} MiB", free >> 20, wanted >> 20);
    if free < wanted {
        return Check::limited("spool", found, "on a full disk a session loses events, which it counts")
            .way_out("candord serve --spool-total-megabytes");
    }
    Check::ok("spool", found)
}

pub(super) fn clock() -> Check {
    let now = clock::anchor();
    let hours = now.boot_ns / 3_600_000_000_000;
    let found = format!("up {hours} h, {} s since 1970 by the wall clock", now.wall_ns / 1_000_000_000);
    if now.wall_ns < EARLIEST_WALL_NS {
        return Check::limited("clock", found, "the wall clock is not set, so that dates in reports are wrong")
            .way_out("set it: date -s");
    }
    Check::ok("clock", found)
}

/// Whether a daemon seems to be there. It is not asked.
pub(super) fn usual_socket() -> Check {
    if Path::new(DEFAULT_SOCKET_PATH).exists() {
        return Check::ok("daemon", format!("{DEFAULT_SOCKET_PATH} is there; candor info asks who listens"));
    }
    Check::ok("daemon", format!("none at {DEFAULT_SOCKET_PATH}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::doctor::CheckState;

    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const ANDROID: (&str, &str) = ("system/build.prop", "ro.build.version.sdk=33\n");

    fn status(probe: ProbeId, family: Family, state: ProbeState) -> ProbeStatus {
        ProbeStatus { probe, family, state, reason: format!("{} said so", probe.name()) }
    }

    #[test]
    fn a_family_is_as_good_as_its_best_probe_that_traces() {
        use ProbeState::{Absent, Attached, Denied, Partial, Unsupported};
        let objects = |state| status(ProbeId::EbpfKernelObjects, Family::File, state);
        let calls = |state| status(ProbeId::EbpfSystemCalls, Family::File, state);
        let sampled = status(ProbeId::Procfs, Family::File, Attached);
        for (statuses, state, words) in [
            (vec![objects(Attached)], CheckState::Ok, "faithful"),
            (vec![objects(Unsupported), calls(Attached)], CheckState::Limited, "hints"),
            (vec![objects(Partial), sampled.clone()], CheckState::Limited, "in part"),
            (vec![objects(Denied), calls(Denied), sampled.clone()], CheckState::Missing, "blind"),
            (vec![sampled], CheckState::Missing, "not seen"),
            (vec![objects(Absent)], CheckState::Ok, "nothing of it"),
        ] {
            let line = family_line(Family::File, &statuses);
            assert_eq!(line.state, state, "{statuses:?}");
            assert!(line.found.contains(words), "{line:?}");
        }
        for (names, state) in [(Partial, CheckState::Ok), (Denied, CheckState::Limited)] {
            let names = status(ProbeId::Platform, Family::Service, names);
            let line =
                family_line(Family::Service, &[status(ProbeId::EbpfKernelObjects, Family::Service, Attached), names]);
            assert_eq!(line.state, state);
            assert!(format!("{}{}", line.found, line.reason).contains("platform said so"), "{line:?}");
        }
    }

    #[test]
    fn types_that_are_refused_say_so() {
        let trial = |name, program, refusal: Option<&str>, needed| Trial {
            name,
            program,
            needed,
            refusal: refusal.map(str::to_owned),
            denied: false,
        };
        let lines = types(&[
            trial("raw_tracepoint", true, None, true),
            trial("tracing", true, Some("no such type"), false),
            trial("ringbuf", false, Some("no such type"), true),
        ]);
        let states: Vec<_> = lines.iter().map(|line| (line.name.as_str(), line.state)).collect();
        assert_eq!(states, [("program_types", CheckState::Limited), ("map_types", CheckState::Missing)]);
        assert!(types(&[]).iter().all(|line| line.state == CheckState::Missing));
    }

    #[test]
    fn android_without_what_android_has_is_missing_something() {
        let android = system(&[ANDROID]);
        assert_eq!(packages(android.path()).state, CheckState::Missing);
        assert_eq!(binder(android.path()).state, CheckState::Missing);
        assert_eq!(resolver(android.path()).state, CheckState::Limited);
        let whole = system(&[ANDROID, ("data/system/packages.list", "a 1\nb 2\n"), ("dev/binder", "")]);
        assert!(packages(whole.path()).found.starts_with("2 packages"));
        assert_eq!(binder(whole.path()).state, CheckState::Ok);
        let elsewhere = system(&[("etc/resolv.conf", "# x\nnameserver 127.0.0.53\n")]);
        assert_eq!(packages(elsewhere.path()).state, CheckState::Limited);
        assert_eq!(binder(elsewhere.path()).state, CheckState::Ok);
        assert!(resolver(elsewhere.path()).found.ends_with("127.0.0.53"));
    }

    #[test]
    fn memory_is_compared_with_what_is_needed() {
        let of = |text| memory(system(&[("proc/meminfo", text)]).path(), 8 << 20).state;
        assert_eq!(of("MemTotal: 1 kB\nMemAvailable:  2000000 kB\n"), CheckState::Ok);
        assert_eq!(of("MemAvailable:  50000 kB\n"), CheckState::Limited);
        assert_eq!(of("nothing"), CheckState::Limited);
    }

    #[test]
    fn spools_need_a_place_that_takes_them() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("to/be/made");
        let check = spool(&directory, 1);
        assert_eq!(check.state, CheckState::Ok, "{check:?}");
        assert!(check.found.starts_with(&directory.display().to_string()), "{check:?}");
        assert_eq!(spool(&directory, u64::MAX).state, CheckState::Limited);
        assert_eq!(spool(Path::new("/proc/candord/spool"), 1).state, CheckState::Limited, "nothing can be made there");
    }

    #[test]
    fn what_may_go_past_the_system_calls_is_told() {
        assert_eq!(io_uring(system(&[("proc/sys/kernel/io_uring_disabled", "2\n")]).path()).state, CheckState::Ok);
        assert_eq!(io_uring(system(&[]).path()).state, CheckState::Limited);
    }
}
