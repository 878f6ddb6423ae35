//! Wire types to domain types. Refuses what has no meaning; moves strings instead of copying them.
//!
//! Every message is taken apart field by field and every `oneof` without a wildcard: what is added to the contract does
//! not compile until it is read here. One file although it is long: it is a table in the form of code, in the order of the
//! contract.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::WireError;
use super::enumerations::{repeated, required};
use super::proto;
use crate::event;

/// A message that is always present.
fn present<W, D: TryFrom<W, Error = WireError>>(message: Option<W>, field: &'static str) -> Result<D, WireError> {
    D::try_from(message.ok_or(WireError::Missing { field })?)
}

fn all<W, D: TryFrom<W, Error = WireError>>(messages: Vec<W>) -> Result<Vec<D>, WireError> {
    messages.into_iter().map(D::try_from).collect()
}

/// "Empty means absent" for strings that are never empty when they are present.
fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub(super) fn phase(name: String, field: &'static str) -> Result<event::Phase, WireError> {
    event::Phase::try_from(name).map_err(|source| WireError::Phase { field, source })
}

fn short(value: u32, field: &'static str) -> Result<u16, WireError> {
    u16::try_from(value).map_err(|_| WireError::OutOfRange { field, value, largest: u16::MAX.into() })
}

fn address(text: String, field: &'static str) -> Result<IpAddr, WireError> {
    text.parse().map_err(|_| WireError::Address { field, text })
}

/// An end that is always known.
fn endpoint(end: Option<proto::Endpoint>, field: &'static str) -> Result<event::Endpoint, WireError> {
    known_endpoint(end)?.ok_or(WireError::Missing { field })
}

/// An end that may be unknown: the message is absent, or it has no form.
fn known_endpoint(end: Option<proto::Endpoint>) -> Result<Option<event::Endpoint>, WireError> {
    match end {
        None | Some(proto::Endpoint { form: None }) => Ok(None),
        Some(end) => event::Endpoint::try_from(end).map(Some),
    }
}

impl TryFrom<proto::StreamEntry> for event::StreamEntry {
    type Error = WireError;

    fn try_from(message: proto::StreamEntry) -> Result<Self, WireError> {
        use proto::stream_entry::Entry;
        let proto::StreamEntry { entry } = message;
        Ok(match entry.ok_or(WireError::Missing { field: "StreamEntry.entry" })? {
            Entry::Header(header) => Self::Header(Box::new(header.try_into()?)),
            Entry::Event(event) => Self::Event(Box::new(event.try_into()?)),
            Entry::Gap(gap) => Self::Gap(gap.try_into()?),
            Entry::Totals(totals) => Self::Totals(Box::new(totals.try_into()?)),
            Entry::End(end) => Self::End(Box::new(end.try_into()?)),
            Entry::SelfTest(test) => Self::SelfTest(Box::new(test.try_into()?)),
            Entry::ClockChange(change) => Self::ClockChange(change.try_into()?),
        })
    }
}

impl TryFrom<proto::SessionHeader> for event::SessionHeader {
    type Error = WireError;

    fn try_from(message: proto::SessionHeader) -> Result<Self, WireError> {
        let proto::SessionHeader { session_id, label, device, started, selection, initial_phase, probes, packages } =
            message;
        Ok(Self {
            session_id,
            label,
            device: present(device, "SessionHeader.device")?,
            started: present(started, "SessionHeader.started")?,
            selection: present(selection, "SessionHeader.selection")?,
            initial_phase: phase(initial_phase, "SessionHeader.initial_phase")?,
            probes: all(probes)?,
            packages: present(packages, "SessionHeader.packages")?,
        })
    }
}

impl TryFrom<proto::DeviceInfo> for event::DeviceInfo {
    type Error = WireError;

    fn try_from(message: proto::DeviceInfo) -> Result<Self, WireError> {
        let proto::DeviceInfo { kernel_release, architecture, boot_id, name, daemon_version, kernel_btf } = message;
        Ok(Self { kernel_release, architecture, boot_id, name, daemon_version, kernel_btf })
    }
}

