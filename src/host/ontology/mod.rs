//! What kinds of personal data there are and what on the device tells that one was read; who stands behind a domain.
//!
//! * **In:** `data/data_types.toml` and `data/recipients.toml`, built into the program, and files of the user's in the
//!   same form. **Out:** [`Ontology`].
//! * **May import:** `host::toml_source`.
//! * **Test it:** `cargo test host::ontology`; the tests lint both files.

mod data_types;
mod domain;
mod recipients;

pub use data_types::{DataType, DataTypes, TypeId};
pub use domain::{Domain, DomainError, suffix_covers};
pub use recipients::{Purpose, Recipient, RecipientId, Recipients};

use super::toml_source::{Diagnostics, SourceFile};

/// The name that messages give to the built-in table of data types.
pub const BUILT_IN_DATA_TYPES: &str = "data/data_types.toml (built in)";
/// The name that messages give to the built-in table of recipients.
pub const BUILT_IN_RECIPIENTS: &str = "data/recipients.toml (built in)";

/// Data types and recipients.
#[derive(Debug)]
pub struct Ontology {
    /// Kinds of personal data.
    pub data_types: DataTypes,
    /// Owners of domains and addresses.
    pub recipients: Recipients,
}

impl Ontology {
    /// The built-in tables alone.
    ///
    /// # Errors
    ///
    /// Never, as long as the tests pass: they lint the built-in tables.
    pub fn built_in() -> Result<Self, Diagnostics> {
        Self::with(&[], &[])
    }

    /// The built-in tables with files of the user's added. An entry with the id of a built-in one is an error; a domain
    /// listed by the user's file and by the built-in table belongs to the user's entry.
    ///
    /// # Errors
    ///
    /// Every problem of all the files.
    pub fn with(data_types: &[SourceFile], recipients: &[SourceFile]) -> Result<Self, Diagnostics> {
        let mut problems = Diagnostics::default();
        let mut type_sources =
            vec![SourceFile::new(BUILT_IN_DATA_TYPES, include_str!("../../../data/data_types.toml"))];
        type_sources.extend_from_slice(data_types);
        let mut recipient_sources =
            vec![SourceFile::new(BUILT_IN_RECIPIENTS, include_str!("../../../data/recipients.toml"))];
        recipient_sources.extend_from_slice(recipients);
        let data_types = DataTypes::load(&type_sources, &mut problems);
        let recipients = Recipients::load(&recipient_sources, &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        Ok(Self { data_types, recipients })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_tables_pass_their_lint() {
        let ontology = Ontology::built_in().unwrap_or_else(|problems| panic!("{problems}"));
        assert!(ontology.data_types.iter().count() > 40);
        assert!(ontology.recipients.iter().count() > 100);
    }

    #[test]
    fn no_line_of_the_tables_names_a_list_without_a_source() {
        for text in [include_str!("../../../data/data_types.toml"), include_str!("../../../data/recipients.toml")] {
            let sources = text.lines().filter(|line| line.starts_with("source = ")).count();
            let entries = text.lines().filter(|line| matches!(*line, "[[data_type]]" | "[[recipient]]")).count();
            assert_eq!(sources, entries);
        }
    }
}
