//! Reading what a spool still holds, in memory and in files: pages of events, and what they come to.
//!
//! Both look at the spool in pieces, so that its lock is held for the copying of a few thousand pointers and never while
//! something is matched or counted. What goes out of the spool meanwhile is missed, and what comes in may be seen.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::{Matcher, Spool};
use crate::device::spool_files::{Cursor, Placed};
use crate::event::{Event, EventBody, ProcessKey, StreamEntry};
use crate::personal_data::{DataType, Reading, read_by, severity};

/// Entries looked at under one lock, going back.
const PIECE: usize = 4096;
/// How much is read at a time, going on.
const PIECE_BYTES: usize = 1 << 20;

/// Which end of the events comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// By rising sequence number.
    #[default]
    OldestFirst,
    /// By falling sequence number.
    NewestFirst,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Query {
    /// Only these events.
    pub matcher: Matcher,
    /// Boot-time nanoseconds of the events.
    pub time_ns: Range<u64>,
    /// Which end comes first.
    pub order: Order,
}

/// One page of events.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Events, in the order asked for.
    pub events: Vec<Arc<StreamEntry>>,
    /// The sequence number to go on at; `None` when there is nothing more now.
    pub next_sequence: Option<u64>,
    /// How far the spool goes.
    pub extent: Extent,
}

/// How far a spool goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Events numbered so far.
    pub last_sequence: u64,
    /// The oldest event still held; 0 when none is.
    pub first_held_sequence: u64,
}

/// What a summary is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// The package, or the user id when no package is known.
    App,
    /// The family.
    Family,
    /// The kind.
    Kind,
    /// The phase.
    Phase,
    /// The class of the outcome.
    Outcome,
    /// The host a request named, else the peer's address; the authority or the interface for binder.
    Recipient,
    /// The kinds of personal data that the event reads, joined by `+`; `?` where no table knows.
    DataType,
    /// The severity.
    Severity,
}

impl Dimension {
    fn value(self, event: &Event) -> String {
        match self {
            Self::App => match (&event.app.package, event.app.candidates.as_slice()) {
                (Some(package), _) => package.clone(),
                (None, []) => format!("uid {}", event.user_id),
                (None, several) => several.join(" or "),
            },
            Self::Family => event.family().name().to_owned(),
            Self::Kind => event.kind().name().to_owned(),
            Self::Phase => event.phase.as_str().to_owned(),
            Self::Outcome => event.outcome.class().name().to_owned(),
            Self::Recipient => event.body.names().into_iter().next().unwrap_or_default(),
            Self::DataType => {
                let Reading { types, open } = read_by(event);
                let mut ids: Vec<_> = types.into_iter().map(DataType::id).collect();
                ids.extend(open.then_some("?"));
                ids.join("+")
            }
            Self::Severity => severity(event).name().to_owned(),
        }
    }
}

/// One row of a summary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SummaryRow {
    /// The values of the dimensions asked for, in their order.
    pub values: Vec<String>,
    /// Events.
    pub events: u64,
    /// Bytes that went.
    pub bytes: Bytes,
    /// Time of the earliest event, boot-time nanoseconds.
    pub first_ns: u64,
    /// Time of the latest event.
    pub last_ns: u64,
}

/// Bytes that went through sockets and files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bytes {
    /// Sent through sockets.
    pub sent: u64,
    /// Received through sockets.
    pub received: u64,
    /// Read from files.
    pub read: u64,
    /// Written to files.
    pub written: u64,
}

impl Bytes {
    fn of(body: &EventBody) -> Option<(Self, u64, i32)> {
        match body {
            EventBody::SocketTotals(totals) => {
                let bytes = Self { sent: totals.bytes_sent, received: totals.bytes_received, ..Self::default() };
                Some((bytes, totals.handle, totals.descriptor))
            }
            EventBody::FileTotals(totals) => {
                let bytes = Self { read: totals.bytes_read, written: totals.bytes_written, ..Self::default() };
                Some((bytes, totals.handle, totals.descriptor))
            }
            _ => None,
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            sent: self.sent.saturating_sub(before.sent),
            received: self.received.saturating_sub(before.received),
            read: self.read.saturating_sub(before.read),
            written: self.written.saturating_sub(before.written),
        }
    }

    fn add(&mut self, more: Self) {
        self.sent = self.sent.saturating_add(more.sent);
        self.received = self.received.saturating_add(more.received);
        self.read = self.read.saturating_add(more.read);
        self.written = self.written.saturating_add(more.written);
    }
}

impl Query {
    fn takes(&self, event: &Event) -> bool {
        self.time_ns.contains(&event.time_ns) && self.matcher.takes_event(event)
    }
}

