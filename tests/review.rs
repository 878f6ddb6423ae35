//! `candor review`: many recordings, some of them broken, stopped and gone on with.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may panic")]

mod verdict_support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use candor::event::StreamEntry;
use candor::host::recording::RecordingWriter;
use serde_json::Value;
use verdict_support::*;

const CONTACTS: &str = "/data/data/com.android.providers.contacts/databases/contacts2.db";

fn write(path: &Path, entries: &[StreamEntry]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = RecordingWriter::create(path, true).unwrap();
    for entry in entries {
        writer.entry(entry).unwrap();
    }
    writer.finish().unwrap();
}

fn leaky() -> Vec<StreamEntry> {
    let mut session = Session::new();
    session.open(CONTACTS).phase("foreground").contact("bjuser.jpush.cn", "127.0.0.13");
    session.end()
}

fn clean() -> Vec<StreamEntry> {
    let mut session = Session::new();
    session.open("/data/data/com.example.shop/files/state").phase("foreground");
    session.end()
}

fn review(runs: &Path, output: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_candor"))
        .arg("review")
        .args([runs, Path::new("-o"), output])
        .args(more)
        .env_remove("CANDOR_DAEMON")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn league(output: &Path) -> Value {
    serde_json::from_slice(&fs::read(output.join("league.json")).unwrap()).unwrap()
}

/// One leaky app in two scenes, one clean app, and every sort of trouble.
fn world(runs: &Path) {
    write(&runs.join("shop.candor"), &leaky());
    write(&runs.join("scenes/shop.background.candor"), &leaky());
    write(&runs.join("clean.candor"), &clean());
    fs::write(runs.join("shop.toml"), TERMS).unwrap();
    fs::write(runs.join("clean.toml"), TERMS.replace("\"Shop\"", "\"Clean\"")).unwrap();
    fs::write(runs.join("empty.candor"), b"").unwrap();
    fs::write(runs.join("noise.candor"), b"this is no recording at all, whatever its name says").unwrap();
    let whole = fs::read(runs.join("shop.candor")).unwrap();
    fs::write(runs.join("cut.candor"), &whole[..whole.len() / 2]).unwrap();
    for name in ["empty", "noise", "cut"] {
        fs::write(runs.join(format!("{name}.toml")), TERMS).unwrap();
    }
    write(&runs.join("orphan.candor"), &clean());
    write(&runs.join("badterms.candor"), &clean());
    fs::write(runs.join("badterms.toml"), "[app]\npackage = 5\n").unwrap();
    write(&runs.join("other.candor"), &clean());
    fs::write(runs.join("other.toml"), TERMS.replace("com.example.shop", "com.example.another")).unwrap();
}

#[test]
fn broken_recordings_are_listed_and_stop_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (runs, results) = (directory.path().join("runs"), directory.path().join("results"));
    world(&runs);
    let manifest = directory.path().join("operators.toml");
    fs::write(&manifest, "[[operator]]\nname = \"Example Ltd 示例\"\npackages = [\"com.example\"]\n").unwrap();
    let ran = review(&runs, &results, &["--manifest", manifest.to_str().unwrap(), "--language", "both"]);
    assert_eq!(ran.status.code(), Some(1), "{}", said(&ran));

    let league = league(&results);
    let apps = league["apps"].as_array().unwrap();
    let of = |recording: &str| apps.iter().find(|row| row["recording"] == recording);
    assert_eq!(of("shop.candor").unwrap()["outcome"], "violation");
    assert_eq!(of("scenes/shop.background.candor").unwrap()["terms"], "shop.toml");
    assert_eq!(of("clean.candor").unwrap()["findings"], 0);
    assert_eq!(apps[0]["outcome"], "violation", "the worst come first");
    for (recording, reason) in [
        ("empty.candor", ""),
        ("noise.candor", "recording"),
        ("orphan.candor", "no terms: add orphan.toml"),
        ("badterms.candor", "package"),
        ("other.candor", "com.example.another"),
    ] {
        let told = league["failed"][recording].as_str().unwrap_or_else(|| panic!("{recording}: {league:#}"));
        assert!(told.contains(reason), "{recording}: {told}");
    }
    // What is left of a recording that was cut is judged, and is not clean.
    assert!(of("cut.candor").is_none_or(|row| row["outcome"] != "none_observed"), "{league:#}");

    let operators = league["operators"].as_array().unwrap();
    assert_eq!(operators[0]["operator"], "Example Ltd 示例");
    assert_eq!(operators[0]["apps"], 1);

    let page = fs::read_to_string(results.join("index.html")).unwrap();
    assert!(page.contains("Example Ltd 示例") && page.contains("noise.candor") && page.contains("按运营者"));
    for row in apps {
        assert!(results.join(row["report"].as_str().unwrap()).exists(), "{row:#}");
    }
    let table = fs::read_to_string(results.join("league.csv")).unwrap();
    let failed = league["failed"].as_object().unwrap().len();
    // Reasons may have several lines: rows begin with the name of a recording.
    let rows =
        table.lines().filter(|line| line.split(',').next().is_some_and(|cell| cell.ends_with(".candor"))).count();
    assert_eq!(rows, apps.len() + failed, "{table}");
}

