//! The report as JUnit XML, for build servers: a rule is a test case, and so is each clause of a profile that was asked for.
//!
//! A violation is a failure. "Cannot tell" is an error, not a skipped test: nobody looks at skipped ones. What does not
//! apply, or no trace decides, is skipped. An indication passes and says so in its output, as it accuses nobody.

use askama::Template;

use super::html::HtmlError;
use super::{harmless, headline};
use crate::host::correlate::verdict::Finding;
use crate::host::correlate::{ClauseState, RuleOutcome, Verdict};

/// How a test case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Passed,
    Failed,
    Error,
    Skipped,
}

struct Case {
    name: String,
    ended: Ended,
    /// In one line.
    message: String,
    /// In full.
    detail: String,
}

struct Suite {
    name: String,
    cases: Vec<Case>,
}

impl Suite {
    fn count(&self, ended: Ended) -> usize {
        self.cases.iter().filter(|case| case.ended == ended).count()
    }

    fn failures(&self) -> usize {
        self.count(Ended::Failed)
    }

    fn errors(&self) -> usize {
        self.count(Ended::Error)
    }

    fn skipped(&self) -> usize {
        self.count(Ended::Skipped)
    }
}

#[derive(Template)]
#[template(path = "junit.xml")]
struct Page {
    headline: String,
    package: String,
    session: String,
    seconds: String,
    suites: Vec<Suite>,
}

impl Page {
    fn total(&self, of: fn(&Suite) -> usize) -> usize {
        self.suites.iter().map(of).sum()
    }

    fn tests(&self) -> usize {
        self.total(|suite| suite.cases.len())
    }

    fn failures(&self) -> usize {
        self.total(Suite::failures)
    }

    fn errors(&self) -> usize {
        self.total(Suite::errors)
    }

    fn skipped(&self) -> usize {
        self.total(Suite::skipped)
    }
}

/// The report.
///
/// # Errors
///
/// When the template cannot be filled in, which would be an error in Candor.
pub fn junit(verdict: &Verdict) -> Result<String, HtmlError> {
    let rules = verdict.rules.iter().map(|rule| {
        let ended = match rule.outcome {
            RuleOutcome::Violation => Ended::Failed,
            RuleOutcome::CannotTell => Ended::Error,
            RuleOutcome::NoneObserved => Ended::Passed,
            RuleOutcome::NotApplicable => Ended::Skipped,
        };
        case(rule.id.to_owned(), ended, &rule.findings, &rule.reasons)
    });
    let mut suites = vec![Suite { name: "rules".to_owned(), cases: rules.collect() }];
    for profile in verdict.profiles.iter().filter(|profile| profile.counts_for_outcome) {
        let clauses = profile.clauses.iter().map(|clause| {
            let ended = match clause.state {
                ClauseState::Violation => Ended::Failed,
                ClauseState::CannotTell => Ended::Error,
                ClauseState::Indication | ClauseState::NoneObserved => Ended::Passed,
                ClauseState::NotDecidable => Ended::Skipped,
            };
            case(format!("{} {}", clause.id, clause.title_en), ended, &clause.findings, &clause.reasons)
        });
        suites.push(Suite { name: harmless(&profile.name), cases: clauses.collect() });
    }
    let page = Page {
        headline: harmless(&headline(verdict)),
        package: harmless(&verdict.app.package),
        session: harmless(&verdict.session.id),
        seconds: format!("{:.3}", verdict.session.seconds),
        suites,
    };
    Ok(page.render()?)
}

fn case(name: String, ended: Ended, findings: &[Finding], reasons: &[String]) -> Case {
    let message = match (findings, reasons) {
        ([one], _) => one.message.clone(),
        ([first, ..], _) => format!("{} findings, first: {}", findings.len(), first.message),
        ([], [one, ..]) => one.clone(),
        ([], []) => String::new(),
    };
    let mut lines: Vec<String> = Vec::new();
    for finding in findings {
        lines.push(finding.message.clone());
        for event in &finding.evidence {
            lines.push(format!(
                "  event #{} {} at {:.3} s, pid {}: {}",
                event.sequence, event.kind, event.at.seconds, event.pid, event.what
            ));
        }
    }
    lines.extend(reasons.iter().cloned());
    // A line feed between lines is ours; whatever else a terminal or XML would stumble over is not.
    let lines: Vec<String> = lines.iter().map(|line| harmless(line)).collect();
    Case { name: harmless(&name), ended, message: harmless(&message), detail: lines.join("\n") }
}
