//! Personal data read, or a third party contacted, before the user has consented.
//!
//! A declaration for `pre_consent` does not excuse it: the rules that regulators apply know no such exception. The lint
//! of the terms says so.

use super::super::facts::Facts;
use super::super::verdict::Subject;
use super::{Judged, PRE_CONSENT, by_host, by_type, contact_parts, data_parts, owner_in_words};
use crate::host::correlate::standing::contact_statement;

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    in_phase(facts, "before-consent", PRE_CONSENT, "before consent")
}

/// Everything that may not happen in a phase in which the user has not agreed.
pub(super) fn in_phase(facts: &Facts<'_>, rule: &'static str, phase: &str, when: &str) -> Judged {
    let mut judged = Judged::default();
    let readings = facts.readings().filter(|tuple| tuple.phase.as_str() == phase);
    for ((id, app), tuples) in by_type(facts, readings) {
        let Some(first) = tuples.first() else { continue };
        let subject = Subject::Data(facts.data_name(first.data_type));
        let message = format!("{app} read {id} {when}");
        judged.findings.push(facts.finding(rule, subject, message, None, &data_parts(&tuples)));
    }
    let contacts = facts.made_contacts().filter(|tuple| tuple.phase.as_str() == phase);
    for ((host, app), tuples) in by_host(facts, contacts) {
        let Some(first) = tuples.first() else { continue };
        let own = first.parties.iter().filter(|party| party.is_first_party()).count();
        if own == first.parties.len() {
            continue;
        }
        if own > 0 {
            judged.doubts.push(format!("a connection {when} was with any of {host}, of which one is first party"));
            continue;
        }
        let name = facts.recipient_name(first);
        let message = format!("{app} contacted {host}{} {when}", owner_in_words(&name));
        let denied = first.parties.iter().any(|party| party.denied_by.is_some());
        let contradicts = contact_statement(&first.parties, facts.ontology).filter(|_| denied);
        judged.findings.push(facts.finding(
            rule,
            Subject::Recipient(name),
            message,
            contradicts,
            &contact_parts(&tuples),
        ));
    }
    judged
}
