//! What people said about findings: accepted for a time, confirmed, or rejected as not so.
//!
//! * **In:** a verdict, a TOML file, and the date that expiry is judged by. **Out:** the same verdict, with what was set
//!   aside set aside and the outcomes reached again.
//!
//! A finding is named by its fingerprint. That of a rule's finding also stands for the copies of it that clauses of
//! profiles tell. An entry that has expired does nothing any more, and one that names no finding is told.

use std::collections::BTreeSet;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use super::facts::outcome_of_all;
use super::fingerprint;
use super::profiles::count_states;
use super::verdict::{ClauseState, Finding, RuleOutcome, Verdict};
use crate::host::toml_source::{self, Diagnostics, SourceFile, TableReader, suggest};

/// What a reviewer decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is so, and tolerated until it expires.
    Accepted,
    /// It is so, and counts.
    Confirmed,
    /// It is not so: the finding does not count.
    Rejected,
}

impl Decision {
    /// Every decision.
    pub const ALL: &'static [Self] = &[Self::Accepted, Self::Confirmed, Self::Rejected];

    /// The name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
        }
    }

    /// Whether a finding with this decision counts for the outcome.
    #[must_use]
    pub fn counts(self) -> bool {
        self == Self::Confirmed
    }
}

/// One entry of a list of reviews.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Review {
    /// The finding, by its fingerprint.
    pub fingerprint: String,
    /// What was decided.
    pub decision: Decision,
    /// Why.
    pub reason: String,
    /// By whom.
    pub author: String,
    /// The last day on which it holds, `YYYY-MM-DD`; absent when it does not expire, which an accepted one must.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// It no longer holds.
    pub expired: bool,
    /// Where it stands: file and line.
    pub place: String,
}

/// What the reviews came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct ReviewSummary {
    /// Findings that do not count, because they were accepted or rejected. They are in no rule and no clause any more.
    pub set_aside: Vec<Finding>,
    /// Entries that no longer hold: their findings count again.
    pub expired: Vec<Review>,
    /// Entries that name no finding of this verdict: it is gone, or the fingerprint is mistyped.
    pub unknown: Vec<Review>,
}

/// A list of reviews.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReviewList {
    /// The entries, in the order of the files.
    pub reviews: Vec<Review>,
}

/// The length of a fingerprint in characters.
pub const FINGERPRINT_LENGTH: usize = 32;

