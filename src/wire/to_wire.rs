//! Domain types to wire types. Cannot fail.
//!
//! Every struct is taken apart field by field and every enum without a wildcard: what is added to the vocabulary does not
//! compile until it is carried here.

use super::proto;
use crate::event;

/// "Empty means absent" for strings that are never empty when they are present.
fn or_empty(text: &Option<String>) -> String {
    text.clone().unwrap_or_default()
}

fn endpoint(end: &Option<event::Endpoint>) -> Option<proto::Endpoint> {
    end.as_ref().map(Into::into)
}

fn all<'a, D, W: From<&'a D>>(items: &'a [D]) -> Vec<W> {
    items.iter().map(W::from).collect()
}

impl From<&event::StreamEntry> for proto::StreamEntry {
    fn from(entry: &event::StreamEntry) -> Self {
        use proto::stream_entry::Entry;
        let entry = match entry {
            event::StreamEntry::Header(header) => Entry::Header(header.as_ref().into()),
            event::StreamEntry::Event(event) => Entry::Event(event.as_ref().into()),
            event::StreamEntry::Gap(gap) => Entry::Gap(gap.into()),
            event::StreamEntry::Totals(totals) => Entry::Totals(totals.as_ref().into()),
            event::StreamEntry::End(end) => Entry::End(end.as_ref().into()),
            event::StreamEntry::SelfTest(test) => Entry::SelfTest(test.as_ref().into()),
            event::StreamEntry::ClockChange(change) => Entry::ClockChange(change.into()),
        };
        Self { entry: Some(entry) }
    }
}

impl From<&event::SessionHeader> for proto::SessionHeader {
    fn from(header: &event::SessionHeader) -> Self {
        let event::SessionHeader { session_id, label, device, started, selection, initial_phase, probes, packages } =
            header;
        Self {
            session_id: session_id.clone(),
            label: label.clone(),
            device: Some(device.into()),
            started: Some(started.into()),
            selection: Some(selection.into()),
            initial_phase: initial_phase.as_str().to_owned(),
            probes: all(probes),
            packages: Some(packages.into()),
        }
    }
}

impl From<&event::DeviceInfo> for proto::DeviceInfo {
    fn from(device: &event::DeviceInfo) -> Self {
        let event::DeviceInfo { kernel_release, architecture, boot_id, name, daemon_version, kernel_btf } = device;
        Self {
            kernel_release: kernel_release.clone(),
            architecture: architecture.clone(),
            boot_id: boot_id.clone(),
            name: name.clone(),
            daemon_version: daemon_version.clone(),
            kernel_btf: *kernel_btf,
        }
    }
}

impl From<&event::ClockAnchor> for proto::ClockAnchor {
    fn from(anchor: &event::ClockAnchor) -> Self {
        let event::ClockAnchor { boot_ns, wall_ns } = *anchor;
        Self { boot_ns, wall_ns }
    }
}

impl From<&event::Selection> for proto::Selection {
    fn from(selection: &event::Selection) -> Self {
        let event::Selection { user_ids, process_trees, packages } = selection;
        Self {
            user_ids: user_ids.iter().copied().collect(),
            process_trees: process_trees.iter().copied().collect(),
            packages: packages.iter().cloned().collect(),
        }
    }
}

impl From<&event::ProbeStatus> for proto::ProbeStatus {
    fn from(status: &event::ProbeStatus) -> Self {
        let event::ProbeStatus { probe, family, state, reason } = status;
        Self {
            probe: proto::ProbeId::from(probe).into(),
            family: proto::Family::from(family).into(),
            state: proto::ProbeState::from(state).into(),
            reason: reason.clone(),
        }
    }
}

impl From<&event::PackageList> for proto::PackageList {
    fn from(list: &event::PackageList) -> Self {
        let event::PackageList { packages, read_error, bad_lines } = list;
        Self { packages: all(packages), read_error: read_error.clone(), bad_lines: *bad_lines }
    }
}

impl From<&event::PackageEntry> for proto::PackageEntry {
    fn from(entry: &event::PackageEntry) -> Self {
        let event::PackageEntry { package, user_id, data_directory, version_code } = entry;
        Self {
            package: package.clone(),
            user_id: *user_id,
            data_directory: data_directory.clone(),
            version_code: *version_code,
        }
    }
}

