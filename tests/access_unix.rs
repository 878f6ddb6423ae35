//! Who may connect over a Unix socket, and how much anybody may ask.
#![cfg(all(feature = "device", feature = "ebpf", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use candor::device::daemon;
use candor::device::service::{AccessLimits, AccessOptions, ListenAddress};
use candor::wire::proto;
use candor::wire::proto::candor_service_client::CandorServiceClient;
use hyper_util::rt::TokioIo;
use support::{DEADLINE, Daemon};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};

/// Nobody's, on any machine.
const STRANGER: u32 = 4_000_000;
const GUEST: u32 = 4_000_001;

async fn start(access: AccessOptions) -> Daemon {
    Daemon::start_access(None, access).await
}

fn limits(limits: AccessLimits) -> AccessOptions {
    AccessOptions { limits, ..AccessOptions::default() }
}

/// What was refused so far, by reason, as one of the allowed users is told.
async fn refused(client: &mut CandorServiceClient<Channel>) -> BTreeMap<String, u64> {
    let status = client.get_status(proto::GetStatusRequest {}).await.unwrap().into_inner().access.unwrap();
    status
        .refusals
        .into_iter()
        .filter(|refusal| refusal.count > 0)
        .map(|refusal| (refusal.reason, refusal.count))
        .collect()
}

