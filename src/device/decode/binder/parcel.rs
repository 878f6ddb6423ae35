//! A parcel, read with bounds checks: no length in it is trusted, and every failure has a name.
//!
//! Layout after AOSP `frameworks/native/libs/binder/Parcel.cpp`: little-endian, everything padded to 4 bytes, 8-byte
//! numbers at any 4-aligned place.

use crate::device::decode::text::printable;

/// Why reading a parcel stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParcelError {
    /// The bytes end here, because the probe carried no more of the parcel.
    Cut,
    /// The bytes end here, and so does the parcel: it is shorter than its own content says.
    Truncated,
    /// A length below -1, or one that cannot be in this parcel.
    BadLength,
    /// A value that cannot be at this place.
    BadValue,
    /// Nested deeper than anything real.
    TooDeep,
}

impl ParcelError {
    /// The reason for events: a short snake-case word.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Truncated => "truncated",
            Self::BadLength => "bad_length",
            Self::BadValue => "bad_value",
            Self::TooDeep => "too_deep",
        }
    }
}

pub(crate) type Read<T> = Result<T, ParcelError>;

/// Nothing real is nested deeper: bundles in bundles, callers behind callers.
pub(crate) const DEEPEST: u32 = 8;

/// `type` of `struct flat_binder_object`: see include/uapi/linux/android/binder.h.
const OBJECT_BINDER: u32 = 0x7362_2a85;
const OBJECT_WEAK_BINDER: u32 = 0x7762_2a85;
const OBJECT_HANDLE: u32 = 0x7368_2a85;
const OBJECT_WEAK_HANDLE: u32 = 0x7768_2a85;

/// A binder object in a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinderObject {
    /// No binder.
    Null,
    /// A reference, or the receiver's own object.
    Present,
}

/// A position in a parcel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parcel<'a> {
    bytes: &'a [u8],
    position: usize,
    /// The parcel is longer than the bytes.
    cut: bool,
    /// Binder objects are followed by a word of stability: since Android 11.
    pub(crate) stability: bool,
}

impl<'a> Parcel<'a> {
    /// The first bytes of a parcel of `size` bytes.
    pub(crate) fn new(bytes: &'a [u8], size: u64) -> Self {
        Self { bytes, position: 0, cut: size > bytes.len() as u64, stability: true }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn at_end(&self) -> bool {
        !self.cut && self.position >= self.bytes.len()
    }

    fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    fn end(&self) -> ParcelError {
        if self.cut { ParcelError::Cut } else { ParcelError::Truncated }
    }

    /// The next bytes, and their padding to a multiple of 4.
    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let end = self.position.checked_add(length).ok_or(ParcelError::BadLength)?;
        let taken = self.bytes.get(self.position..end).ok_or(self.end())?;
        // The padding of the last value may be missing where the parcel was cut.
        self.position = end.next_multiple_of(4).min(self.bytes.len().max(end));
        Ok(taken)
    }

    pub(crate) fn skip(&mut self, length: usize) -> Read<()> {
        self.take(length).map(|_| ())
    }

    /// Goes to a place that was computed from a length in the parcel. Never backwards.
    pub(crate) fn jump(&mut self, position: usize) -> Read<()> {
        if position < self.position {
            return Err(ParcelError::BadLength);
        }
        if position > self.bytes.len() {
            return Err(if self.cut { ParcelError::Cut } else { ParcelError::BadLength });
        }
        self.position = position;
        Ok(())
    }

    fn word<const N: usize>(&mut self) -> Read<[u8; N]> {
        let end = self.end();
        self.take(N)?.try_into().map_err(|_| end)
    }

    pub(crate) fn u32(&mut self) -> Read<u32> {
        self.word().map(u32::from_le_bytes)
    }

    pub(crate) fn i32(&mut self) -> Read<i32> {
        self.word().map(i32::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Read<i64> {
        self.word().map(i64::from_le_bytes)
    }

    /// The next word, without going past it.
    pub(crate) fn peek(&self) -> Read<i32> {
        self.clone().i32()
    }

    /// A count of elements that take at least `least` bytes each; `None` for -1, the null of arrays.
    pub(crate) fn count(&mut self, least: usize) -> Read<Option<usize>> {
        match self.i32()? {
            -1 => Ok(None),
            count => {
                let count = usize::try_from(count).map_err(|_| ParcelError::BadLength)?;
                // In a cut parcel the elements may be beyond the bytes; reading them will say so.
                if !self.cut && count.saturating_mul(least) > self.remaining() {
                    return Err(ParcelError::BadLength);
                }
                Ok(Some(count))
            }
        }
    }

    /// UTF-16 text with its length in front and a NUL behind; `None` is null. Unpaired surrogates become U+FFFD.
    pub(crate) fn string16(&mut self) -> Read<Option<String>> {
        let Some(units) = self.units16()? else { return Ok(None) };
        let text: String = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        Ok(Some(printable(text.as_bytes())))
    }

    fn units16(&mut self) -> Read<Option<impl Iterator<Item = u16> + use<'a>>> {
        let Some(count) = self.count(2)? else { return Ok(None) };
        let length = count.checked_add(1).and_then(|units| units.checked_mul(2)).ok_or(ParcelError::BadLength)?;
        let bytes = self.take(length)?;
        let (text, nul) = bytes.split_at_checked(length - 2).ok_or(ParcelError::BadLength)?;
        if nul != [0, 0] {
            return Err(ParcelError::BadValue);
        }
        Ok(Some(text.chunks_exact(2).map(|unit| u16::from_le_bytes([first(unit), second(unit)]))))
    }

    /// UTF-8 text with its length in front and a NUL behind; `None` is null.
    pub(crate) fn string8(&mut self) -> Read<Option<String>> {
        let Some(count) = self.count(1)? else { return Ok(None) };
        let length = count.checked_add(1).ok_or(ParcelError::BadLength)?;
        let bytes = self.take(length)?;
        let (text, nul) = bytes.split_at_checked(count).ok_or(ParcelError::BadLength)?;
        if nul != [0] {
            return Err(ParcelError::BadValue);
        }
        Ok(Some(printable(text)))
    }

    /// An array of UTF-16 texts; null is empty.
    pub(crate) fn strings16(&mut self) -> Read<Vec<String>> {
        let count = self.count(4)?.unwrap_or(0);
        // Not reserved: the count is only a claim.
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(self.string16()?.unwrap_or_default());
        }
        Ok(texts)
    }

