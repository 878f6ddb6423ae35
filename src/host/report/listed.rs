//! The findings of a verdict in one list, as machine-readable reports give them: those of the rules, and those of the
//! profiles that were asked for.

use crate::host::correlate::verdict::Finding;
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
}

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
