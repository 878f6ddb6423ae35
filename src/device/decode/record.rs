//! The frame of a record: header, then the fixed body of its kind, then segments.

use super::DecodeError;
use super::cursor::Cursor;
use super::layout::{
    RECORD_HEADER_LENGTH, RECORD_MAX, RecordKind, SEGMENT_FLAG_CUT, SEGMENT_FLAG_UNREADABLE, SegmentTag,
};

/// `struct record_header`, checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    pub(crate) time_ns: u64,
    pub(crate) sessions: u64,
    pub(crate) start_ns: u64,
    pub(crate) tgid: u32,
    pub(crate) tid: u32,
    pub(crate) uid: u32,
    pub(crate) flags: u16,
    pub(crate) comm: &'a [u8],
}

impl Header<'_> {
    pub(crate) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// A record whose frame is whole: what is inside can still be damaged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) header: Header<'a>,
    pub(crate) kind: RecordKind,
    body: &'a [u8],
    segments: &'a [u8],
}

impl<'a> Record<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(bytes);
        let (header, kind, length) = read_header(&mut cursor).ok_or(DecodeError::TooShort { length: bytes.len() })?;
        let claimed = usize::try_from(length).unwrap_or(usize::MAX);
        let inside = claimed.checked_sub(RECORD_HEADER_LENGTH);
        let inside =
            inside.filter(|_| claimed <= RECORD_MAX).ok_or(DecodeError::ImpossibleLength { claimed: length })?;
        // Bytes after the claimed length are padding: a probe reserves in steps that its kernel program can prove.
        let inside = cursor.take(inside).ok_or(DecodeError::Truncated { claimed: length, available: bytes.len() })?;
        let number = kind;
        let kind = RecordKind::from_number(number).ok_or(DecodeError::UnknownKind(number))?;
        let (body, segments) =
            inside.split_at_checked(kind.body_length()).ok_or(DecodeError::BodyTruncated { kind: number })?;
        Ok(Self { header, kind, body, segments })
    }

    /// Reads the fixed body.
    pub(crate) fn body<T>(&self, read: impl FnOnce(&mut Cursor<'a>) -> Option<T>) -> Result<T, DecodeError> {
        read(&mut Cursor::new(self.body)).ok_or(DecodeError::BodyTruncated { kind: self.kind.number() })
    }

    /// The segments, in the order of the record.
    pub(crate) fn segments(&self) -> SegmentIterator<'a> {
        SegmentIterator { cursor: Cursor::new(self.segments) }
    }

    /// The segments by tag.
    pub(crate) fn segment_table(&self) -> Result<SegmentTable<'a>, DecodeError> {
        let mut table = SegmentTable::default();
        for segment in self.segments() {
            let segment = segment?;
            let tag = segment.tag.number();
            let slot = table.0.get_mut(usize::from(tag)).ok_or(DecodeError::UnknownSegment(tag))?;
            if slot.replace(segment).is_some() {
                return Err(DecodeError::DuplicateSegment(tag));
            }
        }
        Ok(table)
    }
}

fn read_header<'a>(cursor: &mut Cursor<'a>) -> Option<(Header<'a>, u16, u32)> {
    let time_ns = cursor.u64_le()?;
    let sessions = cursor.u64_le()?;
    let start_ns = cursor.u64_le()?;
    let tgid = cursor.u32_le()?;
    let tid = cursor.u32_le()?;
    let uid = cursor.u32_le()?;
    let _gid = cursor.u32_le()?;
    let kind = cursor.u16_le()?;
    let flags = cursor.u16_le()?;
    let length = cursor.u32_le()?;
    let comm = super::text::before_nul(cursor.take(16)?);
    Some((Header { time_ns, sessions, start_ns, tgid, tid, uid, flags, comm }, kind, length))
}

/// One segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    pub(crate) tag: SegmentTag,
    pub(crate) flags: u8,
    pub(crate) bytes: &'a [u8],
}

impl Segment<'_> {
    pub(crate) fn cut(&self) -> bool {
        self.flags & SEGMENT_FLAG_CUT != 0
    }

    pub(crate) fn unreadable(&self) -> bool {
        self.flags & SEGMENT_FLAG_UNREADABLE != 0
    }
}

/// Walks the segments; after an error it ends.
pub(crate) struct SegmentIterator<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Iterator for SegmentIterator<'a> {
    type Item = Result<Segment<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_empty() {
            return None;
        }
        let segment = read_segment(&mut self.cursor);
        if segment.is_err() {
            self.cursor = Cursor::new(&[]);
        }
        Some(segment)
    }
}

fn read_segment<'a>(cursor: &mut Cursor<'a>) -> Result<Segment<'a>, DecodeError> {
    let mut head = || Some((cursor.u8()?, cursor.u8()?, cursor.u16_le()?));
    let (tag, flags, length) = head().ok_or(DecodeError::SegmentOverrun { tag: 0 })?;
    let bytes = cursor.take(usize::from(length)).ok_or(DecodeError::SegmentOverrun { tag })?;
    let tag = SegmentTag::from_number(tag).ok_or(DecodeError::UnknownSegment(tag))?;
    Ok(Segment { tag, flags, bytes })
}

/// The segments of one record, by tag.
#[derive(Debug, Default)]
pub(crate) struct SegmentTable<'a>([Option<Segment<'a>>; SegmentTag::ALL.len() + 1]);

impl<'a> SegmentTable<'a> {
    pub(crate) fn get(&self, tag: SegmentTag) -> Option<&Segment<'a>> {
        self.0.get(usize::from(tag.number()))?.as_ref()
    }

    /// As [`Self::get`], without what could not be read.
    pub(crate) fn readable(&self, tag: SegmentTag) -> Option<&Segment<'a>> {
        self.get(tag).filter(|segment| !segment.unreadable())
    }
}
