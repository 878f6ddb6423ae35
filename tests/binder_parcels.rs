//! Parcels of every release, written by an encoder of their own, through the decoder.
#![cfg(feature = "device")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod parcel_encoder;

use candor::device::decode::layout::SegmentTag;
use candor::device::decode::test_support::{RecordBuilder, Transaction};
use candor::device::decode::{Decoder, Observation};
use candor::event::{EventBody, NamedCaller, Outcome, ProviderAccess, ProviderMethod, ServiceCall, ValueShape};
use parcel_encoder::{Parcel, RELEASES, Release, Uri, Value};
use proptest::prelude::*;

const PROVIDER: &str = "android.content.IContentProvider";
const REPLY: u32 = 1;
const DEAD: u32 = 2;

fn request(parcel: &Parcel, code: u32, flags: u32) -> Vec<u8> {
    let size = parcel.bytes.len() as u64;
    let offsets: Vec<u8> = parcel.offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
    RecordBuilder::binder_transaction(Transaction { debug_id: 40, node: 9, code, flags, size })
        .segment(SegmentTag::Parcel, &parcel.bytes)
        .segment(SegmentTag::Offsets, &offsets)
        .build()
}

fn reply(parcel: &Parcel) -> Vec<u8> {
    RecordBuilder::binder_reply(40, REPLY, 0, parcel.bytes.len() as u64)
        .segment(SegmentTag::Parcel, &parcel.bytes)
        .build()
}

fn decoder(release: Release) -> Decoder {
    let mut decoder = Decoder::new();
    decoder.decode(&RecordBuilder::platform(release.api).build(), &mut Vec::new()).unwrap();
    decoder
}

/// One request and one reply make one observation.
fn decode(release: Release, asked: &[u8], answered: &[u8]) -> Observation {
    let mut decoder = decoder(release);
    let mut out = Vec::new();
    decoder.decode(asked, &mut out).unwrap();
    assert_eq!(out, [], "a request waits for its reply");
    decoder.decode(answered, &mut out).unwrap();
    assert_eq!(out.len(), 1, "{release:?}");
    assert_eq!(decoder.open_binder_calls(), 0);
    out.remove(0)
}

fn access(observation: Observation) -> ProviderAccess {
    match observation.body {
        EventBody::ProviderAccess(access) => *access,
        other => panic!("no provider access but {other:?}"),
    }
}

fn granted(release: Release) -> Vec<u8> {
    let mut parcel = Parcel::new(release);
    parcel.int(0).int(0);
    reply(&parcel)
}

