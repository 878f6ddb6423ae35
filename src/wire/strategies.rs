//! Arbitrary domain values, for the property tests of the whole crate.
//!
//! The values are those a well-behaved producer makes: keys are rounded, addresses are canonical, an optional text that
//! is present is not empty, reasons are sorted. Everything else is arbitrary, also where no kernel would produce it.

use std::net::SocketAddr;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::event::*;

/// Any text, also empty, with characters of every length in UTF-8.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[ -~]{0,24}", 1 => any::<String>()]
}

/// Text that is absent or not empty.
fn optional_text() -> impl Strategy<Value = Option<String>> {
    option::of(prop_oneof!["/[ -~]{0,24}", "[a-zé中]{1,8}"])
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    select(all)
}

/// Numbers with the ends of the range, which protobuf encodes at other lengths.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..1000_u64, Just(u64::MAX)]
}

/// A phase name.
pub(crate) fn phase() -> impl Strategy<Value = Phase> {
    "[a-z][a-z0-9_-]{0,63}".prop_map(|name| Phase::try_from(name).expect("the pattern is that of a phase"))
}

/// A process key, rounded.
pub(crate) fn process_key() -> impl Strategy<Value = ProcessKey> {
    (any::<u32>(), number()).prop_map(|(pid, start_ns)| ProcessKey::new(pid, start_ns))
}

/// One end of a socket.
pub(crate) fn endpoint() -> impl Strategy<Value = Endpoint> {
    prop_oneof![
        (any::<std::net::IpAddr>(), any::<u16>())
            .prop_map(|(address, port)| Endpoint::Inet(SocketAddr::new(address.to_canonical(), port))),
        text().prop_map(Endpoint::UnixPath),
        text().prop_map(Endpoint::UnixAbstract),
        Just(Endpoint::UnixUnnamed),
        any::<u16>().prop_map(Endpoint::Other),
    ]
}

fn code_origin() -> impl Strategy<Value = CodeOrigin> {
    (text(), optional_text(), number(), any::<u32>(), one_of(CodeConfidence::ALL)).prop_map(
        |(file, build_id, offset, depth, confidence)| CodeOrigin { file, build_id, offset, depth, confidence },
    )
}

fn transport() -> impl Strategy<Value = Transport> {
    one_of(&[Transport::Tcp, Transport::Udp, Transport::UnixStream, Transport::UnixDatagram, Transport::Other])
}

fn fidelity() -> impl Strategy<Value = Fidelity> {
    btree_set(one_of(FidelityReason::ALL), 0..=FidelityReason::ALL.len()).prop_map(|reasons| {
        if reasons.is_empty() { Fidelity::Faithful } else { Fidelity::Hint(reasons.into_iter().collect()) }
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Ok),
        Just(Outcome::InProgress),
        any::<i32>().prop_map(Outcome::Denied),
        any::<i32>().prop_map(Outcome::Failed),
        Just(Outcome::Unknown),
    ]
}

