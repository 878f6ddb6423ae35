//! The spool of one session.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio::sync::watch;

use super::cost::cost;
use super::evicted::Evicted;
use super::on_disk::Disk;
use super::{Matcher, Subscription};
use crate::device::spool_files::{DropReason, MissingRange, Placed};
use crate::event::{SessionEnd, SessionEndReason, SessionHeader, StreamEntry};

/// How much a spool may hold. Whichever bound is reached first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Bytes of memory, approximately.
    pub bytes: usize,
    /// Events.
    pub events: usize,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self { bytes: 64 << 20, events: 1 << 20 }
    }
}

/// The account of a spool, over all its readers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpoolAccount {
    /// Events appended so far: the highest sequence number.
    pub events: u64,
    /// Events that went before any reader had read them.
    pub dropped_unread: Dropped,
    /// Bytes of memory, approximately, of everything appended so far.
    pub bytes: u64,
}

/// Events by why they went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped([u64; DropReason::ALL.len()]);

impl Dropped {
    /// Counts events.
    pub fn add(&mut self, reason: DropReason, count: u64) {
        if let Some(of) = self.0.get_mut(reason.number()) {
            *of = of.saturating_add(count);
        }
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Reasons and counts; those that did not happen are 0.
    pub fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        DropReason::ALL.iter().zip(&self.0).map(|(reason, count)| (reason.name(), *count))
    }
}

/// A sequence number that does not exist yet was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("sequence {asked} is past the next event, which will be {next}")]
pub struct OutOfRange {
    /// The number asked for.
    pub asked: u64,
    /// The number of the next event.
    pub next: u64,
}

/// The entries of one session, oldest first, bounded. Clones are handles to the same spool.
#[derive(Debug, Clone)]
pub struct Spool {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    header: Arc<StreamEntry>,
    limits: SpoolLimits,
    /// A standard mutex: it is held for the copying of pointers only, never across an `await`, never while a file is read
    /// or written.
    state: Mutex<State>,
    /// The index after the newest entry; readers wait for it to change.
    changed: watch::Sender<u64>,
    /// What lies behind the memory.
    pub(super) disk: Option<Disk>,
}

/// An entry in its place.
#[derive(Debug)]
pub(super) struct Held {
    /// Position among all entries ever appended, from 0. Rises, with holes where totals were replaced by newer ones.
    pub(super) index: u64,
    /// Events appended up to and including this entry.
    pub(super) events: u64,
    pub(super) cost: usize,
    pub(super) entry: Arc<StreamEntry>,
}

impl Held {
    pub(super) fn is_event(&self) -> bool {
        matches!(*self.entry, StreamEntry::Event(_))
    }

    pub(super) fn events_before(&self) -> u64 {
        self.events.saturating_sub(u64::from(self.is_event()))
    }

    pub(super) fn placed(&self) -> Placed {
        Placed { index: self.index, events: self.events, entry: self.entry.clone() }
    }
}

/// How much memory the entries may take now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// For entries that can be read from files.
    pub(super) written: usize,
    /// For entries that are nowhere else.
    pub(super) unwritten: usize,
    /// Events.
    pub(super) events: usize,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) entries: VecDeque<Held>,
    pub(super) next_index: u64,
    pub(super) evicted: Evicted,
    pub(super) account: SpoolAccount,
    /// Every event up to this one was read by some reader, or went before one could.
    read_through: u64,
    bytes: usize,
    held_events: usize,
    pub(super) ended: bool,
    pub(super) subscribers: usize,
    /// Entries before this index were written to files, or need not be.
    pub(super) written: u64,
    /// Entries before this index are in the files no longer.
    pub(super) dropped: u64,
    /// Why an entry that goes before it was written goes.
    pub(super) reason: DropReason,
}

impl Spool {
    /// An empty spool in memory alone, whose readers get `header` first.
    #[must_use]
    pub fn new(header: SessionHeader, limits: SpoolLimits) -> Self {
        Self::with(header, limits, State::new(DropReason::Full), None)
    }

