//! `candor check`, `diff` and `accept` on the command line: baselines, reviews, and every sort of bad input.
#![cfg(feature = "host")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may panic"
)]

mod verdict_support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use candor::event::*;
use candor::host::recording::RecordingWriter;
use serde_json::Value;
use tempfile::TempDir;
use verdict_support::*;

const MAC: &str = "/sys/class/net/wlan0/address";
const CONTACTS: &str = "/data/data/com.android.providers.contacts/databases/contacts2.db";

fn candor(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_candor"))
        .args(arguments)
        .current_dir(directory)
        .env_remove("CANDOR_DAEMON")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs `candor`, expects this exit status, and gives what it printed and what it said.
#[track_caller]
fn run(directory: &Path, arguments: &[&str], status: i32) -> (String, String) {
    let output = candor(directory, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{printed}\n{said}");
    (printed, said)
}

/// Expects a refusal with these words, and nothing printed.
#[track_caller]
fn refused(directory: &Path, arguments: &[&str], status: i32, words: &[&str]) {
    let (printed, said) = run(directory, arguments, status);
    assert_eq!(printed, "");
    for word in words {
        assert!(said.contains(word), "{said:?} does not say {word:?}");
    }
}

fn record(path: &Path, entries: &[StreamEntry]) {
    let mut writer = RecordingWriter::create(path, true).unwrap();
    for entry in entries {
        writer.entry(entry).unwrap();
    }
    writer.finish().unwrap();
}

fn with_terms() -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("app.toml"), TERMS).unwrap();
    directory
}

fn honest() -> Session {
    let mut session = Session::new();
    session.phase("foreground").open(MAC).contact("api.shop.example", "127.0.0.11");
    session
}

const CHECK: [&str; 4] = ["check", "app.candor", "--terms", "app.toml"];

fn check_with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    CHECK.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn what_the_baseline_has_does_not_count_and_what_is_new_does() {
    let directory = with_terms();
    let path = directory.path();
    let mut leaky = honest();
    leaky.open(CONTACTS);
    let same = leaky.end();
    record(&path.join("app.candor"), &same);
    let (report, _) = run(path, &check_with(&["--format", "json"]), 1);
    fs::write(path.join("base.json"), report).unwrap();
    let (printed, _) = run(path, &check_with(&["--baseline", "base.json"]), 0);
    assert!(printed.contains("Against the baseline") && printed.contains("Nothing new"), "{printed}");

    let mut worse = honest();
    worse.open(CONTACTS).contact("bjuser.jpush.cn", "127.0.0.13");
    record(&path.join("app.candor"), &worse.end());
    let (printed, _) = run(path, &check_with(&["--baseline", "base.json"]), 1);
    assert!(printed.contains("New flows") && printed.contains("contact with bjuser.jpush.cn"), "{printed}");
    let (report, _) = run(path, &check_with(&["--format", "json"]), 1);
    fs::write(path.join("new.json"), report).unwrap();

    let (printed, _) = run(path, &["diff", "base.json", "new.json"], 1);
    assert!(printed.contains("contact with bjuser.jpush.cn in phase foreground"), "{printed}");
    run(path, &["diff", "new.json", "base.json"], 0);
    run(path, &["diff", "base.json", "base.json"], 0);
    let (printed, _) = run(path, &["diff", "base.json", "new.json", "--format", "json"], 1);
    let difference: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(difference["new_flows"].as_array().unwrap().len(), 1);
    assert_eq!(difference["same_flows"], 3);

    let mut blind = Session::new();
    blind.phase("foreground").open(MAC).open(CONTACTS).contact("api.shop.example", "127.0.0.11").lose(&[Family::File]);
    record(&path.join("app.candor"), &blind.end());
    let (printed, _) = run(path, &check_with(&["--baseline", "base.json"]), 2);
    assert!(printed.contains("the new run did not see everything of: file"), "{printed}");
}

