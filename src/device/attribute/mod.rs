//! Observations to events: which app acted, with which program, on which file.
//!
//! * **In:** [`Observation`]s in the order of arrival. **Out:** [`Event`]s without sequence and phase, which the session
//!   stamps.
//! * **May import:** `event`, `decode` (the observation), the standard library. No I/O, no clock: time is the time of
//!   the records, so that a replayed capture gives the same events.
//! * **Test it:** `cargo test device::attribute`.

mod open_files;
mod owner;
mod package_directory;
mod process_history;

pub use open_files::MOST_OPEN;
pub use package_directory::PackageDirectory;
pub use process_history::{MOST_PROCESSES, REMEMBERED_AFTER_EXIT_NS};

use std::sync::Arc;

use open_files::{Name, Object, OpenFiles};
use owner::Actor;
use process_history::ProcessHistory;

use crate::device::decode::Observation;
use crate::event::{
    App, BinderOwner, Event, EventBody, Fidelity, FidelityReason, Outcome, Phase, ProbeId, ProcessKey, ProcessRef,
};

/// An event, and the sessions it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributed {
    /// Session slots: bit N is slot N.
    pub sessions: u64,
    /// The event, with sequence 0 and phase `unmarked`: the session knows both.
    pub event: Event,
}

/// What the attribution remembers, and what it had to forget. Cumulative where it counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttributorCounters {
    /// Observations that told no session anything new: open files and running processes reported by both the snapshot
    /// and the probe.
    pub merged: u64,
    /// Processes remembered now.
    pub processes: usize,
    /// Processes forgotten to make room: later acts of theirs lack the program.
    pub evicted_processes: u64,
    /// Open files and sockets remembered now.
    pub open_files: usize,
    /// Open files and sockets forgotten to make room: later totals of theirs lack the path.
    pub evicted_open_files: u64,
}

/// Turns observations into events. Memory is bounded by [`MOST_PROCESSES`] and [`MOST_OPEN`].
#[derive(Debug, Default)]
pub struct Attributor {
    packages: PackageDirectory,
    processes: ProcessHistory,
    files: OpenFiles,
    merged: u64,
    /// The app of the last user id that says by itself which it is: acts come in runs of one app.
    last_owner: Option<(u32, App)>,
}

impl Attributor {
    /// An attributor that knows these packages and no process yet.
    #[must_use]
    pub fn new(packages: PackageDirectory) -> Self {
        Self { packages, ..Self::default() }
    }

    /// Attributes one observation and appends the event to `out`.
    ///
    /// Nothing is appended when every session of the observation has been told already (a file that both the snapshot
    /// and the probe found open); in the session's account that is `filtered`, as merged. For the same reason
    /// [`Attributed::sessions`] can be fewer than those of the observation.
    pub fn attribute(&mut self, probe: ProbeId, mut observation: Observation, out: &mut Vec<Attributed>) {
        for process in self.processes.advance(observation.time_ns) {
            self.files.forget_process(process);
        }
        self.identify(&mut observation);
        let sessions = self.learn(&mut observation);
        if sessions == 0 && observation.sessions != 0 {
            self.merged = self.merged.saturating_add(1);
            return;
        }
        let executable = self.processes.executable(observation.process, observation.time_ns);
        let (app, reason) = self.owner(&observation);
        let mut hints = observation.hints;
        hints.extend(reason);
        hints.sort_unstable();
        hints.dedup();
        out.push(Attributed {
            sessions,
            event: Event {
                sequence: 0,
                time_ns: observation.time_ns,
                process: ProcessRef {
                    key: observation.process,
                    name: observation.comm,
                    executable: executable.as_deref().map(str::to_owned),
                },
                thread_id: observation.thread_id,
                user_id: observation.user_id,
                app,
                phase: Phase::unmarked(),
                probe,
                fidelity: if hints.is_empty() { Fidelity::Faithful } else { Fidelity::Hint(hints) },
                outcome: observation.outcome,
                body: observation.body,
            },
        });
    }

