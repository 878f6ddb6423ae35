//! `android.content.IContentProvider`: hand-written, so its codes and orders of arguments are those of AOSP's
//! `ContentProviderNative.java`, the same in every release but for what the forms of the arguments say.

use super::bundle::{self, Entries, Value};
use super::caller;
use super::names::ApiLevel;
use super::parcel::{Parcel, ParcelError, Read};
use super::redact;
use super::token::Form;
use super::uri;
use crate::event::{BinderTransaction, ProviderAccess, ProviderMethod};

pub(crate) const INTERFACE: &str = "android.content.IContentProvider";

/// Codes of `IContentProvider`; fixed since they exist.
const METHODS: &[(u32, ProviderMethod)] = &[
    (1, ProviderMethod::Query),
    (2, ProviderMethod::GetType),
    (3, ProviderMethod::Insert),
    (4, ProviderMethod::Delete),
    (10, ProviderMethod::Update),
    (13, ProviderMethod::BulkInsert),
    (14, ProviderMethod::OpenFile),
    (15, ProviderMethod::OpenAssetFile),
    (20, ProviderMethod::ApplyBatch),
    (21, ProviderMethod::Call),
    (22, ProviderMethod::GetStreamTypes),
    (23, ProviderMethod::OpenTypedAssetFile),
    (24, ProviderMethod::CreateCancellationSignal),
    (25, ProviderMethod::Canonicalize),
    (26, ProviderMethod::Uncanonicalize),
    (27, ProviderMethod::Refresh),
    (28, ProviderMethod::CheckUriPermission),
    // The asynchronous twins ask for the same.
    (29, ProviderMethod::GetType),
    (30, ProviderMethod::Canonicalize),
    (31, ProviderMethod::Uncanonicalize),
    (32, ProviderMethod::GetType),
];

/// The method of a code.
pub(crate) fn method(code: u32) -> ProviderMethod {
    METHODS.iter().find(|(of, _)| *of == code).map_or(ProviderMethod::Other, |(_, method)| *method)
}

/// An access of which nothing is known but the method.
pub(crate) fn empty(method: ProviderMethod, transaction: BinderTransaction) -> ProviderAccess {
    ProviderAccess {
        method,
        authority: String::new(),
        android_user: None,
        uri: None,
        projection: Vec::new(),
        selection: None,
        selection_arguments: Vec::new(),
        sort_order: None,
        values: Vec::new(),
        call_method: None,
        call_argument: None,
        open_mode: None,
        operations: None,
        result_columns: Vec::new(),
        result_rows: None,
        transaction,
    }
}

/// What the arguments are read with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) form: Form,
    pub(crate) api: ApiLevel,
}

/// Reads the arguments behind the token into `access`. What was read before an error stays.
pub(crate) fn arguments(parcel: &mut Parcel<'_>, reading: Reading, access: &mut ProviderAccess) -> Read<()> {
    let Reading { form, api } = reading;
    match access.method {
        ProviderMethod::Query => {
            caller_and_uri(parcel, form, access)?;
            access.projection = parcel.strings16()?;
            query_arguments(bundle::read(parcel, api, 0)?, access);
            Ok(())
        }
        ProviderMethod::GetType | ProviderMethod::GetStreamTypes => {
            // Since API 34 the caller comes first. A URI begins with its kind, a caller with a size or a length.
            if form >= Form::Api30 && !matches!(parcel.peek()?, 0..=3) {
                access.transaction.named_callers = caller::read(parcel, form)?;
            }
            uri(parcel, form, access)
        }
        ProviderMethod::Insert => {
            caller_and_uri(parcel, form, access)?;
            tell_values(&bundle::content_values(parcel, form, api)?, access);
            Ok(())
        }
        ProviderMethod::BulkInsert => {
            caller_and_uri(parcel, form, access)?;
            let count = parcel.count(4)?.unwrap_or(0);
            access.operations = u32::try_from(count).ok();
            // The first row tells the columns; a typed array has a word before each element.
            if count > 0 && parcel.i32()? != 0 {
                tell_values(&bundle::content_values(parcel, form, api)?, access);
            }
            Ok(())
        }
        ProviderMethod::Update => {
            caller_and_uri(parcel, form, access)?;
            tell_values(&bundle::content_values(parcel, form, api)?, access);
            selection(parcel, reading, access)
        }
        ProviderMethod::Delete => {
            caller_and_uri(parcel, form, access)?;
            selection(parcel, reading, access)
        }
        ProviderMethod::OpenFile | ProviderMethod::OpenAssetFile | ProviderMethod::OpenTypedAssetFile => {
            caller_and_uri(parcel, form, access)?;
            access.open_mode = parcel.string16()?;
            Ok(())
        }
        ProviderMethod::Call => call(parcel, reading, access),
        ProviderMethod::ApplyBatch => apply_batch(parcel, reading, access),
        ProviderMethod::Canonicalize
        | ProviderMethod::Uncanonicalize
        | ProviderMethod::Refresh
        | ProviderMethod::CheckUriPermission => caller_and_uri(parcel, form, access),
        ProviderMethod::CreateCancellationSignal | ProviderMethod::Acquire | ProviderMethod::Other => Ok(()),
    }
}

