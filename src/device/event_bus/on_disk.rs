//! The files behind a spool's memory: moving entries there, and keeping within bounds.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::evicted::Evicted;
use super::spool::{Bound, Spool, SpoolLimits, State};
use crate::device::spool_files::{
    DropReason, Families, FoundSession, MissingRange, Placed, SessionFiles, SessionWriter,
};
use crate::event::{SessionHeader, StreamEntry};

/// Memory of the entries that are written in one go.
const WRITE_BYTES: usize = 1 << 20;
/// What is missing is written down when there is nothing else to write, and otherwise every so many pieces.
const SAVE_EVERY: u32 = 16;
/// Of an idle session one account in so many is written: they come every second and say the same.
const IDLE_TOTALS: u32 = 60;
/// However many sessions there are, each may hold this part of the budget.
const SMALLEST_SHARE: usize = 16;

/// The memory in front of the files of all running sessions together.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    shared: Arc<(usize, AtomicUsize)>,
}

impl MemoryBudget {
    /// So many bytes for all sessions.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self { shared: Arc::new((bytes, AtomicUsize::new(0))) }
    }

    /// What one of the running sessions may use.
    fn share(&self) -> usize {
        self.shared.0 / self.shared.1.load(Ordering::Relaxed).clamp(1, SMALLEST_SHARE)
    }
}

/// A running session's part of the budget.
#[derive(Debug)]
struct Share(MemoryBudget);

