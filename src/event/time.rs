//! Clocks as data.

use serde::{Deserialize, Serialize};

/// The boot clock and the wall clock, read together: it lets a reader turn event times into dates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockAnchor {
    /// Nanoseconds of `CLOCK_BOOTTIME`.
    pub boot_ns: u64,
    /// Nanoseconds since 1970-01-01T00:00:00Z, by the device's wall clock.
    pub wall_ns: u64,
}

impl ClockAnchor {
    /// The wall-clock time, in nanoseconds since 1970, of an event time.
    #[must_use]
    pub fn wall_time_ns(&self, time_ns: u64) -> u64 {
        if time_ns >= self.boot_ns {
            self.wall_ns.saturating_add(time_ns - self.boot_ns)
        } else {
            self.wall_ns.saturating_sub(self.boot_ns - time_ns)
        }
    }
}
