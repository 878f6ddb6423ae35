//! Content providers and system services in verdicts: who is the actor, what was taken, what was only tried.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may panic")]

mod verdict_support;

use candor::event::*;
use candor::host::correlate::RuleOutcome::{CannotTell, NoneObserved, Violation};
use verdict_support::*;

fn transaction(interface: &str, owner: &str) -> BinderTransaction {
    BinderTransaction {
        interface: interface.to_owned(),
        owner: BinderOwner {
            user_id: Some(10_059),
            app: App { package: Some(owner.to_owned()), candidates: Vec::new() },
            ..BinderOwner::default()
        },
        ..BinderTransaction::default()
    }
}

fn access(method: ProviderMethod, authority: &str, path: &str, call: Option<(&str, &str)>, owner: &str) -> EventBody {
    EventBody::ProviderAccess(ProviderAccess {
        method,
        authority: authority.to_owned(),
        android_user: None,
        uri: call.is_none().then(|| format!("content://{authority}{path}")),
        projection: if path == "/data/phones" { vec!["display_name".to_owned()] } else { Vec::new() },
        selection: None,
        selection_arguments: Vec::new(),
        sort_order: None,
        values: Vec::new(),
        call_method: call.map(|(method, _)| method.to_owned()),
        call_argument: call.map(|(_, argument)| argument.to_owned()),
        open_mode: None,
        operations: None,
        result_columns: Vec::new(),
        result_rows: None,
        transaction: transaction("android.content.IContentProvider", owner),
    })
}

fn query(authority: &str, path: &str) -> EventBody {
    access(ProviderMethod::Query, authority, path, None, "com.android.providers")
}

fn call(interface: &str, method: &str) -> EventBody {
    EventBody::ServiceCall(ServiceCall {
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
        session.phase("foreground");
        rule(&judge_with(NOTHING_DECLARED, &session.end()), "undeclared-collection").outcome
    };
    assert_eq!(with(ProbeState::Attached), NoneObserved);
    assert_eq!(with(ProbeState::Absent), NoneObserved);
    for state in [ProbeState::Partial, ProbeState::Unsupported, ProbeState::Denied] {
        assert_eq!(with(state), CannotTell, "{state:?}");
    }
}
