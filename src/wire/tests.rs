//! Round trips by property, and the refusals by example.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{WireError, proto, strategies};
use crate::event::{self, EventKind, StreamEntry};

/// Domain to wire to bytes to wire to domain; and domain to JSON to domain.
fn round_trip<D, W>(value: &D) -> Result<(), TestCaseError>
where
    D: PartialEq + std::fmt::Debug + Serialize + DeserializeOwned + TryFrom<W, Error = WireError>,
    W: for<'a> From<&'a D> + Message + Default + PartialEq + std::fmt::Debug,
{
    let wire = W::from(value);
    let decoded = W::decode(wire.encode_to_vec().as_slice()).expect("its own bytes");
    prop_assert_eq!(&decoded, &wire);
    prop_assert_eq!(&D::try_from(decoded).expect("its own message"), value);

    let json = serde_json::to_string(value).expect("every domain type has a JSON form");
    prop_assert_eq!(&serde_json::from_str::<D>(&json).expect("its own JSON"), value);
    Ok(())
}

macro_rules! round_trips {
    ($($test:ident: $strategy:expr, $domain:ty => $wire:ty;)*) => {
        proptest! { $(
            #[test]
            fn $test(value in $strategy) {
                round_trip::<$domain, $wire>(&value)?;
            }
        )* }
    };
}

round_trips! {
    stream_entries_survive: strategies::stream_entry(), StreamEntry => proto::StreamEntry;
    headers_survive: strategies::session_header(), event::SessionHeader => proto::SessionHeader;
    devices_survive: strategies::device_info(), event::DeviceInfo => proto::DeviceInfo;
    clock_anchors_survive: strategies::clock_anchor(), event::ClockAnchor => proto::ClockAnchor;
    selections_survive: strategies::selection(), event::Selection => proto::Selection;
    probe_statuses_survive: strategies::probe_status(), event::ProbeStatus => proto::ProbeStatus;
    package_lists_survive: strategies::package_list(), event::PackageList => proto::PackageList;
    gaps_survive: strategies::gap(), event::Gap => proto::Gap;
    totals_survive: strategies::totals(), event::Totals => proto::Totals;
    ends_survive: strategies::session_end(), event::SessionEnd => proto::SessionEnd;
    event_filters_survive: strategies::event_filter(), event::EventFilter => proto::EventFilter;
    watch_conditions_survive: strategies::watch_condition(), event::WatchCondition => proto::WatchCondition;
    watch_news_survives: strategies::watch_news(), event::WatchNews => proto::WatchResponse;
    endpoints_survive: strategies::endpoint(), event::Endpoint => proto::Endpoint;
    process_keys_survive: strategies::process_key(), event::ProcessKey => proto::ProcessKey;
}

/// Every kind gets its own run, so that none depends on being drawn from among the others.
#[test]
fn events_of_every_kind_survive() {
    for kind in EventKind::ALL {
        proptest!(ProptestConfig::with_cases(64), |(event in strategies::event_of(*kind))| {
            prop_assert_eq!(event.kind(), *kind);
            round_trip::<event::Event, proto::Event>(&event)?;
        });
    }
}

proptest! {
    /// Random bytes are rarely a message; see the next test for those that are.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..512)) {
        if let Ok(message) = proto::StreamEntry::decode(bytes.as_slice()) {
            let _ = StreamEntry::try_from(message);
        }
    }

    /// One byte of a real message is changed: most of these still decode, with other fields and numbers.
    #[test]
    fn a_damaged_message_never_panics(
        entry in strategies::stream_entry(), position in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = proto::StreamEntry::from(&entry).encode_to_vec();
        let position = position.index(bytes.len());
        bytes[position] = byte;
        if let Ok(message) = proto::StreamEntry::decode(bytes.as_slice()) {
            let _ = StreamEntry::try_from(message);
        }
    }

    /// What a later version adds is skipped, not refused.
    #[test]
    fn unknown_fields_are_skipped(event in strategies::event(), number in 200_u32..5000, value in any::<u64>()) {
        let mut bytes = proto::Event::from(&event).encode_to_vec();
        prost::encoding::uint64::encode(number, &value, &mut bytes);
        let decoded = proto::Event::decode(bytes.as_slice()).expect("an unknown field");
        prop_assert_eq!(event::Event::try_from(decoded).expect("an unknown field"), event);
    }
}

