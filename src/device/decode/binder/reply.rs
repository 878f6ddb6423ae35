//! The beginning of a reply: whether the call was granted, and what it says about the answer.

use super::names::ApiLevel;
use super::parcel::{Parcel, ParcelError, Read};
use crate::event::{Outcome, ProviderAccess, ProviderMethod};

/// `android.os.Parcel` exception codes.
const SECURITY: i32 = -1;
const NOTED_APP_OPS: i32 = -127;
const STRICT_MODE: i32 = -128;

/// `TF_STATUS_CODE`: the parcel is one word, a negative errno or 0.
pub(crate) const STATUS_CODE: u32 = 8;
/// `TF_ONE_WAY`.
pub(crate) const ONE_WAY: u32 = 1;

/// Operations that one release counts: the header of noted operations has a bit for each (`AppOpsManager._NUM_OP`).
const NOTED_OPERATIONS: &[(u32, usize)] =
    &[(30, 105), (31, 116), (32, 116), (33, 121), (34, 136), (35, 148), (36, 163)];

/// Reads the exception code, behind the headers that may stand before it.
pub(crate) fn exception(parcel: &mut Parcel<'_>, api: ApiLevel) -> Read<i32> {
    // Each header at most once, in either order.
    for _ in 0..3 {
        match parcel.i32()? {
            NOTED_APP_OPS => noted_operations(parcel, api)?,
            STRICT_MODE => {
                let start = parcel.position();
                let size = usize::try_from(parcel.i32()?).map_err(|_| ParcelError::BadLength)?;
                parcel.jump(start.checked_add(size.max(4)).ok_or(ParcelError::BadLength)?)?;
                // Behind this header there is no other code: the call went well.
                return Ok(0);
            }
            code => return Ok(code),
        }
    }
    Err(ParcelError::BadValue)
}

fn noted_operations(parcel: &mut Parcel<'_>, api: ApiLevel) -> Read<()> {
    if api.at_least(36) {
        let start = parcel.position();
        let size = usize::try_from(parcel.i32()?).map_err(|_| ParcelError::BadLength)?;
        return parcel.jump(start.checked_add(size.max(4)).ok_or(ParcelError::BadLength)?);
    }
    let known = api.number().and_then(|level| NOTED_OPERATIONS.iter().find(|(of, _)| *of == level));
    let words = known.map_or(2, |(_, operations)| operations.div_ceil(64));
    let count = parcel.count(4)?.unwrap_or(0);
    for _ in 0..count {
        parcel.string16()?;
        parcel.skip(words * 8)?;
    }
    Ok(())
}

/// What an exception code means. There is no errno, hence 0.
pub(crate) fn outcome(code: i32) -> Outcome {
    match code {
        0 => Outcome::Ok,
        SECURITY => Outcome::Denied(0),
        _ => Outcome::Failed(0),
    }
}

/// What a status means: a negative errno, or one of Android's own numbers far below.
pub(crate) fn status(code: i32) -> Outcome {
    const PERMISSION_DENIED: i32 = -1;
    match code {
        0 => Outcome::Ok,
        PERMISSION_DENIED => Outcome::Denied(0),
        _ => Outcome::Failed(0),
    }
}

/// Reads what a granted answer of a provider says about itself.
pub(crate) fn provider(parcel: &mut Parcel<'_>, access: &mut ProviderAccess) -> Read<()> {
    if access.method != ProviderMethod::Query || parcel.i32()? == 0 {
        return Ok(());
    }
    // `BulkCursorDescriptor`: the rows are in shared memory, their number is here.
    parcel.binder()?;
    access.result_columns = parcel.strings16()?;
    let _wants_all_moves = parcel.i32()?;
    access.result_rows = u32::try_from(parcel.i32()?).ok();
    Ok(())
}