/// A body of the given kind. Exhaustive, so that a new kind does not compile until it has a strategy.
pub(crate) fn body_of(kind: EventKind) -> BoxedStrategy<EventBody> {
    match kind {
        EventKind::ProcessStart => (option::of(process_key()), any::<bool>())
            .prop_map(|(parent, preexisting)| EventBody::ProcessStart(ProcessStart { parent, preexisting }))
            .boxed(),
        EventKind::ProcessExec => (text(), optional_text(), vec(text(), 0..4), any::<bool>())
            .prop_map(|(path, requested_path, arguments, arguments_cut)| {
                EventBody::ProcessExec(ProcessExec { path, requested_path, arguments, arguments_cut })
            })
            .boxed(),
        EventKind::ProcessExit => (any::<Option<i32>>(), any::<Option<i32>>())
            .prop_map(|(status, signal)| EventBody::ProcessExit(ProcessExit { status, signal }))
            .boxed(),
        EventKind::ProcessImportance => (one_of(Importance::ALL), any::<i32>())
            .prop_map(|(importance, oom_score_adj)| {
                EventBody::ProcessImportance(ProcessImportance { importance, oom_score_adj })
            })
            .boxed(),
        EventKind::ProcessName => text().prop_map(|name| EventBody::ProcessName(ProcessName { name })).boxed(),
        EventKind::BlindSpot => {
            one_of(BlindSpotKind::ALL).prop_map(|what| EventBody::BlindSpot(BlindSpot { what })).boxed()
        }
        EventKind::FileOpen => file_open().prop_map(EventBody::FileOpen).boxed(),
        EventKind::FileTotals => file_totals().prop_map(EventBody::FileTotals).boxed(),
        EventKind::FileRename => {
            (text(), text()).prop_map(|(from, to)| EventBody::FileRename(FileRename { from, to })).boxed()
        }
        EventKind::FileUnlink => (text(), any::<bool>())
            .prop_map(|(path, directory)| EventBody::FileUnlink(FileUnlink { path, directory }))
            .boxed(),
        EventKind::SocketConnect => (
            transport(),
            endpoint(),
            option::of(endpoint()),
            any::<i32>(),
            number(),
            any::<bool>(),
            option::of(code_origin()),
        )
            .prop_map(|(transport, remote, local, descriptor, handle, preexisting, code_origin)| {
                EventBody::SocketConnect(SocketConnect {
                    transport,
                    remote,
                    local,
                    descriptor,
                    handle,
                    preexisting,
                    code_origin: code_origin.map(Box::new),
                })
            })
            .boxed(),
        EventKind::SocketBind => (transport(), endpoint(), any::<i32>(), number())
            .prop_map(|(transport, local, descriptor, handle)| {
                EventBody::SocketBind(SocketBind { transport, local, descriptor, handle })
            })
            .boxed(),
        EventKind::SocketListen => {
            (transport(), option::of(endpoint()), any::<i32>(), number(), any::<i32>(), any::<bool>())
                .prop_map(|(transport, local, descriptor, handle, backlog, preexisting)| {
                    EventBody::SocketListen(SocketListen { transport, local, descriptor, handle, backlog, preexisting })
                })
                .boxed()
        }
        EventKind::SocketAccept => (transport(), endpoint(), option::of(endpoint()), any::<i32>(), number())
            .prop_map(|(transport, remote, local, descriptor, handle)| {
                EventBody::SocketAccept(SocketAccept { transport, remote, local, descriptor, handle })
            })
            .boxed(),
        EventKind::SocketTotals => socket_totals().prop_map(EventBody::SocketTotals).boxed(),
        EventKind::DnsQuery => (text(), text(), any::<u16>(), option::of(endpoint()))
            .prop_map(|(name, record_type, transaction_id, server)| {
                EventBody::DnsQuery(DnsQuery { name, record_type, transaction_id, server })
            })
            .boxed(),
        EventKind::DnsAnswer => dns_answer().prop_map(EventBody::DnsAnswer).boxed(),
        EventKind::TlsClientHello => {
            (option::of(text()), vec(text(), 0..3), any::<bool>(), option::of(endpoint()), number(), any::<bool>())
                .prop_map(|(server_name, protocols, encrypted_client_hello, remote, handle, cut)| {
                    EventBody::TlsClientHello(TlsClientHello {
                        server_name,
                        protocols,
                        encrypted_client_hello,
                        remote,
                        handle,
                        cut,
                    })
                })
                .boxed()
        }
        EventKind::HttpRequest => (text(), option::of(text()), text(), option::of(endpoint()), number())
            .prop_map(|(method, host, path, remote, handle)| {
                EventBody::HttpRequest(HttpRequest { method, host, path, remote, handle })
            })
            .boxed(),
        EventKind::ProviderAccess => provider_access().prop_map(EventBody::from).boxed(),
        EventKind::ServiceCall => service_call().prop_map(EventBody::from).boxed(),
        EventKind::PackageChange => {
            (text(), any::<u32>(), one_of(PackageChangeKind::ALL), any::<Option<i64>>(), text(), any::<bool>())
                .prop_map(|(package, user_id, change, version_code, data_directory, traced)| {
                    EventBody::PackageChange(PackageChange {
                        package,
                        user_id,
                        change,
                        version_code,
                        data_directory,
                        traced,
                    })
                })
                .boxed()
        }
        EventKind::PhaseMark => {
            (phase(), text()).prop_map(|(phase, note)| EventBody::PhaseMark(PhaseMark { phase, note })).boxed()
        }
    }
}

fn app() -> impl Strategy<Value = App> {
    (optional_text(), vec(text(), 0..3)).prop_map(|(package, candidates)| App { package, candidates })
}

fn value_shape() -> impl Strategy<Value = ValueShape> {
    (text(), text(), option::of(number())).prop_map(|(name, kind, length)| ValueShape { name, kind, length })
}

