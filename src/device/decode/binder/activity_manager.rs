//! `android.app.IActivityManager.getContentProvider`: how an app gets at a provider.

use super::parcel::{Parcel, Read, is_package_name};
use super::token::Form;
use super::uri;
use crate::event::NamedCaller;

pub(crate) const INTERFACE: &str = "android.app.IActivityManager";
const METHOD: &str = "getContentProvider";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) caller: Option<NamedCaller>,
    pub(crate) authority: String,
}

/// Reads the request, if it is one. Its code differs in nearly every release, so where no table names the method its
/// arguments have to: the caller's binder, since API 29 its package, an authority, a user, a flag, and nothing more.
pub(crate) fn get_content_provider(method: Option<&str>, parcel: Parcel<'_>, form: Form) -> Option<Asked> {
    match method {
        Some(METHOD) => read(parcel, form).ok().map(|(asked, _)| asked),
        Some(_) => None,
        None => {
            let (asked, tail) = read(parcel, form).ok()?;
            let named = asked.caller.is_some() || form < Form::Api29;
            (named && tail && is_authority(&asked.authority)).then_some(asked)
        }
    }
}

/// The request, and whether it ends as one does.
fn read(mut parcel: Parcel<'_>, form: Form) -> Read<(Asked, bool)> {
    parcel.binder()?;
    let caller = if form >= Form::Api29 {
        let package = parcel.string16()?.filter(|text| is_package_name(text));
        package.map(|package| NamedCaller { package, user_id: None, attribution_tag: None })
    } else {
        None
    };
    let authority = parcel.string16()?.unwrap_or_default();
    let user = parcel.i32()?;
    let stable = parcel.i32()?;
    let tail = (-10..1000).contains(&user) && matches!(stable, 0 | 1) && parcel.at_end();
    Ok((Asked { caller, authority }, tail))
}

fn is_authority(text: &str) -> bool {
    let (authority, _) = uri::split_user(text);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !authority.is_empty() && authority.bytes().all(allowed)
}
