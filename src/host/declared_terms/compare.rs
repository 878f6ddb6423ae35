//! Statements beside each other: what changed between two versions, and which of them cover one data type.

use std::collections::BTreeMap;

use serde::Serialize;

use super::model::{Act, DeclaredTerms, Party, Provenance, Statement, Subject};
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

/// How clearly the terms disclose something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disclosure {
    /// A statement names this very type.
    Clear,
    /// Only broader types are named.
    Vague,
    /// It is both declared and denied.
    Ambiguous,
    /// It is only denied.
    Denied,
    /// Nothing is said of it.
    Omitted,
}

impl Disclosure {
    /// What it means, for people.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Clear => "clear: a statement names it",
            Self::Vague => "vague: only a broader term covers it",
            Self::Ambiguous => "ambiguous: it is both declared and denied",
            Self::Denied => "denied: the terms say that this does not happen",
            Self::Omitted => "omitted: the terms do not say",
        }
    }
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

/// Which statements cover a data type: its collection, or, with `asked`, its reaching that recipient.
#[must_use]
pub fn explain(
    terms: &DeclaredTerms,
    data_type: TypeId,
    asked: Option<&Asked>,
    ontology: &Ontology,
) -> (Disclosure, Vec<Bearing>) {
    let types = &ontology.data_types;
    let mut bearings = Vec::new();
    let (mut exact, mut broad, mut denied) = (false, false, false);
    for statement in &terms.statements {
        let denial = matches!(statement.act, Act::NotCollect | Act::NotShare);
        let concerns = match (asked, statement.third_party()) {
            (None, _) => matches!(statement.act, Act::Collect | Act::NotCollect),
            // "We share with nobody" concerns every recipient.
            (Some(_), None) => statement.act == Act::NotShare,
            (Some(asked), Some(party)) => statement.act != Act::NotCollect && asked.is(party),
        };
        if !concerns {
            continue;
        }
        let named = statement.data_types.iter().copied().filter(|named| types.covers(*named, data_type));
        let nearest = named.min_by_key(|named| usize::from(*named != data_type));
        match nearest {
            // A draft is shown, and says nothing until somebody confirms it.
            Some(_) if statement.draft => {}
            None if statement.draft => continue,
            Some(named) if denial => denied |= types.covers(named, data_type),
            Some(named) => {
                exact |= named == data_type;
                broad |= named != data_type;
            }
            None if denial && statement.data_types.is_empty() => denied = true,
            // A party named without data says nothing of data.
            None if statement.data_types.is_empty() && asked.is_some() => {}
            None => continue,
        }
        bearings.push(Bearing {
            act: statement.act,
            party: match &statement.subject {
                Subject::ThirdParty(party) => party.name.clone(),
                Subject::App => statement.recipient.as_ref().map(|party| party.name.clone()).unwrap_or_default(),
            },
            data_type: nearest.map(|named| types.id_of(named).to_owned()).unwrap_or_default(),
            conditions: conditions(statement),
            place: statement.place.clone(),
        });
    }
    let disclosure = match (exact, broad, denied) {
        (false, false, false) => Disclosure::Omitted,
        (false, false, true) => Disclosure::Denied,
        (_, _, true) => Disclosure::Ambiguous,
        (true, _, false) => Disclosure::Clear,
        (false, true, false) => Disclosure::Vague,
    };
    (disclosure, bearings)
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
        assert_eq!(ask("id.imei", None), (Disclosure::Clear, 2));
        assert_eq!(ask("id.mac", None), (Disclosure::Vague, 1));
        assert_eq!(ask("contacts", None), (Disclosure::Denied, 1));
        assert_eq!(ask("sms", None), (Disclosure::Omitted, 0));
        assert_eq!(ask("id.imei", Some("alog.umeng.com")), (Disclosure::Clear, 1));
        assert_eq!(ask("id.mac", Some("友盟SDK")), (Disclosure::Omitted, 0));
        assert_eq!(ask("id.mac", Some("JPush")), (Disclosure::Denied, 1));
    }
}
