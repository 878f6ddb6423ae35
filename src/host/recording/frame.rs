//! The bytes of a recording: file header and frames. See the module's documentation for the layout.

use std::io::{self, Read};

use super::{Damage, FORMAT_NUMBER};
use crate::frames::{self, COMPRESSION_ZSTD, FrameHeader, KIND_STREAM_MESSAGES};
pub(super) use crate::frames::{FILE_HEADER_LENGTH, FRAME_HEADER_LENGTH, FileHeader, LONGEST_MESSAGE, MARKER};

/// The first bytes of a recording. Not text, so that it is not taken for one; the line feed shows when a transfer changed
/// line ends.
pub(super) const MAGIC: [u8; 8] = *b"\x89CANDOR\n";
/// Level 1: half the size of level 0's result costs three times as much, and a recording is written while an app is driven.
const COMPRESSION_LEVEL: i32 = 1;

/// The header of a file.
pub(super) fn file_header() -> [u8; FILE_HEADER_LENGTH] {
    frames::file_header(MAGIC, FORMAT_NUMBER)
}

pub(super) fn read_file_header(bytes: &[u8]) -> FileHeader {
    frames::read_file_header(bytes, MAGIC, FORMAT_NUMBER)
}

/// Makes frames.
pub(super) struct Encoder {
    compressor: zstd::bulk::Compressor<'static>,
    frame: Vec<u8>,
    number: u32,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Encoder").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Encoder {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { compressor: zstd::bulk::Compressor::new(COMPRESSION_LEVEL)?, frame: Vec::new(), number: 0 })
    }

    /// The frame of one message. It is numbered: each frame that is made is expected to be written.
    pub(super) fn encode(&mut self, message: &[u8]) -> io::Result<&[u8]> {
        if message.len() > LONGEST_MESSAGE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("an entry of {} bytes is longer than a frame may be", message.len()),
            ));
        }
        let payload = self.compressor.compress(message)?;
        let header = FrameHeader::of(KIND_STREAM_MESSAGES, COMPRESSION_ZSTD, self.number, message.len(), &payload);
        self.frame.clear();
        self.frame.extend_from_slice(&header.map_err(io::Error::other)?.to_bytes());
        self.frame.extend_from_slice(&payload);
        self.number = self.number.wrapping_add(1);
        Ok(&self.frame)
    }
}

/// Whether a frame begins here.
pub(super) fn frame_begins(bytes: &[u8]) -> bool {
    FrameHeader::read(bytes).is_some()
}

/// A frame as it is in the file: checked, and still compressed.
#[derive(Debug)]
pub(super) struct Packed {
    /// Offset of the frame.
    pub(super) offset: u64,
    /// Length of the frame.
    pub(super) length: u64,
    payload: Vec<u8>,
    message_length: usize,
}

/// Decompresses frames, one after another or beside each other: frames do not depend on each other.
pub(super) struct Unpacker {
    decompressor: zstd::bulk::Decompressor<'static>,
}

impl Unpacker {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { decompressor: zstd::bulk::Decompressor::new()? })
    }

    /// Puts the message of a frame in place of what is in `message`; or says why there is none.
    pub(super) fn unpack(&mut self, packed: &Packed, message: &mut Vec<u8>) -> Result<(), String> {
        message.clear();
        message.reserve(packed.message_length);
        match self.decompressor.decompress_to_buffer(&packed.payload, message) {
            Ok(length) if length == packed.message_length => Ok(()),
            Ok(length) => Err(format!("a frame expands to {length} bytes instead of {}", packed.message_length)),
            Err(error) => Err(format!("a frame cannot be decompressed: {error}")),
        }
    }
}

/// What [`Scanner::next`] found.
#[derive(Debug)]
pub(super) enum Scanned {
    /// A frame whose checksum is right.
    Frame(Packed),
    /// A stretch that could not be read.
    Damage(Damage),
}

/// Finds frames in a stream of bytes, and finds its way again after damage.
pub(super) struct Scanner<R> {
    input: R,
    /// Bytes read and not yet consumed begin at `start`.
    buffer: Vec<u8>,
    start: usize,
    /// Offset in the file of `buffer[start]`.
    offset: u64,
    input_ended: bool,
    next_number: u32,
    /// What made the input unreadable from here on.
    read_error: Option<io::Error>,
}

/// How much is read at once.
const READ_SIZE: usize = 256 * 1024;

