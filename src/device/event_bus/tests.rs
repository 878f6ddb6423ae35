//! Any order of appending and reading, on a spool that overflows.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::Matcher;
use super::{Bell, Disked, MemoryBudget, OutOfRange, Spool, SpoolLimits, Subscription, WriteOut};
use crate::device::spool_files::{SessionBounds, SpoolDirectory};
use crate::event::examples;
use crate::event::{
    EventBody, Family, ProcessExit, SessionEnd, SessionEndReason, SessionHeader, Stage, StreamEntry, Totals,
};

pub(super) fn event(time_ns: u64) -> StreamEntry {
    examples::entry(time_ns, "unmarked", EventBody::ProcessExit(ProcessExit { status: None, signal: None }))
}

pub(super) fn totals(spool: &Spool) -> Totals {
    Totals { events: spool.account().events, ..Totals::default() }
}

pub(super) fn end(spool: &Spool) -> StreamEntry {
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
    /// To the files, when there are some.
    WriteOut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..12_usize).prop_map(Step::Append),
        Just(Step::Totals),
        (0..4_usize, 0..5_000_usize).prop_map(|(reader, bytes)| Step::Read(reader, bytes)),
        (0..40_u64).prop_map(Step::Subscribe),
        Just(Step::WriteOut),
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
        let mut missed = BTreeMap::new();
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
                    *missed.entry(gap.reason.clone()).or_default() += gap.count;
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
        assert_eq!(stages[&Stage::Spool].dropped, missed);
    }
}

fn check_totals(totals: &Totals) {
    let (spool, subscriber) = (&totals.loss.stages[&Stage::Spool], &totals.loss.stages[&Stage::Subscriber]);
    assert!(spool.is_balanced() && subscriber.is_balanced(), "{totals:?}");
    assert_eq!((spool.produced, spool.delivered), (totals.events, subscriber.produced));
}

/// Runs the steps, appends the end, and looks at what each reader got. Nothing may be missing in silence, whoever reads
/// when, and however much of it is in memory or in files.
fn run(spool: &Spool, steps: Vec<Step>) -> Result<(), TestCaseError> {
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
                spool.append([StreamEntry::Totals(Box::new(totals(spool)))]);
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
            Step::WriteOut => {
                prop_assert!(spool.write_out() != WriteOut::Trouble);
            }
        }
    }
    spool.append([end(spool)]);
    prop_assert_eq!(spool.append([event(0)]), 1, "an event after the end was taken");
    while spool.write_out() != WriteOut::Done {}
    // Who comes last gets all that is still there.
    readers.push(Reader { subscription: spool.subscribe(0, Matcher::default()).unwrap(), from: 1, got: Vec::new() });
    prop_assert_eq!(spool.subscribers(), readers.len());
    for mut reader in readers {
        while !reader.got.last().is_some_and(|entry| matches!(entry, StreamEntry::End(_))) {
            reader.read(0);
        }
        reader.check(appended);
    }
    prop_assert_eq!(spool.subscribers(), 0);
    Ok(())
}

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

/// Files in a directory of their own, and as little memory in front of them.
fn disked(directory: &std::path::Path, kept_bytes: u64, memory_bytes: usize) -> (SpoolDirectory, Disked) {
    let bounds = SessionBounds { bytes: kept_bytes, age: HOUR };
    let directory = SpoolDirectory::open(&directory.join("spool"), bounds).unwrap();
    (directory, Disked { budget: MemoryBudget::new(memory_bytes), bell: Bell::default() })
}

fn header() -> SessionHeader {
    SessionHeader { session_id: "s1".to_owned(), ..SessionHeader::default() }
}

proptest! {
    #[test]
    fn a_reader_gets_or_misses_every_event_and_knows_which(steps in vec(step(), 0..60), limit in 1..20_usize) {
        let spool = Spool::new(SessionHeader::default(), SpoolLimits { bytes: usize::MAX, events: limit });
        run(&spool, steps)?;
    }

    #[test]
    fn so_it_does_when_files_are_behind_the_memory(
        steps in vec(step(), 0..60),
        kept in prop_oneof![Just(2000_u64), Just(40_000), Just(u64::MAX)],
        memory in 1..20_000_usize,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let (directory, disked) = disked(directory.path(), kept, memory);
        let spool = Spool::with_files(header(), directory.create(&header()).unwrap(), &disked);
        run(&spool, steps)?;
    }
}

/// Sequence numbers of the events, and ranges of the gaps, that a new reader gets.
fn read_all(spool: &Spool) -> (Vec<u64>, Vec<(u64, u64, String)>, bool) {
    let mut subscription = spool.subscribe(0, Matcher::default()).unwrap();
    let (mut events, mut gaps) = (Vec::new(), Vec::new());
    loop {
        let batch = subscription.take(usize::MAX);
        if batch.is_empty() {
            return (events, gaps, false);
        }
        for entry in batch {
            match &*entry {
                StreamEntry::Event(event) => events.push(event.sequence),
                StreamEntry::Gap(gap) => {
                    let (first, last) = (gap.first_sequence.unwrap_or(0), gap.last_sequence.unwrap_or(0));
                    gaps.push((first, last, gap.reason.clone()));
                }
                StreamEntry::End(_) => return (events, gaps, true),
                _ => {}
            }
        }
    }
}

