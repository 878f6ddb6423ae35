//! Conditions that entries of a session are held against, one after another.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::net::IpAddr;

use thiserror::Error;
use wildmatch::WildMatch;

use super::Matcher;
use crate::event::{
    DnsRecord, Endpoint, Event, EventBody, FilterError, Outcome, Phase, PhaseError, StreamEntry, WatchCondition,
    WatchEnd, WatchEndReason, WatchMatch, WatchNews, WatchWhen,
};
use crate::personal_data::{DataClass, DataType, Reading, read_by, severity};

/// Bounds of a watch: each condition is looked at for each event, and remembers what it has told.
const MOST_CONDITIONS: usize = 64;
const LONGEST_ID: usize = 64;
const MOST_KNOWN_DOMAINS: usize = 4096;
const LONGEST_DOMAIN: usize = 512;
const MOST_TOLD_DOMAINS: usize = 4096;
const LONGEST_WINDOW: u64 = 65_536;
/// Addresses that DNS answers named. Beyond it some are forgotten, and a contact with one of them is told by address.
const MOST_NAMED: usize = 16_384;
/// Where questions go is no contact by itself: the question is.
const DNS_PORT: u16 = 53;

/// A watch that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WatchError {
    /// Nothing to watch for, or too much.
    #[error("{0} conditions; a watch has 1 to {MOST_CONDITIONS}")]
    Conditions(usize),
    /// A malformed name.
    #[error("a condition is called {0:?}; a name has 1 to {LONGEST_ID} letters, digits, '_', '-' or '.'")]
    Id(String),
    /// Two conditions of one name could not be told apart.
    #[error("two conditions are called {0:?}")]
    Twice(String),
    /// A filter, or kinds of data, that are not taken.
    #[error("condition {id:?}: {source}")]
    Filter {
        /// The condition.
        id: String,
        /// What is wrong.
        source: FilterError,
    },
    /// Something else of a condition.
    #[error("condition {id:?}: {problem}")]
    Condition {
        /// The condition.
        id: String,
        /// What is wrong.
        problem: String,
    },
}

/// A watch under way: entries go in, news come out.
#[derive(Debug)]
pub struct Watch {
    conditions: Vec<Condition>,
    most_matches: u64,
    matches: u64,
    events: u64,
    gaps: u64,
    /// Addresses that a DNS answer named; filled only when a condition asks for domains.
    named: Option<HashSet<IpAddr>>,
    over: bool,
}

#[derive(Debug)]
struct Condition {
    id: String,
    matcher: Matcher,
    most_matches: u64,
    matches: u64,
    when: When,
}

/// What a condition looks for, and what it remembers.
#[derive(Debug)]
enum When {
    UnknownDomain { known: Known, told: HashSet<String> },
    EarlyRead { types: Vec<DataType>, phases: BTreeSet<Phase>, told: BTreeSet<DataType>, open_told: bool },
    EachEvent,
    Threshold { count: u64, within_ns: Option<u64>, seen: u64, times: VecDeque<u64> },
    SessionOver,
}

/// Domains that are known.
#[derive(Debug)]
struct Known {
    names: HashSet<String>,
    patterns: Vec<WildMatch>,
}

impl Known {
    fn new(known: Vec<String>) -> Result<Self, String> {
        if known.len() > MOST_KNOWN_DOMAINS {
            return Err(format!("{} known domains; at most {MOST_KNOWN_DOMAINS} are taken", known.len()));
        }
        let (mut names, mut patterns) = (HashSet::new(), Vec::new());
        for domain in known {
            let name = plain(&domain);
            if name.is_empty() || domain.len() > LONGEST_DOMAIN || domain.matches('*').count() > 8 {
                return Err(format!("{domain:?} is no domain and no pattern of one"));
            }
            if name.contains(['*', '?']) {
                patterns.push(WildMatch::new(&name));
            } else {
                names.insert(name);
            }
        }
        Ok(Self { names, patterns })
    }

    /// Whether the name, or a domain it lies below, is known.
    fn covers(&self, name: &str) -> bool {
        let mut rest = Some(name);
        while let Some(domain) = rest {
            if self.names.contains(domain) {
                return true;
            }
            rest = domain.split_once('.').map(|(_, above)| above);
        }
        self.patterns.iter().any(|pattern| pattern.matches(name))
    }
}

/// A domain as it is compared: in lower case, without the dot of the root.
fn plain(domain: &str) -> String {
    domain.trim().trim_end_matches('.').to_lowercase()
}

/// What a met condition adds to the event.
#[derive(Default)]
struct Found {
    domain: String,
    data_types: Option<Vec<String>>,
    count: u64,
}