impl<R: Read> Scanner<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), start: 0, offset: 0, input_ended: false, next_number: 0, read_error: None }
    }

    /// What is held, after reading until it is at least `wanted` bytes or the input has ended.
    pub(super) fn peek(&mut self, wanted: usize) -> &[u8] {
        while self.buffer.len() - self.start < wanted && !self.input_ended {
            if self.start > 0 {
                self.buffer.drain(..self.start);
                self.start = 0;
            }
            let held = self.buffer.len();
            // The room grows with what was really read, so a false length allocates nothing that is not in the file.
            self.buffer.resize(held + READ_SIZE, 0);
            let room = self.buffer.get_mut(held..).unwrap_or_default();
            let read = match self.input.read(room) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.buffer.truncate(held);
                    continue;
                }
                Err(error) => {
                    self.read_error = Some(error);
                    0
                }
            };
            self.buffer.truncate(held + read);
            self.input_ended = read == 0;
        }
        self.buffer.get(self.start..).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.buffer.len());
        self.offset = self.offset.saturating_add(count as u64);
    }

    /// The next frame or the next damage; nothing at the end of the input.
    pub(super) fn next(&mut self) -> Option<Scanned> {
        let held = self.peek(FRAME_HEADER_LENGTH);
        if held.is_empty() {
            let error = self.read_error.take()?;
            return Some(self.damage(0, format!("reading failed here: {error}")));
        }
        let Some(header) = FrameHeader::read(held) else {
            let reason = if held.len() < FRAME_HEADER_LENGTH && MARKER.starts_with(held.get(..8.min(held.len()))?) {
                "the file ends in the middle of a frame"
            } else {
                "no frame begins here"
            };
            return Some(self.skip_to_next_frame(0, reason.to_owned()));
        };
        if let Some(reason) = header.refusal() {
            return Some(self.skip_to_next_frame(MARKER.len(), reason));
        }
        let frame_length = FRAME_HEADER_LENGTH + header.payload_length;
        // Also look behind the frame: when another one begins there, this one's length can be trusted.
        let held = self.peek(frame_length + FRAME_HEADER_LENGTH);
        let Some(payload) = held.get(FRAME_HEADER_LENGTH..frame_length) else {
            return Some(self.skip_to_next_frame(MARKER.len(), "the file ends in the middle of a frame".to_owned()));
        };
        let behind = held.get(frame_length..).unwrap_or_default();
        let length_is_right = behind.is_empty() || frame_begins(behind);

        if crc32fast::hash(payload) != header.payload_checksum {
            let reason = "the checksum of a frame does not match".to_owned();
            return Some(if length_is_right {
                self.next_number = header.number.wrapping_add(1);
                self.damage(frame_length, reason)
            } else {
                self.skip_to_next_frame(MARKER.len(), reason)
            });
        }
        let expected = std::mem::replace(&mut self.next_number, header.number.wrapping_add(1));
        if header.number != expected {
            // Nothing of the file is unreadable here; what is missing was cut out. The frame itself comes next time.
            self.next_number = header.number;
            return Some(self.damage(0, format!("frame {} follows where frame {expected} belongs", header.number)));
        }
        if header.kind != KIND_STREAM_MESSAGES || header.compression != COMPRESSION_ZSTD {
            let reason = format!(
                "a frame of kind {} with compression {} is not known to this version of candor",
                header.kind, header.compression
            );
            return Some(self.damage(frame_length, reason));
        }
        let range = self.start + FRAME_HEADER_LENGTH..self.start + frame_length;
        let packed = Packed {
            offset: self.offset,
            length: frame_length as u64,
            payload: self.buffer.get(range).unwrap_or_default().to_vec(),
            message_length: header.message_length,
        };
        self.consume(frame_length);
        Some(Scanned::Frame(packed))
    }

    fn damage(&mut self, length: usize, reason: String) -> Scanned {
        let damage = Damage { offset: self.offset, length: length as u64, reason };
        self.consume(length);
        Scanned::Damage(damage)
    }

    /// Goes on to the next frame, at least `at_least` bytes from here.
    fn skip_to_next_frame(&mut self, at_least: usize, reason: String) -> Scanned {
        let offset = self.offset;
        self.consume(at_least);
        loop {
            let held = self.peek(READ_SIZE);
            let found = frames::find_frame(held);
            let held_length = held.len();
            let ended = self.input_ended;
            match found {
                Ok(position) => {
                    self.consume(position);
                    break;
                }
                Err(_) if ended => {
                    self.consume(held_length);
                    break;
                }
                // The last bytes may be the beginning of a frame header.
                Err(surely_none) => self.consume(surely_none),
            }
        }
        if let Some(header) = FrameHeader::read(self.peek(FRAME_HEADER_LENGTH)) {
            // The damage is reported; that numbers are missing in it needs no second report.
            self.next_number = header.number;
        }
        Scanned::Damage(Damage { offset, length: self.offset.saturating_sub(offset), reason })
    }
}
