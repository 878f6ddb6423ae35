//! Reading back what the daemon holds: pages of events and summaries.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

use tonic::Status;

use super::status::{session_status, wire_status};
use crate::device::event_bus::{Dimension, Extent, Matcher, Order, Page, Query, SummaryRow};
use crate::device::session::{SessionError, SessionManager};
use crate::event::{EventFilter, StreamEntry};
use crate::wire::proto;

const DEFAULT_PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;
const MOST_ROWS: usize = 1000;

/// A filter of a request, checked.
pub(super) fn filter(message: Option<proto::EventFilter>) -> Result<EventFilter, Status> {
    let filter = EventFilter::try_from(message.unwrap_or_default()).map_err(|error| wire_status(&error))?;
    filter.validate().map_err(|error| session_status(&SessionError::Filter(error)))?;
    Ok(filter)
}

/// `QueryEvents`.
pub(super) fn page(
    sessions: &SessionManager,
    request: proto::QueryEventsRequest,
) -> Result<proto::QueryEventsResponse, Status> {
    let fingerprint = fingerprint(&request);
    let proto::QueryEventsRequest { session_id, filter: message, from_ns, to_ns, order, page_size, page_token } =
        request;
    let order = match proto::Order::try_from(order) {
        Ok(proto::Order::NewestFirst) => Order::NewestFirst,
        Ok(proto::Order::OldestFirst | proto::Order::Unspecified) => Order::OldestFirst,
        Err(_) => return Err(Status::invalid_argument(format!("order {order} is not known to this version"))),
    };
    let limit = match usize::try_from(page_size).unwrap_or(usize::MAX) {
        0 => DEFAULT_PAGE,
        size if size <= LARGEST_PAGE => size,
        size => {
            return Err(Status::invalid_argument(format!("a page of {size} events; at most {LARGEST_PAGE} are given")));
        }
    };
    let query = query(message, from_ns, to_ns, order)?;
    let from = read_token(&page_token, fingerprint)?;
    let spool = sessions.spool(&session_id).map_err(|error| session_status(&error))?;
    let Page { events, next_sequence, extent } = spool.page(&query, from, limit);
    Ok(proto::QueryEventsResponse {
        events: events
            .iter()
            .filter_map(|entry| match &**entry {
                StreamEntry::Event(event) => Some((&**event).into()),
                _ => None,
            })
            .collect(),
        next_page_token: next_sequence.map_or_else(String::new, |next| format!("{next}-{fingerprint:016x}")),
        last_sequence: extent.last_sequence,
        first_held_sequence: extent.first_held_sequence,
    })
}

/// `Summarize`.
pub(super) fn summary(
    sessions: &SessionManager,
    request: proto::SummarizeRequest,
) -> Result<proto::SummarizeResponse, Status> {
    let proto::SummarizeRequest { session_id, filter: message, dimensions, from_ns, to_ns } = request;
    let dimensions = dimensions.into_iter().map(dimension).collect::<Result<Vec<_>, _>>()?;
    if dimensions.is_empty() {
        return Err(Status::invalid_argument("no dimension: say what to divide by, such as DIMENSION_APP"));
    }
    if dimensions.iter().collect::<BTreeSet<_>>().len() != dimensions.len() {
        return Err(Status::invalid_argument("a dimension is named twice"));
    }
    let query = query(message, from_ns, to_ns, Order::OldestFirst)?;
    let spool = sessions.spool(&session_id).map_err(|error| session_status(&error))?;
    let (rows, Extent { last_sequence, first_held_sequence }) = spool.summarise(&query, &dimensions);
    let rows_left_out = rows.len().saturating_sub(MOST_ROWS) as u64;
    let rows = rows.into_iter().take(MOST_ROWS).map(row).collect();
    Ok(proto::SummarizeResponse { rows, rows_left_out, last_sequence, first_held_sequence })
}

fn row(row: SummaryRow) -> proto::SummaryRow {
    let SummaryRow { values, events, bytes, first_ns, last_ns } = row;
    proto::SummaryRow {
        values,
        events,
        bytes_sent: bytes.sent,
        bytes_received: bytes.received,
        bytes_read: bytes.read,
        bytes_written: bytes.written,
        first_ns,
        last_ns,
    }
}

fn dimension(number: i32) -> Result<Dimension, Status> {
    match proto::Dimension::try_from(number) {
        Ok(proto::Dimension::App) => Ok(Dimension::App),
        Ok(proto::Dimension::Family) => Ok(Dimension::Family),
        Ok(proto::Dimension::Kind) => Ok(Dimension::Kind),
        Ok(proto::Dimension::Phase) => Ok(Dimension::Phase),
        Ok(proto::Dimension::Outcome) => Ok(Dimension::Outcome),
        Ok(proto::Dimension::Recipient) => Ok(Dimension::Recipient),
        Ok(proto::Dimension::DataType) => Ok(Dimension::DataType),
        Ok(proto::Dimension::Severity) => Ok(Dimension::Severity),
        Ok(proto::Dimension::Unspecified) | Err(_) => {
            Err(Status::invalid_argument(format!("dimension {number} is not known to this version")))
        }
    }
}

fn query(message: Option<proto::EventFilter>, from_ns: u64, to_ns: u64, order: Order) -> Result<Query, Status> {
    let matcher = Matcher::new(filter(message)?).map_err(|error| session_status(&SessionError::Filter(error)))?;
    Ok(Query { matcher, time_ns: time_range(from_ns, to_ns)?, order })
}

fn time_range(from_ns: u64, to_ns: u64) -> Result<Range<u64>, Status> {
    match to_ns {
        0 => Ok(from_ns..u64::MAX),
        to_ns if from_ns < to_ns => Ok(from_ns..to_ns),
        to_ns => Err(Status::invalid_argument(format!("from_ns {from_ns} is not before to_ns {to_ns}"))),
    }
}

/// Names a query, so that a page token is not used with another. Never leaves this process's lifetime: the sessions it
/// reads do not either.
fn fingerprint(request: &proto::QueryEventsRequest) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.session_id.hash(&mut hasher);
    (request.from_ns, request.to_ns, request.order).hash(&mut hasher);
    format!("{:?}", request.filter).hash(&mut hasher);
    hasher.finish()
}

fn read_token(token: &str, fingerprint: u64) -> Result<Option<u64>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let parts = token.split_once('-').and_then(|(sequence, of)| {
        let sequence: u64 = sequence.parse().ok().filter(|sequence| *sequence > 0)?;
        Some((sequence, u64::from_str_radix(of, 16).ok()?))
    });
    match parts {
        Some((sequence, of)) if of == fingerprint => Ok(Some(sequence)),
        Some(_) => Err(Status::invalid_argument("the page token belongs to another query; start at the first page")),
        None => Err(Status::invalid_argument("the page token is malformed; start at the first page")),
    }
}
