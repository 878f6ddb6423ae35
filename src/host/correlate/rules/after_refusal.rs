//! Personal data read, or a third party contacted, after the user has refused.

use super::super::facts::Facts;
use super::{Judged, REFUSED, before_consent};

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    before_consent::in_phase(facts, "after-refusal", REFUSED, "after refusal")
}
