//! Many subscribers of one session: slow ones change nothing for the others, and each knows what it missed.
#![cfg(all(feature = "device", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod support;

use candor::device::clock;
use candor::device::event_bus::SpoolLimits;
use candor::device::session::ManagerOptions;
use candor::event::{Gap, SessionEnd, SessionHeader, Stage, StreamEntry, Totals};
use candor::wire::proto;
use candor::wire::proto::candor_service_client::CandorServiceClient;
use support::{DEADLINE, Daemon, FILE_OPEN, PROCESS_EXIT};
use tonic::transport::Channel;
use tonic::{Code, Streaming};

type Client = CandorServiceClient<Channel>;

/// More than what a connection and its batches hold on the way, so that a stalled subscriber stalls.
const EVENTS: u64 = 60_000;

async fn begin(daemon: &Daemon) -> String {
    let selection = Some(proto::Selection { user_ids: vec![10_001], ..proto::Selection::default() });
    let request = proto::StartSessionRequest { selection, ..Default::default() };
    daemon.client().await.start_session(request).await.unwrap().into_inner().header.unwrap().session_id
}

async fn stop(daemon: &Daemon, session_id: &str) {
    let request = proto::StopSessionRequest { session_id: session_id.to_owned(), ..Default::default() };
    daemon.client().await.stop_session(request).await.unwrap();
}

/// What a subscriber got.
#[derive(Default)]
struct Got {
    header: Option<SessionHeader>,
    sequences: Vec<u64>,
    gaps: Vec<Gap>,
    totals: Vec<Totals>,
    end: Option<SessionEnd>,
    bytes: usize,
}

impl Got {
    /// Reads until so many events have come, or until the end.
    async fn read(&mut self, stream: &mut Streaming<proto::StreamEventsResponse>, events: u64) {
        use prost::Message as _;
        while (self.sequences.len() as u64) < events {
            let message = tokio::time::timeout(DEADLINE, stream.message()).await.expect("the stream stalls").unwrap();
            let Some(message) = message else { return };
            self.bytes += message.encoded_len();
            for entry in message.entries {
                match StreamEntry::try_from(entry).unwrap() {
                    StreamEntry::Header(header) => assert!(self.header.replace(*header).is_none(), "a second header"),
                    StreamEntry::Event(event) => self.sequences.push(event.sequence),
                    StreamEntry::Gap(gap) => {
                        // A gap stands where the events are missing.
                        let before = self.sequences.last().copied().unwrap_or(0);
                        assert!(gap.first_sequence > Some(before), "{gap:?} after {before}");
                        self.gaps.push(gap);
                    }
                    StreamEntry::Totals(totals) => self.totals.push(*totals),
                    StreamEntry::End(end) => self.end = Some(*end),
                    StreamEntry::SelfTest(_) | StreamEntry::ClockChange(_) => {}
                }
            }
        }
    }

    /// Every event up to `last` came once and in order, or lies in a gap of this stage; and the account says so.
    fn check(&self, last: u64, stage: Stage, reason: &str) {
        let mut ranges: Vec<_> = self.sequences.iter().map(|sequence| (*sequence, *sequence)).collect();
        assert!(self.sequences.is_sorted_by(|a, b| a < b), "events came twice or out of order");
        for gap in &self.gaps {
            assert_eq!((gap.stage, gap.reason.as_str()), (stage, reason));
            let (first, last) = (gap.first_sequence.unwrap(), gap.last_sequence.unwrap());
            assert_eq!(gap.count, last - first + 1);
            ranges.push((first, last));
        }
        ranges.sort_unstable();
        let mut next = 1;
        for (first, last) in ranges {
            assert_eq!(first, next, "a hole, or an event that is also in a gap");
            next = last + 1;
        }
        assert_eq!(next, last + 1);
        let missed: u64 = self.gaps.iter().map(|gap| gap.count).sum();
        let totals = &self.end.as_ref().expect("no end").totals;
        for totals in self.totals.iter().chain([totals]) {
            let stages = &totals.loss.stages;
            assert!(stages[&Stage::Spool].is_balanced() && stages[&Stage::Subscriber].is_balanced(), "{totals:?}");
            assert_eq!(stages[&Stage::Spool].delivered, stages[&Stage::Subscriber].produced);
        }
        let dropped = totals.loss.stages[&stage].dropped.get(reason).copied().unwrap_or(0);
        assert_eq!(dropped, missed);
        assert_eq!(totals.loss.stages[&Stage::Subscriber].delivered, self.sequences.len() as u64);
    }
}

