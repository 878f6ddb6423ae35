//! Writing the files of one session.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;

use super::missing::{self, DropReason, MissingRange};
use super::segment::{FORMAT, FrameMaker, MAGIC, Placed};
use super::session_files::{Segment, SessionFiles, segment_name};
use crate::event::{SessionHeader, StreamEntry};
use crate::frames::{
    COMPRESSION_NONE, FILE_HEADER_LENGTH, FRAME_HEADER_LENGTH, FileHeader, FrameHeader, KIND_SPOOL_MISSING,
    KIND_STREAM_MESSAGES, file_header, read_file_header,
};
use crate::wire::proto;

/// The session's header, and what is known to be missing: files of one frame each.
pub(super) const HEADER_NAME: &str = "header";
pub(super) const MISSING_NAME: &str = "missing";

/// How much of one session is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionBounds {
    /// Bytes of its segments. The newest segment stays whatever its size.
    pub bytes: u64,
    /// How long ago a segment was last written to.
    pub age: Duration,
}

impl SessionBounds {
    /// A segment is an eighth of what may be kept: so much goes at a time.
    fn segment_bytes(&self) -> u64 {
        (self.bytes / 8).clamp(4096, 16 << 20)
    }
}

/// Writes the files of one session.
#[derive(Debug)]
pub struct SessionWriter {
    files: Arc<SessionFiles>,
    bounds: SessionBounds,
    /// The newest segment, open at its end.
    file: Option<File>,
    next_segment: u64,
    frame_number: u32,
    maker: FrameMaker,
}

/// What became of entries that were to be written.
#[derive(Debug)]
pub struct Written {
    /// How many of them are in the files, or can never be.
    pub entries: usize,
    /// Events among those that can never be: too long for a frame.
    pub refused: Vec<u64>,
    /// Why the rest was not written.
    pub error: Option<io::Error>,
}

impl SessionWriter {
    /// Makes the directory of a session.
    pub(super) fn create(path: &Path, header: &SessionHeader, bounds: SessionBounds) -> io::Result<Self> {
        fs::create_dir(path)?;
        let message =
            proto::StreamEventsResponse { entries: vec![(&StreamEntry::Header(Box::new(header.clone()))).into()] };
        write_one(path, HEADER_NAME, KIND_STREAM_MESSAGES, &message.encode_to_vec())?;
        let files = Arc::new(SessionFiles::new(path.to_owned(), std::collections::VecDeque::new()));
        Ok(Self::after(files, bounds, 1))
    }

    /// Goes on after what is there, in a new segment.
    pub(super) fn after(files: Arc<SessionFiles>, bounds: SessionBounds, next_segment: u64) -> Self {
        let maker = FrameMaker::default();
        Self { files, bounds, file: None, next_segment, frame_number: 0, maker }
    }

    /// The files, for readers.
    #[must_use]
    pub fn files(&self) -> &Arc<SessionFiles> {
        &self.files
    }

    /// Writes entries. What was written before an error stays written.
    pub fn write(&mut self, entries: &[Placed]) -> Written {
        let mut written = Written { entries: 0, refused: Vec::new(), error: None };
        while let Some(rest) = entries.get(written.entries..).filter(|rest| !rest.is_empty()) {
            let made = self.maker.make(self.frame_number, rest);
            let Ok((taken, place, frame)) = made else {
                // Alone it may still fit; if not, it never will.
                match rest
                    .first()
                    .map(|placed| (placed, self.maker.make(self.frame_number, std::slice::from_ref(placed))))
                {
                    Some((_, Ok((taken, place, frame)))) => {
                        if let Err(error) = self.write_frame(&frame, &place) {
                            written.error = Some(error);
                            return written;
                        }
                        written.entries += taken;
                    }
                    Some((placed, Err(_))) => {
                        written.refused.extend(placed.is_event().then_some(placed.events));
                        written.entries += 1;
                    }
                    None => return written,
                }
                continue;
            };
            if let Err(error) = self.write_frame(&frame, &place) {
                written.error = Some(error);
                return written;
            }
            written.entries += taken;
        }
        written
    }

