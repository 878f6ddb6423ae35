//! Why the daemon could not be asked, or did not do what it was asked.

use std::io;

use thiserror::Error;
use tonic::Code;

use super::Address;
use crate::wire::WireError;

/// Why the daemon could not be asked, or did not do what it was asked.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nothing listens at the address.
    #[error(
        "nothing listens at {address} ({source}); is candord running? Start it as root with `candord serve`, or name another \
         address with --daemon"
    )]
    NothingListens {
        /// The address.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// The socket may not be opened.
    #[error(
        "{address} may not be opened by this user ({source}); only the user who started candord and root may: try sudo"
    )]
    NotPermitted {
        /// The address.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// Another failure to connect.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The address.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// Whoever listens there speaks another language.
    #[error("what listens at {address} is not a Candor daemon: {detail}")]
    NotADaemon {
        /// The address.
        address: Address,
        /// What was noticed.
        detail: String,
    },
    /// The connection broke.
    #[error("the daemon at {address} went away: {detail}")]
    Gone {
        /// The address.
        address: Address,
        /// What was noticed.
        detail: String,
    },
    /// The daemon said no.
    #[error("the daemon refused: {message}")]
    Refused {
        /// The class of the refusal.
        code: Code,
        /// The daemon's words.
        message: String,
    },
    /// The daemon's answer has no meaning here.
    #[error("the daemon at {address} gave an answer that this version does not understand: {source}")]
    Answer {
        /// The address.
        address: Address,
        /// The field.
        source: WireError,
    },
}

impl ClientError {
    /// From a failure to connect.
    pub(super) fn connecting(address: &Address, source: io::Error) -> Self {
        let address = address.clone();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Self::NothingListens { address, source },
            io::ErrorKind::PermissionDenied => Self::NotPermitted { address, source },
            _ => Self::Connect { address, source },
        }
    }

    /// From the status of a call.
    pub(super) fn status(address: &Address, status: &tonic::Status) -> Self {
        let address = address.clone();
        let detail = status.message().to_owned();
        // A status that the transport made up itself, whatever its code, has a cause; one that the daemon sent has none.
        if std::error::Error::source(status).is_some() {
            return Self::Gone { address, detail };
        }
        match status.code() {
            Code::Unimplemented => Self::NotADaemon { address, detail: "it does not offer candor.v1".to_owned() },
            // A stream that is cut off ends with one of these; the daemon uses none of them for a refusal.
            Code::Unavailable | Code::Unknown | Code::Cancelled => Self::Gone { address, detail },
            code => Self::Refused { code, message: detail },
        }
    }
}
