//! Declared terms: what an app says it collects and with whom it shares it.
//!
//! * **In:** a TOML file (`docs/DECLARED-TERMS.md` describes it). **Out:** [`DeclaredTerms`], each statement with the
//!   line where it was made; or every problem of the file at once.
//! * **May import:** `event` (phases), `host::ontology`, `host::toml_source`.
//! * **Test it:** `cargo test host::declared_terms`.

mod compare;
mod disclosure;
pub mod import;
mod lint;
mod manifest;
mod model;
mod native;
mod native_manifest;
mod schema;
mod write;

pub use compare::{Asked, Bearing, Changed, Claim, Differences, differences, explain};
pub use disclosure::{DisclosureVerdict, Nearness, Weighing};
pub use manifest::{Component, ComponentKind, Manifest, MayAccess, UndeclaredAccess};
pub use model::{
    Act, Confidence, DeclaredApp, DeclaredTerms, NotUnderstood, NotUnderstoodReason, Origin, Party, Provenance,
    Statement, Subject, Timing, TimingAnswer,
};
pub use native::is_package_name;
pub use schema::schema;
pub use write::{Head, to_toml};

use super::ontology::Ontology;
use super::toml_source::{Diagnostics, SourceFile};

impl DeclaredTerms {
    /// Reads terms. On success the second value holds warnings only.
    ///
    /// # Errors
    ///
    /// Every problem of the file, warnings included, when at least one makes it unusable.
    pub fn parse(source: &SourceFile, ontology: &Ontology) -> Result<(Self, Diagnostics), Diagnostics> {
        let mut problems = Diagnostics::default();
        let terms = native::read(source, ontology, &mut problems);
        problems.sort();
        match terms {
            Some(terms) if !problems.has_errors() => Ok((terms, problems)),
            _ => Err(problems),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::OnceLock;

    use super::*;
    use crate::event::Phase;

    const GOOD: &str = r#"
[app]
package = "com.example.shop"
name = "Shop"
type = "shopping"
version = "1.2"
first_party_domains = ["shop.example"]

[[collect]]
data_types = ["photos", "contacts"]
purposes = ["choose a picture"]
phases = ["foreground"]
max_per_minute = 60

[[collect]]
data_types = ["device_id"]
foreground_only = true

[[share]]
data_types = ["device_id"]
recipient = "umeng"
purposes = ["statistics"]

[[share]]
recipient = "Our partner"
domains = ["Partner.Example", "192.0.2.9"]

[[not_collect]]
data_types = ["id.imei", "location"]

[[not_share]]
data_types = ["contacts"]
"#;

    fn parse(text: &str) -> Result<(DeclaredTerms, Diagnostics), Diagnostics> {
        static ONTOLOGY: OnceLock<Ontology> = OnceLock::new();
        let ontology = ONTOLOGY.get_or_init(|| Ontology::built_in().unwrap());
        DeclaredTerms::parse(&SourceFile::new("terms.toml", text), ontology)
    }

    /// Line, message and help of each problem.
    fn problems(text: &str) -> Vec<(u32, String, Option<String>)> {
        let found = match parse(text) {
            Ok((_, warnings)) => warnings,
            Err(problems) => problems,
        };
        found.entries.into_iter().map(|entry| (entry.line, entry.message, entry.help)).collect()
    }

    #[test]
    fn every_kind_of_statement_is_read_with_its_line() {
        let (terms, warnings) = parse(GOOD).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(warnings.entries.is_empty(), "{warnings}");
        assert_eq!(terms.app.package, "com.example.shop");
        assert_eq!(terms.app.first_party_domains[0].as_str(), "shop.example");
        let collect: Vec<&Statement> = terms.collect().collect();
        assert_eq!(collect.iter().map(|collect| collect.place.line).collect::<Vec<_>>(), [9, 15]);
        assert_eq!(collect[0].max_per_minute, Some(60));
        assert!(collect[1].timing.foreground_only);
        let recipients: Vec<&Party> = terms.contacts().filter_map(Statement::third_party).collect();
        assert!(recipients[0].known.is_some());
        assert_eq!(recipients[1].domains[0].as_str(), "partner.example");
        assert_eq!(terms.not_collect().next().unwrap().data_types.len(), 2);
        assert_eq!(terms.not_share().next().unwrap().place.line, 31);
    }

    #[test]
    fn all_errors_are_told_at_once() {
        let text = r#"
[app]
pakcage = "com.example.shop"
first_party_domains = ["https://shop.example/x"]
[[collect]]
data_types = ["id.mca", "通讯录", "photos"]
foreground_only = "true"
max_per_minute = 0
[[collect]]
data_types = "contacts"
[[colect]]
"#;
        let found = problems(text);
        let help = |line: u32| found.iter().find(|entry| entry.0 == line).and_then(|entry| entry.2.clone());
        assert_eq!(help(3).as_deref(), Some("did you mean \"package\"?"));
        assert_eq!(help(4).as_deref(), Some("write \"shop.example\""));
        assert_eq!(help(6).as_deref(), Some("did you mean \"id.mac\"?"));
        assert_eq!(help(7).as_deref(), Some("write foreground_only = true, without quotes"));
        assert!(found.iter().any(|entry| entry.2.as_deref() == Some("did you mean \"contacts\"?")));
        assert_eq!(help(10).as_deref(), Some("write data_types = [\"contacts\"]"));
        assert_eq!(help(11).as_deref(), Some("did you mean \"collect\"?"));
        assert!(found.iter().any(|entry| entry.0 == 8));
        assert_eq!(found.len(), 8, "{found:#?}");
    }

    #[test]
    fn contradictions_and_repetitions_are_errors() {
        let app = "[app]\npackage = \"a.b\"\n";
        for (text, wanted) in [
            (
                "[[collect]]\ndata_types = [\"id.mac\"]\n[[not_collect]]\ndata_types = [\"id.mac\"]",
                "denied here and collected in line 4",
            ),
            (
                "[[collect]]\ndata_types = [\"id.mac\"]\n[[not_collect]]\ndata_types = [\"id\"]",
                "line 4 collects the narrower \"id.mac\"",
            ),
            (
                "[[collect]]\ndata_types = [\"id.mac\"]\n[[collect]]\ndata_types = [\"id.mac\"]",
                "already collected under the same conditions by line 3",
            ),
            ("[[collect]]\ndata_types = [\"id.mac\", \"id.mac\"]", "listed twice"),
            (
                "[[collect]]\ndata_types = [\"sms\"]\n[[share]]\ndata_types = [\"sms\"]\nrecipient = \"umeng\"\n[[not_share]]\ndata_types = [\"sms\"]",
                "is denied here and declared in line 5",
            ),
            ("[[share]]\nrecipient = \"umeng\"\n[[not_share]]", "denied here and declared in line 3"),
            (
                "[[share]]\nrecipient = \"A\"\ndomains = [\"a.example\"]\n[[share]]\nrecipient = \"B\"\ndomains = [\"a.example\"]",
                "belongs to recipient \"A\" by line 3",
            ),
            ("[[share]]\nrecipient = \"umegn\"", "its domains must be listed"),
            (
                "[[collect]]\ndata_types = [\"sms\"]\nphases = [\"background\"]\nforeground_only = true",
                "contradicts phase",
            ),
            ("[[collect]]\ndata_types = [\"sms\"]\nphases = [\"Foreground\"]", "is not a phase name"),
            ("[[collect]]\ndata_types = []", "\"data_types\" is empty"),
            ("[[collect]]\npurposes = [\"x\"]", "[[collect]] needs \"data_types\""),
        ] {
            let found = parse(&format!("{app}{text}\n")).expect_err(text);
            assert!(found.to_string().contains(wanted), "{text}\n{found}");
        }
        let excepted = "[[collect]]\ndata_types = [\"device_id\"]\n[[not_collect]]\ndata_types = [\"id.imei\"]\n";
        assert!(parse(&format!("{app}{excepted}")).is_ok());
    }

    #[test]
    fn loose_ends_are_warnings() {
        let app = "[app]\npackage = \"a.b\"\n";
        for (text, wanted) in [
            ("[[share]]\nrecipient = \"umeng\"\ndata_types = [\"sms\"]", "no [[collect]] says"),
            ("[[collect]]\ndata_types = [\"sms\"]\nphases = [\"pre_consent\"]", "does not excuse it"),
            ("[[collect]]\ndata_types = [\"sms\"]\nphases = [\"forground\"]", "a phase of your own"),
        ] {
            let (_, warnings) = parse(&format!("{app}{text}\n")).unwrap_or_else(|problems| panic!("{problems}"));
            assert!(warnings.to_string().contains(wanted), "{text}\n{warnings}");
        }
        let (_, warnings) = parse("[app]\npackage = \"a.b\"\nfirst_party_domains = [\"umeng.com\"]\n").unwrap();
        assert!(warnings.to_string().contains("hides that recipient"));
    }

    #[test]
    fn a_file_that_is_not_toml_or_has_no_app_says_so() {
        assert!(problems("[app\npackage = 1").iter().any(|entry| entry.1.starts_with("not valid TOML")));
        assert_eq!(problems("")[0].1, "the file has no [app]");
        assert!(problems("[app]\npackage = \"a b\"\n")[0].1.contains("is not a package name"));
    }

    #[test]
    fn timing_answers_by_phase() {
        let phase = |name: &str| name.parse::<Phase>().unwrap();
        let free = Timing::default();
        assert_eq!(free.answer(&phase("unmarked")), TimingAnswer::Allowed);
        assert_eq!(free.answer(&phase("background")), TimingAnswer::Allowed);
        let foreground = Timing { phases: None, foreground_only: true };
        assert_eq!(foreground.answer(&phase("background")), TimingAnswer::Excluded);
        assert_eq!(foreground.answer(&phase("silent")), TimingAnswer::Allowed);
        assert_eq!(foreground.answer(&phase("checkout")), TimingAnswer::Allowed);
        assert_eq!(foreground.answer(&phase("unmarked")), TimingAnswer::NotKnown);
        let named = Timing { phases: Some(BTreeSet::from([phase("checkout")])), foreground_only: false };
        assert_eq!(named.answer(&phase("checkout")), TimingAnswer::Allowed);
        assert_eq!(named.answer(&phase("foreground")), TimingAnswer::Excluded);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\[app\\]\n)?(\\[\\[(collect|share|not_share)\\]\\]\n)?[a-z_]{0,12} ?= ?.{0,40}\n.{0,60}") {
            let _ = parse(&text);
        }
    }
}
