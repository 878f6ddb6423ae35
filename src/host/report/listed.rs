//! The findings of a verdict in one list, as machine-readable reports give them: those of the rules, and those of the
//! profiles that were asked for.

use sha2::{Digest as _, Sha256};

use crate::host::correlate::verdict::{Finding, Subject};
use crate::host::correlate::{ClauseState, Verdict};

/// One finding, under the rule or clause that it is told for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed<'v> {
    /// The profile, when it is a clause's.
    pub(super) profile: Option<&'v str>,
    /// Id of the rule, or of the clause within its profile.
    pub(super) rule: &'v str,
    pub(super) title_en: &'v str,
    /// Evidence for a person, rather than a violation.
    pub(super) indication: bool,
    pub(super) finding: &'v Finding,
}

impl Listed<'_> {
    /// `RULE` or `PROFILE/CLAUSE`.
    pub(super) fn id(&self) -> String {
        self.profile.map_or_else(|| self.rule.to_owned(), |profile| format!("{profile}/{}", self.rule))
    }

    /// What stays the same when the same app does the same thing again: the rule, the app's package, and what the finding is
    /// about. Not where, when, how often, by which process or from which port, which differ from run to run; an upgrade
    /// installs into another directory.
    pub(super) fn fingerprint(&self, package: &str) -> String {
        let (kind, about) = match &self.finding.subject {
            Subject::Data(name) => ("data", name.id.as_str()),
            Subject::Recipient(name) => ("recipient", name.host.as_str()),
            Subject::Act { what } => ("act", what.as_str()),
        };
        let mut hash = Sha256::new();
        for part in [self.id().as_str(), self.finding.rule, package, kind, about] {
            // The length in front, so that no two lists of parts give the same bytes.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().iter().take(FINGERPRINT_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Enough that two findings of one app never share one by chance.
const FINGERPRINT_BYTES: usize = 16;

/// All of them, in the order of the report.
pub(super) fn listed(verdict: &Verdict) -> Vec<Listed<'_>> {
    let mut all = Vec::new();
    for rule in &verdict.rules {
        all.extend(rule.findings.iter().map(|finding| Listed {
            profile: None,
            rule: rule.id,
            title_en: rule.title_en,
            indication: false,
            finding,
        }));
    }
    for profile in verdict.profiles.iter().filter(|profile| profile.counts_for_outcome) {
        for clause in &profile.clauses {
            all.extend(clause.findings.iter().map(|finding| Listed {
                profile: Some(&profile.name),
                rule: &clause.id,
                title_en: &clause.title_en,
                indication: clause.state == ClauseState::Indication,
                finding,
            }));
        }
    }
    all
}
