//! The chunks that compiled resources of Android are made of: every length in them is compared with what there is.

/// What is wrong with the bytes, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    /// Offset in the file that was read, from 0.
    pub(super) offset: usize,
    pub(super) what: String,
}

impl Damage {
    pub(super) fn at(offset: usize, what: impl Into<String>) -> Self {
        Self { offset, what: what.into() }
    }
}

/// A byte of the file.
pub(super) fn byte_at(bytes: &[u8], offset: usize) -> Result<u8, Damage> {
    bytes.get(offset).copied().ok_or_else(|| ends(bytes, offset))
}

/// A number of two bytes.
pub(super) fn short_at(bytes: &[u8], offset: usize) -> Result<u16, Damage> {
    let end = offset.checked_add(2).ok_or_else(|| ends(bytes, offset))?;
    let found = bytes.get(offset..end).and_then(|bytes| bytes.try_into().ok());
    found.map(u16::from_le_bytes).ok_or_else(|| ends(bytes, offset))
}

/// A number of four bytes.
pub(super) fn word_at(bytes: &[u8], offset: usize) -> Result<u32, Damage> {
    let end = offset.checked_add(4).ok_or_else(|| ends(bytes, offset))?;
    let found = bytes.get(offset..end).and_then(|bytes| bytes.try_into().ok());
    found.map(u32::from_le_bytes).ok_or_else(|| ends(bytes, offset))
}

/// A number of four bytes that is a size or an offset.
pub(super) fn size_at(bytes: &[u8], offset: usize) -> Result<usize, Damage> {
    word_at(bytes, offset).map(|size| usize::try_from(size).unwrap_or(usize::MAX))
}

fn ends(bytes: &[u8], offset: usize) -> Damage {
    Damage::at(offset, format!("it ends at byte {}, and more is needed", bytes.len()))
}

/// A chunk: what it is, and where in the file its header and its body are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) kind: u16,
    pub(super) start: usize,
    /// Where the header ends.
    pub(super) body: usize,
    /// Where the chunk ends.
    pub(super) end: usize,
}

pub(super) const STRING_POOL: u16 = 0x0001;
pub(super) const RESOURCE_TABLE: u16 = 0x0002;
pub(super) const XML: u16 = 0x0003;

/// The chunk that begins at `start`, within what ends at `limit`.
pub(super) fn chunk_at(bytes: &[u8], start: usize, limit: usize) -> Result<Chunk, Damage> {
    let kind = short_at(bytes, start)?;
    let header = usize::from(short_at(bytes, start + 2)?);
    let size = size_at(bytes, start + 4)?;
    let limit = limit.min(bytes.len());
    if header < 8 || size < header {
        return Err(Damage::at(
            start,
            format!("a chunk of kind {kind:#06x} says it has {size} bytes, {header} of them head"),
        ));
    }
    let end = start.checked_add(size).filter(|end| *end <= limit);
    let end = end.ok_or_else(|| {
        Damage::at(
            start,
            format!("a chunk of kind {kind:#06x} says it has {size} bytes, and only {} are left", limit - start),
        )
    })?;
    Ok(Chunk { kind, start, body: start + header, end })
}

/// The chunks within `from..to`. A damaged one is given once, and ends it.
pub(super) fn chunks(bytes: &[u8], from: usize, to: usize) -> impl Iterator<Item = Result<Chunk, Damage>> + '_ {
    let mut next = Some(from);
    std::iter::from_fn(move || {
        let start = next.take().filter(|start| start.saturating_add(8) <= to)?;
        let chunk = chunk_at(bytes, start, to);
        next = chunk.as_ref().ok().map(|chunk| chunk.end);
        Some(chunk)
    })
}

/// A pool of strings. Strings are read when they are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strings<'a> {
    bytes: &'a [u8],
    offsets: usize,
    count: usize,
    data: usize,
    end: usize,
    is_utf8: bool,
}

/// Nothing in a manifest is longer.
const LONGEST: usize = 32 << 10;

