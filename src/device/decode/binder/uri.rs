//! `android.net.Uri` in the forms it was written in over the releases.

use super::parcel::{Parcel, ParcelError, Read};
use super::token::Form;

/// Reads a URI that is not preceded by the word of a typed object; `None` is null.
///
/// Up to API 29 texts are UTF-16 and a part can be there twice, encoded and decoded. From 30 on texts are UTF-8. From 35
/// on, and in patched builds of earlier releases, the opaque and hierarchical forms hold the whole URI as one text: told
/// apart by its colon, which a scheme cannot have.
pub(crate) fn read(parcel: &mut Parcel<'_>, form: Form) -> Read<Option<String>> {
    const NULL: i32 = 0;
    const STRING: i32 = 1;
    const OPAQUE: i32 = 2;
    const HIERARCHICAL: i32 = 3;
    let kind = parcel.i32()?;
    match kind {
        NULL => return Ok(None),
        STRING => return text(parcel, form),
        OPAQUE | HIERARCHICAL => {}
        _ => return Err(ParcelError::BadValue),
    }
    let scheme = text(parcel, form)?;
    if form >= Form::Api30
        && let Some(whole) = &scheme
        && whole.contains(':')
    {
        return Ok(scheme);
    }
    let mut uri = scheme.map(|scheme| format!("{scheme}:")).unwrap_or_default();
    if kind == OPAQUE {
        uri.push_str(&part(parcel, form)?.unwrap_or_default());
    } else {
        if let Some(authority) = part(parcel, form)? {
            uri.push_str("//");
            uri.push_str(&authority);
        }
        uri.push_str(&part(parcel, form)?.unwrap_or_default());
        if let Some(query) = part(parcel, form)? {
            uri.push('?');
            uri.push_str(&query);
        }
    }
    if let Some(fragment) = part(parcel, form)? {
        uri.push('#');
        uri.push_str(&fragment);
    }
    Ok(Some(uri))
}

fn text(parcel: &mut Parcel<'_>, form: Form) -> Read<Option<String>> {
    if form >= Form::Api30 { parcel.string8() } else { parcel.string16() }
}

/// A part that is empty or null says nothing.
fn part(parcel: &mut Parcel<'_>, form: Form) -> Read<Option<String>> {
    const BOTH: i32 = 0;
    const ENCODED: i32 = 1;
    const DECODED: i32 = 2;
    let part = match parcel.i32()? {
        BOTH if form < Form::Api30 => {
            let encoded = text(parcel, form)?;
            let decoded = text(parcel, form)?;
            encoded.or(decoded)
        }
        ENCODED | DECODED => text(parcel, form)?,
        _ => return Err(ParcelError::BadValue),
    };
    Ok(part.filter(|part| !part.is_empty()))
}

/// The authority of a `content:` URI, and the Android user in front of it: `content://10@contacts/people` is for user 10.
pub(crate) fn authority(uri: &str) -> Option<(String, Option<u32>)> {
    let rest = uri.strip_prefix("content://")?;
    let authority = rest.split(['/', '?', '#']).next().filter(|authority| !authority.is_empty())?;
    Some(split_user(authority))
}

/// An authority as it was passed, without the Android user in front.
pub(crate) fn split_user(authority: &str) -> (String, Option<u32>) {
    match authority.split_once('@').map(|(user, rest)| (user.parse().ok(), rest)) {
        Some((Some(user), rest)) => (rest.to_owned(), Some(user)),
        _ => (authority.to_owned(), None),
    }
}
