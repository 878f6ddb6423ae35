//! The reports for other programs: JUnit, SARIF and Markdown of one verdict, and fingerprints that stay.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may panic")]

mod verdict_support;

use candor::event::*;
use candor::host::correlate::Verdict;
use candor::host::correlate::regression::{Difference, Report, Tolerance};
use candor::host::report;
use serde_json::Value;
use verdict_support::*;

const CONTACTS: &str = "/data/data/com.android.providers.contacts/databases/contacts2.db";

/// Two findings: contacts, which the terms deny, and a recipient that they do not name. `later` moves everything in time.
fn verdict(later: u64, port: &str, path: &str) -> Verdict {
    let mut session = Session::new();
    session.phase("foreground").wait(later).open(path).resolve("bjuser.jpush.cn", "127.0.0.13");
    session.connect(&format!("127.0.0.13:{port}")).hello("bjuser.jpush.cn");
    judge(&session.end())
}

fn sarif(verdict: &Verdict) -> Value {
    let mut bytes = Vec::new();
    report::sarif(verdict, &mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn fingerprints(verdict: &Verdict) -> Vec<(String, String)> {
    let sarif = sarif(verdict);
    let results = sarif["runs"][0]["results"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    results.map(|result| (text(&result["ruleId"]), text(&result["partialFingerprints"]["candor/v1"]))).collect()
}

#[test]
fn fingerprints_depend_on_what_was_done_only() {
    let first = fingerprints(&verdict(0, "443", CONTACTS));
    assert_eq!(
        first,
        [
            ("undeclared-collection".to_owned(), "eb9aba4bdfd96cdb5e00851a29c9d134".to_owned()),
            ("undeclared-recipient".to_owned(), "bad41a35bf9959324cf26eb57f6564f0".to_owned()),
        ]
    );
    let photos_of_another_user = CONTACTS.replace("/data/data/", "/data/user/10/");
    assert_eq!(fingerprints(&verdict(700, "8443", &photos_of_another_user)), first);
}

#[test]
fn sarif_says_what_the_baseline_had_already() {
    let state = |verdict: &Verdict| -> Vec<(String, Value)> {
        let log = sarif(verdict);
        let results = log["runs"][0]["results"].as_array().unwrap().clone();
        results
            .into_iter()
            .map(|one| (one["ruleId"].as_str().unwrap().to_owned(), one["baselineState"].clone()))
            .collect()
    };
    let mut now = verdict(0, "443", CONTACTS);
    assert!(state(&now).iter().all(|(_, state)| state.is_null()), "without a baseline nothing is compared");
    let mut session = Session::new();
    session.phase("foreground").open(CONTACTS).open("/data/data/com.android.providers.telephony/databases/mmssms.db");
    let base = Report::from(&judge(&session.end()));
    now.baseline = Some(Difference::between(&base, &Report::from(&now), Tolerance::default()));
    let told = state(&now);
    let of = |rule: &str, state: &str| (rule.to_owned(), Value::from(state));
    assert!(told.contains(&of("undeclared-collection", "unchanged")), "{told:?}");
    assert!(told.contains(&of("undeclared-recipient", "new")), "{told:?}");
    assert!(told.iter().any(|(_, state)| state == "absent"), "{told:?}");
}

#[test]
fn sarif_places_findings_at_the_statement_or_the_beginning_of_the_terms() {
    let sarif = sarif(&verdict(0, "443", CONTACTS));
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let results = run["results"].as_array().unwrap();
    let place = |index: usize| &results[index]["locations"][0]["physicalLocation"];
    assert_eq!(place(0)["artifactLocation"]["uri"], "terms.toml");
    let denial = TERMS.lines().position(|line| line == "[[not_collect]]").unwrap() as u64 + 1;
    let line = place(0)["region"]["startLine"].as_u64().unwrap();
    assert!(line == denial || line == denial + 1, "{line}");
    assert_eq!(place(1)["region"]["startLine"], 1);
    assert_eq!(results[0]["level"], "error");
    let ids: Vec<&str> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    for result in results {
        assert!(ids.contains(&result["ruleId"].as_str().unwrap()), "{result:#}");
    }
    // Phase refused was never marked, but that does not apply; before-consent cannot be blind here.
    assert!(run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap().is_empty(), "{run:#}");
    let mut lossy = Session::new();
    lossy.lose(Family::TRACED).phase("foreground").open("/data/data/com.example.shop/files/state");
    let lossy = self::sarif(&judge(&lossy.end()));
    assert!(!lossy["runs"][0]["invocations"][0]["toolExecutionNotifications"].as_array().unwrap().is_empty());
}

#[test]
fn junit_fails_for_a_violation_and_errs_for_what_cannot_be_told() {
    let xml = report::junit(&verdict(0, "443", CONTACTS)).unwrap();
    assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites "), "{xml}");
    assert!(xml.contains("tests=\"8\" failures=\"2\" errors=\"0\" skipped=\"1\""), "{xml}");
    assert!(
        xml.contains("<testcase classname=\"com.example.shop.rules\" name=\"undeclared-collection\"><failure message=")
    );
    let mut lossy = Session::new();
    lossy.lose(Family::TRACED).phase("foreground").open("/data/data/com.example.shop/files/<&\u{1b}\"'>");
    let xml = report::junit(&judge(&lossy.end())).unwrap();
    assert!(xml.contains("<error message=\"3 events lost"), "{xml}");
    assert!(!xml.contains('\u{1b}'), "{xml}");
}

#[test]
fn markdown_takes_nothing_from_the_app_as_markup() {
    let mut session = Session::new();
    session.phase("foreground").contact("a](http|x)<b>.example", "127.0.0.14");
    let mut text = Vec::new();
    report::markdown(&judge(&session.end()), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("## violation: Shop contradicts its terms: 1 finding\n"), "{text}");
    assert!(text.contains("com.example.shop contacted a\\](http\\|x)&lt;b>.example: neither"), "{text}");
}
