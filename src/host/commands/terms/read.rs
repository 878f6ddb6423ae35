//! Reading what the commands are given.

use std::io::Read as _;
use std::path::Path;

use crate::host::commands::check::read_source;
use crate::host::commands::{CommandError, Exit};
use crate::host::declared_terms::DeclaredTerms;
use crate::host::declared_terms::import::LARGEST_DOCUMENT;
use crate::host::ontology::Ontology;
use crate::host::toml_source::Diagnostics;

/// Reads terms in the native form.
pub(super) fn native(path: &Path, ontology: &Ontology) -> Result<(DeclaredTerms, Diagnostics), CommandError> {
    let source = read_source(path, "terms")?;
    DeclaredTerms::parse(&source, ontology).map_err(|problems| {
        CommandError::new(Exit::BadData, format!("the terms {} cannot be used\n{problems}", source.name))
    })
}

/// Reads a document of any kind; `-` is standard input. Gives the name to call it by, and at most one byte more than an
/// importer takes, so that a file of any size is refused without being read.
pub(super) fn document(path: &Path) -> Result<(String, Vec<u8>), CommandError> {
    let is_stdin = path.as_os_str() == "-";
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let limit = u64::try_from(LARGEST_DOCUMENT).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = if is_stdin {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) => Ok((name, bytes)),
        Err(error) => Err(CommandError::new(Exit::NoInput, format!("cannot read {name}: {error}"))),
    }
}
