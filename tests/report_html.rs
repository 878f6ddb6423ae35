//! The HTML report: everything in both languages, small whatever the recording holds, and nothing in it that runs.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may panic")]

mod verdict_support;

use candor::event::*;
use candor::host::correlate::{Correlator, Profile, Verdict};
use candor::host::declared_terms::DeclaredTerms;
use candor::host::ontology::Ontology;
use candor::host::recording::RecordingCondition;
use candor::host::report::{self, Language, Translator};
use candor::host::toml_source::SourceFile;
use verdict_support::*;

const MEBIBYTE: usize = 1024 * 1024;

fn judged(terms: &str, entries: &[StreamEntry]) -> Verdict {
    let ontology = Ontology::built_in().unwrap();
    let (terms, _) = DeclaredTerms::parse(&SourceFile::new("terms.toml", terms), &ontology).unwrap();
    let profiles = Profile::names().map(|name| Profile::built_in(name, &ontology).unwrap().unwrap()).collect();
    let mut correlator = Correlator::new(&terms, &ontology).with_profiles(profiles);
    for entry in entries {
        correlator.add(entry);
    }
    let complete = entries.iter().any(|entry| matches!(entry, StreamEntry::End(_)));
    correlator.finish(&RecordingCondition { complete, ..RecordingCondition::default() })
}

const MAC: &str = "/sys/class/net/wlan0/address";
const CONTACTS: &str = "/data/data/com.android.providers.contacts/databases/contacts2.db";

/// Sessions that make the verdict say as much as it can.
fn talkative() -> Vec<Verdict> {
    let typed = TERMS.replace("name = \"Shop\"", "name = \"Shop\"\napp_type = \"map-navigation\"");
    let mut breaking = Session::new();
    breaking.open(CONTACTS).open(MAC).contact("bjuser.jpush.cn", "127.0.0.13").totals(
        "127.0.0.13:443",
        Transport::Tcp,
        900,
    );
    breaking.phase("permission_prompt").phase("permission_prompt").phase("foreground").open(CONTACTS).open(MAC);
    for _ in 0..40 {
        breaking.open("/storage/emulated/0/DCIM/Camera/IMG_1.jpg");
    }
    breaking
        .open_with(CONTACTS, Outcome::Denied(13))
        .contact("cdn.unlisted.example", "127.0.0.15")
        .connect("192.0.2.7:443");
    for phase in ["silent", "background", "killed", "refused", "personalisation_off", "withdrawn"] {
        breaking.phase(phase).open(CONTACTS).open(MAC).contact("sdk.e.qq.com", "127.0.0.14");
    }
    let mut lossy = Session::new();
    lossy.phase("foreground").open(CONTACTS).lose(Family::TRACED);
    let mut unmarked = Session::with_probes(vec![attached(Family::File)]);
    unmarked.phase("unmarked").open("/storage/emulated/0/DCIM/Camera/IMG_1.jpg");
    vec![
        judged(&typed, &breaking.end()),
        judged(TERMS, &breaking.end()),
        judged("[app]\npackage = \"com.example.shop\"\n", &breaking.end()),
        judged(TERMS, &lossy.end()),
        judged(TERMS, &lossy.entries),
        judged(TERMS, &unmarked.end()),
        judged(TERMS, &[]),
    ]
}

/// Every sentence that verdicts of these sessions say in words.
fn sentences(verdict: &Verdict) -> Vec<&str> {
    let findings = verdict.rules.iter().flat_map(|rule| &rule.findings);
    let clauses = || verdict.profiles.iter().flat_map(|profile| &profile.clauses);
    let messages = findings.chain(clauses().flat_map(|clause| &clause.findings)).map(|finding| &finding.message);
    let reasons =
        verdict.rules.iter().flat_map(|rule| &rule.reasons).chain(clauses().flat_map(|clause| &clause.reasons));
    let families = verdict.coverage.families.iter().flat_map(|family| &family.reasons);
    let notices = verdict.notices.iter().map(|notice| &notice.message);
    let ties = verdict.tying.not_possible.iter().map(|tie| &tie.why);
    messages.chain(reasons).chain(families).chain(notices).chain(ties).map(String::as_str).collect()
}

