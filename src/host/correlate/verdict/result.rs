//! What a rule, a clause and a profile came to.

use schemars::JsonSchema;
use serde::Serialize;

use super::finding::Finding;
/// What a rule, or all rules together, came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleOutcome {
    /// At least one finding. It stands also when something was lost: what was seen, happened.
    Violation,
    /// No finding, and something was not seen that could have been one.
    CannotTell,
    /// No finding, and everything the rule needs was watched.
    NoneObserved,
    /// The rule had nothing to judge: the terms say nothing it could hold the app to, or its phase was not part of the run.
    NotApplicable,
}

impl RuleOutcome {
    /// The name used in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Violation => "violation",
            Self::CannotTell => "cannot_tell",
            Self::NoneObserved => "none_observed",
            Self::NotApplicable => "not_applicable",
        }
    }

    /// In words, for people.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Violation => "violation",
            Self::CannotTell => "cannot tell",
            Self::NoneObserved => "none observed",
            Self::NotApplicable => "not applicable",
        }
    }
}

/// A rule and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RuleResult {
    /// Id.
    pub id: &'static str,
    /// English title.
    pub title_en: &'static str,
    /// Chinese title.
    pub title_zh: &'static str,
    /// What it came to.
    pub outcome: RuleOutcome,
    /// What it found.
    pub findings: Vec<Finding>,
    /// Findings that reviewers have set aside, one sentence each; they are among the reviews of the verdict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_aside: Vec<String>,
    /// Why nothing can be told, or why the rule does not apply; also what was not seen beside the findings.
    pub reasons: Vec<String>,
    /// Phases that it needs and that were not part of the run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_phases: Vec<String>,
    /// Phases that the rule looked at.
    pub phases: Vec<String>,
    /// For how long these phases lasted, in seconds.
    pub seconds: f64,
    /// How many events happened in them.
    pub events: u64,
}

/// What a clause of a profile came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClauseState {
    /// At least one finding, and trace, terms and marks decide the clause.
    Violation,
    /// At least one finding, and it is evidence: a person decides.
    Indication,
    /// No finding, and something that could have been one was not seen, or was never tried.
    CannotTell,
    /// No finding, and everything that the clause needs was watched.
    NoneObserved,
    /// Not decidable by a trace.
    NotDecidable,
}

impl ClauseState {
    /// Every state.
    pub const ALL: &'static [Self] =
        &[Self::Violation, Self::Indication, Self::CannotTell, Self::NoneObserved, Self::NotDecidable];

    /// The name used in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Violation => "violation",
            Self::Indication => "indication",
            Self::CannotTell => "cannot_tell",
            Self::NoneObserved => "none_observed",
            Self::NotDecidable => "not_decidable",
        }
    }

    /// In words, for people.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Violation => "violation",
            Self::Indication => "indication",
            Self::CannotTell => "cannot tell",
            Self::NoneObserved => "none observed",
            Self::NotDecidable => "not by trace",
        }
    }

    /// The same in Chinese.
    #[must_use]
    pub fn in_chinese(self) -> &'static str {
        match self {
            Self::Violation => "发现违规",
            Self::Indication => "发现线索，需人工判定",
            Self::CannotTell => "无法判定",
            Self::NoneObserved => "未观察到",
            Self::NotDecidable => "无法通过监测判定",
        }
    }
}

/// A clause of a profile and its state.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ClauseResult {
    /// Id within the profile; with the profile's name in front when it is another profile's.
    pub id: String,
    /// What it says, in English.
    pub title_en: String,
    /// What it says, in Chinese.
    pub title_zh: String,
    /// Where it stands.
    pub source: String,
    /// How far a trace decides it: `D` fully, `P` partly, `N` not.
    pub decidability: &'static str,
    /// What it came to.
    pub state: ClauseState,
    /// The findings that hold a violation or an indication; `rule` names the rule or check that made each.
    pub findings: Vec<Finding>,
    /// Findings that reviewers have set aside, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_aside: Vec<String>,
    /// Why it cannot be told or decided; also what was not seen beside the findings.
    pub reasons: Vec<String>,
    /// Phases that it needs and that were not part of the run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_phases: Vec<String>,
    /// Phases that were looked at.
    pub phases: Vec<String>,
    /// For how long they lasted, in seconds.
    pub seconds: f64,
    /// How many events happened in them.
    pub events: u64,
}

/// A profile and all its clauses.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProfileResult {
    /// Name.
    pub name: String,
    /// English title.
    pub title_en: String,
    /// Chinese title.
    pub title_zh: String,
    /// The rule book.
    pub source: String,
    /// Whether it was asked for, so that it counts for the outcome of the verdict.
    pub counts_for_outcome: bool,
    /// All clauses together. An indication leaves it open; what no trace decides is left out.
    pub outcome: RuleOutcome,
    /// How many clauses are in each state.
    pub counts: std::collections::BTreeMap<&'static str, usize>,
    /// Every clause, in the order of the rule book.
    pub clauses: Vec<ClauseResult>,
}
