//! Access to content providers.

use serde::{Deserialize, Serialize};

use super::{BinderTransaction, ValueShape};

macro_rules! provider_methods {
    ($($variant:ident, $name:literal, $about:literal;)*) => {
        /// What was asked of a content provider. Names are part of the recording format and of the gRPC contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ProviderMethod { $(#[doc = $about] $variant,)* }

        impl ProviderMethod {
            /// Every method.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name used in files, filters and reports.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

provider_methods! {
    Acquire, "acquire", "The provider was asked for by its authority; nothing was read yet.";
    Query, "query", "Rows were asked for.";
    GetType, "get_type", "The type of a URI was asked for.";
    Insert, "insert", "A row was inserted.";
    BulkInsert, "bulk_insert", "Several rows were inserted.";
    Update, "update", "Rows were changed.";
    Delete, "delete", "Rows were removed.";
    OpenFile, "open_file", "A file behind a URI was opened.";
    OpenAssetFile, "open_asset_file", "A part of a file behind a URI was opened.";
    OpenTypedAssetFile, "open_typed_asset_file", "A file behind a URI was opened as a certain type.";
    ApplyBatch, "apply_batch", "A batch of operations.";
    Call, "call", "A method of the provider's own, by name.";
    GetStreamTypes, "get_stream_types", "The types a URI can be opened as were asked for.";
    Canonicalize, "canonicalize", "A URI was made portable.";
    Uncanonicalize, "uncanonicalize", "A portable URI was made local.";
    Refresh, "refresh", "The provider was asked to refresh what it holds.";
    CheckUriPermission, "check_uri_permission", "A permission on a URI was checked.";
    CreateCancellationSignal, "create_cancellation_signal", "A means to cancel a query was made.";
    Other, "other", "A code that no known release has.";
}

impl ProviderMethod {
    /// Whether it takes data out of the provider when it succeeds.
    #[must_use]
    pub fn reads(self) -> bool {
        matches!(
            self,
            Self::Query | Self::OpenFile | Self::OpenAssetFile | Self::OpenTypedAssetFile | Self::Call | Self::Refresh
        )
    }

    /// Whether it changes data in the provider when it succeeds.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Insert | Self::BulkInsert | Self::Update | Self::Delete | Self::ApplyBatch)
    }
}

/// A content provider was asked for something.
///
/// The actor is the app that asked; the provider's process is [`BinderTransaction::owner`]. Rows travel in shared memory
/// and are not visible. Content stays on the device: of selection arguments and values only the shape is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderAccess {
    /// What was asked for.
    pub method: ProviderMethod,
    /// The authority, without the number of an Android user in front; empty when not known.
    pub authority: String,
    /// The Android user whose data is meant, when the authority names one (`10@contacts`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub android_user: Option<u32>,
    /// The URI, with values of its query, and of paths that carry what the user typed, replaced by `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Columns asked for; empty means all of them, or that the method has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projection: Vec<String>,
    /// The selection with every literal replaced by `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<String>,
    /// Shapes of the selection's arguments, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selection_arguments: Vec<ValueShape>,
    /// The order asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort_order: Option<String>,
    /// Shapes of inserted or changed values, of extras and of options, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ValueShape>,
    /// For `call`: the provider's own method, such as `GET_secure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_method: Option<String>,
    /// For `call`: the argument, when it is the name of a setting; otherwise absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_argument: Option<String>,
    /// For the methods that open: the mode (`r`, `rw`, ...) or the type asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_mode: Option<String>,
    /// Operations of a batch, or rows of a bulk insert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<u32>,
    /// Columns of the answer, when it names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub result_columns: Vec<String>,
    /// Rows of the answer, when it says how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_rows: Option<u32>,
    /// The transaction.
    pub transaction: BinderTransaction,
}

#[cfg(test)]
mod tests {
    use super::ProviderMethod;

    #[test]
    fn names_equal_the_serialised_form() {
        for method in ProviderMethod::ALL {
            assert_eq!(serde_json::to_value(method).unwrap(), method.name());
            assert!(!(method.reads() && method.writes()), "{}", method.name());
        }
    }
}
