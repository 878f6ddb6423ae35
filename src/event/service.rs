//! Calls to system services.

use serde::{Deserialize, Serialize};

use super::BinderTransaction;

/// Where the name of a method comes from: transaction codes differ between releases, and even between patch levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MethodSource {
    /// The device's own framework, read when the daemon started.
    DeviceDex,
    /// A table shipped with Candor for the device's release: codes of a later patch level may differ.
    Shipped,
    /// The interface has written its codes down itself, and they never change.
    Fixed,
    /// No table has the code: the method is not named.
    Unknown,
}

impl MethodSource {
    /// Every source.
    pub const ALL: &'static [Self] = &[Self::DeviceDex, Self::Shipped, Self::Fixed, Self::Unknown];

    /// The name used in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DeviceDex => "device_dex",
            Self::Shipped => "shipped",
            Self::Fixed => "fixed",
            Self::Unknown => "unknown",
        }
    }
}

/// An argument that says what was asked for, and nothing about a person: a provider of positions, an operation number.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceArgument {
    /// Its name, in lower-case snake case.
    pub name: String,
    /// Its value as text.
    pub value: String,
}

/// A privacy-relevant system service was called. A binder transaction, not a call of an API: what a process-local cache
/// answers is not seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceCall {
    /// Name under which the service manager knows the service; absent when it was not learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The method; absent when no table has the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Where the method's name comes from.
    pub method_source: MethodSource,
    /// Which table that was: file and content hash, or release; empty when none.
    #[serde(default)]
    pub method_table: String,
    /// Decoded arguments that are not personal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<ServiceArgument>,
    /// Elements of the answer, when it is a list whose length can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_count: Option<u32>,
    /// The transaction.
    pub transaction: BinderTransaction,
}

#[cfg(test)]
mod tests {
    use super::MethodSource;

    #[test]
    fn names_equal_the_serialised_form() {
        for source in MethodSource::ALL {
            assert_eq!(serde_json::to_value(source).unwrap(), source.name());
        }
    }
}
