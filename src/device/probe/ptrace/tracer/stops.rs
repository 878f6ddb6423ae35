//! What stops a thread, and how it goes on.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Instant;

use super::super::super::process_scan;
use super::super::super::record_layout::{
    HeaderFields, RecordBuilder, process_exec_body, process_exit_body, process_start_body, record_kind, segment_tag,
};
use super::super::system::{self, CallPlace, Change, Resume};
use super::calls::kernel_path;
use super::{COMMAND_LINE_MAX, PROC, Thread, Traced, Tracer, comm_of, link, look_up};
use crate::call_filter::COOKIE;

// Signals that stop a process as job control does.
const STOPPING: [i32; 4] = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

impl Tracer {
    /// Something happened to a thread: takes note, and lets it go on.
    pub(super) fn changed(&mut self, thread: u32, change: Change) {
        if !self.threads.contains_key(&thread) {
            match change {
                Change::Ended(_) => {
                    self.newborn.remove(&thread);
                }
                // It waits for the event of its parent, which says what it is.
                _ => {
                    self.newborn.insert(thread, (Instant::now(), change));
                }
            }
            return;
        }
        match change {
            Change::Ended(status) => self.ended(thread, status),
            Change::SystemCall => {
                match system::call_place(thread) {
                    Ok(CallPlace::Entry(interface, number, arguments)) => {
                        self.enter(thread, interface, number, arguments);
                    }
                    Ok(CallPlace::Exit(result)) => self.leave(thread, result),
                    _ => {}
                }
                self.go_on(thread, 0);
            }
            Change::Signal(signal) => self.go_on(thread, signal),
            Change::Event(system::EVENT_STOP, signal) if STOPPING.contains(&signal) => {
                if self.threads.get(&thread).is_some_and(|entry| entry.leaving) {
                    self.go_on(thread, 0);
                } else {
                    let _gone = system::resume(thread, Resume::Listen, 0);
                }
            }
            Change::Event(event, _) => {
                match event {
                    system::EVENT_FORK | system::EVENT_VFORK | system::EVENT_CLONE => self.started(thread, event),
                    system::EVENT_EXEC => self.executed(thread),
                    system::EVENT_SECCOMP => self.filter_stop(thread),
                    _ => {}
                }
                self.go_on(thread, 0);
            }
        }
    }

    /// Lets a stopped thread go on, to the next stop that is of interest.
    fn go_on(&mut self, thread: u32, signal: i32) {
        let Some(entry) = self.threads.get(&thread) else { return };
        let how = match entry {
            entry if entry.leaving => Resume::Detach,
            entry if entry.filtered && entry.call.is_none() => Resume::Event,
            _ => Resume::SystemCall,
        };
        // Killed meanwhile: then its end comes next.
        let _gone = system::resume(thread, how, signal);
        if how == Resume::Detach {
            self.forget_thread(thread);
        }
    }

    /// A thread that is let go leaves no trace; with its last one, neither does its process.
    fn forget_thread(&mut self, thread: u32) {
        let Some(entry) = self.threads.remove(&thread) else { return };
        if !self.threads.values().any(|other| other.process == entry.process) {
            self.processes.remove(&entry.process);
            self.descriptors.retain(|(pid, _), _| *pid != entry.process);
            self.nodes.forget(entry.process);
        }
    }

    fn filter_stop(&mut self, thread: u32) {
        let Ok(CallPlace::Filter(interface, number, arguments, data)) = system::call_place(thread) else { return };
        if data != u32::from(COOKIE) {
            return;
        }
        let Some(entry) = self.threads.get_mut(&thread) else { return };
        if entry.filtered {
            self.enter(thread, interface, number, arguments);
        } else if self.processes.get(&entry.process).is_some_and(|process| !process.has_executed) {
            // Our launch gate has just installed the filter. Its entry into this call was told already.
            entry.filtered = true;
        }
    }

    /// A thread has made another, or a process.
    fn started(&mut self, thread: u32, event: i32) {
        let Some(child) = system::event_message(thread).ok().and_then(|child| u32::try_from(child).ok()) else {
            return;
        };
        self.adopt(thread, child, event == system::EVENT_CLONE);
        if let Some((_, change)) = self.newborn.remove(&child) {
            self.changed(child, change);
        }
    }

