//! System calls, from their entry to their exit, to records. Those that move bytes are in `transfers.rs`.
//!
//! What is read, is read while the thread stands still at the exit of its call: the path of an opened file from the link that
//! the kernel gives for the descriptor, the ends of a socket from the socket itself. Only what was asked for in vain, and
//! names that were renamed or removed, come from the app's memory; those records say so.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::super::super::record_layout::{
    HeaderFields, RecordBuilder, blind_spot, blind_spot_body, file_open_body, path_change_body, process_exec_body,
    record_flag, record_kind, segment_flag, segment_tag, socket_body,
};
use super::super::system;
use super::descriptors::{Descriptor, Object, unix_names};
use super::memory::{Text, number_at};
use super::sockets::{End, Socket};
use super::{PROC, Tracer, comm_of, ids_of, link};
use crate::call_filter::{BINDER_WRITE_READ, CLONE_UNTRACED, Operation, SocketCall, interface_of, operation_of};

const CURRENT_DIRECTORY: i32 = -100;
const REMOVE_DIRECTORY: u64 = 0x200;
// Flags of open(2) that creat(2) stands for: write only, create, truncate.
const CREATE_FLAGS: u32 = 0o1101;
const CLOSE_RANGE_ON_EXEC: u64 = 4;
const SET_NAME: u64 = 15;
const MAP_ANONYMOUS: u64 = 0x20;
pub(super) const IN_PROGRESS: i64 = -115;
const AGAIN: i64 = -11;

/// A call that a thread is in.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) operation: Operation,
    pub(super) arguments: [u64; 6],
    /// Structures in memory have 32-bit pointers.
    pub(super) narrow: bool,
    /// The program that an exec asks for: it cannot be read any more once that has succeeded.
    pub(super) program: Text,
}

impl Text {
    /// The flags of its segment.
    pub(super) fn flags(&self) -> u8 {
        let flag = |set, flag| if set { flag } else { 0 };
        flag(self.cut, segment_flag::CUT) | flag(self.unreadable, segment_flag::UNREADABLE)
    }
}

/// A descriptor argument: 32 bits of a register.
pub(super) fn fd_of(argument: u64) -> i32 {
    argument as u32 as i32
}

/// A path as the kernel programs write it: components, leaf first, each ended by NUL.
pub(super) fn kernel_path(path: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(path.len() + 1);
    for component in path.split(|byte| *byte == b'/').rev().filter(|component| !component.is_empty()) {
        bytes.extend_from_slice(component);
        bytes.push(0);
    }
    bytes
}

impl Tracer {
    /// A thread enters a call: notes what its exit has to know, if that is of interest.
    pub(super) fn enter(&mut self, thread: u32, audit: u32, number: u64, mut arguments: [u64; 6]) {
        let Some(entry) = self.threads.get_mut(&thread) else { return };
        entry.call = None;
        let pid = entry.process;
        self.keep_traced(thread, audit, number, &arguments);
        if self.sessions_of(pid) == 0 {
            return;
        }
        let Some(interface) = interface_of(audit) else { return self.blind(thread, blind_spot::COMPAT) };
        let Some(mut operation) = operation_of(interface, number) else { return };
        if operation == Operation::SocketCall {
            let [kind, list, ..] = arguments;
            let Some(call) = SocketCall::of(kind) else { return };
            operation = call.operation;
            arguments = [0; 6];
            for (index, argument) in arguments.iter_mut().take(call.arguments).enumerate() {
                *argument = number_at(thread, list.saturating_add(4 * index as u64), 4);
            }
        }
        // Behind their four arguments is whatever the registers held.
        if let Some(with_address) = operation.with_address() {
            operation = with_address;
            let [.., fifth, sixth] = &mut arguments;
            (*fifth, *sixth) = (0, 0);
        }
        let mut call = Call { operation, arguments, narrow: interface.narrow, program: Text::default() };
        let [first, second, _, fourth, ..] = arguments;
        let wanted = match operation {
            // Seen to above; what it makes is told by its event.
            Operation::Clone | Operation::Clone3 => return,
            Operation::Foreign => return self.blind(thread, blind_spot::COMPAT),
            Operation::Close => {
                // Whatever close says, the descriptor is gone afterwards; and what the table holds is open.
                self.close(thread, fd_of(first));
                self.outbox.account.seen += 1;
                self.outbox.account.filtered += 1;
                false
            }
            Operation::Execute => {
                call.program = Text::read(thread, first);
                true
            }
            Operation::ExecuteAt => {
                call.program = Text::read(thread, second);
                true
            }
            Operation::Name => first == SET_NAME,
            Operation::Binder => second as u32 == BINDER_WRITE_READ && self.exchange_begins(thread, &arguments),
            Operation::Map if fourth & MAP_ANONYMOUS != 0 => false,
            _ if call.moves_bytes() => self.wants_transfer(thread, pid, &call),
            _ => true,
        };
        if wanted && let Some(entry) = self.threads.get_mut(&thread) {
            entry.call = Some(call);
        }
    }

