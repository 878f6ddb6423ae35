//! Frames: how a file that is only ever appended to stays readable after damage.
//!
//! * **In:** kind, compression, number and payload. **Out:** the bytes of a frame, or its header read from bytes.
//! * **May import:** `crc32fast`. No file: both sides bring their own.
//! * **Test it:** `cargo test --lib frames::`.
//!
//! The host's recordings and the device's spools are made of the same frames, so that one description, one set of bounds
//! and one way of finding the next frame hold for both. What a payload means is for each of them to say.

/// The first bytes of a frame. `fe` and `ff` occur in no UTF-8 text, so nothing that a traced app names can imitate them.
pub const MARKER: [u8; 8] = *b"\xffC\xfed\xffF\xfer";
/// Bytes of a file's header.
pub const FILE_HEADER_LENGTH: usize = 16;
/// Bytes of a frame's header.
pub const FRAME_HEADER_LENGTH: usize = 32;
/// The longest message of a frame, before compression. Bounds the memory of a reader.
pub const LONGEST_MESSAGE: usize = 16 * 1024 * 1024;
/// The longest payload: what does not compress grows a little.
pub const LONGEST_PAYLOAD: usize = LONGEST_MESSAGE + 64 * 1024;

/// The payload is messages of a stream.
pub const KIND_STREAM_MESSAGES: u8 = 1;
/// The payload is where entries of a spool belong, and then messages of a stream.
pub const KIND_SPOOL_ENTRIES: u8 = 2;
/// The payload tells which entries of a spool are missing.
pub const KIND_SPOOL_MISSING: u8 = 3;

/// The payload is the message.
pub const COMPRESSION_NONE: u8 = 0;
/// The payload is the message, compressed with zstd.
pub const COMPRESSION_ZSTD: u8 = 1;

/// The header of a file of this kind.
#[must_use]
pub fn file_header(magic: [u8; 8], format: u16) -> [u8; FILE_HEADER_LENGTH] {
    let mut header = [0; FILE_HEADER_LENGTH];
    let (fields, checksum) = header.split_at_mut(FILE_HEADER_LENGTH - 4);
    let (start, rest) = fields.split_at_mut(magic.len());
    start.copy_from_slice(&magic);
    let (number, _zero) = rest.split_at_mut(2);
    number.copy_from_slice(&format.to_le_bytes());
    checksum.copy_from_slice(&crc32fast::hash(fields).to_le_bytes());
    header
}

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileHeader {
    /// The kind that was asked for, in the format that was asked for.
    Good,
    /// That kind, in another format.
    OtherFormat(u16),
    /// Magic or checksum is wrong.
    Bad,
}

/// Reads the first bytes of a file.
#[must_use]
pub fn read_file_header(bytes: &[u8], magic: [u8; 8], format: u16) -> FileHeader {
    let Some(header) = bytes.first_chunk::<FILE_HEADER_LENGTH>() else { return FileHeader::Bad };
    let (fields, checksum) = header.split_at(FILE_HEADER_LENGTH - 4);
    if !fields.starts_with(&magic) || checksum != crc32fast::hash(fields).to_le_bytes() {
        return FileHeader::Bad;
    }
    match u16_at(fields, magic.len()) {
        number if number == format => FileHeader::Good,
        other => FileHeader::OtherFormat(other),
    }
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u16::from_le_bytes(*chunk))
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

/// A payload, a message or a frame that is longer than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes do not fit into a frame")]
pub struct TooLong(pub usize);

/// The header of a frame. When it was read, marker and checksum were right; the lengths are as they were written, and
/// whether they are reasonable is for [`FrameHeader::refusal`] to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the payload is.
    pub kind: u8,
    /// How the message became the payload.
    pub compression: u8,
    /// The frame's number in its file, from 0, wrapping.
    pub number: u32,
    /// Bytes of the payload.
    pub payload_length: usize,
    /// Bytes of the message that the payload holds.
    pub message_length: usize,
    /// CRC-32 of the payload.
    pub payload_checksum: u32,
}

impl FrameHeader {
    /// The header of a frame with this payload.
    ///
    /// # Errors
    ///
    /// When message or payload is longer than a frame may hold.
    pub fn of(kind: u8, compression: u8, number: u32, message_length: usize, payload: &[u8]) -> Result<Self, TooLong> {
        if message_length > LONGEST_MESSAGE {
            return Err(TooLong(message_length));
        }
        if payload.len() > LONGEST_PAYLOAD {
            return Err(TooLong(payload.len()));
        }
        let payload_checksum = crc32fast::hash(payload);
        Ok(Self { kind, compression, number, payload_length: payload.len(), message_length, payload_checksum })
    }

