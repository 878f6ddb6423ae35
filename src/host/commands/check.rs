//! `candor check`: a recording against declared terms.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::terminal::{output_error, say};
use super::{CommandError, Exit};
use crate::event::StreamEntry;
use crate::host::correlate::regression::{Difference, Report, Tolerance, judge_change};
use crate::host::correlate::review::ReviewList;
use crate::host::correlate::scenes;
use crate::host::correlate::{CorrelateOptions, Correlator, Foresight, Profile, RuleOutcome, Verdict};
use crate::host::declared_terms::DeclaredTerms;
use crate::host::ontology::Ontology;
use crate::host::recording::RecordingReader;
use crate::host::report;
use crate::host::toml_source::SourceFile;

/// What to check against and how to show it; shared by `check` and `run`.
#[derive(Debug, Clone, Args)]
pub struct CheckOptions {
    /// The app's declared terms, a TOML file
    #[arg(long, value_name = "FILE")]
    pub terms: PathBuf,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// Also write the report as a self-contained HTML file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// The language in which HTML reports open; every one holds both [default: that of the locale]
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    pub language: Option<ReportLanguage>,
    /// Also write the findings as SARIF 2.1.0, for code hosts and editors
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<PathBuf>,
    /// Also write each rule as a test case of JUnit XML, for build servers; "cannot tell" is an error there
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Also write a short report in Markdown, for a comment on a change
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Owners of further domains, in the form of data/recipients.toml; may be given several times
    #[arg(long, value_name = "FILE")]
    pub recipients: Vec<PathBuf>,
    /// Further data types, in the form of data/data_types.toml; may be given several times
    #[arg(long, value_name = "FILE")]
    pub data_types: Vec<PathBuf>,
    /// Hold the run against this profile of rules as well: a name from `candor rules`, or a TOML file; may be given several
    /// times
    #[arg(long, value_name = "NAME|FILE")]
    pub profile: Vec<String>,
    /// Judge the recording by these terms although they are of another app
    #[arg(long)]
    pub force_terms: bool,
    /// Findings that were accepted, confirmed or rejected, as `candor accept` writes them; may be given several times
    #[arg(long, value_name = "FILE")]
    pub accepted: Vec<PathBuf>,
    /// Judge by this day which reviews have expired, instead of today
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub as_of: Option<jiff::civil::Date>,
    /// Count only what this earlier report does not have: a file that `--format json` wrote
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// By how many per cent a count may differ from the baseline
    #[arg(long, value_name = "PERCENT", default_value_t = Tolerance::default().percent)]
    pub tolerance: u32,
    /// Sending counts as following a reading for so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub window: u32,
}

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For reading in a terminal
    Text,
    /// For programs; the same recording and terms give the same bytes
    Json,
}

impl CheckOptions {
    fn choices(&self) -> CorrelateOptions {
        CorrelateOptions { any_package: self.force_terms, window_ns: Some(u64::from(self.window) * 1_000_000_000) }
    }
}

/// The language in which an HTML report opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportLanguage {
    /// English
    En,
    /// Chinese
    Zh,
    /// Both, side by side
    Both,
}

/// The language that was asked for, else that of the locale.
pub(super) fn language(asked: Option<ReportLanguage>) -> report::Language {
    match asked {
        Some(ReportLanguage::En) => report::Language::English,
        Some(ReportLanguage::Zh) => report::Language::Chinese,
        Some(ReportLanguage::Both) => report::Language::Both,
        None => {
            let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
            let locale = set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG"));
            report::Language::of_locale(&locale.unwrap_or_default())
        }
    }
}

/// Reads a text file that the user named.
pub(super) fn read_source(path: &Path, what: &str) -> Result<SourceFile, CommandError> {
    SourceFile::read(path).map_err(|error| {
        let exit = match error.kind() {
            std::io::ErrorKind::InvalidData => Exit::BadData,
            _ => Exit::NoInput,
        };
        CommandError::new(exit, format!("cannot read the {what} {}: {error}", path.display()))
    })
}

/// The built-in tables with the user's files.
pub(super) fn read_ontology(data_types: &[PathBuf], recipients: &[PathBuf]) -> Result<Ontology, CommandError> {
    let read = |paths: &[PathBuf], what| -> Result<Vec<SourceFile>, CommandError> {
        paths.iter().map(|path| read_source(path, what)).collect()
    };
    Ontology::with(&read(data_types, "data types")?, &read(recipients, "recipients")?)
        .map_err(|problems| CommandError::new(Exit::BadData, format!("a table cannot be used\n{problems}")))
}

/// What people said about findings.
fn read_reviews(paths: &[PathBuf], as_of: Option<jiff::civil::Date>) -> Result<ReviewList, CommandError> {
    let as_of = as_of.unwrap_or_else(|| jiff::Zoned::now().date());
    let mut all = ReviewList::default();
    for path in paths {
        let source = read_source(path, "list of reviews")?;
        let list = ReviewList::parse(&source, as_of).map_err(|problems| {
            CommandError::new(Exit::BadData, format!("the list of reviews {} cannot be used\n{problems}", source.name))
        })?;
        all.join(list).map_err(|twice| {
            CommandError::new(Exit::BadData, format!("a finding may have one review only: {twice}"))
        })?;
    }
    Ok(all)
}

/// Checks one recording and prints the report to `out`.
///
/// # Errors
///
/// When the recording or the terms cannot be read, the terms are of another app, or a report cannot be written.
pub fn check_recording(recording: &Path, options: &CheckOptions, out: &mut dyn Write) -> Result<Exit, CommandError> {
    check_recordings(&[recording.to_owned()], options, out)
}