#[test]
fn a_finding_is_accepted_by_its_name() {
    let directory = with_terms();
    let path = directory.path();
    let mut leaky = honest();
    leaky.open(CONTACTS);
    record(&path.join("app.candor"), &leaky.end());
    let (report, _) = run(path, &check_with(&["--format", "json"]), 1);
    let verdict: Value = serde_json::from_str(&report).unwrap();
    let findings = verdict["rules"].as_array().unwrap().iter().flat_map(|rule| rule["findings"].as_array().unwrap());
    let fingerprint = findings.map(|finding| finding["fingerprint"].as_str().unwrap()).next().unwrap().to_owned();

    let accept = |more: &[&str], status| {
        let words = ["accept", &fingerprint, "--reason", "the \"old\" client\nneeds it", "--author", "李"];
        run(path, &words.into_iter().chain(more.iter().copied()).collect::<Vec<_>>(), status)
    };
    accept(&[], 64);
    let (_, said) = accept(&["--expires", "2001-01-01"], 64);
    assert!(said.contains("in the past"), "{said}");
    assert!(!path.join("accepted.toml").exists());
    accept(&["--expires", "2999-12-31"], 0);
    let (_, said) = accept(&["--as", "rejected"], 65);
    assert!(said.contains("occurs twice") && said.contains("nothing was written"), "{said}");

    let (printed, _) = run(path, &check_with(&["--accepted", "accepted.toml"]), 0);
    assert!(printed.contains("set aside, accepted by 李 until 2999-12-31"), "{printed}");
    let (printed, _) = run(path, &check_with(&["--accepted", "accepted.toml", "--as-of", "3000-01-01"]), 1);
    assert!(printed.contains("expired, so the finding counts again"), "{printed}");
    record(&path.join("app.candor"), &honest().end());
    let (printed, _) = run(path, &check_with(&["--accepted", "accepted.toml"]), 0);
    assert!(printed.contains("names no finding of this run"), "{printed}");
    refused(path, &["accept", "abc", "--reason", "x", "--author", "y", "--as", "rejected"], 64, &["is no fingerprint"]);
}

#[test]
fn reports_that_cannot_be_compared() {
    let directory = with_terms();
    let path = directory.path();
    record(&path.join("app.candor"), &honest().end());
    let (report, _) = run(path, &check_with(&["--format", "json"]), 0);
    fs::write(path.join("base.json"), &report).unwrap();
    fs::write(path.join("other.json"), report.replace(PACKAGE, "com.example.other")).unwrap();
    fs::write(path.join("later.json"), report.replace("candor.verdict/1", "candor.verdict/2")).unwrap();
    fs::write(path.join("no.json"), "{}").unwrap();
    refused(path, &["diff", "base.json", "none.json"], 66, &["none.json"]);
    refused(path, &["diff", "base.json", "no.json"], 65, &["no.json is no report", "missing field", "--format json"]);
    refused(path, &["diff", "base.json", "app.candor"], 65, &["app.candor"]);
    refused(path, &["diff", "base.json", "later.json"], 65, &["candor.verdict/2", "make it again"]);
    refused(path, &["diff", "base.json", "other.json"], 65, &["two versions of one app"]);
    refused(path, &check_with(&["--baseline", "other.json"]), 65, &["the baseline is of com.example.other"]);
    fs::write(path.join("bad.toml"), "[[review]]\nfingerprint = \"x\"\n").unwrap();
    refused(path, &check_with(&["--accepted", "bad.toml"]), 65, &["bad.toml cannot be used", "is no fingerprint"]);
}

#[test]
fn terms_and_profiles_that_cannot_be_used() {
    let directory = with_terms();
    let path = directory.path();
    record(&path.join("app.candor"), &honest().end());
    fs::write(path.join("nobody.toml"), "[app]\nname = \"Shop\"\n").unwrap();
    refused(path, &["check", "app.candor", "--terms", "nobody.toml"], 65, &["needs \"package\"", "nobody.toml:1"]);
    fs::write(path.join("other.toml"), TERMS.replace(PACKAGE, "com.example.other")).unwrap();
    refused(
        path,
        &["check", "app.candor", "--terms", "other.toml"],
        65,
        &["are of com.example.other", "is of com.example.shop", "--force-terms"],
    );
    run(path, &["check", "app.candor", "--terms", "other.toml", "--force-terms"], 0);
    let profile = "[profile]\nname = \"mine\"\nclauses = [\"cac-191/3.1\", \"cac-191/3.11\"]\n";
    fs::write(path.join("mine.toml"), profile).unwrap();
    refused(
        path,
        &check_with(&["--profile", "mine.toml"]),
        65,
        &["mine.toml:3", "unknown rule \"cac-191/3.11\"", "did you mean"],
    );
    refused(path, &check_with(&["--profile", "cac-19"]), 64, &["no profile is called \"cac-19\"", "cac-191"]);
    fs::write(path.join("mine.toml"), profile.replace("3.11", "3.2")).unwrap();
    let (printed, _) = run(path, &check_with(&["--profile", "mine.toml"]), 2);
    assert!(printed.contains("mine") && printed.contains("cac-191/3.1 "), "{printed}");
}

