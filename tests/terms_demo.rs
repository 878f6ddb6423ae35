//! The terms of the demo's leaky app in each form that they come in, and the verdict on one recording of it.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may panic")]

mod verdict_support;

use std::sync::OnceLock;

use candor::host::correlate::verdict::Verdict;
use candor::host::correlate::{Correlator, RuleOutcome};
use candor::host::declared_terms::import::{Imported, data_safety, policy, two_lists};
use candor::host::declared_terms::{DeclaredTerms, Head, to_toml};
use candor::host::ontology::{Domain, Ontology};
use candor::host::recording::RecordingCondition;
use candor::host::toml_source::SourceFile;
use verdict_support::Session;

const PACKAGE: &str = "com.example.sunnyweather";

fn ontology() -> &'static Ontology {
    static ONTOLOGY: OnceLock<Ontology> = OnceLock::new();
    ONTOLOGY.get_or_init(|| Ontology::built_in().unwrap())
}

/// What the leaky app of the demo does, with recipients that the built-in table knows.
fn recording() -> Session {
    let mut session = Session::new();
    session.package = Some(PACKAGE.to_owned());
    session.phase("foreground");
    session
        .open("/sys/class/net/wlan0/address")
        .contact("api.sunnyweather.example", "127.0.1.2")
        .contact("alog.umeng.com", "127.0.1.3")
        .open("/data/data/com.android.providers.contacts/databases/contacts2.db")
        .contact("ads.jpush.cn", "127.0.1.4")
        .contact("cdn-7.unlisted.example", "127.0.1.5");
    session
}

fn parse(text: &str) -> DeclaredTerms {
    DeclaredTerms::parse(&SourceFile::new("terms.toml", text), ontology())
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
        .0
}

fn of(imported: &Imported) -> DeclaredTerms {
    parse(&toml(imported))
}

fn toml(imported: &Imported) -> String {
    let domains = [Domain::parse("sunnyweather.example").unwrap()];
    let head = Head { package: PACKAGE, first_party_domains: &domains, ..Head::default() };
    to_toml(&head, &imported.statements, &imported.not_understood, ontology())
}

fn judge(terms: &DeclaredTerms) -> Verdict {
    let mut correlator = Correlator::new(terms, ontology());
    recording().end().iter().for_each(|entry| correlator.add(entry));
    correlator.finish(&RecordingCondition { complete: true, ..RecordingCondition::default() })
}

fn findings(verdict: &Verdict) -> Vec<String> {
    let of_rule = |rule: &candor::host::correlate::verdict::RuleResult| {
        let id = rule.id;
        rule.findings.iter().map(move |finding| format!("{id} {}", finding.subject.title())).collect::<Vec<_>>()
    };
    let mut found: Vec<String> = verdict.rules.iter().flat_map(of_rule).collect();
    found.sort();
    found
}

const CONTACTS: &str = "undeclared-collection contacts";
const MAC: &str = "undeclared-collection id.mac";
const JPUSH: &str = "undeclared-recipient ads.jpush.cn";
const UMENG: &str = "undeclared-recipient alog.umeng.com";
const UNLISTED: &str = "unknown-recipient cdn-7.unlisted.example";

const POLICY: &str =
    "我们会收集您的MAC地址和通讯录。\n\n我们接入了友盟SDK，友盟会收集您的MAC地址。\n\n我们不会读取您的短信。\n";

#[test]
fn native_terms() {
    let terms = format!(
        "[app]\npackage = \"{PACKAGE}\"\nfirst_party_domains = [\"sunnyweather.example\"]\n\
         [[collect]]\ndata_types = [\"id.mac\"]\n[[share]]\nrecipient = \"umeng\"\ndata_types = [\"id.mac\"]\n"
    );
    let verdict = judge(&parse(&terms));
    assert_eq!(verdict.outcome, RuleOutcome::Violation);
    assert_eq!(findings(&verdict), [CONTACTS, JPUSH, UNLISTED]);
}

#[test]
fn two_lists_of_a_page() {
    let page = "<meta charset=utf-8><h2>已收集个人信息清单</h2><table><tr><th>信息名称<th>使用目的</tr><tr><td>MAC地址<td>统计</tr></table>\
        <h2>第三方SDK目录</h2><table><tr><th>SDK名称<th>收集的个人信息<th>使用目的</tr><tr><td>友盟统计SDK<td>MAC地址<td>统计</tr></table>";
    let imported = two_lists("list.html", page.as_bytes(), ontology(), Some(PACKAGE)).unwrap();
    assert_eq!(findings(&judge(&of(&imported))), [CONTACTS, JPUSH, UNLISTED]);
}

