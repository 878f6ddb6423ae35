//! `candor terms app-types`: the types of apps that terms can name.

use std::io::Write as _;

use serde::Serialize;

use super::show::print_json;
use crate::host::commands::check::ReportFormat;
use crate::host::commands::terminal::{FAINT, output_error, stdout};
use crate::host::commands::{CommandError, Exit};
use crate::host::ontology::Ontology;

/// What only a part of the basic function needs.
#[derive(Serialize)]
struct Part<'a> {
    data_type: &'a str,
    when: &'a str,
}

/// A type as programs read it.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    number: u32,
    name_en: &'a str,
    name_zh: &'a str,
    necessary: Vec<&'a str>,
    for_a_part: Vec<Part<'a>>,
    also: &'a [String],
    checked: bool,
    source: &'a str,
}

pub(super) fn list(ontology: &Ontology, format: ReportFormat) -> Result<Exit, CommandError> {
    let id_of = |id| ontology.data_types.id_of(id);
    let rows: Vec<Row<'_>> = ontology
        .app_types
        .iter()
        .map(|entry| Row {
            id: &entry.id,
            number: entry.number,
            name_en: &entry.name_en,
            name_zh: &entry.name_zh,
            necessary: entry.necessary.iter().map(|id| id_of(*id)).collect(),
            for_a_part: entry.for_a_part.iter().map(|(id, when)| Part { data_type: id_of(*id), when }).collect(),
            also: &entry.also,
            checked: entry.checked,
            source: &entry.source,
        })
        .collect();
    if format == ReportFormat::Json {
        return print_json(&rows);
    }
    let mut out = stdout();
    let mut print = || -> std::io::Result<()> {
        for row in &rows {
            writeln!(out, "{:<22} {}  {}", row.id, row.name_en, row.name_zh)?;
            let parts = row.for_a_part.iter().map(|part| format!("{} ({})", part.data_type, part.when));
            let needs: Vec<String> = row.necessary.iter().map(|id| (*id).to_owned()).chain(parts).collect();
            let needs = if needs.is_empty() { "no personal information".to_owned() } else { needs.join(", ") };
            let doubt = if row.checked { "" } else { "; not yet compared with the text of the rule" };
            writeln!(out, "{:<22} {FAINT}needs {needs}{doubt}{FAINT:#}", "")?;
        }
        out.flush()
    };
    print().map_err(output_error)?;
    Ok(Exit::Ok)
}
