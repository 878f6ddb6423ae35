//! `candor watch`, `stop`, and what owns a session, against a daemon with a scripted probe.
#![cfg(all(feature = "device", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use candor::device::clock;
use candor::event::{StreamEntry, WatchNews};
use support::{Daemon, FILE_OPEN};
use tokio::process::{Child, Command};

fn candor(daemon: &Daemon, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
    command
        .args(["--daemon", &format!("unix:{}", daemon.socket.display())])
        .args(arguments)
        .current_dir(daemon.socket.parent().unwrap())
        .env_remove("CANDOR_OWNER")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Status, output and what was said.
async fn run(daemon: &Daemon, arguments: &[&str]) -> (i32, String, String) {
    finish(candor(daemon, arguments).spawn().unwrap()).await
}

async fn finish(child: Child) -> (i32, String, String) {
    let output = tokio::time::timeout(support::DEADLINE, child.wait_with_output()).await.expect("it hangs").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Records user 10001 in the background, until the session is there.
async fn record(daemon: &Daemon, more: &[&str]) -> Child {
    let before = daemon.sessions.list().len();
    let arguments = [&["record", "--uid", "10001", "-o", "a.candor"], more].concat();
    let child = candor(daemon, &arguments).spawn().unwrap();
    support::until("a session", || daemon.sessions.list().len() > before).await;
    support::until("its reader", || daemon.sessions.subscribers() > 0).await;
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_says_what_was_met_and_by_its_status_that_it_was() {
    let daemon = Daemon::start().await;
    let recording = record(&daemon, &[]).await;
    daemon.script.record(FILE_OPEN, clock::boot_ns(), 10, "/system/lib64/libc.so");
    daemon.script.record(FILE_OPEN, clock::boot_ns(), 10, "/sys/class/net/wlan0/address");
    let early = ["watch", "--before-consent", "--consent-phase", "unmarked", "--matches", "1"];
    let (status, out, said) = run(&daemon, &early).await;
    assert_eq!(status, 1, "{said}");
    assert!(
        out.starts_with("before-consent  id.mac  [medium]\n") && out.contains("/sys/class/net/wlan0/address"),
        "{out}"
    );
    assert_eq!(said, "1 match, 0 gaps; every match that was asked for was told\n");

    let (status, out, _) = run(&daemon, &[&early[..], &["--format", "json"]].concat()).await;
    let news: Vec<WatchNews> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(matches!(news.as_slice(), [WatchNews::Match(_), WatchNews::End(_)]), "{out}");
    assert_eq!(status, 1);

    let nothing = ["watch", "--data-type", "contacts", "--timeout", "0.3"];
    let (status, out, said) = run(&daemon, &nothing).await;
    assert_eq!((status, out.as_str(), said.as_str()), (0, "", "0 matches, 0 gaps; the time is over\n"));
    // The same with a loss: nobody can tell.
    daemon.script.lose("ring_full", 3);
    support::until("the loss", || daemon.sessions.list()[0].dropped == 3).await;
    let (status, out, _) = run(&daemon, &nothing).await;
    assert_eq!((status, out.as_str()), (2, "3 events were not seen (ring_full at stage probe)\n"));

    for (arguments, word) in [
        (&["watch"][..], "nothing to watch for"),
        (&["watch", "--data-type", "contcats"], "did you mean \"contacts\""),
        (&["watch", "--known", "a.example"], "--unknown-domain"),
        (&["watch", "--count", "0"], "1.."),
        (&["watch", "--unknown-domain", "--known", " . "], "is no domain"),
    ] {
        let (status, _, said) = run(&daemon, arguments).await;
        assert!(status != 0 && said.contains(word), "{arguments:?}: {status} {said}");
    }
    let (status, ..) = run(&daemon, &["stop"]).await;
    assert_eq!((status, finish(recording).await.0), (0, 0));
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owned_session_obeys_who_has_the_token() {
    let daemon = Daemon::start().await;
    let recording = record(&daemon, &["--owner", "owner.token"]).await;
    let token = daemon.socket.with_file_name("owner.token");
    support::until("the token", || fs::read(&token).is_ok_and(|token| token.len() == 65)).await;
    assert_eq!(fs::metadata(&token).unwrap().permissions().mode() & 0o7777, 0o600);
    for arguments in [&["mark", "refused"][..], &["stop"]] {
        let (status, _, said) = run(&daemon, arguments).await;
        assert!(status == 77 && said.contains("no owner's token was shown"), "{status} {said}");
        let owned = [arguments, &["--owner", "owner.token"]].concat();
        let (status, _, said) = run(&daemon, &owned).await;
        assert_eq!(status, 0, "{said}");
    }
    assert_eq!(finish(recording).await.0, 0);
    let (status, out, _) = run(&daemon, &["sessions"]).await;
    assert!(status == 0 && out.contains("stopped, owned"), "{out}");
    // An existing file is somebody's token.
    let again = ["record", "--uid", "10001", "-o", "b.candor", "--owner", "owner.token"];
    let (status, _, said) = run(&daemon, &again).await;
    assert!(status == 73 && said.contains("owner.token"), "{status} {said}");
    assert_eq!(daemon.sessions.list().len(), 1, "no session without a token that can be kept");
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_its_recorder_when_it_shall_and_is_a_stream_of_json_lines() {
    let daemon = Daemon::start().await;
    for (outlives, more) in [(false, &["--reconnect", "0"][..]), (true, &["--reconnect", "0", "--outlive"])] {
        let limit = if outlives { None } else { Some(std::time::Duration::from_secs(60)) };
        let mut recording = record(&daemon, &[more, &["--force"]].concat()).await;
        let id = daemon.sessions.list().last().unwrap().session_id.clone();
        assert_eq!(daemon.sessions.list().last().unwrap().limits.unread, limit, "outlives: {outlives}");
        recording.kill().await.unwrap();
        support::until("the reader is gone", || daemon.sessions.subscribers() == 0).await;
        for _ in 0..3 {
            daemon.script.record(FILE_OPEN, clock::boot_ns(), 10, "/sys/class/net/wlan0/address");
        }
        daemon.script.record(FILE_OPEN, clock::boot_ns(), 10, "/system/lib64/libc.so");
        let (status, _, said) = run(&daemon, &["stop", &id]).await;
        assert_eq!(status, 0, "{said}");
        let lines =
            ["events", &id, "--format", "ndjson", "--min-severity", "medium", "--from", "2", "--drop", "--light"];
        let (status, out, said) = run(&daemon, &lines).await;
        assert_eq!(status, 0, "{said}");
        let entries: Vec<StreamEntry> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let events: Vec<_> = entries
            .iter()
            .filter_map(|entry| match entry {
                StreamEntry::Event(event) => Some(event.sequence),
                _ => None,
            })
            .collect();
        assert_eq!(events, [2, 3], "{out}");
        assert!(matches!((&entries[0], entries.last()), (StreamEntry::Header(_), Some(StreamEntry::End(_)))), "{out}");
    }
    daemon.shutdown().await;
}
