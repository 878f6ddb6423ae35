//! Builds records byte by byte, for tests and benches. Not part of the interface.

use super::layout::{RECORD_HEADER_LENGTH, RECORD_SESSIONS_OFFSET, RecordKind, SegmentTag};

/// Family of an end that is not known.
const UNKNOWN_END: [u8; 24] = [0; 24];

/// A record in the making. It begins with process 100 (started at 5 s), thread 101, user 10001, session slot 0, time 7 s.
#[derive(Debug, Clone)]
pub struct RecordBuilder {
    bytes: Vec<u8>,
}

impl RecordBuilder {
    /// A record of `kind` with this fixed body.
    #[must_use]
    pub fn new(kind: RecordKind, body: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(256);
        for number in [7_000_000_000_u64, 1, 5_000_000_000] {
            bytes.extend(number.to_le_bytes());
        }
        for number in [100_u32, 101, 10_001, 10_001] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(kind.number().to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(b"com.example.app\0");
        debug_assert_eq!(bytes.len(), RECORD_HEADER_LENGTH, "the header has its length");
        debug_assert_eq!(body.len(), kind.body_length(), "the body has the length of its kind");
        bytes.extend(body);
        Self { bytes }
    }

    fn put(mut self, offset: usize, value: &[u8]) -> Self {
        if let Some(field) = self.bytes.get_mut(offset..offset + value.len()) {
            field.copy_from_slice(value);
        }
        self
    }

    /// Sets the time.
    #[must_use]
    pub fn time(self, time_ns: u64) -> Self {
        self.put(0, &time_ns.to_le_bytes())
    }

    /// Sets the sessions.
    #[must_use]
    pub fn sessions(self, sessions: u64) -> Self {
        self.put(RECORD_SESSIONS_OFFSET, &sessions.to_le_bytes())
    }

    /// Sets process and thread to `pid`, and the start of the process.
    #[must_use]
    pub fn process(self, pid: u32, start_ns: u64) -> Self {
        let (start, pid) = (start_ns.to_le_bytes(), pid.to_le_bytes());
        self.put(16, &start).put(24, &pid).put(28, &pid)
    }

    /// Sets the user id.
    #[must_use]
    pub fn user(self, uid: u32) -> Self {
        self.put(32, &uid.to_le_bytes())
    }

    /// Sets the flags.
    #[must_use]
    pub fn flags(self, flags: u16) -> Self {
        self.put(42, &flags.to_le_bytes())
    }

    /// Appends a segment.
    #[must_use]
    pub fn segment(self, tag: SegmentTag, bytes: &[u8]) -> Self {
        self.flagged_segment(tag, 0, bytes)
    }

    /// Appends a segment with flags.
    #[must_use]
    pub fn flagged_segment(mut self, tag: SegmentTag, flags: u8, bytes: &[u8]) -> Self {
        self.bytes.extend([tag.number(), flags]);
        self.bytes.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.bytes.extend(bytes);
        self
    }

    /// The record, with its length filled in.
    #[must_use]
    pub fn build(self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.put(44, &length.to_le_bytes()).bytes
    }

    /// A process was created.
    #[must_use]
    pub fn process_start(parent_pid: u32, parent_start_ns: u64) -> Self {
        let body = [&parent_start_ns.to_le_bytes()[..], &parent_pid.to_le_bytes(), &[0; 4]].concat();
        Self::new(RecordKind::ProcessStart, &body)
    }

    /// A process replaced its program.
    #[must_use]
    pub fn process_exec(result: i64) -> Self {
        Self::new(RecordKind::ProcessExec, &result.to_le_bytes())
    }

    /// A process ended.
    #[must_use]
    pub fn process_exit(wait_status: i32) -> Self {
        Self::new(RecordKind::ProcessExit, &[wait_status.to_le_bytes(), [0; 4]].concat())
    }

    /// What a process is worth to the system.
    #[must_use]
    pub fn process_importance(oom_score_adj: i32) -> Self {
        Self::new(RecordKind::ProcessImportance, &[oom_score_adj.to_le_bytes(), [0; 4]].concat())
    }

    /// A process was found with a name.
    #[must_use]
    pub fn process_name(name: &str) -> Self {
        Self::new(RecordKind::ProcessName, &[0; 8]).segment(SegmentTag::Name, name.as_bytes())
    }

    /// A package was installed (1), replaced (2) or removed (3).
    #[must_use]
    pub fn package(name: &str, user_id: u32, change: u16) -> Self {
        let body = [&user_id.to_le_bytes()[..], &change.to_le_bytes(), &[0, 0], &(-1_i64).to_le_bytes()].concat();
        Self::new(RecordKind::Package, &body).segment(SegmentTag::Name, name.as_bytes())
    }

    /// A blind spot.
    #[must_use]
    pub fn blind_spot(what: u32) -> Self {
        Self::new(RecordKind::BlindSpot, &[what.to_le_bytes(), [0; 4]].concat())
    }

    /// A file was opened: the descriptor or a negative errno.
    #[must_use]
    pub fn file_open(result: i64, handle: u64, open_flags: u32) -> Self {
        let mut body = [result.to_le_bytes(), handle.to_le_bytes(), 0x1234_u64.to_le_bytes()].concat();
        for number in [8_u32 << 20 | 1, 0o100_644, open_flags, 0xffff_ff9c, 0xef53, 0] {
            body.extend(number.to_le_bytes());
        }
        Self::new(RecordKind::FileOpen, &body)
    }

    fn totals_body(handle: u64, fd: i32, [bytes_in, bytes_out, calls_in, calls_out]: [u64; 4]) -> Vec<u8> {
        let mut body = Vec::new();
        for number in [handle, bytes_in, bytes_out, calls_in, calls_out] {
            body.extend(number.to_le_bytes());
        }
        body.extend(fd.to_le_bytes());
        body.extend([0; 4]);
        body
    }

    /// Totals of a file: bytes read, bytes written, read calls, write calls.
    #[must_use]
    pub fn file_totals(handle: u64, fd: i32, counts: [u64; 4]) -> Self {
        Self::new(RecordKind::FileTotals, &Self::totals_body(handle, fd, counts))
    }

    /// A rename (`kind` [`RecordKind::FileRename`]) or an unlink.
    #[must_use]
    pub fn path_change(kind: RecordKind, result: i64, directory: bool) -> Self {
        let mut body = result.to_le_bytes().to_vec();
        for number in [-100_i32, -100, 0, i32::from(directory)] {
            body.extend(number.to_le_bytes());
        }
        Self::new(kind, &body)
    }

    /// An end of an IPv4 socket.
    #[must_use]
    pub fn ipv4_end(address: [u8; 4], port: u16) -> [u8; 24] {
        let mut end = [0; 24];
        end[..2].copy_from_slice(&2_u16.to_le_bytes());
        end[2..4].copy_from_slice(&port.to_le_bytes());
        end[8..12].copy_from_slice(&address);
        end
    }

    /// An end of an IPv6 socket.
    #[must_use]
    pub fn ipv6_end(address: [u8; 16], port: u16) -> [u8; 24] {
        let mut end = [0; 24];
        end[..2].copy_from_slice(&10_u16.to_le_bytes());
        end[2..4].copy_from_slice(&port.to_le_bytes());
        end[8..].copy_from_slice(&address);
        end
    }

    /// An end of a Unix socket; the name goes into a segment.
    #[must_use]
    pub fn unix_end() -> [u8; 24] {
        let mut end = [0; 24];
        end[0] = 1;
        end
    }

    /// An act on a socket of `family`, `socket_type`, protocol 0: `result`, `handle`, `fd`; `argument` is the backlog.
    #[must_use]
    pub fn socket(
        kind: RecordKind,
        (result, handle, fd, argument): (i64, u64, i32, i32),
        (family, socket_type): (u16, u16),
        local: Option<[u8; 24]>,
        remote: Option<[u8; 24]>,
    ) -> Self {
        let mut body = [result.to_le_bytes(), handle.to_le_bytes()].concat();
        body.extend(fd.to_le_bytes());
        for number in [family, socket_type, 0, 0] {
            body.extend(number.to_le_bytes());
        }
        body.extend(argument.to_le_bytes());
        body.extend(local.unwrap_or(UNKNOWN_END));
        body.extend(remote.unwrap_or(UNKNOWN_END));
        Self::new(kind, &body)
    }

    /// Totals of a TCP socket over IPv4: bytes received, bytes sent, receive calls, send calls.
    #[must_use]
    pub fn socket_totals(handle: u64, fd: i32, counts: [u64; 4], remote: Option<[u8; 24]>) -> Self {
        let mut body = Self::totals_body(handle, fd, counts);
        for number in [2_u16, 1, 6, 0, 0, 0, 0, 0] {
            body.extend(number.to_le_bytes());
        }
        body.extend(UNKNOWN_END);
        body.extend(remote.unwrap_or(UNKNOWN_END));
        Self::new(RecordKind::SocketTotals, &body)
    }

    /// Bytes of an IPv4 socket of `socket_type`; `purpose` and `direction` as in the layout.
    #[must_use]
    pub fn payload(
        (handle, fd, socket_type): (u64, i32, u16),
        (direction, purpose): (u8, u8),
        offset: u64,
        wire_length: usize,
        remote: Option<[u8; 24]>,
        bytes: &[u8],
    ) -> Self {
        let mut body = Vec::new();
        for number in [handle, offset, wire_length as u64] {
            body.extend(number.to_le_bytes());
        }
        body.extend(fd.to_le_bytes());
        for number in [2_u16, socket_type, 0] {
            body.extend(number.to_le_bytes());
        }
        body.extend([direction, purpose, 0, 0, 0, 0]);
        body.extend(UNKNOWN_END);
        body.extend(remote.unwrap_or(UNKNOWN_END));
        Self::new(RecordKind::SocketPayload, &body).segment(SegmentTag::Payload, bytes)
    }
}

/// Fields of a binder transaction that tests choose.
#[derive(Debug, Clone, Copy)]
pub struct Transaction {
    /// Number of the transaction.
    pub debug_id: u64,
    /// Number of the node.
    pub node: u64,
    /// Code.
    pub code: u32,
    /// Flags: 1 is one-way.
    pub flags: u32,
    /// Bytes of the whole parcel.
    pub size: u64,
}

impl RecordBuilder {
    /// A binder transaction to process 200 of user 10200. The parcel goes into a segment.
    #[must_use]
    pub fn binder_transaction(transaction: Transaction) -> Self {
        let Transaction { debug_id, node, code, flags, size } = transaction;
        let mut body = Vec::new();
        for number in [debug_id, node, size, 0, 6_000_000_000_u64] {
            body.extend(number.to_le_bytes());
        }
        for number in [200_u32, 201, 10_200, code, flags, 10_001] {
            body.extend(number.to_le_bytes());
        }
        body.extend([1, 0, 1, 0, 0, 0, 0, 0]);
        body.extend(b"example.service\0");
        Self::new(RecordKind::BinderTransaction, &body)
    }

