//! How the terms stand to a data type and to a recipient.

use std::collections::HashMap;

use super::flows::Destination;
use super::verdict::{RecipientName, StatementRef};
use crate::host::declared_terms::{DeclaredTerms, Party as Named, Provenance, Statement, Subject};
use crate::host::ontology::{Ontology, RecipientId, TypeId, suffix_covers};

/// How the terms stand to a data type.
#[derive(Debug, Clone)]
pub(super) enum DataStanding<'a> {
    /// These statements cover it; `exact` when one names this very type.
    Declared {
        /// The covering statements, in the order of the terms.
        statements: Vec<&'a Statement>,
        /// One of them names this type, not only a broader one.
        exact: bool,
    },
    /// The terms say that it is not collected.
    Denied(&'a Statement),
    /// The terms do not say.
    Undeclared,
    /// Every program reads it, so that nothing follows.
    Weak,
}

impl DataStanding<'_> {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Declared { exact: true, .. } => "declared",
            Self::Declared { exact: false, .. } => "declared_broadly",
            Self::Denied(_) => "denied",
            Self::Undeclared => "undeclared",
            Self::Weak => "weak",
        }
    }

    /// The statement that covers or denies it.
    pub(super) fn statement(&self, ontology: &Ontology) -> Option<StatementRef> {
        match self {
            Self::Declared { statements, .. } => statements.first().map(|collect| collect_ref(collect, ontology)),
            Self::Denied(denial) => Some(not_collect_ref(denial, ontology)),
            Self::Undeclared | Self::Weak => None,
        }
    }
}

/// How the terms stand to one possible name of a destination.
#[derive(Debug, Clone)]
pub(super) struct Party<'a> {
    /// The name, or the address.
    pub(super) host: String,
    pub(super) standing: PartyStanding<'a>,
    /// The owner, when the ontology knows one.
    pub(super) owner: Option<RecipientId>,
    /// The alias that gave the owner away.
    pub(super) via_alias: Option<String>,
    /// The statement that denies contact with it.
    pub(super) denied_by: Option<&'a Statement>,
}

/// The standing itself.
#[derive(Debug, Clone)]
pub(super) enum PartyStanding<'a> {
    /// The developer's own.
    FirstParty,
    /// Declared by these statements.
    Declared(Vec<&'a Statement>),
    /// Not declared, and the owner is known.
    Known,
    /// Not declared, and nobody knows whose it is.
    Unknown,
}

impl Party<'_> {
    /// Whether contact with it is declared.
    pub(super) fn is_declared(&self) -> bool {
        self.denied_by.is_none() && !matches!(self.standing, PartyStanding::Known | PartyStanding::Unknown)
    }

    pub(super) fn is_first_party(&self) -> bool {
        matches!(self.standing, PartyStanding::FirstParty) && self.denied_by.is_none()
    }

    fn name(&self) -> &'static str {
        match self.standing {
            _ if self.denied_by.is_some() => "denied",
            PartyStanding::FirstParty => "first_party",
            PartyStanding::Declared(_) => "declared",
            PartyStanding::Known => "known_undeclared",
            PartyStanding::Unknown => "unknown",
        }
    }
}

/// Answers and remembers how the terms stand.
pub(super) struct Standings<'a> {
    terms: &'a DeclaredTerms,
    ontology: &'a Ontology,
    destinations: HashMap<u32, Vec<Party<'a>>>,
}

impl<'a> Standings<'a> {
    pub(super) fn new(terms: &'a DeclaredTerms, ontology: &'a Ontology) -> Self {
        Self { terms, ontology, destinations: HashMap::new() }
    }

