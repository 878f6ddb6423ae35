//! Every rule and clause that a trace decides, wholly or in part, on recordings that break it, keep it, and are blind to it.
//!
//! `scripts/bless` writes `expected.txt` again.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::BufReader;
use std::path::PathBuf;

use candor::event::StreamEntry;
use candor::host::correlate::profiles::{BUILT_IN, Decidability};
use candor::host::correlate::rules::ALL_RULES;
use candor::host::correlate::{Correlator, Profile, RuleOutcome, Verdict};
use candor::host::declared_terms::DeclaredTerms;
use candor::host::ontology::Ontology;
use candor::host::recording::{NdjsonReader, RecordingCondition};
use candor::host::toml_source::SourceFile;

/// Clauses that two versions of the app, or something that no recording holds, decide.
const NOT_BY_ONE_RECORDING: &[&str] = &["cac-191/2.2", "cac-191/3.5"];

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rules")
}

fn entries(name: &str) -> Vec<StreamEntry> {
    let path = directory().join(format!("{name}.ndjson"));
    let file = fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    NdjsonReader::new(BufReader::new(file), &path, false)
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{error}"))
}

/// What a recording comes to under every rule and every built-in profile.
fn verdict(name: &str, ontology: &Ontology) -> Verdict {
    let source = SourceFile::new("terms.toml", fs::read_to_string(directory().join("terms.toml")).unwrap());
    let (terms, _) = DeclaredTerms::parse(&source, ontology).unwrap_or_else(|problems| panic!("{problems}"));
    let profiles = Profile::names().map(|name| Profile::built_in(name, ontology).unwrap().unwrap()).collect();
    let mut correlator = Correlator::new(&terms, ontology).with_profiles(profiles);
    let entries = entries(name);
    entries.iter().for_each(|entry| correlator.add(entry));
    let complete = matches!(entries.last(), Some(StreamEntry::End(_)));
    correlator.finish(&RecordingCondition { complete, ..RecordingCondition::default() })
}

/// The state of every rule and clause, by id.
fn states(verdict: &Verdict) -> BTreeMap<String, &'static str> {
    let of_rules = verdict.rules.iter().map(|rule| (rule.id.to_owned(), rule.outcome.name()));
    let of_clauses = verdict.profiles.iter().flat_map(|profile| {
        profile.clauses.iter().map(|clause| (format!("{}/{}", profile.name, clause.id), clause.state.name()))
    });
    of_rules.chain(of_clauses).collect()
}

struct Proof {
    rules: Vec<String>,
    breaks: String,
    keeps: String,
    blind: String,
}