impl TryFrom<proto::ClockAnchor> for event::ClockAnchor {
    type Error = WireError;

    fn try_from(message: proto::ClockAnchor) -> Result<Self, WireError> {
        let proto::ClockAnchor { boot_ns, wall_ns } = message;
        Ok(Self { boot_ns, wall_ns })
    }
}

impl TryFrom<proto::Selection> for event::Selection {
    type Error = WireError;

    /// Does not judge the selection: see [`event::Selection::validate`].
    fn try_from(message: proto::Selection) -> Result<Self, WireError> {
        let proto::Selection { user_ids, process_trees, packages } = message;
        Ok(Self {
            user_ids: user_ids.into_iter().collect(),
            process_trees: process_trees.into_iter().collect(),
            packages: packages.into_iter().collect(),
        })
    }
}

impl TryFrom<proto::ProbeStatus> for event::ProbeStatus {
    type Error = WireError;

    fn try_from(message: proto::ProbeStatus) -> Result<Self, WireError> {
        let proto::ProbeStatus { probe, family, state, reason } = message;
        Ok(Self {
            probe: required::<proto::ProbeId>(probe, "ProbeStatus.probe")?,
            family: required::<proto::Family>(family, "ProbeStatus.family")?,
            state: required::<proto::ProbeState>(state, "ProbeStatus.state")?,
            reason,
        })
    }
}

impl TryFrom<proto::PackageList> for event::PackageList {
    type Error = WireError;

    fn try_from(message: proto::PackageList) -> Result<Self, WireError> {
        let proto::PackageList { packages, read_error, bad_lines } = message;
        Ok(Self { packages: all(packages)?, read_error, bad_lines })
    }
}

impl TryFrom<proto::PackageEntry> for event::PackageEntry {
    type Error = WireError;

    fn try_from(message: proto::PackageEntry) -> Result<Self, WireError> {
        let proto::PackageEntry { package, user_id, data_directory, version_code } = message;
        Ok(Self { package, user_id, data_directory, version_code })
    }
}

impl TryFrom<proto::Gap> for event::Gap {
    type Error = WireError;

    fn try_from(message: proto::Gap) -> Result<Self, WireError> {
        let proto::Gap { stage, reason, count, families, first_sequence, last_sequence, from_ns, to_ns } = message;
        Ok(Self {
            stage: required::<proto::Stage>(stage, "Gap.stage")?,
            reason,
            count,
            families: repeated::<proto::Family>(families, "Gap.families")?,
            first_sequence,
            last_sequence,
            from_ns,
            to_ns,
        })
    }
}

impl TryFrom<proto::Totals> for event::Totals {
    type Error = WireError;

    fn try_from(message: proto::Totals) -> Result<Self, WireError> {
        let proto::Totals { time_ns, events, stages, programs } = message;
        let mut by_stage = BTreeMap::new();
        for entry in stages {
            let proto::StageTotals { stage, produced, delivered, filtered, dropped } = entry;
            let stage = required::<proto::Stage>(stage, "StageTotals.stage")?;
            // Adding the two up, or taking the later one, would invent an account that nobody gave.
            if by_stage.insert(stage, event::StageTotals { produced, delivered, filtered, dropped }).is_some() {
                return Err(WireError::Contradiction { field: "Totals.stages", problem: "names a stage twice" });
            }
        }
        Ok(Self { time_ns, events, loss: event::LossTotals { stages: by_stage, programs: all(programs)? } })
    }
}

impl TryFrom<proto::ProgramCounters> for event::ProgramCounters {
    type Error = WireError;

    fn try_from(message: proto::ProgramCounters) -> Result<Self, WireError> {
        let proto::ProgramCounters { program, seen, submitted, filtered, aggregated, lost } = message;
        Ok(Self { program, seen, submitted, filtered, aggregated, lost })
    }
}

impl TryFrom<proto::SessionEnd> for event::SessionEnd {
    type Error = WireError;