    fn write_frame(&mut self, frame: &[u8], place: &super::place::Place) -> io::Result<()> {
        if self.files.is_removed() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the files of the session were removed"));
        }
        let full = self.files.index().segments.back().is_some_and(|last| last.bytes >= self.bounds.segment_bytes());
        let mut file = match self.file.take() {
            Some(file) if !full => file,
            _ => self.begin_segment(place.first_index)?,
        };
        match file.write_all(frame) {
            Ok(()) => {
                self.file = Some(file);
                self.frame_number = self.frame_number.wrapping_add(1);
                if let Some(last) = self.files.index().segments.back_mut() {
                    let end = last.bytes + frame.len() as u64;
                    last.add(place, end);
                }
                Ok(())
            }
            Err(error) => {
                // A part of the frame may be there. It goes; when it cannot, the next frame begins another segment, and
                // readers do not look behind the last whole frame.
                let end = self.files.index().segments.back().map_or(0, |last| last.bytes);
                if file.set_len(end).is_ok() {
                    self.file = Some(file);
                }
                Err(error)
            }
        }
    }

    fn begin_segment(&mut self, first_index: u64) -> io::Result<File> {
        let number = self.next_segment;
        let path = self.files.path.join(segment_name(number));
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        if let Err(error) = file.write_all(&file_header(MAGIC, FORMAT)) {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        self.next_segment += 1;
        self.frame_number = 0;
        // One without a frame says nothing; readers and accounts need not know of it.
        let mut index = self.files.index();
        index.segments.push_back(Segment::new(number, first_index));
        drop(index);
        Ok(file)
    }

    /// Drops what is beyond the bounds, and says what went.
    ///
    /// # Errors
    ///
    /// When a segment cannot be removed.
    pub fn keep_bounds(&mut self) -> io::Result<Vec<MissingRange>> {
        let mut missing = Vec::new();
        loop {
            let holding = self.files.holding();
            let reason = if holding.bytes > self.bounds.bytes {
                DropReason::Size
            } else if self.files.oldest_is_older(self.bounds.age) {
                DropReason::Age
            } else {
                return Ok(missing);
            };
            if holding.segments < 2 {
                return Ok(missing);
            }
            missing.extend(self.files.drop_oldest(reason)?);
        }
    }

    /// Drops the oldest segment, because all sessions together are beyond their bound, and says what went.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    pub fn drop_oldest(&mut self) -> io::Result<Vec<MissingRange>> {
        self.files.drop_oldest(DropReason::Size)
    }

    /// The index of the oldest entry in the files.
    #[must_use]
    pub fn first_index(&self) -> Option<u64> {
        self.files.index().segments.front().map(|segment| segment.first_index)
    }

    /// Keeps what is known to be missing beside the segments, for a daemon that comes later.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn save_missing(&mut self, ranges: &[MissingRange]) -> io::Result<()> {
        if self.files.is_removed() {
            return Ok(());
        }
        write_one(&self.files.path, MISSING_NAME, KIND_SPOOL_MISSING, &missing::encode(ranges))
    }

    /// Nothing more comes: what was written is put on the disk itself, and the segment is closed.
    ///
    /// # Errors
    ///
    /// When the disk cannot take it.
    pub fn finish(&mut self) -> io::Result<()> {
        self.file.take().map_or(Ok(()), |file| file.sync_data())
    }
}

/// Writes a file of one frame, whole or not at all.
fn write_one(directory: &Path, name: &str, kind: u8, message: &[u8]) -> io::Result<()> {
    let header = FrameHeader::of(kind, COMPRESSION_NONE, 0, message.len(), message).map_err(io::Error::other)?;
    let temporary = directory.join(format!("{name}.new"));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&[&file_header(MAGIC, FORMAT)[..], &header.to_bytes(), message].concat())?;
        fs::rename(&temporary, directory.join(name))
    };
    write().inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// Reads a file of one frame.
pub(super) fn read_one(path: &Path, kind: u8) -> io::Result<Vec<u8>> {
    let bytes = fs::read(path)?;
    let bad = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    match read_file_header(&bytes, MAGIC, FORMAT) {
        FileHeader::Good => {}
        FileHeader::OtherFormat(format) => {
            return Err(bad(format!("it is a spool of format {format}, and this version reads format {FORMAT}")));
        }
        FileHeader::Bad => return Err(bad("it is no file of a spool".to_owned())),
    }
    let header = bytes.get(FILE_HEADER_LENGTH..).and_then(FrameHeader::read);
    let payload = bytes.get(FILE_HEADER_LENGTH + FRAME_HEADER_LENGTH..).unwrap_or_default();
    match header {
        Some(header)
            if (header.kind, header.payload_length) == (kind, payload.len())
                && crc32fast::hash(payload) == header.payload_checksum =>
        {
            Ok(payload.to_vec())
        }
        _ => Err(bad("it is damaged".to_owned())),
    }
}
