//! The report as Markdown, short enough for a comment on a change.

use std::io::{self, Write};

use super::listed::{Listed, listed};
use super::{duration, harmless, headline, states_in_words};
use crate::host::correlate::{RuleOutcome, Verdict};

/// Findings that are told in full; the rest is counted, because comments have a length.
const SHOWN: usize = 50;

/// Writes it.
///
/// # Errors
///
/// When `out` refuses it.
pub fn markdown(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let session = &verdict.session;
    writeln!(out, "## {}: {}\n", verdict.outcome.in_words(), plain(&headline(verdict)))?;
    writeln!(
        out,
        "`{}` against `{}`, {} events in {}, {} on {}\n",
        code(&verdict.app.package),
        code(&verdict.app.terms_file),
        session.events,
        duration(session.seconds),
        session.started,
        plain(&session.device)
    )?;
    let found = listed(verdict);
    if !found.is_empty() {
        writeln!(out, "| rule | finding | phases | times | event | fingerprint |\n|---|---|---|---|---|---|")?;
        for entry in found.iter().take(SHOWN) {
            row(entry, out)?;
        }
        if found.len() > SHOWN {
            writeln!(out, "\nAnd {} more findings, in the full report.", found.len() - SHOWN)?;
        }
        writeln!(out)?;
    }
    writeln!(out, "| rule | result |\n|---|---|")?;
    for rule in &verdict.rules {
        let why = match rule.outcome {
            RuleOutcome::CannotTell | RuleOutcome::NotApplicable => format!(": {}", plain(&rule.reasons.join("; "))),
            RuleOutcome::Violation | RuleOutcome::NoneObserved => String::new(),
        };
        writeln!(out, "| {} | {}{why} |", rule.id, rule.outcome.in_words())?;
    }
    for profile in verdict.profiles.iter().filter(|profile| profile.counts_for_outcome) {
        writeln!(out, "\n**{}**: {}", plain(&profile.title_en), states_in_words(profile))?;
    }
    let blind: Vec<&str> =
        verdict.coverage.families.iter().filter(|family| !family.watched).map(|family| family.family).collect();
    if !blind.is_empty() {
        writeln!(out, "\nNot all seen: {}.", blind.join(", "))?;
    }
    Ok(())
}

fn row(entry: &Listed<'_>, out: &mut dyn Write) -> io::Result<()> {
    let finding = entry.finding;
    let phases: Vec<&str> = finding.phases.iter().map(|phase| phase.phase.as_str()).collect();
    let event = finding.evidence.first().map(|event| format!("#{}", event.sequence)).unwrap_or_default();
    writeln!(
        out,
        "| {}{} | {} | {} | {} | {event} | `{}` |",
        plain(&entry.id()),
        if entry.indication { " (indication)" } else { "" },
        plain(&finding.message),
        phases.join(", "),
        finding.count,
        entry.finding.fingerprint
    )
}

/// A text that Markdown takes as it is: what the traced app chose must not become a link, an image or a table.
fn plain(text: &str) -> String {
    let mut safe = String::new();
    for character in harmless(text).chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '|' | '[' | ']' | '*' | '_' | '`' | '#' | '~' | '!' | '@' => {
                safe.push('\\');
                safe.push(character);
            }
            other => safe.push(other),
        }
    }
    safe
}

/// The same inside of backticks, where nothing is escaped.
fn code(text: &str) -> String {
    harmless(text).replace('`', "'").replace('|', "/")
}
