//! The verdict: what every report shows. Serialised as it is, it is the JSON report.

use schemars::JsonSchema;
use serde::Serialize;

use super::observed::{ObservedTuple, Tying};
use super::regression::Difference;
use super::review::{Review, ReviewSummary};
use crate::event::{ProbeStatus, Totals};
use crate::host::declared_terms::{NotUnderstood, Provenance};
use crate::host::recording::Damage;

/// Names the form of the JSON report. The number goes up when a field changes its meaning or goes away; fields may be
/// added without.
pub const VERDICT_SCHEMA: &str = "candor.verdict/1";

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

/// A moment, by both clocks.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Moment {
    /// Seconds since the session began, in milliseconds' resolution; negative for what happened before.
    pub seconds: f64,
    /// By the device's wall clock, in UTC, RFC 3339; empty when the recording does not say what time of day it was.
    pub wall: String,
}

/// One event that proves something.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Evidence {
    /// The recording that the numbers and times are of, where the verdict is about several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// Its sequence number in the recording.
    pub sequence: u64,
    /// When.
    pub at: Moment,
    /// The kind of event.
    pub kind: &'static str,
    /// Process id.
    pub pid: u32,
    /// The path, command or peer.
    pub what: String,
    /// How the act ended: `ok`, `in_progress`, `denied (errno)`, `failed (errno)`, `unknown`.
    pub outcome: String,
    /// Why the fields are only hints; empty when they come from the kernel's own objects.
    pub hints: Vec<&'static str>,
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct Actor {
    /// The package, the packages that share the user id, or the user id.
    pub app: String,
    /// User id.
    pub user_id: u32,
    /// The program file, or the thread's name where the file is not known.
    pub program: String,
}

/// How often something was done in one phase.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct PhaseCount {
    /// The phase.
    pub phase: String,
    /// How often.
    pub count: u64,
}

/// A path, host or command, and how often.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct PlaceCount {
    /// The path, host and port, or command.
    pub place: String,
    /// How often.
    pub count: u64,
}

/// How sure it is who was contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameConfidence {
    /// The connection itself named it: TLS server name or HTTP host.
    Stated,
    /// The app looked the name up and connected to the address it got.
    Resolved,
    /// The address answers to several names that the app had looked up, or the stated name is a cover.
    Uncertain,
    /// No name is known; the address stands for itself.
    AddressOnly,
}

impl NameConfidence {
    /// In words, for people.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Stated => "named on the connection",
            Self::Resolved => "by the DNS answer before it",
            Self::Uncertain => "uncertain",
            Self::AddressOnly => "address only",
        }
    }
}

/// Someone who was contacted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct RecipientName {
    /// Domain name, or the address when there is none; the possible names joined by `" or "` when it is uncertain.
    pub host: String,
    /// The owner in English, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_en: Option<String>,
    /// The owner in Chinese, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_zh: Option<String>,
    /// The product, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The purpose, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The alias that gave the owner away, when the name itself did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via_alias: Option<String>,
    /// How sure the name is.
    pub confidence: NameConfidence,
    /// How the terms stand to it: `first_party`, `declared`, `denied`, `known_undeclared`, `unknown`.
    pub standing: &'static str,
}

/// A kind of personal data as reports name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct DataTypeName {
    /// Id, such as `id.mac`.
    pub id: String,
    /// English name.
    pub name_en: String,
    /// Chinese name.
    pub name_zh: String,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Subject {
    /// Personal data was read.
    Data(DataTypeName),
    /// Someone was contacted.
    Recipient(RecipientName),
    /// Something else was done.
    Act {
        /// To what: a package, a host, or a word for it.
        what: String,
    },
}

impl Subject {
    /// The name of the variant in JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Data(_) => "data",
            Self::Recipient(_) => "recipient",
            Self::Act { .. } => "act",
        }
    }

    /// The id or host, for titles.
    #[must_use]
    pub fn title(&self) -> &str {
        match self {
            Self::Data(name) => &name.id,
            Self::Recipient(name) => &name.host,
            Self::Act { what } => what,
        }
    }
}

/// A statement of the terms, as a finding names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct StatementRef {
    /// Where it was made.
    pub place: Provenance,
    /// What it says, in short.
    pub says: String,
}

/// Events set against the terms.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Finding {
    /// The rule.
    pub rule: &'static str,
    /// Stays the same when the same app does the same thing again; names the finding in baselines and lists of accepted
    /// ones. Another one for each rule or clause that the finding is told under.
    pub fingerprint: String,
    /// What it is about.
    pub subject: Subject,
    /// The finding in one English sentence.
    pub message: String,
    /// The statement it contradicts; absent when no statement covers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contradicts: Option<StatementRef>,
    /// Unconfirmed drafts that would cover it, were they confirmed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only_drafts: Vec<StatementRef>,
    /// Who acted, sorted.
    pub actors: Vec<Actor>,
    /// In which phases, how often.
    pub phases: Vec<PhaseCount>,
    /// How often in all.
    pub count: u64,
    /// Most in any minute.
    pub peak_per_minute: u32,
    /// The first time.
    pub first: Moment,
    /// The last time.
    pub last: Moment,
    /// Paths, hosts or commands, the most frequent first.
    pub places: Vec<PlaceCount>,
    /// There were more places than are listed.
    pub more_places: bool,
    /// The first events.
    pub evidence: Vec<Evidence>,
    /// What a reviewer said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
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

/// One observed kind of data, with who read it, in which phase and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ObservedData {
    /// The recording that the numbers and times are of, where the verdict is about several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// The data type.
    pub data_type: DataTypeName,
    /// Who.
    pub actor: Actor,
    /// In which phase.
    pub phase: String,
    /// `done`, `denied` or `failed`. Only what was done is a collection.
    pub effect: &'static str,
    /// How often.
    pub count: u64,
    /// Most in any minute.
    pub peak_per_minute: u32,
    /// Bytes read, as far as files tell.
    pub bytes_read: u64,
    /// The first time.
    pub first: Moment,
    /// The last time.
    pub last: Moment,
    /// Paths or commands, the most frequent first.
    pub places: Vec<PlaceCount>,
    /// There were more places than are listed.
    pub more_places: bool,
    /// Sequence numbers of the first events.
    pub evidence: Vec<u64>,
    /// How the terms stand to it: `declared`, `declared_broadly` (only a broader type is declared), `denied`,
    /// `undeclared`, `weak` (every program reads it).
    pub standing: &'static str,
    /// The statement that covers or denies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementRef>,
}

/// One observed recipient, with who contacted it, in which phase and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ObservedRecipient {
    /// The recording that the numbers and times are of, where the verdict is about several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// The recipient.
    pub recipient: RecipientName,
    /// Who.
    pub actor: Actor,
    /// In which phase.
    pub phase: String,
    /// `done`, `denied` or `failed`.
    pub effect: &'static str,
    /// Connections.
    pub count: u64,
    /// Most in any minute.
    pub peak_per_minute: u32,
    /// Bytes sent, as far as totals tell.
    pub bytes_sent: u64,
    /// Bytes received, as far as totals tell.
    pub bytes_received: u64,
    /// The first time.
    pub first: Moment,
    /// The last time.
    pub last: Moment,
    /// Address and port of the peers.
    pub places: Vec<PlaceCount>,
    /// There were more places than are listed.
    pub more_places: bool,
    /// Sequence numbers of the first events.
    pub evidence: Vec<u64>,
    /// The statement that covers or denies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementRef>,
}

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
