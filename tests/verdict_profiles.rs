//! The 31 acts of the 2019 method, each with its state in a session that keeps the terms, one that breaks what it can, one
//! in which not all was watched, and one that ends before the user answers.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may panic")]

mod verdict_support;

use candor::event::*;
use candor::host::correlate::verdict::{ClauseResult, ProfileResult};
use candor::host::correlate::{Correlator, Profile, RuleOutcome, Verdict};
use candor::host::declared_terms::DeclaredTerms;
use candor::host::ontology::Ontology;
use candor::host::recording::RecordingCondition;
use candor::host::toml_source::SourceFile;
use verdict_support::*;

const PHOTO: &str = "/storage/emulated/0/DCIM/Camera/IMG_1.jpg";
const MAC: &str = "/sys/class/net/wlan0/address";
const CONTACTS: &str = "/data/data/com.android.providers.contacts/databases/contacts2.db";
const UMENG: (&str, &str) = ("alog.umeng.com", "127.0.0.12");
const JPUSH: (&str, &str) = ("bjuser.jpush.cn", "127.0.0.13");

/// The terms of the other tests, of an app of a known type, with purposes.
fn terms() -> String {
    TERMS.replace("name = \"Shop\"", "name = \"Shop\"\napp_type = \"map-navigation\"")
}

fn judged(entries: &[StreamEntry], profiles: &[&str]) -> Verdict {
    let ontology = Ontology::built_in().unwrap();
    let (terms, _) = DeclaredTerms::parse(&SourceFile::new("terms.toml", terms()), &ontology)
        .unwrap_or_else(|problems| panic!("{problems}"));
    let profiles = profiles.iter().map(|name| Profile::built_in(name, &ontology).unwrap().unwrap()).collect();
    let mut correlator = Correlator::new(&terms, &ontology).with_profiles(profiles);
    for entry in entries {
        correlator.add(entry);
    }
    let complete = entries.iter().any(|entry| matches!(entry, StreamEntry::End(_)));
    correlator.finish(&RecordingCondition { complete, ..RecordingCondition::default() })
}

/// Every phase that some act asks for, with nothing wrong in any of them.
fn clean() -> Session {
    exercised(Session::new())
}

fn exercised(mut session: Session) -> Session {
    session.open("/data/data/com.example.shop/files/state").contact("api.shop.example", "127.0.0.11");
    session.phase("permission_prompt").phase("foreground").open(PHOTO).open(MAC).contact(UMENG.0, UMENG.1);
    for phase in ["silent", "background", "killed", "refused", "personalisation_off", "withdrawn"] {
        session.phase(phase).open("/data/data/com.example.shop/files/state");
    }
    session
}

/// The same, and in every phase what may not be done there.
fn breaking() -> Session {
    let mut session = Session::new();
    session.open(CONTACTS).contact(JPUSH.0, JPUSH.1).totals("127.0.0.13:443", Transport::Tcp, 900);
    session.phase("permission_prompt").phase("permission_prompt").phase("foreground").open(CONTACTS);
    for _ in 0..40 {
        session.open(MAC);
    }
    for phase in ["silent", "background", "killed"] {
        session.phase(phase).open(CONTACTS).contact(JPUSH.0, JPUSH.1);
    }
    session.phase("personalisation_off").open(MAC).phase("withdrawn").open(CONTACTS);
    session.phase("refused").open(CONTACTS);
    session.event(Outcome::Ok, EventBody::ProcessExit(ProcessExit { status: Some(0), signal: None }));
    session
}

fn act<'v>(profile: &'v ProfileResult, id: &str) -> &'v ClauseResult {
    profile.clauses.iter().find(|clause| clause.id == id).unwrap()
}

