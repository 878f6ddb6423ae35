//! What can be told of an event by itself, without what came before: told ahead, by the threads that decode, so that the one
//! that judges has to look at fewer events whole.
//!
//! Most of what an app does is dull: it opens libraries and its own files. Of these the judging thread needs the number, the
//! time, and that phase and app are those of the event before. It would spend most of its time on fetching each event from
//! another processor's memory, only to find that out.

use std::collections::HashMap;
use std::sync::Arc;

use super::limits;
use crate::event::{App, Event, EventBody, FileOpen, FileTotals, OpenAccess, Phase, ProcessKey, StreamEntry};
use crate::host::ontology::{Ontology, TypeId};
use crate::personal_data::is_own_storage;

/// Looks at entries before the correlator gets them, in their order. Each thread has its own.
#[derive(Debug)]
pub struct Foresight<'a> {
    package: &'a str,
    ontology: &'a Ontology,
    /// Remembered answers: which types a path tells of; `None` for none.
    path_types: HashMap<String, Option<Arc<[TypeId]>>>,
    /// Of the event before, when the correlator knows them then.
    before: Option<(Phase, App)>,
}

/// What was told of an entry.
#[derive(Debug)]
pub struct Foreseen {
    pub(super) sequence: u64,
    pub(super) time_ns: u64,
    /// Phase and app are those of the event before.
    pub(super) same: bool,
    /// The app does it itself, rather than that it follows from something.
    pub(super) own_doing: bool,
    pub(super) need: Need,
}

/// How far the correlator has to look.
#[derive(Debug)]
pub(super) enum Need {
    /// At all of it. With the data types that its path tells of, where it has one.
    Whole(Option<Arc<[TypeId]>>),
    /// At nothing, but when the file of these totals is followed.
    OfFollowed(ProcessKey, u64),
    /// At nothing more.
    Nothing,
}

impl<'a> Foresight<'a> {
    /// For events that are judged by terms about this package.
    #[must_use]
    pub fn new(package: &'a str, ontology: &'a Ontology) -> Self {
        Self { package, ontology, path_types: HashMap::new(), before: None }
    }

    /// The entries that come do not follow the one that was looked at last.
    pub fn begin(&mut self) {
        self.before = None;
    }

    /// Looks at the next entry.
    pub fn look(&mut self, entry: &StreamEntry) -> Foreseen {
        let StreamEntry::Event(event) = entry else {
            return Foreseen { sequence: 0, time_ns: 0, same: false, own_doing: false, need: Need::Whole(None) };
        };
        let same = self.before.as_ref().is_some_and(|(phase, app)| *phase == event.phase && *app == event.app);
        if matches!(event.body, EventBody::PhaseMark(_) | EventBody::PackageChange(_)) {
            // They are the client's and the system's, not the app's: the correlator takes no app from them.
            self.before = None;
        } else if !same {
            self.before = Some((event.phase.clone(), event.app.clone()));
        }
        Foreseen {
            sequence: event.sequence,
            time_ns: event.time_ns,
            same,
            own_doing: is_own_doing(&event.body),
            need: self.need(event),
        }
    }

    fn need(&mut self, event: &Event) -> Need {
        let or_nothing = |types: Option<Arc<[TypeId]>>| types.map_or(Need::Nothing, |types| Need::Whole(Some(types)));
        match &event.body {
            EventBody::FileOpen(open) if open.path_cut => Need::Whole(self.of_open(event, open)),
            EventBody::FileOpen(open) => or_nothing(self.of_open(event, open)),
            EventBody::FileTotals(totals) => match self.of_totals(event, totals) {
                Some(types) => Need::Whole(Some(types)),
                None => Need::OfFollowed(event.process.key, totals.handle),
            },
            // Moving a file into one's own directory gets it without ever opening it at its place.
            EventBody::FileRename(rename) => or_nothing(self.of_path(event, &rename.from, None)),
            EventBody::FileUnlink(_) | EventBody::DnsQuery(_) => Need::Nothing,
            _ => Need::Whole(None),
        }
    }

    fn of_open(&mut self, event: &Event, open: &FileOpen) -> Option<Arc<[TypeId]>> {
        matches!(open.access, OpenAccess::Read | OpenAccess::ReadWrite)
            .then(|| self.of_path(event, &open.path, open.requested_path.as_deref()))
            .flatten()
    }

    fn of_totals(&mut self, event: &Event, totals: &FileTotals) -> Option<Arc<[TypeId]>> {
        // Reading proves access also when the open was not seen.
        let read = !totals.path.is_empty() && (totals.bytes_read > 0 || totals.read_calls > 0);
        read.then(|| self.of_path(event, &totals.path, None)).flatten()
    }

    fn of_path(&mut self, event: &Event, path: &str, requested: Option<&str>) -> Option<Arc<[TypeId]>> {
        if is_own_storage(path, &event.app, self.package) {
            return None;
        }
        let types = self.remembered(path);
        match requested {
            // What the app asked for tells when the resolved path does not, as with a bind mount.
            Some(asked) if types.is_none() && asked.starts_with('/') && !asked.contains("/..") => {
                if is_own_storage(asked, &event.app, self.package) { None } else { self.remembered(asked) }
            }
            _ => types,
        }
    }

    fn remembered(&mut self, path: &str) -> Option<Arc<[TypeId]>> {
        if !self.ontology.data_types.may_know(path) {
            return None;
        }
        if let Some(types) = self.path_types.get(path) {
            return types.clone();
        }
        let found = self.ontology.data_types.of_path(path);
        let types = (!found.is_empty()).then(|| Arc::from(found));
        if path.len() <= limits::REMEMBERED_PATH_LENGTH {
            // Forgetting everything now and then is cheaper than an order of use, and bounds memory as well.
            if self.path_types.len() >= limits::REMEMBERED_PATHS {
                self.path_types.clear();
            }
            self.path_types.insert(path.to_owned(), types.clone());
        }
        types
    }
}

/// Whatever the app does itself; not what merely follows from it, such as the totals of files that an exit closes.
fn is_own_doing(body: &EventBody) -> bool {
    !matches!(
        body,
        EventBody::ProcessExit(_)
            | EventBody::ProcessImportance(_)
            | EventBody::ProcessName(_)
            | EventBody::PackageChange(_)
            | EventBody::PhaseMark(_)
            | EventBody::FileTotals(_)
            | EventBody::SocketTotals(_)
    )
}
