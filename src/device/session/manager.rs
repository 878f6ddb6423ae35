//! The handle by which clients reach sessions.

use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io, thread};

use tokio::sync::oneshot;

use super::core::{Session, SessionAccount, SessionSummary};
use super::limits::SessionLimits;
use super::pipeline::Pipeline;
use super::probe_thread::{Command, OpenSession, ProbeThread, Replayed, SharedStatuses, Start};
use super::spool_thread::SpoolKeeper;
use super::{CreateKeeper, Interpreter, Preparation, Prepare, ReadPackages, ReadUsers, SessionError};
use crate::device::clock;
use crate::device::event_bus::{Matcher, Spool, SpoolLimits, Subscription};
use crate::device::probe::process_names::ProcessNames;
use crate::device::probe::{Probe, SessionSlot};
use crate::device::self_test::HelperProgram;
use crate::device::spool_files::{FoundSession, SpoolDirectory};
use crate::device::token::Token;
use crate::event::{
    ClockAnchor, DeviceInfo, EventFilter, PackageList, Phase, PhaseMark, ProbeStatus, Selection, SessionEnd,
    SessionEndReason, SessionHeader, user_ids_of_package,
};

/// Batches between the threads. Each is bounded by its probe, at most 1 MiB, so this bounds the memory between them: to a
/// tenth of what the daemon may have. What comes while they are all full waits in the kernel's ring, which holds more.
const CHANNEL_BATCHES: usize = 6;
/// Ended sessions that are kept in the list.
const MOST_ENDED_SESSIONS: usize = 1024;
/// Ended sessions may hold this many spools full together; then the oldest are emptied.
const ENDED_SPOOLS: usize = 2;
const LONGEST_LABEL: usize = 256;
const LONGEST_NOTE: usize = 4096;

/// What the manager is made of.
pub struct ManagerOptions {
    /// The device, for headers.
    pub device: DeviceInfo,
    /// Bounds of each session's spool, when it has no files behind it.
    pub spool: SpoolLimits,
    /// Where spools are written; `None`: they are in memory alone.
    pub disk: Option<DiskOptions>,
    /// The most sessions at a time, at most [`SessionSlot::COUNT`].
    pub max_sessions: usize,
    /// Where raw captures go; `None`: clients cannot ask for one.
    pub raw_captures: Option<PathBuf>,
    /// Reads the device's packages.
    pub packages: ReadPackages,
    /// Reads the numbers of the device's users.
    pub users: ReadUsers,
    /// Makes what a session needs.
    pub prepare: Prepare,
    /// Creates raw captures.
    pub create_keeper: CreateKeeper,
    /// Where processes are listed.
    pub proc_root: PathBuf,
    /// Tells whether a process is alive.
    pub process_exists: Box<dyn Fn(u32) -> bool + Send>,
    /// The capture that the only probe replays.
    pub replay: Option<Replay>,
    /// Does known acts in each session, to test whether they are seen; `None`: nothing is tested.
    pub self_test: Option<HelperProgram>,
}

/// Where and how spools are written.
#[derive(Debug)]
pub struct DiskOptions {
    /// The directory.
    pub directory: SpoolDirectory,
    /// Sessions that a daemon before us left there.
    pub found: Vec<FoundSession>,
    /// Memory in front of the files, for all running sessions together.
    pub memory_bytes: usize,
    /// Bytes of the files of all sessions together: ended sessions go first, oldest first.
    pub total_bytes: u64,
    /// Sessions that ended longer ago go.
    pub age: Duration,
}

/// What a capture says beyond its records.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Its session.
    pub header: SessionHeader,
    /// Its phase marks, in order.
    pub marks: Vec<ReplayedMark>,
    /// Its end; `None` when it was cut short.
    pub end: Option<SessionEnd>,
}

/// A phase mark of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayedMark {
    /// Batches of records before it.
    pub batches_before: u64,
    /// Boot time, in nanoseconds.
    pub time_ns: u64,
    /// The phase that began, and what the client said.
    pub mark: PhaseMark,
}