/// A message with every required field.
fn sample() -> proto::Event {
    proto::Event {
        sequence: 7,
        process: Some(proto::ProcessRef {
            key: Some(proto::ProcessKey { pid: 4321, start_ns: 20_000_000 }),
            name: "com.example".to_owned(),
            executable: String::new(),
        }),
        phase: "unmarked".to_owned(),
        probe: proto::ProbeId::Procfs.into(),
        body: Some(proto::event::Body::FileUnlink(proto::FileUnlink { path: "/a".to_owned(), directory: false })),
        ..proto::Event::default()
    }
}

/// The refusal of the sample after a change.
fn refusal(change: impl FnOnce(&mut proto::Event)) -> String {
    let mut message = sample();
    change(&mut message);
    event::Event::try_from(message).expect_err("the change takes away the meaning").to_string()
}

#[test]
fn absent_optional_messages_have_their_documented_meaning() {
    let event = event::Event::try_from(sample()).unwrap();
    assert_eq!(event.app, event::App::default());
    assert_eq!(event.outcome, event::Outcome::Unknown);
    assert_eq!(event.fidelity, event::Fidelity::Faithful);
    assert_eq!(event.process.executable, None);
    assert_eq!(proto::Event::from(&event).app, None);
}

#[test]
fn refusals_name_message_and_field() {
    assert_eq!(refusal(|event| event.process = None), "Event.process is missing");
    assert_eq!(refusal(|event| event.process.as_mut().unwrap().key = None), "ProcessRef.key is missing");
    assert_eq!(refusal(|event| event.body = None), "Event.body is missing");
    assert_eq!(refusal(|event| event.probe = 0), "Event.probe is missing");
    assert_eq!(
        refusal(|event| event.probe = 77),
        "Event.probe: ProbeId 77 is not known to this version; use a newer one"
    );
    assert_eq!(refusal(|event| event.hints = vec![1, 0]), "Event.hints is missing");
    assert!(refusal(|event| event.phase = "Not A Phase".to_owned()).starts_with("Event.phase: \"Not A Phase\" is not"));
    assert_eq!(
        refusal(|event| event.outcome = Some(proto::Outcome { kind: 1, errno: 13 })),
        "Outcome.errno is set, but nothing was denied or failed"
    );
    assert_eq!(
        refusal(|event| event.outcome = Some(proto::Outcome { kind: 12, errno: 0 })),
        "Outcome.kind: OutcomeKind 12 is not known to this version; use a newer one"
    );
    assert_eq!(
        refusal(|event| {
            event.body = Some(proto::event::Body::ProcessStart(proto::ProcessStart {
                parent_pid: None,
                parent_start_ns: 10_000_000,
                preexisting: false,
            }));
        }),
        "ProcessStart.parent_pid is missing"
    );
}

fn endpoint(form: proto::endpoint::Form) -> Result<event::Endpoint, WireError> {
    proto::Endpoint { form: Some(form) }.try_into()
}

fn inet(address: &str, port: u32) -> Result<event::Endpoint, WireError> {
    endpoint(proto::endpoint::Form::Inet(proto::InetEndpoint { address: address.to_owned(), port }))
}