fn proofs() -> Vec<Proof> {
    let text = fs::read_to_string(directory().join("table.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let text = |row: &toml::Value, key: &str, otherwise: &str| {
        row.get(key).map_or(otherwise.to_owned(), |value| value.as_str().unwrap().to_owned())
    };
    let rows = table["proof"].as_array().unwrap().iter();
    rows.map(|row| Proof {
        rules: row["rules"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect(),
        breaks: text(row, "breaks", ""),
        keeps: text(row, "keeps", "honest"),
        blind: text(row, "blind", "blind"),
    })
    .collect()
}

/// Every rule that has to be proven.
fn provable(ontology: &Ontology) -> BTreeSet<String> {
    let clauses = BUILT_IN.iter().flat_map(|profile| {
        let decidable = profile.clauses.iter().filter(|clause| clause.decidability != Decidability::NotByTrace);
        decidable.map(|clause| format!("{}/{}", profile.name, clause.id))
    });
    let rates = Profile::names().flat_map(|name| {
        let profile = Profile::built_in(name, ontology).unwrap().unwrap();
        profile.rates.into_iter().map(move |rate| format!("{name}/{}", rate.id))
    });
    let rules = ALL_RULES.iter().map(|rule| rule.id.to_owned());
    rules.chain(clauses).chain(rates).filter(|id| !NOT_BY_ONE_RECORDING.contains(&id.as_str())).collect()
}

#[test]
fn every_rule_has_a_recording_that_breaks_it_one_that_keeps_it_and_a_blind_one() {
    let ontology = Ontology::built_in().unwrap();
    let proofs = proofs();
    let proven: BTreeSet<String> = proofs.iter().flat_map(|proof| proof.rules.iter().cloned()).collect();
    assert_eq!(proven, provable(&ontology), "left: what table.toml proves; right: what has to be proven");

    let mut known: BTreeMap<String, BTreeMap<String, &'static str>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for proof in &proofs {
        for (role, name) in [("breaks", &proof.breaks), ("keeps", &proof.keeps), ("blind", &proof.blind)] {
            let states = known.entry(name.clone()).or_insert_with(|| states(&verdict(name, &ontology)));
            for rule in &proof.rules {
                let state = states[rule];
                let right = match role {
                    "breaks" => matches!(state, "violation" | "indication"),
                    "keeps" => state == "none_observed",
                    _ => state == "cannot_tell",
                };
                // A run without the phase that the tester chooses to try says "not applicable".
                let untried = rule == "after-refusal" && role == "blind" && state == "not_applicable";
                if !right && !untried {
                    wrong.push(format!("{rule}: {name} {role} it, and gives {state}"));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Nothing is found where nothing is wrong.
#[test]
fn the_baseline_stays_silent() {
    let ontology = Ontology::built_in().unwrap();
    let mut names: Vec<String> = fs::read_dir(directory().join("baseline"))
        .unwrap()
        .map(|entry| format!("baseline/{}", entry.unwrap().path().file_stem().unwrap().to_string_lossy()))
        .collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    for name in names.iter().map(String::as_str).chain(["honest", "quiet"]) {
        let verdict = verdict(name, &ontology);
        let found: Vec<&str> =
            verdict.rules.iter().flat_map(|rule| &rule.findings).map(|finding| finding.message.as_str()).collect();
        assert_eq!(found, Vec::<&str>::new(), "{name}");
        let violated: Vec<String> = verdict
            .profiles
            .iter()
            .flat_map(|profile| profile.clauses.iter().map(move |clause| (profile, clause)))
            // What the lists have to tell of a reading is a matter of the terms, which are the same for all.
            .filter(|(_, clause)| clause.state.name() == "violation" && !clause.id.starts_with("collected-"))
            .map(|(profile, clause)| format!("{}/{}", profile.name, clause.id))
            .collect();
        assert_eq!(violated, Vec::<String>::new(), "{name}");
        assert_ne!(verdict.rules.iter().map(|rule| rule.outcome).min(), Some(RuleOutcome::Violation));
    }
}

/// Every state, every finding and every reason, word for word.
#[test]
fn every_recording_gives_what_is_expected() {
    let ontology = Ontology::built_in().unwrap();
    let mut names: Vec<String> = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ndjson"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut text = String::new();
    for name in &names {
        let verdict = verdict(name, &ontology);
        text.push_str(&format!("# {name}: {}\n", verdict.session.label));
        for rule in &verdict.rules {
            text.push_str(&format!("{} {}\n", rule.id, rule.outcome.name()));
            for finding in &rule.findings {
                text.push_str(&format!("  {} {}\n", finding.fingerprint, finding.message));
            }
            rule.reasons.iter().for_each(|reason| text.push_str(&format!("  - {reason}\n")));
        }
        for profile in &verdict.profiles {
            for clause in profile.clauses.iter().filter(|clause| clause.decidability != "N") {
                text.push_str(&format!("{}/{} {}\n", profile.name, clause.id, clause.state.name()));
                for finding in &clause.findings {
                    text.push_str(&format!("  {} {}\n", finding.fingerprint, finding.message));
                }
                clause.reasons.iter().for_each(|reason| text.push_str(&format!("  - {reason}\n")));
            }
        }
        for row in &verdict.tuples {
            let data = row.data_type.as_ref().map_or("-", |name| name.id.as_str());
            let host = row.recipient.as_ref().map_or("-", |name| name.host.as_str());
            let told = row.disclosure.as_ref().map_or("-", |told| told.verdict.name());
            let counts = format!("{} reads, {} sends", row.reads, row.sends);
            text.push_str(&format!(
                "row {data} {host} {} {} {} {told}, {counts}\n",
                row.phase,
                row.outcome,
                row.tie.name()
            ));
        }
        text.push('\n');
    }
    let path = directory().join("expected.txt");
    if std::env::var_os("CANDOR_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let first = text.lines().zip(expected.lines()).enumerate().find(|(_, (now, wanted))| now != wanted);
    assert_eq!(
        text, expected,
        "\nthe first line that differs: {first:?}; when it is meant, scripts/bless writes expected.txt again"
    );
}
