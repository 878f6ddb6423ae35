//! Findings and flows from run to run: what stays the same, what is new, and what people decided about it.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may panic")]

mod verdict_support;

use std::collections::BTreeSet;

use candor::event::*;
use candor::host::correlate::regression::{Difference, Report, Tolerance, judge_change};
use candor::host::correlate::review::ReviewList;
use candor::host::correlate::scenes::together;
use candor::host::correlate::verdict::ClauseResult;
use candor::host::correlate::{RuleOutcome, Verdict};
use candor::host::toml_source::SourceFile;
use proptest::prelude::*;
use verdict_support::*;

const PATHS: &[&str] = &[
    "/sys/class/net/wlan0/address",
    "/data/data/com.android.providers.contacts/databases/contacts2.db",
    "/storage/emulated/0/DCIM/Camera/IMG_1.jpg",
    "/proc/net/arp",
];
const HOSTS: &[(&str, &str)] = &[
    ("bjuser.jpush.cn", "127.0.0.13"),
    ("alog.umeng.com", "127.0.0.12"),
    ("api.shop.example", "127.0.0.11"),
    ("who.example", "127.0.0.14"),
];

/// What differs from run to run without meaning anything.
#[derive(Debug, Clone)]
struct Accidents {
    order: Vec<usize>,
    pid: u32,
    port: u16,
    install: String,
    pause: u64,
}

fn accidents() -> impl Strategy<Value = Accidents> {
    let order = Just((0..PATHS.len() + HOSTS.len()).collect::<Vec<usize>>()).prop_shuffle();
    (order, 2_u32..30_000, 1_024_u16..60_000, "[A-Za-z0-9_-]{22}==", 0_u64..100)
        .prop_map(|(order, pid, port, install, pause)| Accidents { order, pid, port, install, pause })
}

fn run(accidents: &Accidents) -> Verdict {
    let mut session = Session::new();
    session.phase("foreground").wait(accidents.pause);
    for act in &accidents.order {
        match act.checked_sub(PATHS.len()) {
            None => session.open(PATHS[*act]),
            Some(host) => {
                let (name, address) = HOSTS[host];
                session.resolve(name, address).connect(&format!("{address}:{}", accidents.port)).hello(name)
            }
        };
    }
    let program = format!("/data/app/~~{0}/{PACKAGE}-{0}/lib/arm64/libmain.so", accidents.install);
    for entry in &mut session.entries {
        if let StreamEntry::Event(event) = entry {
            event.process.key = ProcessKey::new(accidents.pid, u64::from(accidents.pid) * SECOND);
            event.process.executable = Some(program.clone());
        }
    }
    judge(&session.end())
}

fn fingerprints(verdict: &Verdict) -> BTreeSet<String> {
    let of_rules = verdict.rules.iter().flat_map(|rule| &rule.findings);
    let of_clauses =
        verdict.profiles.iter().flat_map(|profile| profile.clauses.iter().flat_map(|clause| &clause.findings));
    of_rules.chain(of_clauses).map(|finding| finding.fingerprint.clone()).collect()
}

/// The report as it is read back from a file.
fn saved(verdict: &Verdict) -> Report {
    let report: Report = serde_json::from_slice(&serde_json::to_vec(verdict).unwrap()).unwrap();
    report.validated().unwrap()
}

fn difference(base: &Verdict, new: &Verdict) -> Difference {
    Difference::between(&saved(base), &Report::from(new), Tolerance::default())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Order, process ids, ports, times and the directory of the installation change no name and make no difference.
    #[test]
    fn accidents_make_no_difference(first in accidents(), second in accidents()) {
        let (base, new) = (run(&first), run(&second));
        prop_assert_eq!(fingerprints(&base), fingerprints(&new));
        let found = difference(&base, &new);
        prop_assert!(!found.has_new(), "{found:#?}");
        prop_assert!(found.gone_flows.is_empty() && found.gone_findings.is_empty(), "{found:#?}");
    }
}

#[test]
fn a_report_that_was_saved_is_the_verdict_again() {
    let accidents = Accidents { order: (0..8).collect(), pid: 7, port: 443, install: "x".to_owned(), pause: 0 };
    let verdict = run(&accidents);
    assert_eq!(saved(&verdict), Report::from(&verdict));
    let mut value = serde_json::to_value(&verdict).unwrap();
    value["schema"] = "candor.verdict/9".into();
    let report: Report = serde_json::from_value(value).unwrap();
    assert!(report.validated().unwrap_err().to_string().contains("candor.verdict/9"));
}

