//! Personal data read, or a third party contacted, before the user has consented.
//!
//! A declaration for `pre_consent` does not excuse it: the rules that regulators apply know no such exception. The lint
//! of the terms says so.

use super::super::facts::Facts;
use super::{Judged, PRE_CONSENT, contact_findings, data_findings, owner_in_words};
use crate::host::correlate::standing::contact_statement;

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    in_phase(facts, "before-consent", PRE_CONSENT, "before consent")
}

/// Everything that may not happen in a phase in which the user has not agreed.
pub(super) fn in_phase(facts: &Facts<'_>, rule: &'static str, phase: &str, when: &str) -> Judged {
    let mut judged = Judged::default();
    let readings = facts.readings().filter(|tuple| tuple.phase.as_str() == phase);
    let read = |app: &str, id: &str| format!("{app} read {id} {when}");
    judged.findings = data_findings(facts, rule, readings, |app, id, _, _| Some((read(app, id), None)));
    let contacts = facts.made_contacts().filter(|tuple| tuple.phase.as_str() == phase);
    judged.findings.extend(contact_findings(facts, rule, contacts, |app, name, first, _| {
        let own = first.parties.iter().filter(|party| party.is_first_party()).count();
        if own == first.parties.len() {
            return None;
        }
        if own > 0 {
            let host = &name.host;
            judged.doubts.push(format!("a connection {when} was with any of {host}, of which one is first party"));
            return None;
        }
        let message = format!("{app} contacted {}{} {when}", name.host, owner_in_words(name));
        let denied = first.parties.iter().any(|party| party.denied_by.is_some());
        Some((message, contact_statement(&first.parties, facts.ontology).filter(|_| denied)))
    }));
    judged
}
