//! A compiled manifest to elements.

use super::chunks::{
    Chunk, Damage, STRING_POOL, Strings, Value, XML, byte_at, chunk_at, chunks, short_at, typed, word_at,
};
use super::element::{ANDROID, Attribute, DEEPEST, Element};

const RESOURCE_MAP: u16 = 0x0180;
const START_ELEMENT: u16 = 0x0102;
const END_ELEMENT: u16 = 0x0103;
const NONE: u32 = 0xffff_ffff;

/// The attributes of the platform that are read here, by their ids. Android goes by the id, too: what the pool of
/// strings calls them does not matter, and tools that hide things change it.
pub(super) const ATTRIBUTES: &[(u32, &str)] = &[
    (0x0101_0001, "android:label"),
    (0x0101_0003, "android:name"),
    (0x0101_0006, "android:permission"),
    (0x0101_0007, "android:readPermission"),
    (0x0101_0008, "android:writePermission"),
    (0x0101_000e, "android:enabled"),
    (0x0101_0010, "android:exported"),
    (0x0101_0018, "android:authorities"),
    (0x0101_0026, "android:mimeType"),
    (0x0101_0027, "android:scheme"),
    (0x0101_0028, "android:host"),
    (0x0101_0202, "android:targetActivity"),
    (0x0101_020c, "android:minSdkVersion"),
    (0x0101_021b, "android:versionCode"),
    (0x0101_021c, "android:versionName"),
    (0x0101_0270, "android:targetSdkVersion"),
    (0x0101_0271, "android:maxSdkVersion"),
    (0x0101_0576, "android:versionCodeMajor"),
    (0x0101_0599, "android:foregroundServiceType"),
    (0x0101_0644, "android:usesPermissionFlags"),
];

/// Reads the manifest.
pub(super) fn read(bytes: &[u8]) -> Result<Element, Damage> {
    let document = chunk_at(bytes, 0, bytes.len())?;
    if document.kind != XML {
        return Err(Damage::at(0, format!("a chunk of kind {:#06x} where compiled XML begins", document.kind)));
    }
    let mut strings = None;
    let mut ids: Vec<u32> = Vec::new();
    let mut open: Vec<Element> = Vec::new();
    for chunk in chunks(bytes, document.body, document.end) {
        let chunk = chunk?;
        match chunk.kind {
            STRING_POOL if strings.is_none() => strings = Some(Strings::read(bytes, chunk)?),
            RESOURCE_MAP if ids.is_empty() => {
                let words = (chunk.body..chunk.end.saturating_sub(3)).step_by(4);
                ids = words.map(|offset| word_at(bytes, offset)).collect::<Result<_, _>>()?;
            }
            START_ELEMENT => {
                let strings =
                    strings.ok_or_else(|| Damage::at(chunk.start, "an element before the pool of strings"))?;
                if open.len() >= DEEPEST {
                    return Err(Damage::at(chunk.start, format!("elements are nested more than {DEEPEST} deep")));
                }
                open.push(element(bytes, chunk, strings, &ids)?);
            }
            END_ELEMENT => {
                let done = open.pop().ok_or_else(|| Damage::at(chunk.start, "an element ends that did not begin"))?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => return Ok(done),
                }
            }
            _ => {}
        }
    }
    Err(Damage::at(document.end, "it ends before its first element does"))
}

fn element(bytes: &[u8], chunk: Chunk, strings: Strings<'_>, ids: &[u32]) -> Result<Element, Damage> {
    let line = word_at(bytes, chunk.start + 8)?;
    let name = strings.get(word_at(bytes, chunk.body + 4)?)?;
    let start = chunk.body + usize::from(short_at(bytes, chunk.body + 8)?);
    let size = usize::from(short_at(bytes, chunk.body + 10)?);
    let count = usize::from(short_at(bytes, chunk.body + 12)?);
    let room = chunk.end.saturating_sub(start);
    if count > 0 && (size < 20 || count > room / size) {
        return Err(Damage::at(
            chunk.start,
            format!("<{name}> says it has {count} attributes and has no room for them"),
        ));
    }
    let mut attributes = Vec::with_capacity(count);
    for index in 0..count {
        let offset = start + index * size;
        let name_index = word_at(bytes, offset + 4)?;
        let id = usize::try_from(name_index).ok().and_then(|index| ids.get(index)).copied().filter(|id| *id != 0);
        let name = match id {
            Some(id) => match ATTRIBUTES.iter().find(|known| known.0 == id) {
                Some((_, name)) => (*name).to_owned(),
                // An attribute of the platform that says nothing of interest.
                None => continue,
            },
            None => {
                let namespace = word_at(bytes, offset)?;
                let prefix = match namespace {
                    NONE => "",
                    index if strings.get(index)? == ANDROID => "android:",
                    _ => "other:",
                };
                format!("{prefix}{}", strings.get(name_index)?)
            }
        };
        let (kind, data) = (byte_at(bytes, offset + 15)?, word_at(bytes, offset + 16)?);
        let raw = word_at(bytes, offset + 8)?;
        let value = match typed(kind, data, strings)? {
            Value::Other if raw != NONE => Value::Text(strings.get(raw)?),
            value => value,
        };
        attributes.push(Attribute { name, value });
    }
    Ok(Element { name, line: line.max(1), attributes, children: Vec::new() })
}
