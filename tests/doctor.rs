//! `candord doctor` on this machine.
#![cfg(feature = "ebpf")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use serde_json::Value;

/// Runs it and gives its exit status, its report, and the report as a person gets it.
fn doctor(user: Option<u32>) -> (i32, Value, String) {
    let run = |format: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_candord"));
        command.args(["--log", "error", "doctor", "--format", format]);
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, json) = run("json");
    let (again, text) = run("text");
    assert_eq!(status, again, "{text}");
    (status, serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}")), text)
}

fn states(report: &Value) -> Vec<(String, String)> {
    let text = |check: &Value, field: &str| check[field].as_str().unwrap().to_owned();
    report["checks"].as_array().unwrap().iter().map(|check| (text(check, "name"), text(check, "state"))).collect()
}

#[test]
#[ignore = "needs root and eBPF"]
fn this_machine_is_described_and_the_self_test_is_made() {
    let (status, report, text) = doctor(None);
    let states = states(&report);
    let of = |name: &str| states.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{text}")).1.as_str();
    for name in ["kernel", "privileges", "map_types", "process", "file", "socket", "self_test", "memory", "clock"] {
        assert_eq!(of(name), "ok", "{name}: {text}");
    }
    assert_eq!(status, i32::from(states.iter().any(|(_, state)| state == "missing")) * 2, "{text}");
    let results = report["self_test"]["results"].as_array().unwrap();
    for family in ["process", "file", "socket"] {
        let result = results.iter().find(|result| result["family"] == family).unwrap();
        assert_eq!(result["state"], "seen", "{report}");
    }
    for (name, state) in &states {
        assert!(text.lines().any(|line| line.starts_with(&format!("{state:<8} {name} "))), "{name}: {text}");
    }
    println!("{text}");
}

#[test]
#[ignore = "needs root, to become somebody else"]
fn who_is_not_root_is_told_what_is_missing_and_what_would_help() {
    let (status, report, text) = doctor(Some(65_534));
    assert_eq!(status, 2, "{text}");
    let privileges = &report["checks"].as_array().unwrap()[1];
    assert_eq!((privileges["name"].as_str(), privileges["state"].as_str()), (Some("privileges"), Some("missing")));
    assert!(privileges["way_out"].as_str().unwrap().contains("sudo"), "{text}");
    assert!(states(&report).contains(&("self_test".to_owned(), "missing".to_owned())), "{text}");
}