/// What a client asks for.
#[derive(Debug, Clone, Default)]
pub struct StartRequest {
    /// What to trace.
    pub selection: Selection,
    /// A name for people; may be empty.
    pub label: String,
    /// The phase at the beginning.
    pub initial_phase: Phase,
    /// Keep the raw records.
    pub keep_raw: bool,
    /// When it ends by itself.
    pub limits: SessionLimits,
    /// Only its owner may mark and stop it.
    pub owned: bool,
    /// Packages of the selection that are not installed are waited for.
    pub await_packages: bool,
}

/// A session that was started.
#[derive(Debug, Clone)]
pub struct Started {
    /// Its header.
    pub header: SessionHeader,
    /// Where its raw records are kept, when they are.
    pub raw_capture_path: Option<PathBuf>,
    /// What its owner must show, when it is owned. Told once: the daemon keeps its digest only.
    pub owner_token: Option<String>,
}

/// The handle by which clients reach sessions. Clones are handles to the same sessions.
#[derive(Clone)]
pub struct SessionManager {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    statuses: SharedStatuses,
    commands: Sender<Command>,
    /// A standard mutex rather than a task that owns the list: every critical section is short and none waits.
    registry: Mutex<Registry>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Ends last: what the others appended is to be written.
    spool_thread: Mutex<Option<JoinHandle<()>>>,
}

/// The options that calls need.
struct Options {
    device: DeviceInfo,
    spool: SpoolLimits,
    keeper: Option<SpoolKeeper>,
    max_sessions: usize,
    raw_captures: Option<PathBuf>,
    packages: ReadPackages,
    users: ReadUsers,
    prepare: Prepare,
    create_keeper: CreateKeeper,
    replay: Option<Replay>,
}

#[derive(Default)]
struct Registry {
    /// Oldest first.
    sessions: Vec<Arc<Session>>,
    /// Slots of sessions that are being started, as bits.
    starting: u64,
    /// Where the search for a free slot begins, so that a slot is used again as late as possible.
    next_slot: u8,
    counter: u64,
    replayed: Option<String>,
    shutting_down: bool,
}

