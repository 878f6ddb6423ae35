//! Somebody contacted of whom nobody knows who it is: neither the terms nor the table of recipients.

use super::super::facts::Facts;
use super::super::verdict::{NameConfidence, Subject};
use super::undeclared_recipient::{Undeclared, undeclared};
use super::{Judged, by_host, contact_parts, owner_in_words};

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let mut judged = Judged::default();
    let contacts = facts.made_contacts().filter(|tuple| match undeclared(tuple) {
        Undeclared::No => false,
        Undeclared::Perhaps => true,
        Undeclared::Yes { known } => !known,
    });
    for ((host, app), tuples) in by_host(facts, contacts) {
        let Some(first) = tuples.first() else { continue };
        if matches!(undeclared(first), Undeclared::Perhaps) {
            judged.doubts.push(format!("a connection was with any of {host}, of which not all are declared"));
            continue;
        }
        let name = facts.recipient_name(first);
        let message = if name.confidence == NameConfidence::AddressOnly {
            format!("{app} contacted {host}{} by address alone: no name for it was seen", owner_in_words(&name))
        } else {
            format!(
                "{app} contacted {host}{}: neither the terms nor the table of recipients says whose it is",
                owner_in_words(&name)
            )
        };
        let subject = Subject::Recipient(name);
        judged.findings.push(facts.finding("unknown-recipient", subject, message, None, &contact_parts(&tuples)));
    }
    judged
}