fn base() -> Session {
    let mut session = Session::new();
    session.phase("foreground").open(PATHS[0]).contact(HOSTS[1].0, HOSTS[1].1);
    session
}

#[test]
fn what_is_new_gone_and_changed_is_told() {
    let before = judge(&base().end());
    let mut session = base();
    session.open(PATHS[1]).contact(HOSTS[0].0, HOSTS[0].1);
    let after = judge(&session.end());
    let found = difference(&before, &after);
    let words = |flows: &[candor::host::correlate::regression::Flow]| -> Vec<String> {
        flows.iter().map(|flow| flow.in_words()).collect()
    };
    assert_eq!(
        words(&found.new_flows),
        ["contact with bjuser.jpush.cn in phase foreground", "contacts read in phase foreground"]
    );
    assert_eq!(found.new_findings.len(), 2, "{found:#?}");
    assert!(found.has_new() && found.gone_flows.is_empty());
    let back = difference(&after, &before);
    assert_eq!((back.gone_flows.len(), back.gone_findings.len(), back.has_new()), (2, 2, false));

    // More of the same: within the tolerance it is the same, beyond it is new, and less is told and no more.
    let times = |count: u32| {
        let mut session = base();
        for _ in 0..count {
            session.open(PATHS[0]);
        }
        judge(&session.end())
    };
    assert!(!difference(&times(20), &times(30)).has_new());
    let more = difference(&times(20), &times(80));
    assert_eq!(more.changed_flows[0].what, ["more"]);
    assert!(more.has_new());
    let less = difference(&times(80), &times(20));
    assert_eq!(less.changed_flows[0].what, ["less"]);
    assert!(!less.has_new());
}

#[test]
fn terms_that_changed_are_seen_in_flows_that_did_not() {
    let before = judge(&base().end());
    let silent = TERMS.replace("[[collect]]\ndata_types = [\"device_id\"]", "");
    let after = judge_with(&silent, &base().end());
    let found = difference(&before, &after);
    let changed: Vec<(&str, &str, &str)> = found
        .changed_flows
        .iter()
        .map(|changed| {
            (changed.after.data_type.as_str(), changed.before.disclosure.as_str(), changed.after.disclosure.as_str())
        })
        .collect();
    assert_eq!(changed, [("id.mac", "vague", "omitted")]);
    assert!(found.has_new());
}

/// What one run could not see or did not try is no proof that it is gone.
#[test]
fn blindness_of_either_run_is_a_doubt() {
    let whole = judge(&base().end());
    let mut lossy = base();
    lossy.lose(&[Family::Socket]);
    let lossy = judge(&lossy.end());
    assert_eq!(difference(&whole, &lossy).doubts, ["the new run did not see everything of: socket"]);
    let mut other = base();
    other.phase("background");
    assert_eq!(
        difference(&judge(&other.end()), &whole).doubts,
        ["phase background was part of the baseline and not of the new run"]
    );
    assert!(difference(&whole, &whole).doubts.is_empty());
}

