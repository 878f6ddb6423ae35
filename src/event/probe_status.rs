//! What a probe can and cannot see here, and how far what it says can be trusted.

use serde::{Deserialize, Serialize};

use super::Family;

/// A source of raw records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProbeId {
    /// eBPF programs that read kernel objects (needs the kernel's BTF).
    EbpfKernelObjects,
    /// eBPF programs that see system-call arguments and results only (no BTF needed).
    EbpfSystemCalls,
    /// Stops of traced threads. The app can notice it.
    Ptrace,
    /// Polling `/proc`.
    Procfs,
    /// The platform's own files and registries: API level, method names, names of services.
    Platform,
    /// Raw records read back from a file.
    Replay,
    /// The daemon itself: marks made by clients.
    Daemon,
}

impl ProbeId {
    /// Every probe.
    pub const ALL: &'static [Self] = &[
        Self::EbpfKernelObjects,
        Self::EbpfSystemCalls,
        Self::Ptrace,
        Self::Procfs,
        Self::Platform,
        Self::Replay,
        Self::Daemon,
    ];

    /// The name used in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EbpfKernelObjects => "ebpf_kernel_objects",
            Self::EbpfSystemCalls => "ebpf_system_calls",
            Self::Ptrace => "ptrace",
            Self::Procfs => "procfs",
            Self::Platform => "platform",
            Self::Replay => "replay",
            Self::Daemon => "daemon",
        }
    }
}

/// The state of a probe for one family of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProbeState {
    /// Everything this probe can see of the family is seen.
    Attached,
    /// Some of it is seen; the reason says what is not.
    Partial,
    /// This system or this build does not offer what the probe needs.
    Unsupported,
    /// The system offers it and refused it.
    Denied,
    /// There is nothing of the family on this system, so nothing can be missed: no binder driver, no binder acts.
    Absent,
}

impl ProbeState {
    /// Every state.
    pub const ALL: &'static [Self] = &[Self::Attached, Self::Partial, Self::Unsupported, Self::Denied, Self::Absent];

    /// Whether something of the family is seen.
    #[must_use]
    pub fn sees(self) -> bool {
        matches!(self, Self::Attached | Self::Partial)
    }

    /// The name used in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Partial => "partial",
            Self::Unsupported => "unsupported",
            Self::Denied => "denied",
            Self::Absent => "absent",
        }
    }
}

/// What one probe gives for one family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProbeStatus {
    /// The probe.
    pub probe: ProbeId,
    /// The family of events.
    pub family: Family,
    /// Its state.
    pub state: ProbeState,
    /// Why, in words for a person; what the kernel said, when it said something. May be empty for `Attached`.
    #[serde(default)]
    pub reason: String,
}

/// How far the fields of an event can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fidelity {
    /// Read from the kernel's own objects: the traced app cannot have changed it.
    Faithful,
    /// At least one field is a hint, for these reasons (at least one, sorted).
    Hint(Vec<FidelityReason>),
}

impl Fidelity {
    /// That of an event in a text that was written by hand, or could have been.
    #[must_use]
    pub fn imported() -> Self {
        Self::Hint(vec![FidelityReason::Imported])
    }
}

/// Why a field is only a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FidelityReason {
    /// A path, an address or a parcel was read from the app's memory; another thread can have changed it between that moment and the
    /// one when the kernel read it.
    UserMemory,
    /// A relative path was completed with the working directory found later.
    LateDirectory,
    /// Read from `/proc` at some later moment.
    Sampled,
    /// The process was not known when it acted; its identity was found later.
    LateIdentity,
    /// The user id does not say which app it was. The process's own name does, which an app can choose.
    NamedByProcess,
    /// The user id does not say which app it was. The package that the process named as its own in a binder transaction does.
    NamedByCaller,
    /// The user id does not say which app it was. The process that started it does.
    NamedByParent,
    /// Written by hand (an imported recording).
    Imported,
}

impl FidelityReason {
    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::UserMemory,
        Self::LateDirectory,
        Self::Sampled,
        Self::LateIdentity,
        Self::NamedByProcess,
        Self::NamedByCaller,
        Self::NamedByParent,
        Self::Imported,
    ];

    /// The name used in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UserMemory => "user_memory",
            Self::LateDirectory => "late_directory",
            Self::Sampled => "sampled",
            Self::LateIdentity => "late_identity",
            Self::NamedByProcess => "named_by_process",
            Self::NamedByCaller => "named_by_caller",
            Self::NamedByParent => "named_by_parent",
            Self::Imported => "imported",
        }
    }
}
