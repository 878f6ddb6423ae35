//! Boot time to seconds of the session and to dates.

use super::verdict::Moment;
use crate::event::ClockAnchor;

/// The most changes of the clocks that are kept; a device whose clock is set more often has no dates worth telling apart.
const MOST_CHANGES: usize = 1024;

/// Turns boot time into what people read.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    pub(super) started: ClockAnchor,
    /// Later readings of both clocks, as they came: dates after them are counted from them.
    changes: Vec<ClockAnchor>,
}

impl Clock {
    /// A clock that was read when the session began.
    pub(super) fn new(started: ClockAnchor) -> Self {
        Self { started, changes: Vec::new() }
    }

    /// The clocks were read again.
    pub(super) fn change(&mut self, now: ClockAnchor) {
        if self.changes.len() < MOST_CHANGES {
            self.changes.push(now);
        }
    }

    /// The last reading that is not after the time.
    fn anchor_of(&self, time_ns: u64) -> ClockAnchor {
        let before = self.changes.iter().filter(|anchor| anchor.boot_ns <= time_ns);
        *before.max_by_key(|anchor| anchor.boot_ns).unwrap_or(&self.started)
    }

    /// A length of time in seconds, rounded to milliseconds.
    pub(super) fn seconds(nanoseconds: u64) -> f64 {
        // A double holds milliseconds exactly for longer than any device runs.
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since boot fit a double")]
        let milliseconds = (nanoseconds.saturating_add(500_000) / 1_000_000) as f64;
        milliseconds / 1_000.0
    }

    pub(super) fn moment(&self, time_ns: u64) -> Moment {
        let seconds = if time_ns >= self.started.boot_ns {
            Self::seconds(time_ns - self.started.boot_ns)
        } else {
            -Self::seconds(self.started.boot_ns - time_ns)
        };
        let wall =
            if self.has_date() { Self::date(self.anchor_of(time_ns).wall_time_ns(time_ns)) } else { String::new() };
        Moment { seconds, wall }
    }

    /// Whether the recording says what time of day it was. Without, dates are left empty: 1970 would be a lie.
    pub(super) fn has_date(&self) -> bool {
        self.started.wall_ns > 0
    }

    /// A wall-clock time in RFC 3339, with milliseconds, in UTC.
    pub(super) fn date(wall_ns: u64) -> String {
        jiff::Timestamp::from_nanosecond(i128::from(wall_ns))
            .map(|stamp| stamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_the_session_are_negative() {
        let clock = Clock::new(ClockAnchor { boot_ns: 10_000_000_000, wall_ns: 1_700_000_000_000_000_000 });
        let at = clock.moment(8_500_000_000);
        assert!((at.seconds + 1.5).abs() < 1e-9);
        assert_eq!(at.wall, "2023-11-14T22:13:18.500Z");
        assert_eq!(Clock::date(u64::MAX).len(), 24);
    }

    #[test]
    fn dates_after_the_clock_was_set_are_counted_from_there() {
        let second = 1_000_000_000;
        let mut clock = Clock::new(ClockAnchor { boot_ns: 10 * second, wall_ns: 1_700_000_000 * second });
        clock.change(ClockAnchor { boot_ns: 20 * second, wall_ns: 1_700_003_610 * second });
        assert_eq!(clock.moment(19 * second).wall, "2023-11-14T22:13:29.000Z");
        assert_eq!(clock.moment(21 * second).wall, "2023-11-14T23:13:31.000Z", "an hour later by the clock");
        assert!((clock.moment(21 * second).seconds - 11.0).abs() < 1e-9, "the session itself is 11 s old");
    }

    #[test]
    fn without_an_anchor_there_is_no_date() {
        let clock = Clock::new(ClockAnchor { boot_ns: 10_000_000_000, wall_ns: 0 });
        assert_eq!(clock.moment(12_000_000_000).wall, "");
    }
}
