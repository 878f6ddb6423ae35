//! Personal data read that no `[[collect]]` covers, or that `[[not_collect]]` denies.

use super::super::facts::Facts;
use super::super::standing::DataStanding;
use super::{Judged, data_findings};

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let readings =
        facts.readings().filter(|tuple| matches!(tuple.standing, DataStanding::Undeclared | DataStanding::Denied(_)));
    let findings = data_findings(facts, "undeclared-collection", readings, |app, id, first, _| {
        let contradicts = first.standing.statement(facts.ontology);
        let why = if contradicts.is_some() { "the terms say it does not" } else { "no [[collect]] covers it" };
        Some((format!("{app} read {id}, and {why}"), contradicts))
    });
    Judged { findings, ..Judged::default() }
}
