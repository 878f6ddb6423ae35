//! One segment: a file header, then frames of entries.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use prost::Message as _;

use super::missing::Families;
use super::place::{PLACE_LENGTH, Place};
use crate::event::StreamEntry;
use crate::frames::{
    COMPRESSION_NONE, FILE_HEADER_LENGTH, FRAME_HEADER_LENGTH, FileHeader, FrameHeader, KIND_SPOOL_ENTRIES, TooLong,
    find_frame, read_file_header,
};
use crate::wire::proto;

/// The first bytes of every file of a spool.
pub(super) const MAGIC: [u8; 8] = *b"\x89CANSPL\n";
/// The number of the format.
pub(super) const FORMAT: u16 = 1;
/// A frame takes entries until it has this many bytes: what a reader decodes at a time.
const FRAME_TARGET: usize = 128 * 1024;
/// How much is looked at in one go when the next frame is searched.
const SEARCH: u64 = 64 * 1024;

/// An entry and where it belongs.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Position among all entries ever appended, from 0.
    pub index: u64,
    /// Events appended up to and including this entry.
    pub events: u64,
    /// The entry.
    pub entry: Arc<StreamEntry>,
}

impl Placed {
    /// Whether it is an event.
    #[must_use]
    pub fn is_event(&self) -> bool {
        matches!(*self.entry, StreamEntry::Event(_))
    }

    /// Events appended before this entry.
    #[must_use]
    pub fn events_before(&self) -> u64 {
        self.events.saturating_sub(u64::from(self.is_event()))
    }
}

/// Makes frames. The buffer is kept from frame to frame.
#[derive(Debug, Default)]
pub(super) struct FrameMaker {
    payload: Vec<u8>,
}

impl FrameMaker {
    /// Makes a frame of the first entries, at least one, as far as they follow each other. Returns how many, where they
    /// belong, and the frame.
    pub(super) fn make(&mut self, number: u32, entries: &[Placed]) -> Result<(usize, Place, Vec<u8>), TooLong> {
        self.payload.clear();
        self.payload.resize(PLACE_LENGTH, 0);
        let mut place = Place { from_ns: u64::MAX, ..Place::default() };
        let mut taken = 0;
        for placed in entries {
            if taken == 0 {
                place.first_index = placed.index;
                place.events_before = placed.events_before();
            } else if placed.index != place.next_index() || self.payload.len() >= FRAME_TARGET {
                break;
            }
            // The same bytes as one `StreamEventsResponse` with all of them, without holding all of them.
            prost::encoding::message::encode(1, &proto::StreamEntry::from(&*placed.entry), &mut self.payload);
            taken += 1;
            place.entries += 1;
            if let StreamEntry::Event(event) = &*placed.entry {
                place.events += 1;
                place.from_ns = place.from_ns.min(event.time_ns);
                place.to_ns = place.to_ns.max(event.time_ns);
                place.families = place.families.with(Families::from(event.family()));
            }
        }
        for (to, from) in self.payload.iter_mut().zip(place.to_bytes()) {
            *to = from;
        }
        let header = FrameHeader::of(KIND_SPOOL_ENTRIES, COMPRESSION_NONE, number, self.payload.len(), &self.payload)?;
        let mut frame = Vec::with_capacity(FRAME_HEADER_LENGTH + self.payload.len());
        frame.extend_from_slice(&header.to_bytes());
        frame.extend_from_slice(&self.payload);
        Ok((taken, place, frame))
    }
}

/// A frame and where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameAt {
    pub(super) offset: u64,
    pub(super) place: Place,
    header: FrameHeader,
}

impl FrameAt {
    /// Where the next frame begins.
    pub(super) fn end(&self) -> u64 {
        self.offset + (FRAME_HEADER_LENGTH + self.header.payload_length) as u64
    }
}

/// What is at an offset of a segment.
pub(super) enum At {
    Frame(FrameAt),
    /// No frame; the next one begins here, or the segment ends here.
    Damage(u64),
    End,
}

