//! A finding: what it is about, who did it, how often, and the events that prove it.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::review::Review;
use crate::host::declared_terms::Provenance;
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
