//! A verdict for people and programs.
//!
//! * **In:** [`crate::host::correlate::Verdict`]. **Out:** text for a terminal, JSON (the verdict as it is), HTML,
//!   JUnit XML, SARIF, Markdown.
//! * **May import:** `host::correlate`. No files are touched here: reports are written to what the caller passes in.
//! * **Test it:** `cargo test host::report`.

mod difference;
mod html;
mod junit;
mod language;
mod league;
mod listed;
mod markdown;
mod profile_text;
mod sarif;
mod text;

use std::io::{self, Write};

pub use difference::difference;
pub use html::{HtmlError, html};
pub use junit::junit;
pub use language::{Language, Translator};
pub use league::{LeagueError, league_csv, league_html, league_json};
pub use markdown::markdown;
pub use sarif::sarif;
pub use text::text;

use crate::host::correlate::verdict::{Finding, ProfileResult};
use crate::host::correlate::{ClauseState, RuleOutcome, Verdict};

/// Writes the verdict as JSON: two spaces of indentation, a line feed at the end; the same verdict gives the same bytes.
///
/// # Errors
///
/// When `out` refuses it.
pub fn json(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, verdict)?;
    out.write_all(b"\n")
}

/// The JSON Schema of the JSON report.
///
/// # Errors
///
/// When it cannot be written as JSON, which would be an error in Candor.
pub fn json_schema() -> serde_json::Result<String> {
    // Of what is written: fields that may be left out are not required.
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Verdict>();
    schema.insert("title".to_owned(), crate::host::correlate::verdict::VERDICT_SCHEMA.into());
    serde_json::to_string_pretty(&schema).map(|text| text + "\n")
}

/// A text of the traced app's choice without characters that a terminal or a reader's eye would obey.
fn harmless(text: &str) -> String {
    let obeyed = |character: char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if obeyed(character) { '\u{fffd}' } else { character }).collect()
}

/// The verdict in one sentence.
fn headline(verdict: &Verdict) -> String {
    let name = &verdict.app.name;
    match (verdict.outcome, verdict.findings) {
        (RuleOutcome::Violation, 1) => format!("{name} contradicts its terms: 1 finding"),
        (RuleOutcome::Violation, count) => format!("{name} contradicts its terms: {count} findings"),
        (RuleOutcome::CannotTell, _) => {
            format!("No contradiction seen, but not everything was: cannot tell for {name}")
        }
        _ => format!("No contradiction observed: {name} did what its terms say, as far as this run went"),
    }
}

/// What to say where a finding contradicts no statement.
fn without_statement(finding: &Finding) -> &'static str {
    match finding.rule {
        "before-consent" | "after-refusal" => "needs the user's consent, whatever they declare",
        _ => "no statement covers it",
    }
}

/// How many clauses of a profile are in each state, in words.
fn states_in_words(profile: &ProfileResult) -> String {
    let counts = ClauseState::ALL
        .iter()
        .map(|state| format!("{} {}", profile.counts.get(state.name()).copied().unwrap_or(0), state.in_words()));
    counts.collect::<Vec<_>>().join(", ")
}

/// A length of time for people.
fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else if seconds < 3600.0 {
        format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    } else {
        format!("{:.0} h {:.0} min", (seconds / 3600.0).floor(), (seconds % 3600.0 / 60.0).floor())
    }
}

/// A number of bytes for people.
fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let number = count as f64;
    match count {
        0..1_024 => format!("{count} B"),
        1_024..1_048_576 => format!("{:.1} KiB", number / 1_024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", number / 1_048_576.0),
        _ => format!("{:.1} GiB", number / 1_073_741_824.0),
    }
}
