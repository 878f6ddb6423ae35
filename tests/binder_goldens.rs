//! What apps sent through the real binder driver of the test device, decoded again: the raw records that
//! `scripts/capture-goldens` took there, against what was then looked at and kept. `CANDOR_BLESS=1` keeps what is now said.
#![cfg(all(feature = "device", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn candor(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_candor")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn captures() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/guest");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "candor-raw")).collect()
}

/// The provider and service events that a capture gives today, one in each line.
fn decoded(capture: &Path) -> String {
    let work = tempfile::tempdir().unwrap();
    let recording = work.path().join("again.candor");
    let recording = recording.to_str().unwrap();
    candor(&["replay", capture.to_str().unwrap(), "--output", recording]);
    candor(&["events", recording, "--format", "ndjson", "--family", "provider", "--family", "service"])
}

fn events(lines: &str) -> Vec<Value> {
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|mut line| line.get_mut("event").map(Value::take)).collect()
}

#[test]
fn parcels_of_the_guest_decode_to_what_was_kept() {
    let captures = captures();
    assert!(!captures.is_empty(), "no capture is in tests/golden/guest");
    for capture in captures {
        let kept = capture.with_extension("expected.ndjson");
        let now = decoded(&capture);
        if std::env::var_os("CANDOR_BLESS").is_some() {
            std::fs::write(&kept, &now).unwrap();
        }
        let before = std::fs::read_to_string(&kept).unwrap_or_else(|error| panic!("{}: {error}", kept.display()));
        for (now, before) in now.lines().zip(before.lines()) {
            assert_eq!(now, before, "{}: if this is right, keep it with CANDOR_BLESS=1", kept.display());
        }
        assert_eq!(now.lines().count(), before.lines().count(), "{}", kept.display());
    }
}

/// What nobody may bless away.
#[test]
fn the_leaky_app_of_the_guest_did_what_it_is_known_for() {
    let events =
        events(&decoded(&captures().into_iter().find(|path| path.ends_with("leaky-api-33.candor-raw")).unwrap()));
    let access = |uri: &str| {
        let found = events.iter().find(|event| event["body"]["provider_access"]["uri"] == uri);
        found.unwrap_or_else(|| panic!("{uri} is missing in {events:#?}")).clone()
    };
    let contacts = access("content://com.android.contacts/data/phones");
    assert_eq!(contacts["body"]["provider_access"]["projection"], serde_json::json!(["display_name", "data1"]));
    assert_eq!(contacts["body"]["provider_access"]["result_rows"], 3);
    assert_eq!(contacts["outcome"], "ok");
    assert!(access("content://call_log/calls")["outcome"].get("denied").is_some());
    let methods: Vec<&str> =
        events.iter().filter_map(|event| event["body"]["service_call"]["method"].as_str()).collect();
    assert_eq!(
        methods,
        [
            "getLastLocation",
            "getLine1Number",
            "getImeiForSubscriber",
            "getImeiForSlot",
            "getInstalledPackages",
            "getPrimaryClip"
        ]
    );
}
