//! `candord keys`: an authority, certificates for daemon and client, and a token.
//!
//! * **In:** [`KeysOptions`]. **Out:** seven files of mode 0600 in a directory of mode 0700.
//! * **May import:** `rcgen`. No stage.
//! * **Test it:** `cargo test --lib device::keys`; that they work: `cargo test --test access_tls`.
//!
//! The authority is made here and used for these two certificates only: who holds `ca.key` can make itself a client. It
//! is kept so that more clients can be let in without giving the daemon another authority.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use thiserror::Error;

/// The certificate of the authority: daemon and client both need it.
pub const AUTHORITY: &str = "ca.pem";
/// The key of the authority: neither daemon nor client needs it.
pub const AUTHORITY_KEY: &str = "ca.key";
/// The daemon's certificate.
pub const SERVER: &str = "server.pem";
/// The daemon's key.
pub const SERVER_KEY: &str = "server.key";
/// The client's certificate.
pub const CLIENT: &str = "client.pem";
/// The client's key.
pub const CLIENT_KEY: &str = "client.key";
/// The token: daemon and client both need it.
pub const TOKEN: &str = "token";

/// Names that a client may give for a daemon that `adb forward`, or the same machine, makes reachable.
const USUAL_NAMES: &[&str] = &["localhost", "127.0.0.1", "::1", "candord"];
/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 32;
/// Clocks of devices are behind at times.
const BEFORE: Duration = Duration::from_secs(24 * 3600);

/// What is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysOptions {
    /// Where.
    pub directory: PathBuf,
    /// Names and addresses of the daemon, beside those of the machine itself.
    pub names: Vec<String>,
    /// For how many days.
    pub days: u32,
    /// Whether files that are there already may go.
    pub force: bool,
}

/// Why keys were not made.
#[derive(Debug, Error)]
pub enum KeysError {
    /// They would replace others.
    #[error(
        "{} is there already, and whoever uses it would be locked out: name another directory with --out, or replace \
         everything in this one with --force", .0.display()
    )]
    Exists(PathBuf),
    /// Others can look into the directory.
    #[error("{}: mode {mode:04o} lets other users in: run chmod 700 {}, or name another directory with --out", path.display(), path.display())]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The system refused.
    #[error("{}: {source}", path.display())]
    System {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The library refused; a name is the only thing it was given.
    #[error("cannot make a certificate for {names:?}: {source}")]
    Make {
        /// The names.
        names: Vec<String>,
        /// What the library said.
        source: rcgen::Error,
    },
}

impl KeysError {
    /// The exit status, as in the BSD `sysexits.h`.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Make { .. } => 64,
            Self::Exists(_) | Self::Exposed { .. } | Self::System { .. } => 73,
        }
    }
}

/// Makes them, good from `wall_ns` (nanoseconds since 1970) on, and returns the paths of the files.
///
/// # Errors
///
/// When a file is there already and may not be replaced, or cannot be written. Then what was there is still there.
pub fn make(options: &KeysOptions, wall_ns: u64) -> Result<Vec<PathBuf>, KeysError> {
    let directory = &options.directory;
    let system = |path: &Path, source| KeysError::System { path: path.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| system(directory, error))?;
    let mode = fs::metadata(directory).map_err(|error| system(directory, error))?.mode();
    if mode & 0o077 != 0 {
        return Err(KeysError::Exposed { path: directory.clone(), mode: mode & 0o7777 });
    }
    let made = generate(options, SystemTime::UNIX_EPOCH + Duration::from_nanos(wall_ns))?;
    let paths: Vec<_> = made.iter().map(|(name, _)| directory.join(name)).collect();
    if !options.force
        && let Some(there) = paths.iter().find(|path| fs::symlink_metadata(path).is_ok())
    {
        return Err(KeysError::Exists(there.clone()));
    }
    // Everything is written before anything is replaced: a full disk must not leave half of each.
    let mut written = Vec::new();
    let placed = made.iter().try_for_each(|(name, text)| {
        let new = directory.join(format!(".{name}.new"));
        let _ = fs::remove_file(&new);
        written.push(new.clone());
        write(&new, text).map_err(|error| system(&new, error))
    });
    let placed = placed.and_then(|()| {
        paths.iter().zip(&written).try_for_each(|(path, new)| {
            // A link fails when the name is taken, a rename does not: between the look above and now somebody else may
            // have made keys.
            let place = if options.force { fs::rename(new, path) } else { fs::hard_link(new, path) };
            place.map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => KeysError::Exists(path.clone()),
                _ => system(path, error),
            })
        })
    });
    for new in &written {
        let _ = fs::remove_file(new);
    }
    placed.map(|()| paths)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The names and contents of the files.
