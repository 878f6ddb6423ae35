//! One event as one line for people.

use std::collections::HashMap;
use std::net::IpAddr;

use anstyle::Style;

use super::terminal::{BAD, FAINT, GOOD, STRONG, WARN, cut, harmless, padded, styled};
use crate::event::{
    BinderTransaction, CodeConfidence, CodeOrigin, DnsRecord, Endpoint, Event, EventBody, Fidelity, FidelityReason,
    MethodSource, OpenAccess, Outcome, ProcessImportance, ProviderAccess, SelfTest, SelfTestResult, SelfTestState,
    ServiceCall, StreamEntry, Transport,
};
use unicode_width::UnicodeWidthStr as _;

/// The most addresses whose names are remembered.
const MOST_NAMES: usize = 10_000;

/// Renders entries. It remembers which names the DNS gave for which address, to show them beside it.
#[derive(Debug, Default)]
pub(super) struct EventLines {
    started_ns: u64,
    names: HashMap<IpAddr, String>,
}

const PROCESS_WIDTH: usize = 22;
const KIND_WIDTH: usize = 16;
const PHASE_WIDTH: usize = 12;

impl EventLines {
    /// The headings, aligned with the lines.
    pub(super) fn headings() -> String {
        let text = format!(
            "{:>11}  {}  {}  {}  {}  {}",
            "TIME",
            padded("PROCESS(PID)", PROCESS_WIDTH),
            padded("PHASE", PHASE_WIDTH),
            "?",
            padded("KIND", KIND_WIDTH),
            "WHAT"
        );
        styled(STRONG, &text)
    }

    /// For lines of a session that began then, by boot time in nanoseconds: the header would say so too.
    pub(super) fn starting_at(started_ns: u64) -> Self {
        Self { started_ns, ..Self::default() }
    }

