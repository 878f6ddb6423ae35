//! How clearly the terms disclose one observed row: clear, vague, ambiguous, incorrect or omitted.
//!
//! Who is spoken of counts as much as what: a statement about the app itself says nothing of a third party, and one about
//! a third party nothing of the app. Root terms ("partners", "personal information") name nobody and nothing, so that they
//! match no row: they are no data type and no party of the tables.

use super::observed::{Disclosure, StatementRole, UsedStatement};
use super::standing::{Party, PartyStanding, collect_ref, contact_ref, denial_ref, not_collect_ref};
use super::verdict::StatementRef;
use crate::host::declared_terms::{Act, DeclaredTerms, Nearness, Statement, Subject, Weighing};
use crate::host::ontology::{Ontology, TypeId};

/// Answers for one set of terms.
pub(super) struct Discloser<'a> {
    pub(super) terms: &'a DeclaredTerms,
    pub(super) ontology: &'a Ontology,
}

impl<'a> Discloser<'a> {
    /// Data that was read, by the app or by code in it: nobody was seen to receive it. Who of them read it is not known,
    /// so statements about either count.
    pub(super) fn of_access(&self, data_type: TypeId) -> Disclosure {
        let types = &self.ontology.data_types;
        let mut bearing = Weighing::default();
        for statement in self.terms.collect() {
            bearing.add(statement, Some(data_type), types);
        }
        // That a third party does not collect says nothing of the app.
        for statement in self.terms.not_collect().filter(|statement| statement.subject == Subject::App) {
            bearing.add(statement, Some(data_type), types);
        }
        self.conclude(bearing)
    }

    /// Data that may have been sent to one of these parties, or, without a type, contact with them. An uncertain recipient
    /// is given the benefit of the doubt: the best verdict among those it may be. `None` where nothing has to be disclosed.
    pub(super) fn of_flow(&self, data_type: Option<TypeId>, parties: &[Party<'a>]) -> Option<Disclosure> {
        let verdicts = parties.iter().map(|party| self.of_party(data_type, party));
        let mut best: Option<Disclosure> = None;
        for verdict in verdicts {
            let verdict = verdict?;
            if best.as_ref().is_none_or(|known| verdict.verdict < known.verdict) {
                best = Some(verdict);
            }
        }
        best
    }

    fn of_party(&self, data_type: Option<TypeId>, party: &Party<'a>) -> Option<Disclosure> {
        let types = &self.ontology.data_types;
        let mut bearing = Weighing::default();
        if party.is_first_party() {
            let data_type = data_type?;
            for statement in self.terms.collect().filter(|statement| statement.subject == Subject::App) {
                bearing.add(statement, Some(data_type), types);
            }
            for statement in self.terms.not_collect().filter(|statement| statement.subject == Subject::App) {
                bearing.add(statement, Some(data_type), types);
            }
            return Some(self.conclude(bearing));
        }
        if let PartyStanding::Declared(statements) = &party.standing {
            for statement in statements {
                bearing.add(statement, data_type, types);
            }
        }
        for statement in self.terms.not_share() {
            let anybody = statement.recipient.is_none();
            if anybody
                || party.denied_by.is_some_and(|denial| std::ptr::eq(denial, statement))
                || self.names(statement, party)
            {
                bearing.add(statement, data_type, types);
            }
        }
        let collects = |statement: &&Statement| matches!(statement.subject, Subject::ThirdParty(_));
        for statement in self.terms.not_collect().filter(collects).filter(|statement| self.names(statement, party)) {
            bearing.add(statement, data_type, types);
        }
        Some(self.conclude(bearing))
    }

    fn names(&self, statement: &Statement, party: &Party<'a>) -> bool {
        statement.third_party().is_some_and(|named| {
            (named.known.is_some() && named.known == party.owner)
                || named.domains.iter().any(|domain| domain.covers(&party.host))
        })
    }

    fn conclude(&self, mut bearing: Weighing<'a>) -> Disclosure {
        let verdict = bearing.conclude(&self.ontology.data_types);
        let role = |nearness: &Nearness| match nearness {
            Nearness::Exact => StatementRole::Names,
            Nearness::Broader(_) => StatementRole::NamesBroader,
        };
        let declares = bearing.declares.iter().map(|(nearness, statement)| (role(nearness), *statement));
        let denies = bearing.denies.iter().map(|(_, statement)| (StatementRole::Denies, *statement));
        let mut statements: Vec<UsedStatement> = declares
            .chain(denies)
            .map(|(role, statement)| UsedStatement { role, statement: self.reference(statement) })
            .collect();
        statements.dedup();
        Disclosure { verdict, statements }
    }

    fn reference(&self, statement: &Statement) -> StatementRef {
        match statement.act {
            Act::Collect => collect_ref(statement, self.ontology),
            Act::Share => contact_ref(statement, self.ontology),
            Act::NotCollect => not_collect_ref(statement, self.ontology),
            Act::NotShare => denial_ref(statement, self.ontology),
        }
    }
}
