//! `candor terms`: declared terms, before anything is recorded.

mod app_types;
mod confirm;
mod import;
mod read;
mod show;

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
    /// Read terms from the form they really come in, and print them in the native form
    Import(import::ImportCommand),
    /// Put several terms files of one app together
    Merge(import::MergeCommand),
    /// Tell every mistake, contradiction and loose end of a terms file at once
    Lint {
        /// The terms
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print what was not understood, and then every statement beside the words it was read from
    Show {
        /// The terms
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make drafts that a person has compared with their sentences count
    Confirm(confirm::ConfirmCommand),
    /// Tell what changed between two versions of terms
    Diff {
        /// The old version
        #[arg(value_name = "OLD")]
        old: PathBuf,
        /// The new version
        #[arg(value_name = "NEW")]
        new: PathBuf,
    },
    /// Tell which statements cover a data type, or its reaching a recipient
    Explain {
        /// Id or name of a data type
        #[arg(value_name = "DATA_TYPE")]
        data_type: String,
        /// Id, name or domain of a recipient; without it the question is whether the data may be collected
        #[arg(value_name = "RECIPIENT")]
        recipient: Option<String>,
        /// The terms
        #[arg(long, value_name = "FILE")]
        terms: PathBuf,
    },
    /// List the data types that terms can name
    Types,
    /// List the types of apps that terms can name, with what the basic function of each needs
    AppTypes,
    /// Print the JSON Schema of the native form, for editors
    Schema,
}

/// Runs `candor terms`.
pub(super) fn terms(command: &TermsCommand) -> Result<Exit, CommandError> {
    let ontology = read_ontology(&command.data_types, &command.recipients)?;
    match &command.verb {
        TermsVerb::Import(import) => import::import(import, &ontology, command.format),
        TermsVerb::Merge(merge) => import::merge(merge, &ontology, command.format),
        TermsVerb::Lint { file } => lint(file, &ontology, command.format),
        TermsVerb::Show { file } => show::show(file, &ontology, command.format),
        TermsVerb::Confirm(confirm) => confirm::confirm(confirm, &ontology),
        TermsVerb::Diff { old, new } => show::diff(old, new, &ontology, command.format),
        TermsVerb::Explain { data_type, recipient, terms } => {
            show::explain(data_type, recipient.as_deref(), terms, &ontology, command.format)
        }
        TermsVerb::Types => types(&ontology, command.format),
        TermsVerb::AppTypes => app_types::list(&ontology, command.format),
        TermsVerb::Schema => show::print_json(&crate::host::declared_terms::schema(&ontology)),
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
