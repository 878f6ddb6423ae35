//! What a device does to the clocks, and what Android says of its apps, on a device that a test may do that to.
#![cfg(all(feature = "ebpf", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod device_support;

use std::process::Command;
use std::time::{Duration, Instant};

use device_support::{DEADLINE, Lab, text_of};
use serde_json::Value;

/// An hour, in seconds and in nanoseconds.
const STEP_SECONDS: u64 = 3600;
const STEP_NS: i64 = 3_600_000_000_000;

/// The lines of a recording.
fn entries(lab: &Lab) -> Vec<Value> {
    let output = lab.candor(1, &["events", "--format", "ndjson", &lab.recording(1)]).output().unwrap();
    assert!(output.status.success(), "{}", text_of(&output));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until the recording that is being written holds what is looked for.
fn until(lab: &Lab, what: &str, holds: impl Fn(&str) -> bool) {
    let started = Instant::now();
    loop {
        // A recording that is being written can be read up to where it is; the status then says that it has no end.
        let output = lab.candor(1, &["events", "--format", "ndjson", &lab.recording(1)]).output().unwrap();
        if holds(&String::from_utf8_lossy(&output.stdout)) {
            return;
        }
        assert!(started.elapsed() < DEADLINE, "{what} did not come: {}", text_of(&output));
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
#[ignore = "needs QEMU, and root and eBPF in it: run by scripts/test"]
fn a_clock_that_is_set_and_an_app_that_leaves_the_screen_are_told() {
    let lab = Lab::new();
    lab.up(&[]);
    lab.info(1);
    the_clock_is_set(&lab);
    an_app_leaves_the_screen(&lab);
}

fn the_clock_is_set(lab: &Lab) {
    let open = |name: &str| {
        lab.succeed(&["shell", "-n", "--user", "10123", &format!("cat /system/no-such-file/{name} || true")]);
    };
    let events = lab.recorded(1, &["--uid", "10123"], || {
        open("before");
        lab.succeed(&["shell", "-n", &format!("date -s @$(($(date +%s) + {STEP_SECONDS}))")]);
        until(lab, "the change of the clock", |text| text.contains("\"clock_change\""));
        open("after");
    });
    let at = |name: &str| -> u64 {
        let opened =
            events.iter().find(|event| event["body"]["file_open"]["path"] == format!("/system/no-such-file/{name}"));
        opened.unwrap_or_else(|| panic!("{name} was not seen: {events:#?}"))["time_ns"].as_u64().unwrap()
    };
    let entries = entries(lab);
    let changes: Vec<&Value> = entries.iter().filter_map(|entry| entry.get("clock_change")).collect();
    assert_eq!(changes.len(), 1, "one step is told once: {changes:#?}");
    let change = changes[0];
    let step = change["wall_step_ns"].as_i64().unwrap();
    // `date` reads the clock before it sets it, and knows whole seconds.
    assert!((step - STEP_NS).abs() < 5_000_000_000, "{change:#}");
    assert_eq!(change["slept_ns"].as_u64().unwrap_or(0), 0, "{change:#}");
    let (before, told, after) = (at("before"), change["now"]["boot_ns"].as_u64().unwrap(), at("after"));
    assert!(before < told && told < after, "the time of events goes on as before: {before} {told} {after}");
    assert!(after - before < STEP_NS.unsigned_abs(), "an hour did not pass");

    // Everything was tested again after the step, and at the end; and the session may be relied upon.
    let tests: Vec<&Value> = entries.iter().filter_map(|entry| entry.get("self_test")).collect();
    assert!(tests.iter().any(|test| test["moment"] == "rearm"), "{tests:#?}");
}

fn an_app_leaves_the_screen(lab: &Lab) {
    let events = lab.recorded(1, &["--uid", "10124", "--phase", "foreground"], || {
        let mut app = lab.command(&["shell", "-n", "--user", "10124", "exec sleep 7655"]).spawn().unwrap();
        until(lab, "the app", |text| text.contains("sleep"));
        let score = |score: i32| {
            let find =
                "for one in /proc/[0-9]*; do grep -q 7655 $one/cmdline 2>/dev/null && [ $(stat -c %u $one) = 10124 ]";
            lab.succeed(&["shell", "-n", &format!("{find} && echo {score} >$one/oom_score_adj; done; true")]);
        };
        score(0);
        until(lab, "the app on the screen", |text| text.contains("\"importance\":\"foreground\""));
        score(900);
        until(lab, "the app off the screen", |text| text.contains("\"importance\":\"background\""));
        // So long that nobody takes it for a slow hand.
        std::thread::sleep(Duration::from_secs(3));
        app.kill().unwrap();
        app.wait().unwrap();
    });
    let told: Vec<&Value> = events.iter().filter_map(|event| event["body"].get("process_importance")).collect();
    let classes: Vec<&str> = told.iter().map(|body| body["importance"].as_str().unwrap()).collect();
    assert!(classes.ends_with(&["foreground", "background"]), "{told:#?}");
    assert_eq!(told.last().unwrap()["oom_score_adj"], 900);

    let terms = lab.state.path().join("terms.toml");
    std::fs::write(&terms, "[app]\npackage = \"com.example.app\"\n").unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_candor"));
    check.args(["check", &lab.recording(1), "--force-terms", "--format", "json", "--terms"]).arg(&terms);
    let output = check.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text_of(&output)));
    let notices = report["notices"].as_array().unwrap();
    assert!(
        notices.iter().any(|notice| notice["kind"] == "phase_disagrees"
            && notice["message"].as_str().unwrap().contains("off the screen")),
        "{notices:#?}"
    );
}
