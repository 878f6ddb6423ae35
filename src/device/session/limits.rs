//! When a session ends by itself.

use std::time::{Duration, Instant};

use crate::device::event_bus::SpoolAccount;
use crate::event::SessionEndReason;

/// When a session ends by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionLimits {
    /// After this time.
    pub duration: Option<Duration>,
    /// After this many events.
    pub events: Option<u64>,
    /// After this many bytes of its spool, those that are gone from it included.
    pub bytes: Option<u64>,
    /// When nobody has read it for this long.
    pub unread: Option<Duration>,
}

/// A session's limits, being watched.
#[derive(Debug)]
pub(super) struct Watch {
    limits: SessionLimits,
    started: Instant,
    /// When it was last seen to have a reader, or began.
    last_read: Instant,
}

impl Watch {
    pub(super) fn new(limits: SessionLimits, now: Instant) -> Self {
        Self { limits, started: now, last_read: now }
    }

    /// Why the session ends now, when it does.
    pub(super) fn look(&mut self, now: Instant, spooled: SpoolAccount, readers: usize) -> Option<SessionEndReason> {
        if readers > 0 {
            self.last_read = now;
        }
        let over = |limit: Option<Duration>, since: Instant| {
            limit.is_some_and(|limit| now.saturating_duration_since(since) >= limit)
        };
        let reached = |limit: Option<u64>, count: u64| limit.is_some_and(|limit| count >= limit);
        if over(self.limits.duration, self.started)
            || reached(self.limits.events, spooled.events)
            || reached(self.limits.bytes, spooled.bytes)
        {
            return Some(SessionEndReason::LimitReached);
        }
        over(self.limits.unread, self.last_read).then_some(SessionEndReason::Unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_its_reason() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let spooled = |events, bytes| SpoolAccount { events, bytes, ..SpoolAccount::default() };
        let mut without = Watch::new(SessionLimits::default(), start);
        assert_eq!(without.look(at(1_000_000), spooled(u64::MAX, u64::MAX), 0), None);

        let limits = SessionLimits {
            duration: Some(Duration::from_secs(100)),
            events: Some(10),
            bytes: Some(1000),
            unread: Some(Duration::from_secs(5)),
        };
        let mut watch = Watch::new(limits, start);
        assert_eq!(watch.look(at(4), spooled(9, 999), 0), None);
        assert_eq!(watch.look(at(6), spooled(9, 999), 1), None, "somebody reads");
        assert_eq!(watch.look(at(10), spooled(9, 999), 0), None);
        assert_eq!(watch.look(at(11), spooled(9, 999), 0), Some(SessionEndReason::Unread));
        assert_eq!(watch.look(at(11), spooled(10, 999), 1), Some(SessionEndReason::LimitReached));
        assert_eq!(watch.look(at(11), spooled(9, 1000), 1), Some(SessionEndReason::LimitReached));
        assert_eq!(watch.look(at(100), spooled(0, 999), 1), Some(SessionEndReason::LimitReached));
    }
}
