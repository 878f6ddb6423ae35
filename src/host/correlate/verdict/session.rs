//! The app, its session, and what of it was seen.

use schemars::JsonSchema;
use serde::Serialize;

use super::finding::Moment;
use super::result::RuleOutcome;
use crate::event::{ProbeStatus, Totals};
use crate::host::recording::Damage;
/// Something worth knowing that is no violation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Notice {
    /// What sort: `attempted`, `uncertain_recipient`, `declared_broadly`, `dns_bypass`, `unknown_provider`, `left_out`, `first_party_claim`,
    /// `phase_disagrees`, `unexercised_statement`, `not_necessary`, `may_access`, `unconfirmed_draft`, `fixed_interval`, `not_decided`, `no_clock_anchor`.
    pub kind: &'static str,
    /// In one English sentence.
    pub message: String,
}

/// What one family of events was watched with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FamilyCoverage {
    /// The family.
    pub family: &'static str,
    /// Everything of it was watched from beginning to end.
    pub watched: bool,
    /// Why not, or what else is missing.
    pub reasons: Vec<String>,
    /// What the probes said at the beginning.
    pub at_start: Vec<ProbeStatus>,
    /// What the probes said at the end.
    pub at_end: Vec<ProbeStatus>,
}

/// What was seen and what was not.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Coverage {
    /// By family.
    pub families: Vec<FamilyCoverage>,
    /// The recording was read to its end, and nothing of it was damaged.
    pub recording_whole: bool,
    /// Unreadable stretches of the recording.
    pub damage: Vec<Damage>,
    /// Events that are known to be missing; the sum over all gaps that say how many.
    pub missing_events: u64,
    /// Gaps.
    pub gaps: u64,
    /// The last account of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<Totals>,
}

/// One stretch of the session in one phase.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PhaseSpan {
    /// The recording that the numbers and times are of, where the verdict is about several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// The phase.
    pub phase: String,
    /// When it began.
    pub from: Moment,
    /// When it ended.
    pub to: Moment,
    /// What the client said about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// One phase over the whole session.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PhaseSummary {
    /// The phase.
    pub phase: String,
    /// How long it lasted in all, in seconds.
    pub seconds: f64,
    /// How many events happened in it.
    pub events: u64,
}

/// The app and its terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CheckedApp {
    /// Package of the terms.
    pub package: String,
    /// Name of the terms.
    pub name: String,
    /// Version of the terms; empty when they do not say.
    pub version: String,
    /// Type of app, in the words of the terms.
    pub kind: String,
    /// The id of its type by the rule on necessary personal information, when the terms say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_type: Option<String>,
    /// The file of the terms.
    pub terms_file: String,
    /// Apps whose events were judged.
    pub judged: Vec<String>,
    /// Apps whose events are in the recording and were not judged.
    pub left_out: Vec<String>,
}

/// The session that was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CheckedSession {
    /// Its id.
    pub id: String,
    /// What the client called it.
    pub label: String,
    /// When it began, by the device's wall clock; empty when the recording does not say.
    pub started: String,
    /// How long it lasted, in seconds, as far as the recording goes.
    pub seconds: f64,
    /// Why it ended; absent when the end is not in the recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<&'static str>,
    /// Events in the recording.
    pub events: u64,
    /// Device name.
    pub device: String,
    /// Kernel release.
    pub kernel: String,
    /// Machine.
    pub architecture: String,
    /// Version of the daemon.
    pub daemon_version: String,
}

/// One of several recordings that a verdict is about.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Scene {
    /// The recording, as the user named it.
    pub recording: String,
    /// What it came to by itself.
    pub outcome: RuleOutcome,
    /// Its session.
    pub session: CheckedSession,
    /// The phases that it went through.
    pub phases: Vec<String>,
}