impl From<&event::Gap> for proto::Gap {
    fn from(gap: &event::Gap) -> Self {
        let event::Gap { stage, reason, count, families, first_sequence, last_sequence, from_ns, to_ns } = gap;
        Self {
            stage: proto::Stage::from(stage).into(),
            reason: reason.clone(),
            count: *count,
            families: families.iter().map(|family| proto::Family::from(family).into()).collect(),
            first_sequence: *first_sequence,
            last_sequence: *last_sequence,
            from_ns: *from_ns,
            to_ns: *to_ns,
        }
    }
}

impl From<&event::Totals> for proto::Totals {
    fn from(totals: &event::Totals) -> Self {
        let event::Totals { time_ns, events, loss: event::LossTotals { stages, programs } } = totals;
        Self {
            time_ns: *time_ns,
            events: *events,
            stages: stages.iter().map(|(stage, totals)| stage_totals(*stage, totals)).collect(),
            programs: all(programs),
        }
    }
}

/// Two domain values make one message, hence not a `From`.
fn stage_totals(stage: event::Stage, totals: &event::StageTotals) -> proto::StageTotals {
    let event::StageTotals { produced, delivered, filtered, dropped } = totals;
    proto::StageTotals {
        stage: proto::Stage::from(stage).into(),
        produced: *produced,
        delivered: *delivered,
        filtered: *filtered,
        dropped: dropped.clone(),
    }
}

impl From<&event::ProgramCounters> for proto::ProgramCounters {
    fn from(counters: &event::ProgramCounters) -> Self {
        let event::ProgramCounters { program, seen, submitted, filtered, aggregated, lost } = counters;
        Self {
            program: program.clone(),
            seen: *seen,
            submitted: *submitted,
            filtered: *filtered,
            aggregated: *aggregated,
            lost: *lost,
        }
    }
}

impl From<&event::SessionEnd> for proto::SessionEnd {
    fn from(end: &event::SessionEnd) -> Self {
        let event::SessionEnd { reason, totals, probes, self_tests } = end;
        Self {
            reason: proto::SessionEndReason::from(reason).into(),
            totals: Some(totals.into()),
            probes: all(probes),
            self_tests: all(self_tests),
        }
    }
}

impl From<&event::SelfTest> for proto::SelfTest {
    fn from(test: &event::SelfTest) -> Self {
        let event::SelfTest { moment, time_ns, results } = test;
        Self { moment: proto::SelfTestMoment::from(moment).into(), time_ns: *time_ns, results: all(results) }
    }
}

impl From<&event::SelfTestResult> for proto::SelfTestResult {
    fn from(result: &event::SelfTestResult) -> Self {
        let event::SelfTestResult { family, state, latency_ns, reason } = result;
        Self {
            family: proto::Family::from(family).into(),
            state: proto::SelfTestState::from(state).into(),
            latency_ns: *latency_ns,
            reason: reason.clone(),
        }
    }
}

impl From<&event::ClockChange> for proto::ClockChange {
    fn from(change: &event::ClockChange) -> Self {
        let event::ClockChange { now, slept_ns, wall_step_ns } = change;
        Self { now: Some(now.into()), slept_ns: *slept_ns, wall_step_ns: *wall_step_ns }
    }
}

impl From<&event::Event> for proto::Event {
    fn from(event: &event::Event) -> Self {
        let event::Event { sequence, time_ns, process, thread_id, user_id, app, phase, probe, fidelity, outcome, body } =
            event;
        Self {
            sequence: *sequence,
            time_ns: *time_ns,
            process: Some(process.into()),
            thread_id: *thread_id,
            user_id: *user_id,
            app: (*app != event::App::default()).then(|| app.into()),
            phase: phase.as_str().to_owned(),
            probe: proto::ProbeId::from(probe).into(),
            hints: hints(fidelity),
            outcome: Some(outcome.into()),
            body: Some(body.into()),
        }
    }
}

/// The reasons, sorted and without repetition: equal fidelities make equal bytes.
fn hints(fidelity: &event::Fidelity) -> Vec<i32> {
    let mut reasons = match fidelity {
        event::Fidelity::Faithful => return Vec::new(),
        event::Fidelity::Hint(reasons) => reasons.clone(),
    };
    reasons.sort_unstable();
    reasons.dedup();
    reasons.into_iter().map(|reason| proto::FidelityReason::from(reason).into()).collect()
}

