//! The enums of the contract: one table each, read in both directions.
//!
//! Neither direction has a wildcard, so a variant added on either side does not compile until it has its twin here.

use super::WireError;
use super::proto;
use crate::event;

/// A wire enum with the domain enum it stands for.
pub(super) trait WireEnumeration: TryFrom<i32> + Sized {
    /// The domain enum.
    type Domain;
    /// The name in the `.proto` files.
    const NAME: &'static str;
    /// The domain value; `None` for the unspecified zero.
    fn domain(self) -> Option<Self::Domain>;
}

/// Reads an enum field whose meaning is required.
pub(super) fn required<E: WireEnumeration>(value: i32, field: &'static str) -> Result<E::Domain, WireError> {
    let known = E::try_from(value).map_err(|_| WireError::UnknownValue { field, enumeration: E::NAME, value })?;
    known.domain().ok_or(WireError::Missing { field })
}

/// Reads a repeated enum field; each element needs a meaning.
pub(super) fn repeated<E: WireEnumeration>(values: Vec<i32>, field: &'static str) -> Result<Vec<E::Domain>, WireError> {
    values.into_iter().map(|value| required::<E>(value, field)).collect()
}

macro_rules! enumerations {
    ($($name:ident { $($variant:ident),* $(,)? })*) => { $(
        impl From<event::$name> for proto::$name {
            fn from(value: event::$name) -> Self {
                match value { $(event::$name::$variant => Self::$variant,)* }
            }
        }

        impl From<&event::$name> for proto::$name {
            fn from(value: &event::$name) -> Self {
                Self::from(*value)
            }
        }

        impl TryFrom<proto::$name> for event::$name {
            type Error = WireError;

            fn try_from(value: proto::$name) -> Result<Self, WireError> {
                value.domain().ok_or(WireError::Missing { field: stringify!($name) })
            }
        }

        impl WireEnumeration for proto::$name {
            type Domain = event::$name;
            const NAME: &'static str = stringify!($name);

            fn domain(self) -> Option<event::$name> {
                match self {
                    Self::Unspecified => None,
                    $(Self::$variant => Some(event::$name::$variant),)*
                }
            }
        }
    )* };
}

enumerations! {
    Family { Process, File, Socket, Provider, Service, Session }
    ProbeId { EbpfKernelObjects, EbpfSystemCalls, Ptrace, Procfs, Platform, Replay, Daemon }
    ProbeState { Attached, Partial, Unsupported, Denied, Absent }
    FidelityReason { UserMemory, LateDirectory, Sampled, LateIdentity, NamedByProcess, NamedByCaller, NamedByParent, Imported }
    PackageChangeKind { Installed, Replaced, Removed }
    OpenAccess { Read, Write, ReadWrite, PathOnly }
    Transport { Tcp, Udp, UnixStream, UnixDatagram, Other }
    BlindSpotKind { IoUring, CompatSystemCall }
    CodeConfidence { Caller, Frames, Leaf }
    Importance { System, Foreground, Perceptible, Background }
    ProviderMethod {
        Acquire, Query, GetType, Insert, BulkInsert, Update, Delete, OpenFile, OpenAssetFile,
        OpenTypedAssetFile, ApplyBatch, Call, GetStreamTypes, Canonicalize, Uncanonicalize, Refresh, CheckUriPermission, CreateCancellationSignal, Other,
    }
    MethodSource { DeviceDex, Shipped, Fixed, Unknown }
    WatchEndReason { SessionOver, MatchesTold }
    Severity { Info, Low, Medium, High }
    Stage { Probe, Reader, Decode, Attribute, Spool, Subscriber }
    SelfTestMoment { Start, Rearm, End }
    SelfTestState { Seen, NotSeen, NotTested }
    SessionEndReason { Stopped, TargetsExited, DaemonShutdown, InputEnded, LimitReached, Unread, Interrupted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_a_later_version_names_field_and_enum() {
        let error = required::<proto::ProbeState>(9, "ProbeStatus.state").unwrap_err();
        assert_eq!(error.to_string(), "ProbeStatus.state: ProbeState 9 is not known to this version; use a newer one");
    }

    #[test]
    fn zero_is_missing_where_a_meaning_is_required() {
        let error = required::<proto::Stage>(0, "Gap.stage").unwrap_err();
        assert_eq!(error.to_string(), "Gap.stage is missing");
    }

    #[test]
    fn repeated_values_are_all_checked() {
        assert_eq!(
            repeated::<proto::Family>(vec![2, 3], "Gap.families"),
            Ok(vec![event::Family::File, event::Family::Socket])
        );
        assert!(repeated::<proto::Family>(vec![2, 0], "Gap.families").is_err());
    }
}
