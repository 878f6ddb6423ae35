//! Writes parcels as Android of a given release does, from the descriptions of the layouts alone. It shares no code with
//! the decoder it tests, and does not look like it: the decoder tells releases apart by content, this writes by number.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

/// A release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    pub api: u32,
    /// `AttributionSourceState` has a device id: since a quarterly release of 14.
    pub device_id: bool,
}

const fn release(api: u32, device_id: bool) -> Release {
    Release { api, device_id }
}

/// The releases whose layouts differ somewhere.
pub const RELEASES: &[Release] = &[
    release(28, false),
    release(29, false),
    release(30, false),
    release(31, false),
    release(33, false),
    release(34, false),
    release(34, true),
    release(35, true),
    release(36, true),
];

/// A URI, in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uri {
    pub authority: String,
    pub path: String,
    pub query: Option<String>,
}

impl Uri {
    pub fn whole(&self) -> String {
        let query = self.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
        format!("content://{}{}{query}", self.authority, self.path)
    }
}

/// A value in a bundle or in content values.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Text(String),
    Int(i32),
    Long(i64),
    Double(f64),
    Bool(bool),
    Bytes(Vec<u8>),
    Texts(Vec<String>),
    Bundle(Vec<(String, Value)>),
}

pub struct Parcel {
    pub release: Release,
    pub bytes: Vec<u8>,
    pub offsets: Vec<u64>,
}

impl Parcel {
    pub fn new(release: Release) -> Self {
        Self { release, bytes: Vec::new(), offsets: Vec::new() }
    }

    /// A request: the interface token first.
    pub fn request(release: Release, interface: &str) -> Self {
        let mut parcel = Self::new(release);
        match release.api {
            ..=28 => parcel.int(0x0040_0000),
            29 => parcel.word(0x8000_0000).int(-1),
            _ => parcel.word(0x8000_0000).int(-1).word(u32::from_be_bytes(*b"SYST")),
        };
        parcel.text16(Some(interface));
        parcel
    }

