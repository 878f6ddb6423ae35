//! The interface token at the beginning of a request. It grew over the releases; its own content says which form it has.

use super::parcel::{Parcel, ParcelError, Read};

/// The form of a parcel's beginning, and with it what can be in the parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// API 28: a word of policy.
    Api28,
    /// API 29: a word of policy, a work source.
    Api29,
    /// API 30 and later: a word of policy, a work source, a header that names the partition.
    Api30,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) form: Form,
    pub(crate) interface: String,
}

/// Headers of API 30 and later, as four letters packed high to low: system, vendor, recovery, unknown.
const HEADERS: [u32; 4] = [0x5359_5354, 0x564e_4452, 0x5245_434f, 0x554e_4b4e];

/// Reads the token and leaves the parcel at the first argument; sets whether its binder objects carry a stability.
pub(crate) fn read(parcel: &mut Parcel<'_>) -> Read<Token> {
    let start = *parcel;
    let read_as = |form: Form| {
        let mut parcel = start;
        let _policy = parcel.u32()?;
        if form >= Form::Api29 {
            let _work_source = parcel.u32()?;
        }
        if form >= Form::Api30 && !HEADERS.contains(&parcel.u32()?) {
            return Err(ParcelError::BadValue);
        }
        let interface = parcel.string16()?.ok_or(ParcelError::BadValue)?;
        if !is_descriptor(&interface) {
            return Err(ParcelError::BadValue);
        }
        parcel.stability = form >= Form::Api30;
        Ok((parcel, Token { form, interface }))
    };
    // The newest first: its header cannot be the beginning of a descriptor.
    let newest = read_as(Form::Api30);
    if let Err(error @ ParcelError::Cut) = newest {
        return Err(error);
    }
    let (rest, token) = newest
        .or_else(|_| read_as(Form::Api28))
        .or_else(|_| read_as(Form::Api29))
        .map_err(|_| ParcelError::BadValue)?;
    *parcel = rest;
    Ok(token)
}

/// What AIDL and people write: a qualified name.
fn is_descriptor(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'$' | b'@' | b':' | b'/' | b'-');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(allowed)
}
