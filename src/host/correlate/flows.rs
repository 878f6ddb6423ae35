//! Who stands at the other end of a connection: names from the connection itself, from DNS answers, or the address.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use super::limits;
use super::tally::Proof;
use super::ties::TiedReading;
use super::verdict::NameConfidence;
use crate::event::{CodeOrigin, DnsAnswer, DnsRecord, Outcome, ProcessKey};

/// Port of plain DNS, and of DNS over TLS.
pub(super) const DNS_PORT: u16 = 53;
pub(super) const DNS_OVER_TLS_PORT: u16 = 853;

/// Who may stand at the other end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Destination {
    /// The possible names, sorted; empty when only the address is known.
    pub(super) names: Vec<String>,
    /// The address, when it has no name.
    pub(super) address: Option<IpAddr>,
    /// Aliases that the DNS answers led through, for every name together, sorted.
    pub(super) aliases: Vec<String>,
    pub(super) confidence: NameConfidence,
}

/// What DNS answers taught one user id.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// (user id, address) to names, with the time of the first answer.
    by_address: HashMap<(u32, IpAddr), Vec<(String, u64)>>,
    order: VecDeque<(u32, IpAddr)>,
    /// User id and name to aliases.
    aliases: HashMap<u32, HashMap<String, Vec<String>>>,
    alias_order: VecDeque<(u32, String)>,
    /// Names that did not fit.
    pub(super) dropped: u64,
}

impl Names {
    /// Learns from an answer. The name of an address is the one that was asked for, not the alias it led through.
    pub(super) fn learn(&mut self, user_id: u32, time_ns: u64, answer: &DnsAnswer) {
        if answer.response_code != 0 {
            return;
        }
        let mut aliases: Vec<String> = Vec::new();
        for record in &answer.records {
            match record {
                DnsRecord::Alias(alias) if *alias != answer.name => {
                    if aliases.len() < limits::NAMES_PER_ADDRESS && !aliases.contains(alias) {
                        aliases.push(alias.clone());
                    }
                }
                DnsRecord::Alias(_) => {}
                DnsRecord::Address(address) => self.learn_address(user_id, *address, &answer.name, time_ns),
            }
        }
        if !aliases.is_empty() {
            if self.aliases.get(&user_id).is_none_or(|of_user| !of_user.contains_key(&answer.name)) {
                if self.alias_order.len() >= limits::NAMED_ADDRESSES
                    && let Some((user_id, name)) = self.alias_order.pop_front()
                {
                    if let Some(of_user) = self.aliases.get_mut(&user_id) {
                        of_user.remove(&name);
                    }
                    self.dropped = self.dropped.saturating_add(1);
                }
                self.alias_order.push_back((user_id, answer.name.clone()));
            }
            let known = self.aliases.entry(user_id).or_default().entry(answer.name.clone()).or_default();
            for alias in aliases {
                if known.len() < limits::NAMES_PER_ADDRESS && !known.contains(&alias) {
                    known.push(alias);
                }
            }
        }
    }

    fn learn_address(&mut self, user_id: u32, address: IpAddr, name: &str, time_ns: u64) {
        let key = (user_id, address.to_canonical());
        if !self.by_address.contains_key(&key) {
            if self.order.len() >= limits::NAMED_ADDRESSES
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_address.remove(&oldest);
                self.dropped = self.dropped.saturating_add(1);
            }
            self.order.push_back(key);
        }
        let names = self.by_address.entry(key).or_default();
        if names.iter().any(|(known, _)| known == name) {
            return;
        }
        if names.len() < limits::NAMES_PER_ADDRESS {
            names.push((name.to_owned(), time_ns));
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// The names the user id had looked up for an address by this time; those learned later when there are none. Sorted.
    fn of(&self, user_id: u32, address: IpAddr, time_ns: u64) -> Vec<String> {
        let known = self.by_address.get(&(user_id, address)).map(Vec::as_slice).unwrap_or_default();
        let mut names: Vec<String> =
            known.iter().filter(|(_, learned)| *learned <= time_ns).map(|(name, _)| name.clone()).collect();
        if names.is_empty() {
            names.extend(known.iter().map(|(name, _)| name.clone()));
        }
        names.sort_unstable();
        names
    }

    /// Sorted, each once.
    fn aliases_of(&self, user_id: u32, names: &[String]) -> Vec<String> {
        let Some(of_user) = self.aliases.get(&user_id) else { return Vec::new() };
        let all: BTreeSet<&String> = names.iter().filter_map(|name| of_user.get(name)).flatten().collect();
        all.into_iter().cloned().collect()
    }

    /// Who a peer is.
    pub(super) fn destination(
        &self,
        user_id: u32,
        time_ns: u64,
        remote: IpAddr,
        stated: Option<&StatedName>,
    ) -> Destination {
        let remote = remote.to_canonical();
        let (names, confidence) = match stated {
            Some(stated) if !stated.cover => (vec![stated.name.clone()], NameConfidence::Stated),
            _ => {
                let looked_up = self.of(user_id, remote, time_ns);
                match (looked_up.len(), stated) {
                    // An encrypted hello shows a cover name: what the app had looked up says more.
                    (0, Some(stated)) => (vec![stated.name.clone()], NameConfidence::Uncertain),
                    (0, None) => (looked_up, NameConfidence::AddressOnly),
                    (1, _) => (looked_up, NameConfidence::Resolved),
                    (_, _) => (looked_up, NameConfidence::Uncertain),
                }
            }
        };
        let aliases = self.aliases_of(user_id, &names);
        let address = names.is_empty().then_some(remote);
        Destination { names, address, aliases, confidence }
    }
}

/// A name that the connection itself stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatedName {
    pub(super) name: String,
    /// The hello was encrypted: this is the outer, public name.
    pub(super) cover: bool,
}

