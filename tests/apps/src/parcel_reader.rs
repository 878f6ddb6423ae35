//! Reads in the servers what [`crate::parcel_writer`] writes in the clients, out of rsbinder's parcel.
//!
//! The servers are fed with malformed parcels too: every length is checked by rsbinder's reads, and no text is longer
//! than the parcel.

use crate::api::Api;
use crate::parcel_writer::{BUNDLE_MAGIC, Value};
use rsbinder::{Parcel, Result, StatusCode};

/// A flat_binder_object and the stability word that rsbinder lets follow.
const OBJECT_SIZE: usize = 28;

/// Java's readString8.
pub fn string8(parcel: &mut Parcel) -> Result<Option<String>> {
    let length = parcel.read_i32()?;
    let Ok(length) = usize::try_from(length) else { return Ok(None) };
    if length >= parcel.data_avail() {
        return Err(StatusCode::NotEnoughData);
    }
    let mut bytes = Vec::with_capacity(length + 4);
    while bytes.len() <= length {
        bytes.extend(parcel.read_u32()?.to_le_bytes());
    }
    bytes.truncate(length);
    String::from_utf8(bytes).map(Some).map_err(|_| StatusCode::BadValue)
}

/// Java's readString.
pub fn string16(parcel: &mut Parcel) -> Result<Option<String>> {
    parcel.read()
}

/// A list of String16; null is empty.
pub fn strings16(parcel: &mut Parcel) -> Result<Vec<String>> {
    let count = usize::try_from(parcel.read_i32()?).unwrap_or(0);
    if count > parcel.data_avail() / 4 {
        return Err(StatusCode::NotEnoughData);
    }
    (0..count).map(|_| Ok(string16(parcel)?.unwrap_or_default())).collect()
}

/// Passes by a binder that is not needed. Reading it would make rsbinder ask its owner for its interface, which libbinder
/// does not do.
pub fn skip_binder(parcel: &mut Parcel) -> Result<()> {
    skip(parcel, OBJECT_SIZE)
}

fn skip(parcel: &mut Parcel, bytes: usize) -> Result<()> {
    if bytes > parcel.data_avail() {
        return Err(StatusCode::NotEnoughData);
    }
    parcel.set_data_position(parcel.data_position() + bytes);
    Ok(())
}

/// Who calls: the package that the parcel names.
pub fn caller(api: Api, parcel: &mut Parcel) -> Result<String> {
    let package;
    match api.level() {
        ..=29 => package = string16(parcel)?,
        30 => {
            package = string16(parcel)?;
            string16(parcel)?;
        }
        level => {
            let start = parcel.data_position();
            let size = usize::try_from(parcel.read_i32()?).map_err(|_| StatusCode::BadValue)?;
            skip(parcel, if level >= 35 { 12 } else { 8 })?;
            package = string16(parcel)?;
            parcel.set_data_position(start);
            skip(parcel, size)?;
        }
    }
    package.ok_or(StatusCode::BadValue)
}

fn uri_part(api: Api, parcel: &mut Parcel) -> Result<Option<String>> {
    let kind = parcel.read_i32()?;
    if api.level() >= 30 {
        return string8(parcel);
    }
    let first = string16(parcel)?;
    if kind == 0 {
        string16(parcel)?;
    }
    Ok(first)
}

/// A Uri as text.
pub fn uri(api: Api, parcel: &mut Parcel) -> Result<String> {
    let text = |parcel: &mut Parcel| if api.level() <= 29 { string16(parcel) } else { string8(parcel) };
    let kind = parcel.read_i32()?;
    if !(1..=3).contains(&kind) {
        return Err(StatusCode::BadValue);
    }
    let first = text(parcel)?.ok_or(StatusCode::BadValue)?;
    if kind == 1 || api.level() >= 35 {
        return Ok(first);
    }
    let mut part = || uri_part(api, parcel);
    let rest = if kind == 2 {
        let (specific, _fragment) = (part()?, part()?);
        format!(":{}", specific.unwrap_or_default())
    } else {
        let (authority, path, _query, _fragment) = (part()?, part()?, part()?, part()?);
        format!("://{}{}", authority.unwrap_or_default(), path.unwrap_or_default())
    };
    Ok(first + &rest)
}

/// Parcel.readValue, for the kinds that the clients here write.
fn value(parcel: &mut Parcel) -> Result<Value> {
    Ok(match parcel.read_i32()? {
        -1 => Value::Null,
        0 => string16(parcel)?.map_or(Value::Null, Value::Text),
        1 => Value::Integer(parcel.read_i32()?),
        6 => Value::Long(parcel.read_i64()?),
        14 => Value::Texts(strings16(parcel)?),
        _ => return Err(StatusCode::BadType),
    })
}

/// A Bundle; null is empty.
pub fn bundle(api: Api, parcel: &mut Parcel) -> Result<Vec<(String, Value)>> {
    let length = parcel.read_i32()?;
    if length <= 0 {
        return Ok(Vec::new());
    }
    if parcel.read_i32()? != BUNDLE_MAGIC {
        return Err(StatusCode::BadValue);
    }
    let end = parcel.data_position() + usize::try_from(length).map_err(|_| StatusCode::BadValue)?;
    let count = parcel.read_i32()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push((string16(parcel)?.unwrap_or_default(), value(parcel)?));
    }
    if parcel.data_position() != end {
        return Err(StatusCode::BadValue);
    }
    if api.level() >= 36 {
        parcel.read_i32()?;
    }
    Ok(entries)
}

/// A ContentValues.
pub fn content_values(api: Api, parcel: &mut Parcel) -> Result<Vec<(String, Value)>> {
    let mut count = parcel.read_i32()?;
    if api.level() >= 29 {
        count = parcel.read_i32()?;
    }
    let mut values = Vec::new();
    for _ in 0..count {
        if api.level() <= 28 {
            parcel.read_i32()?;
        }
        values.push((string16(parcel)?.unwrap_or_default(), value(parcel)?));
    }
    Ok(values)
}

/// All bytes of a parcel.
///
/// # Errors
/// None, as long as rsbinder pads parcels to words.
pub fn bytes_of(parcel: &mut Parcel) -> Result<Vec<u8>> {
    parcel.set_data_position(0);
    let mut bytes = Vec::with_capacity(parcel.data_size());
    while parcel.data_avail() >= 4 {
        bytes.extend(parcel.read_u32()?.to_le_bytes());
    }
    Ok(bytes)
}
