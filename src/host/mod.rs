//! The host's side: from the wire to the verdict.
//!
//! [`commands`] is what a person calls, one file a verb; it is the only module that knows all the others.

pub mod client;
pub mod commands;
pub mod correlate;
pub mod declared_terms;
pub mod ontology;
pub mod recording;
pub mod report;
pub mod review;
pub mod toml_source;
