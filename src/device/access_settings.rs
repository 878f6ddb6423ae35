//! The part of `candord`'s command line that says who may connect, and that which makes keys.
//!
//! * **In:** arguments. **Out:** [`AccessOptions`] and [`KeysOptions`], or what is missing.
//! * **May import:** `clap`, `service` (its options), `keys`.
//! * **Test it:** `cargo test --lib device::access_settings`.

use std::path::PathBuf;

use clap::Args;
use thiserror::Error;

use crate::device::keys::{self, KeysOptions};
use crate::device::service::{AccessLimits, AccessOptions, ClientProof, TlsOptions};

/// What to say after `candord keys --help`.
pub(super) const KEYS_HELP: &str = "\
Makes ca.pem, ca.key, server.pem, server.key, client.pem, client.key and token, each with mode 0600.

  the daemon needs   ca.pem server.pem server.key token    candord serve --listen tcp:127.0.0.1:50051 --keys DIRECTORY
  a client needs     ca.pem, and client.pem client.key     candor --daemon tcp+tls:127.0.0.1:50051 --ca ca.pem
                                                             --cert client.pem --key client.key info
                     or ca.pem token                       candor --daemon tcp+tls:127.0.0.1:50051 --ca ca.pem
                                                             --token-file token info
  nobody needs       ca.key: keep it where neither daemon nor clients are, or remove it

Exit status: 0 done; 64 a name is none; 73 a file is there already, or cannot be written.";

/// Who may connect, and how much they may ask.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Who may connect")]
pub(super) struct AccessArguments {
    /// Let this user of the device connect to the Unix socket too, beside root and the user who starts candord (on
    /// Android also shell); may be given several times
    #[arg(long = "allow-uid", value_name = "UID")]
    users: Vec<u32>,
    /// For tcp: the directory that `candord keys` made. Clients need its client certificate or its token
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = ["tls_cert", "tls_key", "client_ca", "token_file"])]
    keys: Option<PathBuf>,
    /// For tcp, instead of --keys: the daemon's certificate (PEM)
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// For tcp, instead of --keys: its key (PEM)
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// For tcp, instead of --keys: let in clients with a certificate of this authority (PEM)
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// For tcp, instead of --keys: let in clients with the token in this file
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = AccessLimits::default().connections, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    max_connections: u32,
    /// Calls of one connection at a time
    #[arg(long, value_name = "N", default_value_t = AccessLimits::default().streams, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    max_streams: u32,
    /// The longest request
    #[arg(long, value_name = "KIB", default_value_t = AccessLimits::default().message_bytes >> 10, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    max_request_kib: u32,
    /// Requests a second of one user, of all clients with a certificate, of all with the token
    #[arg(long, value_name = "N", default_value_t = AccessLimits::default().requests_per_second, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_requests_per_second: u32,
}

/// What `candord keys` is to make.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct KeysArguments {
    /// Where to put them: a directory that only you can enter; it is made when it is missing
    #[arg(long, value_name = "DIRECTORY")]
    out: PathBuf,
    /// A name or address by which clients reach the daemon, beside localhost, 127.0.0.1 and ::1; may be given several
    /// times
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// For how many days the certificates are good
    #[arg(long, default_value_t = 825, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Replace what is there: whoever uses the old keys is locked out
    #[arg(long)]
    force: bool,
}

/// Arguments that leave something open.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccessSettingsError {
    /// TLS without the daemon's own certificate and key.
    #[error(
        "--tls-cert and --tls-key belong together: give both, or --keys with the directory that `candord keys` made"
    )]
    HalfAPair,
    /// TLS without anything that clients must have.
    #[error(
        "--tls-cert alone lets everybody in: say whom with --client-ca (clients with a certificate of that authority), \
         --token-file (clients with that token), or both"
    )]
    NoProof,
    /// Something that clients must have, without TLS.
    #[error(
        "--client-ca and --token-file are for TCP with TLS: give --tls-cert and --tls-key too, or --keys instead of all"
    )]
    NoTls,
}

impl TryFrom<AccessArguments> for AccessOptions {
    type Error = AccessSettingsError;

