//! The spool of one session.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio::sync::watch;

use super::cost::cost;
use super::evicted::Evicted;
use super::{Matcher, Subscription};
use crate::event::{SessionEnd, SessionHeader, StreamEntry};

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
    pub dropped_unread: u64,
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
    /// A standard mutex: it is held for the copying of pointers only, never across an `await`.
    state: Mutex<State>,
    /// The index after the newest entry; readers wait for it to change.
    changed: watch::Sender<u64>,
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
    fn is_event(&self) -> bool {
        matches!(*self.entry, StreamEntry::Event(_))
    }
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
    ended: bool,
    pub(super) subscribers: usize,
}

impl Spool {
    /// An empty spool whose readers get `header` first.
    #[must_use]
    pub fn new(header: SessionHeader, limits: SpoolLimits) -> Self {
        let state = State {
            entries: VecDeque::new(),
            next_index: 0,
            evicted: Evicted::new(),
            account: SpoolAccount::default(),
            read_through: 0,
            bytes: 0,
            held_events: 0,
            ended: false,
            subscribers: 0,
        };
        Self {
            shared: Arc::new(Shared {
                header: Arc::new(StreamEntry::Header(Box::new(header))),
                limits,
                state: Mutex::new(state),
                changed: watch::Sender::new(0),
            }),
        }
    }

    /// Appends entries in order and gives each event its sequence number. Never waits for a reader. Entries after an
    /// end are refused: the number of them is returned, and it is an error of the caller when it is not 0.
    pub fn append(&self, entries: impl IntoIterator<Item = StreamEntry>) -> usize {
        let mut refused = 0;
        // Freed after the lock: a reader should not wait for the allocator.
        let mut evicted = Vec::new();
        let mut state = self.shared.lock();
        for entry in entries {
            if state.ended {
                refused += 1;
            } else {
                state.push(entry, self.shared.limits, &mut evicted);
            }
        }
        let next_index = state.next_index;
        drop(state);
        self.shared.changed.send_replace(next_index);
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
        let mut state = self.shared.lock();
        let from_sequence = from_sequence.max(1);
        let next = state.account.events.saturating_add(1);
        if from_sequence > next {
            return Err(OutOfRange { asked: from_sequence, next });
        }
        // Right after the event before the one wanted: a gap or an end that stands there belongs to the reader.
        let before = from_sequence - 1;
        let position = state
            .entries
            .partition_point(|held| held.events < before || (held.events == before && before > 0 && held.is_event()));
        let index = state.entries.get(position).map_or(state.next_index, |held| held.index);
        state.subscribers += 1;
        drop(state);
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

    /// Gives up every entry but the end, to make room for other sessions. Readers that come later find a gap.
    pub fn release(&self) {
        let mut evicted = Vec::new();
        let mut state = self.shared.lock();
        while state.entries.len() > 1 {
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
}

impl State {
    fn push(&mut self, mut entry: StreamEntry, limits: SpoolLimits, evicted: &mut Vec<Arc<StreamEntry>>) {
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
        let cost = cost(&entry);
        self.bytes += cost;
        let entry = Arc::new(entry);
        self.entries.push_back(Held { index: self.next_index, events: self.account.events, cost, entry });
        self.next_index += 1;
        // The newest entry always stays, however large: the end must reach the readers.
        while self.entries.len() > 1 && (self.bytes > limits.bytes || self.held_events > limits.events) {
            self.evict_oldest(evicted);
        }
    }

    fn evict_oldest(&mut self, evicted: &mut Vec<Arc<StreamEntry>>) {
        let Some(held) = self.entries.pop_front() else { return };
        self.bytes = self.bytes.saturating_sub(held.cost);
        if let StreamEntry::Event(event) = &*held.entry {
            self.held_events = self.held_events.saturating_sub(1);
            self.evicted.push(event.sequence, event.time_ns, event.family());
            if event.sequence > self.read_through {
                self.account.dropped_unread += 1;
                self.read_through = event.sequence;
            }
        }
        evicted.push(held.entry);
    }

    /// A reader that began at `first` has now read up to `last`.
    pub(super) fn note_read(&mut self, first: u64, last: u64) {
        // A reader that began later does not make what lies before it read.
        if first <= self.read_through.saturating_add(1) {
            self.read_through = self.read_through.max(last);
        }
    }
}
