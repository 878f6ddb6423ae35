//! The numbers of [`record_layout`](crate::device::probe::record_layout) as closed sets, so that a match over the kinds of
//! records does not compile until it knows each.

use crate::device::probe::record_layout::{
    self, blind_spot, payload_purpose, record_flag, record_header, record_kind, segment_flag, segment_tag,
};

/// Layout version of records and so of raw captures.
pub const RECORD_LAYOUT_VERSION: u32 = 1;
/// The longest record, header and segments included.
pub const RECORD_MAX: usize = record_layout::RECORD_MAX;
/// Bytes of `struct record_header`.
pub const RECORD_HEADER_LENGTH: usize = record_header::SIZE;
/// Where `sessions` is in the header.
pub const RECORD_SESSIONS_OFFSET: usize = record_header::SESSIONS;

macro_rules! closed_set {
    ($(#[$about:meta])* $name:ident: $number:ty { $($variant:ident = $value:path,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr($number)]
        #[allow(missing_docs, reason = "the header says what each means")]
        pub enum $name { $($variant = $value,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value of this number, if there is one.
            #[must_use]
            pub fn from_number(number: $number) -> Option<Self> {
                match number { $($value => Some(Self::$variant),)* _ => None }
            }

            /// Its number.
            #[must_use]
            pub fn number(self) -> $number {
                self as $number
            }
        }
    };
}

closed_set! {
    /// `enum record_kind`.
    RecordKind: u16 {
        ProcessStart = record_kind::PROCESS_START,
        ProcessExec = record_kind::PROCESS_EXEC,
        ProcessExit = record_kind::PROCESS_EXIT,
        BlindSpot = record_kind::BLIND_SPOT,
        ProcessImportance = record_kind::PROCESS_IMPORTANCE,
        ProcessName = record_kind::PROCESS_NAME,
        FileOpen = record_kind::FILE_OPEN,
        FileTotals = record_kind::FILE_TOTALS,
        FileRename = record_kind::FILE_RENAME,
        FileUnlink = record_kind::FILE_UNLINK,
        SocketConnect = record_kind::SOCKET_CONNECT,
        SocketBind = record_kind::SOCKET_BIND,
        SocketListen = record_kind::SOCKET_LISTEN,
        SocketAccept = record_kind::SOCKET_ACCEPT,
        SocketTotals = record_kind::SOCKET_TOTALS,
        SocketPayload = record_kind::SOCKET_PAYLOAD,
        BinderTransaction = record_kind::BINDER_TRANSACTION,
        BinderReply = record_kind::BINDER_REPLY,
        Platform = record_kind::PLATFORM,
        MethodNames = record_kind::METHOD_NAMES,
        BinderName = record_kind::BINDER_NAME,
        Package = record_kind::PACKAGE,
    }
}

impl RecordKind {
    /// Bytes of the fixed body that follows the header.
    #[must_use]
    pub fn body_length(self) -> usize {
        match self {
            Self::ProcessStart => record_layout::process_start_body::SIZE,
            Self::ProcessExec => record_layout::process_exec_body::SIZE,
            Self::ProcessExit => record_layout::process_exit_body::SIZE,
            Self::BlindSpot => record_layout::blind_spot_body::SIZE,
            Self::ProcessImportance => record_layout::process_importance_body::SIZE,
            Self::ProcessName => record_layout::process_name_body::SIZE,
            Self::FileOpen => record_layout::file_open_body::SIZE,
            Self::FileTotals => record_layout::totals_body::SIZE,
            Self::FileRename | Self::FileUnlink => record_layout::path_change_body::SIZE,
            Self::SocketConnect | Self::SocketBind | Self::SocketListen | Self::SocketAccept => {
                record_layout::socket_body::SIZE
            }
            Self::SocketTotals => record_layout::socket_totals_body::SIZE,
            Self::SocketPayload => record_layout::socket_payload_body::SIZE,
            Self::BinderTransaction => record_layout::binder_transaction_body::SIZE,
            Self::BinderReply => record_layout::binder_reply_body::SIZE,
            Self::Platform => record_layout::platform_body::SIZE,
            Self::MethodNames => record_layout::method_names_body::SIZE,
            Self::BinderName => record_layout::binder_name_body::SIZE,
            Self::Package => record_layout::package_body::SIZE,
        }
    }
}

closed_set! {
    /// `enum segment_tag`.
    SegmentTag: u8 {
        Path = segment_tag::PATH,
        Argument = segment_tag::ARGUMENT,
        Base = segment_tag::BASE,
        Argument2 = segment_tag::ARGUMENT_2,
        Base2 = segment_tag::BASE_2,
        CommandLine = segment_tag::COMMAND_LINE,
        UnixLocal = segment_tag::UNIX_LOCAL,
        UnixRemote = segment_tag::UNIX_REMOTE,
        Payload = segment_tag::PAYLOAD,
        TextPath = segment_tag::TEXT_PATH,
        TextBase = segment_tag::TEXT_BASE,
        TextBase2 = segment_tag::TEXT_BASE_2,
        Parcel = segment_tag::PARCEL,
        Offsets = segment_tag::OFFSETS,
        Nodes = segment_tag::NODES,
        Name = segment_tag::NAME,
        Origin = segment_tag::ORIGIN,
        Methods = segment_tag::METHODS,
        UserFrames = segment_tag::USER_FRAMES,
        UserStack = segment_tag::USER_STACK,
        CodeOrigin = segment_tag::CODE_ORIGIN,
    }
}

/// `enum record_flag`: a segment is shorter than the original.
pub const RECORD_FLAG_CUT: u16 = record_flag::CUT;
/// `enum record_flag`: open, connected or running before it was first seen.
pub const RECORD_FLAG_PREEXISTING: u16 = record_flag::PREEXISTING;
/// `enum record_flag`: read from `/proc`, not at the moment of the act.
pub const RECORD_FLAG_SAMPLED: u16 = record_flag::SAMPLED;
/// `enum record_flag`: a path or address was read from the app's memory.
pub const RECORD_FLAG_USER_MEMORY: u16 = record_flag::USER_MEMORY;
/// `enum record_flag`: the descriptor is closed.
pub const RECORD_FLAG_CLOSED: u16 = record_flag::CLOSED;
/// `enum record_flag`: the file was mapped into memory.
pub const RECORD_FLAG_MAPPED: u16 = record_flag::MAPPED;

/// `enum segment_flag`: bytes, or leading components, are missing.
pub const SEGMENT_FLAG_CUT: u8 = segment_flag::CUT;
/// `enum segment_flag`: the memory could not be read.
pub const SEGMENT_FLAG_UNREADABLE: u8 = segment_flag::UNREADABLE;

/// `enum blind_spot`: `io_uring`.
pub const BLIND_SPOT_IO_URING: u32 = blind_spot::IO_URING;
/// `enum blind_spot`: 32-bit system calls.
pub const BLIND_SPOT_COMPAT: u32 = blind_spot::COMPAT;

/// `direction` of `struct socket_payload_body`: sent.
pub const PAYLOAD_SENT: u8 = 1;
/// `direction` of `struct socket_payload_body`: received.
pub const PAYLOAD_RECEIVED: u8 = 2;
/// `enum payload_purpose`: the first bytes of a stream.
pub const PAYLOAD_STREAM_PREFIX: u8 = payload_purpose::STREAM_PREFIX;
/// `enum payload_purpose`: to or from the system's resolver.
pub const PAYLOAD_RESOLVER: u8 = payload_purpose::RESOLVER;
/// `enum payload_purpose`: to or from port 53.
pub const PAYLOAD_DNS: u8 = payload_purpose::DNS;