#[test]
fn every_sentence_of_a_verdict_is_known_in_chinese() {
    let mut told = 0;
    let mut missing = std::collections::BTreeSet::new();
    for verdict in talkative() {
        let translator = Translator::of(&verdict);
        for sentence in sentences(&verdict) {
            told += 1;
            if translator.chinese(sentence).is_none() {
                missing.insert(sentence.to_owned());
            }
        }
    }
    assert!(told > 100, "the sessions say too little for this to prove anything: {told}");
    assert!(missing.is_empty(), "not in src/host/report/language/sentences.rs:\n{missing:#?}");
}

#[test]
fn a_report_holds_both_languages_and_opens_in_the_one_that_was_asked_for() {
    let verdict = &talkative()[0];
    for (language, id) in
        [(Language::English, "in-english"), (Language::Chinese, "in-chinese"), (Language::Both, "in-both")]
    {
        let page = report::html(verdict, language).unwrap();
        assert!(page.contains(&format!("id=\"{id}\" checked")), "{id}");
        assert_eq!(page.matches(" checked>").count(), 1);
        for part in [
            "What was not seen",
            "未监测到的内容",
            "Data flows",
            "数据流向",
            "read contacts before consent",
            "用户同意前读取了",
        ] {
            assert!(page.contains(part), "{part}");
        }
        // As many texts in one language as in the other: none was left out.
        assert_eq!(page.matches("class=\"en\"").count(), page.matches("class=\"zh\"").count());
    }
}

#[test]
fn a_report_needs_nothing_else_and_runs_nothing() {
    let page = report::html(&talkative()[0], Language::English).unwrap();
    for part in ["http:", "https:", "src=", "<script", "<link", "<iframe", "url(", "@import", "javascript:", " on"] {
        let found = match part {
            // A handler is an attribute: ` onclick=`.
            " on" => page.split(" on").skip(1).any(|rest| {
                rest.find('=')
                    .is_some_and(|end| end > 0 && rest[..end].chars().all(|letter| letter.is_ascii_lowercase()))
            }),
            part => page.contains(part),
        };
        assert!(!found, "the report contains {part}");
    }
    assert!(page.contains("default-src 'none'"));
}

/// An app that makes up as many names as there can be: millions of events, and a report that still opens.
#[test]
fn a_report_of_very_many_findings_stays_small_and_says_what_it_leaves_out() {
    let mut session = Session::new();
    session.phase("foreground");
    for number in 0..3_000_u32 {
        let name = format!("host-{number}.{}.example", "long-label".repeat(5));
        session.contact(&name, &format!("10.{}.{}.{}", number >> 16, (number >> 8) & 255, number & 255));
    }
    for number in 0..400 {
        session
            .open(&format!("/storage/emulated/0/Download/{number}-{}.pdf", "x".repeat(180)))
            .phase(&format!("phase_{number}"));
    }
    let verdict = judged(TERMS, &session.end());
    assert!(verdict.findings >= 3_000, "{}", verdict.findings);
    let page = report::html(&verdict, Language::English).unwrap();
    assert!(page.len() < 5 * MEBIBYTE, "{} bytes", page.len());
    assert!(page.contains("more rows: all of them are in the JSON report."));
    assert!(page.contains(&format!("{} findings", verdict.findings)), "the number of all findings is told");
    if let Ok(path) = std::env::var("CANDOR_TEST_KEEP_REPORT") {
        std::fs::write(path, page).unwrap();
    }
}

#[test]
fn what_was_not_seen_stands_before_the_findings() {
    let mut lossy = Session::new();
    lossy.phase("foreground").open(CONTACTS).lose(Family::TRACED);
    let page = report::html(&judged(TERMS, &lossy.end()), Language::English).unwrap();
    let place = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part} is missing"));
    assert!(place("id=\"blind\"") < place("id=\"profiles\"") && place("id=\"blind\"") < place("id=\"findings\""));
    let blind = &page[place("id=\"blind\"")..place("id=\"profiles\"")];
    assert!(blind.contains("events lost") && blind.contains("Read this before the findings"), "{blind}");
}
