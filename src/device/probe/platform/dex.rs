//! Transaction codes in a dex file.
//!
//! * **In:** the bytes of a dex file. **Out:** for each stub of an AIDL interface its methods by code, and what was
//!   skipped.
//! * **May import:** nothing.
//! * **Test it:** `cargo test platform::dex`; `tests/real_dex.rs` with dex that other tools made.
//!
//! AIDL's Java output keeps the code of each method as a constant: `static final int TRANSACTION_name` in the nested
//! class `Stub`. Only these constants are read, never instructions. No offset and no length of the file is trusted: a
//! table that does not fit ends the file, a class that does not fit is counted and left out.

use std::collections::BTreeMap;

use thiserror::Error;

/// Methods of each interface: by descriptor, then by code.
pub type Methods = BTreeMap<String, BTreeMap<u32, String>>;

/// What a dex file gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DexMethods {
    /// The interfaces with at least one method.
    pub interfaces: Methods,
    /// What was left out, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
}

impl DexMethods {
    fn skip(&mut self, reason: &'static str) {
        let count = self.skipped.entry(reason).or_default();
        *count = count.saturating_add(1);
    }
}

/// Why a file cannot be read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DexError {
    /// Too short for a header, or it does not begin as a dex file.
    #[error("not a dex file")]
    NotDex,
    /// A container of several dex files (version 041).
    #[error("a container of several dex files (version 041), which is not read yet")]
    Container,
    /// A version that is not known.
    #[error("dex version {}, which is not known", String::from_utf8_lossy(.0))]
    Version([u8; 3]),
    /// Big-endian, or damaged.
    #[error("the byte order mark is {0:#x}")]
    ByteOrder(u32),
    /// A table that does not lie within the file.
    #[error("the table of {table} ({count} entries at {offset}) does not fit into {length} bytes")]
    Table {
        /// Which table.
        table: &'static str,
        /// How many entries it claims.
        count: u32,
        /// Where it claims to begin.
        offset: u32,
        /// Length of the file.
        length: usize,
    },
}

/// Versions whose layout is known: Android 5 to 15.
const VERSIONS: &[&[u8; 3]] = &[b"035", b"037", b"038", b"039", b"040"];
const CONTAINER_VERSION: &[u8; 3] = b"041";
const HEADER_SIZE: usize = 0x70;
const BYTE_ORDER: u32 = 0x1234_5678;
const NO_INDEX: u32 = u32::MAX;
/// Beginning of the fields that hold codes.
const CODE_PREFIX: &str = "TRANSACTION_";
/// Codes of methods; what lies above belongs to the binder itself (`IBinder.LAST_CALL_TRANSACTION`).
const CODES: std::ops::RangeInclusive<i64> = 1..=0x00ff_ffff;
/// The longest name that is read, in bytes: longer ones are no names of classes or methods.
const NAME_MAX: usize = 512;
/// Fields looked at in one file: many classes can point at the same long list, so the length of the file is no bound.
const FIELDS_MAX: u32 = 500_000;

/// A table of the file: `count` entries of `N` bytes.
#[derive(Clone, Copy)]
struct Table<'a, const N: usize> {
    entries: &'a [[u8; N]],
}

impl<const N: usize> Table<'_, N> {
    fn word(&self, index: u32, offset: usize) -> Option<u32> {
        let entry = self.entries.get(usize::try_from(index).ok()?)?;
        word(entry, offset)
    }

    fn half_word(&self, index: u32, offset: usize) -> Option<u16> {
        let entry = self.entries.get(usize::try_from(index).ok()?)?;
        Some(u16::from_le_bytes(entry.get(offset..)?.first_chunk().copied()?))
    }
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(offset..)?.first_chunk().copied()?))
}

struct Dex<'a> {
    bytes: &'a [u8],
    strings: Table<'a, 4>,
    types: Table<'a, 4>,
    fields: Table<'a, 8>,
    classes: Table<'a, 32>,
}