    /// Bytes with their length in front; gives the length, `None` is null.
    pub(crate) fn byte_array(&mut self) -> Read<Option<usize>> {
        let Some(length) = self.count(1)? else { return Ok(None) };
        self.take(length)?;
        Ok(Some(length))
    }

    /// An array of elements of `size` bytes each; gives their number, `None` is null.
    pub(crate) fn array(&mut self, size: usize) -> Read<Option<usize>> {
        let Some(count) = self.count(size)? else { return Ok(None) };
        self.take(count.checked_mul(size).ok_or(ParcelError::BadLength)?)?;
        Ok(Some(count))
    }

    /// A strong binder, with its stability.
    pub(crate) fn binder(&mut self) -> Read<BinderObject> {
        let kind = self.u32()?;
        if !matches!(kind, OBJECT_BINDER | OBJECT_WEAK_BINDER | OBJECT_HANDLE | OBJECT_WEAK_HANDLE) {
            return Err(ParcelError::BadValue);
        }
        let _flags = self.u32()?;
        let value = self.i64()?;
        let _cookie = self.i64()?;
        if self.stability {
            self.u32()?;
        }
        let null = matches!(kind, OBJECT_BINDER | OBJECT_WEAK_BINDER) && value == 0;
        Ok(if null { BinderObject::Null } else { BinderObject::Present })
    }

    /// A value with its own size in front (a structured parcelable of AIDL): `read` gets what is inside, and whatever it
    /// leaves is skipped.
    pub(crate) fn structured<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        let start = self.position;
        let size = usize::try_from(self.i32()?).map_err(|_| ParcelError::BadLength)?;
        if size < 4 {
            return Err(ParcelError::BadLength);
        }
        let end = start.checked_add(size).ok_or(ParcelError::BadLength)?;
        let mut inside = *self;
        if let Some(bytes) = self.bytes.get(..end) {
            inside.bytes = bytes;
            inside.cut = false;
        } else if !self.cut {
            return Err(ParcelError::BadLength);
        }
        let value = read(&mut inside)?;
        self.jump(end)?;
        Ok(value)
    }
}

fn first(unit: &[u8]) -> u8 {
    unit.first().copied().unwrap_or_default()
}

fn second(unit: &[u8]) -> u8 {
    unit.get(1).copied().unwrap_or_default()
}

/// Whether a text can be the name of a package: what the installer of Android takes.
pub(crate) fn is_package_name(text: &str) -> bool {
    let ascii = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    (1..=255).contains(&text.len()) && ascii && begins && (text.contains('.') || text == "android")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn texts_in_both_encodings() {
        // "ab", padded: 4 + 6 + 2 bytes. Then null, then the empty text.
        let mut bytes = words(&[2, u32::from(b'a') | u32::from(b'b') << 16, 0, 0xffff_ffff, 0, 0]);
        bytes.extend(words(&[3, u32::from_le_bytes(*b"xyz\0")]));
        let mut parcel = Parcel::new(&bytes, bytes.len() as u64);
        assert_eq!(parcel.string16(), Ok(Some("ab".to_owned())));
        assert_eq!(parcel.string16(), Ok(None));
        assert_eq!(parcel.string16(), Ok(Some(String::new())));
        assert_eq!(parcel.string8(), Ok(Some("xyz".to_owned())));
        assert!(parcel.at_end());
        assert_eq!(parcel.i32(), Err(ParcelError::Truncated));
    }

    #[test]
    fn no_length_is_trusted() {
        let read = |count: u32| Parcel::new(&words(&[count, 0]), 8).string16();
        for count in [0x7fff_ffff, 0x4000_0000, 0xffff_fffe, 0x8000_0000, 3] {
            assert_eq!(read(count), Err(ParcelError::BadLength), "{count:x}");
        }
        let cut = |count: u32| Parcel::new(&words(&[count, 0]), 4000).string16();
        assert_eq!(cut(100), Err(ParcelError::Cut), "the rest was not carried");
        assert_eq!(Parcel::new(&words(&[1, 0x0041_0041]), 8).string16(), Err(ParcelError::BadValue), "no NUL");
        let mut inside = Parcel::new(&[8, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0], 12);
        assert_eq!(inside.structured(|inside| inside.i64()), Err(ParcelError::Truncated), "not beyond its own size");
        let mut wide = Parcel::new(&[99, 0, 0, 0], 4);
        assert_eq!(wide.structured(|inside| inside.i32()), Err(ParcelError::BadLength));
    }

    #[test]
    fn unpaired_surrogates_are_replaced() {
        let bytes = words(&[1, 0xd800]);
        assert_eq!(Parcel::new(&bytes, 8).string16(), Ok(Some("\u{fffd}".to_owned())));
    }

    #[test]
    fn package_names() {
        assert!(is_package_name("com.example.app") && is_package_name("android"));
        for text in ["", "gps", "1.a", "com.exa mple", "com.é"] {
            assert!(!is_package_name(text), "{text}");
        }
    }
}