/// One connection whose other end is not settled yet.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub(super) remote: SocketAddr,
    pub(super) user_id: u32,
    pub(super) time_ns: u64,
    pub(super) actor: u32,
    pub(super) phase: u16,
    /// What began it, without words: most proofs are never kept.
    pub(super) proof: Proof,
    pub(super) wording: Wording,
    pub(super) outcome: Outcome,
    /// A datagram socket: connecting it sends nothing, so only bytes make it a contact.
    pub(super) datagram: bool,
    /// The other end called us.
    pub(super) inbound: bool,
    pub(super) stated: Option<StatedName>,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    /// What the socket had sent and received when it turned to this peer.
    pub(super) before: (u64, u64),
    /// Totals were seen, so that zero bytes means zero.
    pub(super) totals_seen: bool,
    /// What is sent next was sent after this time.
    pub(super) sent_since_ns: u64,
    /// What was read before something was sent here.
    pub(super) tied: Vec<TiedReading>,
    /// Whose code connected it, where that was told.
    pub(super) code: Option<Box<CodeOrigin>>,
}

/// How the proof of a connection is put into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wording {
    /// So, and then the address.
    Began(&'static str),
    /// On a connection to this address another host was named.
    NamedAnother,
}

impl Wording {
    pub(super) fn of(self, remote: SocketAddr) -> String {
        match self {
            Self::Began(how) => format!("{how} {remote}"),
            Self::NamedAnother => format!("{remote} on the same connection"),
        }
    }
}

impl Flow {
    /// What the socket has sent and received, with what went to its peers before this one.
    pub(super) fn counted(&self) -> (u64, u64) {
        (self.before.0.saturating_add(self.bytes_sent), self.before.1.saturating_add(self.bytes_received))
    }

    /// Whether something reached the other end; `None` when it was only tried, and failed.
    pub(super) fn made_contact(&self) -> Contact {
        let moved = self.bytes_sent > 0 || self.bytes_received > 0 || self.stated.is_some();
        match self.outcome {
            _ if self.inbound => Contact::None,
            _ if moved => Contact::Made,
            _ if self.datagram => Contact::None,
            Outcome::Ok => Contact::Made,
            // A connect under way that never moved a byte may never have been answered.
            Outcome::InProgress if self.totals_seen => Contact::Attempted,
            Outcome::InProgress | Outcome::Unknown => Contact::Made,
            Outcome::Denied(_) | Outcome::Failed(_) => Contact::Attempted,
        }
    }
}

/// What a connection came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contact {
    Made,
    Attempted,
    None,
}

/// Connections whose name or end is awaited, bounded: the oldest is settled when there is no room.
#[derive(Debug, Default)]
pub(super) struct FlowTable {
    /// Boxed, because there are many and the table is searched more often than they are looked at.
    flows: HashMap<(ProcessKey, u64), (u64, Box<Flow>)>,
    order: VecDeque<(u64, ProcessKey, u64)>,
    serial: u64,
}

