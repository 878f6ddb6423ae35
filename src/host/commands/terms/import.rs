//! `candor terms import` and `candor terms merge`: terms made from documents and from each other.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::read;
use super::show::{self, AccessRow, StatementRow};
use crate::host::commands::check::ReportFormat;
use crate::host::commands::terminal::{BAD, FAINT, WARN, harmless, output_error, say, stdout};
use crate::host::commands::{CommandError, Exit};
use crate::host::declared_terms::import::{self, ImportError, Imported};
use crate::host::declared_terms::{
    Confidence, DeclaredTerms, Head, Manifest, MayAccess, NotUnderstood, NotUnderstoodReason, Origin, Statement,
    is_package_name, to_toml,
};
use crate::host::ontology::Ontology;
use crate::host::toml_source::SourceFile;

/// A form that terms come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// What is collected and with whom it is shared, or a list of SDKs: HTML, plain text or Markdown
    TwoLists,
    /// The CSV export of the Google Play Data safety form
    DataSafety,
    /// An APK, or an AndroidManifest.xml, compiled or not: what may be accessed; it declares no collection
    Apk,
    /// A privacy policy in running text, Chinese or English: HTML, Markdown or plain text. Gives drafts to confirm
    Policy,
}

/// `candor terms import`.
#[derive(Debug, Args)]
pub(super) struct ImportCommand {
    /// The form of the document
    #[arg(value_enum, value_name = "FORM")]
    form: Form,
    /// The document; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Package name of the app; needed where the document does not tell it
    #[arg(long, value_name = "NAME")]
    package: Option<String>,
    /// The name that people know the app by
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Write the terms to this file instead of printing them
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// `candor terms merge`.
#[derive(Debug, Args)]
pub(super) struct MergeCommand {
    /// Terms of one app, in the native form
    #[arg(value_name = "FILE", required = true, num_args = 2..)]
    files: Vec<PathBuf>,
    /// Write the terms to this file instead of printing them
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn refused(error: &ImportError) -> CommandError {
    CommandError::new(Exit::BadData, error.to_string())
}

/// What `--format json` prints.
#[derive(serde::Serialize)]
struct Report<'a> {
    schema: &'static str,
    package: &'a str,
    partial: bool,
    statements: Vec<StatementRow<'a>>,
    not_understood: &'a [NotUnderstood],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    may_access: Vec<AccessRow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<&'a Manifest>,
    notes: &'a [String],
}

pub(super) fn import(command: &ImportCommand, ontology: &Ontology, format: ReportFormat) -> Result<Exit, CommandError> {
    let wanted = command.package.as_deref();
    let imported = if command.form == Form::Apk {
        let (name, reader) = read::seekable(&command.file)?;
        import::apk(&name, reader, ontology, wanted)
    } else {
        let (name, bytes) = read::document(&command.file)?;
        match command.form {
            Form::DataSafety => import::data_safety(&name, &bytes, ontology),
            Form::Policy => import::policy(&name, &bytes, ontology),
            Form::TwoLists | Form::Apk => import::two_lists(&name, &bytes, ontology, wanted),
        }
    }
    .map_err(|error| refused(&error))?;
    let name = &imported.file;
    let package = wanted.or(imported.package.as_deref()).ok_or_else(|| {
        CommandError::new(Exit::Usage, format!("{name} does not say which app it is about: give --package NAME"))
    })?;
    if !is_package_name(package) {
        let message = format!("{package:?} is not a package name: give --package NAME, such as com.example.shop");
        return Err(CommandError::new(Exit::Usage, message));
    }
    tell(&imported);
    let mut remarks = vec![format!("Imported from {name}. What was not understood comes first.")];
    remarks.extend(imported.notes.iter().cloned());
    let head = Head {
        package,
        name: command.name.as_deref().or(imported.name.as_deref()),
        version: imported.version.as_deref(),
        remarks: &remarks,
        may_access: &imported.may_access,
        manifest: imported.manifest.as_ref(),
        ..Head::default()
    };
    match format {
        ReportFormat::Text => {
            let text = to_toml(&head, &imported.statements, &imported.not_understood, ontology);
            write(command.output.as_deref(), &text)?;
        }
        ReportFormat::Json => {
            let report = Report {
                schema: "candor.terms-import/1",
                package,
                partial: imported.is_partial(),
                statements: imported.statements.iter().map(|said| StatementRow::new(said, ontology)).collect(),
                not_understood: &imported.not_understood,
                may_access: imported.may_access.iter().map(|access| AccessRow::new(access, ontology)).collect(),
                manifest: imported.manifest.as_ref(),
                notes: &imported.notes,
            };
            let text = serde_json::to_string_pretty(&report)
                .map_err(|error| CommandError::new(Exit::Internal, error.to_string()))?;
            write(command.output.as_deref(), &format!("{text}\n"))?;
        }
    }
    Ok(if imported.is_partial() { Exit::CannotTell } else { Exit::Ok })
}

/// Says on standard error what was read and what was not.
fn tell(imported: &Imported) {
    let file = harmless(&imported.file);
    let failures: Vec<&NotUnderstood> =
        imported.not_understood.iter().filter(|entry| entry.reason.is_failure()).collect();
    let aside = imported.not_understood.len() - failures.len();
    let statements = imported.statements.len();
    let made = match &imported.manifest {
        Some(manifest) => format!(
            "{} permissions, {} components, {} of them exported",
            imported.may_access.len(),
            manifest.components.len(),
            manifest.components.iter().filter(|component| component.exported).count()
        ),
        None => format!("{statements} statements"),
    };
    say(format!("{file}: {made}; {} parts not understood, {aside} left aside", failures.len()));
    for note in &imported.notes {
        say(format!("{FAINT}note: {}{FAINT:#}", harmless(note)));
    }
    for entry in failures {
        let (at, wording) = (harmless(&entry.at), harmless(&entry.wording));
        say(format!("{WARN}not understood{WARN:#} {file}, {at}: {wording} ({})", entry.reason.about()));
    }
}

pub(super) fn write(output: Option<&Path>, text: &str) -> Result<(), CommandError> {
    match output {
        Some(path) => std::fs::write(path, text).map_err(|error| {
            CommandError::new(Exit::CannotCreate, format!("cannot write {}: {error}", path.display()))
        }),
        None => {
            let mut out = stdout();
            out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(output_error)
        }
    }
}

/// Whether two statements say the same, wherever they say it.
fn same(left: &Statement, right: &Statement) -> bool {
    let right_here = Statement { place: left.place.clone(), ..right.clone() };
    *left == right_here
}

pub(super) fn merge(command: &MergeCommand, ontology: &Ontology, format: ReportFormat) -> Result<Exit, CommandError> {
    let mut files = Vec::new();
    for path in &command.files {
        files.push(read::native(path, ontology)?.0);
    }
    let Some(first) = files.first() else {
        return Err(CommandError::new(Exit::Usage, "give the files to merge"));
    };
    if let Some(other) = files.iter().find(|terms| terms.app.package != first.app.package) {
        let message = format!(
            "{} is of {}, and {} is of {}: terms of different apps do not go together",
            first.file, first.app.package, other.file, other.app.package
        );
        return Err(CommandError::new(Exit::BadData, message));
    }
    let mut statements: Vec<Statement> = Vec::new();
    let mut not_understood: Vec<NotUnderstood> = Vec::new();
    let mut domains = Vec::new();
    let mut may_access: Vec<MayAccess> = Vec::new();
    let mut repeated = 0_usize;
    for terms in &files {
        for statement in &terms.statements {
            if statements.iter().any(|known| same(known, statement)) {
                repeated += 1;
                continue;
            }
            statements.push(with_origin(statement, ontology));
        }
        for entry in &terms.not_understood {
            if !not_understood.contains(entry) {
                not_understood.push(entry.clone());
            }
        }
        for access in &terms.may_access {
            let same = |known: &MayAccess| known.permission == access.permission && known.max_sdk == access.max_sdk;
            if !may_access.iter().any(same) {
                may_access.push(access.clone());
            }
        }
        for domain in &terms.app.first_party_domains {
            if !domains.contains(domain) {
                domains.push(domain.clone());
            }
        }
    }
    let manifests: Vec<(&str, &Manifest)> =
        files.iter().filter_map(|terms| Some((terms.file.as_str(), terms.manifest.as_ref()?))).collect();
    for (file, _) in manifests.iter().skip(1) {
        say(format!("{WARN}a second manifest{WARN:#}: that of {} was left out", harmless(file)));
    }
    let told = |value: fn(&DeclaredTerms) -> &str| files.iter().map(value).find(|value| !value.is_empty());
    let remarks =
        [format!("Merged from {}.", files.iter().map(|terms| terms.file.as_str()).collect::<Vec<_>>().join(", "))];
    let head = Head {
        package: &first.app.package,
        name: files.iter().map(|terms| terms.app.name.as_str()).find(|name| *name != first.app.package),
        kind: told(|terms| &terms.app.kind),
        app_type: files
            .iter()
            .find_map(|terms| ontology.app_types.get(terms.app.app_type?))
            .map(|app_type| app_type.id.as_str()),
        version: told(|terms| &terms.app.version),
        first_party_domains: &domains,
        remarks: &remarks,
        may_access: &may_access,
        manifest: manifests.first().map(|(_, manifest)| *manifest),
    };
    let text = to_toml(&head, &statements, &not_understood, ontology);
    say(format!("{} statements from {} files; {repeated} said twice", statements.len(), files.len()));
    match format {
        ReportFormat::Text => write(command.output.as_deref(), &text)?,
        ReportFormat::Json => {
            let rows: Vec<StatementRow<'_>> = statements.iter().map(|said| StatementRow::new(said, ontology)).collect();
            show::print_json(&rows)?;
        }
    }
    // What each file says by itself was fine; together they can contradict each other.
    let name = command.output.as_ref().map_or_else(|| "the merged terms".to_owned(), |path| path.display().to_string());
    match DeclaredTerms::parse(&SourceFile::new(name, text), ontology) {
        Ok(_) if not_understood.iter().any(|entry| entry.reason.is_failure()) => Ok(Exit::CannotTell),
        Ok(_) => Ok(Exit::Ok),
        Err(problems) => {
            say(format!("{BAD}the files contradict each other{BAD:#}\n{problems}"));
            Ok(Exit::CannotTell)
        }
    }
}

/// A statement written by hand keeps the place where it was written.
fn with_origin(statement: &Statement, ontology: &Ontology) -> Statement {
    let mut statement = statement.clone();
    if statement.place.origin.is_none() {
        let types = statement.data_types.iter().map(|id| ontology.data_types.id_of(*id)).collect::<Vec<_>>().join(", ");
        let party = statement.third_party().map(|party| party.name.as_str()).unwrap_or_default();
        let wording = format!("[[{}]] {party} {types}", statement.act);
        let line = statement.place.line.max(1);
        statement.place.origin = Some(Box::new(Origin {
            file: statement.place.file.clone(),
            at: format!("line {line}"),
            line: Some(line),
            wording: wording.split_whitespace().collect::<Vec<_>>().join(" "),
            confidence: Confidence::Structured,
        }));
    }
    statement
}

/// How many parts of each kind were not understood, for people.
pub(super) fn counts(entries: &[NotUnderstood]) -> Vec<(NotUnderstoodReason, usize)> {
    let count = |reason: &NotUnderstoodReason| entries.iter().filter(|entry| entry.reason == *reason).count();
    NotUnderstoodReason::ALL.iter().map(|reason| (*reason, count(reason))).filter(|(_, count)| *count > 0).collect()
}
