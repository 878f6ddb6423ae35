//! Why a document cannot be imported at all.

use thiserror::Error;

/// Why a document cannot be imported at all. What was merely not understood is listed with the statements instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImportError {
    /// Larger than any list.
    #[error(
        "{file}: it has more than the {limit} bytes that are read; save the page without the pictures and programs that \
         are built into it"
    )]
    TooLarge {
        /// The file, as the user named it.
        file: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// Neither text in a known encoding nor markup.
    #[error("{file}: byte {offset} begins no text in UTF-8, UTF-16 or GB 18030{hint}")]
    NotText {
        /// The file.
        file: String,
        /// Offset of the first byte that fits nothing, from 0.
        offset: usize,
        /// What it looks like, when that is known.
        hint: String,
    },
    /// A document without anything that looks like a list.
    #[error("{file}: {what}")]
    NoList {
        /// The file.
        file: String,
        /// What was looked for, and the way out.
        what: String,
    },
    /// A package of an app that cannot be read.
    #[error("{file}, {at}: {what}")]
    BadPackage {
        /// The file.
        file: String,
        /// The place in it.
        at: String,
        /// What is wrong, and the way out where there is one.
        what: String,
    },
    /// Terms of another app than was asked for.
    #[error("{file}, {at}: the document is about {found}, and --package says {wanted}")]
    OtherPackage {
        /// The file.
        file: String,
        /// The place.
        at: String,
        /// The package that the document names.
        found: String,
        /// The package that was asked for.
        wanted: String,
    },
    /// A table that is not of the form that was promised.
    #[error("{file}, line {line}: {what}")]
    NotTheForm {
        /// The file.
        file: String,
        /// Line, from 1.
        line: u64,
        /// What is wrong, and the way out.
        what: String,
    },
}
