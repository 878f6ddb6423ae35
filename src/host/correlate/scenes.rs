//! Several recordings of one app, one for each scene of a test, told together.
//!
//! A finding of any scene is a finding. A rule that needs a phase which one scene did not go through is judged by the scenes
//! that did; but what one of them could not see, it could not see: no other scene makes up for it.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::outcome_of_all;
use super::limits::{EVIDENCE_PER_TUPLE, PLACES_PER_TUPLE};
use super::profiles::count_states;
use super::rules::NOTHING_KNOWN;
use super::verdict::{
    ClauseResult, ClauseState, FamilyCoverage, Finding, PhaseCount, PhaseSummary, PlaceCount, RuleOutcome, RuleResult,
    Scene, Verdict,
};

/// Puts the verdicts of several recordings together. They must have been reached by the same terms, rules and profiles.
/// `None` when there are none; a single one is given back as it is.
#[must_use]
pub fn together(mut scenes: Vec<(String, Verdict)>) -> Option<Verdict> {
    if scenes.len() == 1 {
        return scenes.pop().map(|(_, verdict)| verdict);
    }
    for (recording, verdict) in &mut scenes {
        label(verdict, recording);
    }
    let mut rest = scenes.into_iter();
    let (first, mut whole) = rest.next()?;
    whole.scenes = vec![scene(first.clone(), &whole)];
    let mut rules: Vec<Vec<(String, RuleResult)>> = Vec::new();
    let mut clauses: Vec<Vec<Vec<(String, ClauseResult)>>> = Vec::new();
    let mut keep = |recording: &str, verdict: &mut Verdict| {
        rules.resize_with(verdict.rules.len(), Vec::new);
        for (list, rule) in rules.iter_mut().zip(std::mem::take(&mut verdict.rules)) {
            list.push((recording.to_owned(), rule));
        }
        clauses.resize_with(verdict.profiles.len(), Vec::new);
        for (lists, profile) in clauses.iter_mut().zip(&mut verdict.profiles) {
            lists.resize_with(profile.clauses.len(), Vec::new);
            for (list, clause) in lists.iter_mut().zip(std::mem::take(&mut profile.clauses)) {
                list.push((recording.to_owned(), clause));
            }
        }
    };
    keep(&first, &mut whole);
    for (recording, mut verdict) in rest {
        whole.scenes.push(scene(recording.clone(), &verdict));
        keep(&recording, &mut verdict);
        add(&mut whole, verdict);
    }
    whole.rules = rules.into_iter().filter_map(rule).collect();
    for (profile, lists) in whole.profiles.iter_mut().zip(clauses) {
        profile.clauses = lists.into_iter().filter_map(clause).collect();
        count_states(profile);
    }
    whole.findings = whole.rules.iter().map(|rule| rule.findings.len()).sum();
    whole.outcome = outcome_of_all(&whole.rules, &whole.profiles);
    Some(whole)
}

fn scene(recording: String, verdict: &Verdict) -> Scene {
    Scene {
        recording,
        outcome: verdict.outcome,
        session: verdict.session.clone(),
        phases: verdict.phases.iter().map(|phase| phase.phase.clone()).collect(),
    }
}

/// Writes the name of the recording wherever a number or a time means nothing without it.
fn label(verdict: &mut Verdict, recording: &str) {
    let name = || Some(recording.to_owned());
    let of_rules = verdict.rules.iter_mut().flat_map(|rule| &mut rule.findings);
    let clauses = verdict.profiles.iter_mut().flat_map(|profile| &mut profile.clauses);
    for finding in of_rules.chain(clauses.flat_map(|clause| &mut clause.findings)) {
        finding.evidence.iter_mut().for_each(|evidence| evidence.recording = name());
    }
    verdict.tuples.iter_mut().for_each(|row| row.recording = name());
    verdict.data.iter_mut().for_each(|row| row.recording = name());
    verdict.recipients.iter_mut().for_each(|row| row.recording = name());
    verdict.timeline.iter_mut().for_each(|span| span.recording = name());
    let coverage = verdict.coverage.families.iter_mut().flat_map(|family| &mut family.reasons);
    coverage.for_each(|reason| *reason = format!("{recording}: {reason}"));
}