/// Reads the transaction codes of every stub in a dex file.
///
/// # Errors
///
/// When it is no dex file of a known version, or a table of it lies outside. A single damaged class is no error: it is
/// counted in [`DexMethods::skipped`].
pub fn transaction_codes(bytes: &[u8]) -> Result<DexMethods, DexError> {
    let dex = Dex::open(bytes)?;
    let mut found = DexMethods::default();
    let mut fields_left = FIELDS_MAX;
    for index in 0..u32::try_from(dex.classes.entries.len()).unwrap_or(u32::MAX) {
        let Some(class) = dex.classes.word(index, 0) else { break };
        match dex.type_name(class) {
            Ok(name) if name.starts_with('L') && name.ends_with("$Stub;") => {
                if let Err(reason) = dex.stub(index, class, name, &mut fields_left, &mut found) {
                    found.skip(reason);
                }
            }
            Ok(_) => {}
            Err(reason) => found.skip(reason),
        }
    }
    found.interfaces.retain(|_, methods| !methods.is_empty());
    Ok(found)
}

impl<'a> Dex<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, DexError> {
        let (header, _) = bytes.split_at_checked(HEADER_SIZE).ok_or(DexError::NotDex)?;
        let version: [u8; 3] = match header {
            [b'd', b'e', b'x', b'\n', a, b, c, 0, ..] => [*a, *b, *c],
            _ => return Err(DexError::NotDex),
        };
        if version == *CONTAINER_VERSION {
            return Err(DexError::Container);
        }
        if !VERSIONS.contains(&&version) {
            return Err(DexError::Version(version));
        }
        let at = |offset| word(header, offset).unwrap_or_default();
        if at(40) != BYTE_ORDER {
            return Err(DexError::ByteOrder(at(40)));
        }
        Ok(Self {
            bytes,
            strings: table(bytes, "strings", at(56), at(60))?,
            types: table(bytes, "types", at(64), at(68))?,
            fields: table(bytes, "fields", at(80), at(84))?,
            classes: table(bytes, "classes", at(96), at(100))?,
        })
    }

    /// The methods of one stub.
    fn stub(
        &self,
        index: u32,
        class: u32,
        name: &str,
        fields_left: &mut u32,
        found: &mut DexMethods,
    ) -> Result<(), &'static str> {
        let data_offset = self.classes.word(index, 24).ok_or("class_outside")?;
        let values_offset = self.classes.word(index, 28).ok_or("class_outside")?;
        if data_offset == 0 {
            return Ok(());
        }
        let mut data = self.reader(data_offset).ok_or("class_data_outside")?;
        let static_fields = data.leb().ok_or("class_data_cut")?;
        for _ in 0..3 {
            data.leb().ok_or("class_data_cut")?;
        }
        let mut values = match values_offset {
            0 => None,
            offset => Some(self.reader(offset).ok_or("values_outside")?),
        };
        let mut values_left = match &mut values {
            Some(values) => values.leb().ok_or("values_cut")?,
            None => 0,
        };
        // Older output of AIDL names the interface here; renaming of packages changes it along with the class.
        let mut descriptor = None;
        let mut methods = BTreeMap::new();
        let mut field = 0_u32;
        for _ in 0..static_fields {
            *fields_left = fields_left.checked_sub(1).ok_or("too_many_fields")?;
            field = field.checked_add(data.leb().ok_or("class_data_cut")?).ok_or("field_outside")?;
            data.leb().ok_or("class_data_cut")?;
            // Fields beyond the list of values have none: it ends with the last that is not zero.
            let value = match (&mut values, values_left) {
                (Some(values), 1..) => {
                    values_left -= 1;
                    values.value()?
                }
                _ => Value::Other,
            };
            if self.fields.half_word(field, 0).map(u32::from) != Some(class) {
                return Err("field_of_another_class");
            }
            let field_name = self.string(self.fields.word(field, 4).ok_or("field_outside")?)?;
            match (field_name, value) {
                ("DESCRIPTOR", Value::String(string)) => descriptor = Some(self.string(string)?),
                (_, Value::Int(code)) => {
                    let Some(method) = field_name.strip_prefix(CODE_PREFIX).filter(|method| !method.is_empty()) else {
                        continue;
                    };
                    match u32::try_from(code) {
                        Ok(number) if CODES.contains(&code) => {
                            if methods.insert(number, method).is_some_and(|other| other != method) {
                                return Err("code_of_two_methods");
                            }
                        }
                        _ => found.skip("code_out_of_range"),
                    }
                }
                (other, _) if other.starts_with(CODE_PREFIX) => found.skip("code_without_value"),
                _ => {}
            }
        }
        let name = name.strip_prefix('L').and_then(|name| name.strip_suffix("$Stub;")).unwrap_or_default();
        let interface = descriptor.map_or_else(|| name.replace(['/', '$'], "."), str::to_owned);
        let all = found.interfaces.entry(interface).or_default();
        for (code, method) in methods {
            all.insert(code, method.to_owned());
        }
        Ok(())
    }

    fn type_name(&self, index: u32) -> Result<&'a str, &'static str> {
        self.string(self.types.word(index, 0).ok_or("type_outside")?)
    }

    /// A string that can be a name.
    fn string(&self, index: u32) -> Result<&'a str, &'static str> {
        if index == NO_INDEX {
            return Err("string_outside");
        }
        let mut data = self.strings.word(index, 0).and_then(|at| self.reader(at)).ok_or("string_outside")?;
        data.leb().ok_or("string_cut")?;
        let longest = data.rest.get(..=NAME_MAX).unwrap_or(data.rest);
        let length = longest.iter().position(|byte| *byte == 0).ok_or("string_too_long")?;
        let name = std::str::from_utf8(longest.get(..length).unwrap_or_default()).map_err(|_| "string_not_text")?;
        if name.chars().any(|one| one.is_control() || one.is_whitespace()) {
            Err("string_not_a_name")
        } else {
            Ok(name)
        }
    }

    fn reader(&self, offset: u32) -> Option<Reader<'a>> {
        Some(Reader { rest: self.bytes.get(usize::try_from(offset).ok()?..)? })
    }
}