    fn try_from(message: proto::SessionEnd) -> Result<Self, WireError> {
        let proto::SessionEnd { reason, totals, probes, self_tests } = message;
        Ok(Self {
            reason: required::<proto::SessionEndReason>(reason, "SessionEnd.reason")?,
            totals: present(totals, "SessionEnd.totals")?,
            probes: all(probes)?,
            self_tests: all(self_tests)?,
        })
    }
}

impl TryFrom<proto::SelfTest> for event::SelfTest {
    type Error = WireError;

    fn try_from(message: proto::SelfTest) -> Result<Self, WireError> {
        let proto::SelfTest { moment, time_ns, results } = message;
        let moment = required::<proto::SelfTestMoment>(moment, "SelfTest.moment")?;
        Ok(Self { moment, time_ns, results: all(results)? })
    }
}

impl TryFrom<proto::SelfTestResult> for event::SelfTestResult {
    type Error = WireError;

    fn try_from(message: proto::SelfTestResult) -> Result<Self, WireError> {
        let proto::SelfTestResult { family, state, latency_ns, reason } = message;
        Ok(Self {
            family: required::<proto::Family>(family, "SelfTestResult.family")?,
            state: required::<proto::SelfTestState>(state, "SelfTestResult.state")?,
            latency_ns,
            reason,
        })
    }
}

impl TryFrom<proto::ClockChange> for event::ClockChange {
    type Error = WireError;

    fn try_from(message: proto::ClockChange) -> Result<Self, WireError> {
        let proto::ClockChange { now, slept_ns, wall_step_ns } = message;
        Ok(Self { now: present(now, "ClockChange.now")?, slept_ns, wall_step_ns })
    }
}

impl TryFrom<proto::Event> for event::Event {
    type Error = WireError;

    fn try_from(message: proto::Event) -> Result<Self, WireError> {
        let proto::Event {
            sequence,
            time_ns,
            process,
            thread_id,
            user_id,
            app,
            phase: phase_name,
            probe,
            hints,
            outcome,
            body,
        } = message;
        Ok(Self {
            sequence,
            time_ns,
            process: present(process, "Event.process")?,
            thread_id,
            user_id,
            app: app.map(event::App::try_from).transpose()?.unwrap_or_default(),
            phase: phase(phase_name, "Event.phase")?,
            probe: required::<proto::ProbeId>(probe, "Event.probe")?,
            fidelity: fidelity(hints)?,
            outcome: outcome.map_or(Ok(event::Outcome::Unknown), event::Outcome::try_from)?,
            body: present(body, "Event.body")?,
        })
    }
}

fn fidelity(hints: Vec<i32>) -> Result<event::Fidelity, WireError> {
    if hints.is_empty() {
        return Ok(event::Fidelity::Faithful);
    }
    let mut reasons = repeated::<proto::FidelityReason>(hints, "Event.hints")?;
    reasons.sort_unstable();
    reasons.dedup();
    Ok(event::Fidelity::Hint(reasons))
}

impl TryFrom<proto::Outcome> for event::Outcome {
    type Error = WireError;

    fn try_from(message: proto::Outcome) -> Result<Self, WireError> {
        let proto::Outcome { kind, errno } = message;
        let known = proto::OutcomeKind::try_from(kind).map_err(|_| WireError::UnknownValue {
            field: "Outcome.kind",
            enumeration: "OutcomeKind",
            value: kind,
        })?;
        let outcome = match known {
            proto::OutcomeKind::Denied => return Ok(Self::Denied(errno)),
            proto::OutcomeKind::Failed => return Ok(Self::Failed(errno)),
            proto::OutcomeKind::Unspecified => Self::Unknown,
            proto::OutcomeKind::Ok => Self::Ok,
            proto::OutcomeKind::InProgress => Self::InProgress,
        };
        if errno == 0 {
            Ok(outcome)
        } else {
            Err(WireError::Contradiction {
                field: "Outcome.errno",
                problem: "is set, but nothing was denied or failed",
            })
        }
    }
}

impl TryFrom<proto::ProcessKey> for event::ProcessKey {
    type Error = WireError;

