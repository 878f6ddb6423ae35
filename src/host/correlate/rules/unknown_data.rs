//! Something read from another app of which nobody knows what it is: no table says what its provider holds, so no terms can be
//! held against it.

use super::super::facts::Facts;
use super::super::profiles::{ActKind, of_acts};
use super::Judged;

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    of_acts(facts, ActKind::UnknownData, &[], "unknown-data", |authority, app, _| {
        format!("{app} read from {authority}, a provider of another app, and no table says what that holds")
    })
}