#[test]
fn recordings_that_tell_little_say_so() {
    let directory = with_terms();
    let path = directory.path();
    let recording = path.join("app.candor");

    fs::write(&recording, "").unwrap();
    refused(path, &CHECK, 65, &["app.candor is not a Candor recording: it is empty"]);

    // A session in which the app did nothing.
    record(&recording, &Session::new().end());
    let (printed, _) = run(path, &CHECK, 2);
    assert!(printed.contains("no event of the app is in the recording"), "{printed}");

    // Without an end.
    record(&recording, &honest().entries);
    let (printed, _) = run(path, &CHECK, 2);
    assert!(printed.contains("the recording is truncated"), "{printed}");

    // Without a header.
    record(&recording, &honest().end()[1..]);
    let (printed, _) = run(path, &CHECK, 2);
    assert!(printed.contains("the recording has no header"), "{printed}");

    // Two recordings, one behind the other.
    record(&recording, &honest().end());
    let one = fs::read(&recording).unwrap();
    fs::write(&recording, [one.as_slice(), &one[16..]].concat()).unwrap();
    let (printed, _) = run(path, &CHECK, 2);
    assert!(printed.contains("cannot be read"), "{printed}");

    // A format of the future.
    let mut later = one.clone();
    later[8] = 2;
    let checksum = crc32fast::hash(&later[..12]).to_le_bytes();
    later[12..16].copy_from_slice(&checksum);
    fs::write(&recording, later).unwrap();
    refused(path, &CHECK, 65, &["recording format 2", "reads format 1", "newer one"]);
}

/// A header without any time: seconds count from the first event, and no date is made up.
#[test]
fn missing_clock_anchors_make_up_no_dates() {
    let directory = with_terms();
    let path = directory.path();
    let mut entries = honest().end();
    if let StreamEntry::Header(header) = &mut entries[0] {
        header.started = ClockAnchor::default();
    }
    record(&path.join("app.candor"), &entries);
    let (printed, _) = run(path, &check_with(&["--format", "json"]), 0);
    let verdict: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(verdict["session"]["started"], "");
    assert_eq!(verdict["data"][0]["first"]["wall"], "");
    assert!(verdict["session"]["seconds"].as_f64().unwrap() < 3.0, "{}", verdict["session"]);
    assert!(verdict["phases"][0]["seconds"].as_f64().unwrap() < 3.0, "{}", verdict["phases"]);
    let kinds: Vec<&str> =
        verdict["notices"].as_array().unwrap().iter().map(|notice| notice["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"no_clock_anchor"), "{kinds:?}");
    assert!(!printed.contains("1970-"), "a date was made up");
}

fn example(directory: &Path, more: &[(&str, &str)]) -> (Option<i32>, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci/check.sh");
    let output = Command::new(script)
        .args(["app.candor", "reports"])
        .current_dir(directory)
        .env("CANDOR", env!("CARGO_BIN_EXE_candor"))
        .envs(more.iter().copied())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The script of the examples for build servers, over the life of a finding: new, in the baseline, accepted, blind.
#[test]
fn the_example_for_build_servers_runs() {
    let directory = with_terms();
    let path = directory.path();
    record(&path.join("app.candor"), &honest().end());
    assert_eq!(example(path, &[]).0, Some(0));
    for report in ["verdict.json", "junit.xml", "candor.sarif", "report.html", "summary.md"] {
        assert!(fs::metadata(path.join("reports").join(report)).unwrap().len() > 100, "{report}");
    }
    fs::copy(path.join("reports/verdict.json"), path.join("release.json")).unwrap();

    let mut leaky = honest();
    leaky.open(CONTACTS);
    record(&path.join("app.candor"), &leaky.end());
    let (status, said) = example(path, &[]);
    assert!(status == Some(1) && said.contains("something new since the release"), "{said}");
    let verdict: Value = serde_json::from_slice(&fs::read(path.join("reports/verdict.json")).unwrap()).unwrap();
    assert_eq!(verdict["baseline"]["new_findings"].as_array().unwrap().len(), 1);
    fs::copy(path.join("reports/verdict.json"), path.join("release.json")).unwrap();
    assert_eq!(example(path, &[]).0, Some(0));

    let mut blind = honest();
    blind.open(CONTACTS).lose(&[Family::File]);
    record(&path.join("app.candor"), &blind.end());
    assert_eq!(example(path, &[]).0, Some(2));
    assert_eq!(example(path, &[("CANDOR_UNTOLD", "pass")]).0, Some(0));
    assert_eq!(example(path, &[("CANDOR_TERMS", "none.toml")]).0, Some(66));
}

/// Both examples run that script with the arguments that it takes, and keep what it writes.
#[test]
fn the_examples_run_the_script_and_keep_its_reports() {
    for name in ["github-actions.yml", "gitlab-ci.yml"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci").join(name)).unwrap();
        assert!(text.contains("docs/ci/check.sh build.candor candor-reports"), "{name}");
        assert!(text.contains("candor-reports/junit.xml") || text.contains("candor-reports/candor.sarif"), "{name}");
    }
}
