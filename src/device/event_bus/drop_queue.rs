//! The queue of a reader that would rather miss events than fall behind.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::cost::cost;
use crate::event::{Event, Gap, Stage, StreamEntry, Totals};

/// Why the queue of a subscriber drops events.
pub const REASON_SUBSCRIBER_SLOW: &str = "subscriber_slow";

/// Entries that are no events and may wait beside those that are. Beyond it gaps are merged, and older totals go.
const MOST_OTHERS: usize = 64;

/// How much may wait for a reader. Whichever bound is reached first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Events.
    pub events: usize,
    /// Bytes of memory, approximately.
    pub bytes: usize,
}

/// What waits for a reader, bounded: when there is no more room the oldest events go, and a gap stands where they were.
///
/// It is filled from a [`super::Subscription`] that never waits for the reader, and emptied by the reader. What is dropped
/// always lies before everything that still waits, so one gap for each cause is enough, and the account of each totals is
/// exact: what was dropped by then was dropped before them.
#[derive(Debug)]
pub struct DropQueue {
    limits: QueueLimits,
    header: Option<Arc<StreamEntry>>,
    /// Gaps that lie before everything in `entries`.
    gaps: BTreeMap<(Stage, String), Gap>,
    /// Self-tests and changes of clocks that lie before everything in `entries`: the newest of them.
    kept: VecDeque<Arc<StreamEntry>>,
    entries: VecDeque<(usize, Arc<StreamEntry>)>,
    bytes: usize,
    events: usize,
    dropped: u64,
}

impl DropQueue {
    /// An empty queue. At least one event has room, whatever the limits say.
    #[must_use]
    pub fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            header: None,
            gaps: BTreeMap::new(),
            kept: VecDeque::new(),
            entries: VecDeque::new(),
            bytes: 0,
            events: 0,
            dropped: 0,
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.header.is_none() && self.gaps.is_empty() && self.kept.is_empty() && self.entries.is_empty()
    }

    /// Adds what comes next.
    pub fn push(&mut self, entry: Arc<StreamEntry>) {
        match &*entry {
            StreamEntry::Header(_) => {
                self.header = Some(entry);
                return;
            }
            StreamEntry::Event(_) => self.events += 1,
            StreamEntry::Totals(_) => {
                // Totals are cumulative: of two in a row the newer says all.
                if let Some((bytes, last)) = self.entries.back()
                    && matches!(**last, StreamEntry::Totals(_))
                {
                    self.bytes = self.bytes.saturating_sub(*bytes);
                    self.entries.pop_back();
                }
            }
            StreamEntry::Gap(_) | StreamEntry::SelfTest(_) | StreamEntry::ClockChange(_) | StreamEntry::End(_) => {}
        }
        let bytes = cost(&entry);
        self.bytes = self.bytes.saturating_add(bytes);
        self.entries.push_back((bytes, entry));
        while self.entries.len() > 1
            && (self.events > self.limits.events
                || self.bytes > self.limits.bytes
                || self.entries.len() - self.events > MOST_OTHERS)
        {
            self.drop_oldest();
        }
    }

    /// Takes entries for the reader, in order, up to about `bytes` of them (by their cost in memory), at least one if there
    /// is any.
    pub fn take(&mut self, bytes: usize) -> Vec<Arc<StreamEntry>> {
        let mut taken: Vec<_> = self.header.take().into_iter().collect();
        let mut gaps: Vec<_> = std::mem::take(&mut self.gaps).into_values().collect();
        gaps.sort_by_key(|gap| gap.from_ns);
        taken.extend(gaps.into_iter().map(|gap| Arc::new(StreamEntry::Gap(gap))));
        taken.extend(self.kept.drain(..));
        let mut spent = 0_usize;
        while spent < bytes || taken.is_empty() {
            let Some((cost, entry)) = self.entries.pop_front() else { break };
            spent = spent.saturating_add(cost);
            self.bytes = self.bytes.saturating_sub(cost);
            taken.push(match &*entry {
                StreamEntry::Event(_) => {
                    self.events = self.events.saturating_sub(1);
                    entry
                }
                StreamEntry::Totals(totals) if self.dropped > 0 => {
                    let mut totals = totals.clone();
                    self.settle(&mut totals);
                    Arc::new(StreamEntry::Totals(totals))
                }
                StreamEntry::End(end) if self.dropped > 0 => {
                    let mut end = end.clone();
                    self.settle(&mut end.totals);
                    Arc::new(StreamEntry::End(end))
                }
                _ => entry,
            });
        }
        taken
    }

    fn drop_oldest(&mut self) {
        let Some((bytes, entry)) = self.entries.pop_front() else { return };
        self.bytes = self.bytes.saturating_sub(bytes);
        match &*entry {
            StreamEntry::Event(event) => {
                self.events = self.events.saturating_sub(1);
                self.dropped = self.dropped.saturating_add(1);
                self.note(gap_of(event));
            }
            StreamEntry::Gap(gap) => self.note(gap.clone()),
            StreamEntry::SelfTest(_) | StreamEntry::ClockChange(_) => {
                // Rare, and nothing after it says it again: they outlive the events around them.
                if self.kept.len() >= MOST_OTHERS {
                    self.kept.pop_front();
                }
                self.kept.push_back(entry);
            }
            // Newer totals come: those of the end at the latest.
            StreamEntry::Totals(_) | StreamEntry::Header(_) | StreamEntry::End(_) => {}
        }
    }

    fn note(&mut self, gap: Gap) {
        match self.gaps.get_mut(&(gap.stage, gap.reason.clone())) {
            Some(known) => merge(known, &gap),
            None => {
                self.gaps.insert((gap.stage, gap.reason.clone()), gap);
            }
        }
    }

    /// Moves what was dropped here from what the subscription says it delivered.
    fn settle(&self, totals: &mut Totals) {
        let stage = totals.loss.stages.entry(Stage::Subscriber).or_default();
        stage.delivered = stage.delivered.saturating_sub(self.dropped);
        stage.drop_for(REASON_SUBSCRIBER_SLOW, self.dropped);
    }
}

