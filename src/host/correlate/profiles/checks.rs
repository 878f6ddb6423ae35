//! Checks of clauses about what was read and what the terms say.
//!
//! Most are made of the eight rules of [`super::super::rules`]: a finding keeps the id of the rule that made it, so that
//! it can be followed from the clause to the rule and back.

use super::super::correlator::Effect;
use super::super::facts::{DataTuple, Facts};
use super::super::rules::{self, Judged, PRE_CONSENT, REFUSED, data_findings};
use super::super::standing::DataStanding;
use super::super::verdict::{Finding, Subject};
use super::Context;
use super::acts::PERMISSION_PROMPT;
use crate::host::ontology::Need;

/// Looks at nothing.
pub(super) fn nothing(_: &Facts<'_>, _: &Context<'_>) -> Judged {
    Judged::default()
}

/// What the rules with these ids found, together.
fn of_rules(context: &Context<'_>, ids: &[&str], keep: impl Fn(&Finding) -> bool) -> Judged {
    let mut together = Judged::default();
    for judged in ids.iter().filter_map(|id| context.judged.get(id)) {
        together.findings.extend(judged.findings.iter().filter(|finding| keep(finding)).cloned());
        together.doubts.extend(judged.doubts.iter().cloned());
    }
    together
}

pub(super) fn before_consent(_: &Facts<'_>, context: &Context<'_>) -> Judged {
    of_rules(context, &["before-consent"], |_| true)
}

/// Without a prompt there is nothing that the user could have answered; reading before the answer is evidence of it.
pub(super) fn read_before_answer(_: &Facts<'_>, context: &Context<'_>) -> Judged {
    let mut judged = of_rules(context, &["before-consent"], |finding| matches!(finding.subject, Subject::Data(_)));
    judged.doubts.clear();
    judged
}

pub(super) fn after_refusal(_: &Facts<'_>, context: &Context<'_>) -> Judged {
    of_rules(context, &["after-refusal"], |_| true)
}

pub(super) fn after_withdrawal(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    rules::in_phase(facts, "after-withdrawal", "withdrawn", "after consent was withdrawn")
}

/// Data and recipients that no statement names. Whose an unknown address is, nobody knows: it can be the developer's.
pub(super) fn not_listed(_: &Facts<'_>, context: &Context<'_>) -> Judged {
    let mut judged = of_rules(context, &["undeclared-collection", "undeclared-recipient"], |_| true);
    judged.doubts.extend(unknown_recipients(context));
    judged
}

pub(super) fn data_not_listed(_: &Facts<'_>, context: &Context<'_>) -> Judged {
    of_rules(context, &["undeclared-collection"], |_| true)
}

pub(super) fn recipients_not_listed(_: &Facts<'_>, context: &Context<'_>) -> Judged {
    let mut judged = of_rules(context, &["undeclared-recipient"], |_| true);
    judged.doubts.extend(unknown_recipients(context));
    judged
}

fn unknown_recipients(context: &Context<'_>) -> Vec<String> {
    let unknown = of_rules(context, &["unknown-recipient"], |_| true);
    unknown.findings.into_iter().map(|finding| finding.message).chain(unknown.doubts).collect()
}

/// Whatever contradicts a statement, rather than lacking one.
pub(super) fn breaks_own_rules(_: &Facts<'_>, context: &Context<'_>) -> Judged {
    let all = ["outside-declared-phase", "rate-above-declared", "undeclared-collection", "undeclared-recipient"];
    of_rules(context, &all, |finding| finding.contradicts.is_some())
}

/// Beyond what the user agreed to: kinds of data outside the terms, and data had by another way after the system denied it.
pub(super) fn beyond_authorisation(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    let mut judged = Judged::default();
    let consented = |tuple: &&DataTuple<'_>| !matches!(tuple.phase.as_str(), PRE_CONSENT | REFUSED | "unmarked");
    let outside = facts
        .readings()
        .filter(consented)
        .filter(|tuple| matches!(tuple.standing, DataStanding::Undeclared | DataStanding::Denied(_)));
    judged.findings = data_findings(facts, "beyond-authorisation", outside, |app, id, first, _| {
        let message = format!("{app} read {id}, and what the user agreed to does not include it");
        Some((message, first.standing.statement(facts.ontology)))
    });
    let denied = |tuple: &DataTuple<'_>| {
        facts
            .data
            .iter()
            .filter(|other| {
                other.effect == Effect::Denied
                    && other.data_type == tuple.data_type
                    && other.actor.app == tuple.actor.app
                    && other.tally.first_ns < tuple.tally.last_ns
            })
            .flat_map(|other| other.tally.places.sorted())
            .find(|place| !tuple.tally.places.contains(place))
    };
    let side = facts.readings().filter(|tuple| denied(tuple).is_some());
    judged.findings.extend(data_findings(facts, "side-channel", side, |app, id, first, _| {
        let door = denied(first).unwrap_or_default();
        Some((format!("{app} was denied {id} at {door}, and read it another way"), None))
    }));
    judged
}