/// Each act: in the clean session, the breaking one, the blind one, and one that ends before the user answers.
const STATES: &[(&str, [&str; 4])] = &[
    ("1.1", ["not_decidable", "not_decidable", "not_decidable", "not_decidable"]),
    ("1.2", ["none_observed", "indication", "cannot_tell", "none_observed"]),
    ("1.3", ["not_decidable", "not_decidable", "not_decidable", "not_decidable"]),
    ("1.4", ["not_decidable", "not_decidable", "not_decidable", "not_decidable"]),
    ("2.1", ["none_observed", "violation", "cannot_tell", "none_observed"]),
    ("2.2", ["cannot_tell", "cannot_tell", "cannot_tell", "cannot_tell"]),
    ("2.3", ["none_observed", "indication", "cannot_tell", "cannot_tell"]),
    ("2.4", ["not_decidable", "not_decidable", "not_decidable", "not_decidable"]),
    ("3.1", ["none_observed", "violation", "cannot_tell", "none_observed"]),
    ("3.2", ["none_observed", "violation", "cannot_tell", "cannot_tell"]),
    ("3.3", ["none_observed", "violation", "cannot_tell", "cannot_tell"]),
    ("3.4", ["not_decidable", "not_decidable", "not_decidable", "not_decidable"]),
    ("3.5", ["cannot_tell", "cannot_tell", "cannot_tell", "cannot_tell"]),
    ("3.6", ["none_observed", "indication", "cannot_tell", "cannot_tell"]),
    ("3.7", ["not_decidable", "not_decidable", "not_decidable", "not_decidable"]),
    ("3.8", ["none_observed", "indication", "cannot_tell", "cannot_tell"]),
    ("3.9", ["none_observed", "violation", "cannot_tell", "none_observed"]),
    ("4.1", ["indication", "indication", "indication", "cannot_tell"]),
    ("4.2", ["none_observed", "indication", "cannot_tell", "cannot_tell"]),
    ("4.3", ["not_decidable", "not_decidable", "not_decidable", "not_decidable"]),
    ("4.4", ["none_observed", "violation", "cannot_tell", "none_observed"]),
    ("4.5", ["not_decidable", "not_decidable", "not_decidable", "not_decidable"]),
    ("4.6", ["none_observed", "indication", "none_observed", "cannot_tell"]),
    ("5.1", ["none_observed", "indication", "cannot_tell", "none_observed"]),
    ("5.2", ["not_decidable", "not_decidable", "not_decidable", "not_decidable"]),
    ("5.3", ["none_observed", "none_observed", "cannot_tell", "none_observed"]),
    ("6.1", ["not_decidable", "not_decidable", "not_decidable", "not_decidable"]),
    ("6.2", ["not_decidable", "not_decidable", "not_decidable", "not_decidable"]),
    ("6.3", ["not_decidable", "not_decidable", "not_decidable", "not_decidable"]),
    ("6.4", ["not_decidable", "not_decidable", "not_decidable", "not_decidable"]),
    ("6.5", ["not_decidable", "not_decidable", "not_decidable", "not_decidable"]),
];

fn blind() -> Vec<StreamEntry> {
    let unseen = |family: &Family| ProbeStatus {
        probe: ProbeId::EbpfKernelObjects,
        family: *family,
        state: ProbeState::Partial,
        reason: "not all of it".to_owned(),
    };
    exercised(Session::with_probes(Family::TRACED.iter().map(unseen).collect())).end()
}

fn short() -> Vec<StreamEntry> {
    let mut session = Session::new();
    session.open("/data/data/com.example.shop/files/state");
    session.end()
}

#[test]
fn every_act_has_its_state() {
    let verdicts: Vec<Verdict> = [clean().end(), breaking().end(), blind(), short()]
        .iter()
        .map(|entries| judged(entries, &["cac-191"]))
        .collect();
    let now: Vec<(String, Vec<&str>)> = verdicts[0].profiles[0]
        .clauses
        .iter()
        .map(|clause| {
            let states = verdicts.iter().map(|verdict| act(&verdict.profiles[0], &clause.id).state.name());
            (clause.id.clone(), states.collect())
        })
        .collect();
    let wanted: Vec<(String, Vec<&str>)> =
        STATES.iter().map(|(id, states)| ((*id).to_owned(), states.to_vec())).collect();
    assert_eq!(now, wanted, "{}", reasons(&verdicts));
}

fn reasons(verdicts: &[Verdict]) -> String {
    let mut text = String::new();
    for verdict in verdicts {
        for clause in &verdict.profiles[0].clauses {
            let findings: Vec<&String> = clause.findings.iter().map(|finding| &finding.message).collect();
            text.push_str(&format!("{} {:?} {findings:?} {:?}\n", clause.id, clause.state, clause.reasons));
        }
    }
    text
}

#[test]
fn a_profile_counts_only_when_it_was_asked_for() {
    let listed = judged(&clean().end(), &[]);
    let profile = &listed.profiles[0];
    assert_eq!((profile.name.as_str(), profile.counts_for_outcome, profile.clauses.len()), ("cac-191", false, 31));
    assert_eq!(listed.outcome, judge_with(&terms(), &clean().end()).outcome);
    let asked = judged(&breaking().end(), &["cac-191", "miit-164", "two-lists", "play-data-safety", "gdpr-consent"]);
    assert!(asked.profiles.iter().all(|profile| profile.counts_for_outcome));
    assert_eq!(asked.outcome, RuleOutcome::Violation);
    assert_eq!(asked.profiles.len(), 5);
}