    /// A child that is to be made without a tracer gets one all the same, also when nobody is interested any more: under our
    /// filter its calls would fail without. The app cannot tell but by looking for the tracer.
    fn keep_traced(&mut self, thread: u32, audit: u32, number: u64, arguments: &[u64; 6]) {
        let Some(interface) = interface_of(audit) else { return };
        let flag = u64::from(CLONE_UNTRACED);
        let [first, ..] = *arguments;
        match operation_of(interface, number) {
            Some(Operation::Clone) if first & flag != 0 => {
                // Killed meanwhile.
                let _gone = system::set_first_argument(thread, interface.narrow, first & !flag);
            }
            Some(Operation::Clone3) => {
                let flags = number_at(thread, first, 8);
                if flags & flag != 0 && system::write_memory(thread, first, &(flags & !flag).to_le_bytes()) {
                    let call = Call {
                        operation: Operation::Clone3,
                        arguments: *arguments,
                        narrow: false,
                        program: Text::default(),
                    };
                    if let Some(entry) = self.threads.get_mut(&thread) {
                        entry.call = Some(call);
                    }
                }
            }
            _ => {}
        }
    }

    /// The app finds its flags as they were.
    fn restore_flags(thread: u32, call: &Call) {
        let [first, ..] = call.arguments;
        let flags = number_at(thread, first, 8) | u64::from(CLONE_UNTRACED);
        let _gone = system::write_memory(thread, first, &flags.to_le_bytes());
    }

    /// A thread leaves the call it was in.
    pub(super) fn leave(&mut self, thread: u32, result: i64) {
        let Some(call) = self.threads.get_mut(&thread).and_then(|entry| entry.call.take()) else { return };
        if call.operation == Operation::Clone3 {
            return Self::restore_flags(thread, &call);
        }
        let Some(header) = self.header(thread).filter(|header| header.sessions != 0) else { return };
        let before = self.outbox.account.seen;
        match call.operation {
            Operation::Open | Operation::Creat | Operation::OpenAt | Operation::OpenAt2 | Operation::OpenByHandle => {
                self.opened(&header, &call, result)
            }
            Operation::Rename
            | Operation::RenameAt
            | Operation::RenameAt2
            | Operation::Unlink
            | Operation::UnlinkAt
            | Operation::RemoveDirectory => self.path_changed(&header, &call, result),
            Operation::Connect | Operation::Bind | Operation::Listen | Operation::Accept | Operation::Socket => {
                self.socket_act(&header, &call, result)
            }
            Operation::CloseRange => self.closed_range(&header, &call, result),
            Operation::DuplicateOnto => {
                let [from, to, ..] = call.arguments;
                if result >= 0 && from != to {
                    self.close(thread, fd_of(to));
                }
            }
            Operation::Execute | Operation::ExecuteAt => self.exec_failed(&header, &call, result),
            Operation::Binder => self.exchange_ends(&header, result),
            Operation::RingSetup if result >= 0 => self.blind(thread, blind_spot::IO_URING),
            Operation::Credentials if result == 0 => {
                if let (Some((uid, gid)), Some(process)) = (ids_of(thread), self.processes.get_mut(&header.tgid)) {
                    (process.uid, process.gid) = (uid, gid);
                }
            }
            Operation::Name => {
                if let Some(entry) = self.threads.get_mut(&thread) {
                    entry.comm = comm_of(thread);
                }
            }
            Operation::Root if result == 0 => {
                // Threads of other processes can share it.
                self.processes.values_mut().for_each(|process| process.root = None);
            }
            _ => self.transferred(&header, &call, result),
        }
        if self.outbox.account.seen == before {
            self.outbox.account.seen += 1;
            self.outbox.account.filtered += 1;
        }
    }

    fn blind(&mut self, thread: u32, what: u32) {
        let Some(header) = self.header(thread).filter(|header| header.sessions != 0) else { return };
        let Some(process) = self.processes.get_mut(&header.tgid) else { return };
        let told = if what == blind_spot::COMPAT { &mut process.told_foreign } else { &mut process.told_ring };
        if !std::mem::replace(told, true) {
            let record = RecordBuilder::new(&header, record_kind::BLIND_SPOT, 0, blind_spot_body::SIZE)
                .body(blind_spot_body::WHAT, &what.to_le_bytes())
                .finish();
            self.outbox.push(&record, header.sessions);
        }
    }