/// Everything but rules and clauses.
fn add(whole: &mut Verdict, other: Verdict) {
    whole.tuples.extend(other.tuples);
    whole.data.extend(other.data);
    whole.recipients.extend(other.recipients);
    whole.timeline.extend(other.timeline);
    let notices: BTreeSet<_> = std::mem::take(&mut whole.notices).into_iter().chain(other.notices).collect();
    whole.notices = notices.into_iter().collect();
    for phase in other.phases {
        match whole.phases.iter_mut().find(|known| known.phase == phase.phase) {
            Some(known) => *known = sum(known, &phase),
            None => whole.phases.push(phase),
        }
    }
    // By the same terms they are the same permissions in the same order; only what was read adds up.
    let opened = whole.may_access.iter_mut().flat_map(|access| &mut access.opens);
    for (known, more) in opened.zip(other.may_access.into_iter().flat_map(|access| access.opens)) {
        known.reads = known.reads.saturating_add(more.reads);
    }
    whole.phases_not_exercised.retain(|phase| other.phases_not_exercised.contains(phase));
    whole.session.seconds += other.session.seconds;
    whole.session.events = whole.session.events.saturating_add(other.session.events);
    let lists = [(&mut whole.app.judged, other.app.judged), (&mut whole.app.left_out, other.app.left_out)];
    for (list, more) in lists {
        let all: BTreeSet<String> = std::mem::take(list).into_iter().chain(more).collect();
        *list = all.into_iter().collect();
    }
    let coverage = &mut whole.coverage;
    coverage.recording_whole &= other.coverage.recording_whole;
    coverage.damage.extend(other.coverage.damage);
    coverage.missing_events = coverage.missing_events.saturating_add(other.coverage.missing_events);
    coverage.gaps = coverage.gaps.saturating_add(other.coverage.gaps);
    // The account of one session says nothing of another.
    coverage.totals = None;
    for (family, more) in coverage.families.iter_mut().zip(other.coverage.families) {
        let FamilyCoverage { watched, reasons, at_start, at_end, .. } = more;
        family.watched &= watched;
        family.reasons.extend(reasons);
        family.at_start.extend(at_start);
        family.at_end.extend(at_end);
    }
}

fn sum(one: &PhaseSummary, other: &PhaseSummary) -> PhaseSummary {
    PhaseSummary {
        phase: one.phase.clone(),
        seconds: one.seconds + other.seconds,
        events: one.events.saturating_add(other.events),
    }
}

/// The findings of all scenes, each once.
fn findings(scenes: &mut [(String, Vec<Finding>)]) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::new();
    for finding in scenes.iter_mut().flat_map(|(_, findings)| std::mem::take(findings)) {
        match merged.iter_mut().find(|known| known.fingerprint == finding.fingerprint) {
            Some(known) => merge(known, finding),
            None => merged.push(finding),
        }
    }
    merged
}

fn merge(known: &mut Finding, other: Finding) {
    known.count = known.count.saturating_add(other.count);
    known.peak_per_minute = known.peak_per_minute.max(other.peak_per_minute);
    let actors: BTreeSet<_> = std::mem::take(&mut known.actors).into_iter().chain(other.actors).collect();
    known.actors = actors.into_iter().collect();
    let mut phases: BTreeMap<String, u64> = BTreeMap::new();
    for PhaseCount { phase, count } in std::mem::take(&mut known.phases).into_iter().chain(other.phases) {
        let times = phases.entry(phase).or_insert(0);
        *times = times.saturating_add(count);
    }
    known.phases = phases.into_iter().map(|(phase, count)| PhaseCount { phase, count }).collect();
    let mut places: BTreeMap<String, u64> = BTreeMap::new();
    for PlaceCount { place, count } in std::mem::take(&mut known.places).into_iter().chain(other.places) {
        let times = places.entry(place).or_insert(0);
        *times = times.saturating_add(count);
    }
    known.places = places.into_iter().map(|(place, count)| PlaceCount { place, count }).collect();
    known.places.sort_by(|left, right| right.count.cmp(&left.count).then_with(|| left.place.cmp(&right.place)));
    known.more_places |= other.more_places || known.places.len() > PLACES_PER_TUPLE;
    known.places.truncate(PLACES_PER_TUPLE);
    // Each scene keeps a proof of its own.
    known.evidence.truncate(EVIDENCE_PER_TUPLE);
    known.evidence.extend(other.evidence.into_iter().take(1));
}

/// What scenes come to together, beside findings.
struct Together {
    reasons: Vec<String>,
    /// A scene went through what the rule needs, and could not see all of it.
    doubt: bool,
    /// A scene went through it, saw all of it, and found nothing.
    seen: bool,
    /// What no scene went through.
    missing: Vec<String>,
}