    /// Forgets what the sessions of these slots have been told, so that a later session in the same slot is told again.
    /// To be called when a session ends, before its slot is used again.
    pub fn forget_sessions(&mut self, sessions: u64) {
        self.processes.forget_sessions(sessions);
        self.files.forget_sessions(sessions);
    }

    /// What is remembered, and what had to be forgotten.
    #[must_use]
    pub fn counters(&self) -> AttributorCounters {
        AttributorCounters {
            merged: self.merged,
            processes: self.processes.len(),
            evicted_processes: self.processes.evicted(),
            open_files: self.files.len(),
            evicted_open_files: self.files.evicted(),
        }
    }

    /// Gives a process whose start the record did not know the key under which it is known.
    fn identify(&self, observation: &mut Observation) {
        if observation.process.start_ns == 0
            && let Some(key) = self.processes.identify(observation.process.pid, observation.time_ns)
        {
            observation.process = key;
            observation.hints.push(FidelityReason::LateIdentity);
        }
    }

    fn owner(&mut self, observation: &Observation) -> (App, Option<FidelityReason>) {
        let user_id = observation.user_id;
        if let Some((known, app)) = &self.last_owner
            && *known == user_id
        {
            return (app.clone(), None);
        }
        let (process, caller) = (observation.process, named_caller(&observation.body));
        if matches!(observation.body, EventBody::PackageChange(_)) {
            // Nobody's act.
            return (App::default(), None);
        }
        let main_thread = (observation.thread_id == process.pid).then_some(observation.comm.as_str());
        let (app, reason) =
            owner::owner(&self.packages, &self.processes, &Actor { user_id, process, main_thread, caller });
        if owner::is_decided(&self.packages, user_id) {
            self.last_owner = Some((user_id, app.clone()));
        } else if let Some(package) = caller {
            // What is counted against it must be what it was allowed to say.
            if app.package.as_deref() == Some(package) {
                self.processes.called_as(process, package);
            }
        }
        (app, reason)
    }

