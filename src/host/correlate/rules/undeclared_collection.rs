//! Personal data read that no `[[collect]]` covers, or that `[[not_collect]]` denies.

use super::super::facts::Facts;
use super::super::standing::DataStanding;
use super::super::verdict::Subject;
use super::{Judged, by_type, data_parts};

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let mut judged = Judged::default();
    let readings =
        facts.readings().filter(|tuple| matches!(tuple.standing, DataStanding::Undeclared | DataStanding::Denied(_)));
    for ((id, app), tuples) in by_type(facts, readings) {
        let Some(first) = tuples.first() else { continue };
        let contradicts = first.standing.statement(facts.ontology);
        let why = if contradicts.is_some() { "the terms say it does not" } else { "no [[collect]] covers it" };
        let message = format!("{app} read {id}, and {why}");
        let subject = Subject::Data(facts.data_name(first.data_type));
        judged.findings.push(facts.finding(
            "undeclared-collection",
            subject,
            message,
            contradicts,
            &data_parts(&tuples),
        ));
    }
    judged
}
