//! The profiles in the report for a terminal: every clause with its state, none left out.

use std::io::{self, Write};

use super::text::{FAINT, STRONG, style};
use super::{duration, harmless, states_in_words};
use crate::host::correlate::verdict::{ClauseResult, ProfileResult};
use crate::host::correlate::{ClauseState, RuleOutcome};

/// The outcome of a rule that looks like this state.
pub(super) fn like(state: ClauseState) -> RuleOutcome {
    match state {
        ClauseState::Violation => RuleOutcome::Violation,
        ClauseState::Indication | ClauseState::CannotTell => RuleOutcome::CannotTell,
        ClauseState::NoneObserved => RuleOutcome::NoneObserved,
        ClauseState::NotDecidable => RuleOutcome::NotApplicable,
    }
}

/// Writes one profile. One that was not asked for is one line for each clause, without reasons.
pub(super) fn profile(profile: &ProfileResult, out: &mut dyn Write) -> io::Result<()> {
    let listed = if profile.counts_for_outcome { "" } else { ", listed only: --profile makes it count" };
    writeln!(
        out,
        "\n{STRONG}{} {} {}{STRONG:#} {FAINT}{}{listed}{FAINT:#}",
        harmless(&profile.name),
        harmless(&profile.title_en),
        harmless(&profile.title_zh),
        harmless(&profile.source)
    )?;
    writeln!(out, "  {}", states_in_words(profile))?;
    for result in &profile.clauses {
        clause(result, profile.counts_for_outcome, out)?;
    }
    Ok(())
}

fn clause(result: &ClauseResult, in_full: bool, out: &mut dyn Write) -> io::Result<()> {
    let colour = style(like(result.state));
    let over = match result.state {
        ClauseState::NoneObserved => format!(
            " {FAINT}({} events, {} of {}){FAINT:#}",
            result.events,
            duration(result.seconds),
            result.phases.join(", ")
        ),
        _ => String::new(),
    };
    let words = result.state.in_words();
    writeln!(out, "  {:<6} {colour}{words:<14}{colour:#} {}{over}", harmless(&result.id), harmless(&result.title_en))?;
    if !in_full {
        return Ok(());
    }
    for finding in &result.findings {
        let first = finding.evidence.first().map(|event| format!(" (event #{})", event.sequence)).unwrap_or_default();
        writeln!(
            out,
            "           {STRONG}* {}{STRONG:#}{first} {FAINT}[{}]{FAINT:#}",
            harmless(&finding.message),
            finding.rule
        )?;
    }
    for reason in result.reasons.iter().take(3) {
        writeln!(out, "           {FAINT}{}{FAINT:#}", harmless(reason))?;
    }
    if result.reasons.len() > 3 {
        writeln!(out, "           {FAINT}and {} more reasons{FAINT:#}", result.reasons.len() - 3)?;
    }
    Ok(())
}
