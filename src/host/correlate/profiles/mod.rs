//! Profiles: what a rule book demands, clause by clause, and what a recording says about each clause.
//!
//! * **In:** [`Facts`], the built-in tables of clauses, profile files of the user's. **Out:** [`ProfileResult`]: every
//!   clause of every profile that was asked for, with its state.
//! * **May import:** what `host::correlate` may.
//! * **Test it:** `cargo test host::correlate::profiles`, `cargo test --test verdict_profiles`.
//!
//! A clause is never left out. It ends in one of five states ([`ClauseState`]), and "none observed" is said only when
//! every family of events that the clause needs was watched without loss, in a phase that was really part of the run.

mod acts;
mod app_type_39;
mod cac_191;
mod checks;
mod clause;
mod file;
mod flow_checks;
mod gdpr_consent;
mod miit_164;
mod play_data_safety;
mod rates;
mod two_lists;

pub use clause::{Clause, Decidability, When};
pub use file::Profile;

pub(super) use acts::{ActKey, ActKind};
pub(super) use flow_checks::of_acts;

use std::collections::BTreeMap;

use super::facts::Facts;
use super::fingerprint;
use super::rules::{AllJudged, Judged, NO_EVENT, NOTHING_KNOWN};
use super::verdict::{ClauseResult, ClauseState, ProfileResult, RuleOutcome};
use clause::Check;
use rates::RateLimit;

/// A profile that is built in.
#[derive(Debug)]
pub struct BuiltIn {
    /// Name, as in `--profile NAME`.
    pub name: &'static str,
    /// English title.
    pub title_en: &'static str,
    /// Chinese title.
    pub title_zh: &'static str,
    /// The rule book, and how far it was read.
    pub source: &'static str,
    /// The clauses, in the order of the rule book.
    pub clauses: &'static [Clause],
}

/// The profile whose acts every report lists, asked for or not.
pub const DEFAULT_PROFILE: &str = "cac-191";

/// Every profile that is built in as a table of clauses. Profiles of rates alone are files: see [`Profile::built_in`].
pub const BUILT_IN: &[BuiltIn] = &[
    cac_191::PROFILE,
    two_lists::PROFILE,
    play_data_safety::PROFILE,
    miit_164::PROFILE,
    gdpr_consent::PROFILE,
    app_type_39::PROFILE,
];

/// Phases beyond the well-known ones that clauses ask for: the tester marks them with `candor mark NAME`.
pub const PHASES_OF_CLAUSES: &[(&str, &str)] = &[
    ("permission_prompt", "The system's permission dialog is on the screen; mark once for each dialog."),
    ("personalisation_off", "The user has switched personalised content or advertising off."),
    ("withdrawn", "The user has withdrawn consent, and the app confirmed it."),
];

/// A clause by its full id, such as `cac-191/3.1`.
#[must_use]
pub fn find_clause(id: &str) -> Option<(&'static BuiltIn, &'static Clause)> {
    let (profile, clause) = id.split_once('/')?;
    let profile = BUILT_IN.iter().find(|built_in| built_in.name == profile)?;
    profile.clauses.iter().find(|entry| entry.id == clause).map(|entry| (profile, entry))
}

/// Every full id.
pub fn clause_ids() -> impl Iterator<Item = String> {
    BUILT_IN.iter().flat_map(|profile| profile.clauses.iter().map(|clause| format!("{}/{}", profile.name, clause.id)))
}

/// What checks may look at besides the facts.
pub(super) struct Context<'c> {
    /// What the rules found, for clauses that are made of rules.
    judged: &'c AllJudged,
    /// Limits on rates: of the profiles that were asked for, else the built-in examples.
    rates: &'c [RateLimit],
    /// Where the limits come from, for reasons.
    rates_from: &'c str,
}

/// Sets the facts against every profile.
pub(super) fn judge(facts: &Facts<'_>, judged: &AllJudged) -> Vec<ProfileResult> {
    let profiles = &facts.profiles;
    let own: Vec<RateLimit> = profiles.iter().flat_map(|profile| profile.rates.iter().cloned()).collect();
    let examples;
    let (rates, rates_from) = if own.is_empty() {
        examples = rates::examples(facts.ontology);
        (examples.as_slice(), rates::EXAMPLES)
    } else {
        (own.as_slice(), "the profiles that were asked for")
    };
    let context = Context { judged, rates, rates_from };
    profiles.iter().map(|profile| judge_profile(facts, profile, &context)).collect()
}

fn judge_profile(facts: &Facts<'_>, profile: &Profile, context: &Context<'_>) -> ProfileResult {
    let mut clauses: Vec<ClauseResult> = profile
        .clauses
        .iter()
        .map(|(of, clause)| {
            let id = if of.name == profile.name { clause.id.to_owned() } else { format!("{}/{}", of.name, clause.id) };
            judge_clause(facts, clause, id, context)
        })
        .collect();
    clauses.extend(profile.rates.iter().map(|limit| {
        let judged = limit.judge(facts);
        let phases: Vec<&str> = limit.phases.iter().map(String::as_str).collect();
        let mut result = conclude(facts, &rates::CLAUSE, limit.id.clone(), judged, &phases, &[]);
        result.title_en.clone_from(&limit.title_en);
        result.title_zh.clone_from(&limit.title_zh);
        result.source.clone_from(&limit.source);
        result
    }));
    for clause in &mut clauses {
        let told_under = format!("{}/{}", profile.name, clause.id);
        for finding in &mut clause.findings {
            let package = &facts.terms.app.package;
            finding.fingerprint = fingerprint::of_finding(&told_under, finding.rule, package, &finding.subject);
        }
    }
    let mut result = ProfileResult {
        name: profile.name.clone(),
        title_en: profile.title_en.clone(),
        title_zh: profile.title_zh.clone(),
        source: profile.source.clone(),
        counts_for_outcome: profile.asked_for,
        outcome: RuleOutcome::NotApplicable,
        counts: BTreeMap::new(),
        clauses,
    };
    count_states(&mut result);
    result
}