/// A spool of `count` events that its daemon left without an end.
fn left_behind(directory: &std::path::Path, count: u64) {
    let (directory, disked) = disked(directory, u64::MAX, 1 << 20);
    let spool = Spool::with_files(header(), directory.create(&header()).unwrap(), &disked);
    for piece in 0..count / 100 {
        spool.append((1..=100).map(|number| event(piece * 100 + number)));
        while spool.write_out() != WriteOut::Done {}
    }
}

fn segments(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(directory.join("spool/s1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "spool"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn a_spool_without_an_end_is_readable_to_its_last_whole_frame() {
    let temporary = tempfile::tempdir().unwrap();
    left_behind(temporary.path(), 1000);
    let path = segments(temporary.path()).pop().unwrap();
    let whole = std::fs::read(&path).unwrap();
    // Frames of a hundred events each, cut at any place.
    for cut in [whole.len(), whole.len() - 1, whole.len() - 40, whole.len() / 2, 17, 16] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let (directory, disked) = disked(temporary.path(), u64::MAX, 1 << 20);
        let found = directory.find(0).unwrap().pop().unwrap();
        assert_eq!((found.end.is_none(), found.events % 100), (true, 0));
        let expected = found.events;
        assert!(expected == 1000 || cut < whole.len());
        let spool = Spool::found(found, &disked);
        spool.append([end(&spool)]);
        assert_eq!(spool.write_out(), WriteOut::More);
        assert_eq!(spool.write_out(), WriteOut::Done);
        let all = ((1..=expected).collect::<Vec<_>>(), Vec::new(), true);
        assert_eq!(read_all(&spool), all, "cut at {cut}");
        drop((spool, directory));
        // The next daemon finds it ended.
        let (directory, disked) = self::disked(temporary.path(), u64::MAX, 1 << 20);
        let found = directory.find(0).unwrap().pop().unwrap();
        assert!(found.end.is_some());
        let spool = Spool::found(found, &disked);
        assert_eq!(read_all(&spool), all, "cut at {cut}, again");
        assert!(!spool.files().unwrap().is_older(HOUR));
        // A day of the wall clock later, which is all that is left of time when another daemon comes.
        #[expect(clippy::disallowed_methods, reason = "the files were written by this clock")]
        let now = std::time::SystemTime::now();
        let later = now.duration_since(std::time::UNIX_EPOCH).unwrap() + HOUR * 24;
        let found = directory.find(u64::try_from(later.as_nanos()).unwrap()).unwrap().pop().unwrap();
        let spool = Spool::found(found, &disked);
        assert!(spool.files().unwrap().is_older(HOUR) && !spool.files().unwrap().is_older(HOUR * 25));
        for path in segments(temporary.path()) {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn damage_in_the_middle_is_a_gap_of_what_is_damaged() {
    let temporary = tempfile::tempdir().unwrap();
    left_behind(temporary.path(), 1000);
    let path = segments(temporary.path()).pop().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let frame = (whole.len() - 16) / 10;
    // In the entries of the fourth frame, and in its header.
    for place in [frame * 3 + frame / 2 + 16, frame * 3 + 16 + 20] {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x40;
        std::fs::write(&path, &damaged).unwrap();
        let (directory, disked) = disked(temporary.path(), u64::MAX, 1 << 20);
        let found = directory.find(0).unwrap().pop().unwrap();
        let (events, gaps, _) = read_all(&Spool::found(found, &disked));
        assert_eq!(events.len(), 900);
        assert_eq!(gaps, [(301, 400, "spool_damaged".to_owned())]);
        let pages = Spool::found(directory.find(0).unwrap().pop().unwrap(), &disked);
        let query = |order| super::Query { matcher: Matcher::default(), time_ns: 0..u64::MAX, order };
        for order in [super::Order::OldestFirst, super::Order::NewestFirst] {
            let page = pages.page(&query(order), None, 10_000);
            assert_eq!(page.events.len(), 900, "{order:?}");
        }
    }
}

#[test]
fn what_went_from_the_files_is_still_told_by_the_next_daemon() {
    let temporary = tempfile::tempdir().unwrap();
    {
        let (directory, disked) = disked(temporary.path(), 40_000, 1);
        let spool = Spool::with_files(header(), directory.create(&header()).unwrap(), &disked);
        for piece in 0..20 {
            spool.append([event(piece * 2 + 1), event(piece * 2 + 2)]);
            spool.append((1..=100).map(|_| StreamEntry::Totals(Box::default())));
            while spool.write_out() != WriteOut::Done {}
        }
        spool.append((41..=2000).map(event));
        while spool.write_out() != WriteOut::Done {}
        assert!(spool.account().dropped_unread.total() > 0);
    }
    let (directory, disked) = disked(temporary.path(), 40_000, 1);
    let found = directory.find(0).unwrap().pop().unwrap();
    let last = found.events;
    let spool = Spool::found(found, &disked);
    spool.append([end(&spool)]);
    let (events, gaps, ended) = read_all(&spool);
    assert!(ended);
    let missing: u64 = gaps.iter().map(|(first, last, _)| last - first + 1).sum();
    assert_eq!(missing + events.len() as u64, last, "{gaps:?}");
    assert!(gaps.iter().all(|(_, _, reason)| reason == "spool_size" || reason == "spool_behind"), "{gaps:?}");
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
    assert!(spool.account().dropped_unread.total() > 9_000);
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
