//! Who acted: processes and apps.

use serde::{Deserialize, Serialize};

/// Start times are rounded down to this many nanoseconds.
///
/// `/proc/PID/stat` gives them in clock ticks of 10 ms (`USER_HZ` is 100 on every architecture we support), the kernel
/// object in nanoseconds. Rounding makes the key of a process the same whichever source named it.
pub const START_TIME_GRANULARITY_NS: u64 = 10_000_000;

/// Names one process for ever: a process id is used again, the pair is not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessKey {
    /// Thread-group id, in the initial pid namespace.
    pub pid: u32,
    /// Boot-time nanoseconds at which the process started, rounded down to [`START_TIME_GRANULARITY_NS`]; 0 when unknown.
    pub start_ns: u64,
}

impl ProcessKey {
    /// A key from a start time in nanoseconds, rounded.
    #[must_use]
    pub fn new(pid: u32, start_ns: u64) -> Self {
        Self { pid, start_ns: start_ns - start_ns % START_TIME_GRANULARITY_NS }
    }
}

/// A process as an event names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessRef {
    /// Which process.
    pub key: ProcessKey,
    /// The name of the thread that acted, as the kernel has it (at most 15 bytes); on Android often the end of the
    /// package name.
    pub name: String,
    /// The program file it runs, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
}

/// The app that an act is attributed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The package, when exactly one is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Every package that shares the user id, when there are several; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}
