//! `candor terms`: declared terms, before anything is recorded.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::check::{ReportFormat, read_ontology, read_source};
use super::terminal::{output_error, stdout};
use super::{CommandError, Exit};
use crate::host::declared_terms::DeclaredTerms;
use crate::host::ontology::Ontology;
use crate::host::toml_source::{Diagnostic, Severity};

/// `candor terms`.
#[derive(Debug, Args)]
pub(super) struct TermsCommand {
    #[command(subcommand)]
    verb: TermsVerb,
    /// How to print the result
    #[arg(long, value_enum, global = true, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
    /// Owners of further domains, in the form of data/recipients.toml; may be given several times
    #[arg(long, value_name = "FILE", global = true)]
    recipients: Vec<PathBuf>,
    /// Further data types, in the form of data/data_types.toml; may be given several times
    #[arg(long, value_name = "FILE", global = true)]
    data_types: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum TermsVerb {
    /// Tell every mistake, contradiction and loose end of a terms file at once
    Lint {
        /// The terms
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// List the data types that terms can name
    Types,
}

/// Runs `candor terms`.
pub(super) fn terms(command: &TermsCommand) -> Result<Exit, CommandError> {
    let ontology = read_ontology(&command.data_types, &command.recipients)?;
    match &command.verb {
        TermsVerb::Lint { file } => lint(file, &ontology, command.format),
        TermsVerb::Types => types(&ontology, command.format),
    }
}

/// What `lint --format json` prints.
#[derive(Serialize)]
struct Lint<'a> {
    schema: &'static str,
    file: &'a str,
    usable: bool,
    errors: usize,
    warnings: usize,
    problems: &'a [Diagnostic],
}

fn lint(file: &Path, ontology: &Ontology, format: ReportFormat) -> Result<Exit, CommandError> {
    let source = read_source(file, "terms")?;
    let (problems, usable) = match DeclaredTerms::parse(&source, ontology) {
        Ok((_, warnings)) => (warnings, true),
        Err(problems) => (problems, false),
    };
    let (errors, warnings) = (problems.count(Severity::Error), problems.count(Severity::Warning));
    let mut out = stdout();
    match format {
        ReportFormat::Json => {
            let lint = Lint {
                schema: "candor.terms-lint/1",
                file: &source.name,
                usable,
                errors,
                warnings,
                problems: &problems.entries,
            };
            serde_json::to_writer_pretty(&mut out, &lint).map_err(|error| output_error(error.into()))?;
            writeln!(out).map_err(output_error)?;
        }
        ReportFormat::Text => {
            if !problems.entries.is_empty() {
                writeln!(out, "{problems}\n").map_err(output_error)?;
            }
            writeln!(out, "{}: {errors} errors, {warnings} warnings", source.name).map_err(output_error)?;
        }
    }
    out.flush().map_err(output_error)?;
    Ok(if usable { Exit::Ok } else { Exit::BadData })
}

#[derive(Serialize)]
struct TypeRow<'a> {
    id: &'a str,
    name_en: &'a str,
    name_zh: &'a str,
    gb_35273: &'a str,
    play: &'a [String],
    source: &'a str,
}

fn types(ontology: &Ontology, format: ReportFormat) -> Result<Exit, CommandError> {
    let mut out = stdout();
    let rows: Vec<TypeRow<'_>> = ontology
        .data_types
        .iter()
        .map(|entry| TypeRow {
            id: &entry.id,
            name_en: &entry.name_en,
            name_zh: &entry.name_zh,
            gb_35273: &entry.gb_35273,
            play: &entry.play,
            source: &entry.source,
        })
        .collect();
    match format {
        ReportFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &rows).map_err(|error| output_error(error.into()))?;
            writeln!(out).map_err(output_error)?;
        }
        ReportFormat::Text => {
            for row in rows {
                writeln!(out, "{:<20} {}  {}", row.id, row.name_en, row.name_zh).map_err(output_error)?;
            }
        }
    }
    out.flush().map_err(output_error)?;
    Ok(Exit::Ok)
}