fn reviews(text: &str, as_of: &str) -> ReviewList {
    ReviewList::parse(&SourceFile::new("accepted.toml", text), as_of.parse().unwrap())
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn entry(fingerprint: &str, decision: &str, expires: Option<&str>) -> String {
    let expires = expires.map(|day| format!("expires = \"{day}\"\n")).unwrap_or_default();
    format!(
        "[[review]]\nfingerprint = \"{fingerprint}\"\ndecision = \"{decision}\"\nreason = \"because\"\nauthor = \"lee\"\n{expires}"
    )
}

#[test]
fn accepted_findings_do_not_count_until_they_expire() {
    let mut session = Session::new();
    session.phase("foreground").open(PATHS[1]);
    let entries = session.end();
    let found = judge(&entries);
    let fingerprint = rule(&found, "undeclared-collection").findings[0].fingerprint.clone();
    let accepted = entry(&fingerprint, "accepted", Some("2027-01-31"));

    let mut verdict = found.clone();
    reviews(&accepted, "2027-01-31").apply(&mut verdict);
    assert_eq!((verdict.outcome, verdict.findings), (RuleOutcome::NoneObserved, 0));
    assert_eq!(
        rule(&verdict, "undeclared-collection").set_aside,
        ["contacts: accepted by lee until 2027-01-31: because"]
    );
    assert_eq!(verdict.reviews.set_aside.len(), 1);
    // The copies that clauses tell of the same finding go with it.
    assert!(
        verdict
            .profiles
            .iter()
            .flat_map(|profile| &profile.clauses)
            .all(|clause| { clause.findings.iter().all(|finding| finding.rule != "undeclared-collection") })
    );
    let clause = verdict.profiles[0].clauses.iter().find(|clause| clause.id == "2.1").unwrap();
    assert_eq!((clause.state.name(), clause.set_aside.len()), ("none_observed", 1));
    assert_eq!(verdict.profiles[0].counts["violation"], 1, "3.3 has a finding of its own");

    // A day later it counts again, and says so.
    let mut verdict = found.clone();
    reviews(&accepted, "2027-02-01").apply(&mut verdict);
    assert_eq!((verdict.outcome, verdict.findings), (RuleOutcome::Violation, 1));
    assert_eq!(verdict.reviews.expired.len(), 1);
    assert!(rule(&verdict, "undeclared-collection").findings[0].review.as_ref().unwrap().expired);
}

#[test]
fn a_rejected_finding_does_not_count_and_a_confirmed_one_does() {
    let mut session = Session::new();
    session.phase("foreground").open(PATHS[1]);
    let found = judge(&session.end());
    let fingerprint = rule(&found, "undeclared-collection").findings[0].fingerprint.clone();
    for (decision, wanted) in [("rejected", RuleOutcome::NoneObserved), ("confirmed", RuleOutcome::Violation)] {
        let mut verdict = found.clone();
        reviews(&entry(&fingerprint, decision, None), "2027-01-31").apply(&mut verdict);
        assert_eq!(verdict.outcome, wanted, "{decision}");
        let kept = rule(&verdict, "undeclared-collection").findings.iter().chain(&verdict.reviews.set_aside);
        assert_eq!(
            kept.map(|finding| finding.review.as_ref().unwrap().decision.name()).collect::<Vec<_>>(),
            [decision]
        );
    }
}

/// Setting aside what was found proves nothing about what was not seen.
#[test]
fn what_could_not_be_told_stays_so_without_its_findings() {
    let mut session = Session::new();
    session.phase("foreground").open(PATHS[1]).lose(&[Family::File]);
    let mut verdict = judge(&session.end());
    let fingerprint = rule(&verdict, "undeclared-collection").findings[0].fingerprint.clone();
    reviews(&entry(&fingerprint, "rejected", None), "2027-01-31").apply(&mut verdict);
    assert_eq!(rule(&verdict, "undeclared-collection").outcome, RuleOutcome::CannotTell);
    assert_eq!(verdict.outcome, RuleOutcome::CannotTell);
}

#[test]
fn a_review_of_nothing_is_told_and_a_list_with_faults_is_refused() {
    let mut verdict = judge(&base().end());
    reviews(&entry(&"0".repeat(32), "rejected", None), "2027-01-31").apply(&mut verdict);
    assert_eq!(verdict.reviews.unknown[0].place, "accepted.toml:2");

    let faults = [
        entry("xyz", "rejected", None),
        entry(&"0".repeat(32), "accepted", None),
        entry(&"1".repeat(32), "acepted", Some("next year")),
        entry(&"2".repeat(32), "rejected", None),
        entry(&"2".repeat(32), "rejected", None),
        "[[review]]\nfingerprint = \"33333333333333333333333333333333\"\ndecision = \"rejected\"\nresaon = \"x\"\n"
            .to_owned(),
    ];
    let problems = ReviewList::parse(&SourceFile::new("accepted.toml", faults.concat()), "2027-01-31".parse().unwrap())
        .unwrap_err()
        .to_string();
    for wanted in [
        "\"xyz\" is no fingerprint",
        "needs \"expires\"",
        "unknown decision \"acepted\"",
        "did you mean \"accepted\"?",
        "\"next year\" is no date",
        "occurs twice",
        "needs \"author\"",
        "resaon",
    ] {
        assert!(problems.contains(wanted), "{wanted} is missing in:\n{problems}");
    }
}

/// One recording cannot tell that something changed; with the report of an earlier version it can.
#[test]
fn a_change_that_no_terms_tell_is_an_indication_of_clause_2_2() {
    let state = |before: &Verdict, after: &Verdict| {
        let mut verdict = after.clone();
        verdict.baseline = Some(difference(before, after));
        judge_change(&mut verdict);
        let clause = verdict.profiles[0].clauses.iter().find(|clause| clause.id == "2.2").unwrap().clone();
        (clause.state.name(), clause.findings.len(), clause.reasons.len())
    };
    let before = judge(&base().end());
    let mut untold = base();
    untold.open(PATHS[1]).contact(HOSTS[0].0, HOSTS[0].1);
    let untold = judge(&untold.end());
    let mut told = base();
    told.open(PATHS[2]);
    let told = judge(&told.end());
    assert_eq!(
        before.profiles[0].clauses.iter().find(|clause| clause.id == "2.2").unwrap().state.name(),
        "cannot_tell"
    );
    assert_eq!(state(&before, &before), ("none_observed", 0, 0));
    assert_eq!(state(&before, &untold), ("indication", 2, 0));
    // Photos are in the terms: perhaps the users were told of the new version's terms.
    assert_eq!(state(&before, &told), ("cannot_tell", 0, 1));
    assert_eq!(state(&untold, &untold), ("none_observed", 0, 0), "what was there before is no change");
}

fn scenes(all: &[(&str, Vec<StreamEntry>)]) -> Verdict {
    together(all.iter().map(|(name, entries)| ((*name).to_owned(), judge(entries))).collect()).unwrap()
}

fn clause<'v>(verdict: &'v Verdict, id: &str) -> &'v ClauseResult {
    verdict.profiles[0].clauses.iter().find(|clause| clause.id == id).unwrap()
}