    /// A path of the kernel's as the process sees it, whose root may be a directory of ours.
    pub(super) fn inside_root(&mut self, pid: u32, path: &[u8]) -> Vec<u8> {
        let Some(process) = self.processes.get_mut(&pid) else { return path.to_vec() };
        if process.root.is_none() {
            process.root = link(pid, "root");
        }
        match &process.root {
            Some(root) if root.as_os_str() != "/" => {
                path.strip_prefix(root.as_os_str().as_bytes()).unwrap_or(path).to_vec()
            }
            _ => path.to_vec(),
        }
    }

    /// The path of what a thread has open; nothing for what has none.
    pub(super) fn open_path(&mut self, pid: u32, thread: u32, fd: i32) -> Option<Vec<u8>> {
        let target = link(thread, &format!("fd/{fd}"))?;
        let mut path = target.as_os_str().as_bytes();
        // The kernel adds this to the name of a file that has been removed; a file can also be called so.
        if let Some(name) = path.strip_suffix(b" (deleted)")
            && std::fs::metadata(format!("{PROC}/{thread}/fd/{fd}")).is_ok_and(|metadata| metadata.nlink() == 0)
        {
            path = name;
        }
        Some(self.inside_root(pid, path)).filter(|path| path.starts_with(b"/"))
    }

    /// Adds the directory that a relative path begins at.
    fn with_base(
        &mut self,
        builder: RecordBuilder,
        header: &HeaderFields,
        (tag, text): (u8, &Text),
        directory: i32,
    ) -> RecordBuilder {
        if text.is_absolute() {
            return builder;
        }
        let base: Option<PathBuf> = if directory == CURRENT_DIRECTORY {
            link(header.tid, "cwd")
        } else {
            link(header.tid, &format!("fd/{directory}"))
        };
        match base {
            Some(base) => {
                let base = self.inside_root(header.tgid, base.as_os_str().as_bytes());
                builder.segment(tag, &kernel_path(&base))
            }
            None => builder,
        }
    }

    /// Forgets a descriptor, after telling what went through it.
    pub(super) fn close(&mut self, thread: u32, fd: i32) {
        let Some(header) = self.header(thread) else { return };
        let Some(entry) = self.descriptors.remove(&(header.tgid, fd)) else { return };
        if header.sessions != 0
            && let Some(record) = entry.record(&header, fd, true)
        {
            self.outbox.push(&record, header.sessions);
        }
    }

    fn opened(&mut self, header: &HeaderFields, call: &Call, result: i64) {
        let thread = header.tid;
        let [first, second, third, ..] = call.arguments;
        let (directory, argument, open_flags) = match call.operation {
            Operation::Open => (CURRENT_DIRECTORY, Some(first), second as u32),
            Operation::Creat => (CURRENT_DIRECTORY, Some(first), CREATE_FLAGS),
            Operation::OpenAt => (fd_of(first), Some(second), third as u32),
            Operation::OpenAt2 => (fd_of(first), Some(second), number_at(thread, third, 8) as u32),
            // open_by_handle_at has no path.
            _ => (CURRENT_DIRECTORY, None, third as u32),
        };
        let fd = i32::try_from(result).ok().filter(|fd| *fd >= 0);
        let mut handle = 0;
        if let Some(fd) = fd {
            // Closed without a call that says so.
            self.close(thread, fd);
            handle = self.handle(header.time_ns);
        }
        let path = fd.and_then(|fd| self.open_path(header.tgid, thread, fd));
        let flags = if path.is_some() { 0 } else { record_flag::USER_MEMORY };
        let mut record = RecordBuilder::new(header, record_kind::FILE_OPEN, flags, file_open_body::SIZE)
            .body(file_open_body::RESULT, &result.to_le_bytes())
            .body(file_open_body::HANDLE, &handle.to_le_bytes())
            .body(file_open_body::OPEN_FLAGS, &open_flags.to_le_bytes())
            .body(file_open_body::DIRECTORY, &directory.to_le_bytes());
        if let Some(path) = &path {
            record = record.segment(segment_tag::PATH, &kernel_path(path));
        }
        if let Some(argument) = argument {
            let text = Text::read(thread, argument);
            record = record.segment_flagged(segment_tag::ARGUMENT, &text.bytes, text.flags());
            if path.is_none() {
                record = self.with_base(record, header, (segment_tag::BASE, &text), directory);
            }
        }
        self.outbox.push(&record.finish(), header.sessions);
        if let Some(fd) = fd {
            self.descriptors.insert((header.tgid, fd), Descriptor::new(Object::File, handle));
        }
    }

