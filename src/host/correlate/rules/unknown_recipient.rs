//! Somebody contacted of whom nobody knows who it is: neither the terms nor the table of recipients.

use super::super::facts::Facts;
use super::super::verdict::NameConfidence;
use super::undeclared_recipient::{Undeclared, undeclared};
use super::{Judged, contact_findings, owner_in_words};

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let mut judged = Judged::default();
    let contacts = facts.made_contacts().filter(|tuple| match undeclared(tuple) {
        Undeclared::No => false,
        Undeclared::Perhaps => true,
        Undeclared::Yes { known } => !known,
    });
    judged.findings = contact_findings(facts, "unknown-recipient", contacts, |app, name, first, _| {
        let host = &name.host;
        if matches!(undeclared(first), Undeclared::Perhaps) {
            judged.doubts.push(format!("a connection was with any of {host}, of which not all are declared"));
            return None;
        }
        let owner = owner_in_words(name);
        let message = if name.confidence == NameConfidence::AddressOnly {
            format!("{app} contacted {host}{owner} by address alone: no name for it was seen")
        } else {
            format!("{app} contacted {host}{owner}: neither the terms nor the table of recipients says whose it is")
        };
        Some((message, None))
    });
    judged
}
