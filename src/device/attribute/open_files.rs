//! Which file or socket a handle or a descriptor of a process stands for, and which sessions were told.
//!
//! A probe names an open file by a handle; the snapshot from `/proc` knows only the descriptor (handle 0). When the probe
//! later sees the same file in use, the two are joined, and a session that was told by one is not told by the other.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::event::{Endpoint, ProcessKey};

/// Most open files and sockets that are remembered at a time.
pub const MOST_OPEN: usize = 65_536;

/// What a descriptor stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Object {
    /// A file, by path.
    File(Arc<str>),
    /// A socket, by its ends. `listening` keeps a listener apart from a connection.
    Socket { remote: Option<Endpoint>, local: Option<Endpoint>, listening: bool },
}

impl Object {
    /// Whether two reports can be of the same object: an end that one of them does not know does not tell them apart.
    fn agrees(&self, other: &Self) -> bool {
        let equal = |one: &Option<Endpoint>, other: &Option<Endpoint>| one.is_none() || other.is_none() || one == other;
        match (self, other) {
            (Self::File(one), Self::File(other)) => one == other,
            (
                Self::Socket { remote, local, listening },
                Self::Socket { remote: other_remote, local: other_local, listening: other_listening },
            ) => listening == other_listening && equal(remote, other_remote) && equal(local, other_local),
            _ => false,
        }
    }
}

#[derive(Debug)]
struct Open {
    process: ProcessKey,
    descriptor: i32,
    /// 0 as long as only the snapshot has reported it.
    handle: u64,
    object: Object,
    /// Sessions that were told that it is open.
    told: u64,
}

/// How an open file or socket is named in a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    pub(crate) process: ProcessKey,
    pub(crate) handle: u64,
    pub(crate) descriptor: i32,
}

/// Open files and sockets, bounded; the oldest makes room.
#[derive(Debug, Default)]
pub(crate) struct OpenFiles {
    open: BTreeMap<u64, Open>,
    next: u64,
    by_handle: HashMap<(ProcessKey, u64), u64>,
    /// Ordered, so that all of one process can be found.
    by_descriptor: BTreeMap<(ProcessKey, i32), u64>,
    evicted: u64,
}

impl OpenFiles {
    /// Something was opened just now: whatever the descriptor stood for before is closed.
    pub(crate) fn opened(&mut self, name: Name, object: Object, sessions: u64) {
        if let Some(id) = self.by_descriptor.get(&(name.process, name.descriptor)).copied() {
            self.remove(id);
        }
        self.insert(name, object, sessions);
    }

    /// Something was found open. Returns the sessions that were not told of it before.
    pub(crate) fn found_open(&mut self, name: Name, object: Object, sessions: u64) -> u64 {
        if let Some(id) = self.find(name)
            && let Some(known) = self.open.get_mut(&id)
            && known.object.agrees(&object)
        {
            let news = sessions & !known.told;
            known.told |= sessions;
            if known.handle == 0 && name.handle != 0 {
                known.handle = name.handle;
                self.by_handle.insert((name.process, name.handle), id);
            }
            return news;
        }
        self.opened(name, object, sessions);
        sessions
    }

    /// What a record with totals is about. A handle that nobody reported is joined to the descriptor of the snapshot.
    pub(crate) fn object(&self, name: Name) -> Option<&Object> {
        self.find(name).and_then(|id| self.open.get(&id)).map(|open| &open.object)
    }

    fn find(&self, name: Name) -> Option<u64> {
        if name.handle != 0
            && let Some(id) = self.by_handle.get(&(name.process, name.handle))
        {
            return Some(*id);
        }
        let id = *self.by_descriptor.get(&(name.process, name.descriptor))?;
        // A descriptor with another handle is another file: the number was used again.
        let known = self.open.get(&id)?;
        (known.handle == 0 || name.handle == 0).then_some(id)
    }

    pub(crate) fn closed(&mut self, name: Name) {
        if let Some(id) = self.find(name) {
            self.remove(id);
        }
    }