fn put_together<'s>(scenes: impl Iterator<Item = (&'s String, &'s [String], &'s [String], bool)>) -> Together {
    let mut told = Together { reasons: Vec::new(), doubt: false, seen: false, missing: Vec::new() };
    let mut missing: Option<BTreeSet<String>> = None;
    for (recording, reasons, phases, none_observed) in scenes {
        told.seen |= none_observed;
        let here: BTreeSet<String> = phases.iter().cloned().collect();
        // With phases missing, the reasons that are more than the missing phases are doubts of their own.
        let only_missing = !here.is_empty() && reasons.iter().all(|reason| reason.contains(NOTHING_KNOWN));
        if !reasons.is_empty() && !only_missing {
            told.doubt = true;
        }
        if !only_missing {
            told.reasons.extend(reasons.iter().map(|reason| format!("{recording}: {reason}")));
        }
        missing = Some(match missing {
            None => here,
            Some(before) => before.intersection(&here).cloned().collect(),
        });
    }
    told.missing = missing.unwrap_or_default().into_iter().collect();
    told.reasons.extend(
        told.missing
            .iter()
            .map(|phase| format!("phase {phase} was marked in none of the recordings, {NOTHING_KNOWN} it")),
    );
    told
}

fn rule(mut scenes: Vec<(String, RuleResult)>) -> Option<RuleResult> {
    let mut lists: Vec<(String, Vec<Finding>)> =
        scenes.iter_mut().map(|(name, result)| (name.clone(), std::mem::take(&mut result.findings))).collect();
    let found = findings(&mut lists);
    let told = put_together(scenes.iter().map(|(name, result)| {
        let judged = !matches!(result.outcome, RuleOutcome::NotApplicable) || !result.missing_phases.is_empty();
        let reasons = if judged { result.reasons.as_slice() } else { &[] };
        (name, reasons, result.missing_phases.as_slice(), result.outcome == RuleOutcome::NoneObserved)
    }));
    let outcomes: BTreeSet<RuleOutcome> = scenes.iter().map(|(_, result)| result.outcome).collect();
    let mut all = scenes.into_iter().map(|(_, result)| result);
    let mut whole = all.next()?;
    for other in all {
        whole.seconds += other.seconds;
        whole.events = whole.events.saturating_add(other.events);
        let phases = other.phases.into_iter().filter(|phase| !whole.phases.contains(phase)).collect::<Vec<_>>();
        whole.phases.extend(phases);
        if whole.reasons.is_empty() {
            whole.reasons = other.reasons;
        }
    }
    whole.outcome = if !found.is_empty() {
        RuleOutcome::Violation
    } else if told.doubt {
        RuleOutcome::CannotTell
    } else if told.seen {
        RuleOutcome::NoneObserved
    } else {
        outcomes.into_iter().next()?
    };
    whole.findings = found;
    whole.missing_phases = told.missing;
    if whole.outcome != RuleOutcome::NotApplicable {
        whole.reasons = told.reasons;
    }
    Some(whole)
}

fn clause(mut scenes: Vec<(String, ClauseResult)>) -> Option<ClauseResult> {
    let mut lists: Vec<(String, Vec<Finding>)> =
        scenes.iter_mut().map(|(name, result)| (name.clone(), std::mem::take(&mut result.findings))).collect();
    let found = findings(&mut lists);
    let told = put_together(scenes.iter().map(|(name, result)| {
        let seen = result.state == ClauseState::NoneObserved;
        (name, result.reasons.as_slice(), result.missing_phases.as_slice(), seen)
    }));
    let has = |state| scenes.iter().any(|(_, result)| result.state == state);
    let (violation, not_decidable) = (has(ClauseState::Violation), has(ClauseState::NotDecidable));
    let mut all = scenes.into_iter().map(|(_, result)| result);
    let mut whole = all.next()?;
    for other in all {
        whole.seconds += other.seconds;
        whole.events = whole.events.saturating_add(other.events);
        let phases = other.phases.into_iter().filter(|phase| !whole.phases.contains(phase)).collect::<Vec<_>>();
        whole.phases.extend(phases);
    }
    if not_decidable {
        return Some(whole);
    }
    whole.state = match (found.is_empty(), violation) {
        (false, true) => ClauseState::Violation,
        (false, false) => ClauseState::Indication,
        // Scenes that each went through a part of what the clause needs have gone through all of it together.
        (true, _) if !told.doubt && told.missing.is_empty() => ClauseState::NoneObserved,
        (true, _) => ClauseState::CannotTell,
    };
    whole.findings = found;
    whole.missing_phases = told.missing;
    whole.reasons = told.reasons;
    Some(whole)
}
