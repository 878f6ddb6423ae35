//! Each finding once, with every clause that it holds against.

use std::collections::HashMap;

use crate::host::correlate::ClauseState;
use crate::host::correlate::verdict::{ClauseResult, Finding, Verdict};

/// A finding as it is shown.
pub(super) struct Card<'v> {
    /// From 1, in the order of the report.
    pub(super) number: usize,
    /// The rule's titles; those of the first clause when no rule made it.
    pub(super) title_en: &'v str,
    pub(super) title_zh: &'v str,
    /// Evidence for a person, rather than a violation.
    pub(super) indication: bool,
    /// The clauses that it is a violation or an indication of, with their profiles.
    pub(super) clauses: Vec<(&'v str, &'v ClauseResult)>,
    pub(super) finding: &'v Finding,
}

/// What makes two findings one: clauses hold findings of rules as their own.
pub(super) type Key<'v> = (&'v str, &'v str, &'v str, &'v str);

pub(super) fn key(finding: &Finding) -> Key<'_> {
    let app = finding.actors.first().map(|actor| actor.app.as_str()).unwrap_or_default();
    (finding.rule, finding.subject.kind(), finding.subject.title(), app)
}

/// Violations first, then indications; within each, in the order of the rules and clauses.
pub(super) fn cards(verdict: &Verdict) -> Vec<Card<'_>> {
    let mut cards: Vec<Card<'_>> = Vec::new();
    let mut places: HashMap<Key<'_>, usize> = HashMap::new();
    for rule in &verdict.rules {
        for finding in &rule.findings {
            places.insert(key(finding), cards.len());
            cards.push(Card {
                number: 0,
                title_en: rule.title_en,
                title_zh: rule.title_zh,
                indication: false,
                clauses: Vec::new(),
                finding,
            });
        }
    }
    for profile in &verdict.profiles {
        for clause in &profile.clauses {
            let indication = clause.state == ClauseState::Indication;
            for finding in &clause.findings {
                let known = places.get(&key(finding)).and_then(|place| cards.get_mut(*place));
                if let Some(card) = known {
                    card.clauses.push((&profile.name, clause));
                    card.indication &= indication;
                } else if profile.counts_for_outcome {
                    places.insert(key(finding), cards.len());
                    cards.push(Card {
                        number: 0,
                        title_en: &clause.title_en,
                        title_zh: &clause.title_zh,
                        indication,
                        clauses: vec![(&profile.name, clause)],
                        finding,
                    });
                }
            }
        }
    }
    cards.sort_by_key(|card| card.indication);
    for (index, card) in cards.iter_mut().enumerate() {
        card.number = index + 1;
    }
    cards
}