impl FlowTable {
    /// Adds a connection; gives back those that have to be settled now: one of the same handle, or the oldest.
    #[expect(clippy::vec_box, reason = "they are handed on as they lay in the table")]
    pub(super) fn insert(&mut self, process: ProcessKey, handle: u64, flow: Box<Flow>) -> Vec<Box<Flow>> {
        let mut settled = Vec::new();
        self.serial += 1;
        if let Some((_, earlier)) = self.flows.insert((process, handle), (self.serial, flow)) {
            settled.push(earlier);
        }
        self.order.push_back((self.serial, process, handle));
        while self.flows.len() > limits::FLOWS || self.order.len() > 2 * limits::FLOWS {
            let Some((serial, process, handle)) = self.order.pop_front() else { break };
            // The entry is stale when its connection was settled, or the handle was used again, in the meantime.
            if self.flows.get(&(process, handle)).is_some_and(|(current, _)| *current == serial)
                && let Some((_, oldest)) = self.flows.remove(&(process, handle))
            {
                settled.push(oldest);
            }
        }
        settled
    }

    pub(super) fn get_mut(&mut self, process: ProcessKey, handle: u64) -> Option<&mut Flow> {
        self.flows.get_mut(&(process, handle)).map(|(_, flow)| &mut **flow)
    }

    pub(super) fn remove(&mut self, process: ProcessKey, handle: u64) -> Option<Box<Flow>> {
        self.flows.remove(&(process, handle)).map(|(_, flow)| flow)
    }

    /// Everything that is left, in the order in which it began.
    #[expect(clippy::vec_box, reason = "as above")]
    pub(super) fn drain(&mut self) -> Vec<Box<Flow>> {
        let mut left: Vec<(u64, Box<Flow>)> = self.flows.drain().map(|(_, entry)| entry).collect();
        self.order.clear();
        left.sort_by_key(|(serial, _)| *serial);
        left.into_iter().map(|(_, flow)| flow).collect()
    }
}

/// A peer that is this machine, its own link, or everybody on it: no recipient, unless it has a name.
pub(super) fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || (v6.segments()[0] & 0xffc0) == 0xfe80
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(name: &str, records: &[DnsRecord]) -> DnsAnswer {
        DnsAnswer {
            name: name.to_owned(),
            record_type: "A".to_owned(),
            transaction_id: 1,
            response_code: 0,
            records: records.to_vec(),
            server: None,
            cut: false,
        }
    }

    #[test]
    fn an_address_is_called_by_the_name_that_was_asked_for() {
        let mut names = Names::default();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        names.learn(
            10_001,
            5,
            &answer("a.example", &[DnsRecord::Alias("cdn.example".to_owned()), DnsRecord::Address(address)]),
        );
        let found = names.destination(10_001, 6, address, None);
        assert_eq!(found.names, ["a.example"]);
        assert_eq!(found.aliases, ["cdn.example"]);
        assert_eq!(found.confidence, NameConfidence::Resolved);
        // Another app did not ask.
        assert_eq!(names.destination(10_002, 6, address, None).confidence, NameConfidence::AddressOnly);
        // A second name makes it uncertain, but only for what came after it.
        names.learn(10_001, 9, &answer("b.example", &[DnsRecord::Address(address)]));
        assert_eq!(names.destination(10_001, 6, address, None).names, ["a.example"]);
        let later = names.destination(10_001, 10, address, None);
        assert_eq!(later.names, ["a.example", "b.example"]);
        assert_eq!(later.confidence, NameConfidence::Uncertain);
        // What the connection states settles it, unless it is a cover.
        let stated = StatedName { name: "b.example".to_owned(), cover: false };
        assert_eq!(names.destination(10_001, 10, address, Some(&stated)).names, ["b.example"]);
        let cover = StatedName { name: "cover.example".to_owned(), cover: true };
        assert_eq!(names.destination(10_001, 6, address, Some(&cover)).names, ["a.example"]);
    }

    #[test]
    fn an_answer_that_says_no_teaches_nothing() {
        let mut names = Names::default();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let mut refusal = answer("a.example", &[DnsRecord::Address(address)]);
        refusal.response_code = 3;
        names.learn(1, 1, &refusal);
        assert!(names.destination(1, 2, address, None).names.is_empty());
    }

    #[test]
    fn local_peers_are_known() {
        for local in
            ["127.0.0.1", "127.3.2.1", "::1", "169.254.1.1", "fe80::1", "224.0.0.251", "0.0.0.0", "::ffff:127.0.0.1"]
        {
            assert!(is_local(local.parse().unwrap()), "{local}");
        }
        for remote in ["192.0.2.1", "10.0.0.1", "2001:db8::1"] {
            assert!(!is_local(remote.parse().unwrap()), "{remote}");
        }
    }
}
