//! `candor check`: a recording against declared terms.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::terminal::{output_error, say};
use super::{CommandError, Exit};
use crate::event::StreamEntry;
use crate::host::correlate::{CorrelateOptions, Correlator, Profile, RuleOutcome, Verdict};
use crate::host::declared_terms::DeclaredTerms;
use crate::host::ontology::Ontology;
use crate::host::recording::{RecordingCondition, RecordingReader};
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
}

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For reading in a terminal
    Text,
    /// For programs; the same recording and terms give the same bytes
    Json,
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

/// Checks one recording and prints the report to `out`.
///
/// # Errors
///
/// When the recording or the terms cannot be read, the terms are of another app, or a report cannot be written.
pub fn check_recording(recording: &Path, options: &CheckOptions, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let ontology = read_ontology(&options.data_types, &options.recipients)?;
    let source = read_source(&options.terms, "terms")?;
    let (terms, warnings) = DeclaredTerms::parse(&source, &ontology).map_err(|problems| {
        CommandError::new(Exit::BadData, format!("the terms {} cannot be used\n{problems}", source.name))
    })?;
    if !warnings.entries.is_empty() {
        say(warnings.to_string());
    }
    let profiles = super::rules::read_profiles(&options.profile, &ontology)?;
    let verdict = judge(recording, &terms, &ontology, profiles, options.force_terms)?;
    write_files(&verdict, options)?;
    match options.format {
        ReportFormat::Text => report::text(&verdict, out),
        ReportFormat::Json => report::json(&verdict, out),
    }
    .map_err(output_error)?;
    Ok(match verdict.outcome {
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
) -> Result<Verdict, CommandError> {
    let reader = RecordingReader::open(recording)?;
    let mut correlator =
        Correlator::with_options(terms, ontology, CorrelateOptions { any_package: force }).with_profiles(profiles);
    let condition = read_ahead(reader, |entry| correlator.add(entry))?;
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

/// Entries handed over at once, and how many such batches wait: a few megabytes at most.
const BATCH: usize = 512;
const BATCHES: usize = 8;

/// Gives every entry to `each`, in order, while a second thread decompresses and decodes the next ones.
fn read_ahead(
    mut reader: RecordingReader,
    mut each: impl FnMut(&StreamEntry),
) -> Result<RecordingCondition, CommandError> {
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::sync_channel::<Vec<StreamEntry>>(BATCHES);
        let reading = scope.spawn(move || {
            loop {
                let batch: Vec<StreamEntry> = reader.by_ref().take(BATCH).collect();
                if batch.is_empty() || sender.send(batch).is_err() {
                    return reader.condition().clone();
                }
            }
        });
        for batch in receiver {
            batch.iter().for_each(&mut each);
        }
        reading.join().map_err(|_| CommandError::new(Exit::Internal, "reading the recording broke off unexpectedly"))
    })
}
