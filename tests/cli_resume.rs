//! A recording goes on when its connection is lost: `candor record` against a scripted daemon, through a socket that the
//! test cuts.
#![cfg(all(feature = "device", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod support;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use candor::device::clock;
use candor::event::StreamEntry;
use candor::host::recording::RecordingReader;
use support::{DEADLINE, Daemon, FILE_OPEN};
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Carries connections from one socket to another, until it is cut.
struct Proxy {
    accepting: JoinHandle<()>,
    cut: watch::Sender<bool>,
}

impl Proxy {
    fn start(at: &Path, to: &Path) -> Self {
        let _ = std::fs::remove_file(at);
        let listener = UnixListener::bind(at).unwrap();
        let to = to.to_owned();
        let (cut, is_cut) = watch::channel(false);
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((mut near, _)) = listener.accept().await else { return };
                let (to, mut is_cut) = (to.clone(), is_cut.clone());
                tokio::spawn(async move {
                    let mut far = UnixStream::connect(to).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_cut.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self { accepting, cut }
    }

    /// Ends every connection, and takes no more.
    fn cut(self) {
        self.accepting.abort();
        self.cut.send_replace(true);
    }
}

fn record(directory: &Path, reconnect: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_candor"))
        .args(["record", "--uid", "10001", "-o", "r.candor", "--daemon", "unix:proxy.sock", "--reconnect", reconnect])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("{what} did not happen in time"));
}

fn sequences(recording: &Path) -> (Vec<u64>, usize, usize, bool) {
    let mut reader = RecordingReader::open(recording).unwrap();
    let (mut sequences, mut headers, mut gaps) = (Vec::new(), 0, 0);
    for entry in reader.by_ref() {
        match entry {
            StreamEntry::Event(event) => sequences.push(event.sequence),
            StreamEntry::Header(_) => headers += 1,
            StreamEntry::Gap(_) => gaps += 1,
            StreamEntry::Totals(_) | StreamEntry::End(_) | StreamEntry::SelfTest(_) | StreamEntry::ClockChange(_) => {}
        }
    }
    let whole = reader.condition().is_whole();
    (sequences, headers, gaps, whole)
}

#[tokio::test]
async fn a_lost_connection_leaves_neither_holes_nor_repetitions() {
    let daemon = Daemon::start().await;
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("proxy.sock");
    let mut proxy = Proxy::start(&at, &daemon.socket);
    let recording = record(directory.path(), "60");
    wait_for("the session", || daemon.sessions.subscribers() == 1).await;
    for round in 0..5_u64 {
        daemon.script.records(FILE_OPEN, clock::boot_ns(), 10, "/before", 300);
        wait_for("the events", || daemon.sessions.list()[0].events == round * 600 + 300).await;
        proxy.cut();
        wait_for("the loss", || daemon.sessions.subscribers() == 0).await;
        // While nobody listens.
        daemon.script.records(FILE_OPEN, clock::boot_ns(), 10, "/meanwhile", 300);
        wait_for("the events", || daemon.sessions.list()[0].events == round * 600 + 600).await;
        proxy = Proxy::start(&at, &daemon.socket);
        wait_for("the reader's return", || daemon.sessions.subscribers() == 1).await;
    }
    let session_id = daemon.sessions.list()[0].session_id.clone();
    daemon.sessions.stop_session(&session_id, "").await.unwrap();
    let output = tokio::time::timeout(DEADLINE, recording.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // A cut in the middle of coming back belongs to the loss before it.
    let back = said.matches("the connection is back").count();
    assert!((1..=5).contains(&back) && said.matches("is lost").count() == back, "{said}");
    let (sequences, headers, gaps, whole) = sequences(&directory.path().join("r.candor"));
    assert_eq!(sequences, (1..=3000).collect::<Vec<_>>());
    assert_eq!((headers, gaps, whole), (1, 0, true));
}

#[tokio::test]
async fn a_daemon_that_stays_away_ends_the_recording_and_what_there_is_stays_readable() {
    let daemon = Daemon::start().await;
    let directory = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(&directory.path().join("proxy.sock"), &daemon.socket);
    let recording = record(directory.path(), "0.5");
    wait_for("the session", || daemon.sessions.subscribers() == 1).await;
    daemon.script.records(FILE_OPEN, clock::boot_ns(), 10, "/before", 20);
    wait_for("the events", || daemon.sessions.list()[0].events == 20).await;
    let file = directory.path().join("r.candor");
    wait_for("the recording", || sequences(&file).0.len() == 20).await;
    proxy.cut();
    let output = tokio::time::timeout(DEADLINE, recording.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("trying again") && said.contains("went away in mid-stream"), "{said}");
    let (sequences, headers, _, whole) = sequences(&file);
    assert_eq!(sequences, (1..=20).collect::<Vec<_>>());
    assert_eq!((headers, whole), (1, false));
}