    /// Learns from an entry, whether or not it will be shown.
    pub(super) fn learn(&mut self, entry: &StreamEntry) {
        match entry {
            StreamEntry::Header(header) => self.started_ns = header.started.boot_ns,
            StreamEntry::Event(event) => {
                if let EventBody::DnsAnswer(answer) = &event.body {
                    for record in &answer.records {
                        if let DnsRecord::Address(address) = record
                            && (self.names.len() < MOST_NAMES || self.names.contains_key(address))
                        {
                            self.names.insert(*address, answer.name.clone());
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// The line of an entry, cut to `width` columns where there is a width. Nothing for entries that are no news.
    pub(super) fn line(&self, entry: &StreamEntry, width: Option<usize>) -> Option<String> {
        match entry {
            StreamEntry::Header(header) => Some(styled(
                FAINT,
                &harmless(&format!(
                    "session {} on {} ({} {})",
                    header.session_id, header.device.name, header.device.kernel_release, header.device.architecture
                )),
            )),
            StreamEntry::Event(event) => Some(self.event(event, width)),
            StreamEntry::Gap(gap) => {
                let count = if gap.count == 0 { "an unknown number of".to_owned() } else { gap.count.to_string() };
                let text = format!("{count} events are missing here: {} at stage {}", gap.reason, gap.stage.name());
                Some(format!("{}  {}", self.time(gap.to_ns), styled(BAD, &harmless(&text))))
            }
            StreamEntry::Totals(_) => None,
            StreamEntry::SelfTest(test) => {
                let unseen = test.not_seen().count();
                let text = format!("self-test ({}): {}", test.moment.name(), self_test_facts(test));
                let style = if unseen == 0 { FAINT } else { BAD };
                Some(format!("{}  {}", self.time(test.time_ns), styled(style, &harmless(&text))))
            }
            StreamEntry::ClockChange(change) => {
                let text = format!(
                    "the clocks were read again: the device slept {} ms, its wall clock was set by {} ms",
                    change.slept_ns / 1_000_000,
                    change.wall_step_ns / 1_000_000
                );
                Some(format!("{}  {}", self.time(change.now.boot_ns), styled(FAINT, &text)))
            }
            StreamEntry::End(end) => {
                let lost = end.totals.loss.dropped_total();
                let text = format!("end ({}): {} events, {lost} lost", end.reason.name(), end.totals.events);
                Some(styled(if lost == 0 { FAINT } else { BAD }, &text))
            }
        }
    }

    fn time(&self, time_ns: u64) -> String {
        // What was there before the session began has earlier times.
        let (sign, distance) =
            if time_ns >= self.started_ns { ("", time_ns - self.started_ns) } else { ("-", self.started_ns - time_ns) };
        let micros = distance / 1000;
        format!("{:>11}", format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000))
    }

    fn event(&self, event: &Event, width: Option<usize>) -> String {
        let pid = event.process.key.pid.to_string();
        let name = cut(&harmless(&event.process.name), PROCESS_WIDTH.saturating_sub(pid.len() + 2));
        let process = padded(&format!("{name}({pid})"), PROCESS_WIDTH);
        let phase = padded(&cut(event.phase.as_str(), PHASE_WIDTH), PHASE_WIDTH);
        let (mark, style) = outcome_mark(event.outcome);
        let kind = padded(event.kind().name(), KIND_WIDTH);
        let mut facts = harmless(&self.facts(event));
        if let Some(hint) = hint(event) {
            facts.push_str("  ~");
            facts.push_str(hint);
        }
        let before = 11 + 2 + process.width() + 2 + phase.width() + 2 + 1 + 2 + kind.width() + 2;
        if let Some(width) = width {
            facts = cut(&facts, width.saturating_sub(before).max(8));
        }
        format!(
            "{}  {process}  {}  {}  {}  {facts}",
            styled(FAINT, &self.time(event.time_ns)),
            styled(FAINT, &phase),
            styled(style, mark),
            styled(STRONG, &kind),
        )
    }

    /// The main facts. Exhaustive: a new kind does not compile until it has a text.
    pub(super) fn facts(&self, event: &Event) -> String {
        let failure = match event.outcome {
            // A binder transaction has no errno; its body says what it has.
            Outcome::Denied(0) => "  (denied)".to_owned(),
            Outcome::Failed(0) => "  (failed)".to_owned(),
            Outcome::Denied(errno) | Outcome::Failed(errno) => {
                format!("  ({})", nix::errno::Errno::from_raw(errno).desc())
            }
            Outcome::Ok | Outcome::InProgress | Outcome::Unknown => String::new(),
        };
        let facts = match &event.body {
            EventBody::ProcessStart(start) => {
                let parent = start.parent.map_or_else(String::new, |parent| format!("by process {}", parent.pid));
                join(&[&parent, was_there(start.preexisting)])
            }
            EventBody::ProcessExec(exec) => {
                let arguments = exec.arguments.get(1..).unwrap_or_default().join(" ");
                join(&[&exec.path, &arguments, if exec.arguments_cut { "..." } else { "" }])
            }
            EventBody::ProcessExit(exit) => match (exit.status, exit.signal) {
                (_, Some(signal)) => format!("killed by signal {signal}"),
                (Some(status), None) => format!("status {status}"),
                (None, None) => "status unknown".to_owned(),
            },
            EventBody::ProcessImportance(observed) => {
                let ProcessImportance { importance, oom_score_adj } = observed;
                format!("{} in the eyes of the system (oom_score_adj {oom_score_adj})", importance.name())
            }
            EventBody::ProcessName(process) => process.name.clone(),
            EventBody::BlindSpot(spot) => format!("{}: acts are not seen from here on", spot.what.name()),
            EventBody::FileOpen(open) => {
                let requested = open.requested_path.as_ref().map(|path| format!("(asked for {path})"));
                let cut = if open.path_cut { "..." } else { "" };
                join(&[
                    access(open.access),
                    &format!("{cut}{}", open.path),
                    requested.as_deref().unwrap_or(""),
                    was_there(open.preexisting),
                ])
            }
            EventBody::FileTotals(totals) => join(&[
                if totals.path.is_empty() { "(path not seen)" } else { &totals.path },
                &format!("read {}, wrote {}", bytes(totals.bytes_read), bytes(totals.bytes_written)),
                if totals.mapped { "mapped" } else { "" },
                if totals.closed { "closed" } else { "" },
            ]),
            EventBody::FileRename(rename) => format!("{} -> {}", rename.from, rename.to),
            EventBody::FileUnlink(unlink) => join(&[&unlink.path, if unlink.directory { "(directory)" } else { "" }]),
            EventBody::SocketConnect(connect) => join(&[
                transport(connect.transport),
                &self.endpoint(&connect.remote),
                was_there(connect.preexisting),
                &connect.code_origin.as_deref().map_or_else(String::new, code_origin),
            ]),
            EventBody::SocketBind(bind) => join(&[transport(bind.transport), &self.endpoint(&bind.local)]),
            EventBody::SocketListen(listen) => join(&[
                transport(listen.transport),
                &self.optional_endpoint(listen.local.as_ref()),
                was_there(listen.preexisting),
            ]),
            EventBody::SocketAccept(accept) => {
                join(&[transport(accept.transport), "from", &self.endpoint(&accept.remote)])
            }
            EventBody::SocketTotals(totals) => join(&[
                transport(totals.transport),
                &self.optional_endpoint(totals.remote.as_ref()),
                &format!("sent {}, received {}", bytes(totals.bytes_sent), bytes(totals.bytes_received)),
                if totals.closed { "closed" } else { "" },
            ]),
            EventBody::DnsQuery(query) => {
                let server = query.server.as_ref().map(|server| format!("at {server}"));
                join(&[&query.name, &query.record_type, server.as_deref().unwrap_or("")])
            }
            EventBody::DnsAnswer(answer) => {
                let records: Vec<String> = answer
                    .records
                    .iter()
                    .map(|record| match record {
                        DnsRecord::Address(address) => address.to_string(),
                        DnsRecord::Alias(name) => name.clone(),
                    })
                    .collect();
                let result = match answer.response_code {
                    0 if records.is_empty() => "no record".to_owned(),
                    0 => records.join(", "),
                    3 => "no such name".to_owned(),
                    code => format!("response code {code}"),
                };
                join(&[&answer.name, &answer.record_type, "=", &result, if answer.cut { "..." } else { "" }])
            }
            EventBody::TlsClientHello(hello) => join(&[
                hello.server_name.as_deref().unwrap_or("(no server name)"),
                &hello.protocols.join(","),
                if hello.encrypted_client_hello { "(outer name of an encrypted hello)" } else { "" },
                &hello.remote.as_ref().map_or_else(String::new, |remote| format!("to {remote}")),
            ]),
            EventBody::HttpRequest(request) => join(&[
                &request.method,
                &format!("http://{}{}", request.host.as_deref().unwrap_or("(no host)"), request.path),
                &request.remote.as_ref().map_or_else(String::new, |remote| format!("to {remote}")),
            ]),
            EventBody::ProviderAccess(access) => provider_access(access),
            EventBody::ServiceCall(call) => service_call(call),
            EventBody::PackageChange(changed) => join(&[
                &changed.package,
                changed.change.name(),
                &format!("(user id {})", changed.user_id),
                if changed.traced { "traced from here on" } else { "" },
            ]),
            EventBody::PhaseMark(mark) => join(&["from here on:", mark.phase.as_str(), &mark.note]),
        };
        facts + &failure
    }

    fn endpoint(&self, endpoint: &Endpoint) -> String {
        if let Endpoint::Inet(address) = endpoint
            && let Some(name) = self.names.get(&address.ip())
        {
            return format!("{endpoint} ({name})");
        }
        endpoint.to_string()
    }

    fn optional_endpoint(&self, endpoint: Option<&Endpoint>) -> String {
        endpoint.map_or_else(|| "(peer not seen)".to_owned(), |endpoint| self.endpoint(endpoint))
    }
}

/// `by code of libtracker.so+0x1139`. Nothing where nothing is claimed.
fn code_origin(origin: &CodeOrigin) -> String {
    let CodeOrigin { file, offset, confidence, .. } = origin;
    let name = file.rsplit_once('/').map_or(file.as_str(), |(_, name)| name);
    match confidence {
        CodeConfidence::Caller => format!("by code of {name}+{offset:#x}"),
        CodeConfidence::Frames => format!("by code that {name}+{offset:#x} called (frame pointers)"),
        CodeConfidence::Leaf => String::new(),
    }
}

/// `query content://... [columns] where ... -> 3 rows, served by ...`.
fn provider_access(access: &ProviderAccess) -> String {
    let columns =
        if access.projection.is_empty() { String::new() } else { format!("[{}]", access.projection.join(", ")) };
    let selection = access.selection.as_ref().map(|selection| format!("where {selection}"));
    let rows = match (access.result_rows, access.operations) {
        (Some(1), _) => "-> 1 row".to_owned(),
        (Some(rows), _) => format!("-> {rows} rows"),
        (None, Some(operations)) => format!("({operations} operations)"),
        (None, None) => String::new(),
    };
    join(&[
        access.method.name(),
        access.uri.as_deref().unwrap_or(&access.authority),
        access.call_method.as_deref().unwrap_or(""),
        access.call_argument.as_deref().unwrap_or(""),
        access.open_mode.as_deref().unwrap_or(""),
        &columns,
        selection.as_deref().unwrap_or(""),
        &rows,
    ]) + &transaction_end(&access.transaction)
}

/// `location getLastLocation(provider=gps), served by ...`. A name from a shipped table may be that of another release.
fn service_call(call: &ServiceCall) -> String {
    let method = call.method.clone().unwrap_or_else(|| format!("code {}", call.transaction.code));
    let arguments: Vec<String> =
        call.arguments.iter().map(|argument| format!("{}={}", argument.name, argument.value)).collect();
    let items = call.result_count.map(|count| format!("-> {count} items"));
    join(&[
        call.service.as_deref().unwrap_or(&call.transaction.interface),
        &format!("{method}({})", arguments.join(", ")),
        if call.method_source == MethodSource::Shipped { "(name from a shipped table)" } else { "" },
        items.as_deref().unwrap_or(""),
    ]) + &transaction_end(&call.transaction)
}

/// Who served, and what is wrong with what was seen.
fn transaction_end(transaction: &BinderTransaction) -> String {
    let owner = &transaction.owner;
    let server = match (&owner.app.package, owner.app.candidates.is_empty(), owner.user_id) {
        (Some(package), ..) => format!(", served by {package}"),
        (None, false, _) => format!(", served by {}", owner.app.candidates.join(" or ")),
        (None, true, Some(user_id)) => format!(", served by uid {user_id}"),
        (None, true, None) => String::new(),
    };
    let exception = match transaction.exception {
        None | Some(0) => String::new(),
        Some(-1) => "(security exception)".to_owned(),
        Some(code) => format!("(exception {code})"),
    };
    let undecoded = transaction.decode_error.as_ref().map(|error| format!("(not decoded to its end: {error})"));
    let rest = join(&[
        if transaction.one_way { "(one way)" } else { "" },
        &exception,
        undecoded.as_deref().unwrap_or(if transaction.cut { "..." } else { "" }),
    ]);
    if rest.is_empty() { server } else { format!("{server} {rest}") }
}

fn join(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

fn was_there(preexisting: bool) -> &'static str {
    if preexisting { "(was there before)" } else { "" }
}

fn access(access: OpenAccess) -> &'static str {
    match access {
        OpenAccess::Read => "r ",
        OpenAccess::Write => "w ",
        OpenAccess::ReadWrite => "rw",
        OpenAccess::PathOnly => "p ",
    }
}

fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
        // The endpoint says "unix:" already.
        Transport::UnixStream | Transport::UnixDatagram => "",
        Transport::Other => "other",
    }
}

fn outcome_mark(outcome: Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Ok => ("+", GOOD),
        Outcome::InProgress => (">", GOOD),
        Outcome::Denied(_) => ("!", WARN),
        Outcome::Failed(_) => ("-", FAINT),
        Outcome::Unknown => ("?", FAINT),
    }
}

/// The first reason for which a field is a hint.
fn hint(event: &Event) -> Option<&'static str> {
    match &event.fidelity {
        Fidelity::Faithful => None,
        Fidelity::Hint(reasons) => Some(reasons.first().map_or("hint", |reason: &FidelityReason| reason.name())),
    }
}

