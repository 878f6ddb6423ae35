//! `android.os.Bundle`, `ContentValues` and the values in them.

use super::names::ApiLevel;
use super::parcel::{DEEPEST, Parcel, ParcelError, Read};
use super::token::Form;
use crate::event::ValueShape;

/// A value, as far as anything here needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Text.
    Text(String),
    /// Texts.
    Texts(Vec<String>),
    /// Anything else: its kind, and its length where it has one.
    Other(&'static str, Option<u64>),
}

impl Value {
    /// What is told of it.
    pub(crate) fn shape(&self, name: &str) -> ValueShape {
        let (kind, length) = match self {
            Self::Text(text) => ("string", Some(text.chars().count() as u64)),
            Self::Texts(texts) => ("strings", Some(texts.len() as u64)),
            Self::Other(kind, length) => (*kind, *length),
        };
        ValueShape { name: name.to_owned(), kind: kind.to_owned(), length }
    }
}

/// The entries of a bundle, as far as they could be read.
pub(crate) type Entries = Vec<(String, Value)>;

/// `BNDL`, and `BNDN` of native code.
const MAGICS: [u32; 2] = [0x4c44_4e42, 0x4c44_4e44];

/// Reads a bundle; null is empty. A value that cannot be skipped ends its entries, not the parcel: the length of the
/// whole is known.
pub(crate) fn read(parcel: &mut Parcel<'_>, api: ApiLevel, depth: u32) -> Read<Entries> {
    if depth >= DEEPEST {
        return Err(ParcelError::TooDeep);
    }
    let length = match parcel.i32()? {
        -1 | 0 => return Ok(Vec::new()),
        length => usize::try_from(length).map_err(|_| ParcelError::BadLength)?,
    };
    if !MAGICS.contains(&parcel.u32()?) {
        return Err(ParcelError::BadValue);
    }
    let end = parcel.position().checked_add(length).ok_or(ParcelError::BadLength)?;
    let mut entries = Vec::new();
    let read = entries_into(parcel, end, api, depth, &mut entries);
    match read {
        Ok(()) | Err(ParcelError::BadValue) => {}
        Err(ParcelError::Cut) if !entries.is_empty() => return Ok(entries),
        Err(error) => return Err(error),
    }
    parcel.jump(end)?;
    // Whether it holds an intent: since API 36, outside the length.
    if api.at_least(36) {
        parcel.i32()?;
    }
    Ok(entries)
}

fn entries_into(parcel: &mut Parcel<'_>, end: usize, api: ApiLevel, depth: u32, entries: &mut Entries) -> Read<()> {
    let count = parcel.count(4)?.unwrap_or(0);
    for _ in 0..count {
        if parcel.position() >= end {
            return Err(ParcelError::BadLength);
        }
        let key = parcel.string16()?.unwrap_or_default();
        let value = value(parcel, api, depth)?;
        entries.push((key, value));
    }
    Ok(())
}

/// A value with its tag in front (`Parcel.writeValue`).
///
/// # Errors
///
/// `BadValue` for one whose length cannot be known: parcelables before API 33.
pub(crate) fn value(parcel: &mut Parcel<'_>, api: ApiLevel, depth: u32) -> Read<Value> {
    let sized = |parcel: &mut Parcel<'_>, kind| {
        let length = parcel.byte_array()?;
        Ok(Value::Other(kind, length.map(|length| length as u64)))
    };
    let array = |parcel: &mut Parcel<'_>, size, kind| {
        let count = parcel.array(size)?;
        Ok(Value::Other(kind, count.map(|count| count as u64)))
    };
    match parcel.i32()? {
        -1 => Ok(Value::Other("null", None)),
        0 => Ok(parcel.string16()?.map_or(Value::Other("null", None), Value::Text)),
        1 => parcel.i32().map(|_| Value::Other("int", None)),
        3 => read(parcel, api, depth + 1).map(|entries| Value::Other("bundle", Some(entries.len() as u64))),
        5 => parcel.i32().map(|_| Value::Other("short", None)),
        6 => parcel.i64().map(|_| Value::Other("long", None)),
        7 => parcel.i32().map(|_| Value::Other("float", None)),
        8 => parcel.i64().map(|_| Value::Other("double", None)),
        9 => parcel.i32().map(|_| Value::Other("boolean", None)),
        13 => sized(parcel, "bytes"),
        14 => parcel.strings16().map(Value::Texts),
        15 => parcel.binder().map(|_| Value::Other("binder", None)),
        18 => array(parcel, 4, "ints"),
        19 => array(parcel, 8, "longs"),
        20 => parcel.i32().map(|_| Value::Other("byte", None)),
        23 => array(parcel, 4, "booleans"),
        28 => array(parcel, 8, "doubles"),
        29 => parcel.i32().map(|_| Value::Other("char", None)),
        32 => array(parcel, 4, "floats"),
        // Since API 33 these have their length in front.
        tag @ (2 | 4 | 11 | 12 | 16 | 17 | 21) if api.at_least(33) => {
            let length = usize::try_from(parcel.i32()?).map_err(|_| ParcelError::BadLength)?;
            parcel.skip(length)?;
            let kind = match tag {
                2 => "map",
                4 => "parcelable",
                11 => "list",
                12 => "sparse_array",
                16 => "parcelables",
                17 => "objects",
                _ => "serializable",
            };
            Ok(Value::Other(kind, Some(length as u64)))
        }
        _ => Err(ParcelError::BadValue),
    }
}

/// `ContentValues`: since API 29 the map has its size twice and plain keys.
pub(crate) fn content_values(parcel: &mut Parcel<'_>, form: Form, api: ApiLevel) -> Read<Entries> {
    let count = parcel.count(8)?.unwrap_or(0);
    if form >= Form::Api29 {
        // The head of the map inside.
        parcel.i32()?;
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        let key = if form >= Form::Api29 {
            parcel.string16()?.unwrap_or_default()
        } else {
            match value(parcel, api, 0)? {
                Value::Text(key) => key,
                _ => return Err(ParcelError::BadValue),
            }
        };
        let value = value(parcel, api, 0)?;
        entries.push((key, value));
    }
    Ok(entries)
}