impl<'a> Strings<'a> {
    /// The pool in this chunk.
    pub(super) fn read(bytes: &'a [u8], chunk: Chunk) -> Result<Self, Damage> {
        let count = size_at(bytes, chunk.start + 8)?;
        let flags = word_at(bytes, chunk.start + 16)?;
        let start = size_at(bytes, chunk.start + 20)?;
        if chunk.body < chunk.start + 28 || count > (chunk.end - chunk.body) / 4 {
            return Err(Damage::at(chunk.start, format!("a pool of {count} strings has no room for their offsets")));
        }
        let data = chunk.start.checked_add(start).filter(|data| *data <= chunk.end);
        let data = data.ok_or_else(|| Damage::at(chunk.start + 20, "the strings of a pool begin behind its end"))?;
        Ok(Self { bytes, offsets: chunk.body, count, data, end: chunk.end, is_utf8: flags & 0x100 != 0 })
    }

    /// A string; what is no text in it is shown as U+FFFD.
    pub(super) fn get(&self, index: u32) -> Result<String, Damage> {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if index >= self.count {
            return Err(Damage::at(self.offsets, format!("string {index} of a pool of {}", self.count)));
        }
        let offset = size_at(self.bytes, self.offsets + index * 4)?;
        let start = self.data.saturating_add(offset);
        let (from, length) = if self.is_utf8 { self.utf8_lengths(start)? } else { self.utf16_length(start)? };
        let end = from.checked_add(length).filter(|end| *end <= self.end);
        let text = end.and_then(|end| self.bytes.get(from..end)).filter(|text| text.len() <= LONGEST);
        let text = text.ok_or_else(|| {
            Damage::at(start, format!("string {index} says it has {length} bytes, which are not there or too many"))
        })?;
        if self.is_utf8 {
            return Ok(String::from_utf8_lossy(text).into_owned());
        }
        let units: Vec<u16> =
            text.chunks_exact(2).map(|pair| u16::from(byte(pair, 0)) | (u16::from(byte(pair, 1)) << 8)).collect();
        Ok(String::from_utf16_lossy(&units))
    }

    /// Two lengths stand before the text, in characters and in bytes, each of one byte or of two.
    fn utf8_lengths(&self, start: usize) -> Result<(usize, usize), Damage> {
        let length = |at: usize| -> Result<(usize, usize), Damage> {
            let first = byte_at(self.bytes, at)?;
            if first & 0x80 == 0 {
                return Ok((at + 1, usize::from(first)));
            }
            let second = byte_at(self.bytes, at + 1)?;
            Ok((at + 2, (usize::from(first & 0x7f) << 8) | usize::from(second)))
        };
        let (next, _) = length(start)?;
        length(next)
    }

    fn utf16_length(&self, start: usize) -> Result<(usize, usize), Damage> {
        let first = short_at(self.bytes, start)?;
        if first & 0x8000 == 0 {
            return Ok((start + 2, usize::from(first) * 2));
        }
        let second = short_at(self.bytes, start + 2)?;
        Ok((start + 4, ((usize::from(first & 0x7fff) << 16) | usize::from(second)) * 2))
    }
}

fn byte(pair: &[u8], index: usize) -> u8 {
    pair.get(index).copied().unwrap_or_default()
}

/// What a place holds, without what only pictures and layouts need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(u32),
    Truth(bool),
    /// The id of a resource.
    Reference(u32),
    /// Something of another kind, or nothing.
    Other,
}

/// The value whose eight bytes begin at `offset`: size, an unused byte, kind, data.
pub(super) fn value_at(bytes: &[u8], offset: usize, strings: Strings<'_>) -> Result<Value, Damage> {
    let kind = byte_at(bytes, offset.saturating_add(3))?;
    let data = word_at(bytes, offset.saturating_add(4))?;
    typed(kind, data, strings)
}

/// A value of a kind.
pub(super) fn typed(kind: u8, data: u32, strings: Strings<'_>) -> Result<Value, Damage> {
    Ok(match kind {
        0x01 | 0x07 => Value::Reference(data),
        0x03 => Value::Text(strings.get(data)?),
        0x10 | 0x11 => Value::Number(data),
        0x12 => Value::Truth(data != 0),
        _ => Value::Other,
    })
}
