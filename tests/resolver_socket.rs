//! Names that an app asks of Android's resolver by its Unix socket: a stand-in for the resolver at the same path, and a
//! client that speaks as the C library of Android does; against every tier that sees acts as they happen.
#![cfg(all(feature = "ebpf", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

const TIERS: [&str; 3] = ["ebpf-objects", "ebpf-syscalls", "ptrace"];

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ended_already = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let _reaped = self.0.wait();
    }
}

/// The events of the stand-in and its client, recorded in a mount namespace with a `/dev` of its own.
fn events(tier: &str) -> Vec<Value> {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let address = format!("unix:{}", path("daemon.sock").display());
    let _daemon = Daemon(
        Command::new(env!("CARGO_BIN_EXE_candord"))
            .args(["serve", "--spool-in-memory", "--probes", tier, "--listen", &address])
            .stderr(std::fs::File::create(path("daemon.log")).unwrap())
            .spawn()
            .unwrap(),
    );
    let give_up = Instant::now() + Duration::from_secs(60);
    while !path("daemon.sock").exists() {
        assert!(Instant::now() < give_up, "the daemon did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
    let client = |arguments: &[&str], recording: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
        command.env("CANDOR_DAEMON", &address).stdin(Stdio::null()).args(arguments).arg(recording);
        command
    };
    let recorded = client(&["record", "--output"], &path("recording"))
        .args(["--", "unshare", "--mount", "--propagation", "private", "sh"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/resolver_support/world"))
        .arg(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&recorded.stderr).into_owned();
    assert!(recorded.status.success() && said.contains("none lost"), "{tier}: {said}");
    let output = client(&["events", "--format", "ndjson"], &path("recording")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    entries.filter_map(|entry| entry.get("event").cloned()).collect()
}

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn what_an_app_asks_of_the_resolver_is_its_own_dns() {
    let server = json!({"unix_path": "/dev/socket/dnsproxyd"});
    for tier in TIERS {
        let events = events(tier);
        let all = |kind: &str| {
            let bodies = events.iter().filter(|event| !event["body"][kind].is_null());
            bodies.map(|event| (event["body"][kind].clone(), event["process"]["name"].clone())).collect::<Vec<_>>()
        };
        let (queries, answers) = (all("dns_query"), all("dns_answer"));
        let query = |name: &str, record_type: &str, id: u32| {
            let wanted = json!({"name": name, "record_type": record_type, "transaction_id": id, "server": server});
            assert!(queries.iter().any(|(body, _)| *body == wanted), "{tier}: no query {wanted} among {queries:#?}");
        };
        let answer = |name: &str, record_type: &str, code: u32, records: Value| {
            let found = answers.iter().find(|(body, _)| body["name"] == name && body["record_type"] == record_type);
            let (body, _) = found.unwrap_or_else(|| panic!("{tier}: no answer for {name} among {answers:#?}"));
            // An empty list is left out.
            let found = if body["records"].is_null() { json!([]) } else { body["records"].clone() };
            let told = (&body["response_code"], &found, &body["cut"], &body["server"]);
            assert_eq!(told, (&json!(code), &records, &json!(false), &server), "{tier}: {name}");
        };
        query("api.example.com", "A", 0);
        query("api.example.com", "AAAA", 0);
        answer("api.example.com", "A", 0, json!([{"alias": "edge.example.net"}, {"address": "192.0.2.1"}]));
        answer("api.example.com", "AAAA", 0, json!([{"alias": "edge.example.net"}, {"address": "2001:db8::1"}]));
        query("missing.example.com", "A", 0);
        answer("missing.example.com", "A", 3, json!([]));
        query("old.example.com", "A", 0);
        answer("old.example.com", "A", 0, json!([{"address": "192.0.2.7"}]));
        query("raw.example.com", "A", 0x1234);
        answer("raw.example.com", "A", 0, json!([{"address": "192.0.2.9"}]));
        // Of the client alone: what the resolver reads and writes is no second question.
        assert_eq!((queries.len(), answers.len()), (5, 5), "{tier}: {queries:#?} {answers:#?}");
        assert!(queries.iter().chain(&answers).all(|(_, name)| name == "client"), "{tier}: {queries:#?}");
    }
}