    /// A denial is checked first: the lint lets it stand beside a declaration only where it is the narrower of the two.
    pub(super) fn of_data(&self, data_type: TypeId) -> DataStanding<'a> {
        let types = &self.ontology.data_types;
        if types.get(data_type).is_some_and(|entry| entry.weak) {
            return DataStanding::Weak;
        }
        let denies = |denial: &&Statement| denial.data_types.iter().any(|denied| types.covers(*denied, data_type));
        if let Some(denial) = self.terms.not_collect().find(denies) {
            return DataStanding::Denied(denial);
        }
        let statements: Vec<&Statement> = self
            .terms
            .collect()
            .filter(|collect| collect.data_types.iter().any(|declared| types.covers(*declared, data_type)))
            .collect();
        if statements.is_empty() {
            return DataStanding::Undeclared;
        }
        let exact = statements.iter().any(|collect| collect.data_types.contains(&data_type));
        DataStanding::Declared { statements, exact }
    }

    pub(super) fn of_destination(&mut self, number: u32, destination: &Destination) -> Vec<Party<'a>> {
        if let Some(known) = self.destinations.get(&number) {
            return known.clone();
        }
        let parties: Vec<Party<'a>> = match destination.address {
            Some(address) => vec![self.party(&address.to_string(), self.ontology.recipients.of_address(address), &[])],
            None => destination
                .names
                .iter()
                .map(|name| {
                    let owner = self.ontology.recipients.of_domain(name).map(|(id, _)| id);
                    self.party(name, owner, &destination.aliases)
                })
                .collect(),
        };
        self.destinations.insert(number, parties.clone());
        parties
    }

    fn party(&self, host: &str, owner: Option<RecipientId>, aliases: &[String]) -> Party<'a> {
        let denied_by = self.denial(host, owner);
        let shares = self.shares(host, owner);
        let first_party = self.terms.app.first_party_domains.iter().filter(|domain| domain.covers(host));
        let first_party = first_party.map(|domain| domain.as_str().len()).max();
        let best_share = shares.iter().map(|(length, _)| *length).max();
        let plain = |standing| Party { host: host.to_owned(), standing, owner, via_alias: None, denied_by };
        // The longer suffix says more: ads.shop.example can be a partner's although shop.example is one's own.
        if let Some(share_length) = best_share
            && first_party.is_none_or(|first| share_length > first)
        {
            return plain(PartyStanding::Declared(shares.into_iter().map(|(_, share)| share).collect()));
        }
        let third_party = |id: Option<RecipientId>| {
            id.and_then(|id| self.ontology.recipients.get(id)).is_some_and(|entry| !entry.is_hosting())
        };
        if first_party.is_none() && third_party(owner) {
            let general = denied_by.or_else(|| self.general_denial());
            return Party { denied_by: general, ..plain(PartyStanding::Known) };
        }
        // A name of one's own that is an alias of a tracker's leads to the tracker.
        for alias in aliases {
            let alias_owner = self.ontology.recipients.of_domain(alias).map(|(id, _)| id);
            let shares = self.shares(alias, alias_owner);
            let declared = !shares.is_empty();
            if declared || third_party(alias_owner) {
                let standing = if declared {
                    PartyStanding::Declared(shares.into_iter().map(|(_, share)| share).collect())
                } else {
                    PartyStanding::Known
                };
                let specific = denied_by.or_else(|| self.denial(alias, alias_owner));
                let denied_by = if declared { specific } else { specific.or_else(|| self.general_denial()) };
                return Party {
                    host: host.to_owned(),
                    standing,
                    owner: alias_owner.or(owner),
                    via_alias: Some(alias.clone()),
                    denied_by,
                };
            }
        }
        match first_party {
            Some(_) => plain(PartyStanding::FirstParty),
            None => Party { denied_by: denied_by.or_else(|| self.general_denial()), ..plain(PartyStanding::Unknown) },
        }
    }

    /// Statements of contact that name this host, with the length of the suffix they name it by.
    fn shares(&self, host: &str, owner: Option<RecipientId>) -> Vec<(usize, &'a Statement)> {
        let by_domain = |party: &Named| {
            party.domains.iter().filter(|domain| domain.covers(host)).map(|domain| domain.as_str().len()).max()
        };
        let by_owner = |party: &Named| {
            let same = party.known.is_some() && party.known == owner;
            let suffix = self.ontology.recipients.of_domain(host).map_or(host.len(), |(_, suffix)| suffix.len());
            same.then_some(suffix)
        };
        let length = |statement: &Statement| {
            let party = statement.third_party()?;
            by_domain(party).max(by_owner(party))
        };
        self.terms.contacts().filter_map(|statement| length(statement).map(|length| (length, statement))).collect()
    }

    /// A denial of this very recipient. Denials of single data types say nothing about contact, and are left out: what
    /// was sent is not seen yet.
    fn denial(&self, host: &str, owner: Option<RecipientId>) -> Option<&'a Statement> {
        self.terms.not_share().filter(|denial| denial.data_types.is_empty()).find(|denial| {
            denial.third_party().is_some_and(|party| {
                let by_owner = party.known.is_some() && party.known == owner;
                by_owner || party.domains.iter().any(|domain| suffix_covers(domain.as_str(), host))
            })
        })
    }

    /// "We share with nobody."
    fn general_denial(&self) -> Option<&'a Statement> {
        self.terms.not_share().find(|denial| denial.data_types.is_empty() && denial.recipient.is_none())
    }
}

