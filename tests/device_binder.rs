//! The whole way on a device with a real binder driver: apps on rsbinder ask providers and services, the daemon in the
//! device sees it, this machine records and judges it. What the apps print about themselves is the truth.
#![cfg(all(feature = "ebpf", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod device_support;

use std::path::Path;
use std::process::{Command, Stdio};

use device_support::{Lab, text_of};
use serde_json::{Value, json};

const LEAKY: &str = "com.example.leaky";
const HONEST: &str = "com.example.honest";
const PROVIDER: &str = "android.content.IContentProvider";

/// Builds the test apps; gives the directory that the device takes.
fn apps() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps/build.sh");
    let built = Command::new(script).stderr(Stdio::inherit()).output().unwrap();
    assert!(built.status.success(), "tests/apps/build.sh failed");
    String::from_utf8(built.stdout).unwrap().trim().to_owned()
}

/// Which probe traces in the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Through {
    Ebpf,
    Ptrace,
}

impl Through {
    /// Runs a scenario as an app, by the device's shell. A new process of an app is found by looking when the ptrace probe traces:
    /// it has to be there for a moment before it becomes the program.
    fn scenario(self, package: &str, scenario: &[&str]) -> Vec<String> {
        let words = ["shell", "--user", package].map(str::to_owned).into_iter();
        let program = format!("exec binder-world {}", scenario.join(" "));
        words.chain([if self == Self::Ptrace { format!("sleep 2; {program}") } else { program }]).collect()
    }
}

/// Records an app while it runs a scenario; gives what the app says it did, and the events.
fn run(lab: &Lab, through: Through, package: &str, scenario: &[&str]) -> (Vec<Value>, Vec<Value>) {
    let mut truth = String::new();
    let events = lab.recorded(1, &["--app", package, "--phase", "pre_consent"], || {
        let marked = lab.candor(1, &["mark", "foreground"]).output().unwrap();
        assert!(marked.status.success(), "{}", text_of(&marked));
        let words = through.scenario(package, scenario);
        truth = lab.succeed(&words.iter().map(String::as_str).collect::<Vec<_>>());
    });
    let truth = truth.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    (truth, events)
}

fn check(lab: &Lab, terms: &str) -> (Option<i32>, Value) {
    let terms = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/device_terms").join(terms);
    let recording = lab.recording(1);
    let arguments = ["check", &recording, "--terms", terms.to_str().unwrap(), "--format", "json"];
    let output = lab.candor(1, &arguments).output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    (output.status.code(), report.unwrap_or_else(|error| panic!("{error}: {}", text_of(&output))))
}

fn accesses(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| !event["body"]["provider_access"].is_null()).collect()
}

fn calls(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| !event["body"]["service_call"].is_null()).collect()
}

/// An outcome as the apps name it.
fn outcome(event: &Value) -> &str {
    match &event["outcome"] {
        Value::String(name) => name,
        other if other.get("denied").is_some() => "denied",
        _ => "failed",
    }
}

/// Each access that the app made is one event, and the other way round.
fn assert_accesses_agree(truth: &[Value], events: &[Value], package: &str) {
    let made: Vec<&Value> = truth.iter().filter(|line| line["interface"] == PROVIDER).collect();
    let seen: Vec<&Value> =
        accesses(events).into_iter().filter(|event| event["body"]["provider_access"]["method"] != "acquire").collect();
    assert_eq!(made.len(), seen.len(), "made: {made:#?}\nseen: {seen:#?}");
    for (made, event) in made.iter().zip(&seen) {
        let access = &event["body"]["provider_access"];
        assert_eq!(access["authority"], made["authority"], "{event:#}");
        assert_eq!(outcome(event), made["outcome"], "{event:#}");
        if let Some(uri) = made["uri"].as_str() {
            assert_eq!(access["uri"], uri.split('?').next().unwrap(), "{event:#}");
        }
        for (field, of_truth) in [("projection", "projection"), ("result_columns", "columns")] {
            let empty = json!([]);
            let told = access.get(field).unwrap_or(&empty);
            assert_eq!(told, made.get(of_truth).filter(|list| !list.is_null()).unwrap_or(&empty), "{event:#}");
        }
        assert_eq!(access["result_rows"], made["rows"], "{event:#}");
        assert_eq!(event["app"]["package"], package, "the app that asked is the actor: {event:#}");
        assert_ne!(access["transaction"]["owner"]["process"]["pid"], event["process"]["key"]["pid"]);
        assert_ne!(access["transaction"]["owner"]["app"]["package"], package, "{event:#}");
    }
}