/// The same for several recordings of one app, told together.
///
/// # Errors
///
/// As [`check_recording`].
pub fn check_recordings(
    recordings: &[PathBuf],
    options: &CheckOptions,
    out: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let ontology = read_ontology(&options.data_types, &options.recipients)?;
    let source = read_source(&options.terms, "terms")?;
    let (terms, warnings) = DeclaredTerms::parse(&source, &ontology).map_err(|problems| {
        CommandError::new(Exit::BadData, format!("the terms {} cannot be used\n{problems}", source.name))
    })?;
    if !warnings.entries.is_empty() {
        say(warnings.to_string());
    }
    let profiles = super::rules::read_profiles(&options.profile, &ontology)?;
    // Every input that can be wrong is read before the recording, which can take a while.
    let reviews = read_reviews(&options.accepted, options.as_of)?;
    let baseline = options.baseline.as_deref().map(|path| super::diff::read_report(path, "baseline")).transpose()?;
    if let Some(baseline) = baseline.as_ref().filter(|baseline| baseline.package() != terms.app.package) {
        let message = format!(
            "the baseline is of {}, and the terms {} are of {}: give the baseline of this app",
            baseline.package(),
            terms.file,
            terms.app.package
        );
        return Err(CommandError::new(Exit::BadData, message));
    }
    let mut verdicts = Vec::new();
    for recording in recordings {
        let verdict = judge(recording, &terms, &ontology, profiles.clone(), options.force_terms, options.choices())?;
        verdicts.push((recording.display().to_string(), verdict));
    }
    let Some(mut verdict) = scenes::together(verdicts) else {
        return Err(CommandError::new(Exit::Usage, "there is no recording to check"));
    };
    reviews.apply(&mut verdict);
    verdict.baseline = baseline.map(|base| {
        let tolerance = Tolerance { percent: options.tolerance, ..Tolerance::default() };
        Difference::between(&base, &Report::from(&verdict), tolerance)
    });
    judge_change(&mut verdict);
    write_files(&verdict, options)?;
    match options.format {
        ReportFormat::Text => report::text(&verdict, out),
        ReportFormat::Json => report::json(&verdict, out),
    }
    .map_err(output_error)?;
    // Against a baseline, what was there before does not count, and what is new does.
    let outcome = match &verdict.baseline {
        Some(difference) if difference.has_new() => RuleOutcome::Violation,
        Some(difference) if !difference.doubts.is_empty() => RuleOutcome::CannotTell,
        Some(_) if verdict.outcome == RuleOutcome::Violation => RuleOutcome::NoneObserved,
        Some(_) | None => verdict.outcome,
    };
    Ok(match outcome {
        RuleOutcome::Violation => Exit::Violations,
        RuleOutcome::CannotTell => Exit::CannotTell,
        RuleOutcome::NoneObserved | RuleOutcome::NotApplicable => Exit::Ok,
    })
}

/// The reports that go into files of their own.
fn write_files(verdict: &Verdict, options: &CheckOptions) -> Result<(), CommandError> {
    let internal = |error: report::HtmlError| CommandError::new(Exit::Internal, error.to_string());
    let write = |path: &Path, report: &[u8]| {
        fs::write(path, report).map_err(|error| {
            CommandError::new(Exit::CannotCreate, format!("cannot write the report {}: {error}", path.display()))
        })
    };
    if let Some(path) = &options.html {
        write(path, report::html(verdict, language(options.language)).map_err(internal)?.as_bytes())?;
    }
    if let Some(path) = &options.junit {
        write(path, report::junit(verdict).map_err(internal)?.as_bytes())?;
    }
    let mut text = Vec::new();
    if let Some(path) = &options.sarif {
        report::sarif(verdict, &mut text).map_err(output_error)?;
        write(path, &text)?;
    }
    text.clear();
    if let Some(path) = &options.markdown {
        report::markdown(verdict, &mut text).map_err(output_error)?;
        write(path, &text)?;
    }
    Ok(())
}

/// Holds a recording against terms.
pub(super) fn judge(
    recording: &Path,
    terms: &DeclaredTerms,
    ontology: &Ontology,
    profiles: Vec<Profile>,
    force: bool,
    choices: CorrelateOptions,
) -> Result<Verdict, CommandError> {
    let reader = RecordingReader::open(recording)?;
    let mut correlator = Correlator::with_options(terms, ontology, choices).with_profiles(profiles);
    let looks = || {
        let mut foresight = Foresight::new(&terms.app.package, ontology);
        move |first: bool, entry: &StreamEntry| {
            if first {
                foresight.begin();
            }
            foresight.look(entry)
        }
    };
    let condition = reader
        .read_beside(looks, |entry, foreseen| correlator.add_foreseen(entry, foreseen))
        .map_err(|error| CommandError::new(Exit::Internal, error.to_string()))?;
    let packages = correlator.packages_seen();
    if !force && !packages.is_empty() && !packages.contains(&terms.app.package) {
        let named: Vec<&str> = packages.iter().take(5).map(String::as_str).collect();
        let message = format!(
            "the terms {} are of {}, and the recording {} is of {}; give the right terms, or --force-terms to judge it all the same",
            terms.file,
            terms.app.package,
            recording.display(),
            named.join(", ")
        );
        return Err(CommandError::new(Exit::BadData, message));
    }
    Ok(correlator.finish(&condition))
}