impl From<&event::Outcome> for proto::Outcome {
    fn from(outcome: &event::Outcome) -> Self {
        let (kind, errno) = match *outcome {
            event::Outcome::Ok => (proto::OutcomeKind::Ok, 0),
            event::Outcome::InProgress => (proto::OutcomeKind::InProgress, 0),
            event::Outcome::Denied(errno) => (proto::OutcomeKind::Denied, errno),
            event::Outcome::Failed(errno) => (proto::OutcomeKind::Failed, errno),
            event::Outcome::Unknown => (proto::OutcomeKind::Unspecified, 0),
        };
        Self { kind: kind.into(), errno }
    }
}

impl From<&event::ProcessKey> for proto::ProcessKey {
    fn from(key: &event::ProcessKey) -> Self {
        let event::ProcessKey { pid, start_ns } = *key;
        Self { pid, start_ns }
    }
}

impl From<&event::ProcessRef> for proto::ProcessRef {
    fn from(process: &event::ProcessRef) -> Self {
        let event::ProcessRef { key, name, executable } = process;
        Self { key: Some(key.into()), name: name.clone(), executable: or_empty(executable) }
    }
}

impl From<&event::App> for proto::App {
    fn from(app: &event::App) -> Self {
        let event::App { package, candidates } = app;
        Self { package: or_empty(package), candidates: candidates.clone() }
    }
}

impl From<&event::EventBody> for proto::event::Body {
    fn from(body: &event::EventBody) -> Self {
        match body {
            event::EventBody::ProcessStart(body) => Self::ProcessStart(body.into()),
            event::EventBody::ProcessExec(body) => Self::ProcessExec(body.into()),
            event::EventBody::ProcessExit(body) => Self::ProcessExit(body.into()),
            event::EventBody::ProcessImportance(body) => Self::ProcessImportance(body.into()),
            event::EventBody::ProcessName(body) => Self::ProcessName(body.into()),
            event::EventBody::BlindSpot(body) => Self::BlindSpot(body.into()),
            event::EventBody::FileOpen(body) => Self::FileOpen(body.into()),
            event::EventBody::FileTotals(body) => Self::FileTotals(body.into()),
            event::EventBody::FileRename(body) => Self::FileRename(body.into()),
            event::EventBody::FileUnlink(body) => Self::FileUnlink(body.into()),
            event::EventBody::SocketConnect(body) => Self::SocketConnect(body.into()),
            event::EventBody::SocketBind(body) => Self::SocketBind(body.into()),
            event::EventBody::SocketListen(body) => Self::SocketListen(body.into()),
            event::EventBody::SocketAccept(body) => Self::SocketAccept(body.into()),
            event::EventBody::SocketTotals(body) => Self::SocketTotals(body.into()),
            event::EventBody::DnsQuery(body) => Self::DnsQuery(body.into()),
            event::EventBody::DnsAnswer(body) => Self::DnsAnswer(body.into()),
            event::EventBody::TlsClientHello(body) => Self::TlsClientHello(body.into()),
            event::EventBody::HttpRequest(body) => Self::HttpRequest(body.into()),
            event::EventBody::ProviderAccess(body) => Self::ProviderAccess(Box::new((&**body).into())),
            event::EventBody::ServiceCall(body) => Self::ServiceCall(Box::new((&**body).into())),
            event::EventBody::PackageChange(body) => Self::PackageChange(body.into()),
            event::EventBody::PhaseMark(body) => Self::PhaseMark(body.into()),
        }
    }
}

impl From<&event::ProcessStart> for proto::ProcessStart {
    fn from(start: &event::ProcessStart) -> Self {
        let event::ProcessStart { parent, preexisting } = *start;
        Self {
            parent_pid: parent.map(|key| key.pid),
            parent_start_ns: parent.map_or(0, |key| key.start_ns),
            preexisting,
        }
    }
}

impl From<&event::ProcessExec> for proto::ProcessExec {
    fn from(exec: &event::ProcessExec) -> Self {
        let event::ProcessExec { path, requested_path, arguments, arguments_cut } = exec;
        Self {
            path: path.clone(),
            requested_path: or_empty(requested_path),
            arguments: arguments.clone(),
            arguments_cut: *arguments_cut,
        }
    }
}

impl From<&event::ProcessExit> for proto::ProcessExit {
    fn from(exit: &event::ProcessExit) -> Self {
        let event::ProcessExit { status, signal } = *exit;
        Self { status, signal }
    }
}

