//! The shared vocabulary: what an act of an app looks like, on both sides of the wire.
//!
//! * **In:** nothing. **Out:** plain types.
//! * **May import:** the standard library, `serde` (derive only) and `thiserror`. No I/O, no protobuf, no async.
//! * **Test it:** `cargo test event::`.
//!
//! An [`Event`] is an act attributed to an app. A recording is a sequence of [`StreamEntry`]: a header, then events,
//! gaps and totals, then an end. The protobuf twins of these types live in [`crate::wire`] and nowhere else.

mod android_user;
mod binder;
mod blind_spot;
mod code_origin;
mod entry;
#[cfg(test)]
pub(crate) mod examples;
mod file;
mod filter;
mod identity;
mod importance;
mod kind;
mod loss;
mod package_change;
mod phase;
mod privacy_interfaces;
mod probe_status;
mod process;
mod provider;
mod selection;
mod self_test;
mod service;
mod severity;
mod socket;
mod time;
mod watch;

pub use android_user::{USER_ID_RANGE, UserIdKind, app_id, user_id_kind, user_ids_of_package};
pub use binder::{BinderOwner, BinderTransaction, NamedCaller, ValueShape};
pub use blind_spot::BlindSpotKind;
pub use code_origin::{CodeConfidence, CodeOrigin};
pub use entry::{
    DeviceInfo, Gap, PackageEntry, PackageList, SessionEnd, SessionEndReason, SessionHeader, StreamEntry, Totals,
};
pub use file::{FileOpen, FileRename, FileTotals, FileUnlink, OpenAccess};
pub use filter::{EventFilter, FilterError, OutcomeClass};
pub use identity::{App, ProcessKey, ProcessRef, START_TIME_GRANULARITY_NS};
pub use importance::{Importance, ProcessImportance};
pub use kind::{EventKind, Family};
pub use loss::{LossTotals, ProgramCounters, Stage, StageTotals};
pub use package_change::{PackageChange, PackageChangeKind};
pub use phase::{Phase, PhaseError, WELL_KNOWN_PHASES};
pub use privacy_interfaces::{
    DESCRIPTOR_MAX_UNITS, InterfaceOrigin, PRIVACY_INTERFACES, PrivacyInterface, PrivacyMethods, privacy_interface,
};
pub use probe_status::{Fidelity, FidelityReason, ProbeId, ProbeState, ProbeStatus};
pub use process::{BlindSpot, PhaseMark, ProcessExec, ProcessExit, ProcessName, ProcessStart};
pub use provider::{ProviderAccess, ProviderMethod};
pub use selection::{Selection, SelectionError};
pub use self_test::{ClockChange, SelfTest, SelfTestMoment, SelfTestResult, SelfTestState};
pub use service::{MethodSource, ServiceArgument, ServiceCall};
pub use severity::Severity;
pub use socket::{
    Direction, DnsAnswer, DnsQuery, DnsRecord, Endpoint, HttpRequest, SocketAccept, SocketBind, SocketConnect,
    SocketListen, SocketTotals, TlsClientHello, Transport,
};
pub use time::ClockAnchor;
pub use watch::{WatchCondition, WatchEnd, WatchEndReason, WatchMatch, WatchNews, WatchWhen};

use serde::{Deserialize, Serialize};

/// One act of a traced process, attributed to an app.
///
/// Every field that a reader needs to judge the evidence travels with the act itself: who, when, in which phase, seen
/// by which probe and how far it can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Position in the session, from 1, without holes except where a [`Gap`] says so. May be left out in a recording that
    /// is written by hand: the import numbers the events.
    #[serde(default)]
    pub sequence: u64,
    /// When the kernel saw the act: nanoseconds of `CLOCK_BOOTTIME`. Never overwritten by the time of reading.
    pub time_ns: u64,
    /// The process that acted.
    pub process: ProcessRef,
    /// The thread that acted; 0 when unknown.
    #[serde(default)]
    pub thread_id: u32,
    /// The real user id of the process at the moment of the act.
    pub user_id: u32,
    /// The app that the act is attributed to.
    #[serde(default)]
    pub app: App,
    /// The phase of the test run that was marked when the act happened.
    pub phase: Phase,
    /// The probe that saw it.
    pub probe: ProbeId,
    /// How far the fields can be trusted.
    #[serde(default = "Fidelity::imported")]
    pub fidelity: Fidelity,
    /// Whether the act succeeded, was denied, or failed.
    pub outcome: Outcome,
    /// What was done.
    pub body: EventBody,
}

impl Event {
    /// The kind of the act.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.body.kind()
    }

    /// The family of the act.
    #[must_use]
    pub fn family(&self) -> Family {
        self.body.kind().family()
    }
}

