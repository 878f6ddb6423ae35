//! The ptrace probe: for kernels that take no eBPF programs.
//!
//! * **In:** stops of traced threads. **Out:** the same raw records as the eBPF probe's.
//! * **May import:** `event`, `call_filter`, `libc`, `nix`, and `super` (the trait, the layout, the process scan).
//! * **Test it:** `cargo test device::probe::ptrace`; against real programs, beside the other tiers:
//!   `tests/probe_expectations.rs`, run by `scripts/test`.
//!
//! It needs no kernel feature newer than Linux 5.3, and it sees results, resolved paths and the ends of sockets as the kernel
//! has them, because it looks while the thread that acted stands still. But it is visible: an app can read `TracerPid` in its
//! `/proc/self/status`, can refuse to run, or behave better than usual. And it costs: each call of interest stops the thread
//! twice.
//!
//! **A process of its own traces** ([`run_tracer`]), and talks to the probe over a pair of sockets. Three reasons. The kernel
//! ties tracing to a thread that has to wait in `waitpid`, while the probe's thread has other probes to serve. When the
//! daemon is also the parent of the traced program, the kernel gives the program's exit status to whoever of the two asks
//! first; in a process of its own the tracer gets a copy. And threads that carry our filter (`call_filter`) need a tracer for
//! as long as they live, or their calls fail: should the daemon be killed, this process goes on and lets every call pass.

mod link;
mod system;
mod tracer;

pub use tracer::{ARGUMENT as TRACER_ARGUMENT, run_tracer};

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{PollState, Probe, ProbeCounters, ProbeError, RawBatch, SessionSlot};
use crate::event::{Family, ProbeId, ProbeState, ProbeStatus, ProgramCounters, Selection};
use link::{Command, Inbox, Report};

/// Name of the account.
const PROGRAM_NAME: &str = "ptrace";
/// How long the tracer may take to answer. Attaching to thousands of threads takes a while.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// At most so many bytes are read from the tracer at a time.
const READ_BYTES: usize = 256 * 1024;
/// At most so many records in one batch.
const BATCH_RECORDS: usize = 8192;

/// What opening gave.
pub struct Opened {
    /// The probe, unless it does not work here.
    pub probe: Option<Box<dyn Probe>>,
    /// What it gives for each family, or why not.
    pub statuses: Vec<ProbeStatus>,
}

/// Opens the probe. `program` is the file of this program, or of another that calls [`run_tracer`] when its first argument is
/// [`TRACER_ARGUMENT`].
#[must_use]
pub fn open(program: &Path, has_binder: bool) -> Opened {
    match PtraceProbe::start(program, has_binder) {
        Ok(probe) => Opened { statuses: probe.statuses(), probe: Some(Box::new(probe)) },
        Err(reason) => refused(reason),
    }
}

/// What opening gives when it failed for this reason.
#[must_use]
pub fn refused(reason: String) -> Opened {
    let (probe, state) = (ProbeId::Ptrace, ProbeState::Denied);
    let status = |family: &Family| ProbeStatus { probe, family: *family, state, reason: reason.clone() };
    Opened { probe: None, statuses: Family::TRACED.iter().map(status).collect() }
}

/// The file of this program.
///
/// # Errors
///
/// When the system does not tell it.
pub fn own_program() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

struct PtraceProbe {
    tracer: Child,
    stream: UnixStream,
    inbox: Inbox,
    has_binder: bool,
    sessions: BTreeMap<SessionSlot, Selection>,
    program: ProgramCounters,
    lost: Vec<(u8, u64)>,
}

