//! Connections: who they were with, and when they count as a contact.

use super::correlator::{ContactKey, Correlator, Effect};
use super::flows::{Contact, DNS_OVER_TLS_PORT, DNS_PORT, Destination, Flow, StatedName, Wording, is_local};
use super::limits;
use super::places::Peer;
use super::tally::{Proof, Tally};
use super::ties::WINDOW_NS;
use crate::event::{Endpoint, Event, Outcome, ProcessKey, SocketConnect, SocketTotals, Transport};

impl Correlator<'_> {
    pub(super) fn flow(
        &mut self,
        event: &Event,
        remote: std::net::SocketAddr,
        transport: Transport,
        how: &'static str,
    ) -> Box<Flow> {
        Box::new(Flow {
            remote,
            user_id: event.user_id,
            time_ns: event.time_ns,
            actor: self.actor(event),
            phase: self.phase(event),
            proof: Proof::of(event, String::new()),
            wording: Wording::Began(how),
            outcome: event.outcome,
            datagram: transport == Transport::Udp,
            inbound: false,
            stated: None,
            bytes_sent: 0,
            bytes_received: 0,
            before: (0, 0),
            totals_seen: false,
            sent_since_ns: event.time_ns,
            tied: Vec::new(),
            code: None,
        })
    }

    pub(super) fn begin_flow(&mut self, process: ProcessKey, handle: u64, flow: Box<Flow>) {
        for settled in self.flows.insert(process, handle, flow) {
            self.settle(&settled);
        }
    }

    pub(super) fn connect(&mut self, event: &Event, connect: &SocketConnect) {
        let Endpoint::Inet(remote) = connect.remote else { return };
        let mut flow = self.flow(event, remote, connect.transport, "connect");
        flow.code.clone_from(&connect.code_origin);
        let may_last = event.outcome.took_effect() || event.outcome == Outcome::Unknown;
        if may_last && connect.handle != 0 {
            self.begin_flow(event.process.key, connect.handle, flow);
        } else {
            self.settle(&flow);
        }
    }

    pub(super) fn socket_totals(&mut self, event: &Event, totals: &SocketTotals) {
        let key = event.process.key;
        let known = self.flows.get_mut(key, totals.handle).map(|flow| (flow.remote, flow.datagram, flow.counted()));
        let before = match (known, &totals.remote) {
            // An unconnected socket has turned to another peer: what went through it before went to the one before.
            (Some((remote, true, counted)), Some(Endpoint::Inet(now))) if *now != remote => Some(counted),
            (Some(_), _) => None,
            // Sending without connecting, or a connection that was there before.
            (None, _) if totals.bytes_sent == 0 || totals.handle == 0 => return,
            (None, _) => Some((0, 0)),
        };
        if let Some(before) = before {
            let Some(Endpoint::Inet(remote)) = totals.remote else { return };
            let mut flow = self.flow(event, remote, totals.transport, "sent to");
            flow.outcome = Outcome::Ok;
            flow.before = before;
            self.begin_flow(key, totals.handle, flow);
        }
        let mut sent_more = false;
        if let Some(flow) = self.flows.get_mut(key, totals.handle) {
            let sent = totals.bytes_sent.saturating_sub(flow.before.0);
            sent_more = sent > flow.bytes_sent;
            flow.totals_seen = true;
            flow.bytes_sent = flow.bytes_sent.max(sent);
            flow.bytes_received = flow.bytes_received.max(totals.bytes_received.saturating_sub(flow.before.1));
        }
        if sent_more {
            self.tie(key, totals.handle, event.time_ns);
        }
        if totals.closed
            && let Some(flow) = self.flows.remove(key, totals.handle)
        {
            self.settle(&flow);
        }
    }

    pub(super) fn stated_name(
        &mut self,
        event: &Event,
        handle: u64,
        remote: Option<&Endpoint>,
        stated: Option<StatedName>,
    ) {
        let key = event.process.key;
        if self.flows.get_mut(key, handle).is_none() {
            // The connection was made before it was watched, or by a process that passed it on.
            let Some(Endpoint::Inet(remote)) = remote else { return };
            let flow = self.flow(event, *remote, Transport::Tcp, "spoke to");
            self.begin_flow(key, handle, flow);
        }
        // The handshake and the request are bytes of the app's.
        self.tie(key, handle, event.time_ns);
        let Some(stated) = stated else { return };
        let again = match self.flows.get_mut(key, handle) {
            Some(flow) if flow.inbound => None,
            Some(flow) => match &flow.stated {
                None => {
                    flow.stated = Some(stated);
                    None
                }
                Some(known) if *known == stated => None,
                // Another host on the same connection, as through a proxy: a contact of its own.
                Some(_) => {
                    let mut other = flow.clone();
                    other.stated = Some(stated);
                    other.proof = Proof::of(event, String::new());
                    other.wording = Wording::NamedAnother;
                    other.time_ns = event.time_ns;
                    other.bytes_sent = 0;
                    other.bytes_received = 0;
                    // What was sent before was sent to the other host.
                    other.tied.clear();
                    let window_ns = self.options.window_ns.unwrap_or(WINDOW_NS);
                    self.recent.tie(key, event.time_ns, event.time_ns, window_ns, &mut other.tied);
                    Some(other)
                }
            },
            None => None,
        };
        if let Some(mut other) = again {
            other.phase = self.phase(event);
            self.settle(&other);
        }
    }

    /// Decides who a connection was with, and counts it.
    pub(super) fn settle(&mut self, flow: &Flow) {
        let effect = match flow.made_contact() {
            Contact::None => return,
            Contact::Made => Effect::Done,
            Contact::Attempted if matches!(flow.outcome, Outcome::Denied(_)) => Effect::Denied,
            Contact::Attempted => Effect::Failed,
        };
        let remote = flow.remote;
        if remote.port() == DNS_PORT {
            return;
        }
        let destination = self.names.destination(flow.user_id, flow.time_ns, remote.ip(), flow.stated.as_ref());
        if remote.port() == DNS_OVER_TLS_PORT {
            let who = destination.names.first().cloned().unwrap_or_else(|| remote.ip().to_string());
            self.bypass(format!("DNS over TLS to {who}"));
            return;
        }
        let only_localhost = destination.names.iter().all(|name| name == "localhost" || name.ends_with(".localhost"));
        if only_localhost && is_local(remote.ip()) {
            if self.nameless_local.len() < limits::LISTED {
                let count = self.nameless_local.entry(remote.ip().to_string()).or_insert(0);
                *count = count.saturating_add(1);
            }
            return;
        }
        let recipients = &self.ontology.recipients;
        let resolver = match (&destination.address, destination.names.as_slice()) {
            (Some(address), _) => recipients.of_address(*address),
            (None, [name]) => recipients.of_domain(name).map(|(id, _)| id),
            _ => None,
        };
        if let Some(resolver) = resolver.and_then(|id| recipients.get(id)).filter(|entry| entry.is_resolver()) {
            let host = destination.names.first().cloned().unwrap_or_else(|| remote.ip().to_string());
            let what = format!("{} of {} ({host})", resolver.product, resolver.owner_en);
            self.bypass(what);
            return;
        }
        let Some(number) = self.destination_number(&destination) else {
            self.coverage.overflow("recipients");
            return;
        };
        let key = ContactKey { destination: number, actor: flow.actor, phase: flow.phase, effect };
        if self.contacts.len() >= limits::TUPLES && !self.contacts.contains_key(&key) {
            self.coverage.overflow("observed recipients by actor and phase");
            return;
        }
        let peer = Peer { remote, names: &destination.names };
        let proof = || Proof { what: flow.wording.of(remote) + &peer.called(), ..flow.proof.clone() };
        let tied = if effect == Effect::Done { flow.tied.as_slice() } else { &[] };
        self.count_ties(tied, key, flow, &peer, proof);
        let tally = self.contacts.entry(key).or_insert_with(Tally::new);
        tally.add(flow.proof.time_ns, &peer, proof);
        tally.carried(flow);
    }

    fn bypass(&mut self, what: String) {
        if self.dns_bypass.len() < limits::LISTED || self.dns_bypass.contains_key(&what) {
            let count = self.dns_bypass.entry(what).or_insert(0);
            *count = count.saturating_add(1);
        }
    }

    fn destination_number(&mut self, destination: &Destination) -> Option<u32> {
        if let Some(number) = self.destination_numbers.get(destination) {
            return Some(*number);
        }
        if self.destinations.len() >= limits::TUPLES {
            return None;
        }
        let number = u32::try_from(self.destinations.len()).ok()?;
        self.destinations.push(destination.clone());
        self.destination_numbers.insert(destination.clone(), number);
        Some(number)
    }
}

pub(super) fn looks_like_address(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok()
}
