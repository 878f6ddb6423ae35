//! Checks of clauses about contacts, and about acts that are neither reading nor contact. All of them are evidence for
//! a person: what was inside a connection is not seen.

use std::collections::BTreeMap;

use super::super::facts::{ContactTuple, Facts, Part};
use super::super::rules::{Judged, PRE_CONSENT, REFUSED, contact_findings, data_findings, owner_in_words};
use super::super::standing::PartyStanding;
use super::super::tally::Tally;
use super::super::verdict::Subject;
use super::Context;
use super::acts::{ActKey, ActKind};

/// Purposes that follow people from app to app.
const TRACKING: &[&str] = &["advertising", "analytics", "attribution"];

/// Whether every possible party of a contact serves one of these purposes.
fn serves(facts: &Facts<'_>, tuple: &ContactTuple<'_>, purposes: &[&str]) -> bool {
    !tuple.parties.is_empty()
        && tuple.parties.iter().all(|party| {
            let owner = party.owner.and_then(|id| facts.ontology.recipients.get(id));
            owner.is_some_and(|owner| purposes.contains(&owner.purpose.as_str()))
        })
}

fn contacts_in(facts: &Facts<'_>, phase: &str, purposes: &[&str], rule: &'static str, when: &str) -> Judged {
    let chosen = facts.made_contacts().filter(|tuple| tuple.phase.as_str() == phase && serves(facts, tuple, purposes));
    let findings = contact_findings(facts, rule, chosen, |app, name, _, _| {
        let (host, owner) = (&name.host, owner_in_words(name));
        let purpose = name.purpose.as_deref().unwrap_or_default();
        Some((format!("{app} contacted {host}{owner}, which serves {purpose}, {when}"), None))
    });
    Judged { findings, ..Judged::default() }
}

/// Advertising goes on, or identifiers are still read, after the user has switched personalisation off.
pub(super) fn targeting_goes_on(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    const RULE: &str = "targeting-goes-on";
    let phase = "personalisation_off";
    let when = "after personalisation was switched off";
    let mut judged = contacts_in(facts, phase, &["advertising"], RULE, when);
    let types = &facts.ontology.data_types;
    let Some(identifiers) = types.find("id") else { return judged };
    let read =
        facts.readings().filter(|tuple| tuple.phase.as_str() == phase && types.covers(identifiers, tuple.data_type));
    judged
        .findings
        .extend(data_findings(facts, RULE, read, |app, id, _, _| Some((format!("{app} read {id} {when}"), None))));
    judged
}

pub(super) fn tracking_before_consent(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    contacts_in(facts, PRE_CONSENT, TRACKING, "tracking-before-consent", "before consent")
}

pub(super) fn tracking_after_refusal(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    contacts_in(facts, REFUSED, TRACKING, "tracking-after-refusal", "after refusal")
}

pub(super) fn tracking_after_withdrawal(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    contacts_in(facts, "withdrawn", TRACKING, "tracking-after-withdrawal", "after consent was withdrawn")
}

/// Contacts by which bytes left for somebody else, after personal data was read, where no consent covers it.
///
/// Tied by time, not by content. A contact whose bytes are not known, or before which nothing was seen being read, is a
/// doubt: an app can have data without reading it from anywhere.
pub(super) fn sent_to_third_parties(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    let mut judged = Judged::default();
    let not_agreed = |tuple: &&ContactTuple<'_>| {
        let others = tuple.parties.iter().all(|party| !party.is_first_party());
        let declared = tuple.parties.iter().any(|party| party.is_declared());
        let asked = matches!(tuple.phase.as_str(), PRE_CONSENT | REFUSED);
        others && (asked || !declared)
    };
    let contacts = facts.made_contacts().filter(not_agreed);
    judged.findings = contact_findings(facts, "sent-without-consent", contacts, |app, name, first, tuples| {
        let nobody_knows = first.parties.iter().all(|party| matches!(party.standing, PartyStanding::Unknown));
        let last_ns = tuples.iter().map(|tuple| tuple.tally.last_ns).max().unwrap_or_default();
        let bytes: u64 = tuples.iter().map(|tuple| tuple.tally.bytes_out).fold(0, u64::saturating_add);
        let mut read: Vec<&str> = facts
            .readings()
            .filter(|tuple| tuple.actor.app == app && tuple.tally.first_ns <= last_ns)
            .map(|tuple| facts.ontology.data_types.id_of(tuple.data_type))
            .collect();
        read.sort_unstable();
        read.dedup();
        let whom = format!("{}{}", name.host, owner_in_words(name));
        let why = if nobody_knows {
            "whose owner nobody knows"
        } else if bytes == 0 {
            "how much was sent is not known"
        } else if read.is_empty() {
            "no personal data was seen being read before"
        } else {
            let read = read.join(", ");
            let message = format!(
                "{app} read {read}, and afterwards sent {bytes} bytes to {whom} without consent; what they held was not seen"
            );
            return Some((message, None));
        };
        judged.doubts.push(format!("{app} contacted {whom} without consent: {why}"));
        None
    });
    judged
}

