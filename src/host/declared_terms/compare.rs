//! Statements beside each other: what changed between two versions, and which of them cover one data type.

use std::collections::BTreeMap;

use serde::Serialize;

use super::disclosure::{DisclosureVerdict, Nearness, Weighing};
use super::model::{Act, DeclaredTerms, Party, Provenance, Statement};
use crate::host::ontology::{Ontology, RecipientId, TypeId, suffix_covers};

/// One statement about one data type, without what else is said of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Claim {
    /// The act.
    pub act: Act,
    /// Who collects, or with whom it is shared; empty for the app itself and for anybody.
    pub party: String,
    /// The data type; empty when only the party is named.
    pub data_type: String,
}

/// A claim that both versions make under other conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The claim.
    pub claim: Claim,
    /// Its conditions in the old version.
    pub before: Vec<String>,
    /// Its conditions in the new version.
    pub after: Vec<String>,
}

/// What changed from one version of terms to another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Claims that only the new version makes.
    pub added: Vec<Claim>,
    /// Claims that only the old version makes.
    pub removed: Vec<Claim>,
    /// Claims with other purposes, occasions, ways, or limits.
    pub changed: Vec<Changed>,
    /// Permissions that only the new version's manifest asks for. They declare nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions_added: Vec<String>,
    /// Permissions that only the old version's manifest asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions_removed: Vec<String>,
}

/// Every condition of a statement in words.
fn conditions(statement: &Statement) -> String {
    let mut words = vec![statement.timing.in_words()];
    if statement.draft {
        words.insert(0, "an unconfirmed draft".to_owned());
    }
    let mut add = |what: &str, value: String| {
        if !value.is_empty() {
            words.push(format!("{what} {value}"));
        }
    };
    add("for", statement.purposes.join("; "));
    add("when", statement.scenes.join("; "));
    add("by", statement.method.clone().unwrap_or_default());
    add("kept", statement.retention.clone().unwrap_or_default());
    add("at most", statement.max_per_minute.map(|limit| format!("{limit} a minute")).unwrap_or_default());
    add("", statement.optional.map(|yes| if yes { "optional" } else { "required" }.to_owned()).unwrap_or_default());
    add(
        "",
        statement.ephemeral.map(|yes| if yes { "in memory only" } else { "stored" }.to_owned()).unwrap_or_default(),
    );
    let domains = statement.third_party().map(|party| party.domains.as_slice()).unwrap_or_default();
    add("domains", domains.iter().map(|domain| domain.as_str()).collect::<Vec<_>>().join(", "));
    words.retain(|word| !word.is_empty());
    words.iter().map(|word| word.trim()).collect::<Vec<_>>().join(", ")
}

fn claims(terms: &DeclaredTerms, ontology: &Ontology) -> BTreeMap<Claim, Vec<String>> {
    let mut claims: BTreeMap<Claim, Vec<String>> = BTreeMap::new();
    for statement in &terms.statements {
        let party = statement.third_party();
        // An id and a name of the same recipient are the same party.
        let party = party.map_or_else(String::new, |party| {
            let known = party.known.and_then(|id| ontology.recipients.get(id)).map(|recipient| recipient.id.clone());
            known.unwrap_or_else(|| party.name.clone())
        });
        let ids: Vec<String> = match statement.data_types.as_slice() {
            [] => vec![String::new()],
            types => types.iter().map(|id| ontology.data_types.id_of(*id).to_owned()).collect(),
        };
        for data_type in ids {
            let claim = Claim { act: statement.act, party: party.clone(), data_type };
            claims.entry(claim).or_default().push(conditions(statement));
        }
    }
    claims.values_mut().for_each(|conditions| conditions.sort());
    claims
}