fn uri(path: &str) -> Uri {
    Uri { authority: "com.android.contacts".to_owned(), path: path.to_owned(), query: None }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn shape(name: &str, kind: &str, length: Option<u64>) -> ValueShape {
    ValueShape { name: name.to_owned(), kind: kind.to_owned(), length }
}

fn callers(release: Release) -> Vec<NamedCaller> {
    let caller = |package: &str, uid, tag: Option<&str>| NamedCaller {
        package: package.to_owned(),
        user_id: (release.api >= 31).then_some(uid),
        attribution_tag: tag.filter(|_| release.api >= 30).map(str::to_owned),
    };
    let mut callers = vec![caller("com.example.app", 10_001, Some("sync"))];
    if release.api >= 31 {
        callers.push(caller("com.example.behind", 10_002, None));
    }
    callers
}

const CHAIN: &[(&str, u32, Option<&str>)] =
    &[("com.example.app", 10_001, Some("sync")), ("com.example.behind", 10_002, None)];

#[test]
fn a_query_of_every_release() {
    for release in RELEASES.iter().copied() {
        for built in [false, true] {
            let mut asked = Parcel::request(release, PROVIDER);
            asked.caller(CHAIN);
            let uri = Uri {
                authority: "10@com.android.contacts".to_owned(),
                path: "/data/phones".to_owned(),
                query: Some("limit=5".to_owned()),
            };
            if built {
                asked.built_uri(&uri);
            } else {
                asked.string_uri(&uri);
            }
            asked.texts16(&texts(&["display_name", "data1"]));
            asked.bundle(Some(&[
                ("android:query-arg-sql-selection".to_owned(), Value::Text("mimetype=? AND x='anna'".to_owned())),
                ("android:query-arg-sql-selection-args".to_owned(), Value::Texts(texts(&["phone"]))),
                ("android:query-arg-sql-sort-order".to_owned(), Value::Text("_id".to_owned())),
                ("android:query-arg-limit".to_owned(), Value::Int(5)),
            ]));
            asked.binder(0x5000).binder(0);
            let mut answered = Parcel::new(release);
            answered.int(0).int(1).handle(3).texts16(&texts(&["display_name", "data1"])).int(0).int(7).int(1);
            let observation = decode(release, &request(&asked, 1, 0x10), &reply(&answered));
            assert_eq!((observation.outcome, observation.process.pid, observation.user_id), (Outcome::Ok, 100, 10_001));
            let access = access(observation);
            assert_eq!(access.method, ProviderMethod::Query);
            assert_eq!((access.authority.as_str(), access.android_user), ("com.android.contacts", Some(10)));
            assert_eq!(
                access.uri.as_deref(),
                Some("content://10@com.android.contacts/data/phones?limit=*"),
                "{release:?}"
            );
            assert_eq!(access.projection, ["display_name", "data1"]);
            assert_eq!(access.selection.as_deref(), Some("mimetype=? AND x=?"));
            assert_eq!(access.selection_arguments, [shape("", "string", Some(5))]);
            assert_eq!(access.sort_order.as_deref(), Some("_id"));
            assert_eq!(access.values, [shape("android:query-arg-limit", "int", None)]);
            assert_eq!((access.result_columns.len(), access.result_rows), (2, Some(7)));
            let transaction = access.transaction;
            assert_eq!(transaction.named_callers, callers(release), "{release:?}");
            assert_eq!((transaction.interface.as_str(), transaction.code), (PROVIDER, 1));
            assert_eq!((transaction.cut, transaction.decode_error, transaction.exception), (false, None, Some(0)));
            assert_eq!((transaction.owner.process.pid, transaction.owner.user_id), (200, Some(10_200)));
        }
    }
}

#[test]
fn changes_of_every_release_tell_shapes_only() {
    let values = [
        ("data1".to_owned(), Value::Text("+49 30 1234".to_owned())),
        ("starred".to_owned(), Value::Bool(true)),
        ("photo".to_owned(), Value::Bytes(vec![1; 9])),
        ("version".to_owned(), Value::Long(1 << 40)),
        ("score".to_owned(), Value::Double(0.5)),
        ("note".to_owned(), Value::Null),
    ];
    let shapes = [
        shape("data1", "string", Some(11)),
        shape("starred", "boolean", None),
        shape("photo", "bytes", Some(9)),
        shape("version", "long", None),
        shape("score", "double", None),
        shape("note", "null", None),
    ];
    for release in RELEASES.iter().copied() {
        let mut insert = Parcel::request(release, PROVIDER);
        insert.caller(CHAIN).string_uri(&uri("/raw_contacts")).content_values(&values);
        if release.api >= 30 {
            insert.bundle(None);
        }
        let mut update = Parcel::request(release, PROVIDER);
        update.caller(CHAIN).string_uri(&uri("/raw_contacts")).content_values(&values);
        update.selection("_id=17", &texts(&["geheim"]));
        let mut delete = Parcel::request(release, PROVIDER);
        delete.caller(CHAIN).string_uri(&uri("/raw_contacts")).selection("_id=17", &texts(&["geheim"]));
        let mut bulk = Parcel::request(release, PROVIDER);
        bulk.caller(CHAIN).string_uri(&uri("/raw_contacts")).int(2).int(1).content_values(&values).int(1);
        bulk.content_values(&values);
        for (method, code, parcel) in [
            (ProviderMethod::Insert, 3, insert),
            (ProviderMethod::Update, 10, update),
            (ProviderMethod::Delete, 4, delete),
            (ProviderMethod::BulkInsert, 13, bulk),
        ] {
            let access = access(decode(release, &request(&parcel, code, 0x10), &granted(release)));
            assert_eq!((access.method, access.transaction.decode_error.as_deref()), (method, None), "{release:?}");
            assert_eq!(access.uri.as_deref(), Some("content://com.android.contacts/raw_contacts"));
            assert_eq!(access.transaction.named_callers, callers(release));
            if method != ProviderMethod::Delete {
                assert_eq!(access.values, shapes, "{release:?}");
            }
            if matches!(method, ProviderMethod::Update | ProviderMethod::Delete) {
                assert_eq!(access.selection.as_deref(), Some("_id=?"));
                assert_eq!(access.selection_arguments, [shape("", "string", Some(6))]);
            }
            assert_eq!(access.operations, (method == ProviderMethod::BulkInsert).then_some(2));
            let told = format!("{access:?}");
            assert!(!told.contains("1234") && !told.contains("geheim"), "{told}");
        }
    }
}

#[test]
fn files_calls_and_batches_of_every_release() {
    for release in RELEASES.iter().copied() {
        let mut open = Parcel::request(release, PROVIDER);
        open.caller(CHAIN).built_uri(&uri("/photo/1")).text16(Some("rw")).binder(0);
        let opened = access(decode(release, &request(&open, 14, 0x10), &granted(release)));
        assert_eq!((opened.method, opened.open_mode.as_deref()), (ProviderMethod::OpenFile, Some("rw")));
        assert_eq!(opened.uri.as_deref(), Some("content://com.android.contacts/photo/1"));

        let mut call = Parcel::request(release, PROVIDER);
        call.caller(CHAIN);
        if release.api >= 29 {
            call.text16(Some("settings"));
        }
        call.text16(Some("GET_secure")).text16(Some("android_id"));
        call.bundle(Some(&[("_track_generation".to_owned(), Value::Null)]));
        let called = access(decode(release, &request(&call, 21, 0x10), &granted(release)));
        assert_eq!((called.authority.as_str(), called.call_method.as_deref()), ("settings", Some("GET_secure")));
        assert_eq!(called.call_argument.as_deref(), Some("android_id"), "{release:?}");

        let mut private = Parcel::request(release, PROVIDER);
        private.caller(CHAIN);
        if release.api >= 29 {
            private.text16(Some("com.example.notes"));
        }
        private.text16(Some("find")).text16(Some("anna")).bundle(None);
        let called = access(decode(release, &request(&private, 21, 0x10), &granted(release)));
        assert_eq!((called.call_method.as_deref(), called.call_argument), (Some("find"), None));
        assert_eq!(called.values, [shape("argument", "string", Some(4))]);

        let mut batch = Parcel::request(release, PROVIDER);
        batch.caller(CHAIN);
        if release.api >= 29 {
            batch.text16(Some("com.android.contacts"));
        }
        batch.int(3).int(1).string_uri(&uri("/raw_contacts"));
        let applied = access(decode(release, &request(&batch, 20, 0x10), &granted(release)));
        assert_eq!((applied.operations, applied.authority.as_str()), (Some(3), "com.android.contacts"));

        let mut asked = Parcel::request(release, PROVIDER);
        if release.api >= 34 {
            asked.caller(CHAIN);
        }
        asked.string_uri(&uri("/contacts/1"));
        let typed = access(decode(release, &request(&asked, 2, 0x10), &granted(release)));
        assert_eq!(typed.uri.as_deref(), Some("content://com.android.contacts/contacts/1"), "{release:?}");
    }
}

#[test]
fn refusals_are_told_from_failures() {
    for release in RELEASES.iter().copied() {
        let mut asked = Parcel::request(release, PROVIDER);
        asked.caller(CHAIN).string_uri(&uri("/contacts")).int(0).bundle(None).binder(1).binder(0);
        let asked = request(&asked, 1, 0x12);
        let end = |write: &dyn Fn(&mut Parcel)| {
            let mut answered = Parcel::new(release);
            write(&mut answered);
            let observation = decode(release, &asked, &reply(&answered));
            let exception = access(observation.clone()).transaction.exception;
            (observation.outcome, exception)
        };
        let denied = |parcel: &mut Parcel| {
            parcel.int(-1).text16(Some("Permission Denial: reads com.android.contacts")).int(0);
        };
        assert_eq!(end(&denied), (Outcome::Denied(0), Some(-1)));
        let failed = |parcel: &mut Parcel| {
            parcel.int(-3).text16(Some("bad")).int(0);
        };
        assert_eq!(end(&failed), (Outcome::Failed(0), Some(-3)));
        if release.api >= 30 {
            let noted = |parcel: &mut Parcel| {
                parcel.noted_operations().int(0).int(0);
            };
            assert_eq!(end(&noted), (Outcome::Ok, Some(0)), "{release:?}");
            assert_eq!(end(&|parcel| denied(parcel.noted_operations())), (Outcome::Denied(0), Some(-1)), "{release:?}");
        }
        let strict = |parcel: &mut Parcel| {
            parcel.int(-128).int(8).int(0).int(0);
        };
        assert_eq!(end(&strict), (Outcome::Ok, Some(0)));
        assert_eq!(end(&|_| {}), (Outcome::Unknown, None), "an empty reply says nothing");

        let mut out = Vec::new();
        let mut decoder = decoder(release);
        decoder.decode(&asked, &mut out).unwrap();
        decoder.decode(&RecordBuilder::binder_reply(40, DEAD, 0, 0).build(), &mut out).unwrap();
        assert_eq!(out[0].outcome, Outcome::Failed(0));
    }
}

#[test]
fn an_acquired_provider_gives_its_node_a_name() {
    for release in RELEASES.iter().copied() {
        let mut asked = Parcel::request(release, "android.app.IActivityManager");
        asked.binder(0x77);
        if release.api >= 29 {
            asked.text16(Some("com.example.app"));
        }
        asked.text16(Some("10@settings")).int(0).int(1);
        let mut answered = Parcel::new(release);
        answered.int(0).int(1).handle(4).handle(5);
        let node: Vec<u8> = [77_u64.to_le_bytes(), 4_u64.to_le_bytes()].concat();
        let answered = RecordBuilder::binder_reply(40, REPLY, 0, answered.bytes.len() as u64)
            .segment(SegmentTag::Parcel, &answered.bytes)
            .segment(SegmentTag::Nodes, &node)
            .build();
        let mut decoder = decoder(release);
        let mut out = Vec::new();
        // No table names the code: the arguments have to.
        decoder.decode(&request(&asked, 29, 0x10), &mut out).unwrap();
        decoder.decode(&answered, &mut out).unwrap();
        let acquired = access(out.remove(0));
        assert_eq!(
            (acquired.method, acquired.authority.as_str()),
            (ProviderMethod::Acquire, "settings"),
            "{release:?}"
        );
        assert_eq!(acquired.android_user, Some(10));

        // A batch of the oldest release does not say whose it is: the node does.
        let mut batch = Parcel::request(release, PROVIDER);
        batch.caller(CHAIN);
        if release.api >= 29 {
            batch.text16(Some("settings"));
        }
        batch.int(0);
        let size = batch.bytes.len() as u64;
        let record =
            RecordBuilder::binder_transaction(Transaction { debug_id: 50, node: 77, code: 20, flags: 0x10, size })
                .segment(SegmentTag::Parcel, &batch.bytes)
                .build();
        decoder.decode(&record, &mut out).unwrap();
        decoder.finish(&mut out);
        assert_eq!(out[0].outcome, Outcome::Unknown, "no reply was seen");
        assert_eq!(access(out.remove(0)).authority, "settings", "{release:?}");
    }
}

fn service(observation: Observation) -> ServiceCall {
    match observation.body {
        EventBody::ServiceCall(call) => *call,
        other => panic!("no service call but {other:?}"),
    }
}

#[test]
fn services_are_named_by_the_tables_that_were_given() {
    for release in RELEASES.iter().copied() {
        const LOCATION: &str = "android.location.ILocationManager";
        let mut decoder = decoder(release);
        let mut out = Vec::new();
        let mut asked = Parcel::request(release, "android.os.IServiceManager");
        asked.text16(Some("location"));
        decoder.decode(&request(&asked, 1, 0x10), &mut out).unwrap();
        let mut answered = Parcel::new(release);
        answered.int(0).handle(2);
        let node: Vec<u8> = [9_u64.to_le_bytes(), 2_u64.to_le_bytes()].concat();
        let answered = RecordBuilder::binder_reply(40, REPLY, 0, answered.bytes.len() as u64)
            .segment(SegmentTag::Parcel, &answered.bytes)
            .segment(SegmentTag::Nodes, &node)
            .build();
        decoder.decode(&answered, &mut out).unwrap();
        assert_eq!(out, [], "looking a service up is no act of its own");

        let mut asked = Parcel::request(release, LOCATION);
        asked.text16(Some("gps")).text16(Some("com.example.app"));
        decoder.decode(&request(&asked, 5, 0x10), &mut out).unwrap();
        decoder.decode(&granted(release), &mut out).unwrap();
        let unnamed = service(out.remove(0));
        assert_eq!(
            (unnamed.method, unnamed.method_source.name(), unnamed.service.as_deref()),
            (None, "unknown", Some("location"))
        );

        let table = RecordBuilder::method_names(LOCATION, &[(5, "getLastLocation")]).build();
        decoder.decode(&table, &mut out).unwrap();
        decoder.decode(&request(&asked, 5, 0x11), &mut out).unwrap();
        let named = service(out.remove(0));
        assert_eq!((named.method.as_deref(), named.method_source.name()), (Some("getLastLocation"), "device_dex"));
        assert_eq!(named.method_table, "/system/framework/framework.jar");
        assert_eq!((named.arguments[0].name.as_str(), named.arguments[0].value.as_str()), ("provider", "gps"));
        assert!(named.transaction.one_way);
    }
}

#[test]
fn a_parcel_that_was_cut_tells_what_there_is() {
    let release = RELEASES[4];
    let mut asked = Parcel::request(release, PROVIDER);
    asked.caller(CHAIN).string_uri(&uri("/contacts")).texts16(&texts(&["a", "b"])).bundle(None).binder(1).binder(0);
    // The padding behind the descriptor is not needed to read it.
    let token = Parcel::request(release, PROVIDER).bytes.len() - 2;
    let mut fullest = 0;
    for length in 0..asked.bytes.len() {
        let mut decoder = decoder(release);
        let mut out = Vec::new();
        let size = asked.bytes.len() as u64;
        let record = RecordBuilder::binder_transaction(Transaction { debug_id: 1, node: 0, code: 1, flags: 1, size })
            .flagged_segment(SegmentTag::Parcel, 1, &asked.bytes[..length])
            .build();
        decoder.decode(&record, &mut out).unwrap();
        if length < token {
            assert_eq!(out, [], "{length}");
            continue;
        }
        let access = access(out.remove(0));
        assert!(access.transaction.cut, "{length}");
        assert_eq!(access.transaction.decode_error, None, "{length}: what was not carried is no mistake");
        let told = usize::from(!access.transaction.named_callers.is_empty())
            + usize::from(access.uri.is_some())
            + access.projection.len();
        assert!(told >= fullest, "{length}: more bytes tell no less");
        fullest = told;
    }
    assert_eq!(fullest, 4);
}

#[test]
fn bundles_may_be_nested_but_not_for_ever() {
    let release = RELEASES[4];
    let mut value = Value::Int(1);
    for _ in 0..40 {
        value = Value::Bundle(vec![("k".to_owned(), value)]);
    }
    let mut asked = Parcel::request(release, PROVIDER);
    asked.caller(CHAIN).string_uri(&uri("/contacts")).int(0).bundle(Some(&[("deep".to_owned(), value)]));
    let access = access(decode(release, &request(&asked, 1, 0x10), &granted(release)));
    assert_eq!(access.transaction.decode_error.as_deref(), Some("too_deep"));
    assert!(access.transaction.cut && access.uri.is_some());
}

#[test]
fn requests_that_are_never_answered_are_told_and_bounded() {
    let mut decoder = decoder(RELEASES[4]);
    let mut out = Vec::new();
    let mut asked = Parcel::request(RELEASES[4], PROVIDER);
    asked.caller(CHAIN).string_uri(&uri("/contacts"));
    let record = |debug_id| {
        let size = asked.bytes.len() as u64;
        RecordBuilder::binder_transaction(Transaction { debug_id, node: 0, code: 14, flags: 0, size })
            .segment(SegmentTag::Parcel, &asked.bytes)
            .build()
    };
    for debug_id in 1..=10_000 {
        decoder.decode(&record(debug_id), &mut out).unwrap();
    }
    assert_eq!(
        (out.len(), decoder.open_binder_calls(), decoder.evicted_binder()),
        (10_000 - 8192, 8192, 10_000 - 8192)
    );
    decoder.decode(&RecordBuilder::process_exit(0).build(), &mut out).unwrap();
    assert_eq!(out.len(), 10_001, "the end of the process ends its requests, and is told itself");
    assert!(out[..10_000].iter().all(|observation| observation.outcome == Outcome::Unknown));
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        any::<u32>(),
        prop_oneof![
            Just(0),
            Just(1),
            Just(2),
            Just(3),
            Just(u32::MAX),
            Just(0x7fff_ffff),
            Just(0x8000_0000),
            Just(0x7fff_fffc)
        ],
        0..64_u32,
        Just(0x4c44_4e42),
        Just(0x7362_2a85),
    ];
    proptest::collection::vec(word, 0..80).prop_map(|words| words.into_iter().flat_map(u32::to_le_bytes).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever follows a token: no panic, no wait for ever, one event for each request that is understood.
    #[test]
    fn anything_behind_a_token(tail in hostile(), which in 0..RELEASES.len(), code in 0..40_u32,
            interface in prop_oneof![Just(PROVIDER), Just("android.app.IActivityManager"), Just("android.os.IServiceManager"),
                Just("android.location.ILocationManager")],
            answer in hostile(), flags in prop_oneof![Just(0), Just(8)], more in 0..5000_u64) {
        let release = RELEASES[which];
        let mut asked = Parcel::request(release, interface);
        asked.bytes.extend(&tail);
        let size = asked.bytes.len() as u64 + more;
        let mut decoder = decoder(release);
        let mut out = Vec::new();
        let table = RecordBuilder::method_names(interface, &[(5, "getLastLocation"), (29, "getContentProvider")]).build();
        decoder.decode(&table, &mut out).unwrap();
        let record = RecordBuilder::binder_transaction(Transaction { debug_id: 1, node: 2, code, flags: 0x10, size })
            .segment(SegmentTag::Parcel, &asked.bytes);
        decoder.decode(&record.build(), &mut out).unwrap();
        let reply = RecordBuilder::binder_reply(1, REPLY, flags, answer.len() as u64).segment(SegmentTag::Parcel, &answer);
        decoder.decode(&reply.segment(SegmentTag::Nodes, &answer).build(), &mut out).unwrap();
        prop_assert!(out.len() <= 1 && decoder.open_binder_calls() == 0);
    }

    /// A real query with bytes changed.
    #[test]
    fn bytes_changed(which in 0..RELEASES.len(), changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let release = RELEASES[which];
        let mut asked = Parcel::request(release, PROVIDER);
        asked.caller(CHAIN).built_uri(&uri("/contacts")).texts16(&texts(&["a"]));
        asked.bundle(Some(&[("k".to_owned(), Value::Bundle(vec![("l".to_owned(), Value::Bytes(vec![1, 2, 3]))]))]));
        for (position, value) in changes {
            let position = position.index(asked.bytes.len());
            asked.bytes[position] = value;
        }
        let mut decoder = decoder(release);
        let mut out = Vec::new();
        decoder.decode(&request(&asked, 1, 0x10), &mut out).unwrap();
        decoder.finish(&mut out);
        prop_assert!(out.len() <= 1);
    }

    /// Values of any content, in any nesting that a device writes, come back with their shapes and nothing of what they say.
    #[test]
    fn any_values(which in 0..RELEASES.len(), values in proptest::collection::vec(("[a-z]{1,8}", any_value()), 0..6)) {
        let release = RELEASES[which];
        let mut asked = Parcel::request(release, PROVIDER);
        asked.caller(CHAIN).string_uri(&uri("/contacts")).content_values(&values);
        let access = access(decode(release, &request(&asked, 3, 0x10), &granted(release)));
        prop_assert_eq!(&access.transaction.decode_error, &None);
        let told: Vec<_> = access.values.iter().map(|shape| (shape.name.clone(), shape.kind.clone(), shape.length)).collect();
        let expected: Vec<_> = values.iter().map(|(name, value)| {
            let (kind, length) = kind(value);
            (name.clone(), kind.to_owned(), length)
        }).collect();
        prop_assert_eq!(told, expected);
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<String>().prop_map(Value::Text),
        any::<i32>().prop_map(Value::Int),
        any::<i64>().prop_map(Value::Long),
        any::<bool>().prop_map(Value::Bool),
        any::<Vec<u8>>().prop_map(Value::Bytes),
        proptest::collection::vec(any::<String>(), 0..4).prop_map(Value::Texts),
        Just(Value::Bundle(vec![("inner".to_owned(), Value::Int(1))])),
    ]
}

/// Lengths of texts are those of what is printed of them: characters that could forge lines are escaped first.
fn kind(value: &Value) -> (&'static str, Option<u64>) {
    let printed = |text: &str| {
        text.chars()
            .map(|character| match character {
                '\\' => 4,
                control if control.is_control() => 4 * control.len_utf8() as u64,
                _ => 1,
            })
            .sum::<u64>()
    };
    match value {
        Value::Null => ("null", None),
        Value::Text(text) => ("string", Some(printed(text))),
        Value::Int(_) => ("int", None),
        Value::Long(_) => ("long", None),
        Value::Double(_) => ("double", None),
        Value::Bool(_) => ("boolean", None),
        Value::Bytes(bytes) => ("bytes", Some(bytes.len() as u64)),
        Value::Texts(texts) => ("strings", Some(texts.len() as u64)),
        Value::Bundle(entries) => ("bundle", Some(entries.len() as u64)),
    }
}