    fn adopt(&mut self, parent: u32, child: u32, may_be_thread: bool) {
        let Some(entry) = self.threads.get(&parent) else { return };
        let process = entry.process;
        let is_thread = may_be_thread && Path::new(PROC).join(format!("{process}/task/{child}")).exists();
        let (comm, filtered) = (entry.comm, entry.filtered);
        let owner = if is_thread { process } else { child };
        self.threads.insert(child, Thread { process: owner, comm, filtered, ..Thread::default() });
        if is_thread {
            return;
        }
        let Some(header) = self.header(parent) else { return };
        let Some(parent) = self.processes.get(&process) else { return };
        let traced = Traced {
            // It stands still at its first instruction, so it is there.
            start_ns: process_scan::find(Path::new(PROC), child).map_or(0, |found| found.start_ns),
            uid: parent.uid,
            gid: parent.gid,
            trees: parent.trees,
            has_executed: true,
            ..Traced::default()
        };
        let of_child = HeaderFields { start_ns: traced.start_ns, tgid: child, tid: child, ..header };
        let record = RecordBuilder::new(&of_child, record_kind::PROCESS_START, 0, process_start_body::SIZE)
            .body(process_start_body::PARENT_TGID, &process.to_le_bytes())
            .body(process_start_body::PARENT_START_NS, &header.start_ns.to_le_bytes())
            .finish();
        self.processes.insert(child, traced);
        if of_child.sessions != 0 {
            self.outbox.push(&record, of_child.sessions);
        }
    }

    /// A new thread whose parent was killed before it could tell.
    pub(super) fn adopt_orphan(&mut self, thread: u32) {
        let Some((_, change)) = self.newborn.remove(&thread) else { return };
        let group = process_scan::process(Path::new(PROC), thread).and_then(|process| process.status().ok());
        let Some(group) = group.and_then(|status| u32::try_from(status.tgid).ok()) else { return };
        // Whose it was nobody knows; that it carries the filter is the safe guess: if it does not, it passes unseen, and if
        // it does, it can be let go only with a tracer.
        let entry = Thread { process: group, comm: comm_of(thread), filtered: true, ..Thread::default() };
        self.threads.insert(thread, entry);
        if !self.processes.contains_key(&group)
            && let Some(traced) = look_up(group)
        {
            self.processes.insert(group, traced);
        }
        self.changed(thread, change);
    }

    fn executed(&mut self, thread: u32) {
        // A thread that executes a program takes over the id of its process.
        let former = system::event_message(thread).ok().and_then(|id| u32::try_from(id).ok()).unwrap_or(thread);
        if former != thread
            && let Some(entry) = self.threads.remove(&former)
        {
            self.threads.insert(thread, entry);
        }
        self.tell_unfinished(thread, u64::MAX);
        let Some(entry) = self.threads.get_mut(&thread) else { return };
        entry.comm = comm_of(thread);
        entry.talk = None;
        let call = entry.call.take();
        let pid = entry.process;
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.has_executed = true;
        process.root = None;
        let Some(header) = self.header(thread) else { return };
        if header.sessions == 0 {
            return;
        }
        let mut record = RecordBuilder::new(&header, record_kind::PROCESS_EXEC, 0, process_exec_body::SIZE);
        if let Some(program) = link(thread, "exe") {
            let program = self.inside_root(pid, program.as_os_str().as_bytes());
            record = record.segment(segment_tag::PATH, &kernel_path(&program));
        }
        if let Some(argument) = call.as_ref().map(|call| &call.program) {
            record = record.segment_flagged(segment_tag::ARGUMENT, &argument.bytes, argument.flags());
        }
        let arguments = std::fs::read(format!("{PROC}/{pid}/cmdline")).unwrap_or_default();
        let kept = arguments.get(..COMMAND_LINE_MAX).unwrap_or(&arguments);
        record = record.segment_cut(segment_tag::COMMAND_LINE, kept, kept.len() < arguments.len());
        self.outbox.push(&record.finish(), header.sessions);
        self.close_on_exec(thread, pid);
    }

    /// What was closed by an exec, which no call says.
    fn close_on_exec(&mut self, thread: u32, pid: u32) {
        let mut gone: Vec<i32> = self.descriptors.keys().filter(|(of, _)| *of == pid).map(|(_, fd)| *fd).collect();
        gone.retain(|fd| link(pid, &format!("fd/{fd}")).is_none());
        gone.sort_unstable();
        gone.into_iter().for_each(|fd| self.close(thread, fd));
    }

    fn ended(&mut self, thread: u32, status: i32) {
        self.tell_unfinished(thread, u64::MAX);
        let Some(entry) = self.threads.get(&thread) else { return };
        let pid = entry.process;
        if thread != pid {
            self.threads.remove(&thread);
            return;
        }
        // The end of the first thread is told when all the others have ended.
        let mut open: Vec<i32> = self.descriptors.keys().filter(|(of, _)| *of == pid).map(|(_, fd)| *fd).collect();
        open.sort_unstable();
        open.into_iter().for_each(|fd| self.close(thread, fd));
        if let Some(header) = self.header(thread).filter(|header| header.sessions != 0) {
            let record = RecordBuilder::new(&header, record_kind::PROCESS_EXIT, 0, process_exit_body::SIZE)
                .body(process_exit_body::WAIT_STATUS, &status.to_le_bytes())
                .finish();
            self.outbox.push(&record, header.sessions);
        }
        self.threads.remove(&thread);
        self.processes.remove(&pid);
        self.nodes.forget(pid);
    }
}