impl Spool {
    /// At most `limit` events that the query takes, from `from_sequence` on in its order (`None`: from the end that comes
    /// first).
    #[must_use]
    pub fn page(&self, query: &Query, from_sequence: Option<u64>, limit: usize) -> Page {
        let mut page = Page::default();
        let mut pieces = match query.order {
            Order::OldestFirst => {
                Pieces::Forth(self.shared.index_after(from_sequence.unwrap_or(1).max(1) - 1), Cursor::default())
            }
            Order::NewestFirst => Pieces::Back(from_sequence.unwrap_or(u64::MAX)),
        };
        loop {
            let piece = self.piece(&mut pieces);
            page.extent = self.extent();
            if piece.is_empty() {
                return page;
            }
            for placed in piece {
                let StreamEntry::Event(event) = &*placed.entry else { continue };
                // Where a frame begins before what was asked for.
                if query.order == Order::OldestFirst && from_sequence.is_some_and(|from| event.sequence < from) {
                    continue;
                }
                if page.events.len() >= limit {
                    page.next_sequence = Some(event.sequence);
                    return page;
                }
                if query.takes(event) {
                    page.events.push(placed.entry.clone());
                }
            }
        }
    }

    /// What the events that the query takes come to, divided by `dimensions`; the rows with the most events first. The
    /// order of the query does not matter.
    #[must_use]
    pub fn summarise(&self, query: &Query, dimensions: &[Dimension]) -> (Vec<SummaryRow>, Extent) {
        let mut rows: HashMap<Vec<String>, SummaryRow> = HashMap::new();
        // Totals are cumulative. What is new in one belongs to the row of that event, so the one before has to be known,
        // also when the query leaves it out.
        let mut before: HashMap<(ProcessKey, u64, i32), Bytes> = HashMap::new();
        let mut pieces = Pieces::Forth(0, Cursor::default());
        loop {
            let piece = self.piece(&mut pieces);
            let is_last = piece.is_empty();
            for placed in &piece {
                let StreamEntry::Event(event) = &*placed.entry else { continue };
                let bytes = Bytes::of(&event.body).map(|(bytes, handle, descriptor)| {
                    let last = before.insert((event.process.key, handle, descriptor), bytes);
                    bytes.since(last.unwrap_or_default())
                });
                if query.takes(event) {
                    count(&mut rows, event, bytes.unwrap_or_default(), dimensions);
                }
            }
            if is_last {
                let extent = self.extent();
                let mut rows: Vec<_> = rows.into_values().collect();
                rows.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.values.cmp(&b.values)));
                return (rows, extent);
            }
        }
    }

    /// The next piece; empty when there is nothing more.
    fn piece(&self, pieces: &mut Pieces) -> Vec<Placed> {
        match pieces {
            Pieces::Forth(index, cursor) => {
                let piece = self.shared.read(cursor, *index, PIECE_BYTES);
                if let Some(last) = piece.last() {
                    *index = last.index.saturating_add(1);
                }
                piece
            }
            Pieces::Back(from) => {
                let piece = if *from == 0 { Vec::new() } else { self.shared.read_back(*from, PIECE) };
                *from = piece.last().map_or(0, |last| last.events.saturating_sub(1));
                piece
            }
        }
    }

    pub(super) fn extent(&self) -> Extent {
        let in_files = self.shared.disk.as_ref().map_or(0, |disk| disk.files.holding().first_sequence);
        let state = self.shared.lock();
        let in_memory = state.entries.iter().find(|held| held.is_event()).map_or(0, |held| held.events);
        let first_held_sequence = match (in_files, in_memory) {
            (0, held) | (held, 0) => held,
            (files, memory) => files.min(memory),
        };
        Extent { last_sequence: state.account.events, first_held_sequence }
    }
}

/// Where the next piece begins.
enum Pieces {
    /// At this index, going on.
    Forth(u64, Cursor),
    /// At this event, going back.
    Back(u64),
}