fn binder_transaction() -> impl Strategy<Value = BinderTransaction> {
    let owner = (process_key(), text(), option::of(any::<u32>()), app())
        .prop_map(|(process, name, user_id, app)| BinderOwner { process, name, user_id, app });
    let caller = (text(), option::of(any::<u32>()), option::of(text()))
        .prop_map(|(package, user_id, attribution_tag)| NamedCaller { package, user_id, attribution_tag });
    (
        (number(), text(), any::<u32>(), any::<bool>(), owner),
        (vec(caller, 0..3), number(), any::<bool>(), option::of(text()), option::of(any::<i32>())),
    )
        .prop_map(
            |(
                (debug_id, interface, code, one_way, owner),
                (named_callers, parcel_size, cut, decode_error, exception),
            )| {
                BinderTransaction {
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
                }
            },
        )
}

fn provider_access() -> impl Strategy<Value = ProviderAccess> {
    let texts = || vec(text(), 0..3);
    let shapes = || vec(value_shape(), 0..3);
    (
        (one_of(ProviderMethod::ALL), text(), option::of(any::<u32>()), option::of(text()), texts()),
        (option::of(text()), shapes(), option::of(text()), shapes(), option::of(text())),
        (option::of(text()), option::of(text()), option::of(any::<u32>()), texts(), option::of(any::<u32>())),
        binder_transaction(),
    )
        .prop_map(
            |(
                (method, authority, android_user, uri, projection),
                (selection, selection_arguments, sort_order, values, call_method),
                (call_argument, open_mode, operations, result_columns, result_rows),
                transaction,
            )| ProviderAccess {
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
            },
        )
}

fn service_call() -> impl Strategy<Value = ServiceCall> {
    let argument = (text(), text()).prop_map(|(name, value)| ServiceArgument { name, value });
    (
        option::of(text()),
        option::of(text()),
        one_of(MethodSource::ALL),
        text(),
        vec(argument, 0..3),
        option::of(any::<u32>()),
        binder_transaction(),
    )
        .prop_map(|(service, method, method_source, method_table, arguments, result_count, transaction)| {
            ServiceCall { service, method, method_source, method_table, arguments, result_count, transaction }
        })
}

fn file_open() -> impl Strategy<Value = FileOpen> {
    (
        text(),
        optional_text(),
        one_of(&[OpenAccess::Read, OpenAccess::Write, OpenAccess::ReadWrite, OpenAccess::PathOnly]),
        any::<u32>(),
        any::<Option<i32>>(),
        number(),
        any::<bool>(),
        any::<bool>(),
        option::of(number()),
    )
        .prop_map(|(path, requested_path, access, flags, descriptor, handle, preexisting, path_cut, inode)| {
            FileOpen { path, requested_path, access, flags, descriptor, handle, preexisting, path_cut, inode }
        })
}

fn file_totals() -> impl Strategy<Value = FileTotals> {
    (text(), any::<i32>(), number(), number(), number(), number(), number(), any::<bool>(), any::<bool>()).prop_map(
        |(path, descriptor, handle, bytes_read, bytes_written, read_calls, write_calls, mapped, closed)| FileTotals {
            path,
            descriptor,
            handle,
            bytes_read,
            bytes_written,
            read_calls,
            write_calls,
            mapped,
            closed,
        },
    )
}

fn socket_totals() -> impl Strategy<Value = SocketTotals> {
    (
        transport(),
        option::of(endpoint()),
        option::of(endpoint()),
        any::<i32>(),
        number(),
        (number(), number(), number(), number()),
        any::<bool>(),
    )
        .prop_map(
            |(
                transport,
                remote,
                local,
                descriptor,
                handle,
                (bytes_sent, bytes_received, send_calls, receive_calls),
                closed,
            )| SocketTotals {
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
            },
        )
}

fn dns_answer() -> impl Strategy<Value = DnsAnswer> {
    let record = prop_oneof![any::<std::net::IpAddr>().prop_map(DnsRecord::Address), text().prop_map(DnsRecord::Alias)];
    (text(), text(), any::<u16>(), any::<u8>(), vec(record, 0..4), option::of(endpoint()), any::<bool>()).prop_map(
        |(name, record_type, transaction_id, response_code, records, server, cut)| DnsAnswer {
            name,
            record_type,
            transaction_id,
            response_code,
            records,
            server,
            cut,
        },
    )
}

/// An event of any kind.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    one_of(EventKind::ALL).prop_flat_map(event_of)
}

