//! The numbers of `probe/ebpf/programs/shared_layout.h` for Rust. The header is the original; a test of the eBPF probe
//! compares the two.

/// Layout version of records and so of raw captures.
pub const RECORD_LAYOUT_VERSION: u32 = 1;
/// The longest record, header and segments included.
pub const RECORD_MAX: usize = 8192;
/// Bytes of `struct record_header`.
pub const RECORD_HEADER_LENGTH: usize = 64;
/// Where `sessions` is in the header.
pub const RECORD_SESSIONS_OFFSET: usize = 8;

macro_rules! closed_set {
    ($(#[$about:meta])* $name:ident: $number:ty { $($variant:ident = $value:literal,)* }) => {
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
        ProcessStart = 1,
        ProcessExec = 2,
        ProcessExit = 3,
        BlindSpot = 4,
        FileOpen = 16,
        FileTotals = 17,
        FileRename = 18,
        FileUnlink = 19,
        SocketConnect = 32,
        SocketBind = 33,
        SocketListen = 34,
        SocketAccept = 35,
        SocketTotals = 36,
        SocketPayload = 37,
    }
}

impl RecordKind {
    /// Bytes of the fixed body that follows the header.
    #[must_use]
    pub fn body_length(self) -> usize {
        match self {
            Self::ProcessStart => 16,
            Self::ProcessExec | Self::ProcessExit | Self::BlindSpot => 8,
            Self::FileOpen | Self::FileTotals => 48,
            Self::FileRename | Self::FileUnlink => 24,
            Self::SocketConnect | Self::SocketBind | Self::SocketListen | Self::SocketAccept => 80,
            Self::SocketTotals => 112,
            Self::SocketPayload => 88,
        }
    }
}

closed_set! {
    /// `enum segment_tag`.
    SegmentTag: u8 {
        Path = 1,
        Argument = 2,
        Base = 3,
        Argument2 = 4,
        Base2 = 5,
        CommandLine = 6,
        UnixLocal = 7,
        UnixRemote = 8,
        Payload = 9,
        TextPath = 10,
        TextBase = 11,
        TextBase2 = 12,
    }
}

/// `enum record_flag`: a segment is shorter than the original.
pub const RECORD_FLAG_CUT: u16 = 1;
/// `enum record_flag`: open, connected or running before it was first seen.
pub const RECORD_FLAG_PREEXISTING: u16 = 2;
/// `enum record_flag`: read from `/proc`, not at the moment of the act.
pub const RECORD_FLAG_SAMPLED: u16 = 4;
/// `enum record_flag`: a path or address was read from the app's memory.
pub const RECORD_FLAG_USER_MEMORY: u16 = 8;
/// `enum record_flag`: the descriptor is closed.
pub const RECORD_FLAG_CLOSED: u16 = 16;
/// `enum record_flag`: the file was mapped into memory.
pub const RECORD_FLAG_MAPPED: u16 = 32;

/// `enum segment_flag`: bytes, or leading components, are missing.
pub const SEGMENT_FLAG_CUT: u8 = 1;
/// `enum segment_flag`: the memory could not be read.
pub const SEGMENT_FLAG_UNREADABLE: u8 = 2;

/// `enum blind_spot`: `io_uring`.
pub const BLIND_SPOT_IO_URING: u32 = 1;
/// `enum blind_spot`: 32-bit system calls.
pub const BLIND_SPOT_COMPAT: u32 = 2;

/// `direction` of `struct socket_payload_body`: sent.
pub const PAYLOAD_SENT: u8 = 1;
/// `direction` of `struct socket_payload_body`: received.
pub const PAYLOAD_RECEIVED: u8 = 2;
/// `enum payload_purpose`: the first bytes of a stream.
pub const PAYLOAD_STREAM_PREFIX: u8 = 1;
/// `enum payload_purpose`: to or from port 53.
pub const PAYLOAD_DNS: u8 = 2;
