//! Calls that move bytes: totals, and the few payloads that tell names.

use super::super::super::record_layout::{
    HeaderFields, RecordBuilder, file_open_body, payload_purpose, record_flag, record_kind, segment_tag, socket_body,
    socket_payload_body,
};
use super::super::system::read_memory;
use super::calls::{Call, IN_PROGRESS, fd_of, kernel_path};
use super::descriptors::{Descriptor, Object, unix_names};
use super::memory::{Message, gather, number_at};
use super::sockets::{End, PORT_DNS, Socket, address_length};
use super::{PROC, Tracer};
use crate::call_filter::Operation;

const MESSAGE_PEEK: u64 = 2;
const MESSAGE_FAST_OPEN: u64 = 0x2000_0000;
/// Messages of one call whose sizes are summed, and which are looked at.
const MESSAGES_MAX: u64 = 64;
/// The most bytes of a payload.
const PAYLOAD_MAX: u64 = 4096;
const CURRENT_DIRECTORY: i32 = -100;
const SENT: u8 = 1;
const RECEIVED: u8 = 2;

impl Call {
    /// Whether it moves bytes, or maps a file.
    pub(super) fn moves_bytes(&self) -> bool {
        !self.steps().is_empty()
    }

    /// Its descriptors, each with whether bytes leave the process through it.
    fn steps(&self) -> Vec<(i32, bool)> {
        let [first, second, third, _, fifth, _] = self.arguments;
        match self.operation {
            Operation::Write
            | Operation::WriteVector
            | Operation::SendTo
            | Operation::SendMessage
            | Operation::SendMessages => vec![(fd_of(first), true)],
            Operation::Read
            | Operation::ReadVector
            | Operation::ReceiveFrom
            | Operation::ReceiveMessage
            | Operation::ReceiveMessages => vec![(fd_of(first), false)],
            Operation::Map => vec![(fd_of(fifth), false)],
            Operation::SendFile => vec![(fd_of(second), false), (fd_of(first), true)],
            Operation::CopyFileRange | Operation::Splice => vec![(fd_of(first), false), (fd_of(third), true)],
            _ => Vec::new(),
        }
    }

    /// Sending asked for a connection, which is under way; nothing was sent yet.
    fn only_connects(&self, result: i64) -> bool {
        let [_, _, third, fourth, ..] = self.arguments;
        let flags = match self.operation {
            Operation::SendTo => fourth,
            Operation::SendMessage => third,
            _ => 0,
        };
        result == IN_PROGRESS && flags & MESSAGE_FAST_OPEN != 0
    }

    /// Looking at what waits is not receiving it: it will be received again.
    fn only_looks(&self) -> bool {
        let [_, _, third, fourth, ..] = self.arguments;
        match self.operation {
            Operation::ReceiveFrom | Operation::ReceiveMessages => fourth & MESSAGE_PEEK != 0,
            Operation::ReceiveMessage => third & MESSAGE_PEEK != 0,
            _ => false,
        }
    }
}

impl Tracer {
    /// Whether the exit of the call will tell something. Looks up what is not known yet, while it is still open.
    pub(super) fn wants_transfer(&mut self, thread: u32, pid: u32, call: &Call) -> bool {
        let mut wanted = false;
        for (fd, _) in call.steps() {
            if !self.descriptors.contains_key(&(pid, fd)) {
                self.find(thread, fd);
            }
            wanted |= self.descriptors.get(&(pid, fd)).is_some_and(|entry| match entry.object {
                Object::Other => false,
                _ => call.operation != Operation::Map || !entry.mapped,
            });
        }
        wanted && !call.only_looks()
    }

    /// A descriptor that is used but was never seen to be made: inherited, duplicated, received, or open before.
    fn find(&mut self, thread: u32, fd: i32) {
        let Some(header) = self.header(thread) else { return };
        let Ok(metadata) = std::fs::metadata(format!("{PROC}/{thread}/fd/{fd}")) else { return };
        let handle = self.handle(header.time_ns);
        let flags = record_flag::PREEXISTING;
        use std::os::unix::fs::FileTypeExt as _;
        let kind = metadata.file_type();
        let has_path = kind.is_file() || kind.is_dir() || kind.is_char_device() || kind.is_block_device();
        let path = if has_path { self.open_path(header.tgid, thread, fd) } else { None };
        let mut object = Object::Other;
        if let Some(path) = path {
            let record = RecordBuilder::new(&header, record_kind::FILE_OPEN, flags, file_open_body::SIZE)
                .body(file_open_body::RESULT, &i64::from(fd).to_le_bytes())
                .body(file_open_body::HANDLE, &handle.to_le_bytes())
                .body(file_open_body::OPEN_FLAGS, &open_flags(thread, fd).to_le_bytes())
                .body(file_open_body::DIRECTORY, &CURRENT_DIRECTORY.to_le_bytes())
                .segment(segment_tag::PATH, &kernel_path(&path))
                .finish();
            self.outbox.push(&record, header.sessions);
            object = Object::File;
        } else if kind.is_socket()
            && let Some(socket) = self.ask_socket(header.tgid, fd)
        {
            let is_named = !socket.is_unix() || !socket.local.name.is_empty() || !socket.remote.name.is_empty();
            // Of a pair of sockets without names there is nothing to tell but how much went through it.
            if socket.connected && is_named {
                let record = connection(&header, flags, &socket, handle, fd, 0);
                self.outbox.push(&unix_names(record, &socket).finish(), header.sessions);
            }
            object = Object::Socket(Box::new(socket));
        }
        self.descriptors.insert((header.tgid, fd), Descriptor::new(object, handle));
    }