async fn subscribe(daemon: &Daemon, request: proto::StreamEventsRequest) -> Streaming<proto::StreamEventsResponse> {
    // A connection of its own, as every client has.
    daemon.client().await.stream_events(request).await.unwrap().into_inner()
}

/// 16 subscribers, of which 8 do not read: the other 8 get every event once and in order, before any of the 8 has read one.
async fn sixteen_of_which_eight_stall(held_events: usize) -> (Daemon, Vec<Got>, Vec<Got>) {
    let options =
        ManagerOptions { spool: SpoolLimits { bytes: usize::MAX, events: held_events }, ..support::manager_options() };
    let daemon = Daemon::start_with(options).await;
    let session_id = begin(&daemon).await;
    let request = |when_slow: proto::SlowPolicy| proto::StreamEventsRequest {
        session_id: session_id.clone(),
        when_slow: when_slow.into(),
        queue_events: if when_slow == proto::SlowPolicy::Drop { 500 } else { 0 },
        ..Default::default()
    };
    let (mut stalled, mut reading) = (Vec::new(), Vec::new());
    for index in 0..16 {
        let policy = if index % 4 < 2 { proto::SlowPolicy::WaitOnSpool } else { proto::SlowPolicy::Drop };
        let stream = subscribe(&daemon, request(policy)).await;
        // Of each policy half stalls.
        if index % 2 == 0 { &mut stalled } else { &mut reading }.push((policy, stream));
    }
    // A reader that keeps up must be seen to keep up: events come in portions, and the next one when all 8 have the last.
    let path = format!("/data/{}", "x".repeat(250));
    let mut got: Vec<Got> = (0..8).map(|_| Got::default()).collect();
    for portion in 1..=EVENTS / 400 {
        daemon.script.records(FILE_OPEN, clock::boot_ns(), 10, &path, 400);
        for (got, (_, stream)) in got.iter_mut().zip(&mut reading) {
            got.read(stream, portion * 400).await;
        }
    }
    stop(&daemon, &session_id).await;
    for (got, (_, stream)) in got.iter_mut().zip(&mut reading) {
        got.read(stream, u64::MAX).await;
    }
    let mut late = Vec::new();
    stalled.sort_by_key(|(policy, _)| *policy as i32);
    for (_, mut stream) in stalled {
        let mut got = Got::default();
        got.read(&mut stream, u64::MAX).await;
        late.push(got);
    }
    (daemon, got, late)
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_stalled_subscribers_cost_eight_others_nothing_and_miss_nothing_that_is_held() {
    let (daemon, reading, stalled) = sixteen_of_which_eight_stall(usize::MAX).await;
    for got in &reading {
        assert_eq!((got.sequences.len() as u64, got.gaps.len()), (EVENTS, 0));
        got.check(EVENTS, Stage::Subscriber, "subscriber_slow");
    }
    let (waited, dropped) = stalled.split_at(4);
    for got in waited {
        assert_eq!((got.sequences.len() as u64, got.gaps.len()), (EVENTS, 0), "the spool holds everything");
        got.check(EVENTS, Stage::Spool, "spool_full");
    }
    for got in dropped {
        assert!(!got.gaps.is_empty() && got.sequences.len() >= 500, "{} events", got.sequences.len());
        assert_eq!(got.sequences.last(), Some(&EVENTS), "what is newest is there");
        got.check(EVENTS, Stage::Subscriber, "subscriber_slow");
    }
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_subscribers_are_told_exactly_what_the_spool_no_longer_holds() {
    let (daemon, reading, stalled) = sixteen_of_which_eight_stall(5_000).await;
    for got in &reading {
        assert_eq!((got.sequences.len() as u64, got.gaps.len()), (EVENTS, 0));
        got.check(EVENTS, Stage::Spool, "spool_full");
    }
    let (waited, dropped) = stalled.split_at(4);
    for got in waited {
        assert!(!got.gaps.is_empty());
        got.check(EVENTS, Stage::Spool, "spool_full");
    }
    for got in dropped {
        // Their queues are filled from the newest end: the spool never had gone before them.
        assert!(!got.gaps.is_empty());
        got.check(EVENTS, Stage::Subscriber, "subscriber_slow");
    }
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_queue_drops_are_events_that_the_filter_had_taken() {
    let daemon = Daemon::start().await;
    let session_id = begin(&daemon).await;
    let request = proto::StreamEventsRequest {
        session_id: session_id.clone(),
        filter: Some(proto::EventFilter { kinds: vec!["file_open".to_owned()], ..Default::default() }),
        when_slow: proto::SlowPolicy::Drop.into(),
        queue_events: 10,
        ..Default::default()
    };
    let mut stream = subscribe(&daemon, request).await;
    let path = "x".repeat(500);
    for _ in 0..20_000 {
        daemon.script.record(FILE_OPEN, clock::boot_ns(), 10, &path);
        daemon.script.record(PROCESS_EXIT, clock::boot_ns(), 10, "");
    }
    stop(&daemon, &session_id).await;
    let mut got = Got::default();
    got.read(&mut stream, u64::MAX).await;
    let dropped: u64 = got.gaps.iter().map(|gap| gap.count).sum();
    assert!(dropped > 1000, "{dropped} dropped of 20000");
    assert_eq!(got.sequences.len() as u64 + dropped, 20_000);
    let stage = &got.end.unwrap().totals.loss.stages[&Stage::Subscriber];
    assert_eq!((stage.produced, stage.filtered, stage.dropped_total()), (40_000, 20_000, dropped));
    assert!(stage.is_balanced(), "{stage:?}");
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_light_stream_has_the_same_events_in_fewer_bytes() {
    let daemon = Daemon::start().await;
    let session_id = begin(&daemon).await;
    for number in 0..1000 {
        daemon.script.record(FILE_OPEN, clock::boot_ns(), 10, &format!("/a/{number}"));
    }
    support::until("the records", || daemon.sessions.list()[0].events == 1000).await;
    stop(&daemon, &session_id).await;
    let mut got = Vec::new();
    for detail in [proto::Detail::Full, proto::Detail::Light] {
        let request =
            proto::StreamEventsRequest { session_id: session_id.clone(), detail: detail.into(), ..Default::default() };
        let mut stream = subscribe(&daemon, request).await;
        let mut whole = Got::default();
        whole.read(&mut stream, u64::MAX).await;
        whole.check(1000, Stage::Spool, "spool_full");
        got.push(whole);
    }
    assert!(got[1].bytes < got[0].bytes, "{} and {} bytes", got[0].bytes, got[1].bytes);
    daemon.shutdown().await;
}

async fn refused<T>(answer: Result<tonic::Response<T>, tonic::Status>, code: Code, word: &str) {
    let Err(status) = answer else { panic!("{word}: not refused") };
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(word), "{status}");
}

#[tokio::test]
async fn wishes_that_mean_nothing_are_refused() {
    let daemon = Daemon::start().await;
    let session_id = begin(&daemon).await;
    let mut client = daemon.client().await;
    let wish = || proto::StreamEventsRequest { session_id: session_id.clone(), ..Default::default() };
    let drop = proto::SlowPolicy::Drop.into();
    for (request, word) in [
        (proto::StreamEventsRequest { when_slow: 9, ..wish() }, "when_slow 9"),
        (proto::StreamEventsRequest { detail: 9, ..wish() }, "detail 9"),
        (proto::StreamEventsRequest { queue_events: 5, ..wish() }, "has no queue"),
        (proto::StreamEventsRequest { queue_events: 65_537, when_slow: drop, ..wish() }, "65537"),
    ] {
        refused(client.stream_events(request).await, Code::InvalidArgument, word).await;
    }
    let filter = |filter| proto::StreamEventsRequest { filter: Some(filter), ..wish() };
    let types = proto::EventFilter { data_types: vec!["contcats".to_owned()], ..Default::default() };
    refused(client.stream_events(filter(types)).await, Code::InvalidArgument, "did you mean \"contacts\"").await;
    let severity = proto::EventFilter { minimum_severity: 9, ..Default::default() };
    refused(client.stream_events(filter(severity)).await, Code::InvalidArgument, "Severity 9").await;
    daemon.shutdown().await;
}

#[tokio::test]
async fn filters_and_summaries_know_kinds_of_data_and_severity() {
    let daemon = Daemon::start().await;
    let session_id = begin(&daemon).await;
    for (path, count) in [
        ("/sys/class/net/wlan0/address", 3),
        ("/data/data/com.android.providers.contacts/databases/contacts2.db", 2),
        ("/system/lib64/libc.so", 5),
        ("/proc/cpuinfo", 1),
    ] {
        daemon.script.records(FILE_OPEN, clock::boot_ns(), 10, path, count);
    }
    stop(&daemon, &session_id).await;
    let mut client = daemon.client().await;
    let mut count = async |filter: proto::EventFilter| {
        let request =
            proto::QueryEventsRequest { session_id: session_id.clone(), filter: Some(filter), ..Default::default() };
        client.query_events(request).await.unwrap().into_inner().events.len()
    };
    let types = |types: &[&str]| proto::EventFilter {
        data_types: types.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    };
    assert_eq!(count(types(&["id.mac"])).await, 3);
    assert_eq!(count(types(&["id"])).await, 3, "a broader kind stands for the narrower ones");
    assert_eq!(count(types(&["id", "contacts"])).await, 5);
    assert_eq!(count(types(&["sms"])).await, 0);
    for (severity, expected) in [
        (proto::Severity::Unspecified, 11),
        (proto::Severity::Info, 11),
        (proto::Severity::Low, 6),
        (proto::Severity::Medium, 5),
        (proto::Severity::High, 2),
    ] {
        let filter = proto::EventFilter { minimum_severity: severity.into(), ..Default::default() };
        assert_eq!(count(filter).await, expected, "{severity:?}");
    }
    let request = proto::SummarizeRequest {
        session_id: session_id.clone(),
        dimensions: vec![proto::Dimension::DataType.into(), proto::Dimension::Severity.into()],
        ..Default::default()
    };
    let rows = daemon.client().await.summarize(request).await.unwrap().into_inner().rows;
    let rows: Vec<_> = rows.iter().map(|row| (row.values.join("|"), row.events)).collect();
    let row = |values: &str, events| (values.to_owned(), events);
    assert_eq!(
        rows,
        [row("|info", 5), row("id.mac|medium", 3), row("contacts|high", 2), row("device_fingerprint|low", 1)]
    );
    daemon.shutdown().await;
}

/// What a watch tells until it ends.
async fn told(client: &mut Client, request: proto::WatchRequest) -> Vec<proto::watch_response::Told> {
    let mut stream = client.watch(request).await.unwrap().into_inner();
    let mut told = Vec::new();
    while let Some(message) = tokio::time::timeout(DEADLINE, stream.message()).await.expect("nothing is told").unwrap()
    {
        told.push(message.told.unwrap());
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_when_and_ends_with_the_session_or_its_matches() {
    use proto::watch_condition::When;
    use proto::watch_response::Told;
    let daemon = Daemon::start().await;
    let session_id = begin(&daemon).await;
    let condition =
        |id: &str, when| proto::WatchCondition { id: id.to_owned(), when: Some(when), ..Default::default() };
    let request = |conditions, most_matches| proto::WatchRequest {
        session_id: session_id.clone(),
        conditions,
        most_matches,
        ..Default::default()
    };
    let early = || {
        let phases = vec!["unmarked".to_owned()];
        condition("early", When::EarlyRead(proto::EarlyRead { data_types: Vec::new(), phases }))
    };
    let over = || condition("over", When::SessionOver(proto::SessionOver {}));
    let mut client = daemon.client().await;
    // A watch that waits is told at once.
    let mut live = client.watch(request(vec![early()], 0)).await.unwrap().into_inner();
    daemon.script.records(FILE_OPEN, clock::boot_ns(), 10, "/system/lib64/libc.so", 100);
    daemon.script.record(FILE_OPEN, clock::boot_ns(), 10, "/sys/class/net/wlan0/address");
    let first = tokio::time::timeout(DEADLINE, live.message()).await.unwrap().unwrap().unwrap();
    let Some(Told::Match(found)) = first.told else { panic!("{first:?}") };
    assert_eq!(
        (found.condition_id.as_str(), found.number, found.data_types.as_slice()),
        ("early", 1, &["id.mac".to_owned()][..])
    );
    assert_eq!((found.severity(), found.event.as_ref().unwrap().sequence), (proto::Severity::Medium, 101));

    // One that comes later looks back, and one that asks for what comes from now on does not.
    let back = told(&mut client, request(vec![early()], 1)).await;
    let [Told::Match(again), Told::End(end)] = back.as_slice() else { panic!("{back:?}") };
    assert_eq!((again, end.reason(), end.events), (&found, proto::WatchEndReason::MatchesTold, 101));
    let from_now = proto::WatchRequest { from_now: true, ..request(vec![early(), over()], 0) };
    let mut from_now = client.watch(from_now).await.unwrap().into_inner();
    stop(&daemon, &session_id).await;
    let mut rest = Vec::new();
    while let Some(message) = tokio::time::timeout(DEADLINE, from_now.message()).await.unwrap().unwrap() {
        rest.push(message.told.unwrap());
    }
    let [Told::Match(ended), Told::End(end)] = rest.as_slice() else { panic!("{rest:?}") };
    assert_eq!(
        (ended.condition_id.as_str(), end.reason(), end.events),
        ("over", proto::WatchEndReason::SessionOver, 0)
    );
    assert!(end.session_end.is_some());
    let last = tokio::time::timeout(DEADLINE, live.message()).await.unwrap().unwrap().unwrap();
    assert!(matches!(last.told, Some(Told::End(_))), "{last:?}");

    let wrong = |conditions| proto::WatchRequest { conditions, ..request(Vec::new(), 0) };
    refused(client.watch(wrong(Vec::new())).await, Code::InvalidArgument, "0 conditions").await;
    refused(client.watch(wrong(vec![over(), over()])).await, Code::InvalidArgument, "two conditions").await;
    let nothing = proto::WatchCondition { id: "a".to_owned(), ..Default::default() };
    refused(client.watch(wrong(vec![nothing])).await, Code::InvalidArgument, "when is missing").await;
    let both = proto::WatchRequest { from_now: true, from_sequence: 1, ..wrong(vec![over()]) };
    refused(client.watch(both).await, Code::InvalidArgument, "exclude each other").await;
    let elsewhere = proto::WatchRequest { session_id: "no-such".to_owned(), ..wrong(vec![over()]) };
    refused(client.watch(elsewhere).await, Code::NotFound, "no-such").await;
    daemon.shutdown().await;
}

#[tokio::test]
async fn only_the_owner_marks_and_stops_what_is_owned() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let selection = Some(proto::Selection { user_ids: vec![10_001], ..proto::Selection::default() });
    let request = proto::StartSessionRequest { selection, owned: true, ..Default::default() };
    let started = client.start_session(request.clone()).await.unwrap().into_inner();
    let session_id = started.header.unwrap().session_id;
    let other = client.start_session(request).await.unwrap().into_inner();
    assert_eq!(started.owner_token.len(), 64);
    assert_ne!(started.owner_token, other.owner_token);
    for wrong in ["", "x", &other.owner_token, &started.owner_token[1..]] {
        let word = if wrong.is_empty() { "no owner's token" } else { "not its owner's token" };
        let (session_id, owner_token) = (session_id.clone(), wrong.to_owned());
        let mark = proto::MarkPhaseRequest {
            session_id: session_id.clone(),
            phase: "refused".to_owned(),
            owner_token: owner_token.clone(),
            ..Default::default()
        };
        refused(client.mark_phase(mark).await, Code::PermissionDenied, word).await;
        let stop = proto::StopSessionRequest { session_id, owner_token };
        refused(client.stop_session(stop).await, Code::PermissionDenied, word).await;
    }
    let list = client.list_sessions(proto::ListSessionsRequest {}).await.unwrap().into_inner().sessions;
    assert!(
        list.iter().all(|session| session.owned && session.end.is_none() && session.phase == "unmarked"),
        "{list:?}"
    );
    let status = client.get_status(proto::GetStatusRequest {}).await.unwrap().into_inner().access.unwrap();
    assert_eq!(status.refusals.iter().find(|refusal| refusal.reason == "wrong_owner").unwrap().count, 8);

    // Whoever may connect can read it; and the owner may do everything.
    let request = proto::StreamEventsRequest { session_id: session_id.clone(), ..Default::default() };
    let mut stream = subscribe(&daemon, request).await;
    let owner_token = started.owner_token;
    let mark = proto::MarkPhaseRequest {
        session_id: session_id.clone(),
        phase: "refused".to_owned(),
        owner_token: owner_token.clone(),
        ..Default::default()
    };
    client.mark_phase(mark).await.unwrap();
    client.stop_session(proto::StopSessionRequest { session_id, owner_token }).await.unwrap();
    let mut got = Got::default();
    got.read(&mut stream, u64::MAX).await;
    assert_eq!(got.sequences, [1]);
    daemon.shutdown().await;
}