/// A number of bytes, with a unit of 1024.
fn bytes(count: u64) -> String {
    const UNITS: &[(u64, &str)] = &[(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (size, unit) in UNITS {
        if count >= *size {
            let tenths = u128::from(count) * 10 / u128::from(*size);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{count} B")
}

/// The results of a self-test in words, family by family.
fn self_test_facts(test: &SelfTest) -> String {
    let one = |result: &SelfTestResult| match (result.state, result.latency_ns) {
        (SelfTestState::Seen, Some(latency_ns)) => {
            format!("{} seen after {} ms", result.family.name(), latency_ns / 1_000_000)
        }
        (SelfTestState::Seen, None) => format!("{} seen", result.family.name()),
        (SelfTestState::NotSeen, _) => format!("{} NOT SEEN ({})", result.family.name(), result.reason),
        (SelfTestState::NotTested, _) => format!("{} not tested ({})", result.family.name(), result.reason),
    };
    test.results.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::*;

    fn event(outcome: Outcome, body: EventBody) -> StreamEntry {
        StreamEntry::Event(Box::new(Event {
            sequence: 1,
            time_ns: 3_002_003_000,
            process: ProcessRef { key: ProcessKey::new(4321, 0), name: "com.example.app".to_owned(), executable: None },
            thread_id: 4321,
            user_id: 10_001,
            app: App::default(),
            phase: "pre_consent".parse().unwrap(),
            probe: ProbeId::EbpfKernelObjects,
            fidelity: Fidelity::Faithful,
            outcome,
            body,
        }))
    }

    fn plain(line: &str) -> String {
        anstream::adapter::strip_str(line).to_string()
    }

    #[test]
    fn a_line_says_who_when_what_and_how_it_ended() {
        let mut lines = EventLines::default();
        lines.learn(&StreamEntry::Header(Box::new(SessionHeader {
            started: ClockAnchor { boot_ns: 1_000_000_000, wall_ns: 0 },
            ..SessionHeader::default()
        })));
        let open = FileOpen {
            path: "/sdcard/DCIM/\u{1b}1.jpg".to_owned(),
            requested_path: None,
            access: OpenAccess::Read,
            flags: 0,
            descriptor: None,
            handle: 0,
            preexisting: false,
            path_cut: false,
            inode: None,
        };
        let entry = event(Outcome::Denied(13), EventBody::FileOpen(open));
        assert_eq!(
            plain(&lines.line(&entry, None).unwrap()),
            "   2.002003  com.example.app(4321)   pre_consent   !  file_open         r  /sdcard/DCIM/\u{fffd}1.jpg  (Permission denied)"
        );
        let narrow = plain(&lines.line(&entry, Some(90)).unwrap());
        assert!(narrow.ends_with('\u{2026}') && narrow.width() <= 90, "{narrow}");
        assert_eq!(plain(&EventLines::headings()).find("PROCESS"), Some(13));
    }

    #[test]
    fn an_address_is_shown_with_the_name_that_was_asked_for() {
        let mut lines = EventLines::default();
        lines.learn(&event(
            Outcome::Ok,
            EventBody::DnsAnswer(DnsAnswer {
                name: "ads.example".to_owned(),
                record_type: "A".to_owned(),
                transaction_id: 1,
                response_code: 0,
                records: vec![DnsRecord::Address("192.0.2.7".parse().unwrap())],
                server: None,
                cut: false,
            }),
        ));
        let connect = SocketConnect {
            transport: Transport::Tcp,
            remote: Endpoint::Inet("192.0.2.7:443".parse().unwrap()),
            local: None,
            descriptor: 3,
            handle: 9,
            preexisting: false,
            code_origin: None,
        };
        let begun = EventBody::SocketConnect(connect.clone());
        let line = plain(&lines.line(&event(Outcome::InProgress, begun), None).unwrap());
        assert!(line.ends_with(">  socket_connect    tcp 192.0.2.7:443 (ads.example)"), "{line}");
        for (confidence, wanted) in [
            (CodeConfidence::Caller, " by code of libtracker.so+0x1139"),
            (CodeConfidence::Frames, " by code that libtracker.so+0x1139 called (frame pointers)"),
            (CodeConfidence::Leaf, ""),
        ] {
            let (file, offset) = ("/lib/libtracker.so".to_owned(), 0x1139);
            let origin = CodeOrigin { file, build_id: None, offset, depth: 1, confidence };
            let connect = SocketConnect { code_origin: Some(Box::new(origin)), ..connect.clone() };
            let line = plain(&lines.line(&event(Outcome::Ok, EventBody::SocketConnect(connect)), None).unwrap());
            assert!(line.ends_with(&format!("tcp 192.0.2.7:443 (ads.example){wanted}")), "{line}");
        }
    }

    #[test]
    fn bytes_have_units() {
        assert_eq!(
            [bytes(0), bytes(1023), bytes(1536), bytes(u64::MAX)],
            ["0 B", "1023 B", "1.5 KiB", "16777215.9 TiB"]
        );
    }

    #[test]
    fn an_access_of_a_provider_says_what_was_asked_of_whom_and_what_came_back() {
        let mut access = ProviderAccess {
            method: ProviderMethod::Query,
            authority: "com.android.contacts".to_owned(),
            android_user: None,
            uri: Some("content://com.android.contacts/data/phones".to_owned()),
            projection: vec!["display_name".to_owned(), "data1".to_owned()],
            selection: Some("mimetype=?".to_owned()),
            selection_arguments: Vec::new(),
            sort_order: None,
            values: Vec::new(),
            call_method: None,
            call_argument: None,
            open_mode: None,
            operations: None,
            result_columns: Vec::new(),
            result_rows: Some(3),
            transaction: BinderTransaction::default(),
        };
        access.transaction.owner.app.package = Some("com.android.providers.contacts".to_owned());
        let line = |outcome, access: &ProviderAccess| {
            let entry = event(outcome, access.clone().into());
            plain(&EventLines::default().line(&entry, None).unwrap())
        };
        let told = line(Outcome::Ok, &access);
        let wanted = "+  provider_access   query content://com.android.contacts/data/phones [display_name, data1] \
                      where mimetype=? -> 3 rows, served by com.android.providers.contacts";
        assert!(told.ends_with(wanted), "{told}");
        access.result_rows = None;
        access.transaction.exception = Some(-1);
        let told = line(Outcome::Denied(0), &access);
        assert!(told.contains("  !  provider_access") && told.ends_with("(security exception)  (denied)"), "{told}");
    }

    #[test]
    fn a_call_of_a_service_says_where_its_name_comes_from() {
        let mut call = ServiceCall {
            service: Some("location".to_owned()),
            method: Some("getLastLocation".to_owned()),
            method_source: MethodSource::DeviceDex,
            method_table: String::new(),
            arguments: vec![ServiceArgument { name: "provider".to_owned(), value: "gps".to_owned() }],
            result_count: None,
            transaction: BinderTransaction { code: 7, ..BinderTransaction::default() },
        };
        let line = |call: &ServiceCall| {
            let entry = event(Outcome::Ok, call.clone().into());
            plain(&EventLines::default().line(&entry, None).unwrap())
        };
        assert!(line(&call).ends_with("service_call      location getLastLocation(provider=gps)"), "{}", line(&call));
        call.method_source = MethodSource::Shipped;
        assert!(line(&call).ends_with("getLastLocation(provider=gps) (name from a shipped table)"), "{}", line(&call));
        call.method = None;
        call.method_source = MethodSource::Unknown;
        assert!(line(&call).ends_with("location code 7(provider=gps)"), "{}", line(&call));
        call.transaction.owner.user_id = Some(1000);
        assert!(line(&call).ends_with("code 7(provider=gps), served by uid 1000"), "{}", line(&call));
    }
}
