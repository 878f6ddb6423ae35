//! `candor terms show`, `diff` and `explain`: what terms say, for people and programs.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::{import, read};
use crate::host::commands::check::ReportFormat;
use crate::host::commands::terminal::{FAINT, STRONG, WARN, harmless, output_error, stdout};
use crate::host::commands::{CommandError, Exit};
use crate::host::declared_terms::{
    self, Act, Asked, Bearing, Claim, DeclaredTerms, Differences, DisclosureVerdict, Manifest, MayAccess,
    NotUnderstood, Provenance, Statement, Subject,
};
use crate::host::ontology::{DataName, Ontology, name_key};
use crate::host::toml_source::suggest;

/// A statement as programs read it.
#[derive(Serialize)]
pub(super) struct StatementRow<'a> {
    act: Act,
    /// `app`, or the third party that collects.
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<&'a str>,
    data_types: Vec<&'a str>,
    purposes: &'a [String],
    scenes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    optional: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ephemeral: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    draft: bool,
    place: &'a Provenance,
}

impl<'a> StatementRow<'a> {
    pub(super) fn new(statement: &'a Statement, ontology: &'a Ontology) -> Self {
        Self {
            act: statement.act,
            subject: match &statement.subject {
                Subject::App => "app",
                Subject::ThirdParty(party) => &party.name,
            },
            recipient: statement.recipient.as_ref().map(|party| party.name.as_str()),
            data_types: statement.data_types.iter().map(|id| ontology.data_types.id_of(*id)).collect(),
            purposes: &statement.purposes,
            scenes: &statement.scenes,
            method: statement.method.as_deref(),
            retention: statement.retention.as_deref(),
            optional: statement.optional,
            ephemeral: statement.ephemeral,
            draft: statement.draft,
            place: &statement.place,
        }
    }
}

/// What a permission opens, as programs read it.
#[derive(Serialize)]
pub(super) struct AccessRow<'a> {
    #[serde(flatten)]
    access: &'a MayAccess,
    data_types: Vec<&'a str>,
}

impl<'a> AccessRow<'a> {
    pub(super) fn new(access: &'a MayAccess, ontology: &'a Ontology) -> Self {
        Self { access, data_types: access.data_types.iter().map(|id| ontology.data_types.id_of(*id)).collect() }
    }
}

/// Prints a value as JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<Exit, CommandError> {
    let mut out = stdout();
    serde_json::to_writer_pretty(&mut out, value).map_err(|error| output_error(error.into()))?;
    writeln!(out).and_then(|()| out.flush()).map_err(output_error)?;
    Ok(Exit::Ok)
}

/// What `show --format json` prints.
#[derive(Serialize)]
struct Shown<'a> {
    schema: &'static str,
    package: &'a str,
    not_understood: &'a [NotUnderstood],
    statements: Vec<StatementRow<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    may_access: Vec<AccessRow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<&'a Manifest>,
}

pub(super) fn show(file: &Path, ontology: &Ontology, format: ReportFormat) -> Result<Exit, CommandError> {
    let (terms, _) = read::native(file, ontology)?;
    if format == ReportFormat::Json {
        return print_json(&Shown {
            schema: "candor.terms/1",
            package: &terms.app.package,
            not_understood: &terms.not_understood,
            statements: terms.statements.iter().map(|said| StatementRow::new(said, ontology)).collect(),
            may_access: terms.may_access.iter().map(|access| AccessRow::new(access, ontology)).collect(),
            manifest: terms.manifest.as_ref(),
        });
    }
    let mut out = stdout();
    let mut print = || -> std::io::Result<()> {
        writeln!(out, "{STRONG}{}{STRONG:#} ({})", harmless(&terms.app.name), harmless(&terms.app.package))?;
        if terms.not_understood.is_empty() {
            writeln!(out, "\nNothing was left as not understood.")?;
        }
        for (reason, count) in import::counts(&terms.not_understood) {
            writeln!(out, "\n{WARN}Not understood{WARN:#}: {count}, {}", reason.about())?;
            for entry in terms.not_understood.iter().filter(|entry| entry.reason == reason) {
                writeln!(
                    out,
                    "  {}  {FAINT}{}, {}{FAINT:#}",
                    harmless(&entry.wording),
                    harmless(&entry.file),
                    harmless(&entry.at)
                )?;
            }
        }
        for act in Act::ALL {
            let of_act: Vec<&Statement> = terms.statements.iter().filter(|said| said.act == *act).collect();
            if of_act.is_empty() {
                continue;
            }
            writeln!(out, "\n{STRONG}{}{STRONG:#}", heading(*act))?;
            for statement in of_act {
                statement_lines(&mut out, statement, ontology)?;
            }
        }
        access_lines(&mut out, &terms, ontology)?;
        out.flush()
    };
    print().map_err(output_error)?;
    Ok(Exit::Ok)
}

