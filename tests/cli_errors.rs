//! Bad input to `candor`: each has its own message and exit status, and what was recorded stays readable.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const HEADER: &str = r#"{"header": {"session_id": "hand", "device": {}, "started": {"boot_ns": 0, "wall_ns": 0}, "selection": {"user_ids": [10001]}, "probes": []}}"#;
const EVENT: &str = r#"{"event": {"time_ns": 5000, "process": {"key": {"pid": 7, "start_ns": 0}, "name": "app"}, "user_id": 10001, "phase": "pre_consent", "probe": "procfs", "outcome": "ok", "body": {"file_unlink": {"path": "/sdcard/a"}}}}"#;

fn candor(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_candor"))
        .args(arguments)
        .current_dir(directory)
        .env_remove("CANDOR_DAEMON")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs `candor` and expects this exit status and these words on standard error, and nothing on standard output.
#[track_caller]
fn expect(directory: &Path, arguments: &[&str], status: i32, words: &[&str]) {
    let output = candor(directory, arguments);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {message}");
    for word in words {
        assert!(message.contains(word), "{arguments:?}: {message:?} does not say {word:?}");
    }
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
}

fn directory() -> TempDir {
    TempDir::new().unwrap()
}

/// A recording of `events` events, complete.
fn imported(directory: &Path, events: usize) -> Vec<u8> {
    let lines = vec![EVENT; events].join("\n");
    fs::write(directory.join("a.ndjson"), format!("{HEADER}\n{lines}\n")).unwrap();
    let output = candor(directory, &["import", "a.ndjson", "-o", "a.candor", "--complete", "--force"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(directory.join("a.candor")).unwrap()
}

#[test]
fn a_wrong_command_line() {
    let directory = directory();
    let directory = directory.path();
    expect(directory, &["recrod"], 64, &["unrecognized subcommand 'recrod'", "record"]);
    expect(directory, &["record"], 64, &["nothing to record", "--uid N"]);
    expect(directory, &["record", "--uid", "1", "--", "ls"], 64, &["cannot be used with"]);
    expect(directory, &["record", "--pid", "0"], 64, &["0 is not in"]);
    expect(directory, &["mark", "Not A Phase"], 64, &["invalid value"]);
    expect(directory, &["info", "--daemon", "localhost:1234"], 64, &["unix:/path/to/socket"]);
    expect(directory, &["run", "--", "ls"], 64, &["--terms"]);
}

#[test]
fn a_command_that_cannot_run() {
    let directory = directory();
    let directory = directory.path();
    fs::write(directory.join("text"), "").unwrap();
    expect(directory, &["record", "--", "no-such-program"], 64, &["command not found: no-such-program"]);
    expect(directory, &["record", "--", "./no-such"], 64, &["command not found: ./no-such"]);
    expect(directory, &["record", "--", "./text"], 64, &["./text is not executable"]);
    expect(directory, &["record", "--", "/"], 64, &["is a directory"]);
    expect(directory, &["record", "--user", "nobody-of-this-name", "--", "ls"], 64, &["no user of that name"]);
    fs::write(directory.join("terms.toml"), "").unwrap();
    expect(directory, &["run", "--terms", "terms.toml", "--", "no-such-program"], 64, &["command not found"]);
    expect(directory, &["run", "--terms", "none.toml", "--", "ls"], 66, &["none.toml"]);
    expect(directory, &["run", "--terms", "terms.toml", "--", "true"], 65, &["terms.toml cannot be used", "[app]"]);
}

#[test]
fn no_daemon() {
    let directory = directory();
    let directory = directory.path();
    let nothing = ["info", "--daemon", "unix:no.sock"];
    expect(directory, &nothing, 69, &["nothing listens at unix:no.sock", "is candord running?"]);
    expect(directory, &["info", "--daemon", "unix-abstract:candor-test-nobody"], 69, &["nothing listens"]);
    // A socket that a daemon left behind.
    drop(UnixListener::bind(directory.join("stale.sock")).unwrap());
    expect(directory, &["sessions", "--daemon", "unix:stale.sock"], 69, &["nothing listens at unix:stale.sock"]);
    expect(
        directory,
        &["record", "--uid", "1", "-o", "r.candor", "--daemon", "unix:no.sock"],
        69,
        &["nothing listens"],
    );
    assert!(!directory.join("r.candor").exists(), "an empty recording was left behind");
}

#[test]
fn something_else_listens() {
    let directory = directory();
    let listener = UnixListener::bind(directory.path().join("other.sock")).unwrap();
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
    });
    expect(directory.path(), &["info", "--daemon", "unix:other.sock"], 69, &["is not a Candor daemon"]);
    other.join().unwrap();
}

#[test]
fn recordings_that_are_none() {
    let directory = directory();
    let directory = directory.path();
    fs::write(directory.join("empty"), "").unwrap();
    fs::write(directory.join("text"), "hello, hello, hello").unwrap();
    fs::write(directory.join("json"), HEADER).unwrap();
    expect(directory, &["events", "./none.candor"], 66, &["cannot open the recording ./none.candor"]);
    expect(directory, &["events", "empty"], 65, &["empty is not a Candor recording: it is empty"]);
    expect(directory, &["events", "text"], 65, &["text is not a Candor recording"]);
    expect(directory, &["events", "json"], 65, &["candor import"]);
    expect(directory, &["events", "."], 65, &["it is a directory"]);
}

#[test]
fn a_truncated_or_damaged_recording_is_shown_as_far_as_it_goes() {
    let directory = directory();
    let directory = directory.path();
    let bytes = imported(directory, 1000);
    fs::write(directory.join("short.candor"), &bytes[..bytes.len() - 3]).unwrap();
    let output = candor(directory, &["events", "short.candor"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(65), "{message}");
    assert!(message.contains("the file ends in the middle of a frame") && message.contains("Truncated"), "{message}");

    let mut flipped = bytes;
    let middle = flipped.len() / 2;
    flipped[middle] ^= 4;
    fs::write(directory.join("flipped.candor"), &flipped).unwrap();
    let output = candor(directory, &["events", "flipped.candor"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(65), "{message}");
    assert!(message.contains("checksum of a frame does not match"), "{message}");
}

#[test]
fn text_that_is_no_recording() {
    let directory = directory();
    let directory = directory.path();
    let import = ["import", "bad.ndjson", "-o", "bad.candor"];
    expect(directory, &import, 66, &["cannot open bad.ndjson"]);
    for (text, words) in [
        (format!("{HEADER}\n{}\n", EVENT.replace("user_id", "userid")), ["bad.ndjson:2:", "did you mean `user_id`?"]),
        (format!("{HEADER}\n{}\n", EVENT.replace("10001", "\"ten\"")), ["in `event.user_id`", "expected u32"]),
        (format!("{EVENT}\n"), ["bad.ndjson:1:1", "first line must be the header"]),
        (String::new(), ["bad.ndjson:1:1", "there is no header"]),
    ] {
        fs::write(directory.join("bad.ndjson"), text).unwrap();
        expect(directory, &import, 65, &words);
        assert!(!directory.join("bad.candor").exists(), "a failed import left a recording behind");
    }
}

#[test]
fn outputs_that_cannot_be_written() {
    let directory = directory();
    let directory = directory.path();
    imported(directory, 1);
    expect(directory, &["import", "a.ndjson", "-o", "a.candor"], 73, &["a.candor exists already", "--force"]);
    expect(directory, &["import", "a.ndjson", "-o", "no/such/b.candor"], 73, &["cannot create", "No such file"]);
    expect(directory, &["import", "a.ndjson", "-o", "/dev/full", "--force"], 73, &["No space left on device"]);
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let directory = directory();
    imported(directory.path(), 50_000);
    let mut child = Command::new(env!("CARGO_BIN_EXE_candor"))
        .args(["events", "a.candor"])
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn events_are_filtered_and_what_is_exported_can_be_imported() {
    let directory = directory();
    let directory = directory.path();
    imported(directory, 3);
    let lines = |arguments: &[&str]| {
        let output = candor(directory, arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(lines(&["events", "a.candor", "--grep", "SDCARD"]).matches("file_unlink").count(), 3);
    assert_eq!(lines(&["events", "a.candor", "--family", "socket"]).matches("file_unlink").count(), 0);
    assert_eq!(lines(&["events", "a.candor", "--phase", "refused"]).matches("file_unlink").count(), 0);
    let text = lines(&["events", "a.candor", "--format", "ndjson"]);
    fs::write(directory.join("b.ndjson"), &text).unwrap();
    lines(&["import", "b.ndjson", "-o", "b.candor"]);
    assert_eq!(lines(&["events", "b.candor", "--format", "ndjson"]), text);
}

/// Recordings of earlier versions must stay readable. To add one: `candor import tests/golden/recording.ndjson --complete`.
#[test]
fn a_recording_of_an_earlier_version_is_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let output = candor(&golden, &["events", "recording-format-1.candor", "--format", "ndjson"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let expected = fs::read_to_string(golden.join("recording-format-1.expected.ndjson")).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[cfg(feature = "device")]
mod with_a_daemon_of_our_own {
    use std::pin::Pin;

    use candor::event;
    use candor::host::recording::RecordingReader;
    use candor::wire::proto::candor_service_server::{CandorService, CandorServiceServer};
    use candor::wire::proto::*;
    use tokio_stream::Stream;
    use tokio_stream::wrappers::UnixListenerStream;
    use tonic::{Request, Response, Status};

    use super::{directory, expect};

    /// A daemon that streams two events and then breaks off.
    struct Breaking {
        boot_id: String,
    }

    fn entry(sequence: u64) -> StreamEntry {
        let text = super::EVENT.replace("\"time_ns\"", &format!("\"sequence\": {sequence}, \"time_ns\""));
        let entry: event::StreamEntry = serde_json::from_str(&text).unwrap();
        StreamEntry::from(&entry)
    }

    fn header() -> SessionHeader {
        let Ok(event::StreamEntry::Header(header)) = serde_json::from_str(super::HEADER) else { panic!("no header") };
        SessionHeader::from(&*header)
    }

    #[tonic::async_trait]
    impl CandorService for Breaking {
        type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;
        type StreamEventsStream = Pin<Box<dyn Stream<Item = Result<StreamEventsResponse, Status>> + Send>>;

        async fn get_device(&self, _: Request<GetDeviceRequest>) -> Result<Response<GetDeviceResponse>, Status> {
            let device = DeviceInfo { boot_id: self.boot_id.clone(), name: "phone".to_owned(), ..Default::default() };
            Ok(Response::new(GetDeviceResponse {
                device: Some(device),
                probes: Vec::new(),
                now: Some(ClockAnchor { boot_ns: 1, wall_ns: 1 }),
            }))
        }

        async fn list_packages(
            &self,
            _: Request<ListPackagesRequest>,
        ) -> Result<Response<ListPackagesResponse>, Status> {
            Ok(Response::new(ListPackagesResponse::default()))
        }

        async fn start_session(
            &self,
            _: Request<StartSessionRequest>,
        ) -> Result<Response<StartSessionResponse>, Status> {
            Ok(Response::new(StartSessionResponse { header: Some(header()), ..StartSessionResponse::default() }))
        }

        async fn stop_session(&self, _: Request<StopSessionRequest>) -> Result<Response<StopSessionResponse>, Status> {
            Err(Status::not_found("no session of that id"))
        }

        async fn list_sessions(
            &self,
            _: Request<ListSessionsRequest>,
        ) -> Result<Response<ListSessionsResponse>, Status> {
            Ok(Response::new(ListSessionsResponse::default()))
        }

        async fn stream_events(
            &self,
            _: Request<StreamEventsRequest>,
        ) -> Result<Response<Self::StreamEventsStream>, Status> {
            let header = StreamEntry { entry: Some(stream_entry::Entry::Header(header())) };
            let messages = [
                Ok(StreamEventsResponse { entries: vec![header, entry(1), entry(2)] }),
                Err(Status::unavailable("the process was killed")),
            ];
            Ok(Response::new(Box::pin(tokio_stream::iter(messages))))
        }

        async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
            Err(Status::not_found("no session of that id"))
        }

        async fn query_events(&self, _: Request<QueryEventsRequest>) -> Result<Response<QueryEventsResponse>, Status> {
            Ok(Response::new(QueryEventsResponse::default()))
        }

        async fn summarize(&self, _: Request<SummarizeRequest>) -> Result<Response<SummarizeResponse>, Status> {
            Ok(Response::new(SummarizeResponse::default()))
        }

        async fn mark_phase(&self, _: Request<MarkPhaseRequest>) -> Result<Response<MarkPhaseResponse>, Status> {
            Err(Status::failed_precondition("the session has ended"))
        }

        async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
            Ok(Response::new(GetStatusResponse::default()))
        }
    }

    /// Runs `test` in a directory where `d.sock` leads to such a daemon.
    fn with_daemon(boot_id: &str, test: impl FnOnce(&std::path::Path)) {
        let directory = directory();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let service = CandorServiceServer::new(Breaking { boot_id: boot_id.to_owned() });
        let listener = {
            let _inside = runtime.enter();
            tokio::net::UnixListener::bind(directory.path().join("d.sock")).unwrap()
        };
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(UnixListenerStream::new(listener)),
        );
        test(directory.path());
    }

    #[test]
    fn a_daemon_that_goes_away_in_mid_stream() {
        with_daemon("b", |directory| {
            let arguments =
                ["record", "--uid", "10001", "-o", "r.candor", "--daemon", "unix:d.sock", "--reconnect", "1"];
            expect(
                directory,
                &arguments,
                69,
                &["went away in mid-stream", "2 events up to there are kept in r.candor"],
            );
            let mut reader = RecordingReader::open(&directory.join("r.candor")).unwrap();
            assert_eq!(reader.by_ref().count(), 3);
            assert!(!reader.condition().complete && reader.condition().damage.is_empty());
        });
    }

    #[test]
    fn a_command_for_a_daemon_on_another_device() {
        with_daemon("another boot", |directory| {
            let arguments = ["record", "-o", "r.candor", "--daemon", "unix:d.sock", "--", "true"];
            expect(directory, &arguments, 64, &["runs on another device (phone)", "--uid or --pid"]);
            assert!(!directory.join("r.candor").exists());
        });
    }

    #[test]
    fn refusals_of_the_daemon() {
        with_daemon("b", |directory| {
            let daemon = "unix:d.sock";
            expect(directory, &["mark", "refused", "--daemon", daemon], 64, &["no session is running"]);
            let mark = ["mark", "refused", "--session", "x", "--daemon", daemon];
            expect(directory, &mark, 69, &["the daemon refused: the session has ended"]);
        });
    }
}
