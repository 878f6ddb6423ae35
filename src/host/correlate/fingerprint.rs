//! Names that stay when the same app does the same thing again: for baselines, for accepted findings, and for code hosts.
//!
//! What differs from run to run and from device to device is not in them: time, order, counts, process ids, ports, and the
//! directory that an app is installed into, whose name is random.

use sha2::{Digest as _, Sha256};

use super::verdict::Subject;

/// Enough that two findings of one app never share one by chance.
const BYTES: usize = 16;

/// The fingerprint of a finding of `rule`, told under `told_under`: the rule's id, or `PROFILE/CLAUSE`.
pub(super) fn of_finding(told_under: &str, rule: &str, package: &str, subject: &Subject) -> String {
    of(&[told_under, rule, package, subject.kind(), subject.title()])
}

/// The fingerprint of a row: a data type or nothing, a recipient or nothing, the phase and how it ended.
pub(super) fn of_row(package: &str, data_type: &str, host: &str, phase: &str, outcome: &str) -> String {
    of(&["tuple", package, data_type, host, phase, outcome])
}

/// The fingerprint of these parts.
fn of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length in front, so that no two lists of parts give the same bytes.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect()
}
