//! Packages that come and go while a session runs.

use serde::{Deserialize, Serialize};

/// A package was installed, replaced or removed, or its user id changed, while a session ran. What the header says of it is
/// older; acts from here on are attributed by this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageChange {
    /// The package.
    pub package: String,
    /// Its user id, for the first user of the device.
    pub user_id: u32,
    /// What happened to it.
    pub change: PackageChangeKind,
    /// Version code; absent when the list does not say, and when it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_code: Option<i64>,
    /// Its private data directory; empty when the list does not say.
    #[serde(default)]
    pub data_directory: String,
    /// The session waited for it, and traces its user ids from here on.
    #[serde(default)]
    pub traced: bool,
}

/// What happened to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageChangeKind {
    /// It was not there before.
    Installed,
    /// It was there, with another version, directory or user id.
    Replaced,
    /// It is not there any more. Acts of its user id are still attributed to it until another package has that.
    Removed,
}

impl PackageChangeKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Installed, Self::Replaced, Self::Removed];

    /// The name used in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
        }
    }
}