    fn try_from(message: proto::ProcessKey) -> Result<Self, WireError> {
        let proto::ProcessKey { pid, start_ns } = message;
        // Rounds again: a key from another implementation that forgot to would never be found equal.
        Ok(Self::new(pid, start_ns))
    }
}

impl TryFrom<proto::ProcessRef> for event::ProcessRef {
    type Error = WireError;

    fn try_from(message: proto::ProcessRef) -> Result<Self, WireError> {
        let proto::ProcessRef { key, name, executable } = message;
        Ok(Self { key: present(key, "ProcessRef.key")?, name, executable: non_empty(executable) })
    }
}

impl TryFrom<proto::App> for event::App {
    type Error = WireError;

    fn try_from(message: proto::App) -> Result<Self, WireError> {
        let proto::App { package, candidates } = message;
        Ok(Self { package: non_empty(package), candidates })
    }
}

impl TryFrom<proto::event::Body> for event::EventBody {
    type Error = WireError;

    fn try_from(message: proto::event::Body) -> Result<Self, WireError> {
        use proto::event::Body;
        Ok(match message {
            Body::FileOpen(body) => Self::FileOpen(body.try_into()?),
            Body::FileTotals(body) => Self::FileTotals(body.try_into()?),
            Body::FileRename(body) => Self::FileRename(body.try_into()?),
            Body::FileUnlink(body) => Self::FileUnlink(body.try_into()?),
            Body::SocketConnect(body) => Self::SocketConnect(body.try_into()?),
            Body::SocketBind(body) => Self::SocketBind(body.try_into()?),
            Body::SocketListen(body) => Self::SocketListen(body.try_into()?),
            Body::SocketAccept(body) => Self::SocketAccept(body.try_into()?),
            Body::SocketTotals(body) => Self::SocketTotals(body.try_into()?),
            Body::DnsQuery(body) => Self::DnsQuery(body.try_into()?),
            Body::DnsAnswer(body) => Self::DnsAnswer(body.try_into()?),
            Body::TlsClientHello(body) => Self::TlsClientHello(body.try_into()?),
            Body::HttpRequest(body) => Self::HttpRequest(body.try_into()?),
            Body::ProcessStart(body) => Self::ProcessStart(body.try_into()?),
            Body::ProcessExec(body) => Self::ProcessExec(body.try_into()?),
            Body::ProcessExit(body) => Self::ProcessExit(body.try_into()?),
            Body::ProcessImportance(body) => Self::ProcessImportance(body.try_into()?),
            Body::ProcessName(body) => Self::ProcessName(body.into()),
            Body::BlindSpot(body) => Self::BlindSpot(body.try_into()?),
            Body::ProviderAccess(body) => event::ProviderAccess::try_from(*body)?.into(),
            Body::ServiceCall(body) => event::ServiceCall::try_from(*body)?.into(),
            Body::PackageChange(body) => Self::PackageChange(body.try_into()?),
            Body::PhaseMark(body) => Self::PhaseMark(body.try_into()?),
        })
    }
}

impl TryFrom<proto::ProcessStart> for event::ProcessStart {
    type Error = WireError;

    fn try_from(message: proto::ProcessStart) -> Result<Self, WireError> {
        let proto::ProcessStart { parent_pid, parent_start_ns, preexisting } = message;
        let parent = match (parent_pid, parent_start_ns) {
            (Some(pid), start_ns) => Some(event::ProcessKey::new(pid, start_ns)),
            (None, 0) => None,
            (None, _) => return Err(WireError::Missing { field: "ProcessStart.parent_pid" }),
        };
        Ok(Self { parent, preexisting })
    }
}

impl TryFrom<proto::ProcessExec> for event::ProcessExec {
    type Error = WireError;

    fn try_from(message: proto::ProcessExec) -> Result<Self, WireError> {
        let proto::ProcessExec { path, requested_path, arguments, arguments_cut } = message;
        Ok(Self { path, requested_path: non_empty(requested_path), arguments, arguments_cut })
    }
}

impl TryFrom<proto::ProcessExit> for event::ProcessExit {
    type Error = WireError;