impl Watch {
    /// A watch for these conditions, of which each must be met `most_matches` times together; 0 means without end.
    ///
    /// # Errors
    ///
    /// When a condition means nothing or would cost too much.
    pub fn new(conditions: Vec<WatchCondition>, most_matches: u64) -> Result<Self, WatchError> {
        if !(1..=MOST_CONDITIONS).contains(&conditions.len()) {
            return Err(WatchError::Conditions(conditions.len()));
        }
        let mut ids = HashSet::new();
        let conditions = conditions
            .into_iter()
            .map(|condition| Condition::new(condition, &mut ids))
            .collect::<Result<Vec<_>, _>>()?;
        let asks_for_domains = conditions.iter().any(|condition| matches!(condition.when, When::UnknownDomain { .. }));
        Ok(Self {
            conditions,
            most_matches,
            matches: 0,
            events: 0,
            gaps: 0,
            named: asks_for_domains.then(HashSet::new),
            over: false,
        })
    }

    /// Holds the next entry of the session against the conditions. After the end of a watch there are no news.
    pub fn look(&mut self, entry: &StreamEntry) -> Vec<WatchNews> {
        if self.over {
            return Vec::new();
        }
        match entry {
            StreamEntry::Event(event) => self.event(event),
            StreamEntry::Gap(gap) => {
                self.gaps += 1;
                vec![WatchNews::Gap(gap.clone())]
            }
            StreamEntry::End(end) => {
                let mut news = Vec::new();
                for index in 0..self.conditions.len() {
                    if self.conditions.get(index).is_some_and(|condition| matches!(condition.when, When::SessionOver)) {
                        news.extend(self.found(index, None, Found::default()));
                    }
                }
                if !self.over {
                    news.push(self.end(WatchEndReason::SessionOver, Some((**end).clone())));
                }
                news
            }
            StreamEntry::Header(_)
            | StreamEntry::Totals(_)
            | StreamEntry::SelfTest(_)
            | StreamEntry::ClockChange(_) => Vec::new(),
        }
    }

    fn event(&mut self, event: &Event) -> Vec<WatchNews> {
        self.events += 1;
        let contacts = match &mut self.named {
            Some(named) => contacts(event, named),
            None => Vec::new(),
        };
        let mut news = Vec::new();
        for index in 0..self.conditions.len() {
            let Some(condition) = self.conditions.get_mut(index) else { break };
            if condition.is_over() || !condition.matcher.fits_event(event) {
                continue;
            }
            for found in condition.look(event, &contacts) {
                news.extend(self.found(index, Some(event), found));
                if self.over {
                    return news;
                }
            }
        }
        news
    }

    /// Counts a match and tells it; and the end, when it was the last.
    fn found(&mut self, index: usize, event: Option<&Event>, found: Found) -> Vec<WatchNews> {
        let Some(condition) = self.conditions.get_mut(index).filter(|condition| !condition.is_over()) else {
            return Vec::new();
        };
        condition.matches += 1;
        self.matches += 1;
        let data_types = found.data_types.or_else(|| event.map(|event| names(&read_by(event))));
        let told = WatchMatch {
            condition_id: condition.id.clone(),
            number: condition.matches,
            event: event.cloned(),
            domain: found.domain,
            data_types: data_types.unwrap_or_default(),
            severity: event.map(severity),
            count: found.count,
        };
        let mut news = vec![WatchNews::Match(Box::new(told))];
        if self.matches == self.most_matches || self.conditions.iter().all(Condition::is_over) {
            news.push(self.end(WatchEndReason::MatchesTold, None));
        }
        news
    }

    fn end(&mut self, reason: WatchEndReason, session_end: Option<crate::event::SessionEnd>) -> WatchNews {
        self.over = true;
        WatchNews::End(Box::new(WatchEnd { reason, session_end, events: self.events, gaps: self.gaps }))
    }
}

impl Condition {
    fn new(condition: WatchCondition, ids: &mut HashSet<String>) -> Result<Self, WatchError> {
        let WatchCondition { id, filter, most_matches, when } = condition;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if !(1..=LONGEST_ID).contains(&id.len()) || !id.bytes().all(is_name) {
            return Err(WatchError::Id(id));
        }
        if !ids.insert(id.clone()) {
            return Err(WatchError::Twice(id));
        }
        let refused = |source| WatchError::Filter { id: id.clone(), source };
        let problem = |problem: String| WatchError::Condition { id: id.clone(), problem };
        let matcher = Matcher::new(filter).map_err(refused)?;
        let when = match when {
            WatchWhen::UnknownDomain { known } => {
                When::UnknownDomain { known: Known::new(known).map_err(problem)?, told: HashSet::new() }
            }
            WatchWhen::EarlyRead { data_types, phases } => {
                let types =
                    data_types.iter().map(|name| DataType::named(name)).collect::<Result<_, _>>().map_err(refused)?;
                let phases = if phases.is_empty() {
                    let before = "pre_consent".parse().map_err(|error: PhaseError| problem(error.to_string()))?;
                    [before].into()
                } else {
                    phases
                };
                When::EarlyRead { types, phases, told: BTreeSet::new(), open_told: false }
            }
            WatchWhen::EachEvent => When::EachEvent,
            WatchWhen::Threshold { count: 0, .. } => {
                return Err(problem("a threshold of 0 events is reached before anything happens".to_owned()));
            }
            WatchWhen::Threshold { count, within_ms } if within_ms > 0 && count > LONGEST_WINDOW => {
                return Err(problem(format!("{count} events within a time; at most {LONGEST_WINDOW} are counted so")));
            }
            WatchWhen::Threshold { count, within_ms } => When::Threshold {
                count,
                within_ns: (within_ms > 0).then(|| within_ms.saturating_mul(1_000_000)),
                seen: 0,
                times: VecDeque::new(),
            },
            WatchWhen::SessionOver => When::SessionOver,
        };
        Ok(Self { id, matcher, most_matches, matches: 0, when })
    }