impl Share {
    fn of(budget: &MemoryBudget) -> Self {
        budget.shared.1.fetch_add(1, Ordering::Relaxed);
        Self(budget.clone())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.shared.1.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Rings when there is something to write, and again when it has become urgent. Clones are the same bell.
#[derive(Debug, Clone, Default)]
pub struct Bell {
    shared: Arc<(Mutex<Rung>, Condvar)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Rung {
    #[default]
    No,
    Once,
    Urgently,
}

impl Bell {
    /// Rings it.
    pub fn ring(&self) {
        self.at_least(Rung::Once);
    }

    /// Rings it for whoever only gathers.
    pub fn ring_urgently(&self) {
        self.at_least(Rung::Urgently);
    }

    fn at_least(&self, how: Rung) {
        let mut rung = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *rung < how {
            *rung = how;
            self.shared.1.notify_all();
        }
    }

    /// Waits until it has rung since the last time, or until this long; and then for what else comes, but not when it is
    /// urgent.
    pub fn wait(&self, longest: Duration, gather: Duration) {
        let lock = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.shared.1.wait_timeout_while(lock, longest, |rung| *rung == Rung::No);
        let (lock, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let waited = self.shared.1.wait_timeout_while(lock, gather, |rung| *rung != Rung::Urgently);
        let (mut rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *rung = Rung::No;
    }
}

/// What a spool with files is made of.
#[derive(Debug, Clone)]
pub struct Disked {
    /// The memory in front of the files.
    pub budget: MemoryBudget,
    /// Rings when there is something to write.
    pub bell: Bell,
}

#[derive(Debug)]
pub(super) struct Disk {
    pub(super) files: Arc<SessionFiles>,
    /// Used by one thread, so nobody waits for it; locked, because a spool is shared.
    writing: Mutex<Writing>,
    /// What is wrong with the disk as last seen, and how often writing failed. Apart, so that nobody who asks waits for a
    /// disk.
    condition: Mutex<Condition>,
    budget: MemoryBudget,
    bell: Bell,
}

#[derive(Debug, Clone, Default)]
struct Condition {
    trouble: Option<String>,
    failures: u64,
}

#[derive(Debug)]
struct Writing {
    writer: SessionWriter,
    /// Given back when the session has ended.
    share: Option<Share>,
    /// Accounts in a row that were not written.
    idle_totals: u32,
    last_was_totals: bool,
    /// Pieces since what is missing was last written down.
    unsaved: u32,
    finished: bool,
}

/// What [`Spool::write_out`] left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOut {
    /// Everything is written.
    Done,
    /// There is more.
    More,
    /// The disk does not take it. It is tried again next time.
    Trouble,
}

/// How a spool is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpoolState {
    /// Bytes of memory, approximately.
    pub memory_bytes: u64,
    /// Bytes of files; `None`: the session has none.
    pub file_bytes: Option<u64>,
    /// Segments.
    pub segments: u64,
    /// The oldest event held; 0 when none is.
    pub first_held_sequence: u64,
    /// Why the files cannot be written now; empty when they can.
    pub trouble: String,
    /// Times that writing failed.
    pub write_failures: u64,
}

impl Disk {
    fn new(writer: SessionWriter, disked: &Disked, running: bool) -> Self {
        let writing = Writing {
            share: running.then(|| Share::of(&disked.budget)),
            idle_totals: 0,
            last_was_totals: false,
            unsaved: 0,
            finished: false,
            writer,
        };
        let files = writing.writer.files().clone();
        Self {
            files,
            writing: Mutex::new(writing),
            condition: Mutex::default(),
            budget: disked.budget.clone(),
            bell: disked.bell.clone(),
        }
    }

    /// Something was appended; so much is in memory now. Of that at most half is in the files too.
    pub(super) fn ring(&self, bytes: usize, bound: Bound) {
        if bytes > bound.unwritten / 8 * 5 {
            self.bell.ring_urgently();
        } else {
            self.bell.ring();
        }
    }

    /// Half of a session's share may be full of what is in the files too: readers that keep up find it there.
    pub(super) fn bound(&self) -> Bound {
        let share = self.budget.share();
        Bound { written: share / 2, unwritten: share, events: usize::MAX }
    }

    fn lock(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_in_trouble(&self) -> bool {
        self.condition().trouble.is_some()
    }

    /// Takes note of how writing went.
    fn set_trouble(&self, error: Option<&io::Error>) {
        let mut condition = self.condition();
        match error {
            Some(error) => {
                condition.failures += 1;
                if condition.trouble.is_none() {
                    tracing::error!(%error, "a spool cannot be written: its session goes on in memory");
                }
                condition.trouble = Some(error.to_string());
            }
            None => {
                if condition.trouble.take().is_some() {
                    tracing::info!("the spool can be written again");
                }
            }
        }
    }
}

impl Spool {
    /// An empty spool with files behind its memory. Somebody has to call [`Self::write_out`] when the bell rings.
    #[must_use]
    pub fn with_files(header: SessionHeader, writer: SessionWriter, disked: &Disked) -> Self {
        let disk = Disk::new(writer, disked, true);
        Self::with(header, SpoolLimits::default(), State::new(DropReason::Behind), Some(disk))
    }

    /// The spool of a session that a daemon before us left. When it has no end, the caller appends one.
    #[must_use]
    pub fn found(found: FoundSession, disked: &Disked) -> Self {
        let FoundSession { header, writer, events, next_index, end, missing, .. } = found;
        let mut state = State::new(DropReason::Behind);
        state.evicted = Evicted::found(missing);
        state.account.events = events;
        state.next_index = next_index;
        if let Some(end) = end {
            // In its place, so that it is there as it was before.
            state.next_index = next_index.saturating_sub(1);
            state.hold(StreamEntry::End(Box::new(end)));
            state.ended = true;
        }
        state.written = next_index;
        Self::with(header, SpoolLimits::default(), state, Some(Disk::new(writer, disked, false)))
    }

    /// Moves some of what is only in memory to the files, and drops what is beyond their bounds. Waits for the disk. Does
    /// nothing for a spool without files.
    pub fn write_out(&self) -> WriteOut {
        let Some(disk) = &self.shared.disk else { return WriteOut::Done };
        let mut writing = disk.lock();
        let placed = self.unwritten(&mut writing);
        let mut left = if placed.is_empty() { WriteOut::Done } else { WriteOut::More };
        if !placed.is_empty() {
            let written = writing.writer.write(&placed);
            disk.set_trouble(written.error.as_ref());
            self.note_written(&mut writing, &placed, written.entries, &written.refused, written.error.as_ref());
            if written.error.is_some() {
                left = WriteOut::Trouble;
            }
        }
        let kept = writing.writer.keep_bounds();
        self.note_dropped(&writing, kept);
        writing.unsaved += 1;
        if left == WriteOut::Done || (left == WriteOut::More && writing.unsaved >= SAVE_EVERY) {
            self.save_missing(&mut writing);
        }
        if left == WriteOut::Done {
            self.finish(&mut writing);
        }
        left
    }

    /// The next entries to write.
    fn unwritten(&self, writing: &mut Writing) -> Vec<Placed> {
        let mut state = self.shared.lock();
        let position = state.entries.partition_point(|held| held.index < state.written);
        let mut spent = 0;
        let mut placed = Vec::new();
        for held in state.entries.range(position..) {
            if spent >= WRITE_BYTES {
                break;
            }
            spent += held.cost;
            placed.push(held.placed());
        }
        let only_totals = matches!(placed.as_slice(), [only] if matches!(*only.entry, StreamEntry::Totals(_)));
        if only_totals && writing.last_was_totals && writing.idle_totals < IDLE_TOTALS {
            writing.idle_totals += 1;
            state.written = state.next_index;
            placed.clear();
        }
        placed
    }

    fn note_written(
        &self,
        writing: &mut Writing,
        placed: &[Placed],
        count: usize,
        refused: &[u64],
        error: Option<&io::Error>,
    ) {
        let last = count.checked_sub(1).and_then(|last| placed.get(last));
        if let Some(last) = last {
            writing.idle_totals = 0;
            writing.last_was_totals = matches!(*last.entry, StreamEntry::Totals(_));
        }
        let mut evicted = Vec::new();
        let bound = self.shared.bound();
        let mut state = self.shared.lock();
        if let Some(last) = last {
            state.written = state.written.max(last.index + 1);
        }
        for sequence in refused {
            let (first, last, families) = (*sequence, *sequence, Families::ANY);
            let reason = DropReason::WriteFailed;
            state.evicted.insert(MissingRange { first, last, from_ns: 0, to_ns: u64::MAX, families, reason });
        }
        state.reason = match error {
            None => DropReason::Behind,
            Some(error) if is_full(error) => DropReason::DiskFull,
            Some(_) => DropReason::WriteFailed,
        };
        state.keep_bound(bound, &mut evicted);
        drop(state);
        drop(evicted);
    }

    fn note_dropped(&self, writing: &Writing, dropped: io::Result<Vec<MissingRange>>) {
        match dropped {
            Ok(ranges) if ranges.is_empty() => {}
            Ok(ranges) => {
                let mut state = self.shared.lock();
                if let Some(first) = writing.writer.first_index() {
                    state.dropped = state.dropped.max(first);
                }
                ranges.into_iter().for_each(|range| state.lose(range));
            }
            Err(error) => tracing::warn!(%error, "the oldest part of a spool cannot be removed"),
        }
    }

    /// Keeps what is missing beside the files, for the next daemon.
    fn save_missing(&self, writing: &mut Writing) {
        writing.unsaved = 0;
        let Some(ranges) = self.shared.lock().evicted.take_changed() else { return };
        if let Err(error) = writing.writer.save_missing(&ranges) {
            tracing::warn!(%error, "what a spool lacks cannot be written down");
            self.shared.lock().evicted.set_changed();
        }
    }

    /// When the session has ended and all of it is in the files, its memory is given back.
    fn finish(&self, writing: &mut Writing) {
        let mut state = self.shared.lock();
        if !state.ended || writing.finished || state.written < state.next_index {
            return;
        }
        let mut evicted = Vec::new();
        while state.entries.len() > 1 {
            state.evict_oldest(&mut evicted);
        }
        state.entries.shrink_to_fit();
        drop(state);
        writing.finished = true;
        writing.share = None;
        if let Err(error) = writing.writer.finish() {
            tracing::warn!(%error, "the end of a spool may not have reached the disk");
        }
    }

    /// Drops the oldest segment, because all sessions together are beyond their bound. `false`: there is none to drop.
    pub fn drop_oldest_segment(&self) -> bool {
        let Some(disk) = &self.shared.disk else { return false };
        let mut writing = disk.lock();
        let dropped = writing.writer.drop_oldest();
        let any = dropped.as_ref().is_ok_and(|ranges| !ranges.is_empty());
        self.note_dropped(&writing, dropped);
        any
    }

    /// Removes the files of an ended session.
    pub fn remove_files(&self, reason: DropReason) {
        let Some(disk) = &self.shared.disk else { return };
        let mut writing = disk.lock();
        writing.share = None;
        match disk.files.remove(reason) {
            Ok(ranges) => {
                let mut state = self.shared.lock();
                state.dropped = state.next_index;
                ranges.into_iter().for_each(|range| state.lose(range));
            }
            Err(error) => tracing::warn!(%error, "the files of a session cannot be removed"),
        }
    }

    /// The files, when it has some.
    #[must_use]
    pub fn files(&self) -> Option<Arc<SessionFiles>> {
        self.shared.disk.as_ref().map(|disk| disk.files.clone())
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> SpoolState {
        let mut of = SpoolState { memory_bytes: self.bytes() as u64, ..SpoolState::default() };
        of.first_held_sequence = self.extent().first_held_sequence;
        if let Some(disk) = &self.shared.disk {
            let holding = disk.files.holding();
            (of.file_bytes, of.segments) = (Some(holding.bytes), holding.segments);
            let Condition { trouble, failures } = disk.condition().clone();
            (of.trouble, of.write_failures) = (trouble.unwrap_or_default(), failures);
        }
        of
    }
}

/// Whether there is no room: on the disk, or for us on it.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