    fn try_from(message: proto::ProcessExit) -> Result<Self, WireError> {
        let proto::ProcessExit { status, signal } = message;
        Ok(Self { status, signal })
    }
}

impl TryFrom<proto::ProcessImportance> for event::ProcessImportance {
    type Error = WireError;

    fn try_from(message: proto::ProcessImportance) -> Result<Self, WireError> {
        let proto::ProcessImportance { importance, oom_score_adj } = message;
        Ok(Self {
            importance: required::<proto::Importance>(importance, "ProcessImportance.importance")?,
            oom_score_adj,
        })
    }
}

impl From<proto::ProcessName> for event::ProcessName {
    fn from(message: proto::ProcessName) -> Self {
        let proto::ProcessName { name } = message;
        Self { name }
    }
}

impl TryFrom<proto::PackageChange> for event::PackageChange {
    type Error = WireError;

    fn try_from(message: proto::PackageChange) -> Result<Self, WireError> {
        let proto::PackageChange { package, user_id, change, version_code, data_directory, traced } = message;
        let change = required::<proto::PackageChangeKind>(change, "PackageChange.change")?;
        Ok(Self { package, user_id, change, version_code, data_directory, traced })
    }
}

impl TryFrom<proto::BlindSpot> for event::BlindSpot {
    type Error = WireError;

    fn try_from(message: proto::BlindSpot) -> Result<Self, WireError> {
        let proto::BlindSpot { what } = message;
        Ok(Self { what: required::<proto::BlindSpotKind>(what, "BlindSpot.what")? })
    }
}

impl TryFrom<proto::PhaseMark> for event::PhaseMark {
    type Error = WireError;

    fn try_from(message: proto::PhaseMark) -> Result<Self, WireError> {
        let proto::PhaseMark { phase: name, note } = message;
        Ok(Self { phase: phase(name, "PhaseMark.phase")?, note })
    }
}

impl TryFrom<proto::FileOpen> for event::FileOpen {
    type Error = WireError;

    fn try_from(message: proto::FileOpen) -> Result<Self, WireError> {
        let proto::FileOpen { path, requested_path, access, flags, descriptor, handle, preexisting, path_cut, inode } =
            message;
        Ok(Self {
            path,
            requested_path: non_empty(requested_path),
            access: required::<proto::OpenAccess>(access, "FileOpen.access")?,
            flags,
            descriptor,
            handle,
            preexisting,
            path_cut,
            inode,
        })
    }
}

impl TryFrom<proto::FileTotals> for event::FileTotals {
    type Error = WireError;

    fn try_from(message: proto::FileTotals) -> Result<Self, WireError> {
        let proto::FileTotals {
            path,
            descriptor,
            handle,
            bytes_read,
            bytes_written,
            read_calls,
            write_calls,
            mapped,
            closed,
        } = message;
        Ok(Self { path, descriptor, handle, bytes_read, bytes_written, read_calls, write_calls, mapped, closed })
    }
}

impl TryFrom<proto::FileRename> for event::FileRename {
    type Error = WireError;

    fn try_from(message: proto::FileRename) -> Result<Self, WireError> {
        let proto::FileRename { from, to } = message;
        Ok(Self { from, to })
    }
}

impl TryFrom<proto::FileUnlink> for event::FileUnlink {
    type Error = WireError;

    fn try_from(message: proto::FileUnlink) -> Result<Self, WireError> {
        let proto::FileUnlink { path, directory } = message;
        Ok(Self { path, directory })
    }
}

impl TryFrom<proto::Endpoint> for event::Endpoint {
    type Error = WireError;

