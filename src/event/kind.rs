//! The one table of event kinds.

use serde::{Deserialize, Serialize};

/// A family of event kinds: what a probe covers, what a filter selects, and what a verdict can be blind to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Start, exec and exit of processes.
    Process,
    /// Files: open, totals, rename, unlink.
    File,
    /// Sockets, and the names seen on them: DNS, TLS, HTTP.
    Socket,
    /// Content providers, by binder.
    Provider,
    /// System services, by binder.
    Service,
    /// What happens to the session itself, such as phase marks.
    Session,
}

impl Family {
    /// Every family, in the order of reports.
    pub const ALL: &'static [Self] =
        &[Self::Process, Self::File, Self::Socket, Self::Provider, Self::Service, Self::Session];

    /// The families that probes give: all but [`Family::Session`], which the daemon itself gives.
    pub const TRACED: &'static [Self] = &[Self::Process, Self::File, Self::Socket, Self::Provider, Self::Service];

    /// The name used in files, filters and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::File => "file",
            Self::Socket => "socket",
            Self::Provider => "provider",
            Self::Service => "service",
            Self::Session => "session",
        }
    }
}

macro_rules! event_kinds {
    ($($variant:ident, $name:literal, $family:ident, $about:literal;)*) => {
        /// The kind of an event. The names are part of the recording format and of the gRPC contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum EventKind { $(#[doc = $about] $variant,)* }

        impl EventKind {
            /// Every kind, in the order of the families.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name used in files, filters and reports.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The family it belongs to.
            #[must_use]
            pub fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family,)* }
            }

            /// One line of meaning, for help texts.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

event_kinds! {
    ProcessStart, "process_start", Process, "A process was created.";
    ProcessExec, "process_exec", Process, "A process replaced its program.";
    ProcessExit, "process_exit", Process, "A process ended.";
    ProcessImportance, "process_importance", Process, "Whether the system holds a process to be on the screen was observed.";
    BlindSpot, "blind_spot", Process, "A process began to act in a way that the probes cannot see.";
    ProcessName, "process_name", Process, "A process of an app was found with this name.";
    FileOpen, "file_open", File, "A file was opened, or was found open when tracing began.";
    FileTotals, "file_totals", File, "Bytes read and written through one open file so far.";
    FileRename, "file_rename", File, "A file was renamed.";
    FileUnlink, "file_unlink", File, "A file or directory was removed.";
    SocketConnect, "socket_connect", Socket, "A socket was connected to a peer.";
    SocketBind, "socket_bind", Socket, "A socket was given a local address.";
    SocketListen, "socket_listen", Socket, "A socket began to accept connections.";
    SocketAccept, "socket_accept", Socket, "A connection was accepted.";
    SocketTotals, "socket_totals", Socket, "Bytes sent and received through one socket so far.";
    DnsQuery, "dns_query", Socket, "A DNS question left the process.";
    DnsAnswer, "dns_answer", Socket, "A DNS answer reached the process.";
    TlsClientHello, "tls_client_hello", Socket, "A TLS handshake began; the server name and protocols asked for.";
    HttpRequest, "http_request", Socket, "A plain HTTP request; method and host.";
    ProviderAccess, "provider_access", Provider, "A content provider was asked for something.";
    ServiceCall, "service_call", Service, "A privacy-relevant system service was called.";
    PackageChange, "package_change", Session, "A package was installed, replaced or removed.";
    PhaseMark, "phase_mark", Session, "A client marked the beginning of a phase.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_equal_the_serialised_form() {
        let mut seen = BTreeSet::new();
        for kind in EventKind::ALL {
            assert!(seen.insert(kind.name()), "{} occurs twice", kind.name());
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert!(kind.about().ends_with('.'), "{} needs a sentence", kind.name());
        }
    }

    #[test]
    fn every_family_has_a_kind() {
        for family in Family::ALL {
            assert_eq!(serde_json::to_value(family).unwrap(), family.name());
            assert!(EventKind::ALL.iter().any(|kind| kind.family() == *family), "{} is empty", family.name());
        }
    }
}
