//! The report as one HTML file that needs nothing else, not even a network.

use askama::Template;
use thiserror::Error;

use super::{bytes, duration, harmless, headline, without_statement};
use crate::host::correlate::Verdict;
use crate::host::correlate::verdict::{ClauseResult, Finding};

/// The template could not be filled in.
#[derive(Debug, Error)]
#[error("the HTML report cannot be made: {0}")]
pub struct HtmlError(#[from] askama::Error);

/// A stretch of the timeline: its share of the width.
struct Stretch<'v> {
    phase: &'v str,
    percent: f64,
    seconds: String,
    tone: usize,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'v> {
    verdict: &'v Verdict,
    headline: String,
    length: String,
    timeline: Vec<Stretch<'v>>,
    version: &'static str,
}

impl Page<'_> {
    /// The class of the tag that a clause's state wears.
    fn tag(&self, clause: &ClauseResult) -> &'static str {
        super::profile_text::like(clause.state).name()
    }

    fn bytes(&self, count: &u64) -> String {
        bytes(*count)
    }

    fn duration(&self, seconds: &f64) -> String {
        duration(*seconds)
    }

    fn seconds(&self, seconds: &f64) -> String {
        format!("{seconds:.3}")
    }

    fn safe_text(&self, text: &str) -> String {
        harmless(text)
    }

    fn without_statement(&self, finding: &Finding) -> &'static str {
        without_statement(finding)
    }

    fn words(&self, name: &str) -> String {
        name.replace('_', " ")
    }
}

/// The report.
///
/// # Errors
///
/// When the template cannot be filled in, which would be an error in Candor.
pub fn html(verdict: &Verdict) -> Result<String, HtmlError> {
    let total: f64 = verdict.timeline.iter().map(|span| span.to.seconds - span.from.seconds).sum();
    let timeline = verdict
        .timeline
        .iter()
        .map(|span| {
            let length = span.to.seconds - span.from.seconds;
            let tone = verdict.phases.iter().position(|phase| phase.phase == span.phase).unwrap_or(0) % 6;
            Stretch {
                phase: &span.phase,
                percent: if total > 0.0 { length / total * 100.0 } else { 100.0 },
                seconds: duration(length),
                tone,
            }
        })
        .collect();
    let page = Page {
        verdict,
        headline: headline(verdict),
        length: duration(verdict.session.seconds),
        timeline,
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(page.render()?)
}
