//! Notices that the device slept, or that its wall clock was set. Pure: it is handed what the clocks say.

use crate::device::clock::ClockReadings;
use crate::event::{ClockAnchor, ClockChange};

/// Less is no change: clocks are steered all the time, and a sleep this short loses nothing.
const SMALLEST_CHANGE_NS: i128 = 1_000_000_000;

/// What the clocks said when they were last looked at.
#[derive(Debug)]
pub(super) struct ClockWatch {
    last: ClockReadings,
}

impl ClockWatch {
    pub(super) fn new(now: ClockReadings) -> Self {
        Self { last: now }
    }

    /// What has changed since the last look, when it is worth telling.
    ///
    /// `CLOCK_BOOTTIME` goes on during a sleep and `CLOCK_MONOTONIC` does not; nobody can set either. A machine that was
    /// restored from a snapshot shows it by its wall clock, as soon as that is set right.
    pub(super) fn look(&mut self, now: ClockReadings) -> Option<ClockChange> {
        let passed = |from: u64, to: u64| i128::from(to) - i128::from(from);
        let boot = passed(self.last.boot_ns, now.boot_ns);
        let slept = boot - passed(self.last.monotonic_ns, now.monotonic_ns);
        let wall_step = passed(self.last.wall_ns, now.wall_ns) - boot;
        let large = |change: i128| change.abs() >= SMALLEST_CHANGE_NS;
        if !large(slept) && !large(wall_step) {
            // The wall clock is compared with where it was when it was last told: a slow drift adds up to a step.
            return None;
        }
        self.last = now;
        let or_none = |change: i128| if large(change) { change } else { 0 };
        Some(ClockChange {
            now: ClockAnchor { boot_ns: now.boot_ns, wall_ns: now.wall_ns },
            slept_ns: u64::try_from(or_none(slept)).unwrap_or(0),
            wall_step_ns: i64::try_from(or_none(wall_step)).unwrap_or(if wall_step < 0 { i64::MIN } else { i64::MAX }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(boot: u64, monotonic: u64, wall: u64) -> ClockReadings {
        ClockReadings { boot_ns: boot * SECOND, monotonic_ns: monotonic * SECOND, wall_ns: wall * SECOND }
    }

    #[test]
    fn time_that_passes_is_no_change() {
        let mut watch = ClockWatch::new(at(100, 90, 1000));
        assert_eq!(watch.look(at(3700, 3690, 4600)), None);
        let mut nearly = at(3800, 3790, 4700);
        nearly.wall_ns += 999_000_000;
        assert_eq!(watch.look(nearly), None);
    }

    #[test]
    fn a_sleep_and_a_step_of_the_clock_are_told_once() {
        let mut watch = ClockWatch::new(at(100, 100, 1000));
        let slept = watch.look(at(160, 110, 1060)).unwrap();
        assert_eq!((slept.slept_ns, slept.wall_step_ns, slept.now.boot_ns), (50 * SECOND, 0, 160 * SECOND));
        assert_eq!(watch.look(at(161, 111, 1061)), None);
        let back = watch.look(at(162, 112, 62)).unwrap();
        assert_eq!((back.slept_ns, back.wall_step_ns), (0, -1_000_000_000_000));
        assert_eq!(watch.look(at(163, 113, 63)), None);
    }

    #[test]
    fn a_slow_drift_adds_up() {
        let mut watch = ClockWatch::new(at(0, 0, 1000));
        let mut told = 0;
        for hour in 1..=20 {
            let mut now = at(hour * 3600, hour * 3600, 1000 + hour * 3600);
            now.wall_ns += hour * 100_000_000;
            told += usize::from(watch.look(now).is_some());
        }
        assert_eq!(told, 2);
    }
}