fn gap_of(event: &Event) -> Gap {
    Gap {
        stage: Stage::Subscriber,
        reason: REASON_SUBSCRIBER_SLOW.to_owned(),
        count: 1,
        families: vec![event.family()],
        first_sequence: Some(event.sequence),
        last_sequence: Some(event.sequence),
        from_ns: event.time_ns,
        to_ns: event.time_ns,
    }
}

/// Widens a gap by another of the same cause. It may claim too much, never too little.
fn merge(known: &mut Gap, more: &Gap) {
    // 0 says that the number is not known, and no families that any are possible.
    known.count = if known.count == 0 || more.count == 0 { 0 } else { known.count.saturating_add(more.count) };
    if known.families.is_empty() || more.families.is_empty() {
        known.families.clear();
    } else if more.families.iter().any(|family| !known.families.contains(family)) {
        known.families.extend(more.families.iter().copied());
        known.families.sort_unstable();
        known.families.dedup();
    }
    let (first, last) = (known.first_sequence.zip(more.first_sequence), known.last_sequence.zip(more.last_sequence));
    known.first_sequence = first.map(|(known, more)| known.min(more));
    known.last_sequence = last.map(|(known, more)| known.max(more));
    known.from_ns = known.from_ns.min(more.from_ns);
    known.to_ns = known.to_ns.max(more.to_ns);
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::tests::{end, event, totals};
    use super::super::{Matcher, Spool, SpoolLimits};
    use super::*;
    use crate::event::{Family, SessionHeader};

    #[derive(Debug, Clone)]
    enum Step {
        Append(usize),
        Totals,
        /// The probe lost something.
        Lose(u64),
        /// The pump brings what is new.
        Pump,
        /// The reader takes about so many bytes.
        Read(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..30_usize).prop_map(Step::Append),
            Just(Step::Totals),
            (1..5_u64).prop_map(Step::Lose),
            Just(Step::Pump),
            (0..5_000_usize).prop_map(Step::Read),
        ]
    }

    fn lost(count: u64) -> StreamEntry {
        let gap = Gap { stage: Stage::Probe, reason: "ring_full".to_owned(), count, ..gap_of_nothing() };
        StreamEntry::Gap(gap)
    }

    fn gap_of_nothing() -> Gap {
        Gap {
            stage: Stage::Probe,
            reason: String::new(),
            count: 0,
            families: Vec::new(),
            first_sequence: None,
            last_sequence: None,
            from_ns: 1,
            to_ns: 2,
        }
    }

    /// Every event is delivered in order or lies in a gap whose count is exact, and each account says so.
    fn check(got: &[Arc<StreamEntry>], appended: u64, lost: u64) {
        let Some((first, rest)) = got.split_first() else { panic!("nothing") };
        assert!(matches!(**first, StreamEntry::Header(_)), "no header first");
        let (mut next, mut given, mut dropped, mut probe_lost) = (1, 0, 0, 0);
        for entry in rest {
            let account = match &**entry {
                StreamEntry::Event(event) => {
                    assert_eq!(event.sequence, next, "a hole without a gap");
                    next += 1;
                    given += 1;
                    continue;
                }
                StreamEntry::Gap(gap) if gap.stage == Stage::Subscriber => {
                    assert_eq!((gap.first_sequence, gap.last_sequence), (Some(next), Some(next + gap.count - 1)));
                    assert_eq!((gap.from_ns, gap.to_ns), (next, next + gap.count - 1));
                    assert_eq!(gap.families, [Family::Process]);
                    next += gap.count;
                    dropped += gap.count;
                    continue;
                }
                StreamEntry::Gap(gap) => {
                    probe_lost += gap.count;
                    continue;
                }
                StreamEntry::Totals(totals) => totals,
                StreamEntry::End(end) => &Box::new(end.totals.clone()),
                other => panic!("not appended here: {other:?}"),
            };
            let stage = &account.loss.stages[&Stage::Subscriber];
            assert!(stage.is_balanced(), "{account:?}");
            assert_eq!((stage.delivered, stage.dropped_total()), (given, dropped));
        }
        assert!(matches!(got.last().map(|last| &**last), Some(StreamEntry::End(_))), "no end last");
        assert_eq!((next, probe_lost), (appended + 1, lost));
    }

    proptest! {
        #[test]
        fn what_is_not_delivered_is_in_a_gap_and_counted(steps in vec(step(), 0..80), events in 1..40_usize) {
            let spool = Spool::new(SessionHeader::default(), SpoolLimits::default());
            let mut subscription = spool.subscribe(0, Matcher::default()).unwrap();
            let mut queue = DropQueue::new(QueueLimits { events, bytes: 1 << 20 });
            let (mut appended, mut lost_count, mut got) = (0, 0, Vec::new());
            for step in steps {
                match step {
                    Step::Append(count) => {
                        for _ in 0..count {
                            appended += 1;
                            spool.append([event(appended)]);
                        }
                    }
                    Step::Totals => {
                        spool.append([StreamEntry::Totals(Box::new(totals(&spool)))]);
                    }
                    Step::Lose(count) => {
                        lost_count += count;
                        spool.append([lost(count)]);
                    }
                    Step::Pump => {
                        for entry in subscription.take(usize::MAX) {
                            queue.push(entry);
                        }
                        prop_assert!(queue.events <= events && queue.entries.len() <= events + MOST_OTHERS);
                    }
                    Step::Read(bytes) => got.extend(queue.take(bytes)),
                }
            }
            spool.append([end(&spool)]);
            for entry in subscription.take(usize::MAX) {
                queue.push(entry);
            }
            while !queue.is_empty() {
                got.extend(queue.take(1));
            }
            check(&got, appended, lost_count);
        }
    }

    #[test]
    fn a_reader_that_never_comes_costs_a_bounded_memory() {
        let spool = Spool::new(SessionHeader::default(), SpoolLimits { bytes: 1 << 20, events: 1 << 20 });
        let mut subscription = spool.subscribe(0, Matcher::default()).unwrap();
        let mut queue = DropQueue::new(QueueLimits { events: 1000, bytes: 100_000 });
        for number in 1..=50_000 {
            spool.append([event(number), lost(1)]);
            spool.append([StreamEntry::Totals(Box::new(totals(&spool)))]);
            for entry in subscription.take(usize::MAX) {
                queue.push(entry);
            }
            assert!(queue.bytes <= 100_000 && queue.entries.len() <= 1000 + MOST_OTHERS && queue.gaps.len() <= 2);
        }
        spool.append([end(&spool)]);
        for entry in subscription.take(usize::MAX) {
            queue.push(entry);
        }
        let mut got = Vec::new();
        while !queue.is_empty() {
            got.extend(queue.take(1));
        }
        check(&got, 50_000, 50_000);
    }

    #[test]
    fn what_one_of_two_gaps_does_not_know_the_merged_one_does_not_either() {
        let numbered = Gap { count: 3, first_sequence: Some(5), last_sequence: Some(7), ..gap_of_nothing() };
        let mut whole = Gap { families: vec![Family::File], ..numbered.clone() };
        merge(&mut whole, &Gap { families: vec![Family::Process, Family::File], from_ns: 0, ..numbered.clone() });
        assert_eq!((whole.count, whole.families.as_slice()), (6, &[Family::Process, Family::File][..]));
        assert_eq!((whole.first_sequence, whole.last_sequence, whole.from_ns), (Some(5), Some(7), 0));
        merge(&mut whole, &gap_of_nothing());
        assert_eq!((whole.count, whole.families.len(), whole.first_sequence), (0, 0, None));
    }
}
