//! A client in another language, which learns the whole contract by server reflection.
#![cfg(all(feature = "device", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use candor::device::clock;
use serde_json::Value;
use support::{Daemon, FILE_OPEN, PROCESS_START};

fn environment() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target")).join("python-client-venv")
}

#[tokio::test]
#[ignore = "needs the Python client: run by scripts/test"]
async fn a_python_client_without_generated_code_lists_services_and_streams_events() {
    let python = environment().join("bin/python3");
    assert!(python.exists(), "{} is missing: run tests/clients/python/setup", python.display());
    let daemon = Daemon::start().await;
    daemon.script.preexisting(PROCESS_START, clock::boot_ns(), 10, "");
    daemon.script.preexisting(FILE_OPEN, clock::boot_ns(), 10, "/data/照片.jpg");
    daemon.script.last(FILE_OPEN, u64::MAX, 10, "/last");

    let output = tokio::process::Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python/client.py"))
        .arg(format!("unix:{}", daemon.socket.display()))
        .arg("10001")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(support::DEADLINE * 2, output).await.expect("the client hangs").unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();

    let services: Vec<_> = result["services"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(services.contains(&"candor.v1.CandorService"), "{services:?}");
    assert!(services.contains(&"grpc.health.v1.Health"), "{services:?}");
    assert_eq!(
        result["methods"],
        serde_json::json!([
            "GetDevice",
            "GetStatus",
            "ListPackages",
            "ListSessions",
            "MarkPhase",
            "QueryEvents",
            "StartSession",
            "StopSession",
            "StreamEvents",
            "Summarize",
            "Watch"
        ])
    );
    assert_eq!(result["device"]["device"]["name"], "scripted");
    assert_eq!(result["device"]["probes"][1]["family"], "FAMILY_FILE");
    assert_eq!(result["session"]["header"]["label"], "from python");
    assert_eq!(result["refused"]["code"], "NOT_FOUND");
    assert_eq!(result["stopped"]["end"]["reason"], "SESSION_END_REASON_STOPPED");

    let entries = result["entries"].as_array().unwrap();
    assert_eq!(entries.first().unwrap()["header"], result["session"]["header"]);
    assert_eq!(entries.last().unwrap()["end"]["totals"]["events"], "4");
    let events: Vec<_> = entries.iter().filter_map(|entry| entry.get("event")).collect();
    let sequences: Vec<_> = events.iter().map(|event| event["sequence"].as_str().unwrap()).collect();
    assert_eq!(sequences, ["1", "2", "3", "4"]);
    let find = |field: &str, path: &str| events.iter().any(|event| event[field]["path"] == path);
    assert!(find("file_open", "/data/照片.jpg") && find("file_open", "/last"), "{events:#?}");
    let mark = events.iter().find(|event| event.get("phase_mark").is_some()).unwrap();
    assert_eq!(mark["phase_mark"]["note"], "by reflection");
    assert_eq!(mark["time_ns"], result["mark"]["time_ns"]);
    // The last act has the time u64::MAX, so it is after the mark, and it survives the way through JSON.
    let last = events.iter().find(|event| event["file_open"]["path"] == "/last").unwrap();
    assert_eq!((last["phase"].as_str(), last["time_ns"].as_str()), (Some("foreground"), Some("18446744073709551615")));
    daemon.shutdown().await;
}

/// TLS between two libraries that know nothing of each other.
#[tokio::test]
#[ignore = "needs the Python client: run by scripts/test"]
async fn a_python_client_connects_over_tls() {
    use candor::device::keys::{self, KeysOptions};
    use candor::device::service::{AccessOptions, ClientProof, ListenAddress, TlsOptions};

    let python = environment().join("bin/python3");
    assert!(python.exists(), "{} is missing: run tests/clients/python/setup", python.display());
    let directory = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours", "theirs"].map(|name| directory.path().join(name));
    for directory in [&ours, &theirs] {
        let options = KeysOptions { directory: directory.clone(), names: Vec::new(), days: 2, force: false };
        keys::make(&options, clock::anchor().wall_ns).unwrap();
    }
    let tls = TlsOptions {
        certificate: ours.join(keys::SERVER),
        key: ours.join(keys::SERVER_KEY),
        proof: ClientProof::Either { authority: ours.join(keys::AUTHORITY), token: ours.join(keys::TOKEN) },
    };
    let access = AccessOptions { tls: Some(tls), ..AccessOptions::default() };
    let daemon = Daemon::start_access(Some(ListenAddress::Tcp(([127, 0, 0, 1], 0).into())), access).await;
    let output = tokio::process::Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python/tls_client.py"))
        .arg(format!("localhost:{}", daemon.port()))
        .args([&ours, &theirs])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(support::DEADLINE * 4, output).await.expect("the client hangs").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let codes: Vec<_> = ["certificate", "token", "nothing", "other certificate", "other token"]
        .map(|way| result[way][0].as_str().unwrap())
        .into();
    // A certificate of another authority ends the handshake: to this library the daemon is then unavailable.
    assert_eq!(codes, ["OK", "OK", "UNAUTHENTICATED", "UNAVAILABLE", "UNAUTHENTICATED"], "{result}");
    assert_eq!(
        result["nothing"][1],
        "a client certificate or a token is required: give --cert and --key, or --token-file (in gRPC: the header \
         `authorization: Bearer TOKEN`)"
    );
    daemon.shutdown().await;
}
