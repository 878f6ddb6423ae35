//! Reading entries from wherever they are: from memory, or from the files behind it.

use super::spool::{Shared, State};
use crate::device::spool_files::{Cursor, Placed};

impl Shared {
    /// Whether the entry with an index is no longer in memory and may be in files.
    pub(super) fn must_read_files(&self, index: u64) -> bool {
        self.disk.is_some() && !self.lock().has(index)
    }

    /// Entries in order from `index` on, or from the first after it that still exists, until there are about `bytes` of them;
    /// at least one when there is one. Files are read without the lock.
    pub(super) fn read(&self, cursor: &mut Cursor, mut index: u64, bytes: usize) -> Vec<Placed> {
        loop {
            let state = self.lock();
            let disk = match &self.disk {
                Some(disk) if !state.has(index) => disk,
                _ => {
                    // Whoever reads from memory needs no file open.
                    *cursor = Cursor::default();
                    return state.take(index, bytes);
                }
            };
            let first_in_memory = state.entries.front().map_or(state.next_index, |held| held.index);
            drop(state);
            let read = match disk.files.read(cursor, index, bytes as u64) {
                Ok(read) => read,
                Err(error) => {
                    // What cannot be read is a gap for this reader, and it goes on with what can.
                    tracing::warn!(%error, "a spool cannot be read");
                    *cursor = Cursor::default();
                    index = first_in_memory;
                    continue;
                }
            };
            if !read.damaged.is_empty() {
                let mut state = self.lock();
                read.damaged.iter().for_each(|range| state.evicted.insert(*range));
            }
            if !read.entries.is_empty() {
                return read.entries;
            }
            // All that lies between was written before it went from memory, so what the files do not have is gone.
            index = first_in_memory;
        }
    }

    /// Events up to number `from_sequence`, the newest first: about `most` of them.
    pub(super) fn read_back(&self, from_sequence: u64, most: usize) -> Vec<Placed> {
        let state = self.lock();
        let position = state.entries.partition_point(|held| held.events <= from_sequence);
        let in_memory = state.entries.range(..position).rev().filter(|held| held.is_event());
        let placed: Vec<_> = in_memory.take(most).map(|held| held.placed()).collect();
        drop(state);
        match &self.disk {
            Some(disk) if placed.is_empty() => disk.files.read_back(from_sequence, most).unwrap_or_else(|error| {
                tracing::warn!(%error, "a spool cannot be read");
                Vec::new()
            }),
            _ => placed,
        }
    }

    /// The index of the entry after event number `before` (0: of the first), or of the first one after where that would be.
    pub(super) fn index_after(&self, before: u64) -> u64 {
        if before == 0 {
            return 0;
        }
        let state = self.lock();
        let in_memory = state.entries.front().is_some_and(|held| held.events_before() < before);
        let position =
            state.entries.partition_point(|held| held.events < before || (held.events == before && held.is_event()));
        let index = state.entries.get(position).map_or(state.next_index, |held| held.index);
        drop(state);
        let disk = match &self.disk {
            Some(disk) if !in_memory => disk,
            _ => return index,
        };
        match disk.files.index_after(before) {
            Ok(found) => found.unwrap_or(index),
            Err(error) => {
                tracing::warn!(%error, "a spool cannot be read");
                index
            }
        }
    }
}

impl State {
    /// Whether everything from an index on is in memory.
    fn has(&self, index: u64) -> bool {
        index >= self.next_index || self.entries.front().is_some_and(|held| held.index <= index)
    }

    fn take(&self, index: u64, bytes: usize) -> Vec<Placed> {
        let position = self.entries.partition_point(|held| held.index < index);
        let mut spent = 0_usize;
        let mut taken = Vec::new();
        for held in self.entries.range(position..) {
            if spent >= bytes && !taken.is_empty() {
                break;
            }
            spent = spent.saturating_add(held.cost);
            taken.push(held.placed());
        }
        taken
    }
}