/// An event of the given kind.
pub(crate) fn event_of(kind: EventKind) -> impl Strategy<Value = Event> {
    let process = (process_key(), text(), optional_text()).prop_map(|(key, name, executable)| ProcessRef {
        key,
        name,
        executable,
    });
    let app = (optional_text(), vec(text(), 0..3)).prop_map(|(package, candidates)| App { package, candidates });
    (
        (number(), number()),
        process,
        any::<u32>(),
        any::<u32>(),
        app,
        phase(),
        one_of(ProbeId::ALL),
        fidelity(),
        outcome(),
        body_of(kind),
    )
        .prop_map(
            |((sequence, time_ns), process, thread_id, user_id, app, phase, probe, fidelity, outcome, body)| Event {
                sequence,
                time_ns,
                process,
                thread_id,
                user_id,
                app,
                phase,
                probe,
                fidelity,
                outcome,
                body,
            },
        )
}

/// What a probe gives for a family.
pub(crate) fn probe_status() -> impl Strategy<Value = ProbeStatus> {
    (one_of(ProbeId::ALL), one_of(Family::ALL), one_of(ProbeState::ALL), text())
        .prop_map(|(probe, family, state, reason)| ProbeStatus { probe, family, state, reason })
}

/// Two clocks.
pub(crate) fn clock_anchor() -> impl Strategy<Value = ClockAnchor> {
    (number(), number()).prop_map(|(boot_ns, wall_ns)| ClockAnchor { boot_ns, wall_ns })
}

/// A device.
pub(crate) fn device_info() -> impl Strategy<Value = DeviceInfo> {
    (text(), text(), text(), text(), text(), any::<bool>()).prop_map(
        |(kernel_release, architecture, boot_id, name, daemon_version, kernel_btf)| DeviceInfo {
            kernel_release,
            architecture,
            boot_id,
            name,
            daemon_version,
            kernel_btf,
        },
    )
}

/// A selection; may be empty.
pub(crate) fn selection() -> impl Strategy<Value = Selection> {
    (btree_set(any::<u32>(), 0..4), btree_set(any::<u32>(), 0..4), btree_set(text(), 0..3))
        .prop_map(|(user_ids, process_trees, packages)| Selection { user_ids, process_trees, packages })
}

/// A package list.
pub(crate) fn package_list() -> impl Strategy<Value = PackageList> {
    let entry = (text(), any::<u32>(), text(), any::<Option<i64>>()).prop_map(
        |(package, user_id, data_directory, version_code)| PackageEntry {
            package,
            user_id,
            data_directory,
            version_code,
        },
    );
    (vec(entry, 0..3), text(), any::<u32>()).prop_map(|(packages, read_error, bad_lines)| PackageList {
        packages,
        read_error,
        bad_lines,
    })
}

/// The header of a stream.
pub(crate) fn session_header() -> impl Strategy<Value = SessionHeader> {
    (text(), text(), device_info(), clock_anchor(), selection(), phase(), vec(probe_status(), 0..4), package_list())
        .prop_map(|(session_id, label, device, started, selection, initial_phase, probes, packages)| SessionHeader {
            session_id,
            label,
            device,
            started,
            selection,
            initial_phase,
            probes,
            packages,
        })
}

/// A gap.
pub(crate) fn gap() -> impl Strategy<Value = Gap> {
    (
        one_of(Stage::ALL),
        text(),
        number(),
        vec(one_of(Family::ALL), 0..3),
        option::of(number()),
        option::of(number()),
        number(),
        number(),
    )
        .prop_map(|(stage, reason, count, families, first_sequence, last_sequence, from_ns, to_ns)| Gap {
            stage,
            reason,
            count,
            families,
            first_sequence,
            last_sequence,
            from_ns,
            to_ns,
        })
}

/// An account; does not add up.
pub(crate) fn totals() -> impl Strategy<Value = Totals> {
    let stage = (number(), number(), number(), btree_map(text(), number(), 0..3))
        .prop_map(|(produced, delivered, filtered, dropped)| StageTotals { produced, delivered, filtered, dropped });
    let program = (text(), number(), number(), number(), number(), number()).prop_map(
        |(program, seen, submitted, filtered, aggregated, lost)| ProgramCounters {
            program,
            seen,
            submitted,
            filtered,
            aggregated,
            lost,
        },
    );
    (number(), number(), btree_map(one_of(Stage::ALL), stage, 0..4), vec(program, 0..3)).prop_map(
        |(time_ns, events, stages, programs)| Totals { time_ns, events, loss: LossTotals { stages, programs } },
    )
}

