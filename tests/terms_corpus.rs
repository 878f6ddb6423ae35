//! How well lists are read: documents in the shapes of published ones, each with the statements that a person reads in
//! it, and the promise that nothing in a list vanishes. `cargo test --test terms_corpus -- --nocapture` prints the
//! figures and every miss.
#![cfg(feature = "host")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests may panic, and this one reports"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use candor::host::declared_terms::import::{Imported, two_lists};
use candor::host::declared_terms::{Act, NotUnderstoodReason};
use candor::host::ontology::Ontology;

/// At least so much of what is read was said, and of what was said is read.
const PRECISION: f64 = 0.97;
const RECALL: f64 = 0.95;

fn ontology() -> &'static Ontology {
    static ONTOLOGY: OnceLock<Ontology> = OnceLock::new();
    ONTOLOGY.get_or_init(|| Ontology::built_in().unwrap())
}

/// One statement about one data type: who, what, which data, what for, when, how. One differing part is a miss.
type Reading = (String, String, String, String, String, String);

fn read(imported: &Imported) -> BTreeSet<Reading> {
    let mut readings = BTreeSet::new();
    for statement in &imported.statements {
        let party = statement.third_party().map(|party| party.name.clone()).unwrap_or_default();
        let mut types: Vec<String> =
            statement.data_types.iter().map(|id| ontology().data_types.id_of(*id).to_owned()).collect();
        if types.is_empty() {
            types.push("-".to_owned());
        }
        let denial = matches!(statement.act, Act::NotCollect | Act::NotShare);
        for data_type in types {
            readings.insert((
                statement.act.as_str().to_owned(),
                party.clone(),
                data_type,
                if denial { String::new() } else { statement.purposes.join(" | ") },
                if denial { String::new() } else { statement.scenes.join(" | ") },
                statement.method.clone().unwrap_or_default(),
            ));
        }
    }
    readings
}

fn strings(table: &toml::Table, key: &str) -> Vec<String> {
    let given = table.get(key).and_then(toml::Value::as_array);
    given.into_iter().flatten().map(|value| value.as_str().unwrap().to_owned()).collect()
}

fn expected(text: &str) -> (BTreeSet<Reading>, BTreeSet<String>) {
    let file: toml::Table = text.parse().unwrap();
    let mut readings = BTreeSet::new();
    for statement in file["statement"].as_array().unwrap() {
        let table = statement.as_table().unwrap();
        let string = |key: &str| table.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let mut types = strings(table, "data_types");
        for data_type in &types {
            assert!(ontology().data_types.find(data_type).is_some(), "{data_type} is no data type");
        }
        if types.is_empty() {
            types.push("-".to_owned());
        }
        for data_type in types {
            let party = string("by") + &string("recipient");
            let (purposes, scenes) = (strings(table, "purposes").join(" | "), strings(table, "scenes").join(" | "));
            readings.insert((string("act"), party, data_type, purposes, scenes, string("method")));
        }
    }
    (readings, strings(&file, "not_understood").into_iter().collect())
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terms_corpus")
}

#[test]
fn lists_are_read_as_a_person_reads_them() {
    let mut names: Vec<PathBuf> = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| !path.to_string_lossy().ends_with(".expected.toml"));
    names.sort();
    assert!(names.len() >= 20, "{} documents", names.len());
    let (mut right, mut wrong, mut missed, mut left_wrong) = (0_u32, Vec::new(), Vec::new(), Vec::new());
    for path in &names {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let answer = fs::read_to_string(path.with_extension("expected.toml")).unwrap();
        let (wanted, left_wanted) = expected(&answer);
        let imported = match two_lists(&name, &fs::read(path).unwrap(), ontology(), None) {
            Ok(imported) => imported,
            Err(error) => {
                missed.extend(wanted.iter().map(|reading| format!("{error}: {reading:?}")));
                continue;
            }
        };
        let found = read(&imported);
        right += u32::try_from(found.intersection(&wanted).count()).unwrap();
        wrong.extend(found.difference(&wanted).map(|reading| format!("{name}: {reading:?}")));
        missed.extend(wanted.difference(&found).map(|reading| format!("{name}: {reading:?}")));
        let failures = imported.not_understood.iter().filter(|entry| entry.reason.is_failure());
        let left: BTreeSet<String> = failures.map(|entry| entry.wording.clone()).collect();
        if left != left_wanted {
            left_wrong.push(format!("{name}: given back {left:?}, wanted {left_wanted:?}"));
        }
        for statement in &imported.statements {
            let origin = statement.place.origin.as_ref().expect("where it was said");
            assert!(!origin.at.is_empty() && !origin.wording.is_empty() && origin.line.is_some(), "{name}: {origin:?}");
        }
    }
    let precision = f64::from(right) / (f64::from(right) + wrong.len() as f64);
    let recall = f64::from(right) / (f64::from(right) + missed.len() as f64);
    println!("{} documents, {right} statements right", names.len());
    println!("precision {precision:.3} ({} said by nobody)", wrong.len());
    wrong.iter().for_each(|line| println!("  {line}"));
    println!("recall {recall:.3} ({} missed)", missed.len());
    missed.iter().for_each(|line| println!("  {line}"));
    println!("not understood, other than wanted: {}", left_wrong.len());
    left_wrong.iter().for_each(|line| println!("  {line}"));
    assert!(precision >= PRECISION && recall >= RECALL, "precision {precision:.3}, recall {recall:.3}");
    assert!(left_wrong.is_empty(), "{left_wrong:#?}");
}

#[test]
fn encodings_and_systems_are_told() {
    let import = |name: &str| two_lists(name, &fs::read(directory().join(name)).unwrap(), ontology(), None).unwrap();
    let gbk = import("14-gbk-page.html");
    assert!(gbk.notes.iter().any(|note| note.contains("gb18030") || note.contains("GBK")), "{:?}", gbk.notes);
    let split = import("12-systems-within-cells.html");
    assert!(split.notes.iter().any(|note| note.contains("tells systems apart")), "{:?}", split.notes);
    let other: Vec<&str> = split
        .not_understood
        .iter()
        .filter(|entry| entry.reason == NotUnderstoodReason::OtherSystem)
        .map(|entry| entry.wording.as_str())
        .collect();
    for word in ["手机系统重启时间", "IDFV", "IDFA", "苹果树计步SDK: 步数"] {
        assert!(other.iter().any(|wording| wording.contains(word)), "{word}: {other:?}");
    }
    assert_eq!(import("20-collected-labelled-text.txt").package.as_deref(), Some("com.example.cloudnotes"));
}