fn generate(options: &KeysOptions, now: SystemTime) -> Result<Vec<(&'static str, String)>, KeysError> {
    let mut names: Vec<String> = USUAL_NAMES.iter().map(|name| (*name).to_owned()).collect();
    names.extend(options.names.iter().filter(|name| !USUAL_NAMES.contains(&name.as_str())).cloned());
    let make = |source| KeysError::Make { names: options.names.clone(), source };

    let authority_key = KeyPair::generate().map_err(make)?;
    // A name of its own: of two authorities with one name, a client could only say that a signature is bad, and not that
    // it comes from somebody else.
    let name = format!("Candor authority {}", random::<4>()?);
    let mut authority = parameters(&name, Vec::new(), options.days, now).map_err(make)?;
    // The zero: it signs certificates of daemons and clients, and no other authority.
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_certificate = authority.self_signed(&authority_key).map_err(make)?;
    let issuer = Issuer::from_params(&authority, &authority_key);

    let leaf = |name: &str, names: Vec<String>, usage| -> Result<(String, String), rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut leaf = parameters(name, names, options.days, now)?;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![usage];
        leaf.use_authority_key_identifier_extension = true;
        Ok((leaf.signed_by(&key, &issuer)?.pem(), key.serialize_pem()))
    };
    // One usage each: with the daemon's certificate nobody can pose as a client, nor the other way round.
    let (server, server_key) = leaf("candord", names, ExtendedKeyUsagePurpose::ServerAuth).map_err(make)?;
    let (client, client_key) =
        leaf("candor", vec!["candor.client".to_owned()], ExtendedKeyUsagePurpose::ClientAuth).map_err(make)?;
    Ok(vec![
        (AUTHORITY, authority_certificate.pem()),
        (AUTHORITY_KEY, authority_key.serialize_pem()),
        (SERVER, server),
        (SERVER_KEY, server_key),
        (CLIENT, client),
        (CLIENT_KEY, client_key),
        (TOKEN, random::<TOKEN_BYTES>()? + "\n"),
    ])
}

fn parameters(name: &str, names: Vec<String>, days: u32, now: SystemTime) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    let valid = Duration::from_secs(u64::from(days) * 24 * 3600);
    parameters.not_before = now.checked_sub(BEFORE).unwrap_or(now).into();
    parameters.not_after = now.checked_add(valid).unwrap_or(now).into();
    Ok(parameters)
}

/// New random bytes as hexadecimal digits. From the kernel's generator, which the certificates' keys come from too.
fn random<const BYTES: usize>() -> Result<String, KeysError> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; BYTES];
    fs::File::open(source)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| KeysError::System { path: source.to_owned(), source: error })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some time in 2026.
    const NOW: u64 = 1_780_000_000_000_000_000;

    fn options(directory: &Path, force: bool) -> KeysOptions {
        KeysOptions { directory: directory.to_owned(), names: vec!["10.0.2.15".to_owned()], days: 30, force }
    }

    fn contents(directory: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
            .collect();
        files.sort();
        files
    }

    #[test]
    fn seven_files_that_only_their_owner_reads() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let paths = make(&options(&directory, false), NOW).unwrap();
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o7777, 0o700);
        let names: Vec<_> = contents(&directory).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["ca.key", "ca.pem", "client.key", "client.pem", "server.key", "server.pem", "token"]);
        assert_eq!(paths.len(), 7);
        for path in &paths {
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o600, "{}", path.display());
        }
        let token = fs::read_to_string(directory.join(TOKEN)).unwrap();
        assert_eq!(token.len(), 65);
        assert!(token.trim().bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn nothing_is_replaced_without_force() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        make(&options(&directory, false), NOW).unwrap();
        let before = contents(&directory);
        let error = make(&options(&directory, false), NOW).unwrap_err();
        assert!(matches!(&error, KeysError::Exists(path) if *path == directory.join("ca.pem")), "{error}");
        assert_eq!(error.exit_code(), 73);
        assert_eq!(contents(&directory), before);

        // One file that is there is enough, even when it is a link to nothing.
        for (name, _) in &before {
            fs::remove_file(directory.join(name)).unwrap();
        }
        std::os::unix::fs::symlink("nowhere", directory.join("token")).unwrap();
        let error = make(&options(&directory, false), NOW).unwrap_err();
        assert!(matches!(&error, KeysError::Exists(path) if *path == directory.join("token")), "{error}");

        make(&options(&directory, true), NOW).unwrap();
        let after = contents(&directory);
        assert_eq!(after.len(), 7);
        assert!(after.iter().zip(&before).all(|(new, old)| new.0 == old.0 && new.1 != old.1));
    }

    #[test]
    fn a_directory_that_others_enter_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(directory.path(), open).unwrap();
        let error = make(&options(directory.path(), true), NOW).unwrap_err();
        assert!(error.to_string().contains("mode 0755 lets other users in: run chmod 700"), "{error}");
        assert_eq!(contents(directory.path()), []);
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let options =
            KeysOptions { names: vec!["bücher.example".to_owned()], ..options(&parent.path().join("k"), false) };
        let error = make(&options, NOW).unwrap_err();
        assert!(error.to_string().contains("bücher.example"), "{error}");
        assert_eq!(error.exit_code(), 64);
    }
}
