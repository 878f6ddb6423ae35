//! The whole path on real programs: daemon, client and recording around a real curl, DNS server and TLS server.
#![cfg(all(feature = "ebpf", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const USER_ID: u64 = 10177;

/// Runs the world in `directory`; panics with its output when it fails.
fn make_world(directory: &Path) {
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/end_to_end_parts/world"))
        .args([env!("CARGO_BIN_EXE_candor"), env!("CARGO_BIN_EXE_candord")])
        .arg(directory)
        .output()
        .expect("unshare (package util-linux) must be there");
    let log = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap_or_default();
    assert!(
        output.status.success(),
        "{}\n{}\nrecord: {}\nreplay: {}\ndaemon: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
        log("record.log"),
        log("replay.log"),
        log("candord.log")
    );
}

fn entries(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The first event with a body of `kind` for which `matches` holds; panics with all bodies of the kind.
fn find<'a>(entries: &'a [Value], kind: &str, matches: impl Fn(&Value) -> bool) -> &'a Value {
    let of_kind =
        || entries.iter().filter_map(|entry| entry.get("event")).filter(|event| !event["body"][kind].is_null());
    of_kind().find(|event| matches(&event["body"][kind])).unwrap_or_else(|| {
        panic!("no such {kind}; there are: {:#?}", of_kind().map(|event| &event["body"][kind]).collect::<Vec<_>>())
    })
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn curl_over_tls_is_seen_from_the_lookup_to_the_handshake_and_replays_the_same() {
    let directory = tempfile::TempDir::new().unwrap();
    // The traced program runs under another user id and must reach the certificate.
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    make_world(directory.path());
    let live = entries(&directory.path().join("live.ndjson"));

    // The path of the kernel's object, although curl was given a link.
    let certificate = directory.path().canonicalize().unwrap().join("ca.pem");
    let opened = find(&live, "file_open", |body| body["path"] == certificate.to_str().unwrap());
    assert!(opened["body"]["file_open"]["requested_path"].as_str().unwrap().ends_with("/link-to-ca.pem"));
    assert_eq!(opened["user_id"], USER_ID);
    assert_eq!(opened["fidelity"], "faithful");
    assert_eq!(opened["outcome"], "ok");

    find(&live, "dns_query", |body| body["name"] == "api.endtoend.example" && body["record_type"] == "A");
    find(&live, "dns_answer", |body| body["records"] == serde_json::json!([{"address": "127.0.2.1"}]));
    let connected = find(&live, "socket_connect", |body| body["remote"]["inet"] == "127.0.2.1:443");
    assert_eq!(connected["user_id"], USER_ID);
    let hello = find(&live, "tls_client_hello", |body| body["server_name"] == "api.endtoend.example");
    assert_eq!(hello["body"]["tls_client_hello"]["protocols"][0], "h2");
    let totals =
        find(&live, "socket_totals", |body| body["remote"]["inet"] == "127.0.2.1:443" && body["closed"] == true);
    assert!(totals["body"]["socket_totals"]["bytes_received"].as_u64().unwrap() > 1000);

    // The account adds up at each stage, and each stage delivers what the next one gets.
    let end = live.last().unwrap()["end"].as_object().expect("the last entry is the end");
    let stages = &end["totals"]["loss"]["stages"];
    let mut handed_over = None;
    for name in ["probe", "reader", "decode"] {
        let stage = &stages[name];
        let number = |field: &str| stage[field].as_u64().unwrap();
        let dropped: u64 =
            stage["dropped"].as_object().map_or(0, |reasons| reasons.values().filter_map(Value::as_u64).sum());
        assert!(number("produced") > 0, "{name} saw nothing");
        assert_eq!(number("produced"), number("delivered") + number("filtered") + dropped, "{name}: {stage}");
        if let Some(handed_over) = handed_over {
            assert_eq!(number("produced"), handed_over, "{name} got what the stage before delivered");
        }
        handed_over = Some(number("delivered"));
    }
    for program in end["totals"]["loss"]["programs"].as_array().unwrap() {
        let number = |field: &str| program[field].as_u64().unwrap();
        let parts = number("submitted") + number("filtered") + number("aggregated") + number("lost");
        assert_eq!(number("seen"), parts, "{program}");
    }

    // The same raw records give the same events, by another daemon without any probe. What the live daemon's pipeline
    // numbered is the same too; only the accounts differ, because they are of another run.
    let replayed = entries(&directory.path().join("replayed.ndjson"));
    let events = |entries: &[Value]| -> Vec<Value> {
        entries.iter().filter(|entry| entry.get("event").is_some()).cloned().collect()
    };
    assert_eq!(live[0], replayed[0], "the header");
    assert_eq!(events(&live), events(&replayed));
}