    fn try_from(arguments: AccessArguments) -> Result<Self, AccessSettingsError> {
        let limits = AccessLimits {
            connections: arguments.max_connections,
            streams: arguments.max_streams,
            // At most 64 MiB, so it fits.
            message_bytes: arguments.max_request_kib << 10,
            requests_per_second: arguments.max_requests_per_second,
        };
        let proof = match (arguments.client_ca, arguments.token_file) {
            (Some(authority), Some(token)) => Some(ClientProof::Either { authority, token }),
            (Some(authority), None) => Some(ClientProof::Certificate(authority)),
            (None, Some(token)) => Some(ClientProof::Token(token)),
            (None, None) => None,
        };
        let tls = match (arguments.keys, arguments.tls_cert, arguments.tls_key, proof) {
            (Some(directory), ..) => Some(TlsOptions {
                certificate: directory.join(keys::SERVER),
                key: directory.join(keys::SERVER_KEY),
                proof: ClientProof::Either {
                    authority: directory.join(keys::AUTHORITY),
                    token: directory.join(keys::TOKEN),
                },
            }),
            (None, Some(certificate), Some(key), Some(proof)) => Some(TlsOptions { certificate, key, proof }),
            (None, Some(_), Some(_), None) => return Err(AccessSettingsError::NoProof),
            (None, Some(_), None, _) | (None, None, Some(_), _) => return Err(AccessSettingsError::HalfAPair),
            (None, None, None, Some(_)) => return Err(AccessSettingsError::NoTls),
            (None, None, None, None) => None,
        };
        Ok(Self { users: arguments.users.into_iter().collect(), tls, limits })
    }
}

impl From<KeysArguments> for KeysOptions {
    fn from(arguments: KeysArguments) -> Self {
        let KeysArguments { out, names, days, force } = arguments;
        Self { directory: out, names, days, force }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        access: AccessArguments,
    }

    fn options(arguments: &[&str]) -> Result<AccessOptions, AccessSettingsError> {
        Line::try_parse_from([&["candord"], arguments].concat()).unwrap().access.try_into()
    }

    #[test]
    fn defaults() {
        let options = options(&[]).unwrap();
        assert_eq!((options.users.len(), options.tls), (0, None));
        assert_eq!(options.limits, AccessLimits::default());
        let expected = AccessLimits { connections: 64, streams: 64, message_bytes: 262_144, requests_per_second: 500 };
        assert_eq!(options.limits, expected);
    }

    #[test]
    fn everything_can_be_said() {
        let options =
            options(&["--allow-uid", "1000", "--allow-uid", "10123", "--keys", "k", "--max-request-kib", "1"]);
        let options = options.unwrap();
        assert_eq!(options.users.into_iter().collect::<Vec<_>>(), [1000, 10_123]);
        assert_eq!(options.limits.message_bytes, 1024);
        let tls = TlsOptions {
            certificate: "k/server.pem".into(),
            key: "k/server.key".into(),
            proof: ClientProof::Either { authority: "k/ca.pem".into(), token: "k/token".into() },
        };
        assert_eq!(options.tls, Some(tls));
    }

    #[test]
    fn what_clients_must_have_is_said_or_refused() {
        let pair = ["--tls-cert", "c", "--tls-key", "k"];
        let proof = |more: &[&str]| options(&[&pair[..], more].concat()).map(|options| options.tls.unwrap().proof);
        assert_eq!(proof(&["--client-ca", "a"]), Ok(ClientProof::Certificate("a".into())));
        assert_eq!(proof(&["--token-file", "t"]), Ok(ClientProof::Token("t".into())));
        let either = ClientProof::Either { authority: "a".into(), token: "t".into() };
        assert_eq!(proof(&["--client-ca", "a", "--token-file", "t"]), Ok(either));
        assert_eq!(proof(&[]), Err(AccessSettingsError::NoProof));
        assert_eq!(options(&pair[..2]).unwrap_err(), AccessSettingsError::HalfAPair);
        assert_eq!(options(&pair[2..]).unwrap_err(), AccessSettingsError::HalfAPair);
        assert_eq!(options(&["--token-file", "t"]).unwrap_err(), AccessSettingsError::NoTls);
        assert!(Line::try_parse_from(["candord", "--keys", "k", "--token-file", "t"]).is_err());
    }
}