    fn try_from(message: proto::Endpoint) -> Result<Self, WireError> {
        use proto::endpoint::Form;
        let proto::Endpoint { form } = message;
        Ok(match form.ok_or(WireError::Missing { field: "Endpoint.form" })? {
            Form::Inet(proto::InetEndpoint { address: text, port }) => {
                let address = address(text, "InetEndpoint.address")?;
                Self::Inet(SocketAddr::new(address.to_canonical(), short(port, "InetEndpoint.port")?))
            }
            Form::UnixPath(path) => Self::UnixPath(path),
            Form::UnixAbstract(name) => Self::UnixAbstract(name),
            Form::UnixUnnamed(true) => Self::UnixUnnamed,
            Form::UnixUnnamed(false) => {
                return Err(WireError::Contradiction {
                    field: "Endpoint.unix_unnamed",
                    problem: "is false, which has no meaning",
                });
            }
            Form::OtherFamily(family) => Self::Other(short(family, "Endpoint.other_family")?),
        })
    }
}

impl TryFrom<proto::SocketConnect> for event::SocketConnect {
    type Error = WireError;

    fn try_from(message: proto::SocketConnect) -> Result<Self, WireError> {
        let proto::SocketConnect { transport, remote, local, descriptor, handle, preexisting, code_origin } = message;
        Ok(Self {
            transport: required::<proto::Transport>(transport, "SocketConnect.transport")?,
            remote: endpoint(remote, "SocketConnect.remote")?,
            local: known_endpoint(local)?,
            descriptor,
            handle,
            preexisting,
            code_origin: code_origin.map(|origin| (*origin).try_into().map(Box::new)).transpose()?,
        })
    }
}

impl TryFrom<proto::CodeOrigin> for event::CodeOrigin {
    type Error = WireError;

    fn try_from(message: proto::CodeOrigin) -> Result<Self, WireError> {
        let proto::CodeOrigin { file, build_id, offset, depth, confidence } = message;
        Ok(Self {
            file,
            build_id: non_empty(build_id),
            offset,
            depth,
            confidence: required::<proto::CodeConfidence>(confidence, "CodeOrigin.confidence")?,
        })
    }
}

impl TryFrom<proto::SocketBind> for event::SocketBind {
    type Error = WireError;

    fn try_from(message: proto::SocketBind) -> Result<Self, WireError> {
        let proto::SocketBind { transport, local, descriptor, handle } = message;
        Ok(Self {
            transport: required::<proto::Transport>(transport, "SocketBind.transport")?,
            local: endpoint(local, "SocketBind.local")?,
            descriptor,
            handle,
        })
    }
}

impl TryFrom<proto::SocketListen> for event::SocketListen {
    type Error = WireError;

    fn try_from(message: proto::SocketListen) -> Result<Self, WireError> {
        let proto::SocketListen { transport, local, descriptor, handle, backlog, preexisting } = message;
        Ok(Self {
            transport: required::<proto::Transport>(transport, "SocketListen.transport")?,
            local: known_endpoint(local)?,
            descriptor,
            handle,
            backlog,
            preexisting,
        })
    }
}

impl TryFrom<proto::SocketAccept> for event::SocketAccept {
    type Error = WireError;

    fn try_from(message: proto::SocketAccept) -> Result<Self, WireError> {
        let proto::SocketAccept { transport, remote, local, descriptor, handle } = message;
        Ok(Self {
            transport: required::<proto::Transport>(transport, "SocketAccept.transport")?,
            remote: endpoint(remote, "SocketAccept.remote")?,
            local: known_endpoint(local)?,
            descriptor,
            handle,
        })
    }
}

impl TryFrom<proto::SocketTotals> for event::SocketTotals {
    type Error = WireError;

    fn try_from(message: proto::SocketTotals) -> Result<Self, WireError> {
        let proto::SocketTotals {
            transport,
            remote,
            local,
            descriptor,
            handle,
            bytes_sent,
            bytes_received,
            send_calls,
            receive_calls,
            closed,
        } = message;
        Ok(Self {
            transport: required::<proto::Transport>(transport, "SocketTotals.transport")?,
            remote: known_endpoint(remote)?,
            local: known_endpoint(local)?,
            descriptor,
            handle,
            bytes_sent,
            bytes_received,
            send_calls,
            receive_calls,
            closed,
        })
    }
}

impl TryFrom<proto::DnsQuery> for event::DnsQuery {
    type Error = WireError;