    /// The header's bytes. Lengths are below [`LONGEST_PAYLOAD`], so they fit into their fields.
    #[must_use]
    pub fn to_bytes(self) -> [u8; FRAME_HEADER_LENGTH] {
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
        let mut header = [0; FRAME_HEADER_LENGTH];
        let (fields, checksum) = header.split_at_mut(FRAME_HEADER_LENGTH - 4);
        let parts: [&[u8]; 6] = [
            &MARKER,
            &[self.kind, self.compression, 0, 0],
            &self.number.to_le_bytes(),
            &length(self.payload_length),
            &length(self.message_length),
            &self.payload_checksum.to_le_bytes(),
        ];
        for (place, byte) in fields.iter_mut().zip(parts.concat()) {
            *place = byte;
        }
        checksum.copy_from_slice(&crc32fast::hash(fields).to_le_bytes());
        header
    }

    /// The header at the beginning of these bytes, when one is there.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let header = bytes.first_chunk::<FRAME_HEADER_LENGTH>()?;
        let (fields, checksum) = header.split_at(FRAME_HEADER_LENGTH - 4);
        if !fields.starts_with(&MARKER) || checksum != crc32fast::hash(fields).to_le_bytes() {
            return None;
        }
        Some(Self {
            kind: fields.get(8).copied()?,
            compression: fields.get(9).copied()?,
            number: u32_at(fields, 12),
            payload_length: usize::try_from(u32_at(fields, 16)).ok()?,
            message_length: usize::try_from(u32_at(fields, 20)).ok()?,
            payload_checksum: u32_at(fields, 24),
        })
    }

    /// Why a frame of these lengths is not read. Asked before anything is allocated for it.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        if self.payload_length > LONGEST_PAYLOAD || self.message_length > LONGEST_MESSAGE {
            return Some(format!(
                "a frame claims {} bytes that expand to {}, more than a frame may have",
                self.payload_length, self.message_length
            ));
        }
        None
    }
}

/// Where in these bytes the next frame begins, and how many of them can be let go when none does: the last ones may be the
/// beginning of a header.
///
/// # Errors
///
/// When none begins here: how many bytes surely belong to no frame.
pub fn find_frame(bytes: &[u8]) -> Result<usize, usize> {
    let mut from = 0;
    while let Some(position) =
        bytes.get(from..).unwrap_or_default().windows(MARKER.len()).position(|window| window == MARKER)
    {
        let at = from + position;
        if FrameHeader::read(bytes.get(at..).unwrap_or_default()).is_some() {
            return Ok(at);
        }
        if bytes.len() - at < FRAME_HEADER_LENGTH {
            // A marker whose header was not read yet is looked at again with more bytes.
            return Err(at);
        }
        from = at + 1;
    }
    Err(bytes.len().saturating_sub(MARKER.len() - 1).max(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_back_and_every_flipped_bit_is_seen() {
        let header = FrameHeader::of(KIND_SPOOL_ENTRIES, COMPRESSION_NONE, 7, 5, b"hello").unwrap();
        let bytes = header.to_bytes();
        assert_eq!(FrameHeader::read(&bytes), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::read(&flipped), None, "bit {bit}");
        }
        assert_eq!(FrameHeader::read(&bytes[..FRAME_HEADER_LENGTH - 1]), None);
        assert_eq!(FrameHeader::of(1, 1, 0, LONGEST_MESSAGE + 1, b""), Err(TooLong(LONGEST_MESSAGE + 1)));
    }

    #[test]
    fn the_next_frame_is_found_wherever_it_begins() {
        let header = FrameHeader::of(KIND_STREAM_MESSAGES, COMPRESSION_NONE, 0, 0, b"").unwrap().to_bytes();
        for before in 0..100 {
            let mut bytes = vec![0xff; before];
            // A marker without a header behind it is none.
            bytes.extend_from_slice(&MARKER);
            bytes.extend_from_slice(&header);
            assert_eq!(find_frame(&bytes), Ok(before + MARKER.len()), "{before}");
            // Seen piece by piece, nothing that belongs to the frame is let go.
            for cut in 0..bytes.len() {
                let (Ok(gone) | Err(gone)) = find_frame(&bytes[..cut]);
                assert!(gone <= before + MARKER.len(), "{before} {cut} {gone}");
            }
        }
        assert_eq!(find_frame(b""), Err(0));
    }
}
