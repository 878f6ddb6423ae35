//! How well policies are drafted: documents in running text, each with the drafts that a person makes of it.
//! `cargo test --test policy_corpus -- --nocapture` prints the figures and every miss; `docs/IMPORT-POLICY.md` has them.
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

use candor::host::declared_terms::import::{Imported, policy};
use candor::host::declared_terms::{Confidence, DeclaredTerms, Head, to_toml};
use candor::host::ontology::Ontology;
use candor::host::toml_source::SourceFile;

fn ontology() -> &'static Ontology {
    static ONTOLOGY: OnceLock<Ontology> = OnceLock::new();
    ONTOLOGY.get_or_init(|| Ontology::built_in().unwrap())
}

/// One draft about one data type: line, act, third party, data type. One differing part is a miss.
type Draft = (u32, String, String, String);

fn read(imported: &Imported, keep: impl Fn(Confidence) -> bool) -> BTreeSet<Draft> {
    let mut drafts = BTreeSet::new();
    for statement in &imported.statements {
        assert!(statement.draft, "{statement:?}");
        let origin = statement.place.origin.as_ref().unwrap();
        if !keep(origin.confidence) {
            continue;
        }
        let party = match statement.third_party() {
            None => "-",
            Some(party) if party.known.is_none() => "~",
            Some(party) => &party.name,
        };
        let mut types: Vec<&str> = statement.data_types.iter().map(|id| ontology().data_types.id_of(*id)).collect();
        if types.is_empty() {
            types.push("*");
        }
        for data_type in types {
            drafts.insert((
                origin.line.unwrap(),
                statement.act.as_str().to_owned(),
                party.to_owned(),
                data_type.to_owned(),
            ));
        }
    }
    drafts
}

fn expected(path: &Path) -> BTreeSet<Draft> {
    let text = fs::read_to_string(path.with_extension("expected")).unwrap();
    let mut drafts = BTreeSet::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let mut words = line.splitn(4, ' ');
        let (number, act, party) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        for data_type in words.next().unwrap().split(',') {
            let data_type = data_type.trim();
            assert!(
                data_type == "*" || ontology().data_types.find(data_type).is_some(),
                "{data_type} in {}",
                path.display()
            );
            assert!(
                matches!(party, "-" | "~") || ontology().recipients.find(party).is_some(),
                "{party} in {}",
                path.display()
            );
            drafts.insert((number.parse().unwrap(), act.to_owned(), party.to_owned(), data_type.to_owned()));
        }
    }
    drafts
}

fn documents() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy_corpus");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension != "expected"));
    paths.sort();
    paths
}

#[derive(Default)]
struct Counts {
    documents: usize,
    right: usize,
    read: usize,
    expected: usize,
}

impl Counts {
    #[expect(clippy::cast_precision_loss, reason = "counts of a few hundred")]
    fn rates(&self) -> (f64, f64) {
        (self.right as f64 / self.read as f64, self.right as f64 / self.expected as f64)
    }

    fn add(&mut self, read: &BTreeSet<Draft>, expected: &BTreeSet<Draft>) {
        self.documents += 1;
        self.right += read.intersection(expected).count();
        self.read += read.len();
        self.expected += expected.len();
    }

    fn line(&self, name: &str) -> String {
        let (precision, recall) = self.rates();
        format!(
            "{name}: {} documents, {} drafts expected, {} made, {} right: precision {precision:.3}, recall {recall:.3}",
            self.documents, self.expected, self.read, self.right
        )
    }
}

fn import(path: &Path) -> Imported {
    policy(&path.file_name().unwrap().to_string_lossy(), &fs::read(path).unwrap(), ontology())
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn drafts_are_those_that_a_person_makes() {
    let (mut all, mut sure, mut unseen) = (Counts::default(), Counts::default(), Counts::default());
    for path in documents() {
        let imported = import(&path);
        let (read_all, wanted) = (read(&imported, |_| true), expected(&path));
        all.add(&read_all, &wanted);
        sure.add(&read(&imported, |confidence| confidence != Confidence::Guessed), &wanted);
        let name = path.file_name().unwrap().to_string_lossy();
        if name.contains("second-unseen") {
            unseen.add(&read_all, &wanted);
        }
        for draft in read_all.difference(&wanted) {
            println!("{name}: read and not said: {draft:?}");
        }
        for draft in wanted.difference(&read_all) {
            println!("{name}: said and not read: {draft:?}");
        }
    }
    println!("{}", all.line("all drafts"));
    println!("{}", unseen.line("documents written after the last change of the rules"));
    println!("{}", sure.line("phrase-matched drafts alone"));
    let (precision, recall) = all.rates();
    assert!(all.documents >= 12);
    // Not a goal: what was reached, so that a change that loses something is seen.
    assert!(precision >= 0.96 && recall >= 0.90, "{precision} {recall}");
}

#[test]
fn what_is_exported_is_read_back_and_declares_nothing() {
    for path in documents() {
        let imported = import(&path);
        let head = Head { package: "com.example.app", ..Head::default() };
        let text = to_toml(&head, &imported.statements, &imported.not_understood, ontology());
        let (terms, _) = DeclaredTerms::parse(&SourceFile::new("t.toml", &text), ontology())
            .unwrap_or_else(|problems| panic!("{}\n{problems}", path.display()));
        assert_eq!(terms.drafts().count(), imported.statements.len(), "{}", path.display());
        assert_eq!(terms.collect().count() + terms.not_collect().count() + terms.not_share().count(), 0);
        assert_eq!(terms.contacts().count(), 0);
    }
}

/// The characters that a draft points at are its sentence, markup and white space aside.
#[test]
fn ranges_point_at_the_sentence() {
    for path in documents() {
        let source: Vec<char> = fs::read_to_string(&path).unwrap().chars().collect();
        for statement in &import(&path).statements {
            let origin = statement.place.origin.as_ref().unwrap();
            let range = origin.at.strip_prefix("characters ").unwrap_or_else(|| panic!("{origin:?}"));
            let (start, end) = range.split_once('-').unwrap();
            let there: String = source[start.parse().unwrap()..end.parse().unwrap()].iter().collect();
            let squeeze = |text: &str| text.split_whitespace().collect::<String>();
            let (first, last) = (origin.wording.chars().next().unwrap(), origin.wording.chars().last().unwrap());
            assert!(there.starts_with(first) && there.ends_with(last), "{there:?} is not {:?}", origin.wording);
            if !there.contains(['<', '*', '&']) {
                assert_eq!(squeeze(&there), squeeze(&origin.wording), "{}", path.display());
            }
        }
    }
}
