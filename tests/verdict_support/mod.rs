//! Sessions written by hand, for tests of verdicts.
#![allow(dead_code, missing_docs, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::net::SocketAddr;

use candor::event::*;
use candor::host::correlate::Correlator;
use candor::host::correlate::verdict::{RuleResult, Verdict};
use candor::host::declared_terms::DeclaredTerms;
use candor::host::ontology::Ontology;
use candor::host::recording::RecordingCondition;
use candor::host::toml_source::SourceFile;

pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const START: u64 = 100 * SECOND;
pub(crate) const PACKAGE: &str = "com.example.shop";

pub(crate) const TERMS: &str = r#"
[app]
package = "com.example.shop"
name = "Shop"
first_party_domains = ["shop.example"]

[[collect]]
data_types = ["photos"]
phases = ["foreground"]
max_per_minute = 3

[[collect]]
data_types = ["device_id"]

[[share]]
data_types = ["device_id"]
recipient = "umeng"
foreground_only = true

[[not_collect]]
data_types = ["contacts", "id.imei"]
"#;

/// A session under construction.
pub(crate) struct Session {
    pub(crate) entries: Vec<StreamEntry>,
    now: u64,
    sequence: u64,
    phase: Phase,
    handle: u64,
    probes: Vec<ProbeStatus>,
    pub(crate) package: Option<String>,
}

pub(crate) fn attached(family: Family) -> ProbeStatus {
    ProbeStatus { probe: ProbeId::EbpfKernelObjects, family, state: ProbeState::Attached, reason: String::new() }
}

pub(crate) fn all_attached() -> Vec<ProbeStatus> {
    Family::TRACED.iter().copied().map(attached).collect()
}

/// A transaction that this package serves.
pub(crate) fn transaction(interface: &str, owner: &str) -> BinderTransaction {
    BinderTransaction {
        interface: interface.to_owned(),
        owner: BinderOwner {
            user_id: Some(10_059),
            app: App { package: Some(owner.to_owned()), candidates: Vec::new() },
            ..BinderOwner::default()
        },
        ..BinderTransaction::default()
    }
}

/// A request to a content provider.
pub(crate) fn access(
    method: ProviderMethod,
    authority: &str,
    path: &str,
    call: Option<(&str, &str)>,
    owner: &str,
) -> EventBody {
    EventBody::from(ProviderAccess {
        method,
        authority: authority.to_owned(),
        android_user: None,
        uri: call.is_none().then(|| format!("content://{authority}{path}")),
        projection: if path == "/data/phones" { vec!["display_name".to_owned()] } else { Vec::new() },
        selection: None,
        selection_arguments: Vec::new(),
        sort_order: None,
        values: Vec::new(),
        call_method: call.map(|(method, _)| method.to_owned()),
        call_argument: call.map(|(_, argument)| argument.to_owned()),
        open_mode: None,
        operations: None,
        result_columns: Vec::new(),
        result_rows: None,
        transaction: transaction("android.content.IContentProvider", owner),
    })
}

impl Session {
    pub(crate) fn new() -> Self {
        Self::with_probes(all_attached())
    }

    pub(crate) fn with_probes(probes: Vec<ProbeStatus>) -> Self {
        let header = SessionHeader {
            session_id: "test-session".to_owned(),
            device: DeviceInfo { name: "lab".to_owned(), kernel_release: "6.1".to_owned(), ..DeviceInfo::default() },
            started: ClockAnchor { boot_ns: START, wall_ns: 1_700_000_000 * SECOND },
            initial_phase: "pre_consent".parse().unwrap(),
            probes: probes.clone(),
            ..SessionHeader::default()
        };
        Self {
            entries: vec![StreamEntry::Header(Box::new(header))],
            now: START,
            sequence: 0,
            phase: "pre_consent".parse().unwrap(),
            handle: 0,
            probes,
            package: Some(PACKAGE.to_owned()),
        }
    }

    pub(crate) fn event(&mut self, outcome: Outcome, body: EventBody) -> &mut Self {
        self.now += SECOND / 10;
        self.sequence += 1;
        self.entries.push(StreamEntry::Event(Box::new(Event {
            sequence: self.sequence,
            time_ns: self.now,
            process: ProcessRef {
                key: ProcessKey::new(4242, 50 * SECOND),
                name: "shop".to_owned(),
                executable: Some("/system/bin/app_process64".to_owned()),
            },
            thread_id: 4242,
            user_id: 10_123,
            app: App { package: self.package.clone(), candidates: Vec::new() },
            phase: self.phase.clone(),
            probe: ProbeId::EbpfKernelObjects,
            fidelity: Fidelity::Faithful,
            outcome,
            body,
        })));
        self
    }