fn count(rows: &mut HashMap<Vec<String>, SummaryRow>, event: &Event, bytes: Bytes, dimensions: &[Dimension]) {
    let values: Vec<String> = dimensions.iter().map(|dimension| dimension.value(event)).collect();
    let row = rows.entry(values).or_insert_with_key(|values| SummaryRow {
        values: values.clone(),
        first_ns: event.time_ns,
        last_ns: event.time_ns,
        ..SummaryRow::default()
    });
    row.events += 1;
    row.bytes.add(bytes);
    row.first_ns = row.first_ns.min(event.time_ns);
    row.last_ns = row.last_ns.max(event.time_ns);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::device::event_bus::SpoolLimits;
    use crate::event::examples::{entry as event, open};
    use crate::event::{EventFilter, Family, FileTotals, SessionHeader};

    fn totals(bytes_read: u64) -> EventBody {
        EventBody::FileTotals(FileTotals {
            path: "/a".to_owned(),
            descriptor: 3,
            handle: 1,
            bytes_read,
            bytes_written: 0,
            read_calls: 1,
            write_calls: 0,
            mapped: false,
            closed: false,
        })
    }

    fn query(filter: EventFilter, order: Order) -> Query {
        Query { matcher: Matcher::new(filter).unwrap(), time_ns: 0..u64::MAX, order }
    }

    fn sequences(page: &Page) -> Vec<u64> {
        let sequence = |entry: &Arc<StreamEntry>| match &**entry {
            StreamEntry::Event(event) => event.sequence,
            other => panic!("not an event: {other:?}"),
        };
        page.events.iter().map(sequence).collect()
    }

    #[test]
    fn pages_follow_each_other_without_holes_in_both_orders() {
        let spool = Spool::new(SessionHeader::default(), SpoolLimits::default());
        let paths = |number: u64| if number.is_multiple_of(3) { "/data/data/photos/a.jpg" } else { "/system/lib.so" };
        // More than a piece, so that the pieces are put together too.
        spool.append((1..=10_000).map(|number| event(number, "unmarked", open(paths(number)))));
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let filter = EventFilter { path_patterns: vec!["*/photos/*".to_owned()], ..EventFilter::default() };
            let query = query(filter, order);
            let (mut seen, mut from) = (Vec::new(), None);
            loop {
                let page = spool.page(&query, from, 700);
                assert_eq!(page.extent, Extent { last_sequence: 10_000, first_held_sequence: 1 });
                seen.extend(sequences(&page));
                from = page.next_sequence;
                if from.is_none() {
                    break;
                }
            }
            let mut expected: Vec<u64> = (1..=10_000).filter(|number: &u64| number.is_multiple_of(3)).collect();
            if order == Order::NewestFirst {
                expected.reverse();
            }
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn what_is_gone_is_said_to_be_gone() {
        let spool = Spool::new(SessionHeader::default(), SpoolLimits { bytes: usize::MAX, events: 10 });
        spool.append((1..=25).map(|number| event(number, "unmarked", open("/a"))));
        let page = spool.page(&query(EventFilter::default(), Order::OldestFirst), None, 100);
        assert_eq!(sequences(&page), (16..=25).collect::<Vec<_>>());
        assert_eq!(page.extent, Extent { last_sequence: 25, first_held_sequence: 16 });
        let mut newest = query(EventFilter::default(), Order::NewestFirst);
        newest.time_ns = 18..21;
        assert_eq!(sequences(&spool.page(&newest, None, 100)), [20, 19, 18]);
    }

    #[test]
    fn a_summary_counts_new_bytes_where_they_went() {
        let spool = Spool::new(SessionHeader::default(), SpoolLimits::default());
        spool.append([
            event(1, "pre_consent", open("/a")),
            event(2, "pre_consent", totals(100)),
            event(3, "foreground", totals(160)),
            event(4, "foreground", totals(160)),
        ]);
        let (rows, _) = spool.summarise(&query(EventFilter::default(), Order::OldestFirst), &[Dimension::Phase]);
        let row = |phase: &str, events, read, first_ns, last_ns| SummaryRow {
            values: vec![phase.to_owned()],
            events,
            bytes: Bytes { read, ..Bytes::default() },
            first_ns,
            last_ns,
        };
        assert_eq!(rows, [row("foreground", 2, 60, 3, 4), row("pre_consent", 2, 100, 1, 2)]);

        let later = EventFilter { phases: BTreeSet::from(["foreground".parse().unwrap()]), ..EventFilter::default() };
        let (rows, _) = spool.summarise(&query(later, Order::OldestFirst), &[Dimension::App, Dimension::Family]);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].values.join("|"), rows[0].bytes.read), ("uid 10001|file".to_owned(), 60));
    }

    #[test]
    fn lists_are_joined_by_and_their_elements_by_or() {
        let matcher = |filter| Matcher::new(filter).unwrap();
        let StreamEntry::Event(open) = event(1, "foreground", open("/data/a/photo.JPG")) else { unreachable!() };
        let families = BTreeSet::from([Family::File, Family::Socket]);
        assert!(matcher(EventFilter { families: families.clone(), ..EventFilter::default() }).takes_event(&open));
        let other_user = EventFilter { families, user_ids: BTreeSet::from([1]), ..EventFilter::default() };
        assert!(!matcher(other_user).takes_event(&open));
        let paths = |pattern: &str| EventFilter { path_patterns: vec![pattern.to_owned()], ..EventFilter::default() };
        assert!(matcher(paths("/data/*/photo.J?G")).takes_event(&open));
        assert!(!matcher(paths("/data/*/photo.j?g")).takes_event(&open), "paths tell upper and lower case apart");
        let names = EventFilter { name_patterns: vec!["*".to_owned()], ..EventFilter::default() };
        assert!(!matcher(names).takes_event(&open), "a file has no name of a host");
    }
}
