//! Who may connect over TCP: certificates and tokens, seen by the real client and counted by the daemon.
#![cfg(all(feature = "device", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use candor::device::clock;
use candor::device::keys::{self, KeysOptions};
use candor::device::service::{
    AccessLimits, AccessOptions, ClientProof, ListenAddress, ListenError, TlsError, TlsOptions,
};
use candor::host::client::{Address, ClientError, Credentials, DaemonClient};
use support::{DEADLINE, Daemon};
use tempfile::TempDir;

/// Keys of two authorities that know nothing of each other.
struct World {
    directory: TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["ours", "theirs"] {
            let directory = directory.path().join(name);
            keys::make(&KeysOptions { directory, names: Vec::new(), days: 2, force: false }, clock::anchor().wall_ns)
                .unwrap();
        }
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn tls(&self, proof: ClientProof) -> AccessOptions {
        let tls = TlsOptions { certificate: self.path("ours/server.pem"), key: self.path("ours/server.key"), proof };
        AccessOptions { tls: Some(tls), ..AccessOptions::default() }
    }

    async fn certificate_only(&self) -> Daemon {
        start(self.tls(ClientProof::Certificate(self.path("ours/ca.pem")))).await
    }

    async fn token_only(&self) -> Daemon {
        start(self.tls(ClientProof::Token(self.path("ours/token")))).await
    }

    async fn either(&self) -> Daemon {
        start(self.tls(ClientProof::Either { authority: self.path("ours/ca.pem"), token: self.path("ours/token") }))
            .await
    }

    /// Runs `candor info` against the daemon: exit status, standard error.
    fn info(&self, daemon: &Daemon, options: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_candor"))
            .args(["info", "--daemon", &format!("tcp+tls:127.0.0.1:{}", daemon.port())])
            .args(options)
            .current_dir(self.directory.path())
            .envs([("NO_COLOR", "1")])
            .env_remove("CANDOR_DAEMON")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), error.is_empty(), "{error}");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.success(), printed.contains("scripted"), "{printed}");
        (output.status.code().unwrap(), error)
    }

    /// Runs `candor info` and expects this exit status and this message.
    #[track_caller]
    fn expect(&self, daemon: &Daemon, options: &[&str], status: i32, message: &str) {
        let at = format!("tcp+tls:127.0.0.1:{}", daemon.port());
        let expected =
            if message.is_empty() { String::new() } else { format!("error: {}\n", message.replace("{at}", &at)) };
        assert_eq!(self.info(daemon, options), (status, expected), "{options:?}");
    }

    /// Waits until this, and no more, is what the daemon has refused. A handshake that the client gave up may be counted
    /// when the client is long gone.
    async fn expect_refused(&self, daemon: &Daemon, expected: &[(&str, u64)]) {
        let expected: Vec<_> = expected.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
        let deadline = std::time::Instant::now() + DEADLINE;
        loop {
            let refused = self.refused(daemon).await;
            if refused == expected {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{refused:?} instead of {expected:?}");
        }
    }

    /// What the daemon has refused so far.
    async fn refused(&self, daemon: &Daemon) -> Vec<(String, u64)> {
        let credentials = Credentials {
            authority: Some(self.path("ours/ca.pem")),
            certificate: Some(self.path("ours/client.pem")),
            key: Some(self.path("ours/client.key")),
            token: Some(self.path("ours/token")),
        };
        let address: Address = format!("tcp+tls:localhost:{}", daemon.port()).parse().unwrap();
        let mut client = DaemonClient::connect(&address.with_credentials(credentials)).await.unwrap();
        let report = client.access().await.unwrap().unwrap();
        report.refusals.into_iter().map(|refusal| (refusal.reason, refusal.count)).collect()
    }
}

async fn start(access: AccessOptions) -> Daemon {
    Daemon::start_access(Some(ListenAddress::Tcp((Ipv4Addr::LOCALHOST, 0).into())), access).await
}

