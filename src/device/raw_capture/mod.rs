//! Raw captures: a session's raw records on disk, so that the whole pipeline can be run again without a kernel.
//!
//! * **In:** the session's header, records, phase marks and end. **Out:** the same, from the file.
//! * **May import:** `event`, `wire`, `probe` (the batch), `crc32fast`, `prost`. It interprets no record.
//! * **Test it:** `cargo test device::raw_capture`.
//!
//! A capture holds more than a recording: the first bytes of streams and DNS messages as they were. It stays on the
//! device unless somebody fetches it.

mod format;
mod reader;
mod writer;

pub use reader::{CaptureCondition, CaptureEntry, CaptureError, CaptureReader};
pub use writer::CaptureWriter;

#[cfg(test)]
mod tests;
