//! Unix sockets of other programs: what such a program has read for the app is not seen.

use std::collections::{BTreeMap, BTreeSet};

use super::correlator::Correlator;
use super::limits;
use crate::event::{Endpoint, Event, ProcessKey, SocketTotals};
use crate::personal_data::is_own_storage;

/// Who answered the app over Unix sockets, by the names of these.
#[derive(Debug, Default)]
pub(super) struct Helpers {
    /// Names that the app's own processes serve.
    own: BTreeSet<String>,
    /// Names that bytes came from.
    answered: BTreeMap<String, Answered>,
}

/// What came from one name.
#[derive(Debug)]
struct Answered {
    since_ns: u64,
    /// Over all connections.
    bytes: u64,
    /// The connection whose totals came last, and how many bytes of `bytes` are its: totals are cumulative.
    newest: (ProcessKey, u64),
    of_newest: u64,
}

impl Helpers {
    /// Those that the app does not serve itself, and that gave more than a sign to go on: so does the client that has
    /// started the app, with one byte.
    pub(super) fn strangers(&self) -> impl Iterator<Item = (&str, u64)> {
        let strange = self.answered.iter().filter(|(name, answered)| answered.bytes > 1 && !self.own.contains(*name));
        strange.map(|(name, answered)| (name.as_str(), answered.since_ns))
    }
}

impl Correlator<'_> {
    /// The app serves a Unix socket of this name.
    pub(super) fn serves(&mut self, local: Option<&Endpoint>) {
        let Some(name) = local.and_then(name_of) else { return };
        if self.helpers.own.len() < limits::LISTED {
            self.helpers.own.insert(name);
        } else if !self.helpers.own.contains(&name) {
            self.coverage.overflow("Unix sockets that the app serves");
        }
    }

    /// Bytes went over a Unix socket.
    pub(super) fn unix_totals(&mut self, event: &Event, totals: &SocketTotals) {
        let Some(name) = totals.remote.as_ref().and_then(name_of).filter(|_| totals.bytes_received > 0) else { return };
        // What is in its own storage nobody else may serve.
        if is_own_storage(&name, &event.app, self.package()) || self.ontology.platform.is_harmless_socket(&name) {
            return;
        }
        if self.helpers.answered.len() >= limits::LISTED && !self.helpers.answered.contains_key(&name) {
            self.coverage.overflow("Unix sockets of other programs");
            return;
        }
        let connection = (event.process.key, totals.handle);
        let known = self.helpers.answered.entry(name).or_insert(Answered {
            since_ns: event.time_ns,
            bytes: 0,
            newest: connection,
            of_newest: 0,
        });
        if known.newest != connection {
            (known.newest, known.of_newest) = (connection, 0);
        }
        known.bytes = known.bytes.saturating_add(totals.bytes_received.saturating_sub(known.of_newest));
        known.of_newest = known.of_newest.max(totals.bytes_received);
    }
}

/// The name that tables and reports use: a path, or a name of the abstract name space behind `@`.
fn name_of(endpoint: &Endpoint) -> Option<String> {
    match endpoint {
        Endpoint::UnixPath(path) => Some(path.clone()),
        Endpoint::UnixAbstract(name) => Some(format!("@{name}")),
        Endpoint::UnixUnnamed | Endpoint::Inet(_) | Endpoint::Other(_) => None,
    }
}