impl From<&event::ProcessImportance> for proto::ProcessImportance {
    fn from(observed: &event::ProcessImportance) -> Self {
        let event::ProcessImportance { importance, oom_score_adj } = *observed;
        Self { importance: proto::Importance::from(importance).into(), oom_score_adj }
    }
}

impl From<&event::ProcessName> for proto::ProcessName {
    fn from(process: &event::ProcessName) -> Self {
        let event::ProcessName { name } = process;
        Self { name: name.clone() }
    }
}

impl From<&event::PackageChange> for proto::PackageChange {
    fn from(changed: &event::PackageChange) -> Self {
        let event::PackageChange { package, user_id, change, version_code, data_directory, traced } = changed;
        Self {
            package: package.clone(),
            user_id: *user_id,
            change: proto::PackageChangeKind::from(change).into(),
            version_code: *version_code,
            data_directory: data_directory.clone(),
            traced: *traced,
        }
    }
}

impl From<&event::BlindSpot> for proto::BlindSpot {
    fn from(blind_spot: &event::BlindSpot) -> Self {
        let event::BlindSpot { what } = blind_spot;
        Self { what: proto::BlindSpotKind::from(what).into() }
    }
}

impl From<&event::PhaseMark> for proto::PhaseMark {
    fn from(mark: &event::PhaseMark) -> Self {
        let event::PhaseMark { phase, note } = mark;
        Self { phase: phase.as_str().to_owned(), note: note.clone() }
    }
}

impl From<&event::FileOpen> for proto::FileOpen {
    fn from(open: &event::FileOpen) -> Self {
        let event::FileOpen { path, requested_path, access, flags, descriptor, handle, preexisting, path_cut, inode } =
            open;
        Self {
            path: path.clone(),
            requested_path: or_empty(requested_path),
            access: proto::OpenAccess::from(access).into(),
            flags: *flags,
            descriptor: *descriptor,
            handle: *handle,
            preexisting: *preexisting,
            path_cut: *path_cut,
            inode: *inode,
        }
    }
}

impl From<&event::FileTotals> for proto::FileTotals {
    fn from(totals: &event::FileTotals) -> Self {
        let event::FileTotals {
            path,
            descriptor,
            handle,
            bytes_read,
            bytes_written,
            read_calls,
            write_calls,
            mapped,
            closed,
        } = totals;
        Self {
            path: path.clone(),
            descriptor: *descriptor,
            handle: *handle,
            bytes_read: *bytes_read,
            bytes_written: *bytes_written,
            read_calls: *read_calls,
            write_calls: *write_calls,
            mapped: *mapped,
            closed: *closed,
        }
    }
}

impl From<&event::FileRename> for proto::FileRename {
    fn from(rename: &event::FileRename) -> Self {
        let event::FileRename { from, to } = rename;
        Self { from: from.clone(), to: to.clone() }
    }
}

impl From<&event::FileUnlink> for proto::FileUnlink {
    fn from(unlink: &event::FileUnlink) -> Self {
        let event::FileUnlink { path, directory } = unlink;
        Self { path: path.clone(), directory: *directory }
    }
}

impl From<&event::Endpoint> for proto::Endpoint {
    fn from(end: &event::Endpoint) -> Self {
        use proto::endpoint::Form;
        let form = match end {
            // Flow label and scope of IPv6 stay behind: they name a packet class and an interface of the device, and
            // mean nothing on the host.
            event::Endpoint::Inet(address) => Form::Inet(proto::InetEndpoint {
                address: address.ip().to_canonical().to_string(),
                port: address.port().into(),
            }),
            event::Endpoint::UnixPath(path) => Form::UnixPath(path.clone()),
            event::Endpoint::UnixAbstract(name) => Form::UnixAbstract(name.clone()),
            event::Endpoint::UnixUnnamed => Form::UnixUnnamed(true),
            event::Endpoint::Other(family) => Form::OtherFamily((*family).into()),
        };
        Self { form: Some(form) }
    }
}

impl From<&event::SocketConnect> for proto::SocketConnect {
    fn from(connect: &event::SocketConnect) -> Self {
        let event::SocketConnect { transport, remote, local, descriptor, handle, preexisting, code_origin } = connect;
        Self {
            transport: proto::Transport::from(transport).into(),
            remote: Some(remote.into()),
            local: endpoint(local),
            descriptor: *descriptor,
            handle: *handle,
            preexisting: *preexisting,
            code_origin: code_origin.as_ref().map(|origin| Box::new(origin.as_ref().into())),
        }
    }
}