const CA: [&str; 2] = ["--ca", "ours/ca.pem"];
const CERTIFICATE: [&str; 6] = ["--ca", "ours/ca.pem", "--cert", "ours/client.pem", "--key", "ours/client.key"];
const TOKEN: [&str; 4] = ["--ca", "ours/ca.pem", "--token-file", "ours/token"];
const MISSING_TOKEN: &str = "the daemon refused: a client certificate or a token is required: give --cert and --key, or \
                             --token-file (in gRPC: the header `authorization: Bearer TOKEN`)";
const WRONG_TOKEN: &str = "the daemon refused: this is not the token that candord was started with: use the file `token` \
                           that `candord keys` made for it";

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_lets_in_and_nothing_else_does() {
    let world = World::new();
    let daemon = world.certificate_only().await;
    world.expect(&daemon, &CERTIFICATE, 0, "");
    // No certificate; that there is a token does not help.
    for options in [&CA[..], &TOKEN] {
        world.expect(
            &daemon,
            options,
            77,
            "{at} refused this client: it requires a client certificate: give --cert and --key",
        );
    }
    // That of another authority; and the daemon's own, which is not for clients.
    let other = ["--ca", "ours/ca.pem", "--cert", "theirs/client.pem", "--key", "theirs/client.key"];
    world.expect(
        &daemon,
        &other,
        77,
        "{at} refused this client: the client certificate (--cert) does not come from the authority that candord trusts",
    );
    let (status, message) =
        world.info(&daemon, &["--ca", "ours/ca.pem", "--cert", "ours/server.pem", "--key", "ours/server.key"]);
    assert_eq!(status, 77, "{message}");
    assert!(message.contains("is not one for clients of this daemon"), "{message}");
    world.expect_refused(&daemon, &[("no_certificate", 2), ("wrong_certificate", 2)]).await;
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_in_and_nothing_else_does() {
    let world = World::new();
    let daemon = world.token_only().await;
    world.expect(&daemon, &TOKEN, 0, "");
    world.expect(&daemon, &CA, 77, MISSING_TOKEN);
    world.expect(&daemon, &["--ca", "ours/ca.pem", "--token-file", "theirs/token"], 77, WRONG_TOKEN);
    // A certificate is not even asked for.
    world.expect(&daemon, &CERTIFICATE, 77, MISSING_TOKEN);
    world.expect_refused(&daemon, &[("missing_token", 2), ("wrong_token", 1)]).await;
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn either_will_do_but_a_wrong_one_never() {
    let world = World::new();
    let daemon = world.either().await;
    world.expect(&daemon, &CERTIFICATE, 0, "");
    world.expect(&daemon, &TOKEN, 0, "");
    world.expect(&daemon, &CA, 77, MISSING_TOKEN);
    // A right token does not make up for a wrong certificate, nor the other way round.
    let mut mixed = vec!["--token-file", "ours/token", "--cert", "theirs/client.pem", "--key", "theirs/client.key"];
    mixed.extend(CA);
    assert_eq!(world.info(&daemon, &mixed).0, 77);
    let mixed = [&CERTIFICATE[..], &["--token-file", "theirs/token"]].concat();
    world.expect(&daemon, &mixed, 77, WRONG_TOKEN);
    world.expect_refused(&daemon, &[("wrong_certificate", 1), ("missing_token", 1), ("wrong_token", 1)]).await;
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_does_not_trust_just_anybody() {
    let world = World::new();
    let daemon = world.either().await;
    let (status, message) = world.info(&daemon, &["--ca", "theirs/ca.pem", "--token-file", "theirs/token"]);
    assert_eq!(status, 77, "{message}");
    assert!(message.contains("does not prove that it is your daemon (invalid peer certificate: "), "{message}");
    world.expect_refused(&daemon, &[("failed_handshake", 1)]).await;
    // Without an authority nothing is sent at all.
    let (status, message) = world.info(&daemon, &["--token-file", "ours/token"]);
    assert_eq!(status, 64, "{message}");
    assert!(message.contains("tcp+tls needs --ca (or CANDOR_CA)"), "{message}");
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_good_for_its_names_only() {
    let world = World::new();
    let access = world.tls(ClientProof::Token(world.path("ours/token")));
    let daemon = Daemon::start_access(Some(ListenAddress::Tcp(([127, 0, 0, 2], 0).into())), access).await;
    let credentials = Credentials {
        authority: Some(world.path("ours/ca.pem")),
        token: Some(world.path("ours/token")),
        ..Credentials::default()
    };
    let address: Address = format!("tcp+tls:127.0.0.2:{}", daemon.port()).parse().unwrap();
    let error = DaemonClient::connect(&address.with_credentials(credentials)).await.unwrap_err();
    assert!(matches!(error, ClientError::NotTrusted { .. }), "{error}");
    assert!(error.to_string().contains("not valid for name \"127.0.0.2\""), "{error}");
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_is_given_is_looked_at_first() {
    let world = World::new();
    let daemon = world.either().await;
    let half = ["--ca", "ours/ca.pem", "--cert", "ours/client.pem"];
    world.expect(
        &daemon,
        &half,
        64,
        "cannot connect to {at}: --cert and --key belong together: give both (or CANDOR_CERT and CANDOR_KEY)",
    );
    world.expect(
        &daemon,
        &["--ca", "no.pem"],
        66,
        "cannot connect to {at}: no.pem: No such file or directory (os error 2)",
    );
    world.expect(
        &daemon,
        &["--ca", "ours/token"],
        65,
        "cannot connect to {at}: ours/token: no certificate in PEM is in this file",
    );
    fs::set_permissions(world.path("ours/token"), fs::Permissions::from_mode(0o644)).unwrap();
    world.expect(
        &daemon,
        &TOKEN,
        77,
        "cannot connect to {at}: ours/token: mode 0644 lets other users read this secret; run: chmod 600 ours/token",
    );
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_daemon_is_given_is_looked_at_first() {
    let world = World::new();
    let address = ListenAddress::Tcp((Ipv4Addr::LOCALHOST, 0).into());
    let sessions = || {
        let options = support::manager_options();
        candor::device::session::SessionManager::start(options, Vec::new(), Vec::new()).unwrap()
    };
    let start = async |access: AccessOptions| {
        candor::device::service::Server::start_with(&address, access, sessions()).await.expect_err("it started")
    };
    let error = start(AccessOptions::default()).await;
    assert!(matches!(error, ListenError::Unprotected(_)));
    assert_eq!(
        error.to_string(),
        "127.0.0.1:0: listening on TCP without TLS is refused, also on loopback: any app of the device can connect to a \
         TCP port, and reads and forges what others send over it. Make keys once with `candord keys --out DIRECTORY` and \
         add --keys DIRECTORY; or listen on unix:PATH, or on unix-abstract:NAME with `adb forward`, where the kernel says \
         who connects"
    );

    let mut mixed = world.tls(ClientProof::Token(world.path("ours/token")));
    mixed.tls.as_mut().unwrap().key = world.path("theirs/server.key");
    let error = start(mixed).await;
    assert!(matches!(error, ListenError::Tls(TlsError::Pair { .. })), "{error}");

    let error = start(world.tls(ClientProof::Certificate(world.path("ours/token")))).await;
    assert!(error.to_string().ends_with("ours/token: no certificate in PEM is in this file"), "{error}");

    fs::write(world.path("short"), "secret\n").unwrap();
    fs::set_permissions(world.path("short"), fs::Permissions::from_mode(0o600)).unwrap();
    let error = start(world.tls(ClientProof::Token(world.path("short")))).await;
    assert!(error.to_string().contains("one line of at least 32 printable characters"), "{error}");

    fs::set_permissions(world.path("ours/server.key"), fs::Permissions::from_mode(0o640)).unwrap();
    let error = start(world.tls(ClientProof::Token(world.path("ours/token")))).await;
    assert!(error.to_string().contains("mode 0640 lets other users read this secret"), "{error}");
}

/// Plain text, silence and noise on the port are turned away, and leave no connection behind.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tls_is_no_client() {
    let world = World::new();
    let daemon = world.either().await;
    let at = (Ipv4Addr::LOCALHOST, daemon.port());
    for bytes in [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 4096]] {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(bytes).unwrap();
        // An alert, and the end.
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() <= 7, "{answer:?}");
    }
    world.expect_refused(&daemon, &[("failed_handshake", 3)]).await;
    daemon.shutdown().await;
}

/// Peers that show nothing hold a few places only, and not those of clients.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_take_no_place_from_clients() {
    let world = World::new();
    let mut access = world.tls(ClientProof::Certificate(world.path("ours/ca.pem")));
    access.limits = AccessLimits { connections: 2, ..AccessLimits::default() };
    let daemon = start(access).await;
    // Two clients take both places; the third is told so, in words.
    let client = async |path: &Path| {
        let credentials = Credentials {
            authority: Some(path.join("ca.pem")),
            certificate: Some(path.join("client.pem")),
            key: Some(path.join("client.key")),
            token: None,
        };
        let address: Address = format!("tcp+tls:127.0.0.1:{}", daemon.port()).parse().unwrap();
        let mut client = DaemonClient::connect(&address.with_credentials(credentials)).await.unwrap();
        let answer = client.access().await;
        (client, answer)
    };
    let (first, _) = client(&world.path("ours")).await;
    let (_second, report) = client(&world.path("ours")).await;
    let report = report.unwrap().unwrap();
    assert_eq!((report.connections, report.connections_total, report.requests_total), (2, 2, 2));
    let (_third, refused) = client(&world.path("ours")).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the daemon refused: this daemon takes 2 connections at a time (--max-connections): close others, or try again \
         later"
    );
    drop(first);
    let deadline = std::time::Instant::now() + DEADLINE;
    let report = loop {
        let (_again, answer) = client(&world.path("ours")).await;
        match answer {
            Ok(report) => break report.unwrap(),
            Err(error) => assert!(std::time::Instant::now() < deadline, "the place is never free: {error}"),
        }
    };
    assert!(report.refusals.iter().any(|refusal| refusal.reason == "too_many_connections" && refusal.count >= 1));
    daemon.shutdown().await;
}

/// 2001, for two days.
const LONG_AGO: u64 = 1_000_000_000_000_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_of_date_is_not_trusted() {
    let world = World::new();
    let options = KeysOptions { directory: world.path("old"), names: Vec::new(), days: 2, force: false };
    keys::make(&options, LONG_AGO).unwrap();
    // The daemon looks at the client's.
    let daemon = start(world.tls(ClientProof::Certificate(world.path("old/ca.pem")))).await;
    world.expect(
        &daemon,
        &["--ca", "ours/ca.pem", "--cert", "old/client.pem", "--key", "old/client.key"],
        77,
        "{at} refused this client: the client certificate (--cert) is out of date by the daemon's clock",
    );
    daemon.shutdown().await;
    // The client looks at the daemon's.
    let tls = TlsOptions {
        certificate: world.path("old/server.pem"),
        key: world.path("old/server.key"),
        proof: ClientProof::Token(world.path("old/token")),
    };
    let daemon = start(AccessOptions { tls: Some(tls), ..AccessOptions::default() }).await;
    let (status, message) = world.info(&daemon, &["--ca", "old/ca.pem", "--token-file", "old/token"]);
    assert_eq!(status, 77, "{message}");
    assert!(message.contains("invalid peer certificate: certificate expired"), "{message}");
    daemon.shutdown().await;
}
