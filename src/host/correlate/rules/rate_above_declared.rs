//! Data read more often in a minute than the terms declare.

use super::super::facts::{Facts, Part};
use super::super::standing::place_in_words;
use super::super::verdict::{PhaseCount, Subject};
use super::Judged;
use crate::event::Phase;

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let mut judged = Judged::default();
    if facts.limits.is_empty() {
        judged.not_applicable = Some("the terms declare no max_per_minute".to_owned());
        return judged;
    }
    for ((data_type, app), excess) in &facts.rates {
        let (Some(limit), true) = (facts.limits.get(data_type), excess.above.count > 0) else { continue };
        let Some(actor) = excess.actors.first() else { continue };
        let name = facts.data_name(*data_type);
        let message = format!(
            "{app} read {} {} times in a minute, and declares at most {} ({})",
            name.id,
            excess.meter.peak,
            limit.per_minute,
            place_in_words(&limit.statement.place)
        );
        let unmarked = Phase::unmarked();
        let part = Part { actor, phase: &unmarked, tally: &excess.above };
        let statement = Some(limit.statement.clone());
        let mut finding = facts.finding("rate-above-declared", Subject::Data(name), message, statement, &[part]);
        finding.actors = excess.actors.iter().cloned().collect();
        finding.peak_per_minute = excess.meter.peak;
        finding.phases = excess
            .by_phase
            .iter()
            .map(|(phase, count)| PhaseCount { phase: phase.as_str().to_owned(), count: *count })
            .collect();
        judged.findings.push(finding);
    }
    judged
}
