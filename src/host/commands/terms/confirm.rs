//! `candor terms confirm`: drafts that a person has read become statements.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use super::import::write;
use crate::host::commands::check::read_source;
use crate::host::commands::terminal::say;
use crate::host::commands::{CommandError, Exit};
use crate::host::declared_terms::DeclaredTerms;
use crate::host::ontology::Ontology;
use crate::host::toml_source::SourceFile;

/// `candor terms confirm`.
#[derive(Debug, Args)]
pub(super) struct ConfirmCommand {
    /// The terms
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Lines in which the drafts to confirm begin; `candor terms show` and findings name them
    #[arg(value_name = "LINE", required_unless_present = "all")]
    lines: Vec<u32>,
    /// Confirm every draft of the file
    #[arg(long, conflicts_with = "lines")]
    all: bool,
    /// Write the terms to this file instead of changing the one that was read
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn confirm(command: &ConfirmCommand, ontology: &Ontology) -> Result<Exit, CommandError> {
    let source = read_source(&command.file, "terms")?;
    let terms = read(&source, ontology)?;
    let drafts: BTreeSet<u32> = terms.drafts().map(|draft| draft.place.line).collect();
    let wanted: BTreeSet<u32> = if command.all { drafts.clone() } else { command.lines.iter().copied().collect() };
    if let Some(line) = wanted.iter().find(|line| !drafts.contains(line)) {
        let known: Vec<String> = drafts.iter().take(10).map(u32::to_string).collect();
        let known = if known.is_empty() {
            "it has no drafts".to_owned()
        } else {
            format!("drafts begin in {}", known.join(", "))
        };
        let message = format!("no draft of {} begins in line {line}; {known}", source.name);
        return Err(CommandError::new(Exit::Usage, message));
    }
    let text = without_marks(&source.text, &wanted);
    // The text was changed line by line; what came of it is compared with what was meant before anything is written.
    let name = command.output.as_ref().unwrap_or(&command.file).display().to_string();
    let confirmed = read(&SourceFile::new(name, text.as_str()), ontology)?;
    let left = drafts.len().saturating_sub(wanted.len());
    if confirmed.drafts().count() != left || confirmed.statements.len() != terms.statements.len() {
        let message = format!(
            "{}: \"draft = true\" does not stand on a line of its own in every one of these drafts; take it out by hand",
            source.name
        );
        return Err(CommandError::new(Exit::BadData, message));
    }
    write(Some(command.output.as_deref().unwrap_or(&command.file)), &text)?;
    say(format!("{} drafts confirmed, {left} left in {}", wanted.len(), confirmed.file));
    Ok(Exit::Ok)
}

fn read(source: &SourceFile, ontology: &Ontology) -> Result<DeclaredTerms, CommandError> {
    DeclaredTerms::parse(source, ontology).map(|(terms, _)| terms).map_err(|problems| {
        CommandError::new(
            Exit::BadData,
            format!("the terms {} cannot be used; nothing was written\n{problems}", source.name),
        )
    })
}

/// The text without the mark of the drafts that begin in these lines. Everything else stays as it is, comments too.
fn without_marks(text: &str, wanted: &BTreeSet<u32>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut confirming = false;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        if line.trim_start().starts_with('[') {
            confirming = wanted.contains(&number);
        }
        let compact: String = line.chars().filter(|character| !character.is_whitespace()).collect();
        let is_mark = compact == "draft=true" || compact.starts_with("draft=true#");
        if confirming && is_mark {
            continue;
        }
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_marks_of_the_wanted_drafts_go() {
        let text = "[app]\npackage = \"a.b\"\n# mine\n[[collect]]\ndraft = true # see 3\ndata_types = [\"sms\"]\n\n[[collect]]\n draft=true\ndata_types = [\"contacts\"]\n";
        assert_eq!(
            without_marks(text, &BTreeSet::from([4])),
            "[app]\npackage = \"a.b\"\n# mine\n[[collect]]\ndata_types = [\"sms\"]\n\n[[collect]]\n draft=true\ndata_types = [\"contacts\"]\n"
        );
        assert_eq!(without_marks(text, &BTreeSet::from([8])).matches("draft").count(), 1);
        assert_eq!(without_marks(text, &BTreeSet::new()), text);
    }
}