/// What was done. One variant for each [`EventKind`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventBody {
    /// A process was created.
    ProcessStart(ProcessStart),
    /// A process replaced its program.
    ProcessExec(ProcessExec),
    /// A process ended.
    ProcessExit(ProcessExit),
    /// Whether the system holds a process to be on the screen was observed.
    ProcessImportance(ProcessImportance),
    /// A process of an app was found with this name.
    ProcessName(ProcessName),
    /// A process began to use a way of acting that the probes cannot see.
    BlindSpot(BlindSpot),
    /// A file was opened, or was found open when tracing began.
    FileOpen(FileOpen),
    /// How much went through one open file so far.
    FileTotals(FileTotals),
    /// A file was renamed.
    FileRename(FileRename),
    /// A file or directory was removed.
    FileUnlink(FileUnlink),
    /// A socket was connected to a peer.
    SocketConnect(SocketConnect),
    /// A socket was given a local address.
    SocketBind(SocketBind),
    /// A socket began to accept connections.
    SocketListen(SocketListen),
    /// A connection was accepted.
    SocketAccept(SocketAccept),
    /// How much went through one socket so far.
    SocketTotals(SocketTotals),
    /// A DNS question left the process.
    DnsQuery(DnsQuery),
    /// A DNS answer reached the process.
    DnsAnswer(DnsAnswer),
    /// A TLS handshake began: the names the client asked for, in clear text.
    TlsClientHello(TlsClientHello),
    /// A plain HTTP request: method and host, never the path's query or the content.
    HttpRequest(HttpRequest),
    /// A content provider was asked for something.
    ProviderAccess(Box<ProviderAccess>),
    /// A privacy-relevant system service was called.
    ServiceCall(Box<ServiceCall>),
    /// A package was installed, replaced or removed.
    PackageChange(PackageChange),
    /// A client marked the beginning of a phase.
    PhaseMark(PhaseMark),
}

impl From<ProviderAccess> for EventBody {
    fn from(access: ProviderAccess) -> Self {
        Self::ProviderAccess(Box::new(access))
    }
}

impl From<ServiceCall> for EventBody {
    fn from(call: ServiceCall) -> Self {
        Self::ServiceCall(Box::new(call))
    }
}

impl EventBody {
    /// The kind of this body. Exhaustive, so that a new variant does not compile until it has a kind.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        match self {
            Self::ProcessStart(_) => EventKind::ProcessStart,
            Self::ProcessExec(_) => EventKind::ProcessExec,
            Self::ProcessExit(_) => EventKind::ProcessExit,
            Self::ProcessImportance(_) => EventKind::ProcessImportance,
            Self::ProcessName(_) => EventKind::ProcessName,
            Self::BlindSpot(_) => EventKind::BlindSpot,
            Self::FileOpen(_) => EventKind::FileOpen,
            Self::FileTotals(_) => EventKind::FileTotals,
            Self::FileRename(_) => EventKind::FileRename,
            Self::FileUnlink(_) => EventKind::FileUnlink,
            Self::SocketConnect(_) => EventKind::SocketConnect,
            Self::SocketBind(_) => EventKind::SocketBind,
            Self::SocketListen(_) => EventKind::SocketListen,
            Self::SocketAccept(_) => EventKind::SocketAccept,
            Self::SocketTotals(_) => EventKind::SocketTotals,
            Self::DnsQuery(_) => EventKind::DnsQuery,
            Self::DnsAnswer(_) => EventKind::DnsAnswer,
            Self::TlsClientHello(_) => EventKind::TlsClientHello,
            Self::HttpRequest(_) => EventKind::HttpRequest,
            Self::ProviderAccess(_) => EventKind::ProviderAccess,
            Self::ServiceCall(_) => EventKind::ServiceCall,
            Self::PackageChange(_) => EventKind::PackageChange,
            Self::PhaseMark(_) => EventKind::PhaseMark,
        }
    }
}

/// How an act ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It succeeded.
    Ok,
    /// It is still under way when the call returned (a non-blocking `connect`).
    InProgress,
    /// The system refused it for lack of permission (`EACCES`, `EPERM`, `EROFS`). The value is the errno; 0 for a binder
    /// transaction that was answered with a security exception, because then there is none.
    ///
    /// A denied attempt is not a collection, and is kept apart from one.
    Denied(i32),
    /// It failed for another reason. The value is the errno; 0 for a binder transaction, whose exception is in its body.
    Failed(i32),
    /// Not known, or the notion does not apply.
    Unknown,
}

impl Outcome {
    /// The outcome that a raw system-call result means: zero or more is success, a negative number is an errno.
    #[must_use]
    pub fn from_result(result: i64) -> Self {
        // Numbers from include/uapi/asm-generic/errno{,-base}.h, equal on every architecture we support.
        const EPERM: i32 = 1;
        const EACCES: i32 = 13;
        const EROFS: i32 = 30;
        const EINPROGRESS: i32 = 115;
        if result >= 0 {
            return Self::Ok;
        }
        // Errnos are at most 4095; anything else is not an errno, and says so.
        match i32::try_from(result.unsigned_abs()) {
            Ok(errno @ (EPERM | EACCES | EROFS)) => Self::Denied(errno),
            Ok(EINPROGRESS) => Self::InProgress,
            Ok(errno) if errno <= 4095 => Self::Failed(errno),
            _ => Self::Unknown,
        }
    }

    /// Whether the act took effect, or may still take effect.
    #[must_use]
    pub fn took_effect(self) -> bool {
        matches!(self, Self::Ok | Self::InProgress)
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn outcome_from_result_keeps_denied_apart_from_failed() {
        assert_eq!(Outcome::from_result(3), Outcome::Ok);
        assert_eq!(Outcome::from_result(-13), Outcome::Denied(13));
        assert_eq!(Outcome::from_result(-1), Outcome::Denied(1));
        assert_eq!(Outcome::from_result(-2), Outcome::Failed(2));
        assert_eq!(Outcome::from_result(-115), Outcome::InProgress);
        assert_eq!(Outcome::from_result(i64::MIN), Outcome::Unknown);
    }
}