    /// The end of the transaction `request`; `ending` as in the layout.
    #[must_use]
    pub fn binder_reply(request: u64, ending: u32, flags: u32, size: u64) -> Self {
        let mut body = Vec::new();
        for number in [request, request + 1, size, 0_u64] {
            body.extend(number.to_le_bytes());
        }
        body.extend(flags.to_le_bytes());
        body.extend(ending.to_le_bytes());
        Self::new(RecordKind::BinderReply, &body)
    }

    /// The API level.
    #[must_use]
    pub fn platform(api_level: u32) -> Self {
        Self::new(RecordKind::Platform, &[api_level.to_le_bytes(), [0; 4]].concat())
    }

    /// Methods of an interface, read from the device.
    #[must_use]
    pub fn method_names(interface: &str, methods: &[(u32, &str)]) -> Self {
        let mut list = Vec::new();
        for (code, name) in methods {
            list.extend(code.to_le_bytes());
            list.extend(name.as_bytes());
            list.push(0);
        }
        Self::new(RecordKind::MethodNames, &[1_u32.to_le_bytes(), [0; 4]].concat())
            .segment(SegmentTag::Name, interface.as_bytes())
            .segment(SegmentTag::Origin, b"/system/framework/framework.jar")
            .segment(SegmentTag::Methods, &list)
    }