    fn try_from(message: proto::DnsQuery) -> Result<Self, WireError> {
        let proto::DnsQuery { name, record_type, transaction_id, server } = message;
        Ok(Self {
            name,
            record_type,
            transaction_id: short(transaction_id, "DnsQuery.transaction_id")?,
            server: known_endpoint(server)?,
        })
    }
}

impl TryFrom<proto::DnsRecord> for event::DnsRecord {
    type Error = WireError;

    fn try_from(message: proto::DnsRecord) -> Result<Self, WireError> {
        use proto::dns_record::Form;
        let proto::DnsRecord { form } = message;
        Ok(match form.ok_or(WireError::Missing { field: "DnsRecord.form" })? {
            Form::Address(text) => Self::Address(address(text, "DnsRecord.address")?),
            Form::Alias(name) => Self::Alias(name),
        })
    }
}

impl TryFrom<proto::DnsAnswer> for event::DnsAnswer {
    type Error = WireError;

    fn try_from(message: proto::DnsAnswer) -> Result<Self, WireError> {
        let proto::DnsAnswer { name, record_type, transaction_id, response_code, records, server, cut } = message;
        Ok(Self {
            name,
            record_type,
            transaction_id: short(transaction_id, "DnsAnswer.transaction_id")?,
            response_code: u8::try_from(response_code).map_err(|_| WireError::OutOfRange {
                field: "DnsAnswer.response_code",
                value: response_code,
                largest: u8::MAX.into(),
            })?,
            records: all(records)?,
            server: known_endpoint(server)?,
            cut,
        })
    }
}

impl TryFrom<proto::TlsClientHello> for event::TlsClientHello {
    type Error = WireError;

    fn try_from(message: proto::TlsClientHello) -> Result<Self, WireError> {
        let proto::TlsClientHello { server_name, protocols, encrypted_client_hello, remote, handle, cut } = message;
        Ok(Self { server_name, protocols, encrypted_client_hello, remote: known_endpoint(remote)?, handle, cut })
    }
}

impl TryFrom<proto::HttpRequest> for event::HttpRequest {
    type Error = WireError;

    fn try_from(message: proto::HttpRequest) -> Result<Self, WireError> {
        let proto::HttpRequest { method, host, path, remote, handle } = message;
        Ok(Self { method, host, path, remote: known_endpoint(remote)?, handle })
    }
}

/// A message whose absence means its default.
fn or_default<W, D: TryFrom<W, Error = WireError> + Default>(message: Option<W>) -> Result<D, WireError> {
    message.map(D::try_from).transpose().map(Option::unwrap_or_default)
}

impl TryFrom<proto::BinderOwner> for event::BinderOwner {
    type Error = WireError;

    fn try_from(message: proto::BinderOwner) -> Result<Self, WireError> {
        let proto::BinderOwner { process, name, user_id, app } = message;
        Ok(Self { process: or_default(process)?, name, user_id, app: or_default(app)? })
    }
}

impl TryFrom<proto::NamedCaller> for event::NamedCaller {
    type Error = WireError;

    fn try_from(message: proto::NamedCaller) -> Result<Self, WireError> {
        let proto::NamedCaller { package, user_id, attribution_tag } = message;
        Ok(Self { package, user_id, attribution_tag })
    }
}

impl TryFrom<proto::ValueShape> for event::ValueShape {
    type Error = WireError;

    fn try_from(message: proto::ValueShape) -> Result<Self, WireError> {
        let proto::ValueShape { name, kind, length } = message;
        Ok(Self { name, kind, length })
    }
}

impl TryFrom<proto::BinderTransaction> for event::BinderTransaction {
    type Error = WireError;

    fn try_from(message: proto::BinderTransaction) -> Result<Self, WireError> {
        let proto::BinderTransaction {
            debug_id,
            interface,
            code,
            one_way,
            owner,
            named_callers,
            parcel_size,
            cut,
            decode_error,
            exception,
        } = message;
        Ok(Self {
            debug_id,
            interface,
            code,
            one_way,
            owner: or_default(owner)?,
            named_callers: all(named_callers)?,
            parcel_size,
            cut,
            decode_error,
            exception,
        })
    }
}