    /// Remembers what later observations need, fills in what earlier ones told, and returns the sessions to tell.
    fn learn(&mut self, observation: &mut Observation) -> u64 {
        let Observation { sessions, time_ns, process, ref hints, outcome, ref mut body, .. } = *observation;
        let sampled = hints.contains(&FidelityReason::Sampled);
        match body {
            EventBody::ProcessStart(start) => {
                // Who sees system calls alone knows the number of the parent only.
                if let Some(parent) = &mut start.parent
                    && parent.start_ns == 0
                    && let Some(known) = self.processes.identify(parent.pid, time_ns)
                {
                    *parent = known;
                }
                let news = self.processes.started(process, start.parent, time_ns, sessions);
                if start.preexisting { news } else { sessions }
            }
            EventBody::ProcessName(name) => {
                self.processes.named(process, &name.name);
                sessions
            }
            EventBody::PackageChange(change) => {
                self.packages.apply(change);
                self.last_owner = None;
                sessions
            }
            EventBody::ProcessExec(exec) if outcome == Outcome::Ok => {
                if let Some(name) = exec.arguments.first().filter(|_| is_app_program(&exec.path)) {
                    self.processes.named(process, name);
                }
                self.processes.executed(process, &exec.path, time_ns, sampled, sessions)
            }
            EventBody::ProcessExit(_) => {
                self.processes.exited(process, time_ns);
                sessions
            }
            EventBody::FileOpen(open) if outcome == Outcome::Ok => {
                let Some(descriptor) = open.descriptor else { return sessions };
                let name = Name { process, handle: open.handle, descriptor };
                self.remember(name, Object::File(Arc::from(open.path.as_str())), open.preexisting, sessions)
            }
            EventBody::FileTotals(totals) => {
                let name = Name { process, handle: totals.handle, descriptor: totals.descriptor };
                if let Some(Object::File(path)) = self.files.object(name) {
                    totals.path = path.to_string();
                }
                self.close(totals.closed, name);
                sessions
            }
            EventBody::SocketConnect(connect) if outcome.took_effect() => {
                let (remote, local) = (Some(connect.remote.clone()), connect.local.clone());
                let object = Object::Socket { remote, local, listening: false };
                let name = Name { process, handle: connect.handle, descriptor: connect.descriptor };
                self.remember(name, object, connect.preexisting, sessions)
            }
            EventBody::SocketListen(listen) if outcome == Outcome::Ok => {
                let object = Object::Socket { remote: None, local: listen.local.clone(), listening: true };
                let name = Name { process, handle: listen.handle, descriptor: listen.descriptor };
                self.remember(name, object, listen.preexisting, sessions)
            }
            EventBody::SocketAccept(accept) if outcome == Outcome::Ok => {
                let (remote, local) = (Some(accept.remote.clone()), accept.local.clone());
                let object = Object::Socket { remote, local, listening: false };
                let name = Name { process, handle: accept.handle, descriptor: accept.descriptor };
                self.remember(name, object, false, sessions)
            }
            EventBody::SocketTotals(totals) => {
                let name = Name { process, handle: totals.handle, descriptor: totals.descriptor };
                if let Some(Object::Socket { remote, local, .. }) = self.files.object(name) {
                    fill(&mut totals.remote, remote.as_ref());
                    fill(&mut totals.local, local.as_ref());
                }
                self.close(totals.closed, name);
                sessions
            }
            EventBody::ProviderAccess(access) => {
                self.name_owner(&mut access.transaction.owner);
                sessions
            }
            EventBody::ServiceCall(call) => {
                self.name_owner(&mut call.transaction.owner);
                sessions
            }
            EventBody::TlsClientHello(hello) => {
                self.fill_remote(&mut hello.remote, process, hello.handle);
                sessions
            }
            EventBody::HttpRequest(request) => {
                self.fill_remote(&mut request.remote, process, request.handle);
                sessions
            }
            _ => sessions,
        }
    }

    /// Whose process served a binder transaction.
    fn name_owner(&self, owner: &mut BinderOwner) {
        if let Some(user_id) = owner.user_id {
            owner.app = owner::by_user_id(&self.packages, user_id);
        }
    }

    fn remember(&mut self, name: Name, object: Object, preexisting: bool, sessions: u64) -> u64 {
        if preexisting {
            self.files.found_open(name, object, sessions)
        } else {
            self.files.opened(name, object, sessions);
            sessions
        }
    }

    fn close(&mut self, closed: bool, name: Name) {
        if closed {
            self.files.closed(name);
        }
    }

    fn fill_remote(&self, remote: &mut Option<crate::event::Endpoint>, process: ProcessKey, handle: u64) {
        // Without a handle the socket is not named, and the descriptor is not part of these bodies.
        if handle != 0
            && let Some(Object::Socket { remote: known, .. }) =
                self.files.object(Name { process, handle, descriptor: -1 })
        {
            fill(remote, known.as_ref());
        }
    }
}

/// The package that an act names as the actor's own.
fn named_caller(body: &EventBody) -> Option<&str> {
    let transaction = match body {
        EventBody::ProviderAccess(access) => &access.transaction,
        EventBody::ServiceCall(call) => &call.transaction,
        _ => return None,
    };
    transaction.named_callers.first().map(|caller| caller.package.as_str())
}

/// Whether processes of apps run this program: then the first word of the command line is the name that Android gave.
fn is_app_program(path: &str) -> bool {
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    matches!(file, "app_process" | "app_process32" | "app_process64")
}

fn fill<T: Clone>(field: &mut Option<T>, known: Option<&T>) {
    if field.is_none() {
        *field = known.cloned();
    }
}

#[cfg(test)]
mod tests;
