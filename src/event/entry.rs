//! What a stream, and so a recording, consists of.

use serde::{Deserialize, Serialize};

use super::{ClockAnchor, ClockChange, Event, Family, LossTotals, Phase, ProbeStatus, Selection, SelfTest, Stage};

/// One entry of a stream. The first is a header, the last an end; a recording without the end is truncated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamEntry {
    /// What the session is, and what can be seen of it.
    Header(Box<SessionHeader>),
    /// An act.
    Event(Box<Event>),
    /// Events are missing here.
    Gap(Gap),
    /// The account so far. Sent when it changes and at a fixed interval.
    Totals(Box<Totals>),
    /// The session is over. Nothing follows.
    End(Box<SessionEnd>),
    /// What came of a self-test.
    SelfTest(Box<SelfTest>),
    /// The device slept, or its wall clock was set.
    ClockChange(ClockChange),
}

/// The device that was traced. Fields that are left out in a recording written by hand are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceInfo {
    /// Kernel release, as `uname -r` prints it.
    pub kernel_release: String,
    /// Machine, as `uname -m` prints it.
    pub architecture: String,
    /// `/proc/sys/kernel/random/boot_id`: names one run of the kernel.
    pub boot_id: String,
    /// Host name, or Android's `ro.product.model` where there is one.
    pub name: String,
    /// Version of the daemon.
    pub daemon_version: String,
    /// Whether the kernel offers its own BTF type information.
    pub kernel_btf: bool,
}

/// One row of the device's package list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageEntry {
    /// Package name.
    pub package: String,
    /// Its user id, for the first user of the device.
    pub user_id: u32,
    /// Its private data directory; empty when the list does not say.
    #[serde(default)]
    pub data_directory: String,
    /// Version code; absent when the list does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_code: Option<i64>,
}

/// The device's packages, and how reading them went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageList {
    /// Packages of the selected user ids, sorted by name.
    #[serde(default)]
    pub packages: Vec<PackageEntry>,
    /// The list could not be read: the reason. Empty when it was read, or when the device has none.
    #[serde(default)]
    pub read_error: String,
    /// Lines that could not be understood.
    #[serde(default)]
    pub bad_lines: u32,
}

/// The first entry of every stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionHeader {
    /// Names the session; unique among all devices and boots.
    pub session_id: String,
    /// What the client called it; may be empty.
    #[serde(default)]
    pub label: String,
    /// The device.
    pub device: DeviceInfo,
    /// When the session began, by both clocks.
    pub started: ClockAnchor,
    /// What is traced.
    pub selection: Selection,
    /// The phase at the beginning.
    #[serde(default)]
    pub initial_phase: Phase,
    /// What each probe gives for each family, as of the beginning.
    pub probes: Vec<ProbeStatus>,
    /// Packages of the device: of the selection, and of whoever serves it.
    #[serde(default)]
    pub packages: PackageList,
}

/// Events are missing here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The stage that lost them.
    pub stage: Stage,
    /// Why, as in [`super::StageTotals::dropped`].
    pub reason: String,
    /// How many; 0 when the number is not known.
    pub count: u64,
    /// The families they can belong to; empty means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<Family>,
    /// First missing sequence number, when they had been numbered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_sequence: Option<u64>,
    /// Last missing sequence number, when they had been numbered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sequence: Option<u64>,
    /// Not before this boot time, in nanoseconds.
    pub from_ns: u64,
    /// Not after this boot time, in nanoseconds.
    pub to_ns: u64,
}

/// The account of a session at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Boot-time nanoseconds of the moment.
    pub time_ns: u64,
    /// Events numbered so far: the highest sequence.
    pub events: u64,
    /// What was lost, where.
    pub loss: LossTotals,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEndReason {
    /// A client asked for it.
    Stopped,
    /// Every traced process tree has ended and no user id was selected.
    TargetsExited,
    /// The daemon shut down.
    DaemonShutdown,
    /// The replayed file ended, or the recording was imported.
    InputEnded,
    /// A limit that was asked for at the start was reached: of time, or of events.
    LimitReached,
    /// Nobody read the session for as long as was allowed at the start.
    Unread,
    /// The daemon was killed, or the device went down: the next daemon found the session without an end.
    Interrupted,
}

impl SessionEndReason {
    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::Stopped,
        Self::TargetsExited,
        Self::DaemonShutdown,
        Self::InputEnded,
        Self::LimitReached,
        Self::Unread,
        Self::Interrupted,
    ];

    /// The name used in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::TargetsExited => "targets_exited",
            Self::DaemonShutdown => "daemon_shutdown",
            Self::InputEnded => "input_ended",
            Self::LimitReached => "limit_reached",
            Self::Unread => "unread",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The last entry of every stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionEnd {
    /// Why.
    pub reason: SessionEndReason,
    /// The final account.
    pub totals: Totals,
    /// What each probe gave, as of the end.
    pub probes: Vec<ProbeStatus>,
    /// Every self-test of the session, in order; empty when there was none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub self_tests: Vec<SelfTest>,
}