    fn is_over(&self) -> bool {
        self.most_matches > 0 && self.matches >= self.most_matches
    }

    /// What the event, which the filter takes, comes to.
    fn look(&mut self, event: &Event, contacts: &[String]) -> Vec<Found> {
        match &mut self.when {
            When::UnknownDomain { known, told } => {
                let mut found = Vec::new();
                for domain in contacts {
                    if told.len() < MOST_TOLD_DOMAINS && !known.covers(domain) && told.insert(domain.clone()) {
                        found.push(Found { domain: domain.clone(), ..Found::default() });
                    }
                }
                found
            }
            When::EarlyRead { types, phases, told, open_told } => {
                if !phases.contains(&event.phase) || matches!(event.outcome, Outcome::Denied(_) | Outcome::Failed(_)) {
                    return Vec::new();
                }
                let Reading { types: read, open } = read_by(event);
                let is_asked_for = |read: &DataType| match types.as_slice() {
                    [] => read.class() != DataClass::Weak,
                    asked => asked.iter().any(|broad| read.is_within(*broad)),
                };
                let mut new: Vec<_> = read
                    .into_iter()
                    .filter(|read| is_asked_for(read) && told.insert(*read))
                    .map(|read| read.id().to_owned())
                    .collect();
                if open && types.is_empty() && !std::mem::replace(open_told, true) {
                    new.push("?".to_owned());
                }
                let found = Found { data_types: Some(new), ..Found::default() };
                if found.data_types.as_ref().is_none_or(Vec::is_empty) { Vec::new() } else { vec![found] }
            }
            When::EachEvent => vec![Found::default()],
            When::Threshold { count, within_ns, seen, times } => {
                match within_ns {
                    None => *seen += 1,
                    Some(within) => {
                        times.push_back(event.time_ns);
                        let from = event.time_ns.saturating_sub(*within);
                        while times.front().is_some_and(|time| *time < from) {
                            times.pop_front();
                        }
                        *seen = times.len() as u64;
                    }
                }
                if *seen < *count {
                    return Vec::new();
                }
                let found = Found { count: *seen, ..Found::default() };
                *seen = 0;
                times.clear();
                vec![found]
            }
            When::SessionOver => Vec::new(),
        }
    }
}

/// The kinds of data of a reading, by their ids.
fn names(reading: &Reading) -> Vec<String> {
    let ids = reading.types.iter().map(|data_type| data_type.id().to_owned());
    ids.chain(reading.open.then(|| "?".to_owned())).collect()
}

/// The domains and nameless addresses that the event is a contact with.
fn contacts(event: &Event, named: &mut HashSet<IpAddr>) -> Vec<String> {
    let name = |name: &String| vec![plain(name)];
    let address = |end: &Endpoint| match end {
        Endpoint::Inet(remote) if remote.port() != DNS_PORT => {
            let ip = remote.ip().to_canonical();
            let is_told = !ip.is_loopback() && !ip.is_unspecified() && !named.contains(&ip);
            if is_told { vec![ip.to_string()] } else { Vec::new() }
        }
        _ => Vec::new(),
    };
    match &event.body {
        EventBody::DnsQuery(query) => name(&query.name),
        EventBody::DnsAnswer(answer) => {
            for record in &answer.records {
                if let DnsRecord::Address(address) = record {
                    if named.len() >= MOST_NAMED {
                        named.clear();
                    }
                    named.insert(address.to_canonical());
                }
            }
            Vec::new()
        }
        EventBody::TlsClientHello(hello) => hello.server_name.as_ref().map(name).unwrap_or_default(),
        EventBody::HttpRequest(request) => request.host.as_ref().map(|host| vec![host_of(host)]).unwrap_or_default(),
        EventBody::SocketConnect(connect) if !matches!(event.outcome, Outcome::Denied(_) | Outcome::Failed(_)) => {
            address(&connect.remote)
        }
        EventBody::SocketTotals(totals) if totals.bytes_sent > 0 => {
            totals.remote.as_ref().map(address).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// The host of a Host header, without its port.
fn host_of(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.ends_with(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    plain(name.trim_start_matches('[').trim_end_matches(']'))
}

#[cfg(test)]
mod tests;
