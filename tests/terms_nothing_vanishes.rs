//! Nothing of a Data safety form vanishes: in forms made by chance, every answer about data is in a statement or in what was
//! not understood.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::sync::OnceLock;

use candor::host::declared_terms::Statement;
use candor::host::declared_terms::import::data_safety;
use candor::host::ontology::Ontology;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

fn ontology() -> &'static Ontology {
    static ONTOLOGY: OnceLock<Ontology> = OnceLock::new();
    ONTOLOGY.get_or_init(|| Ontology::built_in().unwrap())
}

/// Everything that a statement keeps of the words of the document.
fn words(statement: &Statement) -> Vec<&str> {
    let mut words: Vec<&str> = statement.purposes.iter().chain(&statement.scenes).map(String::as_str).collect();
    words.extend(statement.method.as_deref());
    words.extend(statement.retention.as_deref());
    words.extend(statement.place.origin.as_ref().map(|origin| origin.wording.as_str()));
    words.extend(statement.third_party().map(|party| party.name.as_str()));
    words
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn every_answer_of_a_form_is_said_or_given_back(
        rows in proptest::collection::vec((0_u8..7, 0_usize..6, 0_usize..6), 1..20),
    ) {
        const IDS: &[(&str, &str)] = &[
            ("PERSONAL", "PSL_NAME"),
            ("FINANCIAL", "PSL_OTHER"),
            ("EMAIL_AND_TEXT", "PSL_OTHER_MESSAGES"),
            ("IDENTIFIERS", "PSL_DEVICE_ID"),
            ("CONTACTS", "PSL_CONTACTS"),
            ("HOROSCOPE", "PSL_ZODIAC"),
        ];
        const VALUES: &[&str] = &["true", "TRUE", "yes", "false", "", "vrai"];
        let mut text = String::new();
        let mut asked: Vec<(&str, String)> = Vec::new();
        for (kind, id, value) in &rows {
            let ((group, id), value) = (IDS[*id], VALUES[*value]);
            let (question, response) = match kind {
                0 | 1 => (format!("PSL_DATA_TYPES_{group}"), id),
                2 => ("PSL_DATA_TYPES_PERSONAL".to_owned(), id),
                3 => (format!("PSL_DATA_USAGE_RESPONSES:{id}:PSL_DATA_USAGE_COLLECTION_AND_SHARING"), "PSL_DATA_USAGE_ONLY_COLLECTED"),
                4 => (format!("PSL_DATA_USAGE_RESPONSES:{id}:PSL_DATA_USAGE_COLLECTION_AND_SHARING"), "PSL_DATA_USAGE_ONLY_SHARED"),
                5 => (format!("PSL_DATA_USAGE_RESPONSES:{id}:DATA_USAGE_COLLECTION_PURPOSE"), "PSL_ASTROLOGY"),
                _ => ("PSL_DATA_COLLECTION_COLLECTS_PERSONAL_DATA".to_owned(), ""),
            };
            if !value.is_empty() && value != "false" && *kind < 6 {
                asked.push((id, format!("{question} {response} = {value}")));
            }
            text += &format!("{question},{response},{value},x,y\n");
        }
        match data_safety("x", text.as_bytes(), ontology()) {
            Err(error) => prop_assert!(error.to_string().starts_with("x"), "{}", error),
            Ok(imported) => {
                for (id, row) in asked {
                    let whole = |text: &str| text.split([' ', ':', ',']).any(|word| word == id);
                    let said = imported.statements.iter().flat_map(words).any(whole);
                    let back = imported.not_understood.iter().any(|entry| whole(&entry.wording));
                    prop_assert!(said || back, "{} vanished from\n{}\n{:#?}", row, text, imported);
                    let contradicts = |entry: &&candor::host::declared_terms::NotUnderstood| {
                        entry.reason.as_str() == "contradiction" && whole(&entry.wording)
                    };
                    if said && imported.not_understood.iter().any(|entry| contradicts(&entry)) {
                        return Err(TestCaseError::fail(format!("{row} is said and given back:\n{text}\n{imported:#?}")));
                    }
                }
            }
        }
    }
}