    /// A node is a service (`what` 1) or serves an authority (2).
    #[must_use]
    pub fn binder_name(node: u64, what: u32, name: &str) -> Self {
        let body = [&node.to_le_bytes()[..], &what.to_le_bytes(), &[0; 4]].concat();
        Self::new(RecordKind::BinderName, &body).segment(SegmentTag::Name, name.as_bytes())
    }
}

/// A realistic record of every kind.
#[must_use]
pub fn samples() -> Vec<(RecordKind, Vec<u8>)> {
    use RecordKind as Kind;
    let server = Some(RecordBuilder::ipv4_end([192, 0, 2, 1], 443));
    let near = Some(RecordBuilder::ipv4_end([192, 0, 2, 77], 40_000));
    let tcp = (2, 1);
    let path = b"IMG_20240101_120000.jpg\0Camera\0DCIM\x000\0emulated\0storage\0";
    let name = b"/storage/emulated/0/DCIM/Camera/IMG_20240101_120000.jpg";
    let request = b"GET /v1/config?id=17 HTTP/1.1\r\nHost: api.example.com\r\nAccept: */*\r\n\r\n";
    let records = [
        (Kind::ProcessStart, RecordBuilder::process_start(99, 4_000_000_000)),
        (
            Kind::ProcessExec,
            RecordBuilder::process_exec(0)
                .segment(SegmentTag::Path, b"curl\0bin\0usr\0")
                .segment(SegmentTag::Argument, b"/usr/bin/curl")
                .segment(SegmentTag::CommandLine, b"curl\0-s\0https://api.example.com/\0"),
        ),
        (Kind::ProcessExit, RecordBuilder::process_exit(0)),
        (Kind::ProcessName, RecordBuilder::process_name("com.example.app:remote")),
        (Kind::BlindSpot, RecordBuilder::blind_spot(1)),
        (Kind::ProcessImportance, RecordBuilder::process_importance(900)),
        (
            Kind::FileOpen,
            RecordBuilder::file_open(5, 1, 0o2_000_000)
                .segment(SegmentTag::Path, path)
                .segment(SegmentTag::Argument, name),
        ),
        (Kind::FileTotals, RecordBuilder::file_totals(1, 5, [4096, 0, 1, 0])),
        (
            Kind::FileRename,
            RecordBuilder::path_change(Kind::FileRename, 0, false)
                .segment(SegmentTag::Argument, b"/data/a.tmp")
                .segment(SegmentTag::Argument2, b"/data/a"),
        ),
        (
            Kind::FileUnlink,
            RecordBuilder::path_change(Kind::FileUnlink, 0, false).segment(SegmentTag::Argument, b"/data/a"),
        ),
        (Kind::SocketConnect, RecordBuilder::socket(Kind::SocketConnect, (0, 2, 6, 0), tcp, near, server)),
        (Kind::SocketBind, RecordBuilder::socket(Kind::SocketBind, (0, 3, 7, 0), tcp, near, None)),
        (Kind::SocketListen, RecordBuilder::socket(Kind::SocketListen, (0, 3, 7, 128), tcp, near, None)),
        (Kind::SocketAccept, RecordBuilder::socket(Kind::SocketAccept, (8, 4, 8, 0), tcp, near, server)),
        (Kind::SocketTotals, RecordBuilder::socket_totals(2, 6, [1000, 200, 3, 1], server)),
        (
            Kind::BinderTransaction,
            RecordBuilder::binder_transaction(Transaction { debug_id: 7, node: 3, code: 1, flags: 0x11, size: 60 })
                .segment(SegmentTag::Parcel, &getter()),
        ),
        (Kind::BinderReply, RecordBuilder::binder_reply(7, 1, 0, 4).segment(SegmentTag::Parcel, &[0; 4])),
        (Kind::Platform, RecordBuilder::platform(33)),
        (Kind::MethodNames, RecordBuilder::method_names("example.IGetter", &[(1, "get"), (2, "getAll")])),
        (Kind::BinderName, RecordBuilder::binder_name(3, 1, "getter")),
        (Kind::Package, RecordBuilder::package("com.example.new", 10_124, 1)),
        (Kind::SocketPayload, RecordBuilder::payload((2, 6, 1), (1, 1), 0, request.len(), server, request)),
    ];
    records.into_iter().map(|(kind, record)| (kind, record.build())).collect()
}

/// A parcel of Android 11 and later that asks `example.IGetter` for something.
fn getter() -> Vec<u8> {
    let mut parcel = Vec::new();
    for word in [0x8000_0000_u32, 0xffff_ffff, 0x5359_5354, 15] {
        parcel.extend(word.to_le_bytes());
    }
    for unit in "example.IGetter\0".encode_utf16() {
        parcel.extend(unit.to_le_bytes());
    }
    parcel
}