impl SessionManager {
    /// Starts the threads. `unavailable` are the statuses of probes that could not be opened.
    ///
    /// # Errors
    ///
    /// When a thread cannot be started.
    pub fn start(
        options: ManagerOptions,
        probes: Vec<Box<dyn Probe>>,
        unavailable: Vec<ProbeStatus>,
    ) -> io::Result<Self> {
        let (commands, commands_end) = mpsc::channel();
        let (messages, messages_end) = mpsc::sync_channel(CHANNEL_BATCHES);
        let names = ProcessNames::new(options.proc_root);
        let probe_thread = ProbeThread::new(probes, unavailable, commands_end, messages, options.self_test, names);
        let statuses = probe_thread.statuses();
        let pipeline = Pipeline::new(messages_end, commands.clone(), options.process_exists);
        let (mut found, mut keeper, mut spool_thread) = (Vec::new(), None, None);
        if let Some(disk) = options.disk {
            let (started, sessions, thread) = SpoolKeeper::start(disk, &options.device.boot_id)?;
            (found, keeper, spool_thread) = (sessions, Some(started), Some(thread));
        }
        let threads = vec![
            thread::Builder::new().name("probes".to_owned()).spawn(move || probe_thread.run())?,
            thread::Builder::new().name("pipeline".to_owned()).spawn(move || pipeline.run())?,
        ];
        let options = Options {
            device: options.device,
            spool: options.spool,
            keeper,
            max_sessions: options.max_sessions.min(usize::from(SessionSlot::COUNT)),
            raw_captures: options.raw_captures,
            packages: options.packages,
            users: options.users,
            prepare: options.prepare,
            create_keeper: options.create_keeper,
            replay: options.replay,
        };
        let registry = Registry { sessions: found, ..Registry::default() };
        let shared = Shared {
            options,
            statuses,
            commands,
            registry: Mutex::new(registry),
            threads: Mutex::new(threads),
            spool_thread: Mutex::new(spool_thread),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &DeviceInfo {
        &self.shared.options.device
    }

    /// What each probe gives, as of now.
    #[must_use]
    pub fn statuses(&self) -> Vec<ProbeStatus> {
        self.shared.statuses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The device's packages, as of now.
    #[must_use]
    pub fn packages(&self) -> PackageList {
        (self.shared.options.packages)()
    }

    /// Adds the user ids of the packages that the selection names: of each user of the device, and of their SDK sandboxes.
    /// A package that is not there is an error, unless it is `awaited`.
    fn look_up_packages(&self, selection: &mut Selection, awaited: bool) -> Result<(), SessionError> {
        if selection.packages.is_empty() {
            return Ok(());
        }
        let list = self.packages();
        let users = (self.shared.options.users)();
        for package in &selection.packages {
            let mut entries = list.packages.iter().filter(|entry| entry.package == *package).peekable();
            // A list that cannot be read will not show it either.
            if entries.peek().is_none() && !(awaited && list.read_error.is_empty()) {
                let read_error = list.read_error.clone();
                return Err(SessionError::UnknownPackage { package: package.clone(), read_error });
            }
            selection.user_ids.extend(entries.flat_map(|entry| user_ids_of_package(entry.user_id, &users)));
        }
        Ok(())
    }

    /// Starts a session. Tracing is under way when this returns.
    ///
    /// # Errors
    ///
    /// When the request means nothing, too many sessions run, or no probe can do it.
    pub async fn start_session(&self, mut request: StartRequest) -> Result<Started, SessionError> {
        check_length("label", &request.label, LONGEST_LABEL)?;
        let replay = self.shared.options.replay.clone();
        if replay.is_none() {
            request.selection.validate()?;
            self.look_up_packages(&mut request.selection, request.await_packages)?;
        }
        if request.keep_raw && self.shared.options.raw_captures.is_none() {
            return Err(SessionError::NoCaptureDirectory);
        }
        let (owner, owner_token) = if request.owned {
            let (owner, text) = Token::random().map_err(SessionError::NoRandomNumbers)?;
            (Some(owner), Some(text))
        } else {
            (None, None)
        };
        let started = clock::anchor();
        let reservation = self.reserve(started, replay.as_ref())?;
        let header = match &replay {
            Some(replay) => replay.header.clone(),
            None => SessionHeader {
                session_id: reservation.session_id.clone(),
                label: request.label,
                device: self.shared.options.device.clone(),
                started,
                selection: request.selection,
                initial_phase: request.initial_phase,
                ..SessionHeader::default()
            },
        };
        let slot = reservation.slot;
        let selection = header.selection.clone();
        let replayed = replay.map(|replay| Replayed { marks: replay.marks.into(), batches: 0, end: replay.end });
        let is_replay = replayed.is_some();
        let manager = self.clone();
        let open: OpenSession = Box::new(move |statuses| {
            // Owned by the closure: the slot is free again whenever the attempt ends, however it ends.
            let reservation = reservation;
            let wish = Wish { keep_raw: request.keep_raw, limits: request.limits, owner, is_replay };
            manager.open(header, statuses, &reservation, wish)
        });
        let (reply, answer) = oneshot::channel();
        let start = Start { slot, selection, open, replayed, reply };
        self.shared.commands.send(Command::Start(Box::new(start))).map_err(|_| SessionError::ShuttingDown)?;
        let session = answer.await.map_err(|_| SessionError::ShuttingDown)??;
        Ok(Started { header: session.header.clone(), raw_capture_path: session.raw_capture_path.clone(), owner_token })
    }

    /// Makes the session and puts it into the list; runs on the probe thread.
    fn open(
        &self,
        mut header: SessionHeader,
        statuses: Vec<ProbeStatus>,
        reservation: &Reservation,
        wish: Wish,
    ) -> Result<(Arc<Session>, Box<dyn Interpreter>), SessionError> {
        let Wish { keep_raw, limits, owner, is_replay } = wish;
        let options = &self.shared.options;
        let interpreter = if is_replay {
            (options.prepare)(&header.selection).interpreter
        } else {
            let Preparation { packages, interpreter } = (options.prepare)(&header.selection);
            header.packages = packages;
            header.probes = statuses;
            interpreter
        };
        let raw_capture = match &options.raw_captures {
            Some(directory) if keep_raw => {
                let path = directory.join(format!("{}.candor-raw", header.session_id));
                let keeper = (options.create_keeper)(&path, &header)
                    .map_err(|source| SessionError::Capture { path: path.clone(), source })?;
                Some((path, keeper))
            }
            _ => None,
        };
        let spool = match &options.keeper {
            // A replay can be had again from its file.
            Some(keeper) if !is_replay => keeper.spool(&header, options.spool),
            _ => Spool::new(header.clone(), options.spool),
        };
        let session = Arc::new(Session::new(header, reservation.slot, spool, raw_capture, limits, owner));
        let mut registry = self.registry();
        if is_replay {
            registry.replayed = Some(session.id().to_owned());
        }
        session.span().in_scope(|| {
            let Selection { user_ids, process_trees, .. } = &session.header.selection;
            tracing::info!(?user_ids, ?process_trees, "began");
        });
        registry.sessions.push(session.clone());
        registry.forget_old(options.keeper.as_ref().map_or(options.spool.bytes, SpoolKeeper::ended_bytes));
        Ok((session, interpreter))
    }

    fn reserve(&self, started: ClockAnchor, replay: Option<&Replay>) -> Result<Reservation, SessionError> {
        let mut registry = self.registry();
        if registry.shutting_down {
            return Err(SessionError::ShuttingDown);
        }
        if let (Some(_), Some(id)) = (replay, &registry.replayed) {
            return Err(SessionError::AlreadyReplayed(id.clone()));
        }
        let running = registry.sessions.iter().filter(|session| !session.has_ended());
        let busy = running.fold(registry.starting, |bits, session| bits | session.slot.bit());
        let limit = self.shared.options.max_sessions;
        let free = (0..SessionSlot::COUNT)
            .filter_map(|offset| SessionSlot::new((registry.next_slot + offset) % SessionSlot::COUNT))
            .find(|slot| busy & slot.bit() == 0);
        let Some(slot) = free.filter(|_| (busy.count_ones() as usize) < limit) else {
            return Err(SessionError::TooManySessions { limit });
        };
        registry.starting |= slot.bit();
        registry.next_slot = (slot.number() + 1) % SessionSlot::COUNT;
        registry.counter += 1;
        let session_id = session_id(&self.shared.options.device.boot_id, started, registry.counter);
        Ok(Reservation { manager: self.clone(), slot, session_id })
    }

    /// Stops a session and waits until its last events are in the spool. Stopping an ended session is no error.
    ///
    /// # Errors
    ///
    /// When there is no such session, or it is owned and `owner_token` is not its owner's.
    pub async fn stop_session(&self, session_id: &str, owner_token: &str) -> Result<SessionEnd, SessionError> {
        let session = self.find(session_id)?;
        session.check_owner(owner_token)?;
        if !session.has_ended() {
            let command = Command::End { slot: session.slot, reason: SessionEndReason::Stopped };
            // When the thread is gone, the pipeline ends the session.
            let _ = self.shared.commands.send(command);
        }
        session.wait_for_end().await
    }

    /// Every session, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<SessionSummary> {
        let sessions = self.registry().sessions.clone();
        sessions.iter().map(|session| session.summary()).collect()
    }

    /// The account of every session, oldest first.
    #[must_use]
    pub fn accounts(&self) -> Vec<SessionAccount> {
        let sessions = self.registry().sessions.clone();
        sessions.iter().map(|session| session.account()).collect()
    }

    /// Marks the beginning of a phase now, and returns when that is: boot-time nanoseconds.
    ///
    /// # Errors
    ///
    /// When there is no such session, it has ended, or it is owned and `owner_token` is not its owner's.
    pub fn mark_phase(
        &self,
        session_id: &str,
        phase: &Phase,
        note: &str,
        owner_token: &str,
    ) -> Result<u64, SessionError> {
        check_length("note", note, LONGEST_NOTE)?;
        let session = self.find(session_id)?;
        session.check_owner(owner_token)?;
        if self.shared.options.replay.is_some() && !session.has_ended() {
            return Err(SessionError::Replayed(session_id.to_owned()));
        }
        session.mark_now(phase, note)
    }

    /// A reader of a session: the header, then events from `from_sequence` on.
    ///
    /// # Errors
    ///
    /// When there is no such session, the number is past the next event, or the filter is malformed.
    pub fn subscribe(
        &self,
        session_id: &str,
        from_sequence: u64,
        filter: EventFilter,
    ) -> Result<Subscription, SessionError> {
        let matcher = Matcher::new(filter)?;
        Ok(self.find(session_id)?.spool.subscribe(from_sequence, matcher)?)
    }

    /// What the daemon still holds of a session, to be read piece by piece.
    ///
    /// # Errors
    ///
    /// When there is no such session.
    pub fn spool(&self, session_id: &str) -> Result<Spool, SessionError> {
        Ok(self.find(session_id)?.spool.clone())
    }

    /// How many readers there are, over all sessions.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.registry().sessions.iter().map(|session| session.spool.subscribers()).sum()
    }

    /// Ends every session with [`SessionEndReason::DaemonShutdown`] and waits for the threads. No session can be
    /// started any more; what is in the spools stays readable.
    pub async fn shutdown(&self) {
        self.registry().shutting_down = true;
        let _ = self.shared.commands.send(Command::Shutdown);
        let threads = std::mem::take(&mut *self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let manager = self.clone();
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads.into_iter().map(Some).chain([None]) {
                let thread = thread.or_else(|| manager.shared.stop_spool_thread());
                if thread.is_some_and(|thread| thread.join().is_err()) {
                    tracing::error!("a thread of the pipeline panicked");
                }
            }
        });
        let _ = joined.await;
    }

