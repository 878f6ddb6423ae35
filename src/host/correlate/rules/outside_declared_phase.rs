//! Something declared, but for other phases.

use super::super::facts::{ContactTuple, DataTuple, Facts};
use super::super::standing::{DataStanding, PartyStanding, collect_ref, contact_ref};
use super::{Judged, PRE_CONSENT, REFUSED, contact_findings, data_findings, owner_in_words};
use crate::event::Phase;
use crate::host::declared_terms::{Timing, TimingAnswer};

/// What several statements say together: one that allows it is enough.
fn together<'t>(timings: impl Iterator<Item = &'t Timing>, phase: &Phase) -> TimingAnswer {
    let mut together = TimingAnswer::Excluded;
    for timing in timings {
        match timing.answer(phase) {
            TimingAnswer::Allowed => return TimingAnswer::Allowed,
            TimingAnswer::NotKnown => together = TimingAnswer::NotKnown,
            TimingAnswer::Excluded => {}
        }
    }
    together
}

fn of_reading(tuple: &DataTuple<'_>) -> TimingAnswer {
    match &tuple.standing {
        DataStanding::Declared { statements, .. } => {
            together(statements.iter().map(|collect| &collect.timing), &tuple.phase)
        }
        _ => TimingAnswer::Allowed,
    }
}

/// Only a destination that is certain is held to the timing of its statement.
fn of_contact(tuple: &ContactTuple<'_>) -> TimingAnswer {
    match tuple.parties.as_slice() {
        [party] if party.is_declared() => match &party.standing {
            PartyStanding::Declared(shares) => together(shares.iter().map(|share| &share.timing), &tuple.phase),
            _ => TimingAnswer::Allowed,
        },
        _ => TimingAnswer::Allowed,
    }
}

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let mut judged = Judged::default();
    let restricts = |timing: &Timing| *timing != Timing::default();
    let restricted = facts.terms.statements.iter().any(|statement| restricts(&statement.timing));
    if !restricted {
        judged.not_applicable = Some("the terms declare no phase for anything".to_owned());
        return judged;
    }
    let other_rules = |phase: &Phase| matches!(phase.as_str(), PRE_CONSENT | REFUSED);
    let unmarked = "was done while no phase was marked, and is declared for certain phases only";
    for tuple in facts.readings().filter(|tuple| of_reading(tuple) == TimingAnswer::NotKnown) {
        judged.doubts.push(format!("reading {} {unmarked}", facts.data_name(tuple.data_type).id));
    }
    for tuple in facts.made_contacts().filter(|tuple| of_contact(tuple) == TimingAnswer::NotKnown) {
        judged.doubts.push(format!("contacting {} {unmarked}", facts.recipient_name(tuple).host));
    }
    let readings =
        facts.readings().filter(|tuple| !other_rules(&tuple.phase) && of_reading(tuple) == TimingAnswer::Excluded);
    const RULE: &str = "outside-declared-phase";
    judged.findings = data_findings(facts, RULE, readings, |app, id, first, tuples| {
        let DataStanding::Declared { statements, .. } = &first.standing else { return None };
        let contradicts = statements.first().map(|collect| collect_ref(collect, facts.ontology));
        let declared = statements.first().map(|collect| collect.timing.in_words()).unwrap_or_default();
        let phases = in_phases(tuples.iter().map(|tuple| &tuple.phase));
        Some((format!("{app} read {id} {phases}, and declares it {declared}"), contradicts))
    });
    let contacts =
        facts.made_contacts().filter(|tuple| !other_rules(&tuple.phase) && of_contact(tuple) == TimingAnswer::Excluded);
    judged.findings.extend(contact_findings(facts, RULE, contacts, |app, name, first, tuples| {
        let Some(PartyStanding::Declared(shares)) = first.parties.first().map(|party| &party.standing) else {
            return None;
        };
        let contradicts = shares.first().map(|share| contact_ref(share, facts.ontology));
        let declared = shares.first().map(|share| share.timing.in_words()).unwrap_or_default();
        let phases = in_phases(tuples.iter().map(|tuple| &tuple.phase));
        let whom = format!("{}{}", name.host, owner_in_words(name));
        Some((format!("{app} contacted {whom} {phases}, and declares it {declared}"), contradicts))
    }));
    judged
}

fn in_phases<'t>(phases: impl Iterator<Item = &'t Phase>) -> String {
    let mut names: Vec<&str> = phases.map(Phase::as_str).collect();
    names.sort_unstable();
    names.dedup();
    format!("in phase {}", names.join(", "))
}