fn table<'a, const N: usize>(
    bytes: &'a [u8],
    table: &'static str,
    count: u32,
    offset: u32,
) -> Result<Table<'a, N>, DexError> {
    let entries = || {
        let (count, offset) = (usize::try_from(count).ok()?, usize::try_from(offset).ok()?);
        let end = offset.checked_add(count.checked_mul(N)?)?;
        Some(bytes.get(offset..end)?.as_chunks().0)
    };
    let entries = if count == 0 { Some([].as_slice()) } else { entries() };
    entries.map(|entries| Table { entries }).ok_or(DexError::Table { table, count, offset, length: bytes.len() })
}

/// A constant, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Int(i64),
    /// Number of the string.
    String(u32),
    Other,
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// An unsigned number in groups of seven bits, at most five of them.
    fn leb(&mut self) -> Option<u32> {
        let mut number = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(number).ok();
            }
        }
        None
    }

    /// The next constant of a list.
    fn value(&mut self) -> Result<Value, &'static str> {
        let head = self.byte().ok_or("values_cut")?;
        let (kind, argument) = (head & 0x1f, usize::from(head >> 5));
        let longest = match kind {
            0x00 => 1,
            0x02 | 0x03 => 2,
            0x04 | 0x10 | 0x15..=0x1b => 4,
            0x06 | 0x11 => 8,
            0x1e | 0x1f => return Ok(Value::Other),
            // Lists and annotations have no fixed length, and a stub has none.
            0x1c | 0x1d => return Err("value_nested"),
            _ => return Err("value_unknown"),
        };
        let length = argument + 1;
        if length > longest {
            return Err("value_too_long");
        }
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or("values_cut")?;
        self.rest = rest;
        let unsigned = bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Ok(match kind {
            0x04 => {
                let unused = 64 - 8 * u32::try_from(length).unwrap_or(4);
                Value::Int((unsigned << unused).cast_signed() >> unused)
            }
            0x17 => Value::String(u32::try_from(unsigned).unwrap_or(NO_INDEX)),
            _ => Value::Other,
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