    pub(super) fn with(header: SessionHeader, limits: SpoolLimits, state: State, disk: Option<Disk>) -> Self {
        let changed = watch::Sender::new(state.next_index);
        let header = Arc::new(StreamEntry::Header(Box::new(header)));
        Self { shared: Arc::new(Shared { header, limits, state: Mutex::new(state), changed, disk }) }
    }

    /// Appends entries in order and gives each event its sequence number. Never waits for a reader. Entries after an
    /// end are refused: the number of them is returned, and it is an error of the caller when it is not 0.
    pub fn append(&self, entries: impl IntoIterator<Item = StreamEntry>) -> usize {
        let mut refused = 0;
        // Freed after the lock: a reader should not wait for the allocator.
        let mut evicted = Vec::new();
        let bound = self.shared.bound();
        let mut state = self.shared.lock();
        for entry in entries {
            if state.ended {
                refused += 1;
            } else {
                state.push(entry, bound, &mut evicted);
            }
        }
        let (next_index, bytes) = (state.next_index, state.bytes);
        drop(state);
        self.shared.changed.send_replace(next_index);
        if let Some(disk) = &self.shared.disk {
            disk.ring(bytes, bound);
        }
        drop(evicted);
        refused
    }

    /// A reader that gets the header, then everything from `from_sequence` on (0 and 1 mean from the beginning), save the
    /// events that `matcher` does not take.
    ///
    /// # Errors
    ///
    /// When the number is past the next event.
    pub fn subscribe(&self, from_sequence: u64, matcher: Matcher) -> Result<Subscription, OutOfRange> {
        let mut from_sequence = from_sequence.max(1);
        let next = self.account().events.saturating_add(1);
        if from_sequence > next {
            // Of a daemon that was killed, a reader can have got more than was written: it gets how it ended.
            let interrupted = self.end().is_some_and(|end| end.reason == SessionEndReason::Interrupted);
            if !interrupted {
                return Err(OutOfRange { asked: from_sequence, next });
            }
            from_sequence = next;
        }
        // Right after the event before the one wanted: a gap or an end that stands there belongs to the reader.
        let index = self.shared.index_after(from_sequence - 1);
        self.shared.lock().subscribers += 1;
        Ok(Subscription::new(self.shared.clone(), index, from_sequence, matcher))
    }

    /// The account so far.
    #[must_use]
    pub fn account(&self) -> SpoolAccount {
        self.shared.lock().account
    }

