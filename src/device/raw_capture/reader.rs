//! Reads a raw capture.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use prost::Message;
use thiserror::Error;

use super::format::{
    FORMAT_VERSION, KIND_END, KIND_HEADER, KIND_PHASE_MARK, KIND_RECORDS, MAGIC, RECORD_LAYOUT_VERSION, ReadFrame,
    probe_of, read_frame,
};
use crate::device::probe::RawBatch;
use crate::event::{Phase, PhaseMark, SessionEnd, SessionHeader};
use crate::wire::proto;

/// A file that cannot be read as a raw capture at all.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{path} is not a raw capture; `candor record --keep-raw` makes them")]
    NotACapture {
        /// The file.
        path: PathBuf,
    },
    /// The file is of another version.
    #[error(
        "{path} is a raw capture of format {format} with record layout {layout}; this version reads format 1 with \
         layout 1: replay it with the version that made it"
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Version of the file format.
        format: u32,
        /// Version of the record layout.
        layout: u32,
    },
    /// The session header, without which no record means anything, is damaged.
    #[error("the session header of {path} cannot be read: {reason}")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What a capture holds behind its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptureEntry {
    /// Records of one probe.
    Records(RawBatch),
    /// A phase began at this boot time, in nanoseconds.
    PhaseMark(u64, PhaseMark),
    /// The session's end.
    End(Box<SessionEnd>),
}

/// How whole a capture is, known when it has been read to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaptureCondition {
    /// The session's end is there.
    pub complete: bool,
    /// Reading stopped at a damaged frame: where it begins, and what is wrong. What follows is not read, because the
    /// state that decoding and attribution build up would lack what is missing without saying so.
    pub damage: Option<(u64, String)>,
}

/// Reads a capture from front to back.
#[derive(Debug)]
pub struct CaptureReader {
    input: Counted<BufReader<File>>,
    header: SessionHeader,
    condition: CaptureCondition,
}

#[derive(Debug)]
struct Counted<R> {
    inner: R,
    position: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.position = self.position.saturating_add(read as u64);
        Ok(read)
    }
}

impl CaptureReader {
    /// Opens a capture and reads its header.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is no capture, is of another version, or has a damaged header.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let read = |source| CaptureError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        let mut input = Counted { inner: BufReader::new(file), position: 0 };
        let mut preamble = Vec::new();
        (&mut input).take(16).read_to_end(&mut preamble).map_err(read)?;
        let (format, layout) =
            versions(&preamble).ok_or_else(|| CaptureError::NotACapture { path: path.to_owned() })?;
        if (format, layout) != (FORMAT_VERSION, RECORD_LAYOUT_VERSION) {
            return Err(CaptureError::OtherVersion { path: path.to_owned(), format, layout });
        }
        let header = match read_frame(&mut input) {
            ReadFrame::Frame(KIND_HEADER, payload) => decode_header(&payload),
            ReadFrame::Frame(kind, _) => Err(format!("a frame of kind {kind} is in its place")),
            ReadFrame::EndOfFile => Err("the file ends before it".to_owned()),
            ReadFrame::Damaged(reason) => Err(reason),
        };
        let header = header.map_err(|reason| CaptureError::Header { path: path.to_owned(), reason })?;
        Ok(Self { input, header, condition: CaptureCondition::default() })
    }

    /// The session's header.
    #[must_use]
    pub fn header(&self) -> &SessionHeader {
        &self.header
    }

    /// How whole the capture is; final when [`Iterator::next`] has given `None`.
    #[must_use]
    pub fn condition(&self) -> &CaptureCondition {
        &self.condition
    }
}

impl Iterator for CaptureReader {
    type Item = CaptureEntry;

    /// The next entry; `None` at the end, or where the file is damaged.
    fn next(&mut self) -> Option<CaptureEntry> {
        if self.condition.complete || self.condition.damage.is_some() {
            return None;
        }
        let position = self.input.position;
        let entry = match read_frame(&mut self.input) {
            ReadFrame::Frame(kind, payload) => decode_entry(kind, &payload),
            ReadFrame::EndOfFile => return None,
            ReadFrame::Damaged(reason) => Err(reason),
        };
        match entry {
            Ok(entry) => {
                self.condition.complete = matches!(entry, CaptureEntry::End(_));
                Some(entry)
            }
            Err(reason) => {
                self.condition.damage = Some((position, reason));
                None
            }
        }
    }
}

fn versions(preamble: &[u8]) -> Option<(u32, u32)> {
    let (format, rest) = preamble.strip_prefix(MAGIC)?.split_first_chunk()?;
    let (layout, _) = rest.split_first_chunk()?;
    Some((u32::from_le_bytes(*format), u32::from_le_bytes(*layout)))
}

fn decode_header(payload: &[u8]) -> Result<SessionHeader, String> {
    let header = proto::SessionHeader::decode(payload).map_err(|error| error.to_string())?;
    SessionHeader::try_from(header).map_err(|error| error.to_string())
}

fn decode_entry(kind: u8, payload: &[u8]) -> Result<CaptureEntry, String> {
    match kind {
        KIND_RECORDS => decode_records(payload),
        KIND_PHASE_MARK => decode_mark(payload),
        KIND_END => {
            let end = proto::SessionEnd::decode(payload).map_err(|error| error.to_string())?;
            Ok(CaptureEntry::End(Box::new(SessionEnd::try_from(end).map_err(|error| error.to_string())?)))
        }
        _ => Err(format!("a frame has the unknown kind {kind}")),
    }
}

fn decode_records(payload: &[u8]) -> Result<CaptureEntry, String> {
    let (probe, mut rest) = payload.split_first().ok_or("a frame of records is empty")?;
    let probe = probe_of(*probe).ok_or_else(|| format!("a frame of records has the unknown probe {probe}"))?;
    let mut batch = RawBatch::new(probe);
    while !rest.is_empty() {
        let overrun = "a record runs past the end of its frame";
        let (length, behind) = rest.split_first_chunk().ok_or(overrun)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| overrun)?;
        let (record, behind) = behind.split_at_checked(length).ok_or(overrun)?;
        batch.push(record);
        rest = behind;
    }
    Ok(CaptureEntry::Records(batch))
}

fn decode_mark(payload: &[u8]) -> Result<CaptureEntry, String> {
    let short = "a phase mark is too short";
    let (time_ns, rest) = payload.split_first_chunk().ok_or(short)?;
    let (length, rest) = rest.split_first_chunk().ok_or(short)?;
    let (phase, note) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length))).ok_or(short)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| "a phase mark is not UTF-8".to_owned());
    let phase = Phase::try_from(text(phase)?).map_err(|error| error.to_string())?;
    Ok(CaptureEntry::PhaseMark(u64::from_le_bytes(*time_ns), PhaseMark { phase, note: text(note)? }))
}
