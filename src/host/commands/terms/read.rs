//! Reading what the commands are given.

use std::io::{BufReader, Cursor, Read, Seek};
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

/// A file, or what came from standard input.
pub(super) trait Seekable: Read + Seek {}

impl<T: Read + Seek> Seekable for T {}

/// From standard input at most so much is taken, because it has to be held in memory. Files of any size are read in place.
const LARGEST_INPUT: u64 = 512 << 20;

/// Opens a file that is read in places, such as an archive; `-` is standard input. Gives the name to call it by.
pub(super) fn seekable(path: &Path) -> Result<(String, Box<dyn Seekable>), CommandError> {
    let is_stdin = path.as_os_str() == "-";
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let failed = |error: std::io::Error| CommandError::new(Exit::NoInput, format!("cannot read {name}: {error}"));
    if !is_stdin {
        let file = std::fs::File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(CommandError::new(Exit::NoInput, format!("cannot read {name}: it is a directory")));
        }
        return Ok((name, Box::new(BufReader::new(file))));
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(LARGEST_INPUT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST_INPUT {
        let message =
            format!("standard input has more than the {LARGEST_INPUT} bytes that are taken: give the file's name");
        return Err(CommandError::new(Exit::BadData, message));
    }
    Ok((name, Box::new(Cursor::new(bytes))))
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
        std::fs::File::open(path).and_then(|file| {
            // Room for all of it at once: growing leaves behind what it grew out of.
            let length = file.metadata()?.len().min(limit);
            bytes.try_reserve(usize::try_from(length).unwrap_or(0).saturating_add(1))?;
            file.take(limit).read_to_end(&mut bytes)
        })
    };
    match read {
        Ok(_) => Ok((name, bytes)),
        Err(error) => Err(CommandError::new(Exit::NoInput, format!("cannot read {name}: {error}"))),
    }
}
