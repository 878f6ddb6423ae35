//! The report for a terminal. Colours are always written; whoever prints to something else strips them.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::profile_text;
use super::{bytes, duration, harmless, headline, without_statement};
use crate::host::correlate::review::Review;
use crate::host::correlate::verdict::{Finding, Moment, RuleResult, StatementRef};
use crate::host::correlate::{RuleOutcome, Verdict};

pub(super) const STRONG: Style = Style::new().bold();
pub(super) const FAINT: Style = Style::new().dimmed();

pub(super) fn style(outcome: RuleOutcome) -> Style {
    match outcome {
        RuleOutcome::Violation => AnsiColor::Red.on_default().bold(),
        RuleOutcome::CannotTell => AnsiColor::Yellow.on_default().bold(),
        RuleOutcome::NoneObserved => AnsiColor::Green.on_default(),
        RuleOutcome::NotApplicable => FAINT,
    }
}

/// Writes the report.
///
/// # Errors
///
/// When `out` refuses it.
pub fn text(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let colour = style(verdict.outcome);
    let mark = verdict.outcome.in_words().to_uppercase();
    writeln!(out, "{colour}{mark}{colour:#}  {STRONG}{}{STRONG:#}", harmless(&headline(verdict)))?;
    let session = &verdict.session;
    writeln!(
        out,
        "{FAINT}{} against {}, {} events in {}{} on {}{FAINT:#}",
        harmless(&verdict.app.package),
        harmless(&verdict.app.terms_file),
        session.events,
        duration(session.seconds),
        if session.started.is_empty() { String::new() } else { format!(", {}", session.started) },
        harmless(&session.device)
    )?;
    for rule in &verdict.rules {
        if !rule.findings.is_empty() {
            findings(rule, out)?;
        }
    }
    for scene in &verdict.scenes {
        let colour = style(scene.outcome);
        let outcome = scene.outcome.in_words();
        let (recording, phases) = (harmless(&scene.recording), scene.phases.join(", "));
        writeln!(out, "  {colour}{outcome:<14}{colour:#} {recording}, {} events in {phases}", scene.session.events)?;
    }
    reviewed(verdict, out)?;
    if let Some(difference) = &verdict.baseline {
        heading("Against the baseline", out)?;
        super::difference(difference, out)?;
    }
    rules(verdict, out)?;
    for result in &verdict.profiles {
        profile_text::profile(result, out)?;
    }
    observed(verdict, out)?;
    coverage(verdict, out)?;
    if !verdict.notices.is_empty() {
        heading("Worth knowing", out)?;
        for notice in &verdict.notices {
            writeln!(out, "  - {}", harmless(&notice.message))?;
        }
    }
    heading("Not exercised", out)?;
    writeln!(out, "  phases: {}", join_or(&verdict.phases_not_exercised, "every well-known phase was part of the run"))
}

