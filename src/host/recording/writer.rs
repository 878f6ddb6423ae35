//! Writes a recording.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use prost::Message as _;

use super::RecordingError;
use super::frame;
use crate::event::StreamEntry;
use crate::wire::proto;

/// Entries reach the file at the latest after this time, when the writer is called often enough
/// ([`RecordingWriter::flush_if_due`]).
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// A frame is closed when its messages have this many bytes, before compression. Larger frames compress little better, and
/// more is lost when one is damaged.
const FRAME_TARGET: usize = 256 * 1024;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Events.
    pub events: u64,
    /// Frames.
    pub frames: u64,
    /// The length of the file in bytes.
    pub bytes: u64,
}

/// Writes a recording, frame by frame. A frame is written whole or not at all.
///
/// Dropped without [`RecordingWriter::finish`], it still tries to write what it holds: the recording is then truncated,
/// but readable.
#[derive(Debug)]
pub struct RecordingWriter {
    path: PathBuf,
    file: File,
    encoder: frame::Encoder,
    /// Encoded `StreamEventsResponse` messages, one after another: such a concatenation is one message again.
    pending: Vec<u8>,
    pending_events: u64,
    pending_since: Option<Instant>,
    written: Written,
    /// A write failed: nothing more is written, so that the file does not go on behind a hole.
    failed: bool,
}

impl RecordingWriter {
    /// Creates the file. With `replace`, an existing one is overwritten.
    ///
    /// # Errors
    ///
    /// When the file exists and `replace` is false, or it cannot be created or written.
    pub fn create(path: &Path, replace: bool) -> Result<Self, RecordingError> {
        let mut options = OpenOptions::new();
        options.write(true);
        if replace {
            options.create(true).truncate(true);
        } else {
            options.create_new(true);
        }
        let mut file = options.open(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => RecordingError::Exists { path: path.to_owned() },
            _ => RecordingError::Create { path: path.to_owned(), source },
        })?;
        let header = frame::file_header();
        let create_error = |source| RecordingError::Create { path: path.to_owned(), source };
        file.write_all(&header).map_err(create_error)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            encoder: frame::Encoder::new().map_err(create_error)?,
            pending: Vec::new(),
            pending_events: 0,
            pending_since: None,
            written: Written { bytes: header.len() as u64, ..Written::default() },
            failed: false,
        })
    }

    /// Appends one message of the stream.
    ///
    /// # Errors
    ///
    /// When a frame was due and could not be written, or an earlier write failed.
    pub fn message(&mut self, message: &proto::StreamEventsResponse) -> Result<(), RecordingError> {
        let events =
            message.entries.iter().filter(|entry| matches!(entry.entry, Some(proto::stream_entry::Entry::Event(_))));
        self.append(message, events.count() as u64)
    }

    /// Appends one entry.
    ///
    /// # Errors
    ///
    /// As [`Self::message`].
    pub fn entry(&mut self, entry: &StreamEntry) -> Result<(), RecordingError> {
        let message = proto::StreamEventsResponse { entries: vec![proto::StreamEntry::from(entry)] };
        self.append(&message, u64::from(matches!(entry, StreamEntry::Event(_))))
    }

    fn append(&mut self, message: &proto::StreamEventsResponse, events: u64) -> Result<(), RecordingError> {
        // A single message may be larger than a frame may be: its entries are then spread over frames.
        if message.encoded_len() > frame::LONGEST_MESSAGE - FRAME_TARGET && message.entries.len() > 1 {
            for entry in &message.entries {
                let alone = proto::StreamEventsResponse { entries: vec![entry.clone()] };
                self.message(&alone)?;
            }
            return Ok(());
        }
        // Encoding into a vector fails only for lack of capacity, and a vector grows.
        self.pending.reserve(message.encoded_len());
        if let Err(error) = message.encode(&mut self.pending) {
            return Err(self.write_error(io::Error::other(error)));
        }
        self.pending_events = self.pending_events.saturating_add(events);
        self.pending_since.get_or_insert_with(Instant::now);
        if self.pending.len() >= FRAME_TARGET { self.flush() } else { self.flush_if_due() }
    }

    /// Writes what is held back, when the oldest of it has waited for [`FLUSH_INTERVAL`]. To be called now and then while
    /// the stream is quiet.
    ///
    /// # Errors
    ///
    /// When the frame cannot be written, or an earlier write failed.
    pub fn flush_if_due(&mut self) -> Result<(), RecordingError> {
        match self.pending_since {
            Some(since) if since.elapsed() >= FLUSH_INTERVAL => self.flush(),
            _ => Ok(()),
        }
    }

    /// Writes what is held back.
    ///
    /// # Errors
    ///
    /// When the frame cannot be written, or an earlier write failed.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        if self.failed {
            return Err(self.write_error(io::Error::other("an earlier write failed")));
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        let result = self.encoder.encode(&self.pending).and_then(|frame| {
            self.file.write_all(frame)?;
            Ok(frame.len() as u64)
        });
        match result {
            Ok(length) => {
                self.written.bytes = self.written.bytes.saturating_add(length);
                self.written.frames = self.written.frames.saturating_add(1);
                self.written.events = self.written.events.saturating_add(self.pending_events);
                self.pending.clear();
                self.pending_events = 0;
                self.pending_since = None;
                Ok(())
            }
            Err(source) => {
                self.failed = true;
                // Half a frame is of no use: take it back. Should that fail too, the reader reports a truncated tail.
                let _ = self.file.set_len(self.written.bytes);
                let _ = self.file.seek(io::SeekFrom::Start(self.written.bytes));
                Err(self.write_error(source))
            }
        }
    }

    /// Writes what is held back and waits until the file is on the disk.
    ///
    /// # Errors
    ///
    /// When that fails, or an earlier write failed.
    pub fn finish(mut self) -> Result<Written, RecordingError> {
        self.flush()?;
        self.file.sync_all().map_err(|source| self.write_error(source))?;
        Ok(self.written)
    }

    /// What was written so far, without what is held back.
    #[must_use]
    pub fn written(&self) -> Written {
        self.written
    }

    fn write_error(&self, source: io::Error) -> RecordingError {
        RecordingError::Write {
            path: self.path.clone(),
            source,
            kept_events: self.written.events,
            kept_bytes: self.written.bytes,
        }
    }
}

impl Drop for RecordingWriter {
    fn drop(&mut self) {
        if !self.failed {
            // There is nobody left to tell; the missing end entry shows that the recording is truncated.
            let _ = self.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::StreamEntry;

    #[test]
    fn a_disk_that_becomes_full_says_what_was_kept_and_nothing_follows() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("a.candor");
        let entry = StreamEntry::Header(Box::default());
        let mut writer = RecordingWriter::create(&path, false).unwrap();
        writer.entry(&entry).unwrap();
        writer.flush().unwrap();
        let kept = writer.written().bytes;
        // The device that is always full stands for the disk.
        writer.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        writer.entry(&entry).unwrap();
        let message = writer.flush().unwrap_err().to_string();
        assert!(message.contains("No space left on device"), "{message}");
        assert!(message.contains("(make room, or record to another file system)"), "{message}");
        assert!(message.contains(&format!("0 events in {kept} bytes were kept and stay readable")), "{message}");
        assert!(writer.entry(&entry).and_then(|()| writer.flush()).is_err());
        assert!(writer.finish().is_err());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), kept);
    }
}
