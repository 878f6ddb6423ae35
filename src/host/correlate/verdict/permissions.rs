//! Permissions that open personal data, beside what the terms declare and what the run did.

use schemars::JsonSchema;
use serde::Serialize;

use super::finding::{DataTypeName, StatementRef};
use crate::host::declared_terms::Provenance;

/// A permission that the manifest asks for. Asking is no collection: an app may never use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PermissionAccess {
    /// The permission.
    pub permission: String,
    /// Only on devices up to this API level; absent: on all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sdk: Option<u32>,
    /// Where the terms took it from the manifest.
    pub place: Provenance,
    /// The personal data that it opens.
    pub opens: Vec<OpenedData>,
}

/// A data type that a permission opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OpenedData {
    /// The data type.
    pub data_type: DataTypeName,
    /// `declared` when a statement names it, or a broader or a narrower type; `denied` when a statement says that it is not
    /// collected; else `undeclared`.
    pub standing: &'static str,
    /// That statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementRef>,
    /// How often the run read it, or a narrower type, by whatever way.
    pub reads: u64,
}