    /// A stream that no call was seen to connect moves bytes, or has asked for a connection while sending (TCP fast open):
    /// tells that it is connected now.
    fn tell_peer(&mut self, header: &HeaderFields, call: &Call, fd: i32, result: i64) {
        let place = (header.tgid, fd);
        let known =
            self.descriptors.get_mut(&place).and_then(|entry| Some((entry.handle, entry.socket_mut()?.clone())));
        let Some((handle, known)) = known.filter(|(_, socket)| socket.needs_peer()) else { return };
        let mut flags = 0;
        let asked = self.ask_socket(header.tgid, fd).unwrap_or_default();
        let socket = if asked.connected {
            Socket { prefix_left: known.prefix_left, ..asked }
        } else {
            // While the connection is under way the kernel names no peer.
            let name = named(header.tid, &message_of(header.tid, call, 0));
            let Some(remote) = name.filter(|end| matches!(end.family(), 2 | 10)) else { return };
            flags = record_flag::USER_MEMORY;
            Socket { remote, connected: true, ..known }
        };
        let record = connection(header, flags, &socket, handle, fd, result);
        self.outbox.push(&unix_names(record, &socket).finish(), header.sessions);
        if let Some(kept) = self.descriptors.get_mut(&place).and_then(Descriptor::socket_mut) {
            *kept = socket;
        }
    }

    /// A call that moves bytes has ended.
    pub(super) fn transferred(&mut self, header: &HeaderFields, call: &Call, result: i64) {
        let only_connects = call.only_connects(result);
        // Addresses are beyond the range of errors, but can look negative.
        if (-4095..0).contains(&result) && !only_connects {
            return;
        }
        for (fd, _) in call.steps() {
            self.tell_peer(header, call, fd, result.min(0));
        }
        if only_connects {
            return;
        }
        let (pid, thread) = (header.tgid, header.tid);
        let result = result.cast_unsigned();
        let counted = matches!(call.operation, Operation::SendMessages | Operation::ReceiveMessages);
        let messages: Vec<Message> = if counted {
            (0..result.min(MESSAGES_MAX))
                .map(|index| Message::read_counted(thread, call.arguments[1], index, call.narrow))
                .collect()
        } else {
            Vec::new()
        };
        let bytes = if counted { messages.iter().map(|message| message.moved).sum() } else { result };
        let mut aggregated = false;
        for (fd, outward) in call.steps() {
            let Some(entry) = self.descriptors.get_mut(&(pid, fd)) else { continue };
            if entry.object == Object::Other {
                continue;
            }
            aggregated = true;
            if call.operation == Operation::Map {
                entry.mapped = true;
                continue;
            }
            let moved = entry.add(outward, bytes);
            let handle = entry.handle;
            let Some(socket) = entry.socket_mut().filter(|_| bytes > 0) else { continue };
            if matches!(call.operation, Operation::SendFile | Operation::Splice) {
                // There are no bytes of the app's to look at, and what follows is not the beginning.
                if outward {
                    socket.prefix_left = 0;
                }
                continue;
            }
            if !socket.wants_payload(outward) {
                continue;
            }
            let messages = if counted { messages.clone() } else { vec![message_of(thread, call, bytes)] };
            let mut at = moved;
            let mut records = Vec::new();
            let mut left = Vec::new();
            for message in &messages {
                let named = socket.is_datagram().then(|| named(thread, message)).flatten();
                if let Some(peer) = named.as_ref().and_then(|named| socket.turn_to(named, outward, at)) {
                    left.push((peer, at));
                }
                let place = Place { fd, handle, outward, offset: at };
                records.extend(payload(header, call, socket, message, named, &place));
                at = at.saturating_add(message.moved);
            }
            records.extend(left.into_iter().filter_map(|(peer, sent)| entry.record_of_peer(header, fd, peer, sent)));
            records.into_iter().for_each(|record| self.outbox.push(&record, header.sessions));
        }
        if aggregated {
            self.outbox.account.seen += 1;
            self.outbox.account.aggregated += 1;
        }
    }
}

