//! A reader of a spool.

use std::sync::Arc;

use tokio::sync::watch;

use super::Matcher;
use super::spool::{Shared, State};
use crate::event::{Gap, Stage, StageTotals, StreamEntry, Totals};

/// Why a spool drops events.
pub const REASON_SPOOL_FULL: &str = "spool_full";

/// A position in a spool: the header first, then entries in order, the end last.
///
/// Totals and the end are completed for the reader: what the spool dropped before *this* reader had read it, and what
/// it was given. Events that went after it had read them are not its loss.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    changed: watch::Receiver<u64>,
    header_given: bool,
    ended: bool,
    /// Index of the next entry wanted.
    index: u64,
    /// Sequence number of the first event wanted.
    first_sequence: u64,
    /// Sequence number of the next event wanted.
    next_sequence: u64,
    given: u64,
    missed: u64,
    matcher: Matcher,
    left_out: u64,
}

impl Subscription {
    pub(super) fn new(shared: Arc<Shared>, index: u64, from_sequence: u64, matcher: Matcher) -> Self {
        let changed = shared.watch();
        Self {
            shared,
            changed,
            header_given: false,
            ended: false,
            index,
            first_sequence: from_sequence,
            next_sequence: from_sequence,
            given: 0,
            missed: 0,
            matcher,
            left_out: 0,
        }
    }

    /// Waits for entries and returns up to about `bytes` of them (by their cost in memory), at least one. `None` after
    /// the end.
    pub async fn next(&mut self, bytes: usize) -> Option<Vec<Arc<StreamEntry>>> {
        loop {
            if self.ended {
                return None;
            }
            // Marked as seen before looking, so that an append in between wakes us.
            self.changed.borrow_and_update();
            let before = self.index;
            let batch = self.take(bytes);
            if !batch.is_empty() {
                return Some(batch);
            }
            if self.index != before {
                // Everything was left out by the filter, and there may be more.
                continue;
            }
            if self.changed.changed().await.is_err() {
                return None;
            }
        }
    }

    /// As [`Self::next`], without waiting: empty when there is nothing new, or when the filter left it out.
    pub fn take(&mut self, bytes: usize) -> Vec<Arc<StreamEntry>> {
        let mut batch = Vec::new();
        if !self.header_given {
            self.header_given = true;
            batch.push(self.shared.header());
        }
        if self.ended {
            return batch;
        }
        let shared = self.shared.clone();
        let mut state = shared.lock();
        self.note_evicted(&state, &mut batch);
        let position = state.entries.partition_point(|held| held.index < self.index);
        let mut spent = 0_usize;
        let mut taken = Vec::new();
        for held in state.entries.range(position..) {
            if spent >= bytes && !taken.is_empty() {
                break;
            }
            spent = spent.saturating_add(held.cost);
            self.index = held.index + 1;
            if let StreamEntry::Event(event) = &*held.entry {
                self.next_sequence = event.sequence.saturating_add(1);
            }
            taken.push(held.entry.clone());
        }
        state.note_read(self.first_sequence, self.next_sequence.saturating_sub(1));
        // What somebody's filter costs is not paid under the lock.
        drop(state);
        for entry in taken {
            match &*entry {
                StreamEntry::Event(event) if !self.matcher.takes_event(event) => self.left_out += 1,
                StreamEntry::Event(_) => {
                    self.given += 1;
                    batch.push(entry);
                }
                StreamEntry::Totals(totals) => {
                    let mut totals = totals.clone();
                    self.complete(&mut totals);
                    batch.push(Arc::new(StreamEntry::Totals(totals)));
                }
                StreamEntry::End(end) => {
                    let mut end = end.clone();
                    self.complete(&mut end.totals);
                    batch.push(Arc::new(StreamEntry::End(end)));
                    self.ended = true;
                }
                StreamEntry::Gap(_)
                | StreamEntry::Header(_)
                | StreamEntry::SelfTest(_)
                | StreamEntry::ClockChange(_) => batch.push(entry),
            }
        }
        batch
    }

    /// Tells of events that went before this reader came to them.
    fn note_evicted(&mut self, state: &State, batch: &mut Vec<Arc<StreamEntry>>) {
        let last = state.evicted.last();
        if last < self.next_sequence {
            return;
        }
        let first = self.next_sequence;
        let count = last - first + 1;
        let description = state.evicted.describe(first, last);
        self.missed = self.missed.saturating_add(count);
        self.next_sequence = last + 1;
        batch.push(Arc::new(StreamEntry::Gap(Gap {
            stage: Stage::Spool,
            reason: REASON_SPOOL_FULL.to_owned(),
            count,
            families: description.families,
            first_sequence: Some(first),
            last_sequence: Some(last),
            from_ns: description.from_ns,
            to_ns: description.to_ns,
        })));
    }

    /// Sets the stages that differ from reader to reader.
    fn complete(&self, totals: &mut Totals) {
        let skipped = (self.first_sequence - 1).min(totals.events);
        let mut spool = StageTotals {
            produced: totals.events,
            delivered: totals.events.saturating_sub(self.missed),
            ..StageTotals::default()
        };
        spool.drop_for(REASON_SPOOL_FULL, self.missed);
        let subscriber = StageTotals {
            produced: spool.delivered,
            delivered: self.given,
            filtered: skipped.saturating_add(self.left_out),
            ..StageTotals::default()
        };
        totals.loss.stages.insert(Stage::Spool, spool);
        totals.loss.stages.insert(Stage::Subscriber, subscriber);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.subscribers = state.subscribers.saturating_sub(1);
    }
}
