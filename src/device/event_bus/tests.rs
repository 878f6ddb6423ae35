//! Any order of appending and reading, on a spool that overflows.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::Matcher;
use super::{OutOfRange, REASON_SPOOL_FULL, Spool, SpoolLimits, Subscription};
use crate::event::{
    App, Event, EventBody, Family, Fidelity, Outcome, Phase, ProbeId, ProcessExit, ProcessKey, ProcessRef, SessionEnd,
    SessionEndReason, SessionHeader, Stage, StreamEntry, Totals,
};

fn event(time_ns: u64) -> StreamEntry {
    StreamEntry::Event(Box::new(Event {
        sequence: 0,
        time_ns,
        process: ProcessRef { key: ProcessKey::new(1, 0), name: String::new(), executable: None },
        thread_id: 1,
        user_id: 1,
        app: App::default(),
        phase: Phase::unmarked(),
        probe: ProbeId::Replay,
        fidelity: Fidelity::Faithful,
        outcome: Outcome::Ok,
        body: EventBody::ProcessExit(ProcessExit { status: None, signal: None }),
    }))
}

fn totals(spool: &Spool) -> Totals {
    Totals { events: spool.account().events, ..Totals::default() }
}

fn end(spool: &Spool) -> StreamEntry {
    let reason = SessionEndReason::Stopped;
    StreamEntry::End(Box::new(SessionEnd { reason, totals: totals(spool), probes: Vec::new(), self_tests: Vec::new() }))
}

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Totals,
    /// Reader, and about how many bytes.
    Read(usize, usize),
    Subscribe(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..12_usize).prop_map(Step::Append),
        Just(Step::Totals),
        (0..4_usize, 0..5_000_usize).prop_map(|(reader, bytes)| Step::Read(reader, bytes)),
        (0..40_u64).prop_map(Step::Subscribe),
    ]
}

/// A reader, and what it got.
struct Reader {
    subscription: Subscription,
    from: u64,
    got: Vec<StreamEntry>,
}

impl Reader {
    fn read(&mut self, bytes: usize) {
        self.got.extend(self.subscription.take(bytes).iter().map(|entry| (**entry).clone()));
    }

    fn check(&self, appended: u64) {
        let mut next = self.from;
        let mut given = 0;
        let mut missed = 0;
        let Some((StreamEntry::Header(_), rest)) = self.got.split_first() else { panic!("no header first") };
        let Some((StreamEntry::End(last), _)) = rest.split_last() else { panic!("no end last") };
        for entry in rest {
            match entry {
                StreamEntry::Event(event) => {
                    assert_eq!((event.sequence, event.time_ns), (next, next), "a hole without a gap");
                    next += 1;
                    given += 1;
                }
                StreamEntry::Gap(gap) => {
                    assert_eq!((gap.first_sequence, gap.count), (Some(next), gap.last_sequence.unwrap() - next + 1));
                    assert_eq!(gap.families, [Family::Process]);
                    assert!(gap.from_ns <= next && gap.last_sequence.unwrap() <= gap.to_ns);
                    next += gap.count;
                    missed += gap.count;
                }
                StreamEntry::Totals(totals) => check_totals(totals),
                StreamEntry::End(end) => check_totals(&end.totals),
                StreamEntry::Header(_) => panic!("a second header"),
                StreamEntry::SelfTest(_) | StreamEntry::ClockChange(_) => {}
            }
        }
        assert_eq!(next, appended + 1);
        let stages = &last.totals.loss.stages;
        assert_eq!(stages[&Stage::Subscriber].delivered, given);
        assert_eq!(stages[&Stage::Spool].dropped, loss(missed));
    }
}

fn loss(count: u64) -> BTreeMap<String, u64> {
    if count == 0 { BTreeMap::new() } else { BTreeMap::from([(REASON_SPOOL_FULL.to_owned(), count)]) }
}

fn check_totals(totals: &Totals) {
    let (spool, subscriber) = (&totals.loss.stages[&Stage::Spool], &totals.loss.stages[&Stage::Subscriber]);
    assert!(spool.is_balanced() && subscriber.is_balanced(), "{totals:?}");
    assert_eq!((spool.produced, spool.delivered), (totals.events, subscriber.produced));
}

proptest! {
    #[test]
    fn a_reader_gets_or_misses_every_event_and_knows_which(steps in vec(step(), 0..60), limit in 1..20_usize) {
        let spool = Spool::new(SessionHeader::default(), SpoolLimits { bytes: usize::MAX, events: limit });
        let mut readers = Vec::new();
        let mut appended = 0;
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
                Step::Read(reader, bytes) => {
                    let count = readers.len().max(1);
                    if let Some(reader) = readers.get_mut(reader % count) {
                        Reader::read(reader, bytes);
                    }
                }
                Step::Subscribe(from) => match spool.subscribe(from, Matcher::default()) {
                    Ok(subscription) => readers.push(Reader { subscription, from: from.max(1), got: Vec::new() }),
                    Err(error) => {
                        let next = appended + 1;
                        prop_assert_eq!(error, OutOfRange { asked: from, next });
                        prop_assert!(from > next);
                    }
                },
            }
        }
        spool.append([end(&spool)]);
        prop_assert_eq!(spool.append([event(0)]), 1, "an event after the end was taken");
        prop_assert_eq!(spool.subscribers(), readers.len());
        for mut reader in readers {
            while !reader.got.last().is_some_and(|entry| matches!(entry, StreamEntry::End(_))) {
                reader.read(0);
            }
            reader.check(appended);
        }
        prop_assert_eq!(spool.subscribers(), 0);
    }
}

#[test]
fn an_idle_session_does_not_fill_its_spool_with_totals() {
    let spool = Spool::new(SessionHeader::default(), SpoolLimits::default());
    spool.append([event(1)]);
    for _ in 0..100_000 {
        spool.append([StreamEntry::Totals(Box::default())]);
    }
    assert!(spool.bytes() < 4096, "{}", spool.bytes());
}

#[test]
fn the_bytes_are_a_bound_too() {
    let spool = Spool::new(SessionHeader::default(), SpoolLimits { bytes: 100_000, events: usize::MAX });
    for time_ns in 1..=10_000 {
        spool.append([event(time_ns)]);
        assert!(spool.bytes() <= 100_000);
    }
    assert!(spool.account().dropped_unread > 9_000);
}

#[tokio::test]
async fn a_waiting_reader_is_woken() {
    let spool = Spool::new(SessionHeader::default(), SpoolLimits::default());
    let mut subscription = spool.subscribe(0, Matcher::default()).unwrap();
    assert_eq!(subscription.next(1).await.unwrap().len(), 1, "the header");
    let waiting = tokio::spawn(async move {
        let batch = subscription.next(1).await;
        (batch.map(|batch| batch.len()), subscription.next(1).await.is_some(), subscription.next(1).await.is_none())
    });
    tokio::task::yield_now().await;
    spool.append([event(1)]);
    spool.append([end(&spool)]);
    assert_eq!(waiting.await.unwrap(), (Some(1), true, true));
}