/// A recipient as reports name it.
pub(super) fn recipient_name(parties: &[Party<'_>], destination: &Destination, ontology: &Ontology) -> RecipientName {
    let hosts: Vec<&str> = parties.iter().map(|party| party.host.as_str()).collect();
    // One owner behind every possible name is an owner all the same.
    let first = parties.first();
    let same_owner = first.is_some_and(|first| parties.iter().all(|party| party.owner == first.owner));
    let owner = first.filter(|_| same_owner).and_then(|party| party.owner).and_then(|id| ontology.recipients.get(id));
    let declared = first.filter(|_| parties.len() == 1).and_then(|party| match &party.standing {
        PartyStanding::Declared(shares) => shares.first().map(|share| named(share).to_owned()),
        _ => None,
    });
    RecipientName {
        host: hosts.join(" or "),
        owner_en: owner.map(|owner| owner.owner_en.clone()).or_else(|| declared.clone()),
        owner_zh: owner.map(|owner| owner.owner_zh.clone()).or(declared),
        product: owner.map(|owner| owner.product.clone()).filter(|product| !product.is_empty()),
        purpose: owner.map(|owner| owner.purpose.clone()),
        via_alias: first.filter(|_| parties.len() == 1).and_then(|party| party.via_alias.clone()),
        confidence: destination.confidence,
        standing: worst_standing(parties),
    }
}

/// The standing of the possible name that the terms say least for.
fn worst_standing(parties: &[Party<'_>]) -> &'static str {
    const ORDER: &[&str] = &["denied", "known_undeclared", "unknown", "declared", "first_party"];
    let names: Vec<&str> = parties.iter().map(Party::name).collect();
    ORDER.iter().find(|name| names.contains(name)).copied().unwrap_or("unknown")
}

/// The statement that covers or denies contact with a destination.
pub(super) fn contact_statement(parties: &[Party<'_>], ontology: &Ontology) -> Option<StatementRef> {
    let party = parties.iter().find(|party| party.denied_by.is_some()).or_else(|| parties.first())?;
    match (&party.denied_by, &party.standing) {
        (Some(denial), _) => Some(denial_ref(denial, ontology)),
        (None, PartyStanding::Declared(shares)) => shares.first().map(|share| contact_ref(share, ontology)),
        _ => None,
    }
}

/// The third party of a statement, in the words of the terms.
pub(super) fn named(statement: &Statement) -> &str {
    statement.third_party().map_or("", |party| party.name.as_str())
}

/// A statement that something is not collected.
pub(super) fn not_collect_ref(denial: &Statement, ontology: &Ontology) -> StatementRef {
    let by = match &denial.subject {
        Subject::ThirdParty(party) => format!(" by {}", party.name),
        Subject::App => String::new(),
    };
    StatementRef { place: denial.place.clone(), says: format!("not_collect {}{by}", ids(&denial.data_types, ontology)) }
}

/// A statement that something is not passed on.
pub(super) fn denial_ref(denial: &Statement, ontology: &Ontology) -> StatementRef {
    let domains: Vec<&str> = denial
        .third_party()
        .into_iter()
        .flat_map(|party| &party.domains)
        .map(crate::host::ontology::Domain::as_str)
        .collect();
    let whom = match (named(denial), domains.is_empty()) {
        ("", true) => "any third party".to_owned(),
        ("", false) => domains.join(", "),
        (recipient, _) => recipient.to_owned(),
    };
    let what =
        if denial.data_types.is_empty() { String::new() } else { format!("{} ", ids(&denial.data_types, ontology)) };
    StatementRef { place: denial.place.clone(), says: format!("not_share {what}with {whom}") }
}

/// A statement that declares contact: passing on, or collecting by the third party itself.
pub(super) fn contact_ref(statement: &Statement, ontology: &Ontology) -> StatementRef {
    if matches!(statement.subject, Subject::ThirdParty(_)) {
        return collect_ref(statement, ontology);
    }
    let mut says = format!("share with {}", named(statement));
    if !statement.data_types.is_empty() {
        says = format!("share {} with {}", ids(&statement.data_types, ontology), named(statement));
    }
    with_timing(&mut says, &statement.timing.in_words());
    StatementRef { place: statement.place.clone(), says }
}

pub(super) fn collect_ref(collect: &Statement, ontology: &Ontology) -> StatementRef {
    let mut says = format!("collect {}", ids(&collect.data_types, ontology));
    if let Subject::ThirdParty(party) = &collect.subject {
        says = format!("{} by {}", says.trim_end(), party.name);
    }
    with_timing(&mut says, &collect.timing.in_words());
    if let Some(limit) = collect.max_per_minute {
        with_timing(&mut says, &format!("at most {limit} a minute"));
    }
    StatementRef { place: collect.place.clone(), says }
}

fn with_timing(says: &mut String, timing: &str) {
    if !timing.is_empty() {
        says.push_str(", ");
        says.push_str(timing);
    }
}

fn ids(types: &[TypeId], ontology: &Ontology) -> String {
    let names: Vec<&str> = types.iter().map(|id| ontology.data_types.id_of(*id)).collect();
    names.join(", ")
}

/// Where a statement stands, in words.
pub(super) fn place_in_words(place: &Provenance) -> String {
    format!("{}:{}", place.file, place.line)
}