/// Sensitive data read for the first time before any permission dialog was marked.
pub(super) fn sensitive_without_prompt(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    let mut judged = Judged::default();
    let prompts = facts.seen.spans.iter().filter(|span| span.phase.as_str() == PERMISSION_PROMPT);
    let Some(first_prompt) = prompts.map(|span| span.from_ns).min() else { return judged };
    let sensitive = |tuple: &&DataTuple<'_>| {
        let entry = facts.ontology.data_types.get(tuple.data_type);
        entry.is_some_and(|entry| entry.sensitive_gb_35273 == Some(true)) && tuple.tally.first_ns < first_prompt
    };
    let read = facts.readings().filter(sensitive);
    judged.findings = data_findings(facts, "sensitive-without-prompt", read, |app, id, _, _| {
        let message = format!("{app} read {id}, which is sensitive, before any permission dialog was marked");
        Some((message, None))
    });
    judged
}

/// Kinds of data that the basic function of the declared type of app does not need. Another function may need them, so a
/// person decides; an entry that nobody has compared with the rule's text yet accuses nobody.
pub(super) fn not_needed_for_the_type(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    let mut judged = Judged::default();
    let Some(app_type) = facts.terms.app.app_type.and_then(|id| facts.ontology.app_types.get(id)) else {
        judged.not_applicable =
            Some("the terms do not say which of the 39 types of apps this is ([app] app_type)".to_owned());
        return judged;
    };
    let types = &facts.ontology.data_types;
    let agreed = facts.readings().filter(|tuple| !matches!(tuple.phase.as_str(), PRE_CONSENT | REFUSED));
    judged.findings = data_findings(facts, "not-needed-for-the-type", agreed, |app, id, first, _| {
        let message = match app_type.needs(first.data_type, types) {
            Need::Necessary => return None,
            Need::ForAPart(when) => {
                judged.doubts.push(format!("{app} read {id}, which \"{}\" needs only {when}", app_type.id));
                return None;
            }
            Need::NotNecessary => {
                format!("{app} read {id}, which the basic function of \"{}\" does not need", app_type.id)
            }
        };
        if !app_type.checked {
            judged.doubts.push(format!("{message}; the entry was not yet compared with the rule's text"));
            return None;
        }
        Some((message, None))
    });
    judged
}

/// Data that was read although the user had not asked for anything: off the screen or without being operated.
pub(super) fn read_unattended(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    let unattended =
        facts.readings().filter(|tuple| matches!(tuple.phase.as_str(), "silent" | "background" | "killed"));
    let findings = data_findings(facts, "unattended", unattended, |app, id, _, _| {
        Some((format!("{app} read {id} while the user was not operating it"), None))
    });
    Judged { findings, ..Judged::default() }
}

/// Observed data whose statements lack something that the list must tell.
fn statement_lacks(
    facts: &Facts<'_>,
    rule: &'static str,
    what: &str,
    lacks: impl Fn(&crate::host::declared_terms::Statement) -> bool,
) -> Judged {
    let lacking = |tuple: &&DataTuple<'_>| match &tuple.standing {
        DataStanding::Declared { statements, .. } => statements.iter().all(|statement| lacks(statement)),
        _ => false,
    };
    let findings = data_findings(facts, rule, facts.readings().filter(lacking), |app, id, first, _| {
        let message = format!("{app} read {id}, and the terms list it without {what}");
        Some((message, first.standing.statement(facts.ontology)))
    });
    Judged { findings, ..Judged::default() }
}

pub(super) fn listed_without_purpose(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    statement_lacks(facts, "listed-without-purpose", "a purpose", |statement| statement.purposes.is_empty())
}

pub(super) fn listed_without_scene(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    statement_lacks(facts, "listed-without-scene", "a scene", |statement| statement.scenes.is_empty())
}