    /// How many readers there are.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.shared.lock().subscribers
    }

    /// Bytes held, approximately.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shared.lock().bytes
    }

    /// The end, once it was appended.
    #[must_use]
    pub fn end(&self) -> Option<SessionEnd> {
        match self.shared.lock().entries.back().map(|held| &*held.entry) {
            Some(StreamEntry::End(end)) => Some((**end).clone()),
            _ => None,
        }
    }

    /// Gives up every entry in memory but the end, to make room for other sessions. Readers that come later find them in the
    /// files, or else a gap. What is still to be written stays, unless the disk does not take it.
    pub fn release(&self) {
        let mut evicted = Vec::new();
        let unwritten_too = self.shared.disk.as_ref().is_none_or(Disk::is_in_trouble);
        let mut state = self.shared.lock();
        while state.entries.len() > 1 {
            let written = state.entries.front().is_some_and(|oldest| oldest.index < state.written);
            if !written && !unwritten_too {
                break;
            }
            state.evict_oldest(&mut evicted);
        }
        state.entries.shrink_to_fit();
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere cannot leave the state half-changed in a way that matters more than going on does.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn header(&self) -> Arc<StreamEntry> {
        self.header.clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn bound(&self) -> Bound {
        match &self.disk {
            Some(disk) => disk.bound(),
            None => Bound { written: self.limits.bytes, unwritten: self.limits.bytes, events: self.limits.events },
        }
    }
}

impl State {
    pub(super) fn new(reason: DropReason) -> Self {
        Self {
            entries: VecDeque::new(),
            next_index: 0,
            evicted: Evicted::new(),
            account: SpoolAccount::default(),
            read_through: 0,
            bytes: 0,
            held_events: 0,
            ended: false,
            subscribers: 0,
            written: 0,
            dropped: 0,
            reason,
        }
    }

    fn push(&mut self, mut entry: StreamEntry, bound: Bound, evicted: &mut Vec<Arc<StreamEntry>>) {
        match &mut entry {
            StreamEntry::Event(event) => {
                self.account.events += 1;
                self.held_events += 1;
                event.sequence = self.account.events;
            }
            StreamEntry::Totals(_) => {
                // Totals are cumulative, so of two in a row the older says nothing. Without this an idle session that
                // lasts for days would fill its spool with them.
                let replaces = self.entries.back().is_some_and(|last| matches!(*last.entry, StreamEntry::Totals(_)));
                if replaces && let Some(last) = self.entries.pop_back() {
                    self.bytes = self.bytes.saturating_sub(last.cost);
                    evicted.push(last.entry);
                }
            }
            StreamEntry::End(_) => self.ended = true,
            StreamEntry::Header(_) | StreamEntry::Gap(_) | StreamEntry::SelfTest(_) | StreamEntry::ClockChange(_) => {}
        }
        self.hold(entry);
        self.keep_bound(bound, evicted);
    }

    /// Takes an entry in at the next index.
    pub(super) fn hold(&mut self, entry: StreamEntry) {
        let cost = cost(&entry);
        self.bytes += cost;
        self.account.bytes = self.account.bytes.saturating_add(cost as u64);
        let entry = Arc::new(entry);
        self.entries.push_back(Held { index: self.next_index, events: self.account.events, cost, entry });
        self.next_index += 1;
    }

    /// Gives up the oldest entries until the bound is kept. The newest entry always stays, however large: the end must reach
    /// the readers.
    pub(super) fn keep_bound(&mut self, bound: Bound, evicted: &mut Vec<Arc<StreamEntry>>) {
        while self.entries.len() > 1 {
            let written = self.entries.front().is_some_and(|oldest| oldest.index < self.written);
            let most = if written { bound.written } else { bound.unwritten };
            if self.bytes <= most && self.held_events <= bound.events {
                return;
            }
            self.evict_oldest(evicted);
        }
    }

    pub(super) fn evict_oldest(&mut self, evicted: &mut Vec<Arc<StreamEntry>>) {
        let Some(held) = self.entries.pop_front() else { return };
        self.bytes = self.bytes.saturating_sub(held.cost);
        if let StreamEntry::Event(event) = &*held.entry {
            self.held_events = self.held_events.saturating_sub(1);
            // What was written and is still there is not lost.
            if held.index >= self.written || held.index < self.dropped {
                let reason = if held.index < self.dropped { DropReason::Size } else { self.reason };
                self.evicted.push(event.sequence, event.time_ns, event.family(), reason);
                self.count_lost(event.sequence, event.sequence, reason);
            }
        }
        evicted.push(held.entry);
    }

    /// Events went from the files. Those that are still in memory are counted when they go from there.
    pub(super) fn lose(&mut self, mut range: MissingRange) {
        let held = self.entries.iter().find(|held| held.is_event()).map(|held| held.events);
        if let Some(first_held) = held {
            range.last = range.last.min(first_held.saturating_sub(1));
        }
        if range.first <= range.last {
            self.evicted.insert(range);
            self.count_lost(range.first, range.last, range.reason);
        }
    }

    fn count_lost(&mut self, first: u64, last: u64, reason: DropReason) {
        let unread = first.max(self.read_through.saturating_add(1))..last.saturating_add(1);
        self.account.dropped_unread.add(reason, unread.end.saturating_sub(unread.start));
        if first <= self.read_through.saturating_add(1) {
            self.read_through = self.read_through.max(last);
        }
    }

    /// A reader that began at `first` has now read up to `last`.
    pub(super) fn note_read(&mut self, first: u64, last: u64) {
        // A reader that began later does not make what lies before it read.
        if first <= self.read_through.saturating_add(1) {
            self.read_through = self.read_through.max(last);
        }
    }
}
