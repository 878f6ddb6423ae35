//! A known third party contacted that no `[[share]]` names, or that `[[not_share]]` denies.

use super::super::facts::{ContactTuple, Facts};
use super::super::standing::{PartyStanding, contact_statement};
use super::{Judged, contact_findings, owner_in_words};

/// Whether a destination may be an undeclared one.
pub(super) enum Undeclared {
    /// Every name it can have is declared.
    No,
    /// Some are and some are not.
    Perhaps,
    /// None is; `known` when at least one has a known owner or is denied.
    Yes {
        /// The owner of one is known, or contact with it is denied.
        known: bool,
    },
}

pub(super) fn undeclared(tuple: &ContactTuple<'_>) -> Undeclared {
    let declared = tuple.parties.iter().filter(|party| party.is_declared()).count();
    if declared == tuple.parties.len() {
        return Undeclared::No;
    }
    if declared > 0 {
        return Undeclared::Perhaps;
    }
    let known =
        tuple.parties.iter().any(|party| party.denied_by.is_some() || matches!(party.standing, PartyStanding::Known));
    Undeclared::Yes { known }
}

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let mut judged = Judged::default();
    let contacts = facts.made_contacts().filter(|tuple| match undeclared(tuple) {
        Undeclared::No => false,
        Undeclared::Perhaps => true,
        Undeclared::Yes { known } => known,
    });
    judged.findings = contact_findings(facts, "undeclared-recipient", contacts, |app, name, first, _| {
        let host = &name.host;
        if matches!(undeclared(first), Undeclared::Perhaps) {
            judged.doubts.push(format!("a connection was with any of {host}, of which not all are declared"));
            return None;
        }
        let denied = first.parties.iter().any(|party| party.denied_by.is_some());
        let contradicts = contact_statement(&first.parties, facts.ontology).filter(|_| denied);
        let why = if denied { "the terms say it does not" } else { "no [[share]] names it" };
        Some((format!("{app} contacted {host}{}, and {why}", owner_in_words(name)), contradicts))
    });
    judged
}