/// What permissions open and what the manifest says: what may be, set apart from what is said to be.
fn access_lines(out: &mut dyn Write, terms: &DeclaredTerms, ontology: &Ontology) -> std::io::Result<()> {
    if !terms.may_access.is_empty() {
        writeln!(out, "\n{STRONG}May be accessed{STRONG:#}, by permissions; no collection is declared by them")?;
    }
    let undeclared = terms.undeclared_access(ontology);
    for access in terms.may_access.iter().filter(|access| !access.data_types.is_empty()) {
        let ids: Vec<&str> = access.data_types.iter().map(|id| ontology.data_types.id_of(*id)).collect();
        let until = access.max_sdk.map(|level| format!(", up to API level {level}")).unwrap_or_default();
        writeln!(out, "  {}: {}{until}", harmless(&access.permission), ids.join(", "))?;
        if let Some(found) = undeclared.iter().find(|found| found.access == access) {
            writeln!(out, "      {WARN}{}{WARN:#}", harmless(&found.in_words(ontology)))?;
        }
    }
    let others: Vec<&str> = terms
        .may_access
        .iter()
        .filter(|access| access.data_types.is_empty())
        .map(|access| access.permission.rsplit('.').next().unwrap_or_default())
        .collect();
    if !others.is_empty() {
        writeln!(out, "  {FAINT}no data that is known: {}{FAINT:#}", harmless(&others.join(", ")))?;
    }
    let Some(manifest) = &terms.manifest else { return Ok(()) };
    writeln!(out, "\n{STRONG}Manifest{STRONG:#}")?;
    let level = |level: Option<u32>| level.map_or_else(|| "not said".to_owned(), |level| level.to_string());
    let code = manifest.version_code.map_or_else(|| "not said".to_owned(), |code| code.to_string());
    writeln!(
        out,
        "  version code {code}, API levels: lowest {}, made for {}",
        level(manifest.min_sdk),
        level(manifest.target_sdk)
    )?;
    for signer in &manifest.signers {
        writeln!(out, "  signed by certificate {}", harmless(signer))?;
    }
    for component in manifest.components.iter().filter(|component| component.exported) {
        let mut words = vec![format!("exported {} {}", component.kind.as_str().replace('_', " "), component.name)];
        words.extend((!component.authorities.is_empty()).then(|| format!("as {}", component.authorities.join(", "))));
        let guards = component.permissions.join(", ");
        words.push(if guards.is_empty() { "for any app".to_owned() } else { format!("for apps with {guards}") });
        writeln!(out, "  {}", harmless(&words.join(", ")))?;
    }
    for component in manifest.components.iter().filter(|component| !component.foreground_service_types.is_empty()) {
        let types = component.foreground_service_types.join(", ");
        writeln!(out, "  foreground service {}: {}", harmless(&component.name), harmless(&types))?;
    }
    for query in &manifest.queries {
        writeln!(out, "  asks to see {}", harmless(query))?;
    }
    Ok(())
}

fn heading(act: Act) -> &'static str {
    match act {
        Act::Collect => "Collected",
        Act::Share => "Shared",
        Act::NotCollect => "Said not to be collected",
        Act::NotShare => "Said not to be shared",
    }
}

fn statement_lines(out: &mut dyn Write, statement: &Statement, ontology: &Ontology) -> std::io::Result<()> {
    let types: Vec<String> = statement
        .data_types
        .iter()
        .filter_map(|id| ontology.data_types.get(*id))
        .map(|entry| format!("{} ({})", entry.id, entry.name_zh))
        .collect();
    let whose = match (&statement.subject, &statement.recipient) {
        (Subject::ThirdParty(party), _) => format!("by {}", party.name),
        (Subject::App, Some(party)) if !party.name.is_empty() => format!("with {}", party.name),
        (Subject::App, Some(party)) => {
            format!("with {}", party.domains.iter().map(|domain| domain.as_str()).collect::<Vec<_>>().join(", "))
        }
        (Subject::App, None) if statement.act == Act::Share => "with nobody named".to_owned(),
        (Subject::App, None) if statement.act == Act::NotShare => "with anybody".to_owned(),
        (Subject::App, None) => "by the app".to_owned(),
    };
    let types = if types.is_empty() { "no data type named".to_owned() } else { types.join(", ") };
    let mark = if statement.draft { "draft, not confirmed: " } else { "" };
    writeln!(out, "  {WARN}{mark}{WARN:#}{} {}", harmless(&whose), types)?;
    let mut conditions = Vec::new();
    for (what, words) in [("for", &statement.purposes), ("when", &statement.scenes)] {
        if !words.is_empty() {
            conditions.push(format!("{what}: {}", words.join("; ")));
        }
    }
    for (what, words) in [("how", &statement.method), ("kept", &statement.retention)] {
        conditions.extend(words.as_ref().map(|words| format!("{what}: {words}")));
    }
    let timing = statement.timing.in_words();
    conditions.extend((!timing.is_empty()).then_some(timing));
    if !conditions.is_empty() {
        writeln!(out, "      {}", harmless(&conditions.join("   ")))?;
    }
    place_line(out, &statement.place)
}

fn place_line(out: &mut dyn Write, place: &Provenance) -> std::io::Result<()> {
    match &place.origin {
        Some(origin) => writeln!(
            out,
            "      {FAINT}\u{201c}{}\u{201d}  {}, {} ({}){FAINT:#}",
            harmless(&origin.wording),
            harmless(&origin.file),
            harmless(&origin.at),
            origin.confidence.as_str().replace('_', " ")
        ),
        None => writeln!(out, "      {FAINT}{}:{}{FAINT:#}", harmless(&place.file), place.line),
    }
}

