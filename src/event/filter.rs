//! Which events somebody wants.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{DnsRecord, Endpoint, Event, EventBody, EventKind, Family, Outcome, Phase, Severity};

/// The class of an [`Outcome`], without its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeClass {
    /// [`Outcome::Ok`].
    Ok,
    /// [`Outcome::InProgress`].
    InProgress,
    /// [`Outcome::Denied`].
    Denied,
    /// [`Outcome::Failed`].
    Failed,
    /// [`Outcome::Unknown`].
    Unknown,
}

impl OutcomeClass {
    /// Every class.
    pub const ALL: &'static [Self] = &[Self::Ok, Self::InProgress, Self::Denied, Self::Failed, Self::Unknown];

    /// The name used in filters and summaries.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::InProgress => "in_progress",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

impl Outcome {
    /// Its class.
    #[must_use]
    pub fn class(self) -> OutcomeClass {
        match self {
            Self::Ok => OutcomeClass::Ok,
            Self::InProgress => OutcomeClass::InProgress,
            Self::Denied(_) => OutcomeClass::Denied,
            Self::Failed(_) => OutcomeClass::Failed,
            Self::Unknown => OutcomeClass::Unknown,
        }
    }
}

/// Which events somebody wants. Each list that is not empty must hold something that fits; an empty list fits all.
///
/// Phase marks always fit: without them the phases of the events mean nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventFilter {
    /// Families.
    pub families: BTreeSet<Family>,
    /// Kinds.
    pub kinds: BTreeSet<EventKind>,
    /// Real user ids of the acting process.
    pub user_ids: BTreeSet<u32>,
    /// Packages of the acting app; one of several candidates is enough.
    pub packages: BTreeSet<String>,
    /// Phases.
    pub phases: BTreeSet<Phase>,
    /// Classes of outcomes.
    pub outcomes: BTreeSet<OutcomeClass>,
    /// Patterns of paths and of URIs of providers, where `*` stands for any characters, `/` included, and `?` for one.
    pub path_patterns: Vec<String>,
    /// Patterns of names: hosts, addresses, authorities, interfaces. Upper and lower case are equal.
    pub name_patterns: Vec<String>,
    /// Kinds of personal data that the event reads, or tries to, by their ids: each stands for the narrower ones too.
    pub data_types: BTreeSet<String>,
    /// At least this severity.
    pub minimum_severity: Option<Severity>,
}

/// A filter that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterError {
    /// A list is longer than a filter needs.
    #[error("the filter has {length} {list}; at most {limit} are taken")]
    TooMany {
        /// Which list.
        list: &'static str,
        /// Its length.
        length: usize,
        /// The most taken.
        limit: usize,
    },
    /// A pattern fits nothing, or costs too much.
    #[error("the pattern {pattern:?} {problem}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong, to be read after it.
        problem: &'static str,
    },
    /// No table has this kind of data.
    #[error("there is no kind of data {name:?}{} (candor terms types lists them)", suggestion(.nearest))]
    UnknownDataType {
        /// What was asked for.
        name: String,
        /// The one that looks most like it, when one does.
        nearest: Option<&'static str>,
    },
}

fn suggestion(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(", did you mean {nearest:?}?"))
}

impl EventFilter {
    /// The most elements of a list, and the most bytes and stars of a pattern: matching is done for each event.
    const MOST_LISTED: usize = 1024;
    const MOST_PATTERNS: usize = 64;
    const LONGEST_PATTERN: usize = 512;
    const MOST_STARS: usize = 8;

    /// Whether everything fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses a filter that would cost too much, or fits nothing.
    ///
    /// # Errors
    ///
    /// When a list or a pattern is too long, or a pattern is empty.
    pub fn validate(&self) -> Result<(), FilterError> {
        let lists = [
            ("user ids", self.user_ids.len(), Self::MOST_LISTED),
            ("packages", self.packages.len(), Self::MOST_LISTED),
            ("phases", self.phases.len(), Self::MOST_LISTED),
            ("data types", self.data_types.len(), Self::MOST_LISTED),
            ("path patterns", self.path_patterns.len(), Self::MOST_PATTERNS),
            ("name patterns", self.name_patterns.len(), Self::MOST_PATTERNS),
        ];
        for (list, length, limit) in lists {
            if length > limit {
                return Err(FilterError::TooMany { list, length, limit });
            }
        }
        for pattern in self.path_patterns.iter().chain(&self.name_patterns) {
            let problem = if pattern.is_empty() {
                "is empty, so it fits nothing"
            } else if pattern.len() > Self::LONGEST_PATTERN {
                "is longer than 512 bytes"
            } else if pattern.matches('*').count() > Self::MOST_STARS {
                "has more than 8 stars"
            } else {
                continue;
            };
            return Err(FilterError::Pattern { pattern: pattern.clone(), problem });
        }
        Ok(())
    }

