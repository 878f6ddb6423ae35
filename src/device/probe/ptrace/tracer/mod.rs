//! The tracer process: one thread that waits for stops, and answers the probe in between.

mod binder;
mod calls;
mod descriptors;
mod memory;
mod outbox;
mod proc_files;
mod sockets;
mod stops;
mod transfers;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{ErrorKind, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigEvent, SigevNotify, Signal};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;

use super::super::process_scan;
use super::super::record_layout::{
    HeaderFields, RecordBuilder, process_exec_body, process_start_body, record_flag, record_kind, segment_tag,
};
use super::link::{Command, Inbox, Report};
use super::system::{self, Change, Resume};
use crate::device::clock;
use binder::{Nodes, Talk};
use calls::Call;
use descriptors::Descriptor;
use outbox::Outbox;
use proc_files::{PROC, comm_of, command_line, ids_of, link, look_up, threads_of};

/// The argument by which a program knows that it is to be the tracer.
pub const ARGUMENT: &str = "ptrace-tracer";
/// With a second argument it is what the tracer tries itself on.
const CANARY: &str = "canary";
/// How often commands are looked for, and records handed over.
const TICK: Duration = Duration::from_millis(5);
/// For so many ticks without a stop the tracer stays where the last one was.
const FOLLOWING_TICKS: u32 = 40;
/// How often totals that have changed are told.
const TOTALS_EVERY: Duration = Duration::from_secs(1);
/// How often new processes of the selected user ids are looked for.
const SCAN_EVERY: Duration = Duration::from_millis(100);
/// A new thread whose parent's event has not come by now had a parent that was killed just then.
const NEWBORN_WAITS: Duration = Duration::from_millis(100);
/// The longest command line that is told.
const COMMAND_LINE_MAX: usize = 1024;

/// Runs the tracer, when the first argument of this process says that it is one; gives its exit status then. To be called
/// before anything else, from a process with no other threads.
#[must_use]
pub fn run_tracer(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> Option<u8> {
    let _program = arguments.next();
    if arguments.next().is_none_or(|first| first != ARGUMENT) {
        return None;
    }
    if arguments.next().is_some_and(|second| second == CANARY) {
        // Until the tracer has seen enough and closes the other end.
        let _ended = std::io::stdin().read(&mut [0]);
        return Some(0);
    }
    let Ok(stream) = std::io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from) else { return Some(1) };
    Some(u8::from(serve(stream).is_err()))
}

fn serve(stream: UnixStream) -> std::io::Result<()> {
    stream.set_nonblocking(true)?;
    let mut outbox = Outbox::new(stream.try_clone()?);
    let tried =
        system::take_ticks().map_err(|error| format!("take SIGALRM: {}", error.desc())).and_then(|()| try_out());
    let works = tried.is_ok();
    outbox.say(&Report::Ready(tried));
    if !works {
        return Ok(());
    }
    let timer = SigEvent::new(SigevNotify::SigevSignal { signal: Signal::SIGALRM, si_value: 0 });
    let timer = Timer::new(ClockId::CLOCK_MONOTONIC, timer)?;
    Tracer::new(stream, outbox, timer).run();
    Ok(())
}

/// Traces a process of our own for a moment: whether the kernel, and whoever restricts it, let us.
fn try_out() -> Result<(), String> {
    let failed = |what: &str, error: Errno| {
        let hint = match error {
            Errno::EPERM | Errno::EACCES => " (a security module, or kernel.yama.ptrace_scope=3, forbids it)",
            Errno::EIO | Errno::EINVAL => " (the kernel is older than Linux 5.3, which brought it)",
            _ => "",
        };
        format!("{what}: {}{hint}", error.desc())
    };
    let program = std::env::current_exe().map_err(|error| format!("find this program's file: {error}"))?;
    let mut canary = Process::new(program)
        .args([ARGUMENT, CANARY])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("start a process to try tracing on: {error}"))?;
    let thread = canary.id();
    let tried = system::seize(thread)
        .map_err(|error| failed("attach with ptrace", error))
        .and_then(|()| system::interrupt(thread).map_err(|error| failed("stop a traced thread", error)))
        .and_then(|()| wait_for_stop(thread))
        .and_then(|()| {
            system::call_place(thread)
                .map(drop)
                .map_err(|error| failed("ask where a thread is (PTRACE_GET_SYSCALL_INFO)", error))
        });
    let _gone = system::resume(thread, Resume::Detach, 0);
    let _gone = canary.kill();
    let _reaped = canary.wait();
    tried
}

