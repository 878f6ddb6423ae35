//! The device's clocks. The only place of the device's side that reads them.
//!
//! * **In:** the kernel's clocks. **Out:** nanoseconds.
//! * **May import:** `event`, `nix`.
//! * **Test it:** `cargo test device::clock`.

use nix::time::{ClockId, clock_gettime};

use crate::event::ClockAnchor;

/// Nanoseconds of `CLOCK_BOOTTIME`, the clock of every event: it goes on while the device sleeps and nobody can set it.
#[must_use]
pub fn boot_ns() -> u64 {
    read(ClockId::CLOCK_BOOTTIME)
}

/// Both clocks, read together.
#[must_use]
pub fn anchor() -> ClockAnchor {
    // The wall clock is read between two readings of the other, so the error is at most half their distance.
    let before = boot_ns();
    let wall_ns = read(ClockId::CLOCK_REALTIME);
    let after = boot_ns();
    ClockAnchor { boot_ns: before + after.saturating_sub(before) / 2, wall_ns }
}

/// Three clocks, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReadings {
    /// Nanoseconds of `CLOCK_BOOTTIME`.
    pub boot_ns: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`, which stands still while the device sleeps.
    pub monotonic_ns: u64,
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub wall_ns: u64,
}

/// Reads the three clocks. `None`: too much time passed between the readings, because another process had the processor.
#[must_use]
pub fn readings() -> Option<ClockReadings> {
    const LONGEST_NS: u64 = 50_000_000;
    let boot_ns = boot_ns();
    let monotonic_ns = read(ClockId::CLOCK_MONOTONIC);
    let wall_ns = read(ClockId::CLOCK_REALTIME);
    let passed_ns = self::boot_ns().saturating_sub(boot_ns);
    (passed_ns <= LONGEST_NS).then_some(ClockReadings { boot_ns, monotonic_ns, wall_ns })
}

/// Both clocks exist on every kernel we support, so a failure is not worth an error at every caller; 0 is what the
/// vocabulary uses for "not known".
fn read(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec()).unwrap_or(0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_anchor_lies_between_two_readings() {
        let before = boot_ns();
        let anchor = anchor();
        let after = boot_ns();
        assert!(0 < before && before <= anchor.boot_ns && anchor.boot_ns <= after);
        // 2020-01-01: a device whose wall clock is not set at all is worth seeing in a test.
        assert!(anchor.wall_ns > 1_577_836_800_000_000_000, "{}", anchor.wall_ns);
    }
}
