//! Reads a recording.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use prost::Message as _;

use super::frame::{self, FileHeader, Scanned, Scanner};
use super::sequence::SequenceCheck;
use super::{Damage, LooksLike, RecordingCondition, RecordingError};
use crate::event::StreamEntry;
use crate::wire::proto;

/// Reads a recording in bounded memory: an iterator over its entries, in order, that skips what is damaged.
///
/// After the last entry, [`RecordingReader::condition`] says how whole the recording was.
pub struct RecordingReader {
    scanner: Scanner<Box<dyn Read + Send>>,
    entries: std::vec::IntoIter<proto::StreamEntry>,
    /// Where the frame of `entries` is.
    frame: (u64, u64),
    sequence: SequenceCheck,
    condition: RecordingCondition,
    ended: bool,
}

impl std::fmt::Debug for RecordingReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RecordingReader").field("condition", &self.condition).finish_non_exhaustive()
    }
}

impl RecordingReader {
    /// Opens a recording.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, is not a recording, or has a format of the future.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let open_error = |source| RecordingError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(open_error)?;
        if file.metadata().map_err(open_error)?.is_dir() {
            return Err(RecordingError::NotARecording { path: path.to_owned(), found: LooksLike::Directory });
        }
        Self::from_reader(Box::new(file), path)
    }

    /// Reads a recording from anything that can be read; `path` is for messages only.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn from_reader(input: Box<dyn Read + Send>, path: &Path) -> Result<Self, RecordingError> {
        let mut scanner =
            Scanner::new(input).map_err(|source| RecordingError::Open { path: path.to_owned(), source })?;
        let mut condition = RecordingCondition::default();
        read_file_header(&mut scanner, path.to_owned(), &mut condition)?;
        Ok(Self {
            scanner,
            entries: Vec::new().into_iter(),
            frame: (0, 0),
            sequence: SequenceCheck::default(),
            condition,
            ended: false,
        })
    }

    /// How whole the recording is, as far as it was read; final when the iterator has ended.
    #[must_use]
    pub fn condition(&self) -> &RecordingCondition {
        &self.condition
    }

    fn damaged_frame(&mut self, reason: String) {
        let (offset, length) = self.frame;
        // One report for each frame: the next bad entry of the same frame adds nothing that a reader could act on.
        if self.condition.damage.last().is_none_or(|last| last.offset != offset) {
            self.condition.add_damage(Damage { offset, length, reason });
        }
    }
}

/// Reads the file header, or finds out what the file is instead.
fn read_file_header(
    scanner: &mut Scanner<Box<dyn Read + Send>>,
    path: PathBuf,
    condition: &mut RecordingCondition,
) -> Result<(), RecordingError> {
    let held = scanner.peek(frame::FILE_HEADER_LENGTH + frame::FRAME_HEADER_LENGTH);
    match frame::read_file_header(held) {
        FileHeader::Good => {}
        FileHeader::OtherFormat(found) => return Err(RecordingError::UnknownFormat { path, found }),
        // The file header alone is damaged when a frame begins where the first one belongs.
        FileHeader::Bad if held.get(frame::FILE_HEADER_LENGTH..).is_some_and(frame::frame_begins) => {
            condition.add_damage(Damage {
                offset: 0,
                length: frame::FILE_HEADER_LENGTH as u64,
                reason: "the file header is damaged".to_owned(),
            });
        }
        FileHeader::Bad => return Err(RecordingError::NotARecording { path, found: looks_like(held) }),
    }
    scanner.consume(frame::FILE_HEADER_LENGTH);
    Ok(())
}

fn looks_like(bytes: &[u8]) -> LooksLike {
    if bytes.is_empty() {
        LooksLike::Empty
    } else if bytes.trim_ascii_start().starts_with(b"{") {
        LooksLike::Json
    } else {
        LooksLike::Unknown
    }
}

impl Iterator for RecordingReader {
    type Item = StreamEntry;

    fn next(&mut self) -> Option<StreamEntry> {
        loop {
            if self.ended {
                return None;
            }
            if let Some(entry) = self.entries.next() {
                match StreamEntry::try_from(entry) {
                    Ok(_) if self.condition.complete => {
                        self.damaged_frame("entries follow the end of the stream and were left out".to_owned());
                    }
                    Ok(entry) => {
                        self.sequence.follow(&entry, &mut self.condition);
                        return Some(entry);
                    }
                    Err(error) => self.damaged_frame(format!("an entry could not be understood: {error}")),
                }
                continue;
            }
            match self.scanner.next() {
                None => {
                    self.ended = true;
                    self.sequence.finish(&mut self.condition);
                }
                Some(Scanned::Damage(damage)) => self.condition.add_damage(damage),
                Some(Scanned::Message { offset, length, message }) => {
                    self.frame = (offset, length);
                    match proto::StreamEventsResponse::decode(message.as_slice()) {
                        Ok(message) => self.entries = message.entries.into_iter(),
                        Err(error) => self.damaged_frame(format!("a frame holds no stream message: {error}")),
                    }
                }
            }
        }
    }
}
