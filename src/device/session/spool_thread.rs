//! The spool thread: moves what sessions append to files, and keeps all of them within bounds.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::DiskOptions;
use super::core::Session;
use crate::device::clock;
use crate::device::event_bus::{Bell, Disked, MemoryBudget, Spool, SpoolLimits, WriteOut};
use crate::device::spool_files::{DropReason, SpoolDirectory};
use crate::event::SessionHeader;

/// What comes within this time is written together. It is also what a daemon that is killed takes with it.
const GATHER: Duration = Duration::from_millis(20);
/// How often ages are looked at when nothing is appended.
const TICK: Duration = Duration::from_secs(1);
/// How long a disk that refused is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// The handle by which sessions get spools with files. Clones are handles to the same.
#[derive(Debug, Clone)]
pub(super) struct SpoolKeeper {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: SpoolDirectory,
    disked: Disked,
    memory_bytes: usize,
    total_bytes: u64,
    age: Duration,
    /// Oldest first.
    spools: Mutex<Vec<Kept>>,
    stop: AtomicBool,
}

#[derive(Debug, Clone)]
struct Kept {
    session_id: String,
    spool: Spool,
}

impl SpoolKeeper {
    /// Starts the thread, and makes sessions of what a daemon before us left.
    pub(super) fn start(options: DiskOptions, boot_id: &str) -> io::Result<(Self, Vec<Arc<Session>>, JoinHandle<()>)> {
        let DiskOptions { directory, found, memory_bytes, total_bytes, age } = options;
        let disked = Disked { budget: MemoryBudget::new(memory_bytes), bell: Bell::default() };
        let now = clock::anchor();
        let sessions: Vec<_> =
            found.into_iter().filter_map(|found| Session::found(found, &disked, now, boot_id)).map(Arc::new).collect();
        let kept = |session: &Arc<Session>| Kept { session_id: session.id().to_owned(), spool: session.spool.clone() };
        let spools = Mutex::new(sessions.iter().map(kept).collect());
        let stop = AtomicBool::new(false);
        let shared = Arc::new(Shared { directory, disked, memory_bytes, total_bytes, age, spools, stop });
        let of_thread = shared.clone();
        let thread = thread::Builder::new().name("spools".to_owned()).spawn(move || of_thread.run())?;
        Ok((Self { shared }, sessions, thread))
    }

    /// The spool of a new session. When its files cannot be made it is in memory alone, and that is said.
    pub(super) fn spool(&self, header: &SessionHeader, limits: SpoolLimits) -> Spool {
        let session_id = header.session_id.clone();
        match self.shared.directory.create(header) {
            Ok(writer) => {
                let spool = Spool::with_files(header.clone(), writer, &self.shared.disked);
                self.shared.spools().push(Kept { session_id, spool: spool.clone() });
                spool
            }
            Err(error) => {
                let path = self.shared.directory.path().display();
                tracing::error!(session = session_id, %error, %path, "the session has no files: it is held in memory alone");
                let bytes = limits.bytes.min(self.shared.memory_bytes);
                Spool::new(header.clone(), SpoolLimits { bytes, ..limits })
            }
        }
    }

    /// Memory that ended sessions may keep when their files cannot be written.
    pub(super) fn ended_bytes(&self) -> usize {
        self.shared.memory_bytes / 8
    }

    /// Tells the thread to write what there is and to end.
    pub(super) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.disked.bell.ring_urgently();
    }
}

impl Shared {
    fn spools(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.spools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut paused: BTreeMap<String, Instant> = BTreeMap::new();
        let mut bounds_checked = Instant::now();
        loop {
            self.disked.bell.wait(TICK, GATHER);
            let stop = self.stop.load(Ordering::Acquire);
            if stop {
                paused.clear();
            }
            loop {
                let mut more = false;
                // A piece of each in turn: one that is flooded does not keep the others from the disk.
                for Kept { session_id, spool } in self.spools().clone() {
                    if paused.get(&session_id).is_some_and(|until| Instant::now() < *until) {
                        continue;
                    }
                    match spool.write_out() {
                        WriteOut::Done => drop(paused.remove(&session_id)),
                        WriteOut::More => more = true,
                        WriteOut::Trouble => drop(paused.insert(session_id, Instant::now() + PAUSE)),
                    }
                }
                self.keep_total();
                if !more {
                    break;
                }
            }
            if bounds_checked.elapsed() >= TICK {
                bounds_checked = Instant::now();
                self.keep_age();
            }
            if stop {
                return;
            }
        }
    }

    /// Ended sessions that are too old go.
    fn keep_age(&self) {
        for Kept { session_id, spool } in self.spools().clone() {
            if spool.end().is_some() && spool.files().is_some_and(|files| files.is_older(self.age)) {
                self.forget(&session_id, &spool, DropReason::Age);
            }
        }
    }

    /// While all together have too much: the oldest ended session goes, or else a part of the largest running one.
    fn keep_total(&self) {
        loop {
            let spools = self.spools().clone();
            let bytes = |kept: &Kept| kept.spool.files().map_or(0, |files| files.holding().bytes);
            if spools.iter().map(bytes).sum::<u64>() <= self.total_bytes {
                return;
            }
            if let Some(oldest) = spools.iter().find(|kept| kept.spool.end().is_some()) {
                self.forget(&oldest.session_id, &oldest.spool, DropReason::Size);
            } else if !spools.iter().max_by_key(|kept| bytes(kept)).is_some_and(|kept| kept.spool.drop_oldest_segment())
            {
                return;
            }
        }
    }

    fn forget(&self, session_id: &str, spool: &Spool, reason: DropReason) {
        tracing::info!(session = session_id, reason = reason.name(), "the files of an ended session are removed");
        spool.remove_files(reason);
        self.spools().retain(|kept| kept.session_id != session_id);
    }
}