fn caller_and_uri(parcel: &mut Parcel<'_>, form: Form, access: &mut ProviderAccess) -> Read<()> {
    access.transaction.named_callers = caller::read(parcel, form)?;
    uri(parcel, form, access)
}

fn uri(parcel: &mut Parcel<'_>, form: Form, access: &mut ProviderAccess) -> Read<()> {
    let Some(uri) = uri::read(parcel, form)? else { return Ok(()) };
    if let Some((authority, user)) = uri::authority(&uri) {
        access.authority = authority;
        access.android_user = user;
    }
    access.uri = Some(redact::uri(&uri));
    Ok(())
}

/// What a query or a change is limited to: since API 30 a bundle, before two arguments.
fn selection(parcel: &mut Parcel<'_>, reading: Reading, access: &mut ProviderAccess) -> Read<()> {
    if reading.form >= Form::Api30 {
        query_arguments(bundle::read(parcel, reading.api, 0)?, access);
        return Ok(());
    }
    access.selection = parcel.string16()?.map(|text| redact::selection(&text));
    access.selection_arguments =
        parcel.strings16()?.into_iter().map(|argument| Value::Text(argument).shape("")).collect();
    Ok(())
}

/// Keys of `android.content.ContentResolver`; what else is in the bundle is told by its shape.
fn query_arguments(entries: Entries, access: &mut ProviderAccess) {
    for (key, value) in entries {
        match (key.strip_prefix("android:query-arg-"), value) {
            (Some("sql-selection"), Value::Text(text)) => access.selection = Some(redact::selection(&text)),
            (Some("sql-selection-args"), Value::Texts(texts)) => {
                access.selection_arguments = texts.into_iter().map(|text| Value::Text(text).shape("")).collect();
            }
            (Some("sql-sort-order"), Value::Text(text)) => access.sort_order = Some(redact::selection(&text)),
            (Some("sort-columns"), Value::Texts(columns)) if access.sort_order.is_none() => {
                access.sort_order = Some(redact::selection(&columns.join(", ")));
            }
            (_, Value::Other("null", _)) => {}
            (_, value) => access.values.push(value.shape(&key)),
        }
    }
}

fn tell_values(entries: &Entries, access: &mut ProviderAccess) {
    access.values = entries.iter().map(|(key, value)| value.shape(key)).collect();
}

/// The authority of the settings provider: the arguments of its calls are names of settings, not what anybody typed.
const SETTINGS: &str = "settings";

fn call(parcel: &mut Parcel<'_>, reading: Reading, access: &mut ProviderAccess) -> Read<()> {
    access.transaction.named_callers = caller::read(parcel, reading.form)?;
    if reading.form >= Form::Api29 {
        let authority = parcel.string16()?.unwrap_or_default();
        (access.authority, access.android_user) = uri::split_user(&authority);
    }
    access.call_method = parcel.string16()?;
    let argument = parcel.string16()?;
    // Before API 29 the authority is not in the parcel; only the settings provider has such methods.
    let of_settings = access.authority == SETTINGS
        || (access.authority.is_empty()
            && access
                .call_method
                .as_ref()
                .is_some_and(|method| ["GET_secure", "GET_system", "GET_global"].contains(&method.as_str())));
    match argument {
        Some(argument) if of_settings => access.call_argument = Some(argument),
        Some(argument) => access.values.push(Value::Text(argument).shape("argument")),
        None => {}
    }
    if of_settings && access.authority.is_empty() {
        SETTINGS.clone_into(&mut access.authority);
    }
    let extras = bundle::read(parcel, reading.api, 0)?;
    access.values.extend(extras.iter().map(|(key, value)| value.shape(key)));
    Ok(())
}

fn apply_batch(parcel: &mut Parcel<'_>, reading: Reading, access: &mut ProviderAccess) -> Read<()> {
    access.transaction.named_callers = caller::read(parcel, reading.form)?;
    if reading.form >= Form::Api29 {
        let authority = parcel.string16()?.unwrap_or_default();
        (access.authority, access.android_user) = uri::split_user(&authority);
    }
    let count = parcel.count(8)?.unwrap_or(0);
    access.operations = u32::try_from(count).ok();
    if count == 0 {
        return Ok(());
    }
    // The first operation names the target; its type is a number from 1 to 5.
    if !(1..=5).contains(&parcel.i32()?) {
        return Err(ParcelError::BadValue);
    }
    let (authority, user) = (std::mem::take(&mut access.authority), access.android_user);
    let read = uri(parcel, reading.form, access);
    if access.authority.is_empty() {
        (access.authority, access.android_user) = (authority, user);
    }
    read
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique() {
        let codes: BTreeSet<u32> = METHODS.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.len(), METHODS.len());
        assert_eq!(method(1), ProviderMethod::Query);
        assert_eq!(method(5), ProviderMethod::Other);
    }
}
