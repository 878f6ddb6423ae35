//! The raw record for Rust: the numbers of `ebpf/programs/shared_layout.h` again, and a builder and a view of records.
//!
//! * **In:** fields, or bytes. **Out:** bytes, or fields; a view trusts no length.
//! * **May import:** nothing.
//! * **Test it:** `cargo test record_layout`; with feature `ebpf` clang compares every number here with the C header.

/// Declares a C structure: its size, and the offset of each field.
macro_rules! structure {
    ($(#[$doc:meta])* $module:ident, size $size:literal, { $($name:ident = $field:literal at $offset:literal,)* }) => {
        $(#[$doc])*
        pub mod $module {
            /// Size of the structure in bytes.
            pub const SIZE: usize = $size;
            $(#[doc = concat!("Offset of `", $field, "`.")] pub const $name: usize = $offset;)*
            /// Name of each field with its offset.
            pub const FIELDS: &[(&str, usize)] = &[$(($field, $offset),)*];
        }
    };
}

/// Declares the values of a C enumeration.
macro_rules! values {
    ($(#[$doc:meta])* $module:ident: $type:ty, { $($name:ident = $c_name:literal is $value:literal,)* }) => {
        $(#[$doc])*
        pub mod $module {
            $(#[doc = concat!("`", $c_name, "`.")] pub const $name: $type = $value;)*
            /// Name of each value in C, with the value.
            pub const VALUES: &[(&str, u64)] = &[$(($c_name, $value),)*];
        }
    };
}

/// The longest record, header and segments included.
pub const RECORD_MAX: usize = 8192;
/// The most bytes of a parcel that a record carries.
pub const BINDER_PARCEL_MAX: usize = 4096;
/// The most bytes of a parcel's offsets that a record carries.
pub const BINDER_OFFSETS_MAX: usize = 512;

structure!(
    /// The header of every record.
    record_header, size 64, {
    TIME_NS = "time_ns" at 0, SESSIONS = "sessions" at 8, START_NS = "start_ns" at 16, TGID = "tgid" at 24,
    TID = "tid" at 28, UID = "uid" at 32, GID = "gid" at 36, KIND = "kind" at 40, FLAGS = "flags" at 42,
    LENGTH = "length" at 44, COMM = "comm" at 48,
});
structure!(
    /// Body of a process start.
    process_start_body, size 16, {
    PARENT_START_NS = "parent_start_ns" at 0, PARENT_TGID = "parent_tgid" at 8,
});
structure!(
    /// Body of an exec.
    process_exec_body, size 8, { RESULT = "result" at 0, });
structure!(
    /// Body of a process exit.
    process_exit_body, size 8, { WAIT_STATUS = "wait_status" at 0, });
structure!(
    /// Body of a blind spot.
    blind_spot_body, size 8, { WHAT = "what" at 0, });
structure!(
    /// Body of the importance of a process.
    process_importance_body, size 8, { OOM_SCORE_ADJ = "oom_score_adj" at 0, });
structure!(
    /// Body of the name of a process.
    process_name_body, size 8, { RESERVED = "reserved" at 0, });
structure!(
    /// Body of a file open.
    file_open_body, size 48, {
    RESULT = "result" at 0, HANDLE = "handle" at 8, INODE = "inode" at 16, DEVICE = "device" at 24, MODE = "mode" at 28,
    OPEN_FLAGS = "open_flags" at 32, DIRECTORY = "directory" at 36, FILESYSTEM = "filesystem" at 40,
});
structure!(
    /// Body of file totals, and the first part of socket totals.
    totals_body, size 48, {
    HANDLE = "handle" at 0, BYTES_IN = "bytes_in" at 8, BYTES_OUT = "bytes_out" at 16, CALLS_IN = "calls_in" at 24,
    CALLS_OUT = "calls_out" at 32, FD = "fd" at 40,
});
structure!(
    /// Body of a rename or an unlink. The header's comment says 24 bytes, and so it is.
    path_change_body, size 24, {
    RESULT = "result" at 0, DIRECTORY = "directory" at 8, DIRECTORY_2 = "directory_2" at 12,
    CALL_FLAGS = "call_flags" at 16, IS_DIRECTORY = "is_directory" at 20,
});
structure!(
    /// One end of a socket.
    socket_end, size 24, { FAMILY = "family" at 0, PORT = "port" at 2, SCOPE = "scope" at 4, ADDRESS = "address" at 8, });
structure!(
    /// Body of connect, bind, listen, accept.
    socket_body, size 80, {
    RESULT = "result" at 0, HANDLE = "handle" at 8, FD = "fd" at 16, FAMILY = "family" at 20, TYPE = "type" at 22,
    PROTOCOL = "protocol" at 24, ARGUMENT = "argument" at 28, LOCAL = "local" at 32, REMOTE = "remote" at 56,
});
structure!(
    /// Body of socket totals.
    socket_totals_body, size 112, {
    TOTALS = "totals" at 0, FAMILY = "family" at 48, TYPE = "type" at 50, PROTOCOL = "protocol" at 52,
    LOCAL = "local" at 64, REMOTE = "remote" at 88,
});
structure!(
    /// Body of a payload.
    socket_payload_body, size 88, {
    HANDLE = "handle" at 0, OFFSET = "offset" at 8, WIRE_LENGTH = "wire_length" at 16, FD = "fd" at 24,
    FAMILY = "family" at 28, TYPE = "type" at 30, PROTOCOL = "protocol" at 32, DIRECTION = "direction" at 34,
    PURPOSE = "purpose" at 35, LOCAL = "local" at 40, REMOTE = "remote" at 64,
});
structure!(
    /// Body of a binder transaction.
    binder_transaction_body, size 88, {
    DEBUG_ID = "debug_id" at 0, TARGET_NODE = "target_node" at 8, DATA_SIZE = "data_size" at 16,
    OFFSETS_SIZE = "offsets_size" at 24, RECEIVER_START_NS = "receiver_start_ns" at 32,
    RECEIVER_TGID = "receiver_tgid" at 40, RECEIVER_TID = "receiver_tid" at 44, RECEIVER_UID = "receiver_uid" at 48,
    CODE = "code" at 52, TRANSACTION_FLAGS = "transaction_flags" at 56, SENDER_EUID = "sender_euid" at 60,
    DEVICE = "device" at 64, SIDE = "side" at 66, RECEIVER_COMM = "receiver_comm" at 72,
});
structure!(
    /// Body of the end of a binder transaction.
    binder_reply_body, size 40, {
    REQUEST_DEBUG_ID = "request_debug_id" at 0, REPLY_DEBUG_ID = "reply_debug_id" at 8, DATA_SIZE = "data_size" at 16,
    OFFSETS_SIZE = "offsets_size" at 24, TRANSACTION_FLAGS = "transaction_flags" at 32, ENDING = "ending" at 36,
});
structure!(
    /// A reference that a process received with a parcel.
    binder_node_reference, size 16, { NODE = "node" at 0, HANDLE = "handle" at 8, });
structure!(
    /// Body of what the platform is.
    platform_body, size 8, { API_LEVEL = "api_level" at 0, });
structure!(
    /// Body of the methods of an interface.
    method_names_body, size 8, { SOURCE = "source" at 0, });
structure!(
    /// Body of the name of a binder node.
    binder_name_body, size 16, { NODE = "node" at 0, WHAT = "what" at 8, });
structure!(
    /// Body of a package that came, changed or went.
    package_body, size 16, { USER_ID = "user_id" at 0, CHANGE = "change" at 4, TRACED = "traced" at 6, VERSION = "version" at 8, });
structure!(
    /// Registers of a thread that made a system call.
    user_registers, size 32, { PC = "pc" at 0, SP = "sp" at 8, FP = "fp" at 16, LINK = "link" at 24, });
structure!(
    /// Whose code made a system call.
    code_origin, size 16, {
    OFFSET = "offset" at 0, CONFIDENCE = "confidence" at 8, DEPTH = "depth" at 10, BUILD_ID_LENGTH = "build_id_length" at 12,
});
structure!(
    /// In front of each segment.
    segment_header, size 4, { TAG = "tag" at 0, FLAGS = "flags" at 1, LENGTH = "length" at 2, });

values!(
    /// Kinds of records.
    record_kind: u16, {
    PROCESS_START = "RECORD_PROCESS_START" is 1, PROCESS_EXEC = "RECORD_PROCESS_EXEC" is 2,
    PROCESS_EXIT = "RECORD_PROCESS_EXIT" is 3, BLIND_SPOT = "RECORD_BLIND_SPOT" is 4,
    PROCESS_IMPORTANCE = "RECORD_PROCESS_IMPORTANCE" is 5, PROCESS_NAME = "RECORD_PROCESS_NAME" is 6,
    FILE_OPEN = "RECORD_FILE_OPEN" is 16, FILE_TOTALS = "RECORD_FILE_TOTALS" is 17,
    FILE_RENAME = "RECORD_FILE_RENAME" is 18, FILE_UNLINK = "RECORD_FILE_UNLINK" is 19,
    SOCKET_CONNECT = "RECORD_SOCKET_CONNECT" is 32, SOCKET_BIND = "RECORD_SOCKET_BIND" is 33,
    SOCKET_LISTEN = "RECORD_SOCKET_LISTEN" is 34, SOCKET_ACCEPT = "RECORD_SOCKET_ACCEPT" is 35,
    SOCKET_TOTALS = "RECORD_SOCKET_TOTALS" is 36, SOCKET_PAYLOAD = "RECORD_SOCKET_PAYLOAD" is 37,
    BINDER_TRANSACTION = "RECORD_BINDER_TRANSACTION" is 48, BINDER_REPLY = "RECORD_BINDER_REPLY" is 49,
    PLATFORM = "RECORD_PLATFORM" is 64, METHOD_NAMES = "RECORD_METHOD_NAMES" is 65,
    BINDER_NAME = "RECORD_BINDER_NAME" is 66, PACKAGE = "RECORD_PACKAGE" is 67,
});
values!(
    /// Flags of records.
    record_flag: u16, {
    CUT = "RECORD_FLAG_CUT" is 1, PREEXISTING = "RECORD_FLAG_PREEXISTING" is 2, SAMPLED = "RECORD_FLAG_SAMPLED" is 4,
    USER_MEMORY = "RECORD_FLAG_USER_MEMORY" is 8, CLOSED = "RECORD_FLAG_CLOSED" is 16, MAPPED = "RECORD_FLAG_MAPPED" is 32,
});
values!(
    /// Tags of segments.
    segment_tag: u8, {
    PATH = "SEGMENT_PATH" is 1, ARGUMENT = "SEGMENT_ARGUMENT" is 2, BASE = "SEGMENT_BASE" is 3,
    ARGUMENT_2 = "SEGMENT_ARGUMENT_2" is 4, BASE_2 = "SEGMENT_BASE_2" is 5, COMMAND_LINE = "SEGMENT_COMMAND_LINE" is 6,
    UNIX_LOCAL = "SEGMENT_UNIX_LOCAL" is 7, UNIX_REMOTE = "SEGMENT_UNIX_REMOTE" is 8, PAYLOAD = "SEGMENT_PAYLOAD" is 9,
    TEXT_PATH = "SEGMENT_TEXT_PATH" is 10, TEXT_BASE = "SEGMENT_TEXT_BASE" is 11, TEXT_BASE_2 = "SEGMENT_TEXT_BASE_2" is 12,
    PARCEL = "SEGMENT_PARCEL" is 13, OFFSETS = "SEGMENT_OFFSETS" is 14, NODES = "SEGMENT_NODES" is 15,
    NAME = "SEGMENT_NAME" is 16, ORIGIN = "SEGMENT_ORIGIN" is 17, METHODS = "SEGMENT_METHODS" is 18,
    USER_FRAMES = "SEGMENT_USER_FRAMES" is 19, USER_STACK = "SEGMENT_USER_STACK" is 20, CODE_ORIGIN = "SEGMENT_CODE_ORIGIN" is 21,
});
values!(
    /// Flags of segments.
    segment_flag: u8, { CUT = "SEGMENT_FLAG_CUT" is 1, UNREADABLE = "SEGMENT_FLAG_UNREADABLE" is 2, });
values!(
    /// Why a payload was captured.
    payload_purpose: u8, {
    STREAM_PREFIX = "PAYLOAD_STREAM_PREFIX" is 1, DNS = "PAYLOAD_DNS" is 2, RESOLVER = "PAYLOAD_RESOLVER" is 3,
});
values!(
    /// Devices of binder.
    binder_device: u16, {
    UNKNOWN = "BINDER_DEVICE_UNKNOWN" is 0, BINDER = "BINDER_DEVICE_BINDER" is 1, HWBINDER = "BINDER_DEVICE_HWBINDER" is 2,
    VNDBINDER = "BINDER_DEVICE_VNDBINDER" is 3,
});
values!(
    /// Whose copy of a parcel it is.
    binder_side: u16, { RECEIVER = "BINDER_SIDE_RECEIVER" is 1, SENDER = "BINDER_SIDE_SENDER" is 2, });
values!(
    /// How a transaction ended.
    binder_ending: u32, {
    REPLY = "BINDER_ENDING_REPLY" is 1, DEAD = "BINDER_ENDING_DEAD" is 2, FAILED = "BINDER_ENDING_FAILED" is 3,
    FROZEN = "BINDER_ENDING_FROZEN" is 4,
});
values!(
    /// Where method names come from.
    method_names_source: u32, {
    DEVICE_DEX = "METHOD_NAMES_DEVICE_DEX" is 1, SHIPPED = "METHOD_NAMES_SHIPPED" is 2, FIXED = "METHOD_NAMES_FIXED" is 3,
});
values!(
    /// What the name of a node is.
    binder_name_what: u32, { SERVICE = "BINDER_NAME_SERVICE" is 1, AUTHORITY = "BINDER_NAME_AUTHORITY" is 2, });
values!(
    /// What happened to a package.
    package_change: u16, {
    INSTALLED = "PACKAGE_INSTALLED" is 1, REPLACED = "PACKAGE_REPLACED" is 2, REMOVED = "PACKAGE_REMOVED" is 3,
});
values!(
    /// How sure it is whose code it was.
    code_confidence: u16, { CALLER = "CODE_CALLER" is 1, FRAMES = "CODE_FRAMES" is 2, LEAF = "CODE_LEAF" is 3, });
values!(
    /// Blind spots.
    blind_spot: u32, { IO_URING = "BLIND_SPOT_IO_URING" is 1, COMPAT = "BLIND_SPOT_COMPAT" is 2, });

/// The bytes of a field, or zeros when it is not there.
fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    offset
        .checked_add(N)
        .and_then(|end| bytes.get(offset..end))
        .and_then(|field| field.try_into().ok())
        .unwrap_or([0; N])
}

/// A 64-bit field; 0 when the bytes end before it.
#[must_use]
pub fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(field(bytes, offset))
}

/// A 32-bit field; 0 when the bytes end before it.
#[must_use]
pub fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(field(bytes, offset))
}

/// A 16-bit field; 0 when the bytes end before it.
#[must_use]
pub fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(field(bytes, offset))
}

/// Fields of the header that a maker of records chooses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderFields {
    /// Boot-time nanoseconds of the act.
    pub time_ns: u64,
    /// Session bits.
    pub sessions: u64,
    /// Start of the process; 0 when not known.
    pub start_ns: u64,
    /// Process.
    pub tgid: u32,
    /// Thread.
    pub tid: u32,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Name of the thread.
    pub comm: [u8; 16],
}

/// Builds one record.
#[derive(Debug)]
pub struct RecordBuilder {
    bytes: Vec<u8>,
}

impl RecordBuilder {
    /// Begins a record with a zeroed body of `body_size` bytes.
    #[must_use]
    pub fn new(header: &HeaderFields, kind: u16, flags: u16, body_size: usize) -> Self {
        let mut builder = Self { bytes: vec![0; record_header::SIZE + body_size] };
        builder.put(record_header::TIME_NS, &header.time_ns.to_le_bytes());
        builder.put(record_header::SESSIONS, &header.sessions.to_le_bytes());
        builder.put(record_header::START_NS, &header.start_ns.to_le_bytes());
        builder.put(record_header::TGID, &header.tgid.to_le_bytes());
        builder.put(record_header::TID, &header.tid.to_le_bytes());
        builder.put(record_header::UID, &header.uid.to_le_bytes());
        builder.put(record_header::GID, &header.gid.to_le_bytes());
        builder.put(record_header::KIND, &kind.to_le_bytes());
        builder.put(record_header::FLAGS, &flags.to_le_bytes());
        builder.put(record_header::COMM, &header.comm);
        builder
    }

    /// Continues a finished record, such as one that the kernel made.
    #[must_use]
    pub fn continue_from(record: &[u8]) -> Self {
        Self { bytes: record.to_vec() }
    }

    fn put(&mut self, offset: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(offset..offset + value.len()) {
            place.copy_from_slice(value);
        }
    }

    /// Writes a field of the body.
    #[must_use]
    pub fn body(mut self, offset: usize, value: &[u8]) -> Self {
        self.put(record_header::SIZE + offset, value);
        self
    }

    /// Writes a field of the header.
    #[must_use]
    pub fn header(mut self, offset: usize, value: &[u8]) -> Self {
        self.put(offset, value);
        self
    }

    /// Appends a segment, cut where the record would become too long.
    #[must_use]
    pub fn segment(mut self, tag: u8, bytes: &[u8]) -> Self {
        let room = RECORD_MAX.saturating_sub(self.bytes.len() + segment_header::SIZE).min(usize::from(u16::MAX));
        let kept = bytes.get(..room).unwrap_or(bytes);
        let mut flags = 0;
        if kept.len() < bytes.len() {
            flags = segment_flag::CUT;
            let record_flags = u16_at(&self.bytes, record_header::FLAGS) | record_flag::CUT;
            self.put(record_header::FLAGS, &record_flags.to_le_bytes());
        }
        self.bytes.extend_from_slice(&[tag, flags]);
        self.bytes.extend_from_slice(&u16::try_from(kept.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.bytes.extend_from_slice(kept);
        self
    }

    /// Appends a segment whose bytes are fewer than there were, when `cut`.
    #[must_use]
    pub fn segment_cut(self, tag: u8, bytes: &[u8], cut: bool) -> Self {
        self.segment_flagged(tag, bytes, if cut { segment_flag::CUT } else { 0 })
    }

    /// Appends a segment with these flags, and with more when it has to be cut here.
    #[must_use]
    pub fn segment_flagged(self, tag: u8, bytes: &[u8], flags: u8) -> Self {
        let at = self.bytes.len() + segment_header::FLAGS;
        let mut builder = self.segment(tag, bytes);
        if let Some(place) = builder.bytes.get_mut(at) {
            *place |= flags;
        }
        builder
    }

    /// The finished record.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.put(record_header::LENGTH, &length.to_le_bytes());
        self.bytes
    }
}

/// A record, seen field by field.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'a> {
    bytes: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// A view of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Kind of the record.
    #[must_use]
    pub fn kind(&self) -> u16 {
        u16_at(self.bytes, record_header::KIND)
    }

    /// Flags of the record.
    #[must_use]
    pub fn flags(&self) -> u16 {
        u16_at(self.bytes, record_header::FLAGS)
    }

    /// Boot-time nanoseconds of the act.
    #[must_use]
    pub fn time_ns(&self) -> u64 {
        u64_at(self.bytes, record_header::TIME_NS)
    }

    /// The sessions that it belongs to, as bits.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        u64_at(self.bytes, record_header::SESSIONS)
    }

    /// The process.
    #[must_use]
    pub fn tgid(&self) -> u32 {
        u32_at(self.bytes, record_header::TGID)
    }

    /// Fields of the header.
    #[must_use]
    pub fn header(&self) -> HeaderFields {
        HeaderFields {
            time_ns: self.time_ns(),
            sessions: self.sessions(),
            start_ns: u64_at(self.bytes, record_header::START_NS),
            tgid: self.tgid(),
            tid: u32_at(self.bytes, record_header::TID),
            uid: u32_at(self.bytes, record_header::UID),
            gid: u32_at(self.bytes, record_header::GID),
            comm: field(self.bytes, record_header::COMM),
        }
    }

    /// Fixed body and segments.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.bytes.get(record_header::SIZE..).unwrap_or_default()
    }

    /// Tag, flags and bytes of each segment after a body of `body_size` bytes; ends where the record is damaged.
    pub fn segments(&self, body_size: usize) -> impl Iterator<Item = (u8, u8, &'a [u8])> + use<'a> {
        let mut rest = self.body().get(body_size..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (header, after) = rest.split_at_checked(segment_header::SIZE)?;
            let [tag, flags, ..] = *header else { return None };
            let (bytes, next) = after.split_at_checked(usize::from(u16_at(header, segment_header::LENGTH)))?;
            rest = next;
            Some((tag, flags, bytes))
        })
    }

    /// The size of the fixed body of a kind; 0 for an unknown one.
    #[must_use]
    pub fn body_size(kind: u16) -> usize {
        match kind {
            record_kind::PROCESS_START => process_start_body::SIZE,
            record_kind::PROCESS_EXEC => process_exec_body::SIZE,
            record_kind::PROCESS_EXIT => process_exit_body::SIZE,
            record_kind::BLIND_SPOT => blind_spot_body::SIZE,
            record_kind::PROCESS_IMPORTANCE => process_importance_body::SIZE,
            record_kind::PROCESS_NAME => process_name_body::SIZE,
            record_kind::FILE_OPEN => file_open_body::SIZE,
            record_kind::FILE_TOTALS => totals_body::SIZE,
            record_kind::FILE_RENAME | record_kind::FILE_UNLINK => path_change_body::SIZE,
            record_kind::SOCKET_CONNECT
            | record_kind::SOCKET_BIND
            | record_kind::SOCKET_LISTEN
            | record_kind::SOCKET_ACCEPT => socket_body::SIZE,
            record_kind::SOCKET_TOTALS => socket_totals_body::SIZE,
            record_kind::SOCKET_PAYLOAD => socket_payload_body::SIZE,
            record_kind::BINDER_TRANSACTION => binder_transaction_body::SIZE,
            record_kind::BINDER_REPLY => binder_reply_body::SIZE,
            record_kind::PLATFORM => platform_body::SIZE,
            record_kind::METHOD_NAMES => method_names_body::SIZE,
            record_kind::BINDER_NAME => binder_name_body::SIZE,
            record_kind::PACKAGE => package_body::SIZE,
            _ => 0,
        }
    }
}
