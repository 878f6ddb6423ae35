//! Declared terms in the forms they really come in, to statements with the place where each was said.
//!
//! * **In:** the bytes of a document: the two lists that apps publish in China as HTML or text
//!   ([`two_lists`]), an APK or a manifest ([`apk`()]), the export of the Google Play Data safety form ([`data_safety`]), or a policy in running text
//!   ([`policy`()]), which gives drafts only. **Out:** [`Imported`]:
//!   statements, and everything that was not understood.
//! * **May import:** `host::declared_terms`, `host::ontology`; no file and no clock.
//! * **Test it:** `cargo test host::declared_terms::import`, and `cargo test --test terms_corpus`, which measures.
//!
//! `docs/HOW-TO-ADD-A-TERMS-IMPORTER.md` leads through it.

mod apk;
mod blocks;
mod columns;
mod data;
mod data_safety;
mod error;
mod headings;
mod html;
mod labels;
mod lists;
mod plain;
mod policy;
mod text;
mod words;

pub use apk::apk;
pub use data_safety::data_safety;
pub use error::ImportError;
pub use policy::policy;
pub use text::LARGEST_DOCUMENT;

use super::{Manifest, MayAccess, NotUnderstood, NotUnderstoodReason, Statement};
use crate::host::ontology::Ontology;

/// What was read from a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The document, as the user named it.
    pub file: String,
    /// The package that the document says it is about.
    pub package: Option<String>,
    /// The name of the app, when the document is one of the app itself.
    pub name: Option<String>,
    /// The version of the app, likewise.
    pub version: Option<String>,
    /// What it says.
    pub statements: Vec<Statement>,
    /// What was not understood, in the order of the document.
    pub not_understood: Vec<NotUnderstood>,
    /// What permissions open.
    pub may_access: Vec<MayAccess>,
    /// What an app's manifest says besides.
    pub manifest: Option<Manifest>,
    /// What people should know of how it was read.
    pub notes: Vec<String>,
}

impl Imported {
    /// What a document says that is none of an app itself.
    fn of(file: &str, package: Option<String>, statements: Vec<Statement>, not_understood: Vec<NotUnderstood>) -> Self {
        Self {
            file: file.to_owned(),
            package,
            name: None,
            version: None,
            statements,
            not_understood,
            may_access: Vec::new(),
            manifest: None,
            notes: Vec::new(),
        }
    }

    /// Whether a part that should have become statements did not.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.not_understood.iter().any(|entry| entry.reason.is_failure())
    }
}

/// What to know of a document from which nothing came because all of it is about another system.
const OTHER_SYSTEM_ONLY: &str = "everything in it is said of another system than Android: no statement was made; import the document of the Android app";

/// Reads lists of what an app collects and with whom it shares it: HTML, plain text or Markdown.
///
/// `package` is the package that the terms are to be of.
///
/// # Errors
///
/// When the document is no text, has no list in it, or says that it is about another package.
pub fn two_lists(
    file: &str,
    bytes: &[u8],
    ontology: &Ontology,
    package: Option<&str>,
) -> Result<Imported, ImportError> {
    let decoded = text::decode(file, bytes)?;
    let is_html = html::looks_like_html(&decoded.text);
    let blocks = if is_html { html::read(&decoded.text) } else { plain::read(&decoded.text) };
    let no_list = |what: &str| Err(ImportError::NoList { file: file.to_owned(), what: what.to_owned() });
    if blocks.is_empty() {
        return no_list(match (is_html, decoded.text.trim().is_empty()) {
            (_, true) => "the file is empty",
            (true, _) => {
                "the page has no text of its own: it is built by a script; save it from a browser after it has been shown"
            }
            (false, _) => "there is no text in it",
        });
    }
    let found = lists::read(file, &blocks, ontology);
    if let (Some((named, at)), Some(wanted)) = (&found.package, package)
        && named != wanted
    {
        let (found, wanted) = (named.clone(), wanted.to_owned());
        return Err(ImportError::OtherPackage { file: file.to_owned(), at: at.clone(), found, wanted });
    }
    let other = found.not_understood.iter().filter(|entry| entry.reason == NotUnderstoodReason::OtherSystem).count();
    let only_prose = found.not_understood.iter().all(|entry| entry.reason == NotUnderstoodReason::Prose);
    if found.statements.is_empty() && other == 0 && only_prose {
        return no_list(if found.tables > 0 {
            "its tables have no rows that say what is collected or shared; if a script fills them, save the page from a \
             browser after it has been shown"
        } else {
            "nothing in it looks like a list of what is collected or shared: neither a table with known heads nor lines \
             such as \"SDK名称：…\""
        });
    }
    let mut notes = decoded.notes;
    if found.statements.is_empty() && other > 0 {
        notes.push(OTHER_SYSTEM_ONLY.to_owned());
    } else if found.tells_systems {
        notes.push(format!(
            "the document tells systems apart: what is said of Android or of all was taken, and {other} parts of others \
             were left out"
        ));
    }
    if !found.unknown_parties.is_empty() {
        notes.push(format!(
            "{} third parties are not in the recipients' table, so that contact with them cannot be recognised until \
             domains are given: {}",
            found.unknown_parties.len(),
            found.unknown_parties.join(", ")
        ));
    }
    let package = found.package.map(|(package, _)| package);
    Ok(Imported { notes, ..Imported::of(file, package, found.statements, found.not_understood) })
}
