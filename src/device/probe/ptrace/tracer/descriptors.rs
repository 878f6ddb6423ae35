//! Open descriptors: what each is, and what went through it.

use super::super::super::record_layout::{
    HeaderFields, RecordBuilder, record_flag, record_kind, segment_tag, socket_totals_body, totals_body,
};
use super::sockets::{End, Socket};

/// What is open under a descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    File,
    Socket(Box<Socket>),
    /// A pipe, an event descriptor and the like: nothing is told of it.
    Other,
}

/// One open descriptor of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) object: Object,
    /// Names it within its process.
    pub(super) handle: u64,
    pub(super) mapped: bool,
    /// Bytes in and out, calls in and out.
    totals: [u64; 4],
    /// What was last told of it.
    told: ([u64; 4], bool),
}

impl Descriptor {
    pub(super) fn new(object: Object, handle: u64) -> Self {
        Self { object, handle, mapped: false, totals: [0; 4], told: ([0; 4], false) }
    }

    /// Adds a call; gives the bytes that had gone this way before.
    pub(super) fn add(&mut self, outward: bool, bytes: u64) -> u64 {
        let [bytes_in, bytes_out, calls_in, calls_out] = &mut self.totals;
        let (sum, calls) = if outward { (bytes_out, calls_out) } else { (bytes_in, calls_in) };
        let before = *sum;
        *sum = sum.saturating_add(bytes);
        *calls += 1;
        before
    }

    /// Whether something changed since it was last told of.
    pub(super) fn has_news(&mut self) -> bool {
        let now = (self.totals, self.mapped);
        std::mem::replace(&mut self.told, now) != now
    }

    /// Its totals as a record; none for what nothing is told of.
    pub(super) fn record(&self, header: &HeaderFields, fd: i32, closed: bool) -> Option<Vec<u8>> {
        let mut flags = if self.mapped { record_flag::MAPPED } else { 0 };
        if closed {
            flags |= record_flag::CLOSED;
        }
        let (kind, size) = match &self.object {
            Object::File => (record_kind::FILE_TOTALS, totals_body::SIZE),
            Object::Socket(_) => (record_kind::SOCKET_TOTALS, socket_totals_body::SIZE),
            Object::Other => return None,
        };
        let mut builder = RecordBuilder::new(header, kind, flags, size)
            .body(totals_body::HANDLE, &self.handle.to_le_bytes())
            .body(totals_body::BYTES_IN, &self.totals.map(u64::to_le_bytes).concat())
            .body(totals_body::FD, &fd.to_le_bytes());
        if let Object::Socket(socket) = &self.object {
            builder = builder
                .body(socket_totals_body::FAMILY, &socket.family.to_le_bytes())
                .body(socket_totals_body::TYPE, &socket.kind.to_le_bytes())
                .body(socket_totals_body::PROTOCOL, &socket.protocol.to_le_bytes())
                .body(socket_totals_body::LOCAL, &socket.local.bytes)
                .body(socket_totals_body::REMOTE, &socket.remote.bytes);
            builder = unix_names(builder, socket);
        }
        Some(builder.finish())
    }

    /// What had gone to a peer of an unconnected datagram socket before `bytes_out` became more, as totals.
    pub(super) fn record_of_peer(&self, header: &HeaderFields, fd: i32, peer: End, bytes_out: u64) -> Option<Vec<u8>> {
        let Object::Socket(socket) = &self.object else { return None };
        let socket = Socket { remote: peer, ..(**socket).clone() };
        let [bytes_in, _, calls_in, calls_out] = self.totals;
        let then = Self {
            object: Object::Socket(Box::new(socket)),
            totals: [bytes_in, bytes_out, calls_in, calls_out.saturating_sub(1).max(1)],
            ..self.clone()
        };
        then.record(header, fd, false)
    }

    /// The socket, if it is one.
    pub(super) fn socket_mut(&mut self) -> Option<&mut Socket> {
        match &mut self.object {
            Object::Socket(socket) => Some(socket),
            _ => None,
        }
    }
}

/// Adds the names of a Unix socket.
pub(super) fn unix_names(mut builder: RecordBuilder, socket: &Socket) -> RecordBuilder {
    if socket.is_unix() {
        for (tag, end) in [(segment_tag::UNIX_LOCAL, &socket.local), (segment_tag::UNIX_REMOTE, &socket.remote)] {
            if !end.name.is_empty() {
                builder = builder.segment(tag, &end.name);
            }
        }
    }
    builder
}
