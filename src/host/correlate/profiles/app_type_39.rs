//! The 39 types of apps, and what personal information the basic function of each needs.
//!
//! The rule forbids to refuse the basic function to who declines the rest; it does not forbid the rest. So what is not
//! necessary is a violation where nobody can have agreed to it, and otherwise something to look at.

use super::super::facts::{DataTuple, Facts};
use super::super::rules::{Judged, PRE_CONSENT, REFUSED, data_findings};
use super::super::standing::DataStanding;
use super::clause::{Check, Clause, Decidability, When, not_by_trace};
use super::{BuiltIn, Context, flow_checks};
use crate::event::Family;
use crate::host::ontology::Need;

const SOURCE: &str = "常见类型移动互联网应用程序必要个人信息范围规定, 2021-03-12; names of the types read, lists of some types by accounts of others";
const READING: &[Family] = &[Family::Process, Family::File, Family::Provider, Family::Service];
const AFTER_CONSENT: &[&str] = &["foreground", "silent", "background", "killed"];

use Decidability::{Decidable, Partly};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "app-type-39",
    title_en: "Necessary personal information of 39 common types of apps",
    title_zh: "常见类型移动互联网应用程序必要个人信息范围规定（39类）",
    source: "常见类型移动互联网应用程序必要个人信息范围规定, in force 2021-05-01; the type is [app] app_type of the terms; clauses in our words",
    clauses: &[
        Clause {
            id: "before-consent",
            zh: "征得同意前收集非必要个人信息",
            en: "Information that the basic function does not need is collected before consent",
            source: SOURCE,
            decidability: Decidable,
            when: When::All(&["pre_consent"]),
            families: READING,
            check: Check::Trace(before_consent),
        },
        Clause {
            id: "after-refusal",
            zh: "用户拒绝后仍收集非必要个人信息",
            en: "Information that the basic function does not need is collected after the user has refused",
            source: SOURCE,
            decidability: Decidable,
            when: When::All(&["refused"]),
            families: READING,
            check: Check::Trace(after_refusal),
        },
        Clause {
            id: "undeclared",
            zh: "收集未声明且非必要的个人信息",
            en: "Information that the basic function does not need is collected, and the terms do not say so",
            source: SOURCE,
            decidability: Decidable,
            when: When::OneOf(AFTER_CONSENT),
            families: READING,
            check: Check::Trace(undeclared),
        },
        Clause {
            id: "beyond-necessary",
            zh: "收集已声明的非必要个人信息，用户应可拒绝",
            en: "Information that the basic function does not need is collected as declared: it must be possible to decline it",
            source: SOURCE,
            decidability: Partly,
            when: When::OneOf(AFTER_CONSENT),
            families: READING,
            check: Check::Trace(beyond_necessary),
        },
        Clause {
            id: "service-refused",
            zh: "因用户不提供非必要个人信息而拒绝其使用基本功能服务",
            en: "The basic function is refused to who does not give what it does not need",
            source: SOURCE,
            decidability: Partly,
            when: When::All(&["refused"]),
            families: &[Family::Process],
            check: Check::Trace(flow_checks::gone_after_refusal),
        },
        not_by_trace(
            "given-by-the-user",
            "要求用户填写非必要个人信息",
            "The user is made to type in what the basic function does not need",
            SOURCE,
            "seen on the app's screens only: a tester decides",
        ),
    ],
};

/// Readings of what the basic function of the declared type does not need, among those that `keep` chooses.
fn not_needed(facts: &Facts<'_>, rule: &'static str, when: &str, keep: impl Fn(&DataTuple<'_>) -> bool) -> Judged {
    let mut judged = Judged::default();
    let Some(app_type) = facts.terms.app.app_type.and_then(|id| facts.ontology.app_types.get(id)) else {
        judged.not_applicable =
            Some("the terms do not say which of the 39 types of apps this is ([app] app_type)".to_owned());
        return judged;
    };
    let chosen = facts.readings().filter(|tuple| keep(tuple));
    judged.findings = data_findings(facts, rule, chosen, |app, id, first, _| {
        let message = format!("{app} read {id} {when}, and the basic function of \"{}\" does not need it", app_type.id);
        match app_type.needs(first.data_type, &facts.ontology.data_types) {
            Need::Necessary => return None,
            Need::ForAPart(part) => {
                judged.doubts.push(format!("{app} read {id} {when}, which \"{}\" needs only {part}", app_type.id));
                return None;
            }
            Need::NotNecessary => {}
        }
        if !app_type.checked {
            judged.doubts.push(format!("{message}; the entry was not yet compared with the rule's text"));
            return None;
        }
        Some((message, first.standing.statement(facts.ontology)))
    });
    judged
}

fn before_consent(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    not_needed(facts, "not-needed-before-consent", "before consent", |tuple| tuple.phase.as_str() == PRE_CONSENT)
}

fn after_refusal(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    not_needed(facts, "not-needed-after-refusal", "after refusal", |tuple| tuple.phase.as_str() == REFUSED)
}

fn agreed(tuple: &DataTuple<'_>) -> bool {
    !matches!(tuple.phase.as_str(), PRE_CONSENT | REFUSED)
}

fn undeclared(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    let outside = |tuple: &DataTuple<'_>| matches!(tuple.standing, DataStanding::Undeclared | DataStanding::Denied(_));
    not_needed(facts, "not-needed-undeclared", "without declaring it", |tuple| agreed(tuple) && outside(tuple))
}

fn beyond_necessary(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    let declared = |tuple: &DataTuple<'_>| matches!(tuple.standing, DataStanding::Declared { .. });
    not_needed(facts, "not-needed-declared", "as declared", |tuple| agreed(tuple) && declared(tuple))
}
