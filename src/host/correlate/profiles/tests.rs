//! The tables, walked.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeSet;

use super::*;
use crate::event::WELL_KNOWN_PHASES;
use crate::host::ontology::Ontology;
use crate::host::toml_source::SourceFile;

#[test]
fn every_clause_is_described_and_every_phase_is_known() {
    let known: BTreeSet<&str> = WELL_KNOWN_PHASES.iter().chain(PHASES_OF_CLAUSES).map(|(name, _)| *name).collect();
    let mut seen = BTreeSet::new();
    for profile in BUILT_IN {
        assert!(!profile.title_en.is_empty() && !profile.title_zh.is_ascii() && !profile.source.is_empty());
        for clause in profile.clauses {
            let id = format!("{}/{}", profile.name, clause.id);
            assert!(seen.insert(id.clone()), "{id} occurs twice");
            assert!(!clause.en.is_empty() && !clause.zh.is_ascii() && !clause.source.is_empty(), "{id}");
            let not_decidable = matches!(clause.check, Check::NotByTrace(_));
            assert_eq!(not_decidable, clause.decidability == Decidability::NotByTrace, "{id}");
            if let When::All(phases) | When::OneOf(phases) = clause.when {
                assert!(!phases.is_empty() && phases.iter().all(|phase| known.contains(phase)), "{id}");
            }
        }
    }
    assert_eq!(seen, clause_ids().collect());
}

#[test]
fn the_2019_method_has_31_acts_of_which_14_are_not_decidable() {
    let (profile, _) = find_clause("cac-191/3.1").unwrap();
    let letters = |letter| profile.clauses.iter().filter(|clause| clause.decidability.letter() == letter).count();
    assert_eq!((profile.clauses.len(), letters("D"), letters("P"), letters("N")), (31, 7, 10, 14));
    let categories: Vec<usize> = ["1.", "2.", "3.", "4.", "5.", "6."]
        .iter()
        .map(|start| profile.clauses.iter().filter(|clause| clause.id.starts_with(start)).count())
        .collect();
    assert_eq!(categories, [4, 4, 9, 6, 3, 5]);
}

#[test]
fn every_built_in_profile_can_be_had() {
    let ontology = Ontology::built_in().unwrap();
    for name in Profile::names() {
        let profile = Profile::built_in(name, &ontology).unwrap().unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(profile.name, name);
        assert!(profile.asked_for && (!profile.clauses.is_empty() || !profile.rates.is_empty()));
    }
    assert!(Profile::built_in("no-such", &ontology).is_none());
    assert_eq!(rates::examples(&ontology).len(), 2);
}

#[test]
fn a_profile_of_the_users_is_read_and_its_faults_are_placed() {
    let ontology = Ontology::built_in().unwrap();
    let good = "[profile]\nname = \"mine\"\nclauses = [\"cac-191/3.1\", \"two-lists/*\"]\n\n[[rate]]\nid = \"r\"\n\
                data_types = [\"contacts\"]\nphases = [\"background\"]\nmax_count = 1\n";
    let profile = Profile::parse(&SourceFile::new("mine.toml", good), &ontology).unwrap();
    assert_eq!((profile.clauses.len(), profile.rates.len()), (7, 1));
    let bad = "[profile]\nname = \"mine\"\nclauses = [\"cac-191/3.l\",\n  \"nothing\"]\n\n[[rate]]\nid = \"r\"\n\
               data_types = [\"contatcs\"]\nphases = [\"Back\"]\n";
    let problems = Profile::parse(&SourceFile::new("mine.toml", bad), &ontology).unwrap_err();
    let told: Vec<(u32, &str)> =
        problems.entries.iter().map(|entry| (entry.line, entry.message.split(':').next().unwrap())).collect();
    assert_eq!(told[0], (3, "unknown rule \"cac-191/3.l\""));
    assert_eq!(told[1], (4, "unknown rule \"nothing\""));
    assert_eq!(problems.entries.len(), 5, "{problems}");
    let empty = Profile::parse(&SourceFile::new("e.toml", "[profile]\nname = \"e\"\n"), &ontology).unwrap_err();
    assert!(empty.to_string().contains("a profile needs clauses"), "{empty}");
}