impl TryFrom<proto::ProviderAccess> for event::ProviderAccess {
    type Error = WireError;

    fn try_from(message: proto::ProviderAccess) -> Result<Self, WireError> {
        let proto::ProviderAccess {
            method,
            authority,
            android_user,
            uri,
            projection,
            selection,
            selection_arguments,
            sort_order,
            values,
            call_method,
            call_argument,
            open_mode,
            operations,
            result_columns,
            result_rows,
            transaction,
        } = message;
        Ok(Self {
            method: required::<proto::ProviderMethod>(method, "ProviderAccess.method")?,
            authority,
            android_user,
            uri,
            projection,
            selection,
            selection_arguments: all(selection_arguments)?,
            sort_order,
            values: all(values)?,
            call_method,
            call_argument,
            open_mode,
            operations,
            result_columns,
            result_rows,
            transaction: present(transaction, "ProviderAccess.transaction")?,
        })
    }
}

impl TryFrom<proto::ServiceArgument> for event::ServiceArgument {
    type Error = WireError;

    fn try_from(message: proto::ServiceArgument) -> Result<Self, WireError> {
        let proto::ServiceArgument { name, value } = message;
        Ok(Self { name, value })
    }
}

impl TryFrom<proto::ServiceCall> for event::ServiceCall {
    type Error = WireError;

    fn try_from(message: proto::ServiceCall) -> Result<Self, WireError> {
        let proto::ServiceCall { service, method, method_source, method_table, arguments, result_count, transaction } =
            message;
        Ok(Self {
            service,
            method,
            method_source: required::<proto::MethodSource>(method_source, "ServiceCall.method_source")?,
            method_table,
            arguments: all(arguments)?,
            result_count,
            transaction: present(transaction, "ServiceCall.transaction")?,
        })
    }
}

impl TryFrom<proto::EventFilter> for event::EventFilter {
    type Error = WireError;

    /// Does not judge the filter: see [`event::EventFilter::validate`].
    fn try_from(message: proto::EventFilter) -> Result<Self, WireError> {
        let proto::EventFilter {
            families,
            kinds,
            user_ids,
            packages,
            phases,
            outcomes,
            path_patterns,
            name_patterns,
            data_types,
            minimum_severity,
        } = message;
        let kind = |name: String| {
            let known = event::EventKind::ALL.iter().find(|kind| kind.name() == name);
            known.copied().ok_or(WireError::UnknownName { field: "EventFilter.kinds", name })
        };
        let class = |number: i32| {
            proto::OutcomeKind::try_from(number).map(outcome_class).map_err(|_| WireError::UnknownValue {
                field: "EventFilter.outcomes",
                enumeration: "OutcomeKind",
                value: number,
            })
        };
        Ok(Self {
            families: repeated::<proto::Family>(families, "EventFilter.families")?.into_iter().collect(),
            kinds: kinds.into_iter().map(kind).collect::<Result<_, _>>()?,
            user_ids: user_ids.into_iter().collect(),
            packages: packages.into_iter().collect(),
            phases: phases.into_iter().map(|name| phase(name, "EventFilter.phases")).collect::<Result<_, _>>()?,
            outcomes: outcomes.into_iter().map(class).collect::<Result<_, _>>()?,
            path_patterns,
            name_patterns,
            data_types: data_types.into_iter().collect(),
            minimum_severity: match minimum_severity {
                0 => None,
                value => Some(required::<proto::Severity>(value, "EventFilter.minimum_severity")?),
            },
        })
    }
}

fn outcome_class(kind: proto::OutcomeKind) -> event::OutcomeClass {
    match kind {
        proto::OutcomeKind::Ok => event::OutcomeClass::Ok,
        proto::OutcomeKind::InProgress => event::OutcomeClass::InProgress,
        proto::OutcomeKind::Denied => event::OutcomeClass::Denied,
        proto::OutcomeKind::Failed => event::OutcomeClass::Failed,
        proto::OutcomeKind::Unspecified => event::OutcomeClass::Unknown,
    }
}