    fn path_changed(&mut self, header: &HeaderFields, call: &Call, result: i64) {
        let [a, b, c, d, e, _] = call.arguments;
        let here = CURRENT_DIRECTORY;
        // Paths with the directories they begin at, and flags.
        let (first, second, call_flags) = match call.operation {
            Operation::Rename => ((here, a), Some((here, b)), 0),
            Operation::RenameAt => ((fd_of(a), b), Some((fd_of(c), d)), 0),
            Operation::RenameAt2 => ((fd_of(a), b), Some((fd_of(c), d)), e),
            Operation::UnlinkAt => ((fd_of(a), b), None, c),
            _ => ((here, a), None, 0),
        };
        let is_directory = call.operation == Operation::RemoveDirectory
            || (call.operation == Operation::UnlinkAt && call_flags & REMOVE_DIRECTORY != 0);
        let kind = if second.is_some() { record_kind::FILE_RENAME } else { record_kind::FILE_UNLINK };
        let mut record = RecordBuilder::new(header, kind, record_flag::USER_MEMORY, path_change_body::SIZE)
            .body(path_change_body::RESULT, &result.to_le_bytes())
            .body(path_change_body::DIRECTORY, &first.0.to_le_bytes())
            .body(path_change_body::DIRECTORY_2, &second.map_or(here, |(directory, _)| directory).to_le_bytes())
            .body(path_change_body::CALL_FLAGS, &(call_flags as u32).to_le_bytes())
            .body(path_change_body::IS_DIRECTORY, &u32::from(is_directory).to_le_bytes());
        let tags = [(segment_tag::ARGUMENT, segment_tag::BASE), (segment_tag::ARGUMENT_2, segment_tag::BASE_2)];
        for ((directory, address), (tag, base_tag)) in std::iter::once(first).chain(second).zip(tags) {
            let text = Text::read(header.tid, address);
            record = record.segment_flagged(tag, &text.bytes, text.flags());
            record = self.with_base(record, header, (base_tag, &text), directory);
        }
        self.outbox.push(&record.finish(), header.sessions);
    }

    fn exec_failed(&mut self, header: &HeaderFields, call: &Call, result: i64) {
        // A success was told by its event.
        if result >= 0 {
            return;
        }
        let directory = match call.operation {
            Operation::ExecuteAt => fd_of(call.arguments[0]),
            _ => CURRENT_DIRECTORY,
        };
        let text = &call.program;
        let record =
            RecordBuilder::new(header, record_kind::PROCESS_EXEC, record_flag::USER_MEMORY, process_exec_body::SIZE)
                .body(process_exec_body::RESULT, &result.to_le_bytes())
                .segment_flagged(segment_tag::ARGUMENT, &text.bytes, text.flags());
        let record = self.with_base(record, header, (segment_tag::BASE, text), directory);
        self.outbox.push(&record.finish(), header.sessions);
    }

    fn closed_range(&mut self, header: &HeaderFields, call: &Call, result: i64) {
        let [first, last, flags, ..] = call.arguments;
        if result != 0 || flags & CLOSE_RANGE_ON_EXEC != 0 {
            return;
        }
        let range = first as u32..=last as u32;
        let mut gone: Vec<i32> = self
            .descriptors
            .keys()
            .filter(|(pid, fd)| *pid == header.tgid && range.contains(&fd.cast_unsigned()))
            .map(|(_, fd)| *fd)
            .collect();
        gone.sort_unstable();
        gone.into_iter().for_each(|fd| self.close(header.tid, fd));
    }

    /// What the kernel knows of the socket under a descriptor; nothing when it is none, or does not say.
    pub(super) fn ask_socket(&mut self, pid: u32, fd: i32) -> Option<Socket> {
        let process = self.processes.get_mut(&pid)?;
        if process.descriptor.is_none() {
            process.descriptor = system::process_descriptor(pid).ok();
        }
        let borrowed = system::borrowed_descriptor(process.descriptor.as_ref()?, fd).ok()?;
        Socket::ask(&borrowed)
    }