/// Waits until a thread stops because it was told to. It may not even have executed its program yet.
fn wait_for_stop(thread: u32) -> Result<(), String> {
    loop {
        match system::wait() {
            Ok(Some((stopped, Change::Event(system::EVENT_STOP, _)))) if stopped == thread => return Ok(()),
            Ok(Some((stopped, Change::Event(..)))) => {
                let _gone = system::resume(stopped, Resume::Event, 0);
                // The other stop has cleared what was asked for.
                let _gone = system::interrupt(stopped);
            }
            Ok(None) => {}
            other => return Err(format!("wait for a traced thread: {other:?}")),
        }
    }
}

/// What a session selects.
#[derive(Debug, Clone, Default)]
struct Session {
    users: BTreeSet<u32>,
}

/// A traced process.
#[derive(Debug, Default)]
struct Traced {
    start_ns: u64,
    uid: u32,
    gid: u32,
    /// Sessions of whose trees it is a member.
    trees: u64,
    /// It has executed a program since tracing began. Before, it may be our launch gate, which installs our filter.
    has_executed: bool,
    /// What `/` is to it; `None`: to be looked up.
    root: Option<PathBuf>,
    /// Stands for it, for asking about its sockets; `None`: not made yet.
    descriptor: Option<OwnedFd>,
    told_ring: bool,
    told_foreign: bool,
}

/// A traced thread.
#[derive(Debug, Default)]
struct Thread {
    process: u32,
    comm: [u8; 16],
    /// It carries our filter: only what is of interest stops.
    filtered: bool,
    /// The call it is in, when its exit is of interest.
    call: Option<Call>,
    /// What it has begun with the binder driver.
    talk: Option<Box<Talk>>,
    /// Nobody is interested any more: at its next stop it is let go.
    leaving: bool,
}

struct Tracer {
    stream: UnixStream,
    inbox: Inbox,
    outbox: Outbox,
    timer: Timer,
    timer_runs: bool,
    /// The daemon, which is never traced.
    own: u32,
    sessions: BTreeMap<u8, Session>,
    processes: HashMap<u32, Traced>,
    threads: HashMap<u32, Thread>,
    descriptors: HashMap<(u32, i32), Descriptor>,
    /// New threads that stopped before their parent's event came.
    newborn: HashMap<u32, (Instant, Change)>,
    next_totals: Instant,
    next_scan: Instant,
    /// The thread that stopped last since the last tick.
    newest: Option<u32>,
    /// This thread stays on the processor of one that it traces, for so many ticks without a stop.
    follows: u32,
    /// The probe is gone.
    abandoned: bool,
    last_handle: u64,
    /// What the binder driver's log says.
    nodes: Nodes,
    /// The number of the last call through binder.
    last_call: u64,
}

impl Tracer {
    fn new(stream: UnixStream, outbox: Outbox, timer: Timer) -> Self {
        Self {
            stream,
            inbox: Inbox::default(),
            outbox,
            timer,
            timer_runs: false,
            own: 0,
            sessions: BTreeMap::new(),
            processes: HashMap::new(),
            threads: HashMap::new(),
            descriptors: HashMap::new(),
            newborn: HashMap::new(),
            next_totals: Instant::now(),
            next_scan: Instant::now(),
            newest: None,
            follows: 0,
            abandoned: false,
            last_handle: 0,
            nodes: Nodes::default(),
            last_call: 0,
        }
    }