#[test]
#[ignore = "needs QEMU, and root and eBPF in it: run by scripts/test"]
fn what_apps_take_from_providers_and_services_is_seen_and_judged() {
    let lab = Lab::new();
    lab.up(&["--with", &apps()]);
    let info = lab.info(1);
    for family in ["provider", "service"] {
        assert!(info.lines().any(|line| line.starts_with(family) && line.contains("attached")), "{info}");
    }
    leaky(&lab, Through::Ebpf);
    honest(&lab, Through::Ebpf);
    already_waiting(&lab);
    burst(&lab, Through::Ebpf, 20_000);
    malicious(&lab, Through::Ebpf);
}

#[test]
#[ignore = "needs QEMU, and root and eBPF in it: run by scripts/test"]
fn through_ptrace_the_same_is_seen_and_judged() {
    let lab = Lab::new();
    lab.up(&["--with", &apps()]);
    let by_programs = SCENARIOS.map(|scenario| acts(&run(&lab, Through::Ebpf, LEAKY, scenario).1, &json!("faithful")));
    lab.succeed(&[
        "shell",
        "-n",
        "stop candord; echo '--probes ptrace' >/system/etc/candord.arguments && start candord",
    ]);
    let info = lab.info(1);
    for family in ["provider", "service"] {
        let attached = |line: &str| line.split_whitespace().take(3).eq([family, "ptrace", "attached"]);
        assert!(info.lines().any(attached), "{info}");
    }
    for (scenario, by_programs) in SCENARIOS.iter().zip(by_programs) {
        let hint = json!({ "hint": ["user_memory"] });
        let by_stops = acts(&run(&lab, Through::Ptrace, LEAKY, scenario).1, &hint);
        assert!(!by_programs.is_empty());
        for (by_stops, by_programs) in by_stops.iter().zip(&by_programs) {
            assert_eq!(by_stops, by_programs, "{scenario:?}: stops on the left, kernel programs on the right");
        }
        assert_eq!(by_stops.len(), by_programs.len(), "{scenario:?}: stops on the left, kernel programs on the right");
    }
    leaky(&lab, Through::Ptrace);
    honest(&lab, Through::Ptrace);
    already_waiting(&lab);
    burst(&lab, Through::Ptrace, 2_000);
    malicious(&lab, Through::Ptrace);
}

/// Scenarios that make the same acts each time.
const SCENARIOS: [&[&str]; 6] = [
    &["leaky"],
    &["all-calls"],
    &["two-authorities"],
    &["nested"],
    &["slow", "--milliseconds", "1500"],
    &["burst", "--count", "50", "--oneway", "--target", "location"],
];

/// What was asked of providers and services, without what differs from run to run; each is as trustworthy as said.
fn acts(events: &[Value], fidelity: &Value) -> Vec<Value> {
    let wanted = events
        .iter()
        .filter(|event| !event["body"]["provider_access"].is_null() || !event["body"]["service_call"].is_null());
    let acts = wanted.map(|event| {
        assert_eq!(event["fidelity"], *fidelity, "{event:#}");
        let mut body = event["body"].clone();
        for kind in body.as_object_mut().unwrap().values_mut() {
            let transaction = kind["transaction"].as_object_mut().unwrap();
            transaction.remove("debug_id");
            let owner = transaction.get_mut("owner").unwrap().as_object_mut().unwrap();
            // Which thread served the sender cannot know.
            owner.remove("name");
            owner["process"]["start_ns"].take();
        }
        json!({ "app": event["app"], "outcome": event["outcome"], "body": body })
    });
    acts.collect()
}

