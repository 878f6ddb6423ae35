//! Recordings: the stream's messages on disk, framed, compressed, checksummed, append-only.
//!
//! * **In:** [`crate::event::StreamEntry`], or the wire messages that carry it. **Out:** the same, years later, also
//!   after a crash.
//! * **May import:** `event`, `wire`. No SQL, no gRPC.
//! * **Test it:** `cargo test host::recording`.
//!
//! # The format, number 1
//!
//! All numbers are little-endian. `docs/RECORDING-FORMAT.md` says the same with an example.
//!
//! A file begins with a header of 16 bytes:
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | magic: `89 43 41 4e 44 4f 52 0a` |
//! | 8 | 2 | format number: 1 |
//! | 10 | 2 | 0; readers ignore it |
//! | 12 | 4 | CRC-32 (IEEE) of bytes 0 to 11 |
//!
//! Then come frames, one after another, each with a header of 32 bytes and a payload:
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | marker: `ff 43 fe 64 ff 46 fe 72`; the bytes `fe` and `ff` occur in no UTF-8 text, so no path or name that a traced app chose can hold a marker |
//! | 8 | 1 | kind: 1 is stream messages; readers skip and report others |
//! | 9 | 1 | compression: 1 is zstd |
//! | 10 | 2 | 0; readers ignore it |
//! | 12 | 4 | frame number, from 0, wrapping |
//! | 16 | 4 | length of the payload, at most 16 MiB + 64 KiB |
//! | 20 | 4 | length of the message when decompressed, at most 16 MiB |
//! | 24 | 4 | CRC-32 of the payload |
//! | 28 | 4 | CRC-32 of bytes 0 to 27 |
//!
//! A payload of kind 1 is one encoded `candor.v1.StreamEventsResponse`. Where one frame ends and the next begins means
//! nothing; the entries of all frames in order are the stream. There is no footer and no index: a recording is complete
//! when its last entry is the stream's `end`, and whatever a crash leaves behind is readable up to the last whole frame.

mod condition;
mod error;
mod frame;
mod ndjson;
mod reader;
mod sequence;
mod writer;

pub use condition::{Damage, MOST_DAMAGE, RecordingCondition, SequenceRange};
pub use error::{LooksLike, RecordingError};
pub use ndjson::{ImportError, NdjsonReader, write_line};
pub use reader::RecordingReader;
pub use writer::{FLUSH_INTERVAL, RecordingWriter, Written};

/// The format number that this version writes and reads.
pub const FORMAT_NUMBER: u16 = 1;

#[cfg(test)]
mod tests;