/// What `diff --format json` prints.
#[derive(Serialize)]
struct Diffed<'a> {
    schema: &'static str,
    old: &'a str,
    new: &'a str,
    #[serde(flatten)]
    differences: &'a Differences,
}

fn in_words(claim: &Claim) -> String {
    let data = if claim.data_type.is_empty() { "(no data type named)" } else { &claim.data_type };
    let party = match (claim.act, claim.party.as_str()) {
        (_, "") => String::new(),
        (Act::Collect | Act::NotCollect, party) => format!(" by {party}"),
        (Act::Share | Act::NotShare, party) => format!(" with {party}"),
    };
    harmless(&format!("{} {data}{party}", claim.act))
}

pub(super) fn diff(old: &Path, new: &Path, ontology: &Ontology, format: ReportFormat) -> Result<Exit, CommandError> {
    let ((old, _), (new, _)) = (read::native(old, ontology)?, read::native(new, ontology)?);
    if old.app.package != new.app.package {
        let message = format!(
            "{} is of {}, and {} is of {}: only versions of one app's terms can be compared",
            old.file, old.app.package, new.file, new.app.package
        );
        return Err(CommandError::new(Exit::BadData, message));
    }
    let differences = declared_terms::differences(&old, &new, ontology);
    if format == ReportFormat::Json {
        let (old, new) = (old.file.as_str(), new.file.as_str());
        return print_json(&Diffed { schema: "candor.terms-diff/1", old, new, differences: &differences });
    }
    let mut out = stdout();
    let mut print = || -> std::io::Result<()> {
        for claim in &differences.added {
            writeln!(out, "+ {}", in_words(claim))?;
        }
        for claim in &differences.removed {
            writeln!(out, "- {}", in_words(claim))?;
        }
        for changed in &differences.changed {
            writeln!(out, "~ {}", in_words(&changed.claim))?;
            writeln!(out, "    was: {}", harmless(&changed.before.join(" | ")))?;
            writeln!(out, "    is:  {}", harmless(&changed.after.join(" | ")))?;
        }
        for (sign, permissions) in [('+', &differences.permissions_added), ('-', &differences.permissions_removed)] {
            for permission in permissions {
                writeln!(out, "{sign} permission {}", harmless(permission))?;
            }
        }
        writeln!(
            out,
            "{} added, {} removed, {} changed",
            differences.added.len(),
            differences.removed.len(),
            differences.changed.len()
        )?;
        out.flush()
    };
    print().map_err(output_error)?;
    Ok(Exit::Ok)
}

/// What `explain --format json` prints.
#[derive(Serialize)]
struct Explained<'a> {
    schema: &'static str,
    data_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<&'a str>,
    disclosure: DisclosureVerdict,
    statements: &'a [Bearing],
}

pub(super) fn explain(
    data_type: &str,
    recipient: Option<&str>,
    terms: &Path,
    ontology: &Ontology,
    format: ReportFormat,
) -> Result<Exit, CommandError> {
    let types = &ontology.data_types;
    let by_name = || match types.named(&name_key(data_type)) {
        Some(DataName::Type(id)) => Some(id),
        _ => None,
    };
    let Some(id) = types.find(data_type).or_else(by_name) else {
        let help = suggest(data_type, types.ids()).unwrap_or_else(|| "`candor terms types` lists them".to_owned());
        return Err(CommandError::new(Exit::Usage, format!("{data_type:?} is no data type; {help}")));
    };
    let (terms, _) = read::native(terms, ontology)?;
    let asked = recipient.map(|recipient| Asked::about(recipient, ontology));
    let (disclosure, bearings) = declared_terms::explain(&terms, id, asked.as_ref(), ontology);
    if format == ReportFormat::Json {
        let data_type = types.id_of(id);
        return print_json(&Explained {
            schema: "candor.terms-explain/1",
            data_type,
            recipient,
            disclosure,
            statements: &bearings,
        });
    }
    let mut out = stdout();
    let mut print = || -> std::io::Result<()> {
        let whom = recipient.map(|recipient| format!(" and {recipient}")).unwrap_or_default();
        writeln!(out, "{STRONG}{}{}{STRONG:#}: {}", types.id_of(id), harmless(&whom), disclosure.in_words())?;
        for bearing in &bearings {
            let claim = Claim { act: bearing.act, party: bearing.party.clone(), data_type: bearing.data_type.clone() };
            let broader = bearing.data_type != types.id_of(id) && !bearing.data_type.is_empty();
            let note = if broader { ", a broader term" } else { "" };
            writeln!(out, "  {}{note}", in_words(&claim))?;
            if !bearing.conditions.is_empty() {
                writeln!(out, "      {}", harmless(&bearing.conditions))?;
            }
            place_line(&mut out, &bearing.place)?;
        }
        out.flush()
    };
    print().map_err(output_error)?;
    Ok(Exit::Ok)
}
