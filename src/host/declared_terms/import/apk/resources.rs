//! The table of resources, as far as a manifest refers to it.

use std::collections::HashMap;

use super::chunks::{
    Chunk, Damage, RESOURCE_TABLE, STRING_POOL, Strings, Value, byte_at, chunk_at, chunks, short_at, size_at, typed,
    value_at, word_at,
};

const PACKAGE: u16 = 0x0200;
const TYPE: u16 = 0x0201;
const NO_ENTRY: u32 = 0xffff_ffff;
/// A reference leads to a reference at most so often.
const LONGEST_WAY: usize = 16;

/// A table of resources.
pub(super) struct Resources<'a> {
    bytes: &'a [u8],
    strings: Strings<'a>,
    /// The chunks with the values of each package and type, one for each language and so on.
    values: HashMap<(u8, u8), Vec<Chunk>>,
}

impl<'a> Resources<'a> {
    /// Reads where things are.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Damage> {
        let table = chunk_at(bytes, 0, bytes.len())?;
        if table.kind != RESOURCE_TABLE {
            return Err(Damage::at(
                0,
                format!("a chunk of kind {:#06x} where a table of resources begins", table.kind),
            ));
        }
        let mut strings = None;
        let mut values: HashMap<(u8, u8), Vec<Chunk>> = HashMap::new();
        for chunk in chunks(bytes, table.body, table.end) {
            let chunk = chunk?;
            if chunk.kind == STRING_POOL && strings.is_none() {
                strings = Some(Strings::read(bytes, chunk)?);
            }
            if chunk.kind != PACKAGE {
                continue;
            }
            let Ok(package) = u8::try_from(word_at(bytes, chunk.start + 8)?) else { continue };
            for inner in chunks(bytes, chunk.body, chunk.end) {
                let inner = inner?;
                if inner.kind == TYPE {
                    values.entry((package, byte_at(bytes, inner.start + 8)?)).or_default().push(inner);
                }
            }
        }
        let strings = strings.ok_or_else(|| Damage::at(table.body, "the table has no strings"))?;
        Ok(Self { bytes, strings, values })
    }

    /// The value of a resource, for no language in particular where there is such a one. `None` when the table does not
    /// have it, as for resources of the platform.
    pub(super) fn resolve(&self, id: u32) -> Result<Option<Value>, Damage> {
        let mut id = id;
        for _ in 0..LONGEST_WAY {
            match self.lookup(id)? {
                Some(Value::Reference(next)) if next != 0 && next != id => id = next,
                found => return Ok(found),
            }
        }
        Err(Damage::at(0, format!("resource {id:#010x} refers to others in a circle")))
    }

    fn lookup(&self, id: u32) -> Result<Option<Value>, Damage> {
        let [package, kind, high, low] = id.to_be_bytes();
        let entry = usize::from(u16::from_be_bytes([high, low]));
        let mut first = None;
        for chunk in self.values.get(&(package, kind)).into_iter().flatten() {
            let Some(value) = self.entry(*chunk, entry)? else { continue };
            if self.is_default(*chunk) {
                return Ok(Some(value));
            }
            first.get_or_insert(value);
        }
        Ok(first)
    }

    /// Whether the values of a chunk are for any device and language: its configuration is nothing but zeros.
    fn is_default(&self, chunk: Chunk) -> bool {
        let configuration = chunk.start + 20;
        let Ok(size) = size_at(self.bytes, configuration) else { return false };
        let end = configuration.saturating_add(size).min(chunk.body);
        self.bytes.get(configuration + 4..end).is_none_or(|bytes| bytes.iter().all(|byte| *byte == 0))
    }

    fn entry(&self, chunk: Chunk, index: usize) -> Result<Option<Value>, Damage> {
        let flags = byte_at(self.bytes, chunk.start + 9)?;
        let count = size_at(self.bytes, chunk.start + 12)?;
        let entries = chunk.start.saturating_add(size_at(self.bytes, chunk.start + 16)?);
        let offset = match flags {
            // Sparse: pairs of index and offset in fours, sorted.
            flags if flags & 1 != 0 => {
                let mut found = None;
                for pair in 0..count.min((chunk.end - chunk.body) / 4) {
                    if usize::from(short_at(self.bytes, chunk.body + pair * 4)?) == index {
                        found = Some(usize::from(short_at(self.bytes, chunk.body + pair * 4 + 2)?) * 4);
                        break;
                    }
                }
                found
            }
            _ if index >= count => None,
            flags if flags & 2 != 0 => {
                let offset = short_at(self.bytes, chunk.body + index * 2)?;
                (offset != u16::MAX).then(|| usize::from(offset) * 4)
            }
            _ => {
                let offset = word_at(self.bytes, chunk.body + index * 4)?;
                (offset != NO_ENTRY).then(|| usize::try_from(offset).unwrap_or(usize::MAX))
            }
        };
        let Some(offset) = offset else { return Ok(None) };
        let start = entries.saturating_add(offset);
        if start.saturating_add(8) > chunk.end {
            return Err(Damage::at(chunk.start, format!("entry {index} of a type begins behind the end of the type")));
        }
        let entry_flags = short_at(self.bytes, start + 2)?;
        if entry_flags & 8 != 0 {
            // Compact: the kind of the value is in the flags, and the data follows.
            let [_, kind] = entry_flags.to_le_bytes();
            let kind = u8::from_be_bytes([kind]);
            return typed(kind, word_at(self.bytes, start + 4)?, self.strings).map(Some);
        }
        if entry_flags & 1 != 0 {
            // A bag of values, such as a style.
            return Ok(Some(Value::Other));
        }
        let size = usize::from(short_at(self.bytes, start)?);
        value_at(self.bytes, start.saturating_add(size), self.strings).map(Some)
    }
}