    pub(crate) fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now += seconds * SECOND;
        self
    }

    pub(crate) fn phase(&mut self, name: &str) -> &mut Self {
        self.phase = name.parse().unwrap();
        let mark = PhaseMark { phase: self.phase.clone(), note: String::new() };
        self.event(Outcome::Ok, EventBody::PhaseMark(mark))
    }

    pub(crate) fn open(&mut self, path: &str) -> &mut Self {
        self.open_with(path, Outcome::Ok)
    }

    pub(crate) fn open_with(&mut self, path: &str, outcome: Outcome) -> &mut Self {
        self.handle += 1;
        let handle = if outcome == Outcome::Ok { self.handle } else { 0 };
        self.event(
            outcome,
            EventBody::FileOpen(FileOpen {
                path: path.to_owned(),
                requested_path: None,
                access: OpenAccess::Read,
                flags: 0,
                descriptor: (outcome == Outcome::Ok).then_some(7),
                handle,
                preexisting: false,
                path_cut: false,
                inode: None,
            }),
        )
    }

    pub(crate) fn dns(&mut self, name: &str, records: &[DnsRecord]) -> &mut Self {
        self.event(
            Outcome::Ok,
            EventBody::DnsAnswer(DnsAnswer {
                name: name.to_owned(),
                record_type: "A".to_owned(),
                transaction_id: 1,
                response_code: 0,
                records: records.to_vec(),
                server: None,
                cut: false,
            }),
        )
    }

    pub(crate) fn resolve(&mut self, name: &str, address: &str) -> &mut Self {
        self.dns(name, &[DnsRecord::Address(address.parse().unwrap())])
    }

    pub(crate) fn connect_as(&mut self, peer: &str, transport: Transport, outcome: Outcome) -> &mut Self {
        self.connect_by(peer, transport, outcome, None)
    }

    pub(crate) fn connect_by(
        &mut self,
        peer: &str,
        transport: Transport,
        outcome: Outcome,
        code_origin: Option<CodeOrigin>,
    ) -> &mut Self {
        self.handle += 1;
        let remote: SocketAddr = peer.parse().unwrap();
        self.event(
            outcome,
            EventBody::SocketConnect(SocketConnect {
                transport,
                remote: Endpoint::Inet(remote),
                local: None,
                descriptor: 9,
                handle: self.handle,
                preexisting: false,
                code_origin: code_origin.map(Box::new),
            }),
        )
    }

    pub(crate) fn connect(&mut self, peer: &str) -> &mut Self {
        self.connect_as(peer, Transport::Tcp, Outcome::Ok)
    }

    pub(crate) fn hello(&mut self, server_name: &str) -> &mut Self {
        self.event(
            Outcome::Ok,
            EventBody::TlsClientHello(TlsClientHello {
                server_name: Some(server_name.to_owned()),
                protocols: vec!["h2".to_owned()],
                encrypted_client_hello: false,
                remote: None,
                handle: self.handle,
                cut: false,
            }),
        )
    }

    pub(crate) fn totals(&mut self, peer: &str, transport: Transport, bytes_sent: u64) -> &mut Self {
        self.totals_so_far(peer, transport, bytes_sent, true)
    }

    pub(crate) fn totals_so_far(
        &mut self,
        peer: &str,
        transport: Transport,
        bytes_sent: u64,
        closed: bool,
    ) -> &mut Self {
        self.event(
            Outcome::Ok,
            EventBody::SocketTotals(SocketTotals {
                transport,
                remote: Some(Endpoint::Inet(peer.parse().unwrap())),
                local: None,
                descriptor: 9,
                handle: self.handle,
                bytes_sent,
                bytes_received: 0,
                send_calls: 1,
                receive_calls: 0,
                closed,
            }),
        )
    }

    /// Connects to a name: DNS, connect, hello.
    pub(crate) fn contact(&mut self, name: &str, address: &str) -> &mut Self {
        self.resolve(name, address).connect(&format!("{address}:443")).hello(name)
    }

    pub(crate) fn exec(&mut self, path: &str, arguments: &[&str]) -> &mut Self {
        self.event(
            Outcome::Ok,
            EventBody::ProcessExec(ProcessExec {
                path: path.to_owned(),
                requested_path: None,
                arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
                arguments_cut: false,
            }),
        )
    }

    pub(crate) fn lose(&mut self, families: &[Family]) -> &mut Self {
        let gap = Gap {
            stage: Stage::Probe,
            reason: "ring_full".to_owned(),
            count: 3,
            families: families.to_vec(),
            first_sequence: None,
            last_sequence: None,
            from_ns: self.now,
            to_ns: self.now + 1,
        };
        self.entries.push(StreamEntry::Gap(gap));
        self
    }

    pub(crate) fn end(&mut self) -> Vec<StreamEntry> {
        self.now += SECOND;
        let totals = Totals { time_ns: self.now, events: self.sequence, loss: LossTotals::default() };
        let end = SessionEnd {
            reason: SessionEndReason::Stopped,
            totals,
            probes: self.probes.clone(),
            self_tests: Vec::new(),
        };
        self.entries.push(StreamEntry::End(Box::new(end)));
        self.entries.clone()
    }
}

pub(crate) fn judge_with(terms: &str, entries: &[StreamEntry]) -> Verdict {
    let ontology = Ontology::built_in().unwrap();
    let (terms, _) = DeclaredTerms::parse(&SourceFile::new("terms.toml", terms), &ontology)
        .unwrap_or_else(|problems| panic!("{problems}"));
    let mut correlator = Correlator::new(&terms, &ontology);
    for entry in entries {
        correlator.add(entry);
    }
    let complete = entries.iter().any(|entry| matches!(entry, StreamEntry::End(_)));
    correlator.finish(&RecordingCondition { complete, ..RecordingCondition::default() })
}

pub(crate) fn judge(entries: &[StreamEntry]) -> Verdict {
    judge_with(TERMS, entries)
}

pub(crate) fn rule<'v>(verdict: &'v Verdict, id: &str) -> &'v RuleResult {
    verdict.rules.iter().find(|rule| rule.id == id).unwrap()
}

/// The findings as `rule subject`, in the order of the report.
pub(crate) fn findings(verdict: &Verdict) -> Vec<String> {
    let all = verdict.rules.iter().flat_map(|rule| &rule.findings);
    all.map(|finding| format!("{} {}", finding.rule, finding.subject.title())).collect()
}