    /// Whether the event fits by what stands in it: patterns, kinds of data and severity are not looked at.
    #[must_use]
    pub fn fits_by_fields(&self, event: &Event) -> bool {
        fn one_of<T: Ord>(wanted: &BTreeSet<T>, found: &T) -> bool {
            wanted.is_empty() || wanted.contains(found)
        }
        let package = || {
            let app = &event.app;
            self.packages.is_empty()
                || app.package.iter().chain(&app.candidates).any(|name| self.packages.contains(name))
        };
        one_of(&self.families, &event.family())
            && one_of(&self.kinds, &event.kind())
            && one_of(&self.user_ids, &event.user_id)
            && one_of(&self.phases, &event.phase)
            && one_of(&self.outcomes, &event.outcome.class())
            && package()
    }
}

impl EventBody {
    /// The paths that it names, URIs of providers included.
    #[must_use]
    pub fn paths(&self) -> Vec<&str> {
        match self {
            Self::ProcessExec(body) => body.requested_path.iter().chain([&body.path]).map(String::as_str).collect(),
            Self::FileOpen(body) => body.requested_path.iter().chain([&body.path]).map(String::as_str).collect(),
            Self::FileTotals(body) => vec![&body.path],
            Self::FileRename(body) => vec![&body.from, &body.to],
            Self::FileUnlink(body) => vec![&body.path],
            Self::ProviderAccess(body) => body.uri.iter().map(String::as_str).collect(),
            Self::HttpRequest(body) => vec![&body.path],
            Self::ProcessStart(_)
            | Self::ProcessExit(_)
            | Self::ProcessImportance(_)
            | Self::ProcessName(_)
            | Self::BlindSpot(_)
            | Self::SocketConnect(_)
            | Self::SocketBind(_)
            | Self::SocketListen(_)
            | Self::SocketAccept(_)
            | Self::SocketTotals(_)
            | Self::DnsQuery(_)
            | Self::DnsAnswer(_)
            | Self::TlsClientHello(_)
            | Self::ServiceCall(_)
            | Self::PackageChange(_)
            | Self::PhaseMark(_) => Vec::new(),
        }
    }

    /// The names that it mentions: hosts, addresses of peers (without port), authorities, services, interfaces, packages and
    /// processes.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let peer = |end: &Endpoint| match end {
            Endpoint::Inet(address) => Some(address.ip().to_string()),
            Endpoint::UnixPath(name) | Endpoint::UnixAbstract(name) => Some(name.clone()),
            Endpoint::UnixUnnamed | Endpoint::Other(_) => None,
        };
        match self {
            Self::SocketConnect(body) => peer(&body.remote).into_iter().collect(),
            Self::SocketAccept(body) => peer(&body.remote).into_iter().collect(),
            Self::SocketBind(body) => peer(&body.local).into_iter().collect(),
            Self::SocketListen(body) => body.local.iter().filter_map(peer).collect(),
            Self::SocketTotals(body) => body.remote.iter().filter_map(peer).collect(),
            Self::DnsQuery(body) => vec![body.name.clone()],
            Self::DnsAnswer(body) => {
                let records = body.records.iter().map(|record| match record {
                    DnsRecord::Address(address) => address.to_string(),
                    DnsRecord::Alias(name) => name.clone(),
                });
                std::iter::once(body.name.clone()).chain(records).collect()
            }
            Self::TlsClientHello(body) => {
                body.server_name.iter().cloned().chain(body.remote.iter().filter_map(peer)).collect()
            }
            Self::HttpRequest(body) => body.host.iter().cloned().chain(body.remote.iter().filter_map(peer)).collect(),
            Self::ProviderAccess(body) => vec![body.authority.clone()],
            Self::ServiceCall(body) => {
                body.service.iter().cloned().chain([body.transaction.interface.clone()]).collect()
            }
            Self::ProcessName(body) => vec![body.name.clone()],
            Self::PackageChange(body) => vec![body.package.clone()],
            Self::ProcessStart(_)
            | Self::ProcessExec(_)
            | Self::ProcessExit(_)
            | Self::ProcessImportance(_)
            | Self::BlindSpot(_)
            | Self::FileOpen(_)
            | Self::FileTotals(_)
            | Self::FileRename(_)
            | Self::FileUnlink(_)
            | Self::PhaseMark(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_costs_too_much_is_refused_by_name() {
        let filter = EventFilter { path_patterns: vec!["*".repeat(9)], ..EventFilter::default() };
        assert_eq!(filter.validate().unwrap_err().to_string(), "the pattern \"*********\" has more than 8 stars");
        let filter = EventFilter { name_patterns: vec![String::new()], ..EventFilter::default() };
        assert!(filter.validate().unwrap_err().to_string().contains("fits nothing"));
        let filter = EventFilter { user_ids: (0..1025).collect(), ..EventFilter::default() };
        assert_eq!(filter.validate().unwrap_err().to_string(), "the filter has 1025 user ids; at most 1024 are taken");
        assert_eq!(EventFilter::default().validate(), Ok(()));
        assert!(EventFilter::default().is_empty());
    }
}