#[test]
fn nothing_is_called_unobserved_where_nothing_was_watched() {
    let names: Vec<&str> = Profile::names().collect();
    for verdict in [judged(&blind(), &names), judged(&[], &names)] {
        for profile in &verdict.profiles {
            for clause in &profile.clauses {
                let about_marks_only = clause.id == "4.6" || clause.id == "2.1-burst";
                assert!(
                    clause.state.name() != "none_observed" || about_marks_only,
                    "{} {}: {:?}",
                    profile.name,
                    clause.id,
                    clause.reasons
                );
            }
        }
    }
}

/// A loss takes away what is said of the phase it was in, and of the whole run, and of no other phase.
#[test]
fn a_loss_counts_where_it_was() {
    let mut session = clean();
    session.lose(Family::TRACED);
    let verdict = judged(&session.end(), &["cac-191"]);
    let state = |id: &str| act(&verdict.profiles[0], id).state.name();
    assert_eq!(
        ["3.8", "2.1", "3.1", "3.2"].map(state),
        ["cannot_tell", "cannot_tell", "none_observed", "none_observed"]
    );
    assert_eq!(act(&verdict.profiles[0], "3.8").reasons, ["3 events lost (probe: ring_full)"]);
}

/// What the type of app needs is no indication, and without a type nothing is said.
#[test]
fn what_is_needed_depends_on_the_type_of_app() {
    let mut session = Session::new();
    session.phase("foreground").open("/data/data/com.example.shop/files/state");
    let verdict = judged(&session.end(), &["cac-191"]);
    assert_eq!(act(&verdict.profiles[0], "4.1").reasons, Vec::<String>::new());
    assert_eq!(act(&verdict.profiles[0], "4.1").state.name(), "none_observed");
    let verdict = judge(&clean().end());
    let reasons = &act(&verdict.profiles[0], "4.1").reasons;
    assert_eq!(reasons, &["the terms do not say which of the 39 types of apps this is ([app] app_type)"]);
}

/// Every profile, on a session that does whatever any clause looks for.
#[test]
fn every_clause_that_looks_at_the_trace_can_find_something() {
    let mut session = Session::new();
    session.open(CONTACTS).contact(JPUSH.0, JPUSH.1).totals("127.0.0.13:443", Transport::Tcp, 900);
    session.contact(UMENG.0, UMENG.1);
    session.phase("permission_prompt").phase("permission_prompt").phase("foreground").open(PHOTO).open(CONTACTS);
    for _ in 0..40 {
        session.open(MAC);
    }
    for _ in 0..8 {
        session.wait(5).open(MAC);
    }
    session.event(Outcome::Ok, access(ProviderMethod::Insert, "com.example.other.p", "/x", None, "com.example.other"));
    session.event(
        Outcome::Ok,
        EventBody::HttpRequest(HttpRequest {
            method: "GET".to_owned(),
            host: Some("plain.example".to_owned()),
            path: "/".to_owned(),
            remote: None,
            handle: 1,
        }),
    );
    session.phase("silent").open(CONTACTS).phase("background").open(CONTACTS);
    session
        .phase("killed")
        .event(Outcome::Ok, EventBody::ProcessStart(ProcessStart { parent: None, preexisting: false }));
    session.phase("personalisation_off").open(MAC);
    session.phase("withdrawn").open(CONTACTS).contact(UMENG.0, UMENG.1);
    session.phase("refused").open(CONTACTS).contact(UMENG.0, UMENG.1);
    session.event(Outcome::Ok, EventBody::ProcessExit(ProcessExit { status: Some(0), signal: None }));
    let names: Vec<&str> = Profile::names().collect();
    let verdict = judged(&session.end(), &names);
    // These two need what no recording of this version holds.
    let undecided = ["2.2", "3.5"];
    let silent: Vec<String> = verdict
        .profiles
        .iter()
        .flat_map(|profile| profile.clauses.iter().map(move |clause| (profile, clause)))
        .filter(|(_, clause)| clause.decidability != "N" && !undecided.contains(&clause.id.as_str()))
        .filter(|(_, clause)| clause.findings.is_empty())
        .map(|(profile, clause)| format!("{}/{}: {:?}", profile.name, clause.id, clause.reasons))
        .collect();
    assert_eq!(silent, Vec::<String>::new());
}

/// Denied at one door, taken at another.
#[test]
fn a_side_channel_is_named_with_the_door_that_was_shut() {
    let mut session = Session::new();
    session
        .phase("foreground")
        .open_with("/data/data/com.android.providers.contacts/databases/contacts2.db-wal", Outcome::Denied(13));
    session.open(CONTACTS);
    let verdict = judged(&session.end(), &["cac-191"]);
    let messages: Vec<&str> =
        act(&verdict.profiles[0], "3.3").findings.iter().map(|finding| finding.message.as_str()).collect();
    assert!(messages.iter().any(|message| message.contains("and read it another way")), "{messages:?}");
}
