//! Boot time to seconds of the session and to dates.

use super::verdict::Moment;
use crate::event::ClockAnchor;

/// Turns boot time into what people read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    pub(super) started: ClockAnchor,
}

impl Clock {
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
        let wall = if self.has_date() { Self::date(self.started.wall_time_ns(time_ns)) } else { String::new() };
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
        let clock = Clock { started: ClockAnchor { boot_ns: 10_000_000_000, wall_ns: 1_700_000_000_000_000_000 } };
        let at = clock.moment(8_500_000_000);
        assert!((at.seconds + 1.5).abs() < 1e-9);
        assert_eq!(at.wall, "2023-11-14T22:13:18.500Z");
        assert_eq!(Clock::date(u64::MAX).len(), 24);
    }

    #[test]
    fn without_an_anchor_there_is_no_date() {
        let clock = Clock { started: ClockAnchor { boot_ns: 10_000_000_000, wall_ns: 0 } };
        assert_eq!(clock.moment(12_000_000_000).wall, "");
    }
}
