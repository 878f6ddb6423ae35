//! Events for the unit tests of all stages: plain ones, of which a test changes what it is about.

use super::{
    App, Event, EventBody, Fidelity, FileOpen, OpenAccess, Outcome, Phase, ProbeId, ProcessKey, ProcessRef, StreamEntry,
};

/// Process 1 of user 10001, of no known package, did it, in no phase.
pub(crate) fn event(body: EventBody) -> Event {
    Event {
        sequence: 1,
        time_ns: 1,
        process: ProcessRef { key: ProcessKey::new(1, 0), name: String::new(), executable: None },
        thread_id: 1,
        user_id: 10_001,
        app: App::default(),
        phase: Phase::unmarked(),
        probe: ProbeId::Replay,
        fidelity: Fidelity::Faithful,
        outcome: Outcome::Ok,
        body,
    }
}

/// As an entry of a stream, without a number yet.
pub(crate) fn entry(time_ns: u64, phase: &str, body: EventBody) -> StreamEntry {
    let phase = phase.parse().unwrap_or_default();
    StreamEntry::Event(Box::new(Event { sequence: 0, time_ns, phase, ..event(body) }))
}

/// A file is opened.
pub(crate) fn open_for(path: &str, access: OpenAccess) -> EventBody {
    EventBody::FileOpen(FileOpen {
        path: path.to_owned(),
        requested_path: None,
        access,
        flags: 0,
        descriptor: Some(3),
        handle: 1,
        preexisting: false,
        path_cut: false,
        inode: None,
    })
}

/// A file is opened for reading.
pub(crate) fn open(path: &str) -> EventBody {
    open_for(path, OpenAccess::Read)
}
