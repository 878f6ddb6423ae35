//! Writes the arguments of requests in the form of an API level.
//!
//! The bytes are laid down by rsbinder's own parcel: its interface token, its String16, its binder objects. This module
//! adds only what rsbinder has no word for, because Android has it in Java: Uri, Bundle, ContentValues, AttributionSource
//! and String8. Two ways to begin: [`Writer::live`] for a real call, [`Writer::imagined`] for `dump-parcels`, where no
//! driver is needed and the token and the objects are those of the level.
//!
//! What rsbinder fixes on Linux in live calls, whatever the level: the token of API level 30 and later (`SYST`), and the
//! stability word after binder objects.

use crate::api::Api;
use rsbinder::{Parcel, Result, SIBinder, StatusCode};

/// The bytes `B N D L`, as a little-endian number.
pub const BUNDLE_MAGIC: i32 = 0x4c44_4e42;

/// A value in a Bundle or a ContentValues.
#[derive(Clone, Debug)]
pub enum Value {
    /// Java's null.
    Null,
    /// A String.
    Text(String),
    /// An Integer.
    Integer(i32),
    /// A Long.
    Long(i64),
    /// A String\[\].
    Texts(Vec<String>),
}

/// A Uri as Java's subclasses keep it; each is written in a form of its own.
#[derive(Clone, Debug)]
pub enum Uri {
    /// What Uri.parse gives.
    Text(String),
    /// What a builder gives: scheme, authority, path.
    Hierarchical(String, String, String),
    /// What Uri.fromParts gives: scheme, scheme-specific part.
    Opaque(String, String),
}

impl Uri {
    /// `content://AUTHORITY/PATH` in the form of Uri.parse.
    pub fn parsed(authority: &str, path: &str) -> Self {
        Self::Text(format!("content://{authority}/{path}"))
    }

    /// The same in the form of a builder, as Uri.withAppendedPath gives it.
    pub fn built(authority: &str, path: &str) -> Self {
        Self::Hierarchical("content".into(), authority.into(), format!("/{path}"))
    }
}

impl std::fmt::Display for Uri {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Hierarchical(scheme, authority, path) => write!(formatter, "{scheme}://{authority}{path}"),
            Self::Opaque(scheme, part) => write!(formatter, "{scheme}:{part}"),
        }
    }
}

/// Who calls, as the parcel says it.
#[derive(Clone)]
pub struct Caller {
    /// The package.
    pub package: String,
    /// Its user id.
    pub uid: u32,
    /// Its process.
    pub pid: u32,
    /// The app's own binder that stands for it; none where no driver is.
    pub token: Option<SIBinder>,
}

/// A parcel being written.
pub struct Writer {
    parcel: Parcel,
    api: Api,
    /// Whether objects are imagined; then this writer keeps where they are.
    imagined: bool,
    offsets: Vec<u64>,
}

impl Writer {
    /// For a call to `target`, beginning with rsbinder's token.
    ///
    /// # Errors
    /// When `target` is not in another process.
    pub fn live(api: Api, target: &SIBinder) -> Result<Self> {
        let proxy = target.as_proxy().ok_or(StatusCode::BadType)?;
        Ok(Self { parcel: proxy.prepare_transact(true)?, api, imagined: false, offsets: Vec::new() })
    }

    /// For nobody, beginning with the token of the level.
    ///
    /// # Errors
    /// Those of writing.
    pub fn imagined(api: Api, interface: &str) -> Result<Self> {
        let mut writer = Self { parcel: Parcel::new(), api, imagined: true, offsets: Vec::new() };
        match api.level() {
            ..=28 => writer.i32(0x0040_0000)?,
            level => {
                writer.i32(i32::MIN)?;
                writer.i32(-1)?;
                if level >= 30 {
                    writer.parcel.write_u32(rsbinder::INTERFACE_HEADER)?;
                }
            }
        }
        writer.string16(Some(interface))?;
        Ok(writer)
    }

    /// A reply: no token.
    pub fn reply(api: Api, parcel: &mut Parcel, fill: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let taken = std::mem::take(parcel);
        let mut writer = Self { parcel: taken, api, imagined: false, offsets: Vec::new() };
        let outcome = fill(&mut writer);
        *parcel = writer.parcel;
        outcome
    }

    /// What was written, and the offsets of imagined objects.
    pub fn finish(self) -> (Parcel, Vec<u64>) {
        (self.parcel, self.offsets)
    }

    /// The level it writes for.
    pub fn level(&self) -> u32 {
        self.api.level()
    }

    /// Anything rsbinder can write.
    pub fn own<S: rsbinder::Serialize + ?Sized>(&mut self, value: &S) -> Result<()> {
        self.parcel.write(value)
    }

    /// One word.
    pub fn i32(&mut self, value: i32) -> Result<()> {
        self.parcel.write_i32(value)
    }

