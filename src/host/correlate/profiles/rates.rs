//! Limits on how often data is read. None of them is law: they come from profile files.

use super::super::facts::{DataTuple, Facts};
use super::super::rules::{Judged, data_findings};
use super::clause::{Check, Clause, Decidability, When};
use super::{Context, Profile, checks};
use crate::event::Family;
use crate::host::ontology::{Ontology, TypeId};

/// The built-in file whose limits clause 4.4 and its like use when no profile with limits was asked for.
pub(super) const EXAMPLES: &str = "rates-springer-164";

/// What a limit has in common with clauses.
pub(super) const CLAUSE: Clause = Clause {
    id: "rate",
    zh: "频次",
    en: "Rate",
    source: "",
    decidability: Decidability::Decidable,
    when: When::Any,
    families: &[Family::Process, Family::File, Family::Provider, Family::Service],
    check: Check::Trace(checks::nothing),
};

/// One limit.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimit {
    /// Id within the profile.
    pub id: String,
    /// English title.
    pub title_en: String,
    /// Chinese title.
    pub title_zh: String,
    /// Where the number comes from.
    pub source: String,
    /// The data types; narrower ones are meant as well, each by itself.
    pub data_types: Vec<TypeId>,
    /// In these phases only; empty means any.
    pub phases: Vec<String>,
    /// At most so many readings in any second.
    pub max_per_second: Option<u32>,
    /// At most so many in any minute.
    pub max_per_minute: Option<u32>,
    /// At most so many in the whole run.
    pub max_count: Option<u32>,
    /// No readings at a fixed interval of at most so many seconds.
    pub no_fixed_interval_up_to: Option<u32>,
}

impl RateLimit {
    /// Readings above the limit. Rates are those of one program in one phase: programs together can only do more, so
    /// what is found stands.
    pub(super) fn judge(&self, facts: &Facts<'_>) -> Judged {
        let types = &facts.ontology.data_types;
        let meant = |tuple: &&DataTuple<'_>| {
            let phase = self.phases.is_empty() || self.phases.iter().any(|phase| phase == tuple.phase.as_str());
            phase && self.data_types.iter().any(|broad| types.covers(*broad, tuple.data_type))
        };
        let findings = data_findings(facts, "rate-limit", facts.readings().filter(meant), |app, id, _, tuples| {
            let what = self.excess(tuples)?;
            Some((format!("{app} read {id} {what} (limit \"{}\" of {})", self.id, self.source), None))
        });
        Judged { findings, ..Judged::default() }
    }

    fn excess(&self, tuples: &[&DataTuple<'_>]) -> Option<String> {
        let mut said = Vec::new();
        let peak = tuples.iter().map(|tuple| tuple.tally.rate.peak_second).max().unwrap_or(0);
        if let Some(limit) = self.max_per_second.filter(|limit| peak > *limit) {
            said.push(format!("{peak} times in one second, more than {limit}"));
        }
        let peak = tuples.iter().map(|tuple| tuple.tally.rate.peak).max().unwrap_or(0);
        if let Some(limit) = self.max_per_minute.filter(|limit| peak > *limit) {
            said.push(format!("{peak} times in one minute, more than {limit}"));
        }
        let count = tuples.iter().map(|tuple| tuple.tally.count).fold(0, u64::saturating_add);
        if let Some(limit) = self.max_count.filter(|limit| count > u64::from(*limit)) {
            said.push(format!("{count} times, more than {limit}"));
        }
        let period = tuples
            .iter()
            .filter_map(|tuple| tuple.tally.intervals.period())
            .map(|period| period.seconds)
            .reduce(f64::min);
        if let Some(period) =
            period.filter(|period| self.no_fixed_interval_up_to.is_some_and(|limit| *period <= f64::from(limit) * 1.05))
        {
            said.push(format!("at a fixed interval of {period:.1} s"));
        }
        (!said.is_empty()).then(|| said.join(", "))
    }
}

/// The limits of [`EXAMPLES`].
pub(super) fn examples(ontology: &Ontology) -> Vec<RateLimit> {
    Profile::built_in(EXAMPLES, ontology).and_then(Result::ok).map(|profile| profile.rates).unwrap_or_default()
}

/// Anything above any limit.
pub(super) fn too_often(facts: &Facts<'_>, context: &Context<'_>) -> Judged {
    let mut judged = Judged::default();
    if context.rates.is_empty() {
        judged.not_applicable = Some(format!("there is no limit to hold it against ({})", context.rates_from));
    }
    for limit in context.rates {
        judged.findings.extend(limit.judge(facts).findings);
    }
    judged
}
