//! The daemon as a process: what it costs the device.
//!
//! * **In:** `/proc/self`. **Out:** an [`OwnProcess`].
//! * **May import:** `procfs`.
//! * **Test it:** `cargo test own_process`.

use std::time::Duration;

use procfs::process::Process;

use crate::device::clock;

/// Clock ticks a second in `/proc/PID/stat`: `USER_HZ`, 100 on every architecture we support.
const TICKS_A_SECOND: u64 = 100;

/// What this process has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnProcess {
    /// Bytes of memory it has now (resident set).
    pub resident_bytes: u64,
    /// The most it ever had (`VmHWM`).
    pub peak_resident_bytes: u64,
    /// Processor time, in milliseconds.
    pub processor_ms: u64,
    /// How long it has been running, in milliseconds.
    pub running_ms: u64,
}

/// This process now; `None` when `/proc` does not show it.
#[must_use]
pub fn status() -> Option<OwnProcess> {
    let process = Process::myself().ok()?;
    let (stat, status) = (process.stat().ok()?, process.status().ok()?);
    let milliseconds = |ticks: u64| ticks.saturating_mul(1_000 / TICKS_A_SECOND);
    let now_ms = u64::try_from(Duration::from_nanos(clock::boot_ns()).as_millis()).unwrap_or(u64::MAX);
    Some(OwnProcess {
        resident_bytes: status.vmrss?.saturating_mul(1024),
        peak_resident_bytes: status.vmhwm?.saturating_mul(1024),
        processor_ms: milliseconds(stat.utime.saturating_add(stat.stime)),
        running_ms: now_ms.saturating_sub(milliseconds(stat.starttime)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_a_past() {
        let own = status().unwrap();
        assert!(own.resident_bytes > 0 && own.peak_resident_bytes >= own.resident_bytes, "{own:?}");
        let later = status().unwrap();
        assert!(later.running_ms >= own.running_ms && later.processor_ms >= own.processor_ms);
    }
}
