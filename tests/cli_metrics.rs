//! `candor metrics`, printed and scraped, against a daemon with a scripted probe.
#![cfg(all(feature = "device", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use candor::device::clock;
use support::{Daemon, FILE_OPEN};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

fn metrics(daemon: &Daemon, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
    command
        .args(["--daemon", &format!("unix:{}", daemon.socket.display()), "metrics"])
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn finish(child: Child) -> (i32, String, String) {
    let output = tokio::time::timeout(support::DEADLINE, child.wait_with_output()).await.expect("it hangs").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What a scraper gets, head and body.
fn scrape(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(support::DEADLINE)).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_and_what_is_scraped_are_the_daemons_own_numbers() {
    let daemon = Daemon::start().await;
    let mut recording = Command::new(env!("CARGO_BIN_EXE_candor"))
        .args(["--daemon", &format!("unix:{}", daemon.socket.display()), "record", "--uid", "10001", "-o", "a.candor"])
        .current_dir(daemon.socket.parent().unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    support::until("its reader", || daemon.sessions.subscribers() > 0).await;
    daemon.script.record(FILE_OPEN, clock::boot_ns(), 10, "/system/lib64/libc.so");
    daemon.script.lose("ring_full", 3);
    support::until("the loss", || daemon.sessions.list()[0].dropped == 3).await;

    let (status, printed, said) = finish(metrics(&daemon, &[]).spawn().unwrap()).await;
    assert_eq!((status, said.as_str()), (0, ""));
    for line in ["candor_daemon_up 1", "candor_sessions{state=\"running\"} 1", "# EOF"] {
        assert!(printed.lines().any(|one| one == line), "{line} is missing in\n{printed}");
    }
    let dropped = printed.lines().find(|line| line.starts_with("candor_stage_dropped_total")).unwrap();
    assert!(dropped.contains("reason=\"ring_full\"} 3"), "{dropped}");
    let number = |name: &str| -> u64 {
        let line = printed.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(number("candor_daemon_resident_bytes") > 1 << 20);

    let mut server = metrics(&daemon, &["--listen", "127.0.0.1:0"]).spawn().unwrap();
    let mut said = BufReader::new(server.stderr.take().unwrap()).lines();
    let line = tokio::time::timeout(support::DEADLINE, said.next_line()).await.unwrap().unwrap().unwrap();
    let address = line.split("http://").nth(1).unwrap().strip_suffix("/metrics").unwrap().to_owned();
    let scraped = tokio::task::spawn_blocking({
        let address = address.clone();
        move || scrape(&address)
    });
    let scraped = scraped.await.unwrap();
    assert!(scraped.starts_with("HTTP/1.1 200 OK\r\n"), "{scraped}");
    assert!(scraped.contains("content-type: application/openmetrics-text; version=1.0.0"), "{scraped}");
    assert!(scraped.contains("\ncandor_daemon_up 1\n"), "{scraped}");

    recording.kill().await.unwrap();
    daemon.shutdown().await;
    let scraped = tokio::task::spawn_blocking(move || scrape(&address)).await.unwrap();
    assert!(
        scraped.contains("\ncandor_daemon_up 0\n"),
        "a daemon that is gone is down, and the scraper is told: {scraped}"
    );

    let pid = nix::unistd::Pid::from_raw(server.id().unwrap().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let ended = tokio::time::timeout(support::DEADLINE, server.wait()).await.expect("it hangs").unwrap();
    assert_eq!(ended.code(), Some(0), "Ctrl-C is how it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_named() {
    let daemon = Daemon::start().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (status, _, said) = finish(metrics(&daemon, &["--listen", &address]).spawn().unwrap()).await;
    assert!(status == 73 && said.contains(&address) && said.contains("127.0.0.1:0"), "{status}: {said}");
}