/// A segment, being read up to an end.
#[derive(Debug, Clone)]
pub(super) struct SegmentFile {
    file: Arc<File>,
    end: u64,
}

impl SegmentFile {
    /// The first `end` bytes of a segment.
    pub(super) fn new(file: File, end: u64) -> Self {
        Self { file: Arc::new(file), end }
    }

    /// Reads on to a later end: the segment has grown.
    pub(super) fn extend(&mut self, end: u64) {
        self.end = self.end.max(end);
    }

    /// Whether the file header is that of a segment of our format.
    pub(super) fn is_ours(&self) -> io::Result<bool> {
        let header = self.bytes(0, FILE_HEADER_LENGTH as u64)?;
        Ok(read_file_header(&header, MAGIC, FORMAT) == FileHeader::Good)
    }

    /// What is at an offset. A frame that runs past the end is damage.
    pub(super) fn at(&self, offset: u64) -> io::Result<At> {
        if offset >= self.end {
            return Ok(At::End);
        }
        let bytes = self.bytes(offset, (FRAME_HEADER_LENGTH + PLACE_LENGTH) as u64)?;
        if let Some(header) = FrameHeader::read(&bytes)
            && header.refusal().is_none()
            && header.kind == KIND_SPOOL_ENTRIES
            && header.compression == COMPRESSION_NONE
            && header.payload_length >= PLACE_LENGTH
            && let Some(place) = Place::read(bytes.get(FRAME_HEADER_LENGTH..).unwrap_or_default())
        {
            let frame = FrameAt { offset, place, header };
            if frame.end() <= self.end {
                return Ok(At::Frame(frame));
            }
        }
        self.search(offset + 1).map(At::Damage)
    }

    fn search(&self, mut offset: u64) -> io::Result<u64> {
        loop {
            let bytes = self.bytes(offset, SEARCH)?;
            match find_frame(&bytes) {
                Ok(position) => return Ok(offset + position as u64),
                Err(_) if offset + bytes.len() as u64 >= self.end => return Ok(self.end),
                Err(surely_none) => offset += surely_none.max(1) as u64,
            }
        }
    }

    /// The entries of a frame; what is wrong with it when they cannot be read.
    pub(super) fn entries(&self, frame: &FrameAt) -> io::Result<Result<Vec<Placed>, String>> {
        let payload = self.bytes(frame.offset + FRAME_HEADER_LENGTH as u64, frame.header.payload_length as u64)?;
        if payload.len() != frame.header.payload_length || crc32fast::hash(&payload) != frame.header.payload_checksum {
            return Ok(Err("the checksum of a frame does not match".to_owned()));
        }
        Ok(decode(&frame.place, payload.get(PLACE_LENGTH..).unwrap_or_default()))
    }

    /// At most `length` bytes from an offset on; fewer where the segment ends.
    fn bytes(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(length.min(self.end.saturating_sub(offset))).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + read as u64) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }
}

fn decode(place: &Place, message: &[u8]) -> Result<Vec<Placed>, String> {
    let message = proto::StreamEventsResponse::decode(message).map_err(|error| error.to_string())?;
    let mut placed = Vec::with_capacity(message.entries.len());
    let mut events = place.events_before;
    for (entry, index) in message.entries.into_iter().zip(place.first_index..) {
        let entry = StreamEntry::try_from(entry).map_err(|error| error.to_string())?;
        if let StreamEntry::Event(event) = &entry {
            events = events.saturating_add(1);
            if event.sequence != events {
                return Err(format!("event {} stands where event {events} belongs", event.sequence));
            }
        }
        placed.push(Placed { index, events, entry: Arc::new(entry) });
    }
    if placed.len() as u64 != u64::from(place.entries) || events != place.last_sequence() {
        return Err("a frame has not as many entries as it says".to_owned());
    }
    Ok(placed)
}
