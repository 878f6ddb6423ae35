//! Content providers and system services in verdicts: who is the actor, what was taken, what was only tried.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may panic")]

mod verdict_support;

use std::path::Path;

use candor::event::*;
use candor::host::correlate::RuleOutcome::{CannotTell, NoneObserved, Violation};
use candor::host::recording::{NdjsonReader, write_line};
use verdict_support::*;

fn query(authority: &str, path: &str) -> EventBody {
    access(ProviderMethod::Query, authority, path, None, "com.android.providers")
}

fn call(interface: &str, method: &str) -> EventBody {
    EventBody::from(ServiceCall {
        service: None,
        method: Some(method.to_owned()),
        method_source: MethodSource::DeviceDex,
        method_table: "framework.jar".to_owned(),
        arguments: Vec::new(),
        result_count: None,
        transaction: transaction(interface, "android"),
    })
}

const SETTINGS: (&str, &str) = ("GET_secure", "android_id");
const LOCATION: &str = "android.location.ILocationManager";
const SUB_INFO: &str = "com.android.internal.telephony.IPhoneSubInfo";
const PACKAGES: &str = "android.content.pm.IPackageManager";

const NOTHING_DECLARED: &str = "[app]\npackage = \"com.example.shop\"\nname = \"Shop\"\n";
const ALL_DECLARED: &str = "[app]\npackage = \"com.example.shop\"\nname = \"Shop\"\n[[collect]]\ndata_types = \
    [\"contacts\", \"id.android_id\", \"location\", \"phone_number\", \"app_list\"]\n";

/// What a leaky app takes, and a call log it does not get.
fn leaky() -> Session {
    let mut session = Session::new();
    session
        .phase("foreground")
        .event(Outcome::Ok, access(ProviderMethod::Acquire, "com.android.contacts", "", None, "com.android.providers"))
        .event(Outcome::Ok, query("com.android.contacts", "/data/phones"))
        .event(Outcome::Ok, access(ProviderMethod::Call, "settings", "", Some(SETTINGS), "com.android.providers"))
        .event(Outcome::Ok, call(LOCATION, "getLastLocation"))
        .event(Outcome::Ok, call(SUB_INFO, "getLine1Number"))
        .event(Outcome::Ok, call(PACKAGES, "getInstalledPackages"))
        .event(Outcome::Denied(0), query("call_log", "/calls"));
    session
}

#[test]
fn what_was_taken_without_being_declared_is_found_with_its_evidence() {
    let verdict = judge_with(NOTHING_DECLARED, &leaky().end());
    let mut found = findings(&verdict);
    found.sort();
    let wanted = ["app_list", "contacts", "id.android_id", "location", "phone_number"];
    assert_eq!(found, wanted.map(|data_type| format!("undeclared-collection {data_type}")));
    let contacts =
        rule(&verdict, "undeclared-collection").findings.iter().find(|finding| finding.subject.title() == "contacts");
    let evidence = format!("{:?}", contacts.unwrap().evidence);
    for part in
        ["query content://com.android.contacts/data/phones", "[display_name]", "served by com.android.providers"]
    {
        assert!(evidence.contains(part), "{part} is not in {evidence}");
    }
    let attempts: Vec<&str> = verdict
        .notices
        .iter()
        .filter(|notice| notice.kind == "attempted")
        .map(|notice| notice.message.as_str())
        .collect();
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    assert!(
        attempts[0].contains("com.example.shop tried to read call_log") && attempts[0].contains("was refused"),
        "{attempts:?}"
    );
}

#[test]
fn what_is_declared_is_no_finding() {
    let verdict = judge_with(ALL_DECLARED, &leaky().end());
    assert_eq!(findings(&verdict), Vec::<String>::new());
    assert_eq!(rule(&verdict, "undeclared-collection").outcome, NoneObserved);
}

#[test]
fn before_consent_it_is_a_violation_whatever_is_declared() {
    let mut session = Session::new();
    session.event(Outcome::Ok, query("com.android.contacts", "/data/phones")).phase("foreground");
    let verdict = judge_with(ALL_DECLARED, &session.end());
    assert_eq!(findings(&verdict), ["before-consent contacts"]);
    assert_eq!(verdict.outcome, Violation);
}