/// What changed from `old` to `new`.
#[must_use]
pub fn differences(old: &DeclaredTerms, new: &DeclaredTerms, ontology: &Ontology) -> Differences {
    let only = |here: &DeclaredTerms, there: &DeclaredTerms| -> Vec<String> {
        // Terms without a manifest ask for nothing that is known; that is no difference.
        let both = here.manifest.is_some() && there.manifest.is_some();
        let missing = here
            .may_access
            .iter()
            .filter(|access| both && !there.may_access.iter().any(|known| known.permission == access.permission));
        missing.map(|access| access.permission.clone()).collect()
    };
    let mut differences = Differences {
        permissions_added: only(new, old),
        permissions_removed: only(old, new),
        ..Differences::default()
    };
    let (old, new) = (claims(old, ontology), claims(new, ontology));
    for (claim, before) in &old {
        match new.get(claim) {
            None => differences.removed.push(claim.clone()),
            Some(after) if after != before => {
                let (before, after) = (before.clone(), after.clone());
                differences.changed.push(Changed { claim: claim.clone(), before, after });
            }
            Some(_) => {}
        }
    }
    differences.added = new.into_keys().filter(|claim| !old.contains_key(claim)).collect();
    differences
}

/// A statement that bears on the question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bearing {
    /// The act.
    pub act: Act,
    /// Whom it names; empty for the app itself and for anybody.
    pub party: String,
    /// The type it names: the one asked for, or a broader one; empty when it names none.
    pub data_type: String,
    /// Its conditions in words.
    pub conditions: String,
    /// Where it was said.
    pub place: Provenance,
}

/// Whom a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The recipient, when the table has one of that name or domain.
    pub known: Option<RecipientId>,
    /// The words.
    pub words: String,
}

impl Asked {
    /// Looks a recipient up by id, name or domain.
    #[must_use]
    pub fn about(words: &str, ontology: &Ontology) -> Self {
        let recipients = &ontology.recipients;
        let known = recipients.find(words).or_else(|| recipients.of_domain(words).map(|(id, _)| id));
        Self { known, words: words.to_owned() }
    }

    fn is(&self, party: &Party) -> bool {
        (self.known.is_some() && self.known == party.known)
            || party.name.eq_ignore_ascii_case(&self.words)
            || party.domains.iter().any(|domain| suffix_covers(domain.as_str(), &self.words))
    }
}

