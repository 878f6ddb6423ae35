//! Who calls, as the parcel itself says: a package name, or a chain of attribution sources.

use super::parcel::{DEEPEST, Parcel, ParcelError, Read, is_package_name};
use super::token::Form;
use crate::event::NamedCaller;

/// Reads the identity that provider calls begin with: up to API 29 a package, in 30 a package and a tag, from 31 on an
/// `AttributionSource`. The last two begin differently enough to tell them apart: a text of plausible length against the
/// size of a structure and a process id, which has no letters in it.
pub(crate) fn read(parcel: &mut Parcel<'_>, form: Form) -> Read<Vec<NamedCaller>> {
    if form < Form::Api30 {
        let package = parcel.string16()?;
        return Ok(package.map(|package| vec![named(package)]).unwrap_or_default());
    }
    let mut as_text = *parcel;
    if let Ok(package) = as_text.string16()
        && package.as_deref().is_none_or(is_package_name)
        && let Ok(tag) = as_text.string16()
    {
        *parcel = as_text;
        let caller = package.map(|package| NamedCaller { attribution_tag: tag, ..named(package) });
        return Ok(caller.into_iter().collect());
    }
    let mut callers = Vec::new();
    source(parcel, 0, &mut callers)?;
    Ok(callers)
}

fn named(package: String) -> NamedCaller {
    NamedCaller { package, user_id: None, attribution_tag: None }
}

/// `AttributionSourceState`, and those behind it.
fn source(parcel: &mut Parcel<'_>, depth: u32, callers: &mut Vec<NamedCaller>) -> Read<()> {
    if depth >= DEEPEST {
        return Err(ParcelError::TooDeep);
    }
    parcel.structured(|inside| {
        let _pid = inside.i32()?;
        let user_id = u32::try_from(inside.i32()?).ok();
        let package = package(inside)?;
        let attribution_tag = inside.string16()?;
        if let Some(package) = package {
            callers.push(NamedCaller { package, user_id, attribution_tag });
        }
        let _token = inside.binder()?;
        let _renounced = inside.strings16()?;
        let count = inside.count(4)?.unwrap_or(0);
        if count > 1 {
            return Err(ParcelError::BadLength);
        }
        if count == 1 {
            // An element of a typed array: a word says that it is not null.
            if inside.i32()? != 1 {
                return Ok(());
            }
            source(inside, depth + 1, callers)?;
        }
        Ok(())
    })
}

/// The package, after the device id that later releases put in front of it. Its value, nearly always 0, is no length that
/// a package name can have.
fn package(inside: &mut Parcel<'_>) -> Read<Option<String>> {
    let plausible = |package: &Option<String>| package.as_deref().is_none_or(is_package_name);
    let mut without = *inside;
    if let Ok(package) = without.string16()
        && plausible(&package)
    {
        *inside = without;
        return Ok(package);
    }
    let _device = inside.i32()?;
    inside.string16()
}