impl From<&event::CodeOrigin> for proto::CodeOrigin {
    fn from(origin: &event::CodeOrigin) -> Self {
        let event::CodeOrigin { file, build_id, offset, depth, confidence } = origin;
        Self {
            file: file.clone(),
            build_id: or_empty(build_id),
            offset: *offset,
            depth: *depth,
            confidence: proto::CodeConfidence::from(confidence).into(),
        }
    }
}

impl From<&event::SocketBind> for proto::SocketBind {
    fn from(bind: &event::SocketBind) -> Self {
        let event::SocketBind { transport, local, descriptor, handle } = bind;
        Self {
            transport: proto::Transport::from(transport).into(),
            local: Some(local.into()),
            descriptor: *descriptor,
            handle: *handle,
        }
    }
}

impl From<&event::SocketListen> for proto::SocketListen {
    fn from(listen: &event::SocketListen) -> Self {
        let event::SocketListen { transport, local, descriptor, handle, backlog, preexisting } = listen;
        Self {
            transport: proto::Transport::from(transport).into(),
            local: endpoint(local),
            descriptor: *descriptor,
            handle: *handle,
            backlog: *backlog,
            preexisting: *preexisting,
        }
    }
}

impl From<&event::SocketAccept> for proto::SocketAccept {
    fn from(accept: &event::SocketAccept) -> Self {
        let event::SocketAccept { transport, remote, local, descriptor, handle } = accept;
        Self {
            transport: proto::Transport::from(transport).into(),
            remote: Some(remote.into()),
            local: endpoint(local),
            descriptor: *descriptor,
            handle: *handle,
        }
    }
}

impl From<&event::SocketTotals> for proto::SocketTotals {
    fn from(totals: &event::SocketTotals) -> Self {
        let event::SocketTotals {
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
        } = totals;
        Self {
            transport: proto::Transport::from(transport).into(),
            remote: endpoint(remote),
            local: endpoint(local),
            descriptor: *descriptor,
            handle: *handle,
            bytes_sent: *bytes_sent,
            bytes_received: *bytes_received,
            send_calls: *send_calls,
            receive_calls: *receive_calls,
            closed: *closed,
        }
    }
}

impl From<&event::DnsQuery> for proto::DnsQuery {
    fn from(query: &event::DnsQuery) -> Self {
        let event::DnsQuery { name, record_type, transaction_id, server } = query;
        Self {
            name: name.clone(),
            record_type: record_type.clone(),
            transaction_id: (*transaction_id).into(),
            server: endpoint(server),
        }
    }
}

impl From<&event::DnsRecord> for proto::DnsRecord {
    fn from(record: &event::DnsRecord) -> Self {
        use proto::dns_record::Form;
        let form = match record {
            event::DnsRecord::Address(address) => Form::Address(address.to_string()),
            event::DnsRecord::Alias(name) => Form::Alias(name.clone()),
        };
        Self { form: Some(form) }
    }
}

impl From<&event::DnsAnswer> for proto::DnsAnswer {
    fn from(answer: &event::DnsAnswer) -> Self {
        let event::DnsAnswer { name, record_type, transaction_id, response_code, records, server, cut } = answer;
        Self {
            name: name.clone(),
            record_type: record_type.clone(),
            transaction_id: (*transaction_id).into(),
            response_code: (*response_code).into(),
            records: all(records),
            server: endpoint(server),
            cut: *cut,
        }
    }
}

impl From<&event::TlsClientHello> for proto::TlsClientHello {
    fn from(hello: &event::TlsClientHello) -> Self {
        let event::TlsClientHello { server_name, protocols, encrypted_client_hello, remote, handle, cut } = hello;
        Self {
            server_name: server_name.clone(),
            protocols: protocols.clone(),
            encrypted_client_hello: *encrypted_client_hello,
            remote: endpoint(remote),
            handle: *handle,
            cut: *cut,
        }
    }
}

impl From<&event::HttpRequest> for proto::HttpRequest {
    fn from(request: &event::HttpRequest) -> Self {
        let event::HttpRequest { method, host, path, remote, handle } = request;
        Self {
            method: method.clone(),
            host: host.clone(),
            path: path.clone(),
            remote: endpoint(remote),
            handle: *handle,
        }
    }
}

