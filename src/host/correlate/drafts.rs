//! Unconfirmed drafts beside what was observed: they clear nothing and accuse of nothing, and a report says where one
//! would matter.

use super::facts::Facts;
use super::rules::AllJudged;
use super::standing::{collect_ref, contact_ref, place_in_words};
use super::verdict::{Finding, StatementRef, Subject};
use crate::host::declared_terms::{Act, Party, Statement};
use crate::host::ontology::Ontology;

/// The rules whose findings a declaration would answer.
const ANSWERED_BY_A_STATEMENT: &[&str] = &["undeclared-collection", "undeclared-recipient", "unknown-recipient"];

/// Adds to each finding the drafts that would cover it. The finding stands.
pub(super) fn point_out(facts: &Facts<'_>, judged: &mut AllJudged) {
    if facts.terms.drafts().next().is_none() {
        return;
    }
    for (_, judged) in judged.iter_mut().filter(|(rule, _)| ANSWERED_BY_A_STATEMENT.contains(rule)) {
        for finding in judged.findings.iter_mut().filter(|finding| finding.contradicts.is_none()) {
            finding.only_drafts = covering(facts, finding);
            if let Some(first) = finding.only_drafts.first() {
                let place = place_in_words(&first.place);
                finding.message.push_str(&format!("; only an unconfirmed draft covers this ({place})"));
            }
        }
    }
}

fn covering(facts: &Facts<'_>, finding: &Finding) -> Vec<StatementRef> {
    let ontology = facts.ontology;
    let declares = facts.terms.drafts().filter(|draft| matches!(draft.act, Act::Collect | Act::Share));
    match &finding.subject {
        Subject::Data(name) => {
            let Some(wanted) = ontology.data_types.find(&name.id) else { return Vec::new() };
            let covers = |draft: &&Statement| {
                draft.act == Act::Collect
                    && draft.data_types.iter().any(|declared| ontology.data_types.covers(*declared, wanted))
            };
            declares.filter(covers).map(|draft| collect_ref(draft, ontology)).collect()
        }
        Subject::Recipient(name) => {
            let named = |draft: &&Statement| {
                let party = draft.third_party();
                party.is_some_and(|party| name.host.split(" or ").any(|host| names(party, host, ontology)))
            };
            declares.filter(named).map(|draft| contact_ref(draft, ontology)).collect()
        }
        Subject::Act { .. } => Vec::new(),
    }
}

fn names(party: &Party, host: &str, ontology: &Ontology) -> bool {
    let owner = ontology.recipients.of_domain(host).map(|(id, _)| id);
    (party.known.is_some() && party.known == owner) || party.domains.iter().any(|domain| domain.covers(host))
}

/// That there are drafts, and what those that deny something would mean.
pub(super) fn notices(facts: &Facts<'_>, note: &mut impl FnMut(&'static str, String)) {
    let count = facts.terms.drafts().count();
    if count == 0 {
        return;
    }
    note(
        "unconfirmed_draft",
        format!(
            "{count} statements of {} are unconfirmed drafts and were not used: nothing was cleared or held against the \
             app by them; `candor terms confirm` makes one count",
            facts.terms.file
        ),
    );
    let types = &facts.ontology.data_types;
    for draft in facts.terms.drafts().filter(|draft| draft.act == Act::NotCollect) {
        for denied in &draft.data_types {
            if facts.readings().any(|tuple| types.covers(*denied, tuple.data_type)) {
                let place = place_in_words(&draft.place);
                let id = types.id_of(*denied);
                note(
                    "unconfirmed_draft",
                    format!("the draft at {place} says that {id} is not collected, and it was read in this run"),
                );
            }
        }
    }
}