#[test]
fn what_is_done_is_not_done_again_unless_its_inputs_changed() {
    let directory = tempfile::tempdir().unwrap();
    let (runs, results) = (directory.path().join("runs"), directory.path().join("results"));
    world(&runs);
    let first = review(&runs, &results, &[]);
    let again = review(&runs, &results, &[]);
    assert_eq!((first.status.code(), again.status.code()), (Some(1), Some(1)));
    assert!(!said(&again).contains("violation  "), "{}", said(&again));
    assert!(said(&again).contains("8 recordings judged before"), "{}", said(&again));

    // Other terms, another result; the others stay as they are.
    fs::write(runs.join("clean.toml"), TERMS.replace("\"Shop\"", "\"Renamed\"")).unwrap();
    // A report that somebody removed is made again.
    let shop = league(&results)["apps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["recording"] == "shop.candor")
        .unwrap()["report"]
        .as_str()
        .unwrap()
        .to_owned();
    fs::remove_file(results.join(&shop)).unwrap();
    let changed = review(&runs, &results, &[]);
    assert!(said(&changed).contains("6 recordings judged before"), "{}", said(&changed));
    assert!(said(&changed).contains("clean.candor") && results.join(&shop).exists());
    assert!(league(&results)["apps"].as_array().unwrap().iter().any(|row| row["name"] == "Renamed"));

    // Other settings judge everything again, and so does --fresh.
    let stricter = review(&runs, &results, &["--profile", "cac-191"]);
    assert!(!said(&stricter).contains("judged before"), "{}", said(&stricter));
    let fresh = review(&runs, &results, &["--profile", "cac-191", "--fresh"]);
    assert!(!said(&fresh).contains("judged before"), "{}", said(&fresh));
}

#[test]
fn a_review_that_was_stopped_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let (runs, results) = (directory.path().join("runs"), directory.path().join("results"));
    for number in 0..60 {
        write(&runs.join(format!("app-{number:02}.candor")), &leaky());
        fs::write(runs.join(format!("app-{number:02}.toml")), TERMS).unwrap();
    }
    let child = Command::new(env!("CARGO_BIN_EXE_candor"))
        .arg("review")
        .args([&runs, Path::new("-o"), &results])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let state = results.join("state.json");
    let done = || fs::read_to_string(&state).map_or(0, |text| text.matches("\"judged\"").count());
    while done() < 2 {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()), nix::sys::signal::SIGINT)
        .unwrap();
    let stopped = child.wait_with_output().unwrap();
    assert_eq!(stopped.status.code(), Some(1), "{}", said(&stopped));
    let part = league(&results);
    let (judged, left) = (part["apps"].as_array().unwrap().len(), part["not_reached"].as_array().unwrap().len());
    assert_eq!(judged + left, 60);
    assert!(left > 0, "it was done before it could be stopped; more recordings are needed for this to prove anything");

    let resumed = review(&runs, &results, &[]);
    assert!(said(&resumed).contains(&format!("{judged} recordings judged before")), "{}", said(&resumed));
    let whole = league(&results);
    assert_eq!(whole["apps"].as_array().unwrap().len(), 60);
    assert!(whole["not_reached"].as_array().unwrap().is_empty());
}

#[test]
fn clear_errors_for_what_cannot_be_reviewed_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let (runs, results) = (directory.path().join("runs"), directory.path().join("results"));
    let nothing = review(&runs, &results, &[]);
    assert_eq!(nothing.status.code(), Some(66), "{}", said(&nothing));
    fs::create_dir_all(&runs).unwrap();
    let empty = review(&runs, &results, &[]);
    assert_eq!(empty.status.code(), Some(66));
    assert!(said(&empty).contains("there is no recording (NAME.candor) in"), "{}", said(&empty));

    write(&runs.join("clean.candor"), &clean());
    fs::write(runs.join("clean.toml"), TERMS).unwrap();
    fs::create_dir_all(&results).unwrap();
    fs::write(results.join("state.json"), "{\"schema\": \"candor.review/9\", \"done\": {}}").unwrap();
    let newer = review(&runs, &results, &[]);
    assert_eq!(newer.status.code(), Some(65), "{}", said(&newer));
    assert!(said(&newer).contains("candor.review/9") && said(&newer).contains("--fresh"), "{}", said(&newer));
    let good = review(&runs, &results, &["--fresh"]);
    assert_eq!(good.status.code(), Some(0), "{}", said(&good));
}