    fn socket_act(&mut self, header: &HeaderFields, call: &Call, result: i64) {
        let (pid, thread) = (header.tgid, header.tid);
        let [first, second, third, ..] = call.arguments;
        if call.operation == Operation::Socket {
            // Nothing to tell yet; but from now on it is known, and that nothing went through it before.
            if let Some(fd) = i32::try_from(result).ok().filter(|fd| *fd >= 0) {
                self.close(thread, fd);
                let made = Object::Socket(Box::new(Socket::of_arguments(&call.arguments)));
                let handle = self.handle(header.time_ns);
                self.descriptors.insert((pid, fd), Descriptor::new(made, handle));
            }
            return;
        }
        let mut fd = fd_of(first);
        let accepts = call.operation == Operation::Accept;
        if accepts {
            // Nothing was waiting.
            if result == AGAIN {
                return;
            }
            if let Some(new) = i32::try_from(result).ok().filter(|new| *new >= 0) {
                fd = new;
                self.close(thread, fd);
            }
        }
        let known = self.descriptors.get_mut(&(pid, fd)).filter(|_| !accepts || result >= 0);
        let (mut handle, before) = match known {
            Some(entry) => (entry.handle, entry.socket_mut().map(|socket| socket.clone())),
            None => (0, None),
        };
        if handle == 0 {
            handle = self.handle(header.time_ns);
        }
        let asked = self.ask_socket(pid, fd);
        let mut flags = if asked.is_some() { 0 } else { record_flag::USER_MEMORY };
        let is_new = before.is_none();
        let mut socket = asked.or(before).unwrap_or_default();
        let of_argument = || {
            let length = usize::try_from(third).unwrap_or(0).min(128);
            End::parse(&system::read_memory(thread, second, length))
        };
        let (kind, argument) = match call.operation {
            Operation::Connect => {
                if !(result == 0 && socket.connected) {
                    socket.remote = of_argument();
                    flags |= record_flag::USER_MEMORY;
                    if socket.remote.family() == 0 {
                        // AF_UNSPEC dissolves a connection: no flow begins.
                        return;
                    }
                    if socket.family == 0 {
                        socket.family = socket.remote.family();
                    }
                    socket.connected = result == 0 || result == IN_PROGRESS;
                }
                (record_kind::SOCKET_CONNECT, 0)
            }
            Operation::Bind => {
                if result < 0 || flags != 0 {
                    socket.local = of_argument();
                    flags |= record_flag::USER_MEMORY;
                }
                (record_kind::SOCKET_BIND, 0)
            }
            Operation::Listen => (record_kind::SOCKET_LISTEN, fd_of(second)),
            _ => (record_kind::SOCKET_ACCEPT, 0),
        };
        socket.begin_stream();
        let failed = result < 0 && result != IN_PROGRESS;
        let told_fd = if accepts && failed { -1 } else { fd };
        let told_handle = if accepts && failed { 0 } else { handle };
        let record = RecordBuilder::new(header, kind, flags, socket_body::SIZE)
            .body(socket_body::RESULT, &result.to_le_bytes())
            .body(socket_body::HANDLE, &told_handle.to_le_bytes())
            .body(socket_body::FD, &told_fd.to_le_bytes())
            .body(socket_body::FAMILY, &socket.family.to_le_bytes())
            .body(socket_body::TYPE, &socket.kind.to_le_bytes())
            .body(socket_body::PROTOCOL, &socket.protocol.to_le_bytes())
            .body(socket_body::ARGUMENT, &argument.to_le_bytes())
            .body(socket_body::LOCAL, &socket.local.bytes)
            .body(socket_body::REMOTE, &socket.remote.bytes);
        self.outbox.push(&unix_names(record, &socket).finish(), header.sessions);
        // A failed accept made nothing; a failed connect leaves the socket as it was.
        if failed {
            return;
        }
        match self.descriptors.get_mut(&(pid, fd)) {
            Some(entry) if !is_new => {
                if let Some(kept) = entry.socket_mut() {
                    let prefix_left = kept.prefix_left;
                    *kept = Socket { prefix_left, ..socket };
                }
            }
            _ => {
                self.descriptors.insert((pid, fd), Descriptor::new(Object::Socket(Box::new(socket)), handle));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_leaf_first() {
        assert_eq!(kernel_path(b"/etc/passwd"), b"passwd\0etc\0");
        assert_eq!(kernel_path(b"/"), b"");
    }

    #[test]
    fn descriptor_arguments_are_the_lower_half_of_a_register() {
        assert_eq!(fd_of(0xffff_ff9c), CURRENT_DIRECTORY, "as a 32-bit program has it");
        assert_eq!(fd_of(0xffff_ffff_ffff_ff9c), CURRENT_DIRECTORY);
    }
}
