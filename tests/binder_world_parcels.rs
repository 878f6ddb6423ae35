//! The requests that the test apps send, through the decoder. They are written by rsbinder's parcels and by the apps' own
//! reading of Android's forms, so that the decoder meets bytes that nobody wrote for it.
#![cfg(feature = "device")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use candor::device::decode::layout::SegmentTag;
use candor::device::decode::test_support::{RecordBuilder, Transaction};
use candor::device::decode::{Decoder, Observation};
use candor::event::{EventBody, ProviderAccess, ServiceCall};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

const ONE_WAY: u32 = 0x11;

/// The dumped requests of all levels.
fn requests() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = Command::new(root.join("tests/apps/build.sh")).stderr(Stdio::inherit()).output().unwrap();
    assert!(built.status.success(), "tests/apps/build.sh failed");
    let directory = String::from_utf8(built.stdout).unwrap();
    let program = Path::new(directory.trim()).join("binder-world");
    let dumped = Command::new(program).arg("dump-parcels").output().unwrap();
    assert!(dumped.status.success());
    String::from_utf8(dumped.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Declared one-way, so that the request is told by itself. None for what only teaches the decoder names.
fn decode(request: &Value) -> Option<Observation> {
    let hex = request["payload"].as_str().unwrap();
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    let offsets = request["offsets"].as_array().unwrap().iter();
    let offsets: Vec<u8> = offsets.flat_map(|offset| offset.as_u64().unwrap().to_le_bytes()).collect();
    let number = |name: &str| u32::try_from(request[name].as_u64().unwrap()).unwrap();
    let code = number("code");
    let text = |name: &str| request[name].as_str().unwrap();
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    decoder.decode(&RecordBuilder::platform(number("api")).build(), &mut out).unwrap();
    let names = RecordBuilder::method_names(text("interface"), &[(code, text("method"))]);
    decoder.decode(&names.build(), &mut out).unwrap();
    let record = RecordBuilder::binder_transaction(Transaction {
        debug_id: 40,
        node: 9,
        code,
        flags: ONE_WAY,
        size: bytes.len() as u64,
    })
    .segment(SegmentTag::Parcel, &bytes)
    .segment(SegmentTag::Offsets, &offsets)
    .build();
    decoder.decode(&record, &mut out).unwrap();
    assert!(out.len() <= 1, "{request}");
    out.pop()
}

fn check_access(request: &Value, access: &ProviderAccess) {
    let level = request["api"].as_u64().unwrap();
    let transaction = &access.transaction;
    assert_eq!((transaction.decode_error.as_deref(), transaction.cut), (None, false), "{request}");
    // Before 34 getType does not say who asks.
    let says_who = level >= 34 || !matches!(request["method"].as_str().unwrap(), "getType" | "getTypeAsync");
    // Nor does getContentProvider at 28.
    let says_who = says_who && !(level == 28 && request["method"] == "getContentProvider");
    let named: Vec<_> = transaction.named_callers.iter().map(|caller| caller.package.as_str()).collect();
    assert_eq!(named, if says_who { vec!["com.example.leaky"] } else { vec![] }, "{request}");
    match request["uri"].as_str() {
        // The number is personal.
        Some(uri) if uri.starts_with("tel:") => assert_eq!(access.uri.as_deref(), Some("tel:*"), "{request}"),
        Some(uri) => {
            assert_eq!(access.uri.as_deref(), Some(uri), "{request}");
            assert_eq!(access.authority, "com.android.contacts", "{request}");
            assert_eq!(access.android_user, uri.contains("10@").then_some(10), "{request}");
        }
        // At 28 a call does not name its authority.
        None if level == 28 && request["method"] == "call" => (),
        None => assert_eq!(request["authority"], access.authority.as_str(), "{request}"),
    }
    if let Some(projection) = request["projection"].as_array() {
        assert_eq!(projection, &access.projection, "{request}");
    }
    if let Some(keys) = request["keys"].as_array() {
        let mut keys: Vec<_> = keys.iter().map(|key| key.as_str().unwrap()).collect();
        let mut seen: Vec<_> = access.values.iter().map(|value| value.name.as_str()).collect();
        keys.sort_unstable();
        seen.sort_unstable();
        assert_eq!(seen, keys, "{request}");
    }
    assert_eq!(request["mode"].as_str(), access.open_mode.as_deref(), "{request}");
    assert_eq!(request["call_method"].as_str(), access.call_method.as_deref(), "{request}");
    assert_eq!(request["argument"].as_str(), access.call_argument.as_deref(), "{request}");
}

fn check_call(request: &Value, call: &ServiceCall) {
    assert_eq!(request["interface"], call.transaction.interface.as_str(), "{request}");
    assert_eq!(request["method"].as_str(), call.method.as_deref(), "{request}");
    assert_eq!((call.transaction.decode_error.as_deref(), call.transaction.cut), (None, false), "{request}");
}

#[test]
#[ignore = "builds the test apps: run by scripts/test"]
fn the_test_apps_requests_are_understood_at_every_level() {
    let mut seen: BTreeMap<(u64, &str), u32> = BTreeMap::new();
    let requests = requests();
    for request in &requests {
        let interface = request["interface"].as_str().unwrap();
        let kind = match decode(request).map(|observation| observation.body) {
            Some(EventBody::ProviderAccess(access)) => {
                check_access(request, &access);
                "provider"
            }
            Some(EventBody::ServiceCall(call)) => {
                check_call(request, &call);
                "service"
            }
            None if interface == "android.os.IServiceManager" => continue,
            other => panic!("{request} gave {other:?}"),
        };
        *seen.entry((request["api"].as_u64().unwrap(), kind)).or_default() += 1;
    }
    let counts: Vec<_> = seen.into_iter().collect();
    let of = |level: u64| [((level, "provider"), if level < 30 { 30 } else { 34 }), ((level, "service"), 15)];
    assert_eq!(counts, (28..=36).flat_map(of).collect::<Vec<_>>());
}