    /// Works until nobody needs it any more.
    fn run(&mut self) {
        loop {
            let nobody = self.threads.is_empty() && self.newborn.is_empty();
            if nobody && self.abandoned {
                return;
            }
            // Without threads there is nothing that a tick would have to interrupt.
            self.run_timer(!nobody && !self.abandoned);
            if nobody {
                // What the last of them did must not wait until the next comes.
                self.outbox.flush();
                self.rest();
                self.tick();
                continue;
            }
            match system::wait() {
                Ok(Some((thread, change))) => {
                    self.newest = Some(thread);
                    self.changed(thread, change);
                }
                Ok(None) => {}
                // All have ended without a word: their entries are of no use.
                Err(_) => {
                    self.threads.clear();
                    self.processes.clear();
                    self.newborn.clear();
                }
            }
            if system::ticked() {
                self.tick();
            }
        }
    }

    fn run_timer(&mut self, wanted: bool) {
        if wanted != self.timer_runs {
            let every = if wanted { TICK } else { Duration::ZERO };
            // Without it commands would wait for the next stop: better than not to trace.
            let _refused = self.timer.set(Expiration::Interval(every.into()), TimerSetTimeFlags::empty());
            self.timer_runs = wanted;
        }
    }

    /// Waits for a command, or until it is time to look for new processes.
    fn rest(&self) {
        let by_user = self.sessions.values().any(|session| !session.users.is_empty());
        let timeout = if by_user || self.outbox.is_behind() { SCAN_EVERY } else { Duration::from_secs(3600) };
        let mut waited = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
        let _interrupted = poll(&mut waited, PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX));
    }

    /// Stays on the processor of whoever was traced since the last tick.
    ///
    /// Two threads that take turns are woken at half the cost when they share a processor: no other one has to be
    /// interrupted, or woken from its sleep. Where the kernel puts them is a matter of luck, and was a factor of twenty where
    /// processors are virtual. The app's own threads are not moved: an app can ask where it may run.
    fn follow(&mut self) {
        match self.newest.take() {
            Some(thread) => {
                system::follow(Some(thread));
                self.follows = FOLLOWING_TICKS;
            }
            None if self.follows > 0 => {
                self.follows -= 1;
                if self.follows == 0 {
                    system::follow(None);
                }
            }
            None => {}
        }
    }

    fn tick(&mut self) {
        self.follow();
        self.read_commands();
        let now = Instant::now();
        let orphans: Vec<u32> = self
            .newborn
            .iter()
            .filter(|(_, (since, _))| now.duration_since(*since) > NEWBORN_WAITS)
            .map(|(thread, _)| *thread)
            .collect();
        orphans.into_iter().for_each(|thread| self.adopt_orphan(thread));
        if self.sessions.is_empty() {
            return;
        }
        if now >= self.next_scan {
            self.next_scan = now + SCAN_EVERY;
            self.find_by_user();
        }
        if now >= self.next_totals {
            self.next_totals = now + TOTALS_EVERY;
            self.tell_totals();
        }
        self.outbox.flush();
    }

    fn read_commands(&mut self) {
        let mut bytes = [0; 4096];
        while !self.abandoned {
            match self.stream.read(&mut bytes) {
                Ok(0) => self.abandon(),
                Ok(read) => self.inbox.add(bytes.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.abandon(),
            }
        }
        loop {
            match self.inbox.command() {
                Ok(Some(Command::Select { slot, own, trees, users })) => {
                    self.own = own;
                    let report = self.select(slot, &trees, users);
                    self.outbox.say_account();
                    self.outbox.say(&report);
                }
                Ok(Some(Command::Deselect { slot })) => {
                    self.deselect(slot);
                    self.outbox.say_account();
                    self.outbox.say(&Report::Deselected);
                }
                Ok(None) => return,
                Err(_) => return self.abandon(),
            }
        }
    }

    /// The probe is gone: everything is let go that can live without a tracer.
    fn abandon(&mut self) {
        self.abandoned = true;
        self.sessions.clear();
        for process in self.processes.values_mut() {
            process.trees = 0;
        }
        self.let_go();
    }

    fn select(&mut self, slot: u8, trees: &BTreeSet<u32>, users: BTreeSet<u32>) -> Report {
        let bit = 1 << slot;
        if let Some(absent) = trees.iter().find(|pid| process_scan::find(Path::new(PROC), **pid).is_none()) {
            return Report::NoSuchProcess(*absent);
        }
        self.sessions.insert(slot, Session { users });
        let mut done = BTreeSet::new();
        loop {
            // What a selected process starts is traced from then on; what it had started before, only a new look shows.
            let fresh: Vec<u32> = process_scan::trees(Path::new(PROC), trees).difference(&done).copied().collect();
            if fresh.is_empty() {
                break;
            }
            for pid in fresh {
                if let Err(reason) = self.attach(pid, bit)
                    && trees.contains(&pid)
                {
                    self.deselect(slot);
                    return Report::Refused(format!("attach to process {pid}: {reason}"));
                }
                done.insert(pid);
            }
        }
        self.find_by_user();
        Report::Selected
    }

    fn deselect(&mut self, slot: u8) {
        let bit = 1_u64 << slot;
        let keys: Vec<(u32, i32)> = self.descriptors.keys().copied().collect();
        for (pid, fd) in keys {
            let Some(header) = self.process_header(pid).filter(|header| header.sessions & bit != 0) else { continue };
            let header = HeaderFields { sessions: bit, ..header };
            if let Some(record) = self.descriptors.get(&(pid, fd)).and_then(|entry| entry.record(&header, fd, false)) {
                self.outbox.push(&record, bit);
            }
        }
        let talking: Vec<u32> =
            self.threads.iter().filter(|(_, entry)| entry.talk.is_some()).map(|(id, _)| *id).collect();
        talking.into_iter().for_each(|thread| self.tell_unfinished(thread, bit));
        self.sessions.remove(&slot);
        for process in self.processes.values_mut() {
            process.trees &= !bit;
        }
        self.let_go();
    }

    /// Stops what nobody is interested in any more, to let it go. What carries our filter stays: its calls need a tracer.
    fn let_go(&mut self) {
        let idle: BTreeSet<u32> = self.processes.keys().copied().filter(|pid| self.sessions_of(*pid) == 0).collect();
        self.descriptors.retain(|(pid, _), _| !idle.contains(pid));
        idle.iter().for_each(|pid| self.nodes.forget(*pid));
        for (thread, entry) in self.threads.iter_mut().filter(|(_, entry)| idle.contains(&entry.process)) {
            entry.talk = None;
            if !entry.filtered && !entry.leaving {
                entry.leaving = true;
                // Already gone: then that is told by `wait`.
                let _gone = system::interrupt(*thread);
            }
        }
    }

    /// Traces a process with all of its threads, or adds it to a session.
    fn attach(&mut self, pid: u32, trees: u64) -> Result<(), String> {
        if pid == self.own || pid == std::process::id() {
            return Ok(());
        }
        if let Some(known) = self.processes.get_mut(&pid) {
            known.trees |= trees;
            for entry in self.threads.values_mut().filter(|entry| entry.process == pid) {
                entry.leaving = false;
            }
            return Ok(());
        }
        // Gone meanwhile.
        let Some(traced) = look_up(pid) else { return Ok(()) };
        let mut attached = false;
        let mut refused = None;
        loop {
            let mut grown = false;
            for thread in threads_of(pid) {
                if self.threads.contains_key(&thread) {
                    continue;
                }
                match system::seize(thread).and_then(|()| system::interrupt(thread)) {
                    Ok(()) => {
                        let entry = Thread { process: pid, comm: comm_of(thread), ..Thread::default() };
                        self.threads.insert(thread, entry);
                        (attached, grown) = (true, true);
                    }
                    // It has ended.
                    Err(Errno::ESRCH) => {}
                    Err(error) => refused = Some(error),
                }
            }
            // A thread that was not traced yet can have made another.
            if !grown {
                break;
            }
        }
        if attached {
            self.processes.insert(pid, Traced { trees, ..traced });
            return Ok(());
        }
        match refused {
            Some(Errno::EPERM) => {
                Err("not permitted: another tracer, such as a debugger, has it already, or it is protected \
                                       from us"
                    .to_owned())
            }
            Some(error) => Err(error.desc().to_owned()),
            None => Ok(()),
        }
    }

    /// Looks for processes of the selected user ids that are not traced yet, and tells what they are.
    fn find_by_user(&mut self) {
        let users: BTreeSet<u32> = self.sessions.values().flat_map(|session| session.users.iter().copied()).collect();
        if users.is_empty() {
            return;
        }
        for found in process_scan::all(Path::new(PROC)) {
            if self.processes.contains_key(&found.pid) || found.pid == self.own || found.pid == std::process::id() {
                continue;
            }
            let selected = ids_of(found.pid).is_some_and(|(uid, _)| users.contains(&uid));
            if !selected || self.attach(found.pid, 0).is_err() {
                continue;
            }
            let Some(header) = self.process_header(found.pid) else { continue };
            let flags = record_flag::SAMPLED | record_flag::PREEXISTING;
            let start = RecordBuilder::new(&header, record_kind::PROCESS_START, flags, process_start_body::SIZE)
                .body(process_start_body::PARENT_TGID, &found.parent.to_le_bytes())
                .finish();
            self.outbox.push(&start, header.sessions);
            if let Some(program) = link(found.pid, "exe") {
                let exec = RecordBuilder::new(&header, record_kind::PROCESS_EXEC, flags, process_exec_body::SIZE)
                    .segment(segment_tag::TEXT_PATH, program.as_os_str().as_bytes())
                    .segment(segment_tag::COMMAND_LINE, &command_line(found.pid))
                    .finish();
                self.outbox.push(&exec, header.sessions);
            }
        }
    }

    fn tell_totals(&mut self) {
        let keys: Vec<(u32, i32)> = self.descriptors.keys().copied().collect();
        for (pid, fd) in keys {
            let Some(header) = self.process_header(pid) else { continue };
            let Some(entry) = self.descriptors.get_mut(&(pid, fd)) else { continue };
            if header.sessions != 0
                && entry.has_news()
                && let Some(record) = entry.record(&header, fd, false)
            {
                self.outbox.push(&record, header.sessions);
            }
        }
        self.outbox.say_account();
    }

    /// The sessions that a process belongs to.
    fn sessions_of(&self, pid: u32) -> u64 {
        let Some(process) = self.processes.get(&pid) else { return 0 };
        let by_user = self.sessions.iter().filter(|(_, session)| session.users.contains(&process.uid));
        by_user.fold(process.trees, |bits, (slot, _)| bits | 1 << slot)
    }

    /// The header of a record of this thread, now.
    fn header(&self, thread: u32) -> Option<HeaderFields> {
        let entry = self.threads.get(&thread)?;
        let process = self.processes.get(&entry.process)?;
        Some(HeaderFields {
            time_ns: clock::boot_ns(),
            sessions: self.sessions_of(entry.process),
            start_ns: process.start_ns,
            tgid: entry.process,
            tid: thread,
            uid: process.uid,
            gid: process.gid,
            comm: entry.comm,
        })
    }

    /// The header of a record of a process, whose first thread may have ended.
    fn process_header(&self, pid: u32) -> Option<HeaderFields> {
        let process = self.processes.get(&pid)?;
        Some(HeaderFields {
            time_ns: clock::boot_ns(),
            sessions: self.sessions_of(pid),
            start_ns: process.start_ns,
            tgid: pid,
            tid: pid,
            uid: process.uid,
            gid: process.gid,
            comm: self.threads.get(&pid).map(|entry| entry.comm).unwrap_or_default(),
        })
    }

    /// A handle for what was opened at this time: no two are the same.
    fn handle(&mut self, time_ns: u64) -> u64 {
        self.last_handle = time_ns.max(self.last_handle + 1);
        self.last_handle
    }
}