/// The end of a stream.
pub(crate) fn session_end() -> impl Strategy<Value = SessionEnd> {
    (one_of(SessionEndReason::ALL), totals(), vec(probe_status(), 0..4), vec(self_test(), 0..3))
        .prop_map(|(reason, totals, probes, self_tests)| SessionEnd { reason, totals, probes, self_tests })
}

/// What came of a self-test.
pub(crate) fn self_test() -> impl Strategy<Value = SelfTest> {
    let result = (one_of(Family::ALL), one_of(SelfTestState::ALL), option::of(number()), text())
        .prop_map(|(family, state, latency_ns, reason)| SelfTestResult { family, state, latency_ns, reason });
    (one_of(SelfTestMoment::ALL), number(), vec(result, 0..4)).prop_map(|(moment, time_ns, results)| SelfTest {
        moment,
        time_ns,
        results,
    })
}

/// A change of the clocks.
pub(crate) fn clock_change() -> impl Strategy<Value = ClockChange> {
    (clock_anchor(), number(), any::<i64>()).prop_map(|(now, slept_ns, wall_step_ns)| ClockChange {
        now,
        slept_ns,
        wall_step_ns,
    })
}

/// Any entry, events more often than the others.
pub(crate) fn stream_entry() -> impl Strategy<Value = StreamEntry> {
    // Boxed: side by side, the strategies of all entries are more than a test thread's stack holds.
    prop_oneof![
        1 => session_header().prop_map(|header| StreamEntry::Header(Box::new(header))).boxed(),
        4 => event().prop_map(|event| StreamEntry::Event(Box::new(event))).boxed(),
        1 => gap().prop_map(StreamEntry::Gap).boxed(),
        1 => totals().prop_map(|totals| StreamEntry::Totals(Box::new(totals))).boxed(),
        1 => session_end().prop_map(|end| StreamEntry::End(Box::new(end))).boxed(),
        1 => self_test().prop_map(|test| StreamEntry::SelfTest(Box::new(test))).boxed(),
        1 => clock_change().prop_map(StreamEntry::ClockChange).boxed(),
    ]
}

/// A filter of events; not necessarily one that is taken.
pub(crate) fn event_filter() -> impl Strategy<Value = EventFilter> {
    (
        btree_set(one_of(Family::ALL), 0..3),
        btree_set(one_of(EventKind::ALL), 0..3),
        btree_set(any::<u32>(), 0..3),
        btree_set(text(), 0..3),
        btree_set(phase(), 0..3),
        btree_set(one_of(OutcomeClass::ALL), 0..3),
        (vec(text(), 0..3), vec(text(), 0..3)),
        btree_set(text(), 0..3),
        option::of(one_of(Severity::ALL)),
    )
        .prop_map(
            |(
                families,
                kinds,
                user_ids,
                packages,
                phases,
                outcomes,
                (path_patterns, name_patterns),
                data_types,
                minimum_severity,
            )| EventFilter {
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
            },
        )
}

/// A condition of a watch; not necessarily one that is taken.
pub(crate) fn watch_condition() -> impl Strategy<Value = WatchCondition> {
    let when = prop_oneof![
        vec(text(), 0..3).prop_map(|known| WatchWhen::UnknownDomain { known }),
        (btree_set(text(), 0..3), btree_set(phase(), 0..3))
            .prop_map(|(data_types, phases)| WatchWhen::EarlyRead { data_types, phases }),
        Just(WatchWhen::EachEvent),
        (number(), number()).prop_map(|(count, within_ms)| WatchWhen::Threshold { count, within_ms }),
        Just(WatchWhen::SessionOver),
    ];
    (text(), event_filter(), number(), when).prop_map(|(id, filter, most_matches, when)| WatchCondition {
        id,
        filter,
        most_matches,
        when,
    })
}

/// What a watch tells.
pub(crate) fn watch_news() -> impl Strategy<Value = WatchNews> {
    let found =
        (text(), number(), option::of(event()), text(), vec(text(), 0..3), option::of(one_of(Severity::ALL)), number())
            .prop_map(|(condition_id, number, event, domain, data_types, severity, count)| WatchMatch {
                condition_id,
                number,
                event,
                domain,
                data_types,
                severity,
                count,
            });
    let end = (one_of(WatchEndReason::ALL), option::of(session_end()), number(), number())
        .prop_map(|(reason, session_end, events, gaps)| WatchEnd { reason, session_end, events, gaps });
    prop_oneof![
        found.prop_map(|found| WatchNews::Match(Box::new(found))),
        gap().prop_map(WatchNews::Gap),
        end.prop_map(|end| WatchNews::End(Box::new(end))),
    ]
}