#[test]
fn what_takes_nothing_is_no_collection() {
    let mut session = Session::new();
    session
        .phase("foreground")
        .event(Outcome::Ok, access(ProviderMethod::Acquire, "com.android.contacts", "", None, "com.android.providers"))
        .event(
            Outcome::Ok,
            access(ProviderMethod::Insert, "com.android.contacts", "/raw_contacts", None, "com.android.providers"),
        )
        .event(
            Outcome::Ok,
            access(ProviderMethod::GetType, "com.android.contacts", "/contacts/1", None, "com.android.providers"),
        )
        .event(
            Outcome::Ok,
            access(ProviderMethod::Call, "settings", "", Some(("GET_system", "volume")), "com.android.providers"),
        )
        // Its own provider, whatever it is called.
        .event(Outcome::Ok, access(ProviderMethod::Query, "com.android.contacts", "/data", None, PACKAGE))
        .event(Outcome::Ok, call(PACKAGES, "getPackageInfo"))
        .event(Outcome::Failed(0), query("com.android.contacts", "/data/phones"));
    let verdict = judge_with(NOTHING_DECLARED, &session.end());
    assert_eq!(findings(&verdict), Vec::<String>::new());
}

#[test]
fn a_provider_that_serves_others_is_no_collector() {
    // The session of the provider's own app: what it hands out to others is not in it, and what it reads is its own.
    let mut session = leaky();
    session.package = Some("com.android.providers".to_owned());
    let mut entries = session.end();
    for entry in &mut entries {
        if let StreamEntry::Event(event) = entry {
            event.app.package = Some("com.example.other".to_owned());
        }
    }
    let verdict = judge_with(NOTHING_DECLARED, &entries);
    assert_eq!(findings(&verdict), Vec::<String>::new(), "acts of another app are not judged by these terms");
}

#[test]
fn an_unknown_provider_is_told() {
    let mut session = Session::new();
    session.phase("foreground").event(Outcome::Ok, query("com.example.notes.provider", "/all"));
    let verdict = judge_with(NOTHING_DECLARED, &session.end());
    assert!(
        verdict
            .notices
            .iter()
            .any(|notice| notice.kind == "unknown_provider" && notice.message.contains("com.example.notes.provider"))
    );
    assert_eq!(findings(&verdict), Vec::<String>::new(), "the platform's own packages are no other apps");
}

#[test]
fn without_binder_probes_nothing_is_ruled_out_and_without_binder_nothing_is_missed() {
    let with = |state: ProbeState| {
        let change = |mut status: ProbeStatus| {
            if matches!(status.family, Family::Provider | Family::Service) {
                status.state = state;
                status.reason = "because of the test".to_owned();
            }
            status
        };
        let mut session = Session::with_probes(all_attached().into_iter().map(change).collect());
        // Something, because of an app that did nothing nothing can be told.
        session.phase("foreground").open("/data/data/com.example.shop/files/state");
        rule(&judge_with(NOTHING_DECLARED, &session.end()), "undeclared-collection").outcome
    };
    assert_eq!(with(ProbeState::Attached), NoneObserved);
    assert_eq!(with(ProbeState::Absent), NoneObserved);
    for state in [ProbeState::Partial, ProbeState::Unsupported, ProbeState::Denied] {
        assert_eq!(with(state), CannotTell, "{state:?}");
    }
}

/// A call whose code no table names.
fn nameless(interface: &str, code: u32) -> EventBody {
    let mut body = call(interface, "");
    if let EventBody::ServiceCall(call) = &mut body {
        call.method = None;
        call.method_source = MethodSource::Unknown;
        call.transaction.code = code;
    }
    body
}

#[test]
fn what_was_seen_but_not_understood_rules_nothing_out() {
    let judged = |outcome: Outcome, body: EventBody| {
        let mut session = Session::new();
        session.phase("foreground").event(outcome, body);
        let verdict = judge_with(NOTHING_DECLARED, &session.end());
        let result = rule(&verdict, "undeclared-collection");
        (result.outcome, result.reasons.join("; "), rule(&verdict, "undeclared-recipient").outcome)
    };
    // The code may be that of the method which gives the list.
    let (outcome, reasons, recipients) = judged(Outcome::Ok, nameless(PACKAGES, 51));
    assert_eq!((outcome, recipients), (CannotTell, NoneObserved), "{reasons}");
    assert!(reasons.contains("no table names"), "{reasons}");
    let (outcome, reasons, _) = judged(Outcome::Ok, access(ProviderMethod::Query, "", "", None, "com.example.owner"));
    assert_eq!(outcome, CannotTell, "{reasons}");
    assert!(reasons.contains("authority was not seen"), "{reasons}");
    let (outcome, reasons, _) = judged(Outcome::Ok, query("settings", "/secure"));
    assert_eq!(outcome, CannotTell, "{reasons}");
    // What was refused took nothing, whatever it was.
    assert_eq!(judged(Outcome::Denied(0), nameless(PACKAGES, 51)).0, NoneObserved);
    // Of an interface that the terms of no table tell apart, every method is the same.
    assert_eq!(judged(Outcome::Ok, nameless("com.heytap.openid.IOpenID", 1)).0, Violation);
}

