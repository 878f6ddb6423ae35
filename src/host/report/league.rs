//! The league table of a review: HTML, CSV and JSON.

use std::borrow::Borrow;
use std::io::{self, Write};

use askama::Template;
use thiserror::Error;

use super::language::{Language, both, escape, word};
use super::{duration, harmless};
use crate::host::correlate::RuleOutcome;
use crate::host::review::League;

/// Rows of the table that are shown in HTML; CSV and JSON have all.
const SHOWN: usize = 5_000;

/// A league table could not be written.
#[derive(Debug, Error)]
pub enum LeagueError {
    /// The template cannot be filled in, which would be an error in Candor.
    #[error("the league table cannot be made: {0}")]
    Html(#[from] askama::Error),
    /// CSV could not be written.
    #[error("the league table cannot be written as CSV: {0}")]
    Csv(#[from] csv::Error),
}

#[derive(Template)]
#[template(path = "report/league.html")]
struct Page<'l> {
    league: &'l League,
    language: Language,
    version: &'static str,
}

impl Page<'_> {
    fn t(&self, key: &str) -> String {
        word(key).map_or_else(|| escape(key), |(english, chinese)| both(english, chinese))
    }

    fn cell(&self, key: &str) -> String {
        let (english, chinese) = word(key).unwrap_or((key, key));
        format!("data-en=\"{}\" data-zh=\"{}\"", escape(english), escape(chinese))
    }

    fn text(&self, text: &str) -> String {
        escape(text)
    }

    fn both(&self, english: &str, chinese: &str) -> String {
        both(english, chinese)
    }

    fn outcome(&self, name: &str) -> String {
        self.t(&format!("outcome.{name}"))
    }

    fn duration(&self, seconds: impl Borrow<f64>) -> String {
        duration(*seconds.borrow())
    }

    fn checked(&self, language: Language) -> &'static str {
        if self.language == language { " checked" } else { "" }
    }

    fn whole(&self) -> RuleOutcome {
        self.league.outcome()
    }

    fn with_problems(&self) -> usize {
        self.league.apps.iter().filter(|row| row.has_problems()).count()
    }

    fn title(&self) -> &'static str {
        let (english, chinese) = word("league.title").unwrap_or_default();
        if self.language == Language::Chinese { chinese } else { english }
    }
}

/// The table as one HTML file, opening in this language.
///
/// # Errors
///
/// When the template cannot be filled in.
pub fn league_html(league: &League, language: Language) -> Result<String, LeagueError> {
    Ok(Page { league, language, version: env!("CARGO_PKG_VERSION") }.render()?)
}

/// The table as CSV, one row for each recording, failed ones too.
///
/// # Errors
///
/// When `out` refuses it.
pub fn league_csv<'m>(
    league: &League,
    operator_of: impl Fn(&str) -> Option<&'m str>,
    out: &mut dyn Write,
) -> Result<(), LeagueError> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record([
        "recording",
        "terms",
        "package",
        "name",
        "version",
        "operator",
        "outcome",
        "findings",
        "problems",
        "cannot_tell",
        "events",
        "seconds",
        "started",
        "report",
        "error",
    ])?;
    for row in &league.apps {
        let problems: Vec<&str> = row.problems.iter().map(|problem| problem.rule.as_str()).collect();
        let cells = [
            row.recording.as_str(),
            &row.terms,
            &row.package,
            &row.name,
            &row.version,
            operator_of(&row.package).unwrap_or_default(),
            &row.outcome,
            &row.findings.to_string(),
            &problems.join(" "),
            &row.cannot_tell.to_string(),
            &row.events.to_string(),
            &format!("{:.3}", row.seconds),
            &row.started,
            &row.report,
            "",
        ]
        .map(inert);
        csv.write_record(cells)?;
    }
    let failed = league.failed.iter().map(|(recording, why)| (recording, "failed", why.as_str()));
    let left =
        league.not_reached.iter().map(|recording| (recording, "not_reached", "the review was stopped before it"));
    for (recording, outcome, why) in failed.chain(left) {
        let mut cells: [String; 15] = Default::default();
        for (place, value) in [(0, recording.as_str()), (6, outcome), (14, why)] {
            if let Some(cell) = cells.get_mut(place) {
                *cell = inert(value);
            }
        }
        csv.write_record(cells)?;
    }
    csv.flush().map_err(csv::Error::from)?;
    Ok(())
}

/// A cell that no spreadsheet takes for a formula, and no eye for something else: names are chosen by apps and their
/// developers.
fn inert(text: &str) -> String {
    let text = harmless(text);
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

/// The table as JSON.
///
/// # Errors
///
/// When `out` refuses it.
pub fn league_json(league: &League, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, league)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::inert;

    #[test]
    fn a_cell_is_never_a_formula() {
        assert_eq!(inert("=1+1"), "'=1+1");
        assert_eq!(inert("@SUM"), "'@SUM");
        assert_eq!(inert("a=b"), "a=b");
        assert_eq!(inert("a\u{202e}\nb"), "a\u{fffd}\u{fffd}b");
    }
}
