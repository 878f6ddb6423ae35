//! What the app's memory says: strings, addresses, lists of buffers. All of it hints: other threads can change it.

use super::super::system::read_memory;

/// The longest path argument, its NUL included.
const ARGUMENT_MAX: usize = 4096;
/// Memory is read up to the end of a page, because the next one may not be there.
const PAGE: u64 = 4096;
/// The most buffers of one call that are looked at.
const PARTS_MAX: u64 = 64;

/// A string argument.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    /// Its end was not found.
    pub(super) cut: bool,
    /// The memory could not be read.
    pub(super) unreadable: bool,
}

impl Text {
    pub(super) fn read(thread: u32, address: u64) -> Self {
        let mut text = Self::default();
        let mut step = 256;
        while text.bytes.len() < ARGUMENT_MAX {
            let at = address.saturating_add(text.bytes.len() as u64);
            let to_page_end = usize::try_from(PAGE - at % PAGE).unwrap_or(step);
            let piece = read_memory(thread, at, step.min(to_page_end));
            if piece.is_empty() {
                text.unreadable = text.bytes.is_empty();
                text.cut = !text.unreadable;
                return text;
            }
            if let Some(end) = piece.iter().position(|byte| *byte == 0) {
                text.bytes.extend(piece.get(..end).unwrap_or_default());
                return text;
            }
            text.bytes.extend(piece);
            step = 1024;
        }
        text.cut = true;
        text
    }

    pub(super) fn is_absolute(&self) -> bool {
        self.bytes.first() == Some(&b'/')
    }
}

/// A little-endian number of `width` bytes; 0 when it is not there.
pub(super) fn number(bytes: &[u8], offset: usize, width: usize) -> u64 {
    let field = offset.checked_add(width).and_then(|end| bytes.get(offset..end)).unwrap_or_default();
    field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// A number in memory.
pub(super) fn number_at(thread: u32, address: u64, width: usize) -> u64 {
    number(&read_memory(thread, address, width), 0, width)
}

/// The width of a pointer in structures of the app.
pub(super) fn pointer(narrow: bool) -> usize {
    if narrow { 4 } else { 8 }
}

/// `struct msghdr`, as far as it is of interest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) name: u64,
    pub(super) name_length: u64,
    pub(super) parts: u64,
    pub(super) part_count: u64,
    /// Of a message among several: bytes that were moved.
    pub(super) moved: u64,
}

impl Message {
    /// The size of `struct msghdr`, and of `struct mmsghdr`.
    fn sizes(narrow: bool) -> (u64, u64) {
        if narrow { (28, 32) } else { (56, 64) }
    }

    pub(super) fn read(thread: u32, address: u64, narrow: bool) -> Self {
        let (size, _) = Self::sizes(narrow);
        let bytes = read_memory(thread, address, usize::try_from(size).unwrap_or(0));
        Self::parse(&bytes, narrow)
    }

    /// The message of this index in the list of a call with several.
    pub(super) fn read_counted(thread: u32, list: u64, index: u64, narrow: bool) -> Self {
        let (header, size) = Self::sizes(narrow);
        let bytes = read_memory(thread, list.saturating_add(index * size), usize::try_from(size).unwrap_or(0));
        let moved = number(&bytes, usize::try_from(header).unwrap_or(0), 4);
        Self { moved, ..Self::parse(&bytes, narrow) }
    }

    fn parse(bytes: &[u8], narrow: bool) -> Self {
        let width = pointer(narrow);
        Self {
            name: number(bytes, 0, width),
            name_length: number(bytes, width, 4),
            parts: number(bytes, 2 * width, width),
            part_count: number(bytes, 3 * width, width),
            moved: 0,
        }
    }
}

/// The first `length` bytes that a list of buffers holds.
pub(super) fn gather(thread: u32, parts: u64, part_count: u64, narrow: bool, length: usize) -> Vec<u8> {
    let width = pointer(narrow);
    let count = part_count.min(PARTS_MAX);
    let list = read_memory(thread, parts, usize::try_from(count).unwrap_or(0) * 2 * width);
    let mut bytes = Vec::new();
    for part in list.chunks_exact(2 * width) {
        let wanted = usize::try_from(number(part, width, width)).unwrap_or(usize::MAX).min(length - bytes.len());
        if wanted > 0 {
            let piece = read_memory(thread, number(part, 0, width), wanted);
            let whole = piece.len() == wanted;
            bytes.extend(piece);
            if !whole {
                break;
            }
        }
        if bytes.len() >= length {
            break;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> u32 {
        std::process::id()
    }

    #[test]
    fn strings_end_at_their_end() {
        let text = c"/some/where";
        let read = Text::read(own(), text.as_ptr() as u64);
        assert_eq!(read, Text { bytes: b"/some/where".to_vec(), cut: false, unreadable: false });
        assert!(read.is_absolute());
        let long = vec![b'a'; 3 * ARGUMENT_MAX];
        let read = Text::read(own(), long.as_ptr() as u64);
        assert!(read.cut && read.bytes.len() >= ARGUMENT_MAX && read.bytes.len() < 2 * ARGUMENT_MAX);
        assert!(Text::read(own(), 8).unreadable);
    }

    #[test]
    fn buffers_are_gathered_in_both_widths() {
        let (one, two) = (b"first ".to_vec(), b"second".to_vec());
        let wide: Vec<u8> = [&one, &two]
            .iter()
            .flat_map(|part| [(part.as_ptr() as u64).to_le_bytes(), (part.len() as u64).to_le_bytes()].concat())
            .collect();
        let gathered = |length| gather(own(), wide.as_ptr() as u64, 2, false, length);
        assert_eq!(gathered(9), b"first sec");
        assert_eq!(gathered(100), b"first second");
        let narrow = [7_u32, 8, 9, 1].map(u32::to_le_bytes).concat();
        assert_eq!(
            Message::parse(&narrow, true),
            Message { name: 7, name_length: 8, parts: 9, part_count: 1, moved: 0 }
        );
    }
}