    /// Two words.
    pub fn i64(&mut self, value: i64) -> Result<()> {
        self.parcel.write_i64(value)
    }

    /// A float.
    pub fn f32(&mut self, value: f32) -> Result<()> {
        self.parcel.write_f32(value)
    }

    /// Java's writeString.
    pub fn string16(&mut self, value: Option<&str>) -> Result<()> {
        self.parcel.write(&value)
    }

    /// Java's writeString8: bytes, a NUL, and zeros up to a word.
    pub fn string8(&mut self, value: Option<&str>) -> Result<()> {
        let Some(text) = value else { return self.i32(-1) };
        self.i32(i32::try_from(text.len()).map_err(|_| StatusCode::BadValue)?)?;
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        for word in bytes.chunks_exact(4) {
            let word: [u8; 4] = word.try_into().map_err(|_| StatusCode::BadValue)?;
            self.parcel.write_u32(u32::from_le_bytes(word))?;
        }
        Ok(())
    }

    /// Java's writeStringArray; none is null.
    pub fn strings16(&mut self, values: Option<&[String]>) -> Result<()> {
        let Some(values) = values else { return self.i32(-1) };
        self.count(values.len())?;
        values.iter().try_for_each(|value| self.string16(Some(value)))
    }

    fn count(&mut self, count: usize) -> Result<()> {
        self.i32(i32::try_from(count).map_err(|_| StatusCode::BadValue)?)
    }

    /// A binder of this process or a known one of another.
    pub fn binder(&mut self, binder: Option<&SIBinder>) -> Result<()> {
        if self.imagined { self.imagined_object(false) } else { self.parcel.write(&binder) }
    }

    /// A binder that the app would have made for this call.
    pub fn token(&mut self, binder: Option<&SIBinder>) -> Result<()> {
        if self.imagined { self.imagined_object(true) } else { self.parcel.write(&binder) }
    }

    /// Java's null binder.
    pub fn null_binder(&mut self) -> Result<()> {
        self.binder(None)
    }

    /// flat_binder_object and the stability word, with the words that libbinder of the level writes.
    fn imagined_object(&mut self, present: bool) -> Result<()> {
        let level = self.level();
        let pointer = if present { 0x0000_7b2c_4d5e_6f70 + 0x40 * (self.offsets.len() as u64) } else { 0 };
        if present {
            self.offsets.push(self.parcel.data_position() as u64);
        }
        self.parcel.write_u32(0x7362_2a85)?;
        self.parcel.write_u32(if present || level <= 32 { 0x113 } else { 0x13 })?;
        self.parcel.write_u64(pointer)?;
        self.parcel.write_u64(if present { pointer + 8 } else { 0 })?;
        match level {
            ..=29 => Ok(()),
            30 | 33.. => self.i32(if present { 12 } else { 0 }),
            _ => self.i32(if present { 0x0c00_0001 } else { 1 }),
        }
    }

    /// Writes a length word, then what `fill` writes, then the length. `counted` words of what precedes count as well.
    fn measured(&mut self, include_itself: bool, fill: impl FnOnce(&mut Self) -> Result<usize>) -> Result<()> {
        let start = self.parcel.data_position();
        self.i32(0)?;
        let from = fill(self)?;
        let end = self.parcel.data_position();
        let length = end - if include_itself { start } else { from };
        self.parcel.set_data_position(start);
        self.count(length)?;
        self.parcel.set_data_position(end);
        Ok(())
    }

    /// What every request to a provider begins with: who calls.
    pub fn caller(&mut self, caller: &Caller) -> Result<()> {
        match self.level() {
            ..=29 => self.string16(Some(&caller.package)),
            30 => {
                self.string16(Some(&caller.package))?;
                self.string16(None)
            }
            _ => self.attribution(caller),
        }
    }

    fn attribution(&mut self, caller: &Caller) -> Result<()> {
        let level = self.level();
        self.measured(true, |writer| {
            let pid = if level >= 34 { i32::try_from(caller.pid).unwrap_or(-1) } else { -1 };
            writer.i32(pid)?;
            writer.i32(i32::try_from(caller.uid).unwrap_or(-1))?;
            if level >= 35 {
                writer.i32(0)?;
            }
            writer.string16(Some(&caller.package))?;
            writer.string16(None)?;
            writer.token(caller.token.as_ref())?;
            writer.i32(-1)?;
            writer.i32(0)?;
            Ok(0)
        })
    }

    fn uri_string(&mut self, value: Option<&str>) -> Result<()> {
        if self.level() <= 29 { self.string16(value) } else { self.string8(value) }
    }

    /// A part of a Uri of which the app gave the encoded form.
    fn uri_part(&mut self, value: Option<&str>) -> Result<()> {
        match (self.level(), value) {
            (..=29, None) => {
                self.i32(0)?;
                self.string16(None)?;
                self.string16(None)
            }
            _ => {
                self.i32(1)?;
                self.uri_string(value)
            }
        }
    }