/// Data that is read and not declared, and after which bytes left the device: "collected" in the meaning of the form.
pub(super) fn left_the_device_undeclared(facts: &Facts<'_>, context: &Context<'_>) -> Judged {
    let mut judged = super::checks::data_not_listed(facts, context);
    let mut doubts = Vec::new();
    judged.findings.retain_mut(|finding| {
        let after = |tuple: &&ContactTuple<'_>| {
            facts.clock.moment(tuple.tally.last_ns).seconds >= finding.first.seconds
                && finding.actors.iter().any(|actor| actor.app == tuple.actor.app)
        };
        let contacts: Vec<_> = facts.made_contacts().filter(after).collect();
        let bytes = contacts.iter().map(|tuple| tuple.tally.bytes_out).fold(0, u64::saturating_add);
        if contacts.is_empty() {
            return false;
        }
        if bytes == 0 {
            doubts.push(format!("{}; how much was sent afterwards is not known", finding.message));
            return false;
        }
        finding.message.push_str(&format!("; afterwards {bytes} bytes left the device, of unknown content"));
        true
    });
    judged.doubts.extend(doubts);
    judged
}

/// Third parties to whom bytes went and whom, or whose data, the form does not declare as shared.
pub(super) fn shared_undeclared(facts: &Facts<'_>, context: &Context<'_>) -> Judged {
    let shares = facts.terms.contacts().next().is_some();
    if shares {
        // The form names no recipients: who is among those that are meant cannot be told from it alone.
        return super::checks::recipients_not_listed(facts, context);
    }
    let third =
        |tuple: &&ContactTuple<'_>| tuple.parties.iter().all(|party| matches!(party.standing, PartyStanding::Known));
    let contacts = facts.made_contacts().filter(third);
    let findings = contact_findings(facts, "sharing-undeclared", contacts, |app, name, _, _| {
        let (host, owner) = (&name.host, owner_in_words(name));
        Some((format!("{app} contacted {host}{owner}, and declares no sharing at all"), None))
    });
    Judged { findings, ..Judged::default() }
}

/// Acts of one kind in one of these phases (any, when none is given), by subject and app.
fn acts<'f>(
    facts: &'f Facts<'_>,
    kind: ActKind,
    phases: &[&str],
) -> BTreeMap<(&'f str, &'f str), Vec<(&'f ActKey, &'f Tally)>> {
    let mut groups: BTreeMap<(&str, &str), Vec<(&ActKey, &Tally)>> = BTreeMap::new();
    let chosen = |key: &ActKey| key.kind == kind && (phases.is_empty() || phases.contains(&key.phase.as_str()));
    for (key, tally) in facts.acts.iter().filter(|(key, _)| chosen(key)) {
        groups.entry((key.subject.as_str(), key.actor.app.as_str())).or_default().push((key, tally));
    }
    groups
}

/// A finding for each subject and app of acts of one kind.
pub(in super::super) fn of_acts(
    facts: &Facts<'_>,
    kind: ActKind,
    phases: &[&str],
    rule: &'static str,
    message: impl Fn(&str, &str, u64) -> String,
) -> Judged {
    let mut judged = Judged::default();
    for ((subject, app), group) in acts(facts, kind, phases) {
        let parts: Vec<Part<'_>> =
            group.iter().map(|(key, tally)| Part { actor: &key.actor, phase: &key.phase, tally }).collect();
        let count = group.iter().map(|(_, tally)| tally.count).fold(0, u64::saturating_add);
        let about = Subject::Act { what: subject.to_owned() };
        judged.findings.push(facts.finding(rule, about, message(subject, app, count), None, &parts));
    }
    judged
}

/// Values written into another app, after personal data was read.
pub(super) fn given_to_other_apps(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    if facts.readings().next().is_none() {
        return Judged::default();
    }
    of_acts(facts, ActKind::Given, &[], "given-to-another-app", |package, app, count| {
        format!("{app} wrote into {package} after reading personal data ({count}x); what it wrote was not seen")
    })
}

/// The app ended in phase `refused`, and did nothing more in it.
pub(super) fn gone_after_refusal(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    let last_exit = acts(facts, ActKind::Exit, &[REFUSED]).values().flatten().map(|(_, tally)| tally.last_ns).max();
    let last_doing = facts.last_doing.iter().find(|(phase, _)| phase.as_str() == REFUSED).map(|(_, time)| *time);
    match last_exit {
        Some(exit) if last_doing.is_none_or(|doing| doing <= exit) => {
            of_acts(facts, ActKind::Exit, &[REFUSED], "gone-after-refusal", |_, app, _| {
                format!("{app} ended after the user had refused, and did nothing more in that phase")
            })
        }
        _ => Judged::default(),
    }
}

/// Permission dialogs that were marked one directly after another.
pub(super) fn prompts_in_a_row(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    of_acts(facts, ActKind::PromptAgain, &[], "prompts-in-a-row", |_, _, count| {
        format!("a permission dialog came directly after another one ({count}x)")
    })
}

/// Processes that began after the app had been stopped.
pub(super) fn started_by_itself(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    of_acts(facts, ActKind::Start, &["killed"], "started-by-itself", |_, app, count| {
        format!("{app} started processes after it had been stopped ({count}x)")
    })
}

/// Requests that anybody on the way can read.
pub(super) fn in_clear_text(facts: &Facts<'_>, _: &Context<'_>) -> Judged {
    of_acts(facts, ActKind::ClearText, &[], "clear-text", |host, app, count| {
        format!("{app} sent requests to {host} in clear text ({count}x)")
    })
}