#[test]
fn the_data_safety_form_names_no_recipient() {
    let form = "Question ID (machine readable),Response ID (machine readable),Response value,Answer requirement,Human-friendly question label\n\
        PSL_DATA_COLLECTION_COLLECTS_PERSONAL_DATA,,true,REQUIRED,x\n\
        PSL_DATA_TYPES_IDENTIFIERS,PSL_DEVICE_ID,true,MULTIPLE_CHOICE,x\n\
        PSL_DATA_USAGE_RESPONSES:PSL_DEVICE_ID:PSL_DATA_USAGE_COLLECTION_AND_SHARING,PSL_DATA_USAGE_ONLY_COLLECTED,true,,x\n";
    let imported = data_safety("form.csv", form.as_bytes(), ontology()).unwrap();
    assert_eq!(findings(&judge(&of(&imported))), [CONTACTS, JPUSH, UMENG, UNLISTED]);
}

#[test]
fn drafts_clear_nothing_and_findings_name_them() {
    let imported = policy("policy.txt", POLICY.as_bytes(), ontology()).unwrap();
    let text = toml(&imported);
    let verdict = judge(&parse(&text));
    assert_eq!(verdict.outcome, RuleOutcome::Violation);
    assert_eq!(findings(&verdict), [CONTACTS, MAC, JPUSH, UMENG, UNLISTED]);
    let message = |subject: &str| {
        let all = verdict.rules.iter().flat_map(|rule| &rule.findings);
        all.into_iter().find(|finding| finding.subject.title() == subject).unwrap().message.clone()
    };
    for subject in ["contacts", "id.mac", "alog.umeng.com"] {
        let message = message(subject);
        assert!(message.contains("; only an unconfirmed draft covers this (terms.toml:"), "{message}");
    }
    // The acts that are made of these rules say it as well.
    let act = verdict.profiles[0].clauses.iter().find(|clause| clause.id == "2.1").unwrap();
    let told =
        act.findings.iter().map(|finding| &finding.message).filter(|message| message.contains("unconfirmed draft"));
    assert_eq!(told.count(), 3, "{:?}", act.findings);
    for subject in ["ads.jpush.cn", "cdn-7.unlisted.example"] {
        assert!(!message(subject).contains("draft"), "{}", message(subject));
    }
    let notices: Vec<&str> = verdict
        .notices
        .iter()
        .filter(|notice| notice.kind == "unconfirmed_draft")
        .map(|notice| notice.message.as_str())
        .collect();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].starts_with("3 statements of terms.toml are unconfirmed drafts"), "{notices:?}");

    // Confirmed, they count: what the policy names is declared, and the rest stays.
    let verdict = judge(&parse(&text.replace("draft = true\n", "")));
    assert_eq!(findings(&verdict), [JPUSH, UNLISTED]);
}

#[test]
fn a_draft_that_denies_accuses_of_nothing_and_is_pointed_out() {
    let imported = policy("policy.txt", "我们不会收集您的通讯录。".as_bytes(), ontology()).unwrap();
    let text = toml(&imported);
    let verdict = judge(&parse(&text));
    let contradicted = |verdict: &Verdict| {
        verdict.rules.iter().flat_map(|rule| &rule.findings).filter(|finding| finding.contradicts.is_some()).count()
    };
    assert_eq!(contradicted(&verdict), 0);
    let pointed = |notice: &&candor::host::correlate::verdict::Notice| {
        notice.message.contains("says that contacts is not collected, and it was read in this run")
    };
    assert_eq!(verdict.notices.iter().filter(pointed).count(), 1, "{:?}", verdict.notices);
    let confirmed = judge(&parse(&text.replace("draft = true\n", "")));
    assert_eq!(contradicted(&confirmed), 1);
}

#[test]
fn what_the_basic_function_does_not_need_is_told_and_is_no_finding() {
    let terms = |app_type: &str| {
        parse(&format!(
            "[app]\npackage = \"{PACKAGE}\"\napp_type = \"{app_type}\"\nfirst_party_domains = [\"sunnyweather.example\"]\n\
             [[collect]]\ndata_types = [\"id.mac\", \"contacts\"]\n"
        ))
    };
    let told = |app_type: &str| -> Vec<String> {
        let verdict = judge(&terms(app_type));
        assert!(findings(&verdict).iter().all(|finding| !finding.starts_with("undeclared-collection")));
        let notices = verdict.notices.into_iter().filter(|notice| notice.kind == "not_necessary");
        notices.map(|notice| notice.message).collect()
    };
    let utilities = told("实用工具类");
    assert_eq!(utilities.len(), 2, "{utilities:?}");
    assert_eq!(
        utilities[0],
        "contacts was read and is not necessary for the basic function of \"utilities\" (实用工具类) by the 2021 rule: the app must work for who declines it"
    );
    let problems = DeclaredTerms::parse(
        &SourceFile::new("t", format!("[app]\npackage = \"{PACKAGE}\"\napp_type = \"utilites\"\n")),
        ontology(),
    )
    .unwrap_err()
    .to_string();
    assert!(
        problems.contains("unknown app type \"utilites\"") && problems.contains("did you mean \"utilities\"?"),
        "{problems}"
    );
}
