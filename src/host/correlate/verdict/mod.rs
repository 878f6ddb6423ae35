//! The verdict: what every report shows. Serialised as it is, it is the JSON report.

mod finding;
mod observed_rows;
mod permissions;
mod result;
mod session;

use schemars::JsonSchema;
use serde::Serialize;

use super::observed::{ObservedTuple, Tying};
use super::regression::Difference;
use super::review::ReviewSummary;
use crate::host::declared_terms::NotUnderstood;

pub use finding::*;
pub use observed_rows::*;
pub use permissions::*;
pub use result::*;
pub use session::*;

/// Names the form of the JSON report. The number goes up when a field changes its meaning or goes away; fields may be
/// added without.
pub const VERDICT_SCHEMA: &str = "candor.verdict/1";

/// A recording set against terms.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Verdict {
    /// [`VERDICT_SCHEMA`].
    pub schema: &'static str,
    /// All rules together: a violation if there is one, else "cannot tell" if any rule cannot tell, else none observed.
    pub outcome: RuleOutcome,
    /// How many findings there are.
    pub findings: usize,
    /// The app and its terms.
    pub app: CheckedApp,
    /// The session; of several recordings the first one's, with the seconds and events of all.
    pub session: CheckedSession,
    /// The recordings, when there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scenes: Vec<Scene>,
    /// Every rule, in the order of [`super::rules::ALL_RULES`].
    pub rules: Vec<RuleResult>,
    /// The profiles, each with every clause: those that were asked for, else [`super::profiles::DEFAULT_PROFILE`].
    pub profiles: Vec<ProfileResult>,
    /// Every observed row: data type, actor, recipient, phase, with how the terms disclose it.
    pub tuples: Vec<ObservedTuple>,
    /// How readings were tied to sendings.
    pub tying: Tying,
    /// Every observed kind of data.
    pub data: Vec<ObservedData>,
    /// Every observed recipient.
    pub recipients: Vec<ObservedRecipient>,
    /// What became of the reviews that were given.
    pub reviews: ReviewSummary,
    /// What is different from the baseline, when one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Difference>,
    /// Permissions of the manifest that open personal data; empty when the terms have none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub may_access: Vec<PermissionAccess>,
    /// What is worth knowing besides.
    pub notices: Vec<Notice>,
    /// What was seen and what was not.
    pub coverage: Coverage,
    /// Every phase of the session.
    pub phases: Vec<PhaseSummary>,
    /// Phases in the order they were marked.
    pub timeline: Vec<PhaseSpan>,
    /// What an importer left in the terms as not understood: no statement was made of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms_not_understood: Vec<NotUnderstood>,
    /// Well-known phases that were not part of the run.
    pub phases_not_exercised: Vec<&'static str>,
}
