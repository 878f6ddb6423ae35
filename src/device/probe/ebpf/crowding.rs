//! Which sessions fill the ring, so that one app's flood costs another session nothing.
//!
//! All sessions share one ring. While several run, one that fills it fast may have only part of it unread; what does not
//! fit is lost to that session and counted for it, and the rest of the ring is for the others. A ring for each session was
//! rejected: 64 of them would take the memory of a device, and each would have to be large enough for a flood.

use std::time::{Duration, Instant};

use crate::device::probe::SessionSlot;

/// How long a session's bytes are added up.
const WINDOW: Duration = Duration::from_millis(100);
/// How long a session is held to its part after it last crowded the ring.
const HELD: Duration = Duration::from_secs(1);
/// A session crowds the ring when it fills this part of it in one window: long before the ring is full. It also does when
/// the reader is behind and most of what it read last was this session's, because then it reads too little in a window.
const CROWDS_FROM: u64 = 8;

/// Bytes of each session, and who crowds the ring.
#[derive(Debug)]
pub(super) struct Crowding {
    ring_bytes: u64,
    window_began: Option<Instant>,
    /// In this window, by slot.
    bytes: [u64; SessionSlot::COUNT as usize],
    /// Until when a slot is held to its part.
    held: [Option<Instant>; SessionSlot::COUNT as usize],
    sessions: u64,
}

impl Crowding {
    pub(super) fn new(ring_bytes: u32) -> Self {
        Self {
            ring_bytes: ring_bytes.into(),
            window_began: None,
            bytes: [0; SessionSlot::COUNT as usize],
            held: [None; SessionSlot::COUNT as usize],
            sessions: 0,
        }
    }

    /// The sessions that are held to their part, as bits.
    pub(super) fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Their part: so many bytes may be unread before they find the ring full.
    pub(super) fn bytes(&self) -> u64 {
        self.ring_bytes / 4 * 3
    }

    /// A record of these sessions was read.
    pub(super) fn count(&mut self, sessions: u64, length: usize) {
        let mut rest = sessions;
        while rest != 0 {
            if let Some(bytes) = self.bytes.get_mut(rest.trailing_zeros() as usize) {
                *bytes = bytes.saturating_add(length as u64);
            }
            rest &= rest - 1;
        }
    }

    /// Decides anew who is held. `running`: how many sessions there are; one alone has nobody to crowd out.
    /// `behind`: the ring was not read to its end. Says whether something changed.
    pub(super) fn look(&mut self, now: Instant, running: usize, behind: bool) -> bool {
        let before = self.sessions;
        let total = self.bytes.iter().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
        for ((slot, bytes), held) in (0_u32..).zip(&self.bytes).zip(&mut self.held) {
            if *bytes >= self.ring_bytes / CROWDS_FROM || behind && *bytes > total / 2 {
                *held = Some(now + HELD);
            }
            let is_held = running > 1 && held.is_some_and(|until| now < until);
            self.sessions = self.sessions & !(1 << slot) | u64::from(is_held) << slot;
        }
        if self.window_began.is_none_or(|began| now.saturating_duration_since(began) >= WINDOW) {
            self.window_began = Some(now);
            self.bytes.fill(0);
        }
        self.sessions != before
    }

    /// A session has ended; whoever gets its slot next has crowded nothing.
    pub(super) fn forget(&mut self, slot: SessionSlot) {
        let index = usize::from(slot.number());
        self.sessions &= !slot.bit();
        if let (Some(bytes), Some(held)) = (self.bytes.get_mut(index), self.held.get_mut(index)) {
            *bytes = 0;
            *held = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RING: u32 = 8 << 20;

    #[test]
    fn who_fills_the_ring_fast_is_held_for_a_while_and_only_beside_others() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut crowding = Crowding::new(RING);
        assert!(!crowding.look(at(0), 2, false));
        crowding.count(0b01, 1 << 20);
        crowding.count(0b10, 1000);
        assert!(!crowding.look(at(10), 1, false), "alone");
        assert_eq!(crowding.sessions(), 0);
        assert!(crowding.look(at(20), 2, false));
        assert_eq!((crowding.sessions(), crowding.bytes()), (0b01, 6 << 20));
        assert!(!crowding.look(at(500), 2, false), "still held");
        assert!(crowding.look(at(1700), 2, false));
        assert_eq!(crowding.sessions(), 0);
    }

    #[test]
    fn a_record_of_several_sessions_counts_for_each_and_slow_ones_never_crowd() {
        let start = Instant::now();
        let mut crowding = Crowding::new(RING);
        for window in 0..50_u64 {
            crowding.count(1 << 63 | 1, 500_000);
            assert!(!crowding.look(start + Duration::from_millis(100 * window), 2, false), "window {window}");
        }
        crowding.count(1 << 63 | 1, 1_048_576);
        assert!(crowding.look(start + Duration::from_secs(6), 2, false));
        assert_eq!(crowding.sessions(), 1 << 63 | 1);
    }

    #[test]
    fn when_the_reader_is_behind_the_larger_half_is_a_crowd() {
        let now = Instant::now();
        let mut crowding = Crowding::new(RING);
        assert!(!crowding.look(now, 2, true), "nothing was read at all");
        crowding.count(0b01, 600_000);
        crowding.count(0b10, 500_000);
        assert!(!crowding.look(now, 2, false));
        assert!(crowding.look(now, 2, true));
        assert_eq!(crowding.sessions(), 0b01);
        assert!(!crowding.look(now + WINDOW, 2, true), "who is held stays held");
    }

    #[test]
    fn a_slot_is_free_of_its_last_session() {
        let now = Instant::now();
        let mut crowding = Crowding::new(RING);
        crowding.count(1, 2 << 20);
        assert!(crowding.look(now, 2, false));
        crowding.forget(SessionSlot::new(0).unwrap());
        assert_eq!(crowding.sessions(), 0);
        assert!(!crowding.look(now, 2, false));
    }
}
