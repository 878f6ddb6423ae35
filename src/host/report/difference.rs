//! The difference of two versions for a terminal, by itself and as a part of a report.

use std::io::{self, Write};

use super::harmless;
use super::text::{FAINT, STRONG, style};
use crate::host::correlate::RuleOutcome;
use crate::host::correlate::regression::{Difference, Flow, NamedFinding, Side};

/// Writes the difference.
///
/// # Errors
///
/// When `out` refuses it.
pub fn difference(difference: &Difference, out: &mut dyn Write) -> io::Result<()> {
    let (outcome, headline) = if difference.has_new() {
        (RuleOutcome::Violation, "Something is there that the baseline does not have")
    } else if difference.doubts.is_empty() {
        (RuleOutcome::NoneObserved, "Nothing new")
    } else {
        (RuleOutcome::CannotTell, "Nothing new was seen, but not everything was")
    };
    let colour = style(outcome);
    writeln!(out, "{colour}{headline}{colour:#}")?;
    writeln!(out, "{FAINT}{} against {}{FAINT:#}", side(&difference.new), side(&difference.base))?;
    findings("New findings", &difference.new_findings, out)?;
    flows("New flows", &difference.new_flows, out)?;
    if !difference.changed_flows.is_empty() {
        writeln!(out, "\n{STRONG}Changed flows{STRONG:#}")?;
        for changed in &difference.changed_flows {
            let (before, after) = (&changed.before, &changed.after);
            let mut how = Vec::new();
            if changed.what.iter().any(|what| matches!(*what, "more" | "less")) {
                how.push(format!("{} times, was {}", after.count, before.count));
            }
            if changed.what.contains(&"disclosure") {
                how.push(format!("{}, was {}", told(after), told(before)));
            }
            writeln!(out, "  * {}: {}", harmless(&after.in_words()), how.join("; "))?;
        }
    }
    flows("Gone flows", &difference.gone_flows, out)?;
    findings("Gone findings", &difference.gone_findings, out)?;
    flows("Newly tied by the window, which hangs on the moment", &difference.new_ties, out)?;
    if !difference.doubts.is_empty() {
        writeln!(out, "\n{STRONG}What makes it doubtful{STRONG:#}")?;
        for doubt in &difference.doubts {
            writeln!(out, "  - {}", harmless(doubt))?;
        }
    }
    writeln!(out, "\n{FAINT}{} flows are the same{FAINT:#}", difference.same_flows)
}

fn side(side: &Side) -> String {
    let version = if side.version.is_empty() { String::new() } else { format!(" {}", harmless(&side.version)) };
    format!("{}{version} ({} events, {})", harmless(&side.package), side.events, harmless(&side.started))
}

fn told(flow: &Flow) -> &str {
    if flow.disclosure.is_empty() { "not to be disclosed" } else { &flow.disclosure }
}

fn flows(title: &str, flows: &[Flow], out: &mut dyn Write) -> io::Result<()> {
    if flows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{STRONG}{title}{STRONG:#}")?;
    for flow in flows {
        writeln!(out, "  * {} ({}x, {})", harmless(&flow.in_words()), flow.count, harmless(told(flow)))?;
    }
    Ok(())
}

fn findings(title: &str, findings: &[NamedFinding], out: &mut dyn Write) -> io::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{STRONG}{title}{STRONG:#}")?;
    for finding in findings {
        writeln!(out, "  * {} {FAINT}[{} {}]{FAINT:#}", harmless(&finding.message), finding.rule, finding.fingerprint)?;
    }
    Ok(())
}