/// Which statements cover a data type, its collection or, with `asked`, its reaching that recipient, and what they say
/// together. The verdict is that of a check of a recording in which just this was seen; drafts are among the statements and
/// say nothing until somebody confirms them.
#[must_use]
pub fn explain(
    terms: &DeclaredTerms,
    data_type: TypeId,
    asked: Option<&Asked>,
    ontology: &Ontology,
) -> (DisclosureVerdict, Vec<Bearing>) {
    let types = &ontology.data_types;
    let mut weighing = Weighing::default();
    let mut bearings = Vec::new();
    for statement in &terms.statements {
        let concerns = match (asked, statement.third_party()) {
            // Who of the app and the code in it reads is not asked. That a third party does not collect says nothing of
            // the app.
            (None, party) => statement.act == Act::Collect || (statement.act == Act::NotCollect && party.is_none()),
            // "We share with nobody" concerns every recipient.
            (Some(_), None) => statement.act == Act::NotShare,
            (Some(asked), Some(party)) => asked.is(party),
        };
        let nearness = Nearness::of(statement, Some(data_type), types);
        // A party named without data says nothing of data, and is worth showing to who asks about that party.
        let names_party = asked.is_some() && statement.data_types.is_empty() && !statement.draft;
        if !concerns || (nearness.is_none() && !names_party) {
            continue;
        }
        if !statement.draft {
            weighing.add(statement, Some(data_type), types);
        }
        let named = match nearness {
            Some(Nearness::Broader(broader)) => Some(broader),
            Some(Nearness::Exact) => Some(data_type).filter(|_| !statement.data_types.is_empty()),
            None => None,
        };
        bearings.push(Bearing {
            act: statement.act,
            party: statement.third_party().map(|party| party.name.clone()).unwrap_or_default(),
            data_type: named.map(|named| types.id_of(named).to_owned()).unwrap_or_default(),
            conditions: conditions(statement),
            place: statement.place.clone(),
        });
    }
    (weighing.conclude(types), bearings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::toml_source::SourceFile;

    fn terms(statements: &str, ontology: &Ontology) -> DeclaredTerms {
        let text = format!("[app]\npackage = \"a.b\"\n{statements}");
        DeclaredTerms::parse(&SourceFile::new("t.toml", text), ontology)
            .unwrap_or_else(|problems| panic!("{problems}"))
            .0
    }

    #[test]
    fn what_was_added_removed_and_changed() {
        let ontology = Ontology::built_in().unwrap();
        let old = terms(
            "[[collect]]\ndata_types = [\"id.mac\", \"sms\"]\npurposes = [\"x\"]\n[[share]]\nrecipient = \"友盟统计\"\n",
            &ontology,
        );
        let new = terms(
            "[[collect]]\ndata_types = [\"id.mac\", \"contacts\"]\npurposes = [\"y\"]\n[[share]]\nrecipient = \"umeng\"\n",
            &ontology,
        );
        let found = differences(&old, &new, &ontology);
        let ids = |claims: &[Claim]| claims.iter().map(|claim| claim.data_type.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&found.added), ["contacts"]);
        assert_eq!(ids(&found.removed), ["sms"]);
        assert_eq!(found.changed.len(), 1, "{found:?}");
        assert_eq!((found.changed[0].before[0].as_str(), found.changed[0].after[0].as_str()), ("for x", "for y"));
        assert_eq!(differences(&old, &old, &ontology), Differences::default());
    }

    #[test]
    fn a_question_is_answered_with_the_statements_that_bear_on_it() {
        let ontology = Ontology::built_in().unwrap();
        let terms = terms(
            "[[collect]]\ndata_types = [\"device_id\"]\n[[collect]]\nby = \"umeng\"\ndata_types = [\"id.imei\"]\n\
             [[not_collect]]\ndata_types = [\"contacts\"]\n[[not_share]]\nrecipient = \"jiguang\"\n",
            &ontology,
        );
        let ask = |id: &str, whom: Option<&str>| {
            let asked = whom.map(|whom| Asked::about(whom, &ontology));
            let (disclosure, bearings) =
                explain(&terms, ontology.data_types.find(id).unwrap(), asked.as_ref(), &ontology);
            (disclosure, bearings.len())
        };
        assert_eq!(ask("id.imei", None), (DisclosureVerdict::Clear, 2));
        assert_eq!(ask("id.mac", None), (DisclosureVerdict::Vague, 1));
        assert_eq!(ask("contacts", None), (DisclosureVerdict::Incorrect, 1));
        assert_eq!(ask("sms", None), (DisclosureVerdict::Omitted, 0));
        assert_eq!(ask("id.imei", Some("alog.umeng.com")), (DisclosureVerdict::Clear, 1));
        assert_eq!(ask("id.mac", Some("友盟SDK")), (DisclosureVerdict::Omitted, 0));
        assert_eq!(ask("id.mac", Some("JPush")), (DisclosureVerdict::Incorrect, 1));
    }

    #[test]
    fn the_answer_is_that_of_a_check() {
        let ontology = Ontology::built_in().unwrap();
        let terms = terms(
            "[[collect]]\ndata_types = [\"device_id\"]\n[[not_collect]]\ndata_types = [\"id.imei\"]\n",
            &ontology,
        );
        let ask = |id: &str| explain(&terms, ontology.data_types.find(id).unwrap(), None, &ontology).0;
        // The narrower denial is what is said of the IMEI.
        assert_eq!(ask("id.imei"), DisclosureVerdict::Incorrect);
        assert_eq!(ask("id.mac"), DisclosureVerdict::Vague);
    }
}