/// Whether a text has the form of a fingerprint.
#[must_use]
pub fn is_fingerprint(text: &str) -> bool {
    text.len() == FINGERPRINT_LENGTH && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl ReviewList {
    /// Reads a file of `[[review]]` tables, and judges which of them have expired on the day `as_of`.
    ///
    /// # Errors
    ///
    /// Every problem of the file, with its line.
    pub fn parse(source: &SourceFile, as_of: Date) -> Result<Self, Diagnostics> {
        let mut problems = Diagnostics::default();
        let document = toml_source::parse(source, &mut problems);
        let mut file = TableReader::new(source, document.get_ref(), 0..0, "the file");
        let mut list = Self::default();
        for entry in file.tables("review", "[[review]]", &mut problems) {
            list.read(source, entry, as_of, &mut problems);
        }
        file.finish(&mut problems);
        problems.sort();
        if problems.has_errors() { Err(problems) } else { Ok(list) }
    }

    fn read(&mut self, source: &SourceFile, mut entry: TableReader<'_>, as_of: Date, problems: &mut Diagnostics) {
        let span = entry.span();
        let fingerprint = entry.required_string("fingerprint", problems);
        let decision = entry.required_string("decision", problems);
        let reason = entry.required_string("reason", problems);
        let author = entry.required_string("author", problems);
        let expires = entry.string("expires", problems);
        entry.finish(problems);
        let decision = decision.and_then(|word| {
            let known = Decision::ALL.iter().copied().find(|decision| decision.name() == word.value);
            if known.is_none() {
                let help = suggest(&word.value, Decision::ALL.iter().map(|decision| decision.name()))
                    .or_else(|| Some("there are accepted, confirmed and rejected".to_owned()));
                problems.error(source, &word.span, format!("unknown decision \"{}\"", word.value), help);
            }
            known
        });
        let mut date = None;
        if let Some(text) = &expires {
            match text.value.parse::<Date>() {
                Ok(parsed) => date = Some(parsed),
                Err(_) => {
                    let help = Some("write it as \"2027-01-31\"".to_owned());
                    problems.error(source, &text.span, format!("\"{}\" is no date", text.value), help);
                }
            }
        }
        if decision == Some(Decision::Accepted) && expires.is_none() {
            let help = Some("expires = \"2027-01-31\": the last day on which it is accepted".to_owned());
            problems.error(source, &span, "an accepted finding needs \"expires\"".to_owned(), help);
        }
        let Some(fingerprint) = fingerprint else { return };
        if !is_fingerprint(&fingerprint.value) {
            let help = Some("reports give it: 32 characters of 0-9 and a-f".to_owned());
            problems.error(source, &fingerprint.span, format!("\"{}\" is no fingerprint", fingerprint.value), help);
        }
        if self.reviews.iter().any(|known| known.fingerprint == fingerprint.value) {
            let message = format!("the fingerprint {} occurs twice", fingerprint.value);
            problems.error(source, &fingerprint.span, message, None);
        }
        let (Some(decision), Some(reason), Some(author)) = (decision, reason, author) else { return };
        self.reviews.push(Review {
            place: format!("{}:{}", source.name, source.line_of(fingerprint.span.start)),
            fingerprint: fingerprint.value,
            decision,
            reason: reason.value,
            author: author.value,
            expires: date.map(|date| date.to_string()),
            expired: date.is_some_and(|date| date < as_of),
        });
    }

    /// Adds the entries of another file. Says which fingerprint is in both.
    ///
    /// # Errors
    ///
    /// The first fingerprint that both have, with both places.
    pub fn join(&mut self, other: Self) -> Result<(), String> {
        for review in other.reviews {
            if let Some(known) = self.reviews.iter().find(|known| known.fingerprint == review.fingerprint) {
                return Err(format!("{} is in {} and in {}", review.fingerprint, known.place, review.place));
            }
            self.reviews.push(review);
        }
        Ok(())
    }

    /// Sets aside what does not count any more, and reaches the outcomes again.
    pub fn apply(&self, verdict: &mut Verdict) {
        let package = verdict.app.package.clone();
        let mut used = BTreeSet::new();
        let mut set_aside: Vec<Finding> = Vec::new();
        let mut review = |findings: &mut Vec<Finding>, keep_copy: bool| -> Vec<String> {
            let mut notes = Vec::new();
            findings.retain_mut(|finding| {
                let at_rule = fingerprint::of_finding(finding.rule, finding.rule, &package, &finding.subject);
                let names =
                    |review: &&Review| review.fingerprint == finding.fingerprint || review.fingerprint == at_rule;
                let Some(found) = self.reviews.iter().find(names) else { return true };
                used.insert(found.fingerprint.clone());
                finding.review = Some(found.clone());
                if found.expired || found.decision.counts() {
                    return true;
                }
                let until = found.expires.as_ref().map(|day| format!(" until {day}")).unwrap_or_default();
                let what = finding.subject.title();
                notes.push(format!("{what}: {} by {}{until}: {}", found.decision.name(), found.author, found.reason));
                // Of a finding that a rule and clauses tell, one copy is enough.
                if keep_copy || found.fingerprint == finding.fingerprint {
                    set_aside.push(finding.clone());
                }
                false
            });
            notes
        };
        for rule in &mut verdict.rules {
            rule.set_aside = review(&mut rule.findings, true);
            if !rule.set_aside.is_empty() && rule.findings.is_empty() {
                rule.outcome =
                    if rule.reasons.is_empty() { RuleOutcome::NoneObserved } else { RuleOutcome::CannotTell };
            }
        }
        for profile in &mut verdict.profiles {
            for clause in &mut profile.clauses {
                clause.set_aside = review(&mut clause.findings, false);
                if !clause.set_aside.is_empty() && clause.findings.is_empty() {
                    clause.state =
                        if clause.reasons.is_empty() { ClauseState::NoneObserved } else { ClauseState::CannotTell };
                }
            }
            count_states(profile);
        }
        let is_used = |review: &&Review| used.contains(&review.fingerprint);
        verdict.reviews = ReviewSummary {
            set_aside,
            expired: self.reviews.iter().filter(is_used).filter(|review| review.expired).cloned().collect(),
            unknown: self.reviews.iter().filter(|review| !is_used(review)).cloned().collect(),
        };
        verdict.findings = verdict.rules.iter().map(|rule| rule.findings.len()).sum();
        verdict.outcome = outcome_of_all(&verdict.rules, &verdict.profiles);
    }
}