    /// Uri.writeToParcel.
    pub fn uri(&mut self, uri: &Uri) -> Result<()> {
        let whole = uri.to_string();
        match uri {
            Uri::Text(text) => {
                self.i32(1)?;
                self.uri_string(Some(text))
            }
            Uri::Opaque(scheme, part) => {
                self.i32(2)?;
                if self.level() >= 35 {
                    return self.string8(Some(&whole));
                }
                self.uri_string(Some(scheme))?;
                self.uri_part(Some(part))?;
                self.uri_part(None)
            }
            Uri::Hierarchical(scheme, authority, path) => {
                self.i32(3)?;
                if self.level() >= 35 {
                    return self.string8(Some(&whole));
                }
                self.uri_string(Some(scheme))?;
                self.uri_part(Some(authority))?;
                self.uri_part(Some(path))?;
                self.uri_part(None)?;
                self.uri_part(None)
            }
        }
    }

    /// Parcel.writeValue, for the kinds used here. Their tags are the same at every level, and none has a length word.
    fn value(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Null => self.i32(-1),
            Value::Text(text) => {
                self.i32(0)?;
                self.string16(Some(text))
            }
            Value::Integer(number) => {
                self.i32(1)?;
                self.i32(*number)
            }
            Value::Long(number) => {
                self.i32(6)?;
                self.i64(*number)
            }
            Value::Texts(texts) => {
                self.i32(14)?;
                self.strings16(Some(texts))
            }
        }
    }

    /// A Bundle; none is null. The entries are in the order of Java's ArrayMap.
    pub fn bundle(&mut self, entries: Option<&[(&str, Value)]>) -> Result<()> {
        let Some(entries) = entries else { return self.i32(-1) };
        if entries.is_empty() {
            return self.i32(0);
        }
        let mut sorted: Vec<_> = entries.iter().collect();
        sorted.sort_by_key(|(key, _)| java_hash(key));
        self.measured(false, |writer| {
            writer.i32(BUNDLE_MAGIC)?;
            let from = writer.parcel.data_position();
            writer.count(sorted.len())?;
            for (key, value) in sorted {
                writer.string16(Some(key))?;
                writer.value(value)?;
            }
            Ok(from)
        })?;
        // From 36 on a word tells whether the Bundle holds intents.
        if self.level() >= 36 { self.i32(0) } else { Ok(()) }
    }

    /// A ContentValues.
    pub fn content_values(&mut self, values: &[(&str, Value)]) -> Result<()> {
        let mut sorted: Vec<_> = values.iter().collect();
        sorted.sort_by_key(|(key, _)| java_hash(key));
        self.count(sorted.len())?;
        if self.level() >= 29 {
            self.count(sorted.len())?;
        }
        for (key, value) in sorted {
            if self.level() <= 28 {
                self.i32(0)?;
            }
            self.string16(Some(key))?;
            self.value(value)?;
        }
        Ok(())
    }
}

/// Java's String.hashCode, by which an ArrayMap is ordered.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(writer: Writer) -> Vec<u8> {
        let (mut parcel, _) = writer.finish();
        crate::parcel_reader::bytes_of(&mut parcel).expect("a parcel can be read from its start")
    }

    fn empty(level: &str) -> Writer {
        let api = Api::parse(level).expect("known");
        Writer { parcel: Parcel::new(), api, imagined: true, offsets: Vec::new() }
    }

    #[test]
    fn string8_has_a_nul_and_is_padded() {
        let mut writer = empty("33");
        writer.string8(Some("abcd")).expect("written");
        assert_eq!(bytes(writer), [4, 0, 0, 0, b'a', b'b', b'c', b'd', 0, 0, 0, 0]);
    }

    #[test]
    fn the_tokens_differ_by_level() {
        let token = |level: &str| bytes(Writer::imagined(Api::parse(level).expect("known"), "x").expect("written"));
        assert_eq!(token("28"), [0, 0, 0x40, 0, 1, 0, 0, 0, b'x', 0, 0, 0]);
        assert_eq!(token("29"), [0, 0, 0, 0x80, 255, 255, 255, 255, 1, 0, 0, 0, b'x', 0, 0, 0]);
        let thirty = [0, 0, 0, 0x80, 255, 255, 255, 255, b'T', b'S', b'Y', b'S', 1, 0, 0, 0, b'x', 0, 0, 0];
        assert_eq!(token("30"), thirty);
    }

    #[test]
    fn a_bundle_tells_its_length_without_the_magic() {
        let mut writer = empty("33");
        writer.bundle(Some(&[("k", Value::Integer(7))])).expect("written");
        let expected =
            [20, 0, 0, 0, b'B', b'N', b'D', b'L', 1, 0, 0, 0, 1, 0, 0, 0, b'k', 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0];
        assert_eq!(bytes(writer), expected);
    }

    #[test]
    fn hashes_are_those_of_java() {
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("hello"), 99_162_322);
    }
}