#[test]
fn a_name_that_may_be_wrong_and_an_answer_that_was_not_seen_stand_beside_the_evidence() {
    let mut body = call(LOCATION, "getLastLocation");
    if let EventBody::ServiceCall(call) = &mut body {
        call.method_source = MethodSource::Shipped;
        call.arguments.push(ServiceArgument { name: "provider".to_owned(), value: "gps".to_owned() });
    }
    let mut session = Session::new();
    session.phase("foreground").event(Outcome::Unknown, body);
    let verdict = judge_with(NOTHING_DECLARED, &session.end());
    let evidence = &rule(&verdict, "undeclared-collection").findings[0].evidence[0];
    assert_eq!(
        evidence.what,
        "android.location.ILocationManager.getLastLocation(provider=gps) (name from a shipped table) served by android"
    );
    assert_eq!(evidence.outcome, "unknown");
}

#[test]
fn readings_of_providers_count_towards_a_declared_rate() {
    let terms = "[app]\npackage = \"com.example.shop\"\nname = \"Shop\"\n[[collect]]\ndata_types = \
        [\"contacts\"]\nmax_per_minute = 2\n";
    let mut session = Session::new();
    session.phase("foreground");
    for _ in 0..3 {
        session.event(Outcome::Ok, query("com.android.contacts", "/data/phones"));
    }
    assert_eq!(findings(&judge_with(terms, &session.end())), ["rate-above-declared contacts"]);
}

#[test]
fn a_shared_user_id_serves_itself() {
    let family = || vec!["com.example.shop".to_owned(), "com.example.shop.plugin".to_owned()];
    let mut body = query("com.android.contacts", "/data");
    if let EventBody::ProviderAccess(access) = &mut body {
        access.transaction.owner.app = App { package: None, candidates: family() };
    }
    let mut session = Session::new();
    session.phase("foreground").event(Outcome::Ok, body);
    let mut entries = session.end();
    let judged = |entries: &[StreamEntry]| findings(&judge_with(NOTHING_DECLARED, entries));
    assert_eq!(judged(&entries), ["undeclared-collection contacts"], "served by others than the app alone");
    for entry in &mut entries {
        if let StreamEntry::Event(event) = entry {
            event.app = App { package: None, candidates: family() };
        }
    }
    assert_eq!(judged(&entries), Vec::<String>::new());
}

#[test]
fn it_is_all_the_same_from_a_recording_written_by_hand() {
    let direct = judge_with(NOTHING_DECLARED, &leaky().end());
    let mut text = Vec::new();
    for entry in leaky().end() {
        write_line(&mut text, &entry).unwrap();
    }
    let entries: Vec<StreamEntry> =
        NdjsonReader::new(text.as_slice(), Path::new("leaky.ndjson"), true).collect::<Result<_, _>>().unwrap();
    let imported = judge_with(NOTHING_DECLARED, &entries);
    assert_eq!(findings(&imported), findings(&direct));
    let hints = &rule(&imported, "undeclared-collection").findings[0].evidence[0].hints;
    assert_eq!(hints.as_slice(), ["imported"]);
}

#[test]
fn reports_show_what_was_asked_and_of_whom() {
    let verdict = judge_with(NOTHING_DECLARED, &leaky().end());
    let mut text = Vec::new();
    candor::host::report::text(&verdict, &mut text).unwrap();
    let page = candor::host::report::html(&verdict, candor::host::report::Language::English).unwrap();
    let json = serde_json::to_string(&verdict).unwrap();
    for (form, report) in [("text", String::from_utf8(text).unwrap()), ("html", page), ("json", json)] {
        for part in [
            "call settings GET_secure android_id",
            "query content://com.android.contacts/data/phones [display_name] served by com.android.providers",
            "com.android.internal.telephony.IPhoneSubInfo.getLine1Number()",
            "query content://call_log/calls",
        ] {
            assert!(report.contains(part), "{part} is not in the {form} report");
        }
        assert!(!report.contains("denied (0)"), "{form}");
    }
}