    fn find(&self, session_id: &str) -> Result<Arc<Session>, SessionError> {
        let registry = self.registry();
        let found = registry.sessions.iter().find(|session| session.id() == session_id);
        found.cloned().ok_or_else(|| SessionError::NotFound(session_id.to_owned()))
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.shared.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SessionManager {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SessionManager").field("sessions", &self.registry().sessions.len()).finish()
    }
}

impl Shared {
    /// Tells the spool thread to write what there is and to end.
    fn stop_spool_thread(&self) -> Option<JoinHandle<()>> {
        self.options.keeper.as_ref()?.stop();
        self.spool_thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = self.stop_spool_thread();
        // The pipeline holds a sender of commands too, so the probe thread would otherwise wait for ever.
        let _ = self.commands.send(Command::Shutdown);
    }
}

impl Registry {
    /// Keeps what ended sessions hold within bounds: the oldest are emptied first, and at last forgotten.
    fn forget_old(&mut self, spool_bytes: usize) {
        let ended: Vec<_> = self.sessions.iter().filter(|session| session.has_ended()).cloned().collect();
        let mut held: usize = ended.iter().map(|session| session.spool.bytes()).sum();
        for session in &ended {
            if held <= spool_bytes.saturating_mul(ENDED_SPOOLS) {
                break;
            }
            held = held.saturating_sub(session.spool.bytes());
            session.spool.release();
        }
        let mut surplus = ended.len().saturating_sub(MOST_ENDED_SESSIONS);
        self.sessions.retain(|session| {
            let forget = surplus > 0 && session.has_ended();
            surplus -= usize::from(forget);
            !forget
        });
    }
}

/// What of a request the new session has to know.
struct Wish {
    keep_raw: bool,
    limits: SessionLimits,
    owner: Option<Token>,
    is_replay: bool,
}

/// A slot that is kept for a session until it is in the list, or the attempt has failed.
struct Reservation {
    manager: SessionManager,
    slot: SessionSlot,
    session_id: String,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.manager.registry().starting &= !self.slot.bit();
    }
}

fn check_length(field: &'static str, text: &str, limit: usize) -> Result<(), SessionError> {
    if text.len() > limit {
        return Err(SessionError::TooLong { field, length: text.len(), limit });
    }
    Ok(())
}

/// Names a session: the boot (which is random, so the device too), when in that boot, and a counter for two in the same
/// millisecond. Letters, digits and hyphens only, so that it can be a file name.
fn session_id(boot_id: &str, started: ClockAnchor, counter: u64) -> String {
    let boot: String = boot_id.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    format!("{boot}-{:x}-{counter:x}", started.boot_ns / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_are_file_names() {
        let started = ClockAnchor { boot_ns: 90_061_000_000, wall_ns: 0 };
        assert_eq!(session_id("0d4c3ab1-7a6e-4f0e-9a1c-2f6f2c1d9e00", started, 2), "0d4c3ab17a6e4f0e-15fcd-2");
    }
}