/// Waits until this, and no more, was refused.
async fn expect_refused(client: &mut CandorServiceClient<Channel>, expected: &[(&str, u64)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
    let deadline = Instant::now() + DEADLINE;
    loop {
        let refused = refused(client).await;
        if refused == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{refused:?} instead of {expected:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Connects as another user. Needs root.
fn connect_as(user_id: u32, address: SocketAddr) -> std::io::Result<UnixStream> {
    let connecting = std::thread::spawn(move || {
        // The library would change every thread of the process; the kernel changes this one, which ends here.
        #[expect(unsafe_code, reason = "there is no safe way to change the user of one thread")]
        // SAFETY: the call takes three numbers and touches no memory.
        let changed = unsafe { libc::syscall(libc::SYS_setresuid, -1_i64, i64::from(user_id), -1_i64) };
        assert_eq!(changed, 0, "this test needs root: {}", std::io::Error::last_os_error());
        UnixStream::connect_addr(&address)
    });
    connecting.join().unwrap()
}

/// A channel over a connection that is there already, and no other.
async fn channel_over(stream: UnixStream) -> Channel {
    stream.set_nonblocking(true).unwrap();
    let mut stream = Some(tokio::net::UnixStream::from_std(stream).unwrap());
    Endpoint::from_static("http://candord.invalid")
        .connect_with_connector(tower::service_fn(move |_: Uri| {
            let stream = stream.take().ok_or_else(|| std::io::Error::other("one connection only"));
            async move { stream.map(TokioIo::new) }
        }))
        .await
        .unwrap()
}

/// Lets every user reach what is in a directory of a test.
fn open_to_all(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root: run by scripts/test"]
async fn another_user_is_told_that_it_may_not() {
    let daemon = start(AccessOptions { users: [GUEST].into(), ..AccessOptions::default() }).await;
    assert_eq!(fs::metadata(&daemon.socket).unwrap().mode() & 0o7777, 0o666, "the guest must be able to connect");
    open_to_all(daemon.socket.parent().unwrap());
    // A copy: other users may not be able to enter the directory where it was built.
    let place = tempfile::tempdir().unwrap();
    open_to_all(place.path());
    let candor = place.path().join("candor");
    fs::copy(env!("CARGO_BIN_EXE_candor"), &candor).unwrap();
    fs::set_permissions(&candor, fs::Permissions::from_mode(0o755)).unwrap();
    let info = |user_id: u32| {
        let output = Command::new(&candor)
            .args(["info", "--daemon", &format!("unix:{}", daemon.socket.display())])
            .uid(user_id)
            .gid(user_id)
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(info(GUEST), (0, String::new()));
    assert_eq!(info(0), (0, String::new()));
    let message = "error: the daemon refused: user id 4000000 may not use this daemon; allowed are: root, 4000001. Start \
                   candord with --allow-uid to let others in\n";
    assert_eq!(info(STRANGER), (77, message.to_owned()));
    expect_refused(&mut daemon.client().await, &[("wrong_user", 1)]).await;
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root: run by scripts/test"]
async fn without_other_users_the_file_keeps_them_out() {
    let daemon = start(AccessOptions::default()).await;
    open_to_all(daemon.socket.parent().unwrap());
    assert_eq!(fs::metadata(&daemon.socket).unwrap().mode() & 0o7777, 0o600);
    let error = connect_as(STRANGER, SocketAddr::from_pathname(&daemon.socket).unwrap()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    expect_refused(&mut daemon.client().await, &[]).await;
    daemon.shutdown().await;
}

/// An abstract name has no permissions: any app can connect, as often as it likes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root: run by scripts/test"]
async fn a_crowd_of_strangers_learns_nothing_and_keeps_nobody_out() {
    let name = format!("candor-access-{}", std::process::id());
    let address = || SocketAddr::from_abstract_name(&name).unwrap();
    let daemon = Daemon::start_access(Some(ListenAddress::UnixAbstract(name.clone())), AccessOptions::default()).await;
    let own = channel_over(UnixStream::connect_addr(&address()).unwrap()).await;
    let mut own = CandorServiceClient::new(own);

    // Every method is refused: health and reflection too.
    let channel = channel_over(connect_as(STRANGER, address()).unwrap()).await;
    let expected = "user id 4000000 may not use this daemon; allowed are: root. Start candord with --allow-uid to let \
                    others in";
    for path in [
        "/candor.v1.CandorService/GetDevice",
        "/candor.v1.CandorService/StreamEvents",
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/no.such/Method",
    ] {
        let status = send(&channel, path, Vec::new()).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::PermissionDenied, expected), "{path}");
    }
    expect_refused(&mut own, &[("wrong_user", 1)]).await;

    // A hundred more that stay: sixteen places are theirs, one is taken, and who gets none is hung up on.
    let crowd: Vec<_> = (0..100).map(|_| connect_as(STRANGER, address()).unwrap()).collect();
    expect_refused(&mut own, &[("wrong_user", 101)]).await;
    let status = own.get_status(proto::GetStatusRequest {}).await.unwrap().into_inner().access.unwrap();
    assert_eq!(status.connections, 1, "strangers are not connections");
    let mut hung_up = 0;
    for mut stream in &crowd {
        stream.set_nonblocking(true).unwrap();
        hung_up += u32::from(matches!(stream.read(&mut [0; 1]), Ok(0)));
    }
    assert_eq!(hung_up, 85);
    // A client that comes now is served.
    let late = channel_over(UnixStream::connect_addr(&address()).unwrap()).await;
    CandorServiceClient::new(late).get_device(proto::GetDeviceRequest {}).await.unwrap();
    drop(crowd);
    daemon.shutdown().await;
}

/// 2000 is adb's user on Android and anybody's elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn shell_is_let_in_on_android_only() {
    for (android, mode) in [(true, 0o666), (false, 0o600)] {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("system")).unwrap();
        if android {
            fs::write(root.path().join("system/build.prop"), "ro.product.model=Test\n").unwrap();
        }
        let socket = root.path().join("candord.sock");
        let daemon = daemon::Daemon::start(daemon::DaemonOptions {
            listen: ListenAddress::Unix(socket.clone()),
            probes: daemon::ProbeSource::Given(Vec::new(), Vec::new()),
            system_root: root.path().to_owned(),
            ..daemon::DaemonOptions::default()
        })
        .await
        .unwrap();
        assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o7777, mode, "android: {android}");
        daemon.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_long_is_refused() {
    let daemon = start(AccessOptions::default()).await;
    let mut client = daemon.client().await;
    let request = |bytes: usize| proto::StartSessionRequest { label: "x".repeat(bytes), ..Default::default() };
    let status = client.start_session(request(300_000)).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    let expected = "Error, decoded message length too large: found 300004 bytes, the limit is: 262144 bytes";
    assert_eq!(status.message(), expected);
    // One that is not is looked at.
    let status = client.start_session(request(1000)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    expect_refused(&mut client, &[("too_large", 1), ("invalid", 1)]).await;
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_refused_and_the_next_second_is_another() {
    let daemon = start(limits(AccessLimits { requests_per_second: 5, ..AccessLimits::default() })).await;
    let began = Instant::now();
    let (mut served, mut refused) = (0_u64, 0_u64);
    // Over two connections: they share what their user has.
    let mut clients = [daemon.client().await, daemon.client().await];
    for index in 0..100 {
        match clients[index % 2].get_device(proto::GetDeviceRequest {}).await {
            Ok(_) => served += 1,
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted);
                assert_eq!(
                    status.message(),
                    "this daemon takes 5 requests a second from one client (--max-requests-per-second): try again in a second"
                );
                refused += 1;
            }
        }
    }
    let earned = 10 + began.elapsed().as_secs() * 5 + 5;
    assert!((10..=earned).contains(&served), "{served} of 100 were served, at most {earned} could be");
    let deadline = Instant::now() + DEADLINE;
    let status = loop {
        match clients[0].get_status(proto::GetStatusRequest {}).await {
            Ok(status) => break status.into_inner().access.unwrap(),
            Err(_) => refused += 1,
        }
        assert!(Instant::now() < deadline, "nothing is earned");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let counted = status.refusals.iter().find(|refusal| refusal.reason == "too_fast").unwrap().count;
    assert_eq!((counted, status.requests_total), (refused, served + 1));
    assert_eq!(status.limits.unwrap().requests_per_second, 5);
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_gets_so_many_calls_at_a_time() {
    let daemon = start(limits(AccessLimits { streams: 2, ..AccessLimits::default() })).await;
    let mut client = daemon.client().await;
    let selection = Some(proto::Selection { user_ids: vec![10_000], ..Default::default() });
    let request = proto::StartSessionRequest { selection, ..Default::default() };
    let session_id = client.start_session(request).await.unwrap().into_inner().header.unwrap().session_id;
    let request = || proto::StreamEventsRequest { session_id: session_id.clone(), ..Default::default() };
    let first = client.stream_events(request()).await.unwrap();
    let second = client.stream_events(request()).await.unwrap();
    // A third call waits for one of them to end; on another connection it need not.
    let mut waiting = client.clone();
    let mut third = Box::pin(waiting.get_device(proto::GetDeviceRequest {}));
    tokio::time::timeout(Duration::from_millis(300), &mut third).await.expect_err("the third call was not held back");
    daemon.client().await.get_device(proto::GetDeviceRequest {}).await.unwrap();
    drop(first);
    tokio::time::timeout(DEADLINE, third).await.expect("the third call is held back for ever").unwrap();
    drop(second);
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_too_many_is_refused() {
    let daemon = start(AccessOptions::default()).await;
    let mut client = daemon.client().await;
    let selection = |user_id| Some(proto::Selection { user_ids: vec![user_id], ..Default::default() });
    let request = |user_id| proto::StartSessionRequest { selection: selection(user_id), ..Default::default() };
    for user_id in 10_000..10_004 {
        client.start_session(request(user_id)).await.unwrap();
    }
    let status = client.start_session(request(10_004)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    expect_refused(&mut client, &[("no_room", 1)]).await;
    daemon.shutdown().await;
}

/// Bytes as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        use prost::bytes::BufMut as _;
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, _: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(Vec::new()))
    }
}

/// Sends bytes as the message of a method.
async fn send(channel: &Channel, path: &'static str, message: Vec<u8>) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    grpc.unary(Request::new(message), PathAndQuery::from_static(path), Raw).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_malformed_requests_change_nothing() {
    const START: &str = "/candor.v1.CandorService/StartSession";
    let daemon = start(limits(AccessLimits { requests_per_second: 1_000_000, ..AccessLimits::default() })).await;
    let mut client = daemon.client().await;
    let channel = daemon.channel().await;
    let malformed: [&[u8]; 4] = [
        &[0xff; 40],               // no key of any field
        &[0x0a, 0x7f],             // a length that leads past the end
        &[0x10, 0x01],             // a label that is a number
        &[0x12, 0x02, 0xff, 0xfe], // a label that is not UTF-8
    ];
    for index in 0..8_000 {
        let status = send(&channel, START, malformed[index % 4].to_vec()).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{status}");
        assert!(status.message().starts_with("failed to decode Protobuf message"), "{status}");
    }
    for _ in 0..1_000 {
        let status = send(&channel, "/candor.v1.CandorService/NoSuchMethod", Vec::new()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{status}");
    }
    let socket = daemon.socket.clone();
    let noise = tokio::task::spawn_blocking(move || {
        for index in 0..1_000_u32 {
            let mut stream = UnixStream::connect(&socket).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            // Neither HTTP/1 nor the preface of HTTP/2; the daemon may hang up before all of it is written.
            let _ = stream.write_all(&index.wrapping_mul(2_654_435_761).to_le_bytes().repeat(16));
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
        }
    });
    noise.await.unwrap();
    expect_refused(&mut client, &[("malformed", 9_000), ("unknown_method", 1_000)]).await;
    client.get_device(proto::GetDeviceRequest {}).await.unwrap();
    let mut fresh = daemon.client().await;
    let status = fresh.get_status(proto::GetStatusRequest {}).await.unwrap().into_inner().access.unwrap();
    assert_eq!(status.connections, 3, "of those with noise none is left");
    daemon.shutdown().await;
}