/// The record of a connection that was not made by `connect(2)`, or before it was seen.
fn connection(header: &HeaderFields, flags: u16, socket: &Socket, handle: u64, fd: i32, result: i64) -> RecordBuilder {
    RecordBuilder::new(header, record_kind::SOCKET_CONNECT, flags, socket_body::SIZE)
        .body(socket_body::RESULT, &result.to_le_bytes())
        .body(socket_body::HANDLE, &handle.to_le_bytes())
        .body(socket_body::FD, &fd.to_le_bytes())
        .body(socket_body::FAMILY, &socket.family.to_le_bytes())
        .body(socket_body::TYPE, &socket.kind.to_le_bytes())
        .body(socket_body::PROTOCOL, &socket.protocol.to_le_bytes())
        .body(socket_body::LOCAL, &socket.local.bytes)
        .body(socket_body::REMOTE, &socket.remote.bytes)
}

/// What a call with one message moves. `parts` is 0 when its second argument is the buffer itself.
fn message_of(thread: u32, call: &Call, bytes: u64) -> Message {
    let [_, second, third, _, fifth, sixth] = call.arguments;
    let message = match call.operation {
        Operation::SendMessage | Operation::ReceiveMessage => Message::read(thread, second, call.narrow),
        Operation::ReadVector | Operation::WriteVector => {
            Message { parts: second, part_count: third, ..Message::default() }
        }
        Operation::SendTo => Message { name: fifth, name_length: sixth, ..Message::default() },
        Operation::ReceiveFrom if fifth != 0 => {
            Message { name: fifth, name_length: number_at(thread, sixth, 4), ..Message::default() }
        }
        _ => Message::default(),
    };
    Message { moved: bytes, ..message }
}

/// The address that goes with a message.
fn named(thread: u32, message: &Message) -> Option<End> {
    (message.name != 0 && message.name_length != 0).then(|| {
        let length = address_length(&message.name_length.to_le_bytes());
        End::parse(&read_memory(thread, message.name, length))
    })
}

/// Where bytes go.
struct Place {
    fd: i32,
    handle: u64,
    outward: bool,
    /// In the stream, this way.
    offset: u64,
}

/// The record of a message, when it may tell a name.
fn payload(
    header: &HeaderFields,
    call: &Call,
    socket: &mut Socket,
    message: &Message,
    named: Option<End>,
    place: &Place,
) -> Option<Vec<u8>> {
    let named = named.unwrap_or_else(|| socket.remote.clone());
    let mut wanted = message.moved;
    let purpose = if socket.is_resolver() {
        payload_purpose::RESOLVER
    } else if named.port() == PORT_DNS && matches!(named.family(), 2 | 10) {
        payload_purpose::DNS
    } else if !socket.is_datagram() && place.outward && socket.prefix_left > 0 {
        wanted = wanted.min(socket.prefix_left);
        socket.prefix_left -= wanted;
        payload_purpose::STREAM_PREFIX
    } else {
        return None;
    };
    let length = usize::try_from(wanted.min(PAYLOAD_MAX)).unwrap_or(0);
    let bytes = if message.parts == 0 {
        read_memory(header.tid, call.arguments[1], length)
    } else {
        gather(header.tid, message.parts, message.part_count, call.narrow, length)
    };
    let offset = if socket.is_datagram() { 0 } else { place.offset };
    let direction = if place.outward { SENT } else { RECEIVED };
    // The bytes are read from the app's buffer after the call: another thread can have changed them since.
    let flags = record_flag::USER_MEMORY;
    let cut = (bytes.len() as u64) < wanted;
    Some(
        RecordBuilder::new(header, record_kind::SOCKET_PAYLOAD, flags, socket_payload_body::SIZE)
            .body(socket_payload_body::HANDLE, &place.handle.to_le_bytes())
            .body(socket_payload_body::OFFSET, &offset.to_le_bytes())
            .body(socket_payload_body::WIRE_LENGTH, &message.moved.to_le_bytes())
            .body(socket_payload_body::FD, &place.fd.to_le_bytes())
            .body(socket_payload_body::FAMILY, &socket.family.to_le_bytes())
            .body(socket_payload_body::TYPE, &socket.kind.to_le_bytes())
            .body(socket_payload_body::PROTOCOL, &socket.protocol.to_le_bytes())
            .body(socket_payload_body::DIRECTION, &[direction])
            .body(socket_payload_body::PURPOSE, &[purpose])
            .body(socket_payload_body::LOCAL, &socket.local.bytes)
            .body(socket_payload_body::REMOTE, &named.bytes)
            .segment_cut(segment_tag::PAYLOAD, &bytes, cut)
            .finish(),
    )
}

/// The flags that a descriptor was opened with; 0 when they cannot be read.
fn open_flags(thread: u32, fd: i32) -> u32 {
    let text = std::fs::read_to_string(format!("{PROC}/{thread}/fdinfo/{fd}")).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
        .unwrap_or(0)
}
