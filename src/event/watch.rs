//! "Tell me when": what a session is watched for, and what is told.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Event, EventFilter, Gap, Phase, SessionEnd, Severity};

/// One thing that a session is watched for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchCondition {
    /// What the client calls it.
    pub id: String,
    /// Only these events are looked at; phase marks fit like any other.
    #[serde(default)]
    pub filter: EventFilter,
    /// It is over after this many matches; 0 means never.
    #[serde(default)]
    pub most_matches: u64,
    /// What is told.
    pub when: WatchWhen,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchWhen {
    /// The first contact with each domain that is not among the known ones and below none of them.
    UnknownDomain {
        /// Domains, patterns of domains, addresses.
        known: Vec<String>,
    },
    /// The first reading of each kind of personal data in a phase.
    EarlyRead {
        /// Kinds of data; empty: all but the weak ones.
        data_types: BTreeSet<String>,
        /// Phases; empty: `pre_consent`.
        phases: BTreeSet<Phase>,
    },
    /// Each event.
    EachEvent,
    /// So many events.
    Threshold {
        /// How many.
        count: u64,
        /// Within this time, in milliseconds; 0: however long it takes.
        within_ms: u64,
    },
    /// The session's end.
    SessionOver,
}

/// One thing that a watch tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchNews {
    /// A condition was met.
    Match(Box<WatchMatch>),
    /// Events are missing: one of them may have met a condition.
    Gap(Gap),
    /// Nothing follows.
    End(Box<WatchEnd>),
}

/// A condition was met.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchMatch {
    /// The condition.
    pub condition_id: String,
    /// Its matches so far, this one included.
    pub number: u64,
    /// The event by which it was met; none for the session's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// For an unknown domain: the domain or the address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Kinds of personal data that the event reads; for an early reading the new ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_types: Vec<String>,
    /// The event's severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// For a threshold: the events counted.
    #[serde(default)]
    pub count: u64,
}

/// A watch is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchEnd {
    /// Why.
    pub reason: WatchEndReason,
    /// How the session ended; none while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_end: Option<SessionEnd>,
    /// Events that were looked at.
    pub events: u64,
    /// Gaps that were told.
    pub gaps: u64,
}

/// Why a watch is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchEndReason {
    /// The session is over.
    SessionOver,
    /// Every match that was asked for was told.
    MatchesTold,
}

impl WatchEndReason {
    /// Every reason.
    pub const ALL: &'static [Self] = &[Self::SessionOver, Self::MatchesTold];
}
