//! Which probe traces: the tiers in their order, and why each that does not work does not.
//!
//! * **In:** [`ProbeOptions`]. **Out:** the probes of a daemon, and the statuses of those that were tried in vain.
//! * **May import:** every probe but `replay`; this and the daemon are the only places that know several.
//! * **Test it:** `cargo test tiers`.
//!
//! | tier | probe | what it gives |
//! |---|---|---|
//! | 1 | `ebpf`, kernel objects | everything, as the kernel knows it |
//! | 2 | `ebpf`, system calls | results as the kernel knows them, names as the app gave them |
//! | 3 | `ptrace` | as tier 1 for files and sockets, requests through binder as hints; the app can notice it, and pays for it |
//! | 4 | `procfs`, polling | what happens to be there when it looks |
//!
//! Which of them work is found out by trying, never from version numbers. Beside the one that traces there are always the
//! list of what was there before (`procfs`, once) and the platform's names (`platform`); on Android also what the system
//! holds each process to be worth (`importance`).

use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::ebpf::{EbpfChoice, EbpfOptions};
use super::{Probe, binder_driver, ebpf, importance, platform, procfs, ptrace};
use crate::event::ProbeStatus;

/// Where method tables read from the device's jars are kept, below the root. Only a device with jars has it.
const METHOD_TABLE_CACHE: &str = "data/misc/candor/method-tables";

/// Which tiers may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProbeChoice {
    /// The first that works.
    #[default]
    Auto,
    /// Tier 1 or 2.
    Ebpf,
    /// Tier 1.
    EbpfKernelObjects,
    /// Tier 2.
    EbpfSystemCalls,
    /// Tier 3.
    Ptrace,
    /// Tier 4.
    Procfs,
}

impl ProbeChoice {
    /// The eBPF programs of this choice, if it has any.
    fn ebpf(self) -> Option<EbpfChoice> {
        match self {
            Self::Auto | Self::Ebpf => Some(EbpfChoice::Auto),
            Self::EbpfKernelObjects => Some(EbpfChoice::KernelObjects),
            Self::EbpfSystemCalls => Some(EbpfChoice::SystemCalls),
            Self::Ptrace | Self::Procfs => None,
        }
    }

    /// Whether tracing with this choice needs root from the start. Without root the others see the user's own processes.
    #[must_use]
    pub fn needs_root(self) -> bool {
        self.ebpf().is_some()
    }
}

/// How the probes are to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOptions {
    /// Which tiers may be used.
    pub choice: ProbeChoice,
    /// Size of the eBPF probe's ring buffer, in bytes.
    pub ring_bytes: u32,
    /// The program that the ptrace probe starts as its tracer; `None`: this one.
    pub tracer: Option<PathBuf>,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self { choice: ProbeChoice::Auto, ring_bytes: EbpfOptions::default().ring_bytes, tracer: None }
    }
}

/// What opening gave.
pub struct OpenedTiers {
    /// The one that traces, if any does; the list of what was there before; on Android the importance of processes; the
    /// platform's names, always last.
    pub probes: Vec<Box<dyn Probe>>,
    /// Statuses of tiers that were tried in vain, with the reasons.
    pub unavailable: Vec<ProbeStatus>,
}

impl OpenedTiers {
    /// Whether a probe sees what happens.
    #[must_use]
    pub fn traces(&self) -> bool {
        self.probes.iter().any(|probe| probe.traces())
    }

    /// The statuses of everything that was tried, those of what works first.
    #[must_use]
    pub fn statuses(&self) -> Vec<ProbeStatus> {
        self.probes.iter().flat_map(|probe| probe.statuses()).chain(self.unavailable.iter().cloned()).collect()
    }
}

/// Opens the probes. What is not there is reported, and no error.
#[must_use]
pub fn open(options: &ProbeOptions, system_root: &Path) -> OpenedTiers {
    let ProbeOptions { choice, ring_bytes, ref tracer } = *options;
    let mut unavailable = Vec::new();
    let mut tracing_probe = None;
    if let Some(choice) = choice.ebpf() {
        let opened = ebpf::open_with(&EbpfOptions { choice, ring_bytes });
        // The statuses of the probe that works come from itself, so that they are always those of now.
        let working = opened.probe.as_ref().map(|probe| probe.id());
        unavailable.extend(opened.statuses.into_iter().filter(|status| Some(status.probe) != working));
        tracing_probe = opened.probe;
    }
    // Without root it would see nothing of other users' processes, and with "auto" nobody has asked for that.
    let may_trace = geteuid().is_root() || choice == ProbeChoice::Ptrace;
    if matches!(choice, ProbeChoice::Auto | ProbeChoice::Ptrace) && tracing_probe.is_none() && may_trace {
        let opened = open_ptrace(tracer.as_deref(), system_root);
        if opened.probe.is_none() {
            unavailable.extend(opened.statuses);
        }
        tracing_probe = opened.probe;
    }
    let proc_root = system_root.join("proc");
    let sampling = matches!(choice, ProbeChoice::Auto | ProbeChoice::Procfs) && tracing_probe.is_none();
    let mut probes: Vec<_> = tracing_probe.into_iter().collect();
    probes.push(if sampling { procfs::open_polling(proc_root.clone()) } else { procfs::open(proc_root.clone()) });
    if platform::is_android(system_root) {
        probes.push(importance::open(proc_root));
    }
    probes.push(platform::open(system_root.to_owned(), method_table_cache(system_root)));
    OpenedTiers { probes, unavailable }
}

/// The statuses of every probe of these options, without keeping any open.
#[must_use]
pub fn statuses(options: &ProbeOptions, system_root: &Path) -> Vec<ProbeStatus> {
    let mut opened = open(options, system_root);
    // It tells its state only after it has read the device, which it does with the first selection.
    opened.probes.pop();
    let mut statuses = opened.statuses();
    statuses.extend(platform::statuses(system_root.to_owned(), method_table_cache(system_root)));
    statuses
}

fn open_ptrace(tracer: Option<&Path>, system_root: &Path) -> ptrace::Opened {
    let has_binder = binder_driver::place(system_root).is_some();
    match tracer {
        Some(program) => ptrace::open(program, has_binder),
        None => match ptrace::own_program() {
            Ok(program) => ptrace::open(&program, has_binder),
            Err(error) => ptrace::refused(format!("find this program's own file: {error}")),
        },
    }
}

fn method_table_cache(system_root: &Path) -> Option<PathBuf> {
    Some(system_root.join(METHOD_TABLE_CACHE))
}