impl PtraceProbe {
    fn start(program: &Path, has_binder: bool) -> Result<Self, String> {
        let broken = |what: &str, error: std::io::Error| format!("{what}: {error}");
        let (stream, other) = UnixStream::pair().map_err(|error| broken("make a pair of sockets", error))?;
        let tracer = Process::new(program)
            .arg(TRACER_ARGUMENT)
            .stdin(Stdio::from(OwnedFd::from(other)))
            .stdout(Stdio::null())
            // Ctrl-C in a terminal is for the client; the tracer ends when nothing needs it any more.
            .process_group(0)
            .spawn()
            .map_err(|error| broken(&format!("start the tracer, {}", program.display()), error))?;
        let mut probe = Self {
            tracer,
            stream,
            inbox: Inbox::default(),
            has_binder,
            sessions: BTreeMap::new(),
            program: ProgramCounters { program: PROGRAM_NAME.to_owned(), ..ProgramCounters::default() },
            lost: Vec::new(),
        };
        match probe.answer(&mut RawBatch::new(ProbeId::Ptrace)) {
            Ok(Report::Ready(Ok(()))) => Ok(probe),
            Ok(Report::Ready(Err(reason))) => Err(reason),
            Ok(_) => Err("the tracer's first word is not that it is ready".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn system(action: &str, source: std::io::Error) -> ProbeError {
        ProbeError::System { action: action.to_owned(), source }
    }

    fn send(&mut self, command: &Command) -> Result<(), ProbeError> {
        self.stream.write_all(&command.encode()).map_err(|error| Self::system("speak to the tracer", error))
    }

    /// Waits until the tracer has sent something, and reads it.
    fn receive(&mut self, timeout: Duration) -> Result<bool, ProbeError> {
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let mut waited = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
        // Interrupted by a signal: as if the time were over.
        if poll(&mut waited, timeout).unwrap_or(0) == 0 {
            return Ok(false);
        }
        let mut bytes = vec![0; READ_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(Self::system("listen to the tracer", ErrorKind::UnexpectedEof.into())),
            Ok(read) => {
                self.inbox.add(bytes.get(..read).unwrap_or_default());
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(Self::system("listen to the tracer", error)),
        }
    }

    /// The next report that is an answer. Records go into the batch, accounts are kept.
    fn next_answer(&mut self, batch: &mut RawBatch) -> Result<Option<Report>, ProbeError> {
        loop {
            let report = self.inbox.report().map_err(|link::Garbled| {
                ProbeError::Unsupported("the tracer says what this version does not understand".to_owned())
            })?;
            match report {
                None => return Ok(None),
                Some(Report::Records(content)) => link::records(&content).for_each(|record| batch.push(record)),
                Some(Report::Counters(program, lost)) => (self.program, self.lost) = (program, lost),
                Some(answer) => return Ok(Some(answer)),
            }
        }
    }

    /// Waits for an answer.
    fn answer(&mut self, batch: &mut RawBatch) -> Result<Report, ProbeError> {
        let give_up = Instant::now() + ANSWER_DEADLINE;
        loop {
            if let Some(answer) = self.next_answer(batch)? {
                return Ok(answer);
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Self::system("wait for the tracer", ErrorKind::TimedOut.into()));
            }
            self.receive(left)?;
        }
    }
}

impl Probe for PtraceProbe {
    fn id(&self) -> ProbeId {
        ProbeId::Ptrace
    }

    fn statuses(&self) -> Vec<ProbeStatus> {
        // A package that is waited for will have one.
        let mut selections = self.sessions.values();
        let by_user = selections.any(|selection| !selection.user_ids.is_empty() || !selection.packages.is_empty());
        let status = |family, state, reason: &str| ProbeStatus {
            probe: ProbeId::Ptrace,
            family,
            state,
            reason: reason.to_owned(),
        };
        let (state, reason) = if by_user {
            (
                ProbeState::Partial,
                "a new process of a selected user id is found by looking at /proc: what it did before is not seen; and the \
                 app can notice that it is traced, and behave differently",
            )
        } else {
            (ProbeState::Attached, "the app can notice that it is traced, and behave differently")
        };
        let (binder, of_binder) =
            if self.has_binder { (state, reason) } else { (ProbeState::Absent, "this system has no binder device") };
        let calls = [Family::Process, Family::File, Family::Socket].map(|family| status(family, state, reason));
        let transactions = [Family::Provider, Family::Service].map(|family| status(family, binder, of_binder));
        calls.into_iter().chain(transactions).collect()
    }

    fn select(&mut self, slot: SessionSlot, selection: &Selection, batch: &mut RawBatch) -> Result<(), ProbeError> {
        self.send(&Command::Select {
            slot: slot.number(),
            own: std::process::id(),
            trees: selection.process_trees.clone(),
            users: selection.user_ids.clone(),
        })?;
        match self.answer(batch)? {
            Report::Selected => {
                self.sessions.insert(slot, selection.clone());
                Ok(())
            }
            Report::NoSuchProcess(pid) => Err(ProbeError::NoSuchProcess(pid)),
            Report::Refused(reason) => Err(ProbeError::Unsupported(reason)),
            _ => Err(ProbeError::Unsupported("the tracer answers what was not asked".to_owned())),
        }
    }

    fn extend(&mut self, slot: SessionSlot, user_ids: &BTreeSet<u32>, batch: &mut RawBatch) -> Result<(), ProbeError> {
        let Some(mut selection) = self.sessions.get(&slot).cloned() else { return Ok(()) };
        selection.user_ids.extend(user_ids);
        // What is traced already stays; of its trees some may have ended meanwhile, and nobody is to miss them.
        selection.process_trees.clear();
        self.select(slot, &selection, batch)
    }

    fn deselect(&mut self, slot: SessionSlot, batch: &mut RawBatch) {
        if self.sessions.remove(&slot).is_none() {
            return;
        }
        let ended = self.send(&Command::Deselect { slot: slot.number() }).and_then(|()| self.answer(batch));
        if let Err(error) = ended {
            tracing::warn!(%error, "the tracer did not say that it stopped tracing for a session");
        }
    }

    fn poll(&mut self, timeout: Duration, batch: &mut RawBatch) -> Result<PollState, ProbeError> {
        self.receive(timeout)?;
        loop {
            if let Some(answer) = self.next_answer(batch)? {
                tracing::warn!(?answer, "the tracer answers what was not asked");
            }
            if batch.len() >= BATCH_RECORDS {
                return Ok(PollState::More);
            }
            if !self.receive(Duration::ZERO)? {
                return Ok(PollState::Idle);
            }
        }
    }

    fn counters(&self) -> ProbeCounters {
        let lost = self.lost.iter().filter_map(|(slot, count)| Some((SessionSlot::new(*slot)?, "tracer_full", *count)));
        ProbeCounters { programs: vec![self.program.clone()], lost: lost.collect() }
    }
}

impl Drop for PtraceProbe {
    fn drop(&mut self) {
        // The closed socket tells it. It ends by itself, at once or when the last thread that needs it has ended, and is then
        // nobody's child but init's.
        let _closed_already = self.stream.shutdown(std::net::Shutdown::Both);
        let give_up = Instant::now() + Duration::from_millis(200);
        while matches!(self.tracer.try_wait(), Ok(None)) && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