impl From<&event::BinderOwner> for proto::BinderOwner {
    fn from(owner: &event::BinderOwner) -> Self {
        let event::BinderOwner { process, name, user_id, app } = owner;
        Self {
            process: (*process != event::ProcessKey::default()).then(|| process.into()),
            name: name.clone(),
            user_id: *user_id,
            app: (*app != event::App::default()).then(|| app.into()),
        }
    }
}

impl From<&event::NamedCaller> for proto::NamedCaller {
    fn from(caller: &event::NamedCaller) -> Self {
        let event::NamedCaller { package, user_id, attribution_tag } = caller;
        Self { package: package.clone(), user_id: *user_id, attribution_tag: attribution_tag.clone() }
    }
}

impl From<&event::ValueShape> for proto::ValueShape {
    fn from(shape: &event::ValueShape) -> Self {
        let event::ValueShape { name, kind, length } = shape;
        Self { name: name.clone(), kind: kind.clone(), length: *length }
    }
}

impl From<&event::BinderTransaction> for proto::BinderTransaction {
    fn from(transaction: &event::BinderTransaction) -> Self {
        let event::BinderTransaction {
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
        } = transaction;
        Self {
            debug_id: *debug_id,
            interface: interface.clone(),
            code: *code,
            one_way: *one_way,
            owner: (*owner != event::BinderOwner::default()).then(|| owner.into()),
            named_callers: all(named_callers),
            parcel_size: *parcel_size,
            cut: *cut,
            decode_error: decode_error.clone(),
            exception: *exception,
        }
    }
}

impl From<&event::ProviderAccess> for proto::ProviderAccess {
    fn from(access: &event::ProviderAccess) -> Self {
        let event::ProviderAccess {
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
        } = access;
        Self {
            method: proto::ProviderMethod::from(method).into(),
            authority: authority.clone(),
            android_user: *android_user,
            uri: uri.clone(),
            projection: projection.clone(),
            selection: selection.clone(),
            selection_arguments: all(selection_arguments),
            sort_order: sort_order.clone(),
            values: all(values),
            call_method: call_method.clone(),
            call_argument: call_argument.clone(),
            open_mode: open_mode.clone(),
            operations: *operations,
            result_columns: result_columns.clone(),
            result_rows: *result_rows,
            transaction: Some(transaction.into()),
        }
    }
}

impl From<&event::ServiceArgument> for proto::ServiceArgument {
    fn from(argument: &event::ServiceArgument) -> Self {
        let event::ServiceArgument { name, value } = argument;
        Self { name: name.clone(), value: value.clone() }
    }
}

impl From<&event::ServiceCall> for proto::ServiceCall {
    fn from(call: &event::ServiceCall) -> Self {
        let event::ServiceCall { service, method, method_source, method_table, arguments, result_count, transaction } =
            call;
        Self {
            service: service.clone(),
            method: method.clone(),
            method_source: proto::MethodSource::from(method_source).into(),
            method_table: method_table.clone(),
            arguments: all(arguments),
            result_count: *result_count,
            transaction: Some(transaction.into()),
        }
    }
}

impl From<&event::EventFilter> for proto::EventFilter {
    fn from(filter: &event::EventFilter) -> Self {
        let event::EventFilter {
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
        } = filter;
        Self {
            families: families.iter().map(|family| proto::Family::from(family).into()).collect(),
            kinds: kinds.iter().map(|kind| kind.name().to_owned()).collect(),
            user_ids: user_ids.iter().copied().collect(),
            packages: packages.iter().cloned().collect(),
            phases: phases.iter().map(|phase| phase.as_str().to_owned()).collect(),
            outcomes: outcomes.iter().map(|class| outcome_kind(*class).into()).collect(),
            path_patterns: path_patterns.clone(),
            name_patterns: name_patterns.clone(),
            data_types: data_types.iter().cloned().collect(),
            minimum_severity: minimum_severity.map_or(0, |severity| proto::Severity::from(severity).into()),
        }
    }
}

/// Not a row of the table of enums: the unspecified zero has a meaning here.
fn outcome_kind(class: event::OutcomeClass) -> proto::OutcomeKind {
    match class {
        event::OutcomeClass::Ok => proto::OutcomeKind::Ok,
        event::OutcomeClass::InProgress => proto::OutcomeKind::InProgress,
        event::OutcomeClass::Denied => proto::OutcomeKind::Denied,
        event::OutcomeClass::Failed => proto::OutcomeKind::Failed,
        event::OutcomeClass::Unknown => proto::OutcomeKind::Unspecified,
    }
}