/// One recording for each scene: what one did not go through another did, and findings are told once.
#[test]
fn scenes_are_told_together() {
    let mut start = Session::new();
    start.open("/data/data/com.example.shop/files/state").open(PATHS[1]);
    let mut use_of_it = Session::new();
    if let StreamEntry::Header(header) = &mut use_of_it.entries[0] {
        header.initial_phase = Phase::unmarked();
    }
    use_of_it.phase("foreground").open(PATHS[1]).open(PATHS[1]).phase("refused").open("/proc/version");
    let (start, use_of_it) = (start.end(), use_of_it.end());
    let whole = scenes(&[("start.candor", start.clone()), ("use.candor", use_of_it.clone())]);
    let found = &rule(&whole, "undeclared-collection").findings;
    assert_eq!((found.len(), found[0].count), (1, 3));
    let named: BTreeSet<&str> = found[0].evidence.iter().filter_map(|event| event.recording.as_deref()).collect();
    assert_eq!(named, BTreeSet::from(["start.candor", "use.candor"]));
    assert_eq!(found[0].phases.len(), 2);
    assert_eq!(rule(&whole, "before-consent").outcome, RuleOutcome::Violation);
    // The second scene alone went through a refusal, and the first alone did not.
    assert_eq!(rule(&whole, "after-refusal").outcome, RuleOutcome::NoneObserved, "{:?}", rule(&whole, "after-refusal"));
    assert_eq!(clause(&whole, "3.2").state.name(), "none_observed", "{:?}", clause(&whole, "3.2").reasons);
    // Nobody marked these.
    assert_eq!(clause(&whole, "3.8").state.name(), "cannot_tell");
    assert_eq!(clause(&whole, "3.8").missing_phases, ["withdrawn"]);
    assert_eq!(whole.scenes.len(), 2);
    assert_eq!(whole.findings, 2);
    assert_eq!(difference(&whole, &whole).same_flows, 3);
    assert_eq!(scenes(&[("one", start.clone())]).scenes.len(), 0);

    // What one scene could not see, no other makes up for.
    let mut lossy = Session::new();
    lossy.phase("refused").open("/proc/version").lose(Family::TRACED);
    let whole = scenes(&[("use.candor", use_of_it), ("lossy.candor", lossy.end())]);
    assert_eq!(rule(&whole, "after-refusal").outcome, RuleOutcome::CannotTell);
    assert!(rule(&whole, "after-refusal").reasons[0].starts_with("lossy.candor: 3 events lost"));
}