fn heading(title: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{STRONG}{title}{STRONG:#}")
}

fn moment(moment: &Moment) -> String {
    let date = if moment.wall.is_empty() { String::new() } else { format!(" ({})", moment.wall) };
    format!("{:.3} s{date}", moment.seconds)
}

/// What people said about findings, where it changes something.
fn reviewed(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let reviews = &verdict.reviews;
    if reviews.set_aside.is_empty() && reviews.expired.is_empty() && reviews.unknown.is_empty() {
        return Ok(());
    }
    heading("Reviewed", out)?;
    for finding in &reviews.set_aside {
        if let Some(review) = &finding.review {
            writeln!(out, "  - set aside, {}: {}", review_in_words(review), harmless(&finding.message))?;
        }
    }
    for review in &reviews.expired {
        writeln!(out, "  - expired, so the finding counts again: {}, {}", review_in_words(review), review.fingerprint)?;
    }
    for review in &reviews.unknown {
        writeln!(out, "  - names no finding of this run: {} at {}", review.fingerprint, harmless(&review.place))?;
    }
    Ok(())
}

fn review_in_words(review: &Review) -> String {
    let until = review.expires.as_ref().map(|day| format!(" until {day}")).unwrap_or_default();
    format!("{} by {}{until} ({})", review.decision.name(), harmless(&review.author), harmless(&review.reason))
}

fn join_or(words: &[&str], otherwise: &str) -> String {
    if words.is_empty() { otherwise.to_owned() } else { words.join(", ") }
}

fn findings(rule: &RuleResult, out: &mut dyn Write) -> io::Result<()> {
    let colour = style(RuleOutcome::Violation);
    writeln!(out, "\n{colour}{}{colour:#} {STRONG}{} {}{STRONG:#}", rule.id, rule.title_en, rule.title_zh)?;
    for finding in &rule.findings {
        one_finding(finding, out)?;
    }
    Ok(())
}

fn one_finding(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  {STRONG}* {}{STRONG:#}", harmless(&finding.message))?;
    let phases: Vec<String> =
        finding.phases.iter().map(|phase| format!("{} ({}x)", phase.phase, phase.count)).collect();
    let span = if (finding.last.seconds - finding.first.seconds).abs() < 0.0005 {
        format!("at {}", moment(&finding.first))
    } else {
        format!(
            "from {} to {:.3} s, at most {} a minute",
            moment(&finding.first),
            finding.last.seconds,
            finding.peak_per_minute
        )
    };
    writeln!(out, "    when:  {span}, in phase {}", phases.join(", "))?;
    for place in &finding.places {
        writeln!(out, "    what:  {}{}", harmless(&place.place), repeated(place.count))?;
    }
    if finding.more_places {
        writeln!(out, "    what:  ... and more")?;
    }
    for actor in &finding.actors {
        writeln!(out, "    who:   {} (uid {}, {})", harmless(&actor.app), actor.user_id, harmless(&actor.program))?;
    }
    match &finding.contradicts {
        Some(statement) => writeln!(out, "    terms: {}", statement_in_words(statement))?,
        None => writeln!(out, "    terms: {FAINT}{}{FAINT:#}", without_statement(finding))?,
    }
    writeln!(out, "    {FAINT}name:  {}{FAINT:#}", finding.fingerprint)?;
    if let Some(review) = &finding.review {
        let expired = if review.expired { ", expired" } else { "" };
        writeln!(out, "    review: {}{expired}", review_in_words(review))?;
    }
    for evidence in &finding.evidence {
        let hints =
            if evidence.hints.is_empty() { String::new() } else { format!(", hint: {}", evidence.hints.join(", ")) };
        writeln!(
            out,
            "    {FAINT}{}event #{} {} at {:.3} s, pid {}: {} [{}{hints}]{FAINT:#}",
            evidence.recording.as_ref().map(|name| format!("{} ", harmless(name))).unwrap_or_default(),
            evidence.sequence,
            evidence.kind,
            evidence.at.seconds,
            evidence.pid,
            harmless(&evidence.what),
            evidence.outcome
        )?;
    }
    let shown = finding.evidence.len() as u64;
    if finding.count > shown {
        writeln!(out, "    {FAINT}and {} more{FAINT:#}", finding.count - shown)?;
    }
    Ok(())
}

fn repeated(count: u64) -> String {
    if count > 1 { format!(" ({count}x)") } else { String::new() }
}

fn statement_in_words(statement: &StatementRef) -> String {
    harmless(&format!("{}:{}: {}", statement.place.file, statement.place.line, statement.says))
}

fn rules(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    heading("Rules", out)?;
    for rule in &verdict.rules {
        let colour = style(rule.outcome);
        let detail = match rule.outcome {
            RuleOutcome::Violation => format!("{} found", rule.findings.len()),
            RuleOutcome::NoneObserved => format!(
                "in {} events, {} of {}",
                rule.events,
                duration(rule.seconds),
                if rule.phases.is_empty() { "no phase".to_owned() } else { rule.phases.join(", ") }
            ),
            RuleOutcome::CannotTell | RuleOutcome::NotApplicable => String::new(),
        };
        writeln!(out, "  {:<23} {colour}{:<14}{colour:#} {detail}", rule.id, rule.outcome.in_words())?;
        // Beside findings, losses matter less and are told under "Coverage".
        if rule.outcome != RuleOutcome::Violation {
            for reason in rule.reasons.iter().take(6) {
                writeln!(out, "      {FAINT}{}{FAINT:#}", harmless(reason))?;
            }
            if rule.reasons.len() > 6 {
                writeln!(out, "      {FAINT}and {} more reasons{FAINT:#}", rule.reasons.len() - 6)?;
            }
        }
    }
    Ok(())
}

fn observed(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    heading("Observed", out)?;
    if verdict.data.is_empty() && verdict.recipients.is_empty() {
        writeln!(out, "  no personal data was read and nobody was contacted")?;
    }
    for data in &verdict.data {
        let place = data.places.first().map(|place| harmless(&place.place)).unwrap_or_default();
        writeln!(
            out,
            "  {:<18} {:<16} {:<12} {:<6} {:>6}x  {place}{}{}",
            data.data_type.id,
            data.standing.replace('_', " "),
            data.phase,
            data.effect,
            data.count,
            if data.bytes_read > 0 { format!(" ({})", bytes(data.bytes_read)) } else { String::new() },
            data.statement
                .as_ref()
                .map(|said| format!(" {FAINT}[{}:{}]{FAINT:#}", harmless(&said.place.file), said.place.line))
                .unwrap_or_default(),
        )?;
    }
    for contact in &verdict.recipients {
        writeln!(
            out,
            "  {:<35} {:<12} {:<6} {:>6}x  {} {FAINT}[{}, sent {}]{FAINT:#}",
            harmless(&format!("{} {}", contact.recipient.host, contact.recipient.standing.replace('_', " "))),
            contact.phase,
            contact.effect,
            contact.count,
            harmless(contact.recipient.owner_en.as_deref().unwrap_or("")),
            contact.recipient.confidence.in_words(),
            bytes(contact.bytes_sent)
        )?;
    }
    Ok(())
}

fn coverage(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    heading("Coverage", out)?;
    for family in &verdict.coverage.families {
        let outcome = if family.watched { RuleOutcome::NoneObserved } else { RuleOutcome::CannotTell };
        let colour = style(outcome);
        let word = if family.watched { "watched" } else { "not all seen" };
        writeln!(out, "  {:<8} {colour}{word}{colour:#}", family.family)?;
        for reason in family.reasons.iter().take(6) {
            writeln!(out, "      {FAINT}{}{FAINT:#}", harmless(reason))?;
        }
        if family.reasons.len() > 6 {
            writeln!(out, "      {FAINT}and {} more{FAINT:#}", family.reasons.len() - 6)?;
        }
    }
    let phases: Vec<String> = verdict
        .phases
        .iter()
        .map(|phase| format!("{} {} ({} events)", phase.phase, duration(phase.seconds), phase.events))
        .collect();
    writeln!(out, "  phases   {}", phases.join(", "))
}
