//! What can be wrong with a record.

use thiserror::Error;

/// A record that cannot be decoded. It is counted as lost at stage `decode`, under [`DecodeError::reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Shorter than a record header.
    #[error("a record of {length} bytes is shorter than its header of 64 bytes")]
    TooShort {
        /// Bytes there are.
        length: usize,
    },
    /// The header claims more bytes than there are.
    #[error("the record says it has {claimed} bytes, but {available} arrived")]
    Truncated {
        /// Length field of the header.
        claimed: u32,
        /// Bytes there are.
        available: usize,
    },
    /// The header claims a length no record can have.
    #[error("no record can have the length {claimed}")]
    ImpossibleLength {
        /// Length field of the header.
        claimed: u32,
    },
    /// A kind that this version does not know.
    #[error("record kind {0} is not known to this version")]
    UnknownKind(u16),
    /// The fixed body of the kind does not fit.
    #[error("the body of a record of kind {kind} is cut off")]
    BodyTruncated {
        /// Kind field of the header.
        kind: u16,
    },
    /// A segment runs past the end of the record.
    #[error("segment {tag} runs past the end of the record")]
    SegmentOverrun {
        /// Tag of the segment; 0 when its own header is cut off.
        tag: u8,
    },
    /// A segment tag that this version does not know.
    #[error("segment tag {0} is not known to this version")]
    UnknownSegment(u8),
    /// The same segment occurs twice.
    #[error("segment tag {0} occurs twice in one record")]
    DuplicateSegment(u8),
    /// The record is whole, but what a message was made of could not be read from the app's memory.
    #[error("the memory of the app that held a message of {length} bytes could not be read")]
    MemoryUnreadable {
        /// Bytes that the call moved.
        length: u64,
    },
    /// A field with a closed set of values holds another one.
    #[error("{field} has the unknown value {value}")]
    UnknownValue {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u32,
    },
}

impl DecodeError {
    /// The reason for accounts: a short snake-case word.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "record_too_short",
            Self::Truncated { .. } => "record_truncated",
            Self::ImpossibleLength { .. } => "impossible_length",
            Self::UnknownKind(_) => "unknown_kind",
            Self::BodyTruncated { .. } => "body_truncated",
            Self::SegmentOverrun { .. } => "segment_overrun",
            Self::UnknownSegment(_) => "unknown_segment",
            Self::DuplicateSegment(_) => "duplicate_segment",
            Self::MemoryUnreadable { .. } => "memory_unreadable",
            Self::UnknownValue { .. } => "unknown_value",
        }
    }
}
