//! Certificates, keys and tokens from files, for the daemon and for its clients.
//!
//! * **In:** paths that a person gave. **Out:** what the files hold, or which file is wrong and why.
//! * **May import:** `tokio_rustls` for reading PEM. Shared by both sides, so that both refuse a secret that others can read.
//! * **Test it:** `cargo test --test access_tls`.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Certificates, keys and tokens have a few KiB; what is longer is another file.
const LONGEST_FILE: u64 = 1 << 20;

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub enum CredentialFileError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A secret that others can read is none.
    #[error("{}: mode {mode:04o} lets other users read this secret; run: chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds something else.
    #[error("{}: {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// An error about what a file holds.
pub(crate) fn content(path: &Path, what: String) -> CredentialFileError {
    CredentialFileError::Content { path: path.to_owned(), what }
}

/// The certificates of a file in PEM; at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CredentialFileError> {
    let certificates = CertificateDer::pem_slice_iter(&read(path)?.0)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| content(path, format!("no certificate in PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(content(path, "no certificate in PEM is in this file".to_owned()));
    }
    Ok(certificates)
}

/// The authorities of a file in PEM.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, CredentialFileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| content(path, format!("no authority: {error}")))?;
    }
    Ok(roots)
}

/// The private key of a file in PEM, which is readable by its owner only.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, CredentialFileError> {
    PrivateKeyDer::from_pem_slice(&read_secret(path)?)
        .map_err(|error| content(path, format!("no private key in PEM: {error}")))
}

/// Reads what only its owner may read.
pub(crate) fn read_secret(path: &Path) -> Result<Vec<u8>, CredentialFileError> {
    let (text, mode) = read(path)?;
    if mode & 0o077 != 0 {
        return Err(CredentialFileError::Exposed { path: path.to_owned(), mode: mode & 0o7777 });
    }
    Ok(text)
}

/// A file and its mode, from one descriptor: so that they belong together.
fn read(path: &Path) -> Result<(Vec<u8>, u32), CredentialFileError> {
    let failed = |source| CredentialFileError::Read { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode();
    let mut text = Vec::new();
    file.take(LONGEST_FILE).read_to_end(&mut text).map_err(failed)?;
    Ok((text, mode))
}