/// What the clauses come to together.
pub(super) fn count_states(profile: &mut ProfileResult) {
    let count = |state: &ClauseState| profile.clauses.iter().filter(|clause| clause.state == *state).count();
    profile.counts = ClauseState::ALL.iter().map(|state| (state.name(), count(state))).collect();
    profile.outcome = outcome_of(&profile.clauses);
}

/// What is not decidable by any trace says nothing about the run, and what a person must decide leaves it open.
fn outcome_of(clauses: &[ClauseResult]) -> RuleOutcome {
    let has = |state| clauses.iter().any(|clause| clause.state == state);
    if has(ClauseState::Violation) {
        RuleOutcome::Violation
    } else if has(ClauseState::Indication) || has(ClauseState::CannotTell) {
        RuleOutcome::CannotTell
    } else if has(ClauseState::NoneObserved) {
        RuleOutcome::NoneObserved
    } else {
        RuleOutcome::NotApplicable
    }
}

fn judge_clause(facts: &Facts<'_>, clause: &Clause, id: String, context: &Context<'_>) -> ClauseResult {
    match clause.check {
        Check::Trace(check) => {
            let judged = check(facts, context);
            match clause.when {
                When::Any => conclude(facts, clause, id, judged, &[], &[]),
                When::All(phases) => conclude(facts, clause, id, judged, phases, &[]),
                When::OneOf(phases) => conclude(facts, clause, id, judged, &[], phases),
            }
        }
        Check::NeedsMore(what) => result(clause, id, ClauseState::CannotTell, Vec::new(), vec![what.to_owned()]),
        Check::NotByTrace(why) => result(clause, id, ClauseState::NotDecidable, Vec::new(), vec![why.to_owned()]),
    }
}

/// The state of a clause that a check has looked at: `all` phases must have been exercised, and one of `one_of`.
fn conclude(
    facts: &Facts<'_>,
    clause: &Clause,
    id: String,
    judged: Judged,
    all: &[&str],
    one_of: &[&str],
) -> ClauseResult {
    let exercised = facts.seen.phases();
    let was_exercised = |name: &str| exercised.iter().any(|summary| summary.phase == name);
    let restricted = !all.is_empty() || !one_of.is_empty();
    let looked_at: Vec<_> = exercised
        .iter()
        .filter(|summary| {
            !restricted || all.contains(&summary.phase.as_str()) || one_of.contains(&summary.phase.as_str())
        })
        .collect();

    let mut reasons = judged.doubts;
    reasons.sort();
    reasons.dedup();
    let mut missing: Vec<String> = Vec::new();
    for phase in all.iter().filter(|phase| !was_exercised(phase)) {
        reasons.push(format!("phase {phase} was never marked, {NOTHING_KNOWN} it"));
        missing.push((*phase).to_owned());
    }
    if !one_of.is_empty() && !one_of.iter().any(|phase| was_exercised(phase)) {
        reasons.push(format!("none of the phases {} was marked, {NOTHING_KNOWN} them", one_of.join(", ")));
        missing.extend(one_of.iter().map(|phase| (*phase).to_owned()));
    }
    reasons.extend(judged.not_applicable);
    if facts.judged.is_empty() {
        reasons.push(NO_EVENT.to_owned());
    }
    let blind: Vec<String> = if restricted {
        looked_at.iter().flat_map(|summary| facts.seen.blind_to(clause.families, Some(&summary.phase))).collect()
    } else {
        facts.seen.blind_to(clause.families, None)
    };
    for reason in blind {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let state = match (judged.findings.is_empty(), clause.decidability) {
        (false, Decidability::Decidable) => ClauseState::Violation,
        (false, _) => ClauseState::Indication,
        (true, _) if reasons.is_empty() => ClauseState::NoneObserved,
        (true, _) => ClauseState::CannotTell,
    };
    let mut result = result(clause, id, state, judged.findings, reasons);
    result.seconds = looked_at.iter().map(|summary| summary.seconds).sum();
    result.events = looked_at.iter().map(|summary| summary.events).fold(0, u64::saturating_add);
    result.missing_phases = missing;
    result.phases = looked_at.iter().map(|summary| summary.phase.clone()).collect();
    result
}

fn result(
    clause: &Clause,
    id: String,
    state: ClauseState,
    findings: Vec<super::verdict::Finding>,
    reasons: Vec<String>,
) -> ClauseResult {
    ClauseResult {
        id,
        title_en: clause.en.to_owned(),
        title_zh: clause.zh.to_owned(),
        source: clause.source.to_owned(),
        decidability: clause.decidability.letter(),
        state,
        findings,
        set_aside: Vec::new(),
        reasons,
        missing_phases: Vec::new(),
        phases: Vec::new(),
        seconds: 0.0,
        events: 0,
    }
}

#[cfg(test)]
mod tests;