fn leaky(lab: &Lab, through: Through) {
    let (truth, events) = run(lab, through, LEAKY, &["leaky"]);
    assert_accesses_agree(&truth, &events, LEAKY);
    let all = serde_json::to_string(&events).unwrap();
    assert!(!all.contains("vnd.android.cursor.item/phone_v2"), "what a selection is for stays on the device");

    // Each service call of an interface that is traced, in order, by name.
    let traced = |interface: &str| {
        calls(&events).iter().any(|event| event["body"]["service_call"]["transaction"]["interface"] == interface)
    };
    for interface in [
        "android.location.ILocationManager",
        "com.android.internal.telephony.IPhoneSubInfo",
        "android.content.pm.IPackageManager",
    ] {
        assert!(traced(interface), "{interface} is missing in {events:#?}");
    }
    let made: Vec<&Value> = truth
        .iter()
        .filter(|line| line["interface"].as_str().is_some_and(|interface| interface != PROVIDER && traced(interface)))
        .collect();
    let seen = calls(&events);
    assert_eq!(made.len(), seen.len(), "made: {made:#?}\nseen: {seen:#?}");
    for (made, event) in made.iter().zip(&seen) {
        let call = &event["body"]["service_call"];
        assert_eq!(call["transaction"]["interface"], made["interface"]);
        assert_eq!(call["transaction"]["code"], made["code"], "{event:#}");
        assert_eq!(outcome(event), made["outcome"], "{event:#}");
        if let Some(method) = call["method"].as_str() {
            assert_eq!(method, made["method"].as_str().unwrap(), "{event:#}");
        }
    }

    let (status, report) = check(lab, "leaky.toml");
    assert_eq!(status, Some(1), "{report:#}");
    let text = report.to_string();
    for part in [
        "query content://com.android.contacts/data/phones",
        "[display_name, data1]",
        "GET_secure android_id",
        "android.location.ILocationManager.",
        "com.android.internal.telephony.IPhoneSubInfo.",
        "android.content.pm.IPackageManager.",
        "com.example.leaky",
    ] {
        assert!(text.contains(part), "{part} is missing in {report:#}");
    }
    let undeclared =
        report["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == "undeclared-collection").unwrap();
    let found: Vec<String> =
        undeclared["findings"].as_array().unwrap().iter().map(|finding| finding["subject"].to_string()).collect();
    for data_type in ["contacts", "id.android_id", "location", "phone_number", "app_list"] {
        assert!(found.iter().any(|subject| subject.contains(data_type)), "{data_type} is missing in {found:?}");
    }
    assert!(!found.iter().any(|subject| subject.contains("call_log")), "a refused attempt is no collection: {found:?}");
    let attempted = report["notices"].as_array().unwrap().iter().filter(|notice| notice["kind"] == "attempted");
    let attempted: Vec<&str> = attempted.filter_map(|notice| notice["message"].as_str()).collect();
    assert!(
        attempted.iter().any(|message| message.contains("call_log") && message.contains("was refused")),
        "{attempted:?}"
    );
}

fn honest(lab: &Lab, through: Through) {
    let (truth, events) = run(lab, through, HONEST, &["honest"]);
    assert_accesses_agree(&truth, &events, HONEST);
    let (status, report) = check(lab, "honest.toml");
    // What a process did before it was found by looking is not seen, so nobody can say that there was nothing.
    let wanted = if through == Through::Ptrace { 2 } else { 0 };
    assert_eq!(status, Some(wanted), "{report:#}");
    let found = report["rules"].as_array().unwrap().iter().find(|rule| rule["outcome"] == "violation");
    assert!(found.is_none(), "{found:?}");
}

/// A thread that waits in the driver since before the trace began is seen when it acts.
fn already_waiting(lab: &Lab) {
    let mut waiting =
        lab.command(&["shell", "--user", LEAKY, "binder-world", "waiting"]).stdout(Stdio::piped()).spawn().unwrap();
    lab.succeed(&[
        "shell",
        "for i in 1 2 3 4 5 6 7 8 9 10; do binder-world list | grep -q waiting && break; sleep 1; done",
    ]);
    let events = lab.recorded(1, &["--app", LEAKY], || {
        lab.succeed(&["shell", "--user", HONEST, "binder-world", "poke"]);
        // It would wait for the next.
        waiting.kill().unwrap();
        waiting.wait().unwrap();
    });
    let queries =
        accesses(&events).into_iter().filter(|event| event["body"]["provider_access"]["method"] == "query").count();
    assert_eq!(queries, 1, "{events:#?}");
}

/// Of so many calls, each is an event or is counted as lost; with one client none is lost.
fn burst(lab: &Lab, through: Through, count: usize) {
    let recording = lab.recording(1);
    let scenario = ["burst", "--count", &count.to_string(), "--target", "location"];
    let (truth, events) = run(lab, through, LEAKY, &scenario);
    let made = truth.iter().filter_map(|line| line["made"].as_u64()).next_back();
    assert_eq!(made, Some(count as u64), "{truth:?}");
    let seen = calls(&events).len();
    let output = lab.candor(1, &["events", "--format", "ndjson", &recording]).output().unwrap();
    let end = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find_map(|mut entry| entry.get_mut("end").map(Value::take))
        .unwrap();
    let stages = &end["totals"]["loss"]["stages"];
    for (name, stage) in stages.as_object().unwrap() {
        let dropped: u64 =
            stage["dropped"].as_object().map_or(0, |reasons| reasons.values().filter_map(Value::as_u64).sum());
        let sum = stage["delivered"].as_u64().unwrap() + stage["filtered"].as_u64().unwrap() + dropped;
        assert_eq!(stage["produced"], sum, "{name} does not add up: {stages:#}");
        assert_eq!(dropped, 0, "{name} lost something: {stages:#}");
    }
    assert_eq!(seen, count, "{stages:#}");
}

/// Nonsense in a loop: the daemon lives, and its accounts add up.
fn malicious(lab: &Lab, through: Through) {
    let package = "com.example.photonotes";
    let (_, events) = run(lab, through, package, &["malicious", "--count", "2000"]);
    assert!(!events.is_empty());
    lab.info(1);
    let (status, _) = (lab.candor(1, &["events", &lab.recording(1)]).output().unwrap().status, ());
    assert!(status.success());
}
