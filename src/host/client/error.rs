//! Why the daemon could not be asked, or did not do what it was asked.

use std::io;

use thiserror::Error;
use tokio_rustls::rustls;
use tonic::Code;

use super::Address;
use super::tls::{self, Complaint, CredentialsError};
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
    /// There is nothing to show to the daemon, or nobody to trust.
    #[error("cannot connect to {address}: {source}")]
    Credentials {
        /// The address.
        address: Address,
        /// What is wrong.
        source: CredentialsError,
    },
    /// Whoever listens there cannot prove that it is the daemon.
    #[error(
        "{address} does not prove that it is your daemon ({source}): its certificate must come from the authority given \
         with --ca, be for this name or address (`candord keys --name`) and be in date; nothing was sent to it"
    )]
    NotTrusted {
        /// The address.
        address: Address,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The daemon does not accept the client's certificate, or there is none.
    #[error("{address} refused this client: {}", refusal(source))]
    NotAdmitted {
        /// The address.
        address: Address,
        /// What the daemon said.
        source: rustls::Error,
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
    /// From an error whose cause is that TLS did not come about.
    pub(super) fn of_tls(address: &Address, error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        tls::cause(error).map(|source| Self::complained(address, source.clone()))
    }

    /// From what TLS had to say.
    fn complained(address: &Address, source: rustls::Error) -> Self {
        let address = address.clone();
        match source {
            rustls::Error::InvalidCertificate(_) => Self::NotTrusted { address, source },
            rustls::Error::AlertReceived(_) => Self::NotAdmitted { address, source },
            // Bytes that are no TLS, or of a version that is too old.
            _ => Self::NotADaemon { address, detail: source.to_string() },
        }
    }

    /// The same, or the reason behind it if TLS had something to say.
    pub(super) fn or_complaint(self, complaint: &Complaint) -> Self {
        match (&self, complaint.get()) {
            (Self::Gone { address, .. } | Self::NotADaemon { address, .. }, Some(source)) => {
                Self::complained(address, source)
            }
            _ => self,
        }
    }

    /// From a failure to connect.
    pub(super) fn connecting(address: &Address, source: io::Error) -> Self {
        if let Some(error) = Self::of_tls(address, &source) {
            return error;
        }
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

/// What an alert means to a person.
fn refusal(error: &rustls::Error) -> String {
    use rustls::AlertDescription as Alert;
    let rustls::Error::AlertReceived(alert) = error else { return error.to_string() };
    match alert {
        Alert::CertificateRequired => "it requires a client certificate: give --cert and --key".to_owned(),
        Alert::UnknownCA | Alert::DecryptError => {
            "the client certificate (--cert) does not come from the authority that candord trusts".to_owned()
        }
        Alert::CertificateExpired => "the client certificate (--cert) is out of date by the daemon's clock".to_owned(),
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateUnknown
        | Alert::CertificateRevoked => {
            "the client certificate (--cert) is not one for clients of this daemon".to_owned()
        }
        other => format!("TLS alert {other:?}"),
    }
}