#[test]
fn endpoints_are_checked_and_made_canonical() {
    assert_eq!(inet("::ffff:192.0.2.1", 443).unwrap().to_string(), "192.0.2.1:443");
    assert_eq!(inet("192.0.2.1", 65_536).unwrap_err().to_string(), "InetEndpoint.port: 65536 is more than 65535");
    assert_eq!(
        inet("example.com", 80).unwrap_err().to_string(),
        "InetEndpoint.address: \"example.com\" is neither an IPv4 nor an IPv6 address"
    );
    assert_eq!(
        endpoint(proto::endpoint::Form::UnixUnnamed(false)).unwrap_err().to_string(),
        "Endpoint.unix_unnamed is false, which has no meaning"
    );
    assert_eq!(
        endpoint(proto::endpoint::Form::OtherFamily(70_000)).unwrap_err().to_string(),
        "Endpoint.other_family: 70000 is more than 65535"
    );
}

#[test]
fn mapped_addresses_are_written_as_ipv4() {
    let mapped = event::Endpoint::Inet("[::ffff:192.0.2.1]:443".parse().unwrap());
    let wire = proto::Endpoint::from(&mapped);
    let expected = proto::InetEndpoint { address: "192.0.2.1".to_owned(), port: 443 };
    assert_eq!(wire.form, Some(proto::endpoint::Form::Inet(expected)));
}

#[test]
fn an_end_without_a_form_is_unknown_where_it_may_be_and_missing_where_not() {
    let connect = |remote: Option<proto::Endpoint>| proto::SocketConnect {
        transport: proto::Transport::Tcp.into(),
        remote,
        local: Some(proto::Endpoint { form: None }),
        ..proto::SocketConnect::default()
    };
    let known = proto::Endpoint { form: Some(proto::endpoint::Form::UnixUnnamed(true)) };
    assert_eq!(event::SocketConnect::try_from(connect(Some(known))).unwrap().local, None);
    for remote in [None, Some(proto::Endpoint { form: None })] {
        let error = event::SocketConnect::try_from(connect(remote)).unwrap_err();
        assert_eq!(error.to_string(), "SocketConnect.remote is missing");
    }
}

#[test]
fn hints_are_sorted_and_given_once() {
    let mut message = sample();
    message.hints = vec![3, 1, 3];
    let event = event::Event::try_from(message).unwrap();
    let reasons = vec![event::FidelityReason::UserMemory, event::FidelityReason::Sampled];
    assert_eq!(event.fidelity, event::Fidelity::Hint(reasons));

    let unsorted = vec![event::FidelityReason::Sampled, event::FidelityReason::UserMemory];
    let event = event::Event { fidelity: event::Fidelity::Hint(unsorted), ..event };
    assert_eq!(proto::Event::from(&event).hints, vec![1, 3]);
}

#[test]
fn a_stage_named_twice_is_refused() {
    let stage = proto::StageTotals { stage: 1, ..proto::StageTotals::default() };
    let totals = proto::Totals { stages: vec![stage.clone(), stage], ..proto::Totals::default() };
    assert_eq!(event::Totals::try_from(totals).unwrap_err().to_string(), "Totals.stages names a stage twice");
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    let query = proto::DnsQuery { transaction_id: 65_536, ..proto::DnsQuery::default() };
    assert_eq!(
        event::DnsQuery::try_from(query).unwrap_err().to_string(),
        "DnsQuery.transaction_id: 65536 is more than 65535"
    );
    let answer = proto::DnsAnswer { response_code: 256, ..proto::DnsAnswer::default() };
    assert_eq!(
        event::DnsAnswer::try_from(answer).unwrap_err().to_string(),
        "DnsAnswer.response_code: 256 is more than 255"
    );
}

#[test]
fn a_key_that_was_not_rounded_is_rounded() {
    let key = event::ProcessKey::try_from(proto::ProcessKey { pid: 5, start_ns: 29_999_999 }).unwrap();
    assert_eq!(key, event::ProcessKey { pid: 5, start_ns: 20_000_000 });
}

#[test]
fn json_refuses_unknown_fields() {
    let error = serde_json::from_str::<event::ClockAnchor>(r#"{"boot_ns":1,"wall_ns":2,"extra":3}"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `extra`"), "{error}");
}