    pub fn word(&mut self, value: u32) -> &mut Self {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    pub fn int(&mut self, value: i32) -> &mut Self {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    pub fn long(&mut self, value: i64) -> &mut Self {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    fn pad(&mut self) -> &mut Self {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
        self
    }

    pub fn text16(&mut self, text: Option<&str>) -> &mut Self {
        let Some(text) = text else { return self.int(-1) };
        let units: Vec<u16> = text.encode_utf16().collect();
        self.int(units.len() as i32);
        for unit in units.iter().chain([&0]) {
            self.bytes.extend(unit.to_le_bytes());
        }
        self.pad()
    }

    pub fn text8(&mut self, text: Option<&str>) -> &mut Self {
        let Some(text) = text else { return self.int(-1) };
        self.int(text.len() as i32);
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
        self.pad()
    }

    pub fn texts16(&mut self, texts: &[String]) -> &mut Self {
        self.int(texts.len() as i32);
        for text in texts {
            self.text16(Some(text));
        }
        self
    }

    /// A binder of the sender's own, or none.
    pub fn binder(&mut self, pointer: u64) -> &mut Self {
        if pointer != 0 {
            self.offsets.push(self.bytes.len() as u64);
        }
        self.word(u32::from_be_bytes(*b"sb*\x85")).word(0x113).long(pointer as i64).long(0);
        match (self.release.api, pointer) {
            (..=29, _) => self,
            (30, _) => self.word(0),
            (31 | 32, 0) => self.word(0x0000_0001),
            (31 | 32, _) => self.word(0x0c00_0001),
            (_, 0) => self.word(0),
            (_, _) => self.word(12),
        }
    }

    /// A reference, as a receiver sees it.
    pub fn handle(&mut self, handle: u64) -> &mut Self {
        self.offsets.push(self.bytes.len() as u64);
        self.word(u32::from_be_bytes(*b"sh*\x85")).word(0x113).long(handle as i64).long(0);
        if self.release.api >= 30 { self.word(12) } else { self }
    }

    /// Something with its own size in front of it.
    fn sized(&mut self, write: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.int(0);
        write(self);
        let size = (self.bytes.len() - start) as i32;
        self.bytes[start..start + 4].copy_from_slice(&size.to_le_bytes());
        self
    }

    /// Who calls a provider; `chain` goes from the caller to those behind it.
    pub fn caller(&mut self, chain: &[(&str, u32, Option<&str>)]) -> &mut Self {
        let (package, uid, tag) = chain[0];
        match self.release.api {
            ..=29 => self.text16(Some(package)),
            30 => self.text16(Some(package)).text16(tag),
            _ => {
                let device_id = self.release.device_id;
                let pid = if self.release.api >= 34 { 4321 } else { -1 };
                self.sized(|inside| {
                    inside.int(pid).word(uid);
                    if device_id {
                        inside.int(0);
                    }
                    inside.text16(Some(package)).text16(tag).binder(0x7000).int(-1);
                    match chain.get(1..) {
                        Some(behind) if !behind.is_empty() => {
                            inside.int(1).int(1).caller(behind);
                        }
                        _ => {
                            inside.int(0);
                        }
                    }
                })
            }
        }
    }

    fn uri_text(&mut self, text: Option<&str>) -> &mut Self {
        if self.release.api >= 30 { self.text8(text) } else { self.text16(text) }
    }

    fn uri_part(&mut self, text: Option<&str>) -> &mut Self {
        match (self.release.api, text) {
            (..=29, None) => self.int(0).text16(None).text16(None),
            (30.., None) => self.int(1).text8(None),
            (_, Some(_)) => self.int(1).uri_text(text),
        }
    }

    /// A URI as `Uri.parse` makes it: one text.
    pub fn string_uri(&mut self, uri: &Uri) -> &mut Self {
        let whole = uri.whole();
        self.int(1).uri_text(Some(&whole))
    }

    /// A URI as `Uri.Builder` makes it.
    pub fn built_uri(&mut self, uri: &Uri) -> &mut Self {
        self.int(3);
        if self.release.api >= 35 {
            let whole = uri.whole();
            return self.text8(Some(&whole));
        }
        self.uri_text(Some("content"));
        if self.release.api <= 29 {
            // Somebody has called getAuthority(): both forms are there.
            self.int(0).text16(Some(&uri.authority)).text16(Some(&uri.authority));
        } else {
            self.uri_part(Some(&uri.authority));
        }
        self.uri_part(Some(&uri.path)).uri_part(uri.query.as_deref()).uri_part(None)
    }

    pub fn value(&mut self, value: &Value) -> &mut Self {
        match value {
            Value::Null => self.int(-1),
            Value::Text(text) => self.int(0).text16(Some(text)),
            Value::Int(value) => self.int(1).int(*value),
            Value::Long(value) => self.int(6).long(*value),
            Value::Double(value) => self.int(8).long(value.to_bits() as i64),
            Value::Bool(value) => self.int(9).int(i32::from(*value)),
            Value::Bytes(bytes) => {
                self.int(13).int(bytes.len() as i32);
                self.bytes.extend(bytes);
                self.pad()
            }
            Value::Texts(texts) => self.int(14).texts16(texts),
            Value::Bundle(entries) => self.int(3).bundle(Some(entries)),
        }
    }

    pub fn bundle(&mut self, entries: Option<&[(String, Value)]>) -> &mut Self {
        let Some(entries) = entries else { return self.int(-1) };
        if entries.is_empty() {
            return self.int(0);
        }
        let start = self.bytes.len();
        self.int(0).word(u32::from_le_bytes(*b"BNDL")).int(entries.len() as i32);
        for (key, value) in entries {
            self.text16(Some(key)).value(value);
        }
        let length = (self.bytes.len() - start - 8) as i32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        if self.release.api >= 36 { self.int(0) } else { self }
    }

    pub fn content_values(&mut self, values: &[(String, Value)]) -> &mut Self {
        self.int(values.len() as i32);
        if self.release.api >= 29 {
            self.int(values.len() as i32);
        }
        for (key, value) in values {
            if self.release.api >= 29 {
                self.text16(Some(key));
            } else {
                self.int(0).text16(Some(key));
            }
            self.value(value);
        }
        self
    }

    /// What a change is limited to.
    pub fn selection(&mut self, selection: &str, arguments: &[String]) -> &mut Self {
        if self.release.api >= 30 {
            return self.bundle(Some(&[
                ("android:query-arg-sql-selection".to_owned(), Value::Text(selection.to_owned())),
                ("android:query-arg-sql-selection-args".to_owned(), Value::Texts(arguments.to_vec())),
            ]));
        }
        self.text16(Some(selection)).texts16(arguments)
    }

    /// The header that tells of noted operations, with one attribution.
    pub fn noted_operations(&mut self) -> &mut Self {
        let words = match self.release.api {
            ..=33 => 2,
            _ => 3,
        };
        self.int(-127);
        let write = |parcel: &mut Self| {
            parcel.int(1).text16(Some("sync"));
            for word in 0..words {
                parcel.long(word);
            }
        };
        if self.release.api >= 36 {
            self.sized(write)
        } else {
            write(self);
            self
        }
    }
}