    pub(crate) fn forget_process(&mut self, process: ProcessKey) {
        let range = (process, i32::MIN)..=(process, i32::MAX);
        let ids: Vec<u64> = self.by_descriptor.range(range).map(|(_, id)| *id).collect();
        for id in ids {
            self.remove(id);
        }
    }

    pub(crate) fn forget_sessions(&mut self, sessions: u64) {
        for open in self.open.values_mut() {
            open.told &= !sessions;
        }
    }

    fn insert(&mut self, name: Name, object: Object, sessions: u64) {
        while self.open.len() >= MOST_OPEN {
            let Some(oldest) = self.open.first_key_value().map(|(id, _)| *id) else { break };
            self.remove(oldest);
            self.evicted = self.evicted.saturating_add(1);
        }
        let Name { process, handle, descriptor } = name;
        let id = self.next;
        self.next = self.next.saturating_add(1);
        if handle != 0
            && let Some(old) = self.by_handle.insert((process, handle), id)
        {
            self.remove(old);
            self.by_handle.insert((process, handle), id);
        }
        self.by_descriptor.insert((process, descriptor), id);
        self.open.insert(id, Open { process, descriptor, handle, object, told: sessions });
    }

    fn remove(&mut self, id: u64) {
        let Some(open) = self.open.remove(&id) else { return };
        if self.by_handle.get(&(open.process, open.handle)) == Some(&id) {
            self.by_handle.remove(&(open.process, open.handle));
        }
        if self.by_descriptor.get(&(open.process, open.descriptor)) == Some(&id) {
            self.by_descriptor.remove(&(open.process, open.descriptor));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(handle: u64, descriptor: i32) -> Name {
        Name { process: ProcessKey::new(1, 0), handle, descriptor }
    }

    fn file(path: &str) -> Object {
        Object::File(Arc::from(path))
    }

    #[test]
    fn snapshot_and_probe_are_joined_whichever_comes_first() {
        for (first, second) in [(0, 70), (70, 0)] {
            let mut files = OpenFiles::default();
            assert_eq!(files.found_open(name(first, 3), file("/a"), 0b01), 0b01);
            assert_eq!(files.found_open(name(second, 3), file("/a"), 0b11), 0b10, "only the session that did not know");
            assert_eq!(files.found_open(name(second, 3), file("/a"), 0b11), 0);
            assert_eq!(files.object(name(70, 99)), Some(&file("/a")), "the handle is known, whatever the descriptor");
            assert_eq!(files.len(), 1);
            files.forget_sessions(0b01);
            assert_eq!(files.found_open(name(0, 3), file("/a"), 0b11), 0b01);
        }
    }

    #[test]
    fn a_descriptor_that_is_used_again_is_another_file() {
        let mut files = OpenFiles::default();
        files.found_open(name(0, 3), file("/a"), 1);
        assert_eq!(files.object(name(70, 3)), Some(&file("/a")), "a handle without a report");
        assert_eq!(files.found_open(name(70, 3), file("/b"), 1), 1);
        assert_eq!(files.object(name(71, 3)), None, "another handle, never reported");
        files.opened(name(72, 3), file("/c"), 1);
        assert_eq!(files.object(name(0, 3)), Some(&file("/c")));
        files.closed(name(72, 3));
        assert_eq!((files.object(name(72, 3)), files.len()), (None, 0));
    }

    #[test]
    fn memory_is_bounded_and_a_process_is_forgotten_as_a_whole() {
        let mut files = OpenFiles::default();
        for number in 0..=MOST_OPEN as i32 {
            files.opened(name(number as u64 + 1, number), file("/a"), 1);
        }
        assert_eq!((files.len(), files.evicted()), (MOST_OPEN, 1));
        assert_eq!((files.by_handle.len(), files.by_descriptor.len()), (MOST_OPEN, MOST_OPEN));
        files.forget_process(ProcessKey::new(1, 0));
        assert_eq!((files.len(), files.by_handle.len(), files.by_descriptor.len()), (0, 0, 0));
    }
}
