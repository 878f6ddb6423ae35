//! What an app's manifest lets it do. It declares no collection; it is set beside what the terms declare.

use serde::Serialize;

use super::model::{DeclaredTerms, Provenance, Statement};
use crate::host::ontology::{Ontology, TypeId};

/// Kinds of components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ComponentKind {
    /// A screen.
    Activity,
    /// Another name of a screen.
    ActivityAlias,
    /// Work without a screen.
    Service,
    /// A receiver of broadcasts.
    Receiver,
    /// A content provider.
    Provider,
}

impl ComponentKind {
    /// Every kind.
    pub const ALL: &'static [Self] =
        &[Self::Activity, Self::ActivityAlias, Self::Service, Self::Receiver, Self::Provider];

    /// The name in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::ActivityAlias => "activity_alias",
            Self::Service => "service",
            Self::Receiver => "receiver",
            Self::Provider => "provider",
        }
    }
}

/// A component of the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Component {
    /// What it is.
    pub kind: ComponentKind,
    /// Name of its class, with the package.
    pub name: String,
    /// Whether other apps can reach it: as the manifest says, or as Android takes it when the manifest does not.
    pub exported: bool,
    /// Permissions that it demands of whoever reaches it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// What a content provider answers to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<String>,
    /// What a service may do in the foreground, such as `location`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreground_service_types: Vec<String>,
}

/// The manifest of one version of the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Number of the version, with the upper half when there is one; `None` when the manifest has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_code: Option<u64>,
    /// The lowest API level that it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_sdk: Option<u32>,
    /// The API level that it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_sdk: Option<u32>,
    /// SHA-256 digests of the signers' certificates, in hexadecimal digits. Whether the signature is right was not looked at.
    pub signers: Vec<String>,
    /// Other apps that it asks to see: `package NAME`, `provider AUTHORITY`, `intent ACTION ...`.
    pub queries: Vec<String>,
    /// Its components.
    pub components: Vec<Component>,
    /// Where it was read.
    pub place: Provenance,
}

/// A permission that the app asks for, and what data it opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MayAccess {
    /// The permission.
    pub permission: String,
    /// What it opens; empty when that is no data that is known.
    #[serde(skip)]
    pub data_types: Vec<TypeId>,
    /// Only on devices up to this API level; `None` on all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sdk: Option<u32>,
    /// Where it was read.
    pub place: Provenance,
}

/// Data that a permission opens and no statement declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndeclaredAccess<'a> {
    /// The permission.
    pub access: &'a MayAccess,
    /// The data types, of those that it opens.
    pub data_types: Vec<TypeId>,
    /// A statement that says that one of them is not collected.
    pub denial: Option<&'a Statement>,
}

impl UndeclaredAccess<'_> {
    /// What it means, for people.
    #[must_use]
    pub fn in_words(&self, ontology: &Ontology) -> String {
        let types: Vec<&str> = self.data_types.iter().map(|id| ontology.data_types.id_of(*id)).collect();
        let types = types.join(", ");
        let until =
            self.access.max_sdk.map(|level| format!(", on devices up to API level {level}")).unwrap_or_default();
        let said = match self.denial {
            Some(denial) => format!("line {} says that it is not collected", denial.place.line),
            None => "no [[collect]] declares it".to_owned(),
        };
        format!("{} may access {types}{until}, and {said}", self.access.permission)
    }
}

impl DeclaredTerms {
    /// What permissions open and nothing declares, in the order of the manifest. This is no contradiction: an app may ask
    /// for a permission and never use it. A statement about a broader or a narrower type is enough.
    #[must_use]
    pub fn undeclared_access(&self, ontology: &Ontology) -> Vec<UndeclaredAccess<'_>> {
        let types = &ontology.data_types;
        let related = |one: TypeId, other: TypeId| types.covers(one, other) || types.covers(other, one);
        let declared: Vec<TypeId> = self.collect().flat_map(|collect| collect.data_types.iter().copied()).collect();
        let mut found = Vec::new();
        for access in &self.may_access {
            let open: Vec<TypeId> = access
                .data_types
                .iter()
                .copied()
                .filter(|data_type| !declared.iter().any(|known| related(*known, *data_type)))
                .collect();
            if !open.is_empty() {
                let denies = |denial: &&Statement| {
                    denial
                        .data_types
                        .iter()
                        .any(|denied| open.iter().any(|data_type| types.covers(*denied, *data_type)))
                };
                found.push(UndeclaredAccess { access, denial: self.not_collect().find(denies), data_types: open });
            }
        }
        found
    }
}
