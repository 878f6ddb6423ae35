//! The service end to end: a scripted probe, the real pipeline, a Unix socket, a generated client.
#![cfg(all(feature = "device", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod support;

use std::collections::BTreeSet;

use candor::device::clock;
use candor::device::event_bus::SpoolLimits;
use candor::event::{
    Event, EventBody, Family, Gap, PackageEntry, PackageList, SessionEnd, SessionEndReason, SessionHeader, Stage,
    StreamEntry, Totals,
};
use candor::wire::proto;
use candor::wire::proto::candor_service_client::CandorServiceClient;
use support::{DAMAGED, DEADLINE, Daemon, FILE_OPEN, FILTERED, PROCESS_EXIT, PROCESS_START, SILENT, Script, TWICE};
use tonic::transport::Channel;
use tonic::{Code, Streaming};

type Client = CandorServiceClient<Channel>;

fn user(user_id: u32) -> Option<proto::Selection> {
    Some(proto::Selection { user_ids: vec![user_id], ..proto::Selection::default() })
}

fn tree(pid: u32) -> Option<proto::Selection> {
    Some(proto::Selection { process_trees: vec![pid], ..proto::Selection::default() })
}

async fn start(client: &mut Client, selection: Option<proto::Selection>) -> String {
    let request = proto::StartSessionRequest { selection, ..Default::default() };
    client.start_session(request).await.unwrap().into_inner().header.unwrap().session_id
}

async fn stop(client: &mut Client, session_id: &str) -> SessionEnd {
    let request = proto::StopSessionRequest { session_id: session_id.to_owned(), ..Default::default() };
    client.stop_session(request).await.unwrap().into_inner().end.unwrap().try_into().unwrap()
}

/// A stream, entry by entry.
struct Reader {
    stream: Streaming<proto::StreamEventsResponse>,
    entries: std::collections::VecDeque<StreamEntry>,
}

impl Reader {
    async fn open(client: &mut Client, session_id: &str, from_sequence: u64) -> Self {
        let request =
            proto::StreamEventsRequest { session_id: session_id.to_owned(), from_sequence, ..Default::default() };
        let stream = client.stream_events(request).await.unwrap().into_inner();
        Self { stream, entries: std::collections::VecDeque::new() }
    }

    async fn next(&mut self) -> Option<StreamEntry> {
        while self.entries.is_empty() {
            let message = tokio::time::timeout(DEADLINE, self.stream.message()).await.expect("the stream stalls");
            let batch = message.unwrap()?;
            assert!(!batch.entries.is_empty(), "an empty batch");
            self.entries.extend(batch.entries.into_iter().map(|entry| StreamEntry::try_from(entry).unwrap()));
        }
        self.entries.pop_front()
    }

    async fn header(&mut self) -> SessionHeader {
        match self.next().await {
            Some(StreamEntry::Header(header)) => *header,
            other => panic!("no header but {other:?}"),
        }
    }

    /// Skips to the next event.
    async fn event(&mut self) -> Event {
        loop {
            match self.next().await {
                Some(StreamEntry::Event(event)) => return *event,
                Some(
                    StreamEntry::Totals(_)
                    | StreamEntry::Gap(_)
                    | StreamEntry::SelfTest(_)
                    | StreamEntry::ClockChange(_),
                ) => {}
                other => panic!("no event but {other:?}"),
            }
        }
    }

    async fn rest(mut self) -> Whole {
        let mut whole = Whole::default();
        while let Some(entry) = self.next().await {
            assert!(whole.end.is_none(), "{entry:?} after the end");
            match entry {
                StreamEntry::Header(header) => assert!(whole.header.replace(*header).is_none(), "a second header"),
                StreamEntry::Event(event) => whole.events.push(*event),
                StreamEntry::Gap(gap) => whole.gaps.push(gap),
                StreamEntry::Totals(totals) => whole.totals.push(*totals),
                StreamEntry::End(end) => whole.end = Some(*end),
                StreamEntry::SelfTest(_) | StreamEntry::ClockChange(_) => {}
            }
        }
        whole
    }
}

#[derive(Default)]
struct Whole {
    header: Option<SessionHeader>,
    events: Vec<Event>,
    gaps: Vec<Gap>,
    totals: Vec<Totals>,
    end: Option<SessionEnd>,
}

impl Whole {
    fn sequences(&self) -> Vec<u64> {
        self.events.iter().map(|event| event.sequence).collect()
    }

    fn end(&self) -> &SessionEnd {
        self.end.as_ref().expect("no end")
    }
}

/// What leaves a stage enters the next, and each stage adds up.
fn assert_accounts(totals: &Totals) {
    for stage in Stage::ALL {
        assert!(totals.loss.stages[stage].is_balanced(), "{stage:?} does not add up: {totals:#?}");
    }
    for pair in Stage::ALL.windows(2) {
        let (from, to) = (&totals.loss.stages[&pair[0]], &totals.loss.stages[&pair[1]]);
        assert_eq!(from.delivered, to.produced, "{pair:?} of {totals:#?}");
    }
    assert_eq!(totals.loss.stages[&Stage::Spool].produced, totals.events);
}

#[tokio::test]
async fn packages_are_listed_and_selected_by_name() {
    let entry = |package: &str, user_id| PackageEntry {
        package: package.to_owned(),
        user_id,
        data_directory: format!("/data/user/0/{package}"),
        version_code: None,
    };
    let list = PackageList {
        packages: vec![entry("com.example.news", 10_001), entry("com.example.shop", 10_002)],
        ..PackageList::default()
    };
    let given = list.clone();
    let options = candor::device::session::ManagerOptions {
        packages: Box::new(move || given.clone()),
        ..support::manager_options()
    };
    let daemon = Daemon::start_with(options).await;
    let mut client = daemon.client().await;
    let answer = client.list_packages(proto::ListPackagesRequest {}).await.unwrap().into_inner();
    assert_eq!(PackageList::try_from(answer.packages.unwrap()).unwrap(), list);

    let wish = |packages: &[&str]| proto::StartSessionRequest {
        selection: Some(proto::Selection {
            packages: packages.iter().map(|name| (*name).to_owned()).collect(),
            ..proto::Selection::default()
        }),
        ..proto::StartSessionRequest::default()
    };
    let refused = client.start_session(wish(&["com.example.shop", "com.example.nwes"])).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("\"com.example.nwes\""), "{refused}");
    let started = client.start_session(wish(&["com.example.shop"])).await.unwrap().into_inner();
    let selection = started.header.unwrap().selection.unwrap();
    assert_eq!(
        (selection.packages.as_slice(), selection.user_ids.as_slice()),
        // The app's own user id, and that of its SDK sandbox.
        (&["com.example.shop".to_owned()][..], &[10_002, 20_002][..])
    );
    let awaited = proto::StartSessionRequest { await_packages: true, ..wish(&["com.example.later"]) };
    let started = client.start_session(awaited).await.unwrap().into_inner();
    let selection = started.header.unwrap().selection.unwrap();
    assert_eq!((selection.packages.len(), selection.user_ids.len()), (1, 0), "it has no user id yet");
}

#[tokio::test]
async fn header_first_then_events_without_holes_then_the_end() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    daemon.script.preexisting(PROCESS_START, clock::boot_ns(), 10, "");
    daemon.script.last(FILE_OPEN, 7, 10, "/last");
    let request = proto::StartSessionRequest {
        selection: user(10_001),
        label: "first".to_owned(),
        initial_phase: "pre_consent".to_owned(),
        ..Default::default()
    };
    let started = client.start_session(request).await.unwrap().into_inner();
    assert_eq!(started.raw_capture_path, "");
    let header: SessionHeader = started.header.unwrap().try_into().unwrap();
    assert_eq!((header.label.as_str(), header.initial_phase.as_str()), ("first", "pre_consent"));
    assert_eq!(header.selection.user_ids, BTreeSet::from([10_001]));
    assert_eq!(header.device.name, "scripted");
    assert_eq!(header.probes.len(), 3);

    for number in 0..2500 {
        daemon.script.record(FILE_OPEN, clock::boot_ns(), 10, &format!("/file/{number}"));
    }
    let reader = Reader::open(&mut client, &header.session_id, 0).await;
    let end = stop(&mut client, &header.session_id).await;
    let whole = reader.rest().await;
    assert_eq!(whole.header, Some(header));
    assert_eq!(whole.sequences(), (1..=2502).collect::<Vec<_>>());
    assert!(matches!(whole.events[0].body, EventBody::ProcessStart(_)), "what was there already comes first");
    assert!(matches!(&whole.events[2501].body, EventBody::FileOpen(open) if open.path == "/last"));
    assert!(whole.events.iter().all(|event| event.phase.as_str() == "pre_consent"));
    assert!(whole.gaps.is_empty());
    assert_eq!(whole.end().reason, SessionEndReason::Stopped);
    assert_eq!(whole.end().totals.events, 2502);
    assert_eq!(whole.end().totals.loss.dropped_total(), 0);
    assert_accounts(&whole.end().totals);
    assert_eq!(end.totals.events, 2502);
    assert_eq!(daemon.script.selected(), 0, "the probe still traces");
    daemon.shutdown().await;
}

#[tokio::test]
async fn accounts_balance_at_every_stage_and_losses_show_where_they_were() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let session_id = start(&mut client, user(10_001)).await;
    let mut reader = Reader::open(&mut client, &session_id, 0).await;
    reader.header().await;

    let program = candor::event::ProgramCounters {
        program: "file_open".to_owned(),
        seen: 20,
        submitted: 13,
        lost: 7,
        ..Default::default()
    };
    daemon.script.programs(vec![program.clone()]);
    daemon.script.record(FILE_OPEN, 100, 10, "/a");
    assert_eq!(reader.event().await.sequence, 1);
    daemon.script.lose("ring_full", 7);
    let gap = loop {
        match reader.next().await.unwrap() {
            StreamEntry::Gap(gap) => break gap,
            StreamEntry::Totals(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((gap.stage, gap.reason.as_str(), gap.count), (Stage::Probe, "ring_full", 7));
    assert!(gap.from_ns < gap.to_ns && gap.first_sequence.is_none());
    // The account follows the loss at once.
    let StreamEntry::Totals(totals) = reader.next().await.unwrap() else { panic!("no totals after a loss") };
    assert_eq!(totals.loss.stages[&Stage::Probe].dropped["ring_full"], 7);
    assert_accounts(&totals);

    for kind in [SILENT, TWICE, FILTERED, DAMAGED, DAMAGED, FILE_OPEN] {
        daemon.script.record(kind, 200, 10, "/b");
    }
    // Too short to tell whose it is.
    daemon.script.raw(&[0; 20]);
    client
        .mark_phase(proto::MarkPhaseRequest {
            session_id: session_id.clone(),
            phase: "foreground".to_owned(),
            note: "tapped".to_owned(),
            ..Default::default()
        })
        .await
        .unwrap();
    stop(&mut client, &session_id).await;
    let whole = reader.rest().await;
    // 2 of the twofold record, 1 file, 1 mark.
    assert_eq!(whole.sequences(), [2, 3, 4, 5]);
    // Damaged records next to each other make one gap, unless a poll came between them.
    let missing = |reason: &str| -> u64 {
        let of_reason = whole.gaps.iter().filter(|gap| gap.stage == Stage::Decode && gap.reason == reason);
        of_reason.map(|gap| gap.count).sum()
    };
    assert_eq!((missing("damaged"), missing("short_header")), (2, 1), "{:?}", whole.gaps);
    assert_eq!(whole.gaps[0].families, [Family::File]);
    let totals = &whole.end().totals;
    assert_accounts(totals);
    let stage = |stage: Stage| &totals.loss.stages[&stage];
    assert_eq!(stage(Stage::Decode).dropped["damaged"], 2);
    assert_eq!(stage(Stage::Decode).dropped["short_header"], 1);
    assert_eq!(stage(Stage::Decode).filtered, 1);
    assert_eq!(stage(Stage::Attribute).filtered, 1);
    assert_eq!(stage(Stage::Subscriber).delivered, 5);
    assert_eq!(totals.loss.programs, [program]);
    assert_eq!(totals.loss.dropped_total(), 10);
    daemon.shutdown().await;
}

#[tokio::test]
async fn phases_go_by_the_time_of_the_act() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let session_id = start(&mut client, user(10_001)).await;
    let mut reader = Reader::open(&mut client, &session_id, 0).await;
    reader.header().await;
    let before = clock::boot_ns();
    let mark = |phase: &str| proto::MarkPhaseRequest {
        session_id: session_id.clone(),
        phase: phase.to_owned(),
        ..Default::default()
    };
    let marked = client.mark_phase(mark("foreground")).await.unwrap().into_inner().time_ns;
    assert!(before < marked && marked < clock::boot_ns());
    // Both come out of the ring after the mark; one happened before it.
    daemon.script.record(FILE_OPEN, before, 10, "/before");
    daemon.script.record(FILE_OPEN, marked, 10, "/after");

    let event = reader.event().await;
    assert!(matches!(&event.body, EventBody::PhaseMark(mark) if mark.phase.as_str() == "foreground"));
    assert_eq!((event.sequence, event.time_ns, event.phase.as_str()), (1, marked, "foreground"));
    assert_eq!(event.probe, candor::event::ProbeId::Daemon);
    assert_eq!(reader.event().await.phase.as_str(), "unmarked");
    assert_eq!(reader.event().await.phase.as_str(), "foreground");

    let sessions = client.list_sessions(proto::ListSessionsRequest {}).await.unwrap().into_inner().sessions;
    assert_eq!((sessions[0].phase.as_str(), sessions[0].events), ("foreground", 3));
    assert!(sessions[0].end.is_none());

    let refused = client.mark_phase(mark("Foreground!")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("Foreground!"), "{refused}");
    stop(&mut client, &session_id).await;
    let refused = client.mark_phase(mark("background")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    daemon.shutdown().await;
}

#[tokio::test]
async fn a_reader_resumes_where_it_was() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let session_id = start(&mut client, user(10_001)).await;
    daemon.script.records(FILE_OPEN, 5, 10, "/x", 100);
    let end = stop(&mut client, &session_id).await;
    assert_eq!(end.totals.events, 100);

    let whole = Reader::open(&mut client, &session_id, 61).await.rest().await;
    assert!(whole.header.is_some() && whole.gaps.is_empty());
    assert_eq!(whole.sequences(), (61..=100).collect::<Vec<_>>());
    assert_accounts(&whole.end().totals);
    assert_eq!(whole.end().totals.loss.stages[&Stage::Subscriber].filtered, 60);

    let whole = Reader::open(&mut client, &session_id, 101).await.rest().await;
    assert!(whole.header.is_some() && whole.events.is_empty() && whole.end.is_some());

    let request = proto::StreamEventsRequest { session_id, from_sequence: 102, ..Default::default() };
    let refused = client.stream_events(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
    assert!(refused.message().contains("102") && refused.message().contains("101"), "{refused}");
    daemon.shutdown().await;
}

#[tokio::test]
async fn a_session_ends_at_its_limits() {
    let daemon = Daemon::start().await;
    let client = daemon.client().await;
    let begin = async |limits| {
        let request =
            proto::StartSessionRequest { selection: user(10_001), limits: Some(limits), ..Default::default() };
        client.clone().start_session(request).await.unwrap().into_inner().header.unwrap().session_id
    };
    let none = proto::SessionLimits::default();
    let timed = begin(proto::SessionLimits { duration_ms: 1, ..none }).await;
    let counted = begin(proto::SessionLimits { events: 5, ..none }).await;
    let sized = begin(proto::SessionLimits { bytes: 1000, ..none }).await;
    let read = begin(proto::SessionLimits { unread_ms: 1500, ..none }).await;
    let mut reader = Reader::open(&mut client.clone(), &read, 0).await;
    daemon.script.records(FILE_OPEN, clock::boot_ns(), 10, "/a", 8);
    let ending =
        async |session_id: &str| Reader::open(&mut client.clone(), session_id, 0).await.rest().await.end().reason;
    assert_eq!(ending(&timed).await, SessionEndReason::LimitReached);
    assert_eq!(ending(&counted).await, SessionEndReason::LimitReached);
    assert_eq!(ending(&sized).await, SessionEndReason::LimitReached);
    let list = client.clone().list_sessions(proto::ListSessionsRequest {}).await.unwrap().into_inner().sessions;
    let sized = list.iter().find(|session| session.session_id == sized).unwrap();
    assert!(sized.spooled_bytes >= 1000 && !sized.owned, "{sized:?}");
    let endless = begin(none).await;
    let running = |session_id: &str| {
        let sessions = daemon.sessions.list();
        sessions.iter().any(|session| session.session_id == session_id && session.end.is_none())
    };
    reader.header().await;
    assert!(running(&read), "somebody reads it");
    drop(reader);
    let gone = async {
        while running(&read) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.expect("an unread session goes on");
    assert_eq!(ending(&read).await, SessionEndReason::Unread);
    assert!(running(&endless));
    daemon.shutdown().await;
}

#[tokio::test]
async fn filters_queries_and_summaries_agree_on_what_there_is() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let session_id = start(&mut client, user(10_001)).await;
    for number in 0..90 {
        daemon.script.record(FILE_OPEN, clock::boot_ns(), 10, if number % 3 == 0 { "/photos/a" } else { "/lib/b" });
    }
    let mark = proto::MarkPhaseRequest {
        session_id: session_id.clone(),
        phase: "foreground".to_owned(),
        ..Default::default()
    };
    // The mark is later than the records in time and may be earlier in sequence: it is no file either way.
    client.mark_phase(mark).await.unwrap();
    stop(&mut client, &session_id).await;
    let photos = Some(proto::EventFilter {
        families: vec![proto::Family::File.into()],
        path_patterns: vec!["/photos/*".to_owned()],
        ..proto::EventFilter::default()
    });

    let request =
        proto::StreamEventsRequest { session_id: session_id.clone(), filter: photos.clone(), ..Default::default() };
    let stream = client.stream_events(request).await.unwrap().into_inner();
    let whole = Reader { stream, entries: std::collections::VecDeque::new() }.rest().await;
    let opens: Vec<_> = whole.events.iter().filter(|event| event.family() == Family::File).collect();
    assert_eq!(opens.len(), 30);
    assert!(opens.iter().all(|event| event.body.paths() == ["/photos/a"]));
    assert_accounts(&whole.end().totals);
    assert_eq!(whole.end().totals.loss.stages[&Stage::Subscriber].filtered, 60);
    assert_eq!(whole.events.len(), 31, "the phase mark always comes");

    let mut request = proto::QueryEventsRequest {
        session_id: session_id.clone(),
        filter: photos.clone(),
        order: proto::Order::NewestFirst.into(),
        page_size: 7,
        ..proto::QueryEventsRequest::default()
    };
    let mut sequences = Vec::new();
    loop {
        let page = client.query_events(request.clone()).await.unwrap().into_inner();
        assert!(page.events.len() <= 7 && page.last_sequence == 91 && page.first_held_sequence == 1, "{page:?}");
        sequences.extend(page.events.iter().map(|event| event.sequence));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let mut streamed: Vec<_> = whole.events.iter().map(|event| event.sequence).collect();
    streamed.reverse();
    assert_eq!(sequences, streamed);

    let summarise = |dimensions: Vec<i32>| proto::SummarizeRequest {
        session_id: session_id.clone(),
        filter: photos.clone(),
        dimensions,
        ..proto::SummarizeRequest::default()
    };
    let by_family = vec![proto::Dimension::App.into(), proto::Dimension::Family.into()];
    let answer = client.summarize(summarise(by_family)).await.unwrap().into_inner();
    let file = answer.rows.iter().find(|row| row.values[1] == "file").unwrap();
    assert_eq!((file.values[0].as_str(), file.events), ("uid 10001", 30));

    let mut refuse = async |request: proto::QueryEventsRequest, word: &str| {
        let refused = client.query_events(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains(word), "{refused}");
    };
    let filter =
        |filter| proto::QueryEventsRequest { filter: Some(filter), page_token: String::new(), ..request.clone() };
    refuse(proto::QueryEventsRequest { page_size: 9, filter: None, ..request.clone() }, "another query").await;
    refuse(proto::QueryEventsRequest { page_token: "x".to_owned(), ..request.clone() }, "malformed").await;
    refuse(proto::QueryEventsRequest { page_size: 1001, ..request.clone() }, "1001").await;
    refuse(proto::QueryEventsRequest { from_ns: 5, to_ns: 5, ..request.clone() }, "not before").await;
    refuse(filter(proto::EventFilter { kinds: vec!["file_opne".to_owned()], ..Default::default() }), "\"file_opne\"")
        .await;
    refuse(filter(proto::EventFilter { name_patterns: vec![String::new()], ..Default::default() }), "fits nothing")
        .await;
    let twice = vec![proto::Dimension::App.into(), proto::Dimension::App.into()];
    for dimensions in [Vec::new(), vec![0], vec![99], twice] {
        let refused = client.summarize(summarise(dimensions)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    daemon.shutdown().await;
}

#[tokio::test]
async fn a_slow_reader_disturbs_nobody_and_is_told_what_it_missed() {
    let spool = SpoolLimits { bytes: usize::MAX, events: 1000 };
    let daemon =
        Daemon::start_with(candor::device::session::ManagerOptions { spool, ..support::manager_options() }).await;
    let mut client = daemon.client().await;
    let session_id = start(&mut client, user(10_001)).await;
    // Reads nothing while the events come: HTTP/2 flow control stops its stream.
    let slow = Reader::open(&mut client, &session_id, 0).await;
    let mut quick = Reader::open(&mut daemon.client().await, &session_id, 0).await;
    quick.header().await;
    let total = 50_000_u64;
    let path = format!("/{}", "x".repeat(400));
    for burst in 0..100_u64 {
        daemon.script.records(FILE_OPEN, burst, 10, &path, 500);
        for number in 1..=500 {
            assert_eq!(quick.event().await.sequence, burst * 500 + number, "the quick reader is disturbed");
        }
    }
    stop(&mut client, &session_id).await;
    let quick = quick.rest().await;
    assert_eq!(quick.end().totals.loss.dropped_total(), 0, "what it had read is not lost to it");
    assert_accounts(&quick.end().totals);

    let slow = slow.rest().await;
    let missed: u64 = slow.gaps.iter().map(|gap| gap.count).sum();
    assert!(missed > 0, "the spool never overflowed: the test has lost its point");
    assert_eq!(slow.events.len() as u64 + missed, total);
    let totals = &slow.end().totals;
    assert_accounts(totals);
    assert_eq!(totals.loss.stages[&Stage::Spool].dropped["spool_full"], missed);
    assert_eq!(totals.loss.stages[&Stage::Subscriber].delivered, slow.events.len() as u64);
    // The gaps say exactly which are missing.
    let mut all: BTreeSet<u64> = slow.sequences().into_iter().collect();
    for gap in &slow.gaps {
        let (first, last) = (gap.first_sequence.unwrap(), gap.last_sequence.unwrap());
        assert_eq!(last - first + 1, gap.count);
        assert_eq!((gap.stage, gap.families.as_slice()), (Stage::Spool, &[Family::File][..]));
        assert!(gap.from_ns <= (first - 1) / 500 && gap.to_ns >= (last - 1) / 500, "{gap:?}");
        all.extend(first..=last);
    }
    assert_eq!(all, (1..=total).collect());
    daemon.shutdown().await;
}

#[tokio::test]
async fn what_nobody_read_is_lost_in_the_session_s_own_account() {
    let spool = SpoolLimits { bytes: usize::MAX, events: 10 };
    let daemon =
        Daemon::start_with(candor::device::session::ManagerOptions { spool, ..support::manager_options() }).await;
    let mut client = daemon.client().await;
    let session_id = start(&mut client, user(10_001)).await;
    daemon.script.records(FILE_OPEN, 5, 10, "/x", 25);
    let end = stop(&mut client, &session_id).await;
    assert_eq!(end.totals.loss.stages[&Stage::Spool].dropped["spool_full"], 15);
    let sessions = client.list_sessions(proto::ListSessionsRequest {}).await.unwrap().into_inner().sessions;
    assert_eq!((sessions[0].events, sessions[0].dropped), (25, 15));
    let whole = Reader::open(&mut client, &session_id, 0).await.rest().await;
    assert_eq!(whole.sequences(), (16..=25).collect::<Vec<_>>());
    assert_eq!((whole.gaps[0].first_sequence, whole.gaps[0].last_sequence), (Some(1), Some(15)));
    assert_accounts(&whole.end().totals);
    daemon.shutdown().await;
}

#[tokio::test]
async fn two_sessions_do_not_mix() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let first = start(&mut client, user(10_001)).await;
    daemon.script.records(FILE_OPEN, 1, 10, "/first only", 3);
    // Wait until they are through: records are marked for the sessions selected when they are made.
    support::until("three events", || daemon.sessions.list()[0].events == 3).await;
    let second = start(&mut client, user(10_002)).await;
    assert_ne!(first, second);
    daemon.script.records(FILE_OPEN, 2, 10, "/both", 2);
    stop(&mut client, &first).await;
    daemon.script.records(FILE_OPEN, 3, 10, "/second only", 4);
    stop(&mut client, &second).await;
    let events = |whole: Whole| -> Vec<String> {
        let path = |event: Event| match event.body {
            EventBody::FileOpen(open) => open.path,
            other => panic!("{other:?}"),
        };
        whole.events.into_iter().map(path).collect()
    };
    let first = events(Reader::open(&mut client, &first, 0).await.rest().await);
    assert_eq!(first, ["/first only", "/first only", "/first only", "/both", "/both"]);
    let second = events(Reader::open(&mut client, &second, 0).await.rest().await);
    assert_eq!(second, ["/both", "/both", "/second only", "/second only", "/second only", "/second only"]);
    daemon.shutdown().await;
}

#[tokio::test]
async fn a_session_of_process_trees_ends_with_the_last_process() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let session_id = start(&mut client, tree(10)).await;
    let reader = Reader::open(&mut client, &session_id, 0).await;
    daemon.script.record(PROCESS_START, 1, 11, "");
    daemon.script.record(PROCESS_EXIT, 2, 10, "");
    daemon.script.record(FILE_OPEN, 3, 11, "/child lives on");
    // Before the last exit: the session may end at once.
    daemon.script.last(FILE_OPEN, 5, 11, "/final totals");
    daemon.script.record(PROCESS_EXIT, 4, 11, "");
    let whole = reader.rest().await;
    assert_eq!(whole.end().reason, SessionEndReason::TargetsExited);
    assert_eq!(whole.sequences(), [1, 2, 3, 4, 5]);
    assert_accounts(&whole.end().totals);
    // Stopping it now is no error and changes nothing.
    assert_eq!(stop(&mut client, &session_id).await.reason, SessionEndReason::TargetsExited);
    daemon.shutdown().await;
}

#[tokio::test]
async fn errors_have_their_codes_and_name_the_thing() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let unknown = || "no-such-session".to_owned();
    let request = proto::StopSessionRequest { session_id: unknown(), ..Default::default() };
    let refusals = [
        client.stop_session(request).await.unwrap_err(),
        client
            .stream_events(proto::StreamEventsRequest { session_id: unknown(), ..Default::default() })
            .await
            .unwrap_err(),
        client
            .mark_phase(proto::MarkPhaseRequest { session_id: unknown(), phase: "x".to_owned(), ..Default::default() })
            .await
            .unwrap_err(),
    ];
    for refused in refusals {
        assert_eq!(refused.code(), Code::NotFound);
        assert!(refused.message().contains("no-such-session"), "{refused}");
    }

    let mut refuse = async |request: proto::StartSessionRequest, code: Code, word: &str| {
        let refused = client.start_session(request).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().contains(word), "{refused}");
    };
    let with = |selection| proto::StartSessionRequest { selection, ..Default::default() };
    refuse(with(None), Code::InvalidArgument, "nothing is selected").await;
    refuse(with(tree(0)), Code::InvalidArgument, "process id 0").await;
    refuse(with(tree(4_000_000)), Code::InvalidArgument, "4000000").await;
    let long = proto::StartSessionRequest { label: "x".repeat(300), ..with(user(1)) };
    refuse(long, Code::InvalidArgument, "label").await;
    let phase = proto::StartSessionRequest { initial_phase: "No".to_owned(), ..with(user(1)) };
    refuse(phase, Code::InvalidArgument, "\"No\"").await;
    let raw = proto::StartSessionRequest { keep_raw: true, ..with(user(1)) };
    refuse(raw, Code::FailedPrecondition, "--raw-captures").await;
    assert!(daemon.sessions.list().is_empty(), "a refused session was left behind");

    for _ in 0..4 {
        start(&mut client, user(1)).await;
    }
    let refused = client.start_session(with(user(1))).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains('4'), "{refused}");
    let first = daemon.sessions.list()[0].session_id.clone();
    stop(&mut client, &first).await;
    start(&mut client, user(1)).await;
    daemon.shutdown().await;
}

#[tokio::test]
async fn without_a_probe_nothing_can_be_started() {
    let daemon = Daemon::start_probes(support::manager_options(), Script::default(), Vec::new()).await;
    let mut client = daemon.client().await;
    let request = proto::StartSessionRequest { selection: user(1), ..Default::default() };
    let refused = client.start_session(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    daemon.shutdown().await;
}

#[tokio::test]
async fn a_broken_probe_leaves_a_gap_and_a_status() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let session_id = start(&mut client, user(1)).await;
    let reader = Reader::open(&mut client, &session_id, 0).await;
    daemon.script.record(FILE_OPEN, 1, 10, "/x");
    support::until("one event", || daemon.sessions.list()[0].events == 1).await;
    daemon.script.break_down();
    support::until("a status", || {
        daemon.sessions.statuses().iter().all(|status| status.state == candor::event::ProbeState::Denied)
    })
    .await;
    stop(&mut client, &session_id).await;
    let whole = reader.rest().await;
    assert_eq!((whole.gaps[0].reason.as_str(), whole.gaps[0].count), ("probe_failed", 0));
    assert!(whole.end().probes.iter().all(|status| status.reason.contains("the script says so")));
    daemon.shutdown().await;
}

#[tokio::test]
async fn a_client_that_goes_leaves_nothing_behind() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let session_id = start(&mut client, user(1)).await;
    let mut reader = Reader::open(&mut client, &session_id, 0).await;
    reader.header().await;
    assert_eq!(daemon.sessions.subscribers(), 1);
    // Cancelled while waiting for events.
    drop(reader);
    support::until("no subscriber", || daemon.sessions.subscribers() == 0).await;
    // The whole connection goes.
    let reader = Reader::open(&mut daemon.client().await, &session_id, 0).await;
    drop(reader);
    support::until("no subscriber", || daemon.sessions.subscribers() == 0).await;
    daemon.script.record(FILE_OPEN, 1, 10, "/x");
    let end = stop(&mut client, &session_id).await;
    assert_eq!(end.totals.events, 1);
    daemon.shutdown().await;
}

#[tokio::test]
async fn shutdown_ends_sessions_and_finishes_streams() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let session_id = start(&mut client, user(1)).await;
    let reader = Reader::open(&mut client, &session_id, 0).await;
    daemon.script.record(FILE_OPEN, 1, 10, "/x");
    support::until("one event", || daemon.sessions.list()[0].events == 1).await;
    let socket = daemon.socket.clone();
    let reading = tokio::spawn(reader.rest());
    daemon.shutdown().await;
    let whole = reading.await.unwrap();
    assert_eq!((whole.end().reason, whole.events.len()), (SessionEndReason::DaemonShutdown, 1));
    assert!(!socket.exists());
}

#[tokio::test]
async fn an_idle_daemon_does_not_poll() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let session_id = start(&mut client, user(1)).await;
    support::until("polls", || daemon.script.polls() > 3).await;
    stop(&mut client, &session_id).await;
    let polls = daemon.script.polls();
    for _ in 0..50 {
        client.get_device(proto::GetDeviceRequest {}).await.unwrap();
    }
    assert_eq!(daemon.script.polls(), polls);
    daemon.shutdown().await;
}

#[tokio::test]
async fn device_health_and_reflection_answer() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let device = client.get_device(proto::GetDeviceRequest {}).await.unwrap().into_inner();
    assert_eq!(device.device.unwrap().name, "scripted");
    assert_eq!(device.probes.len(), 3);
    assert!(device.now.unwrap().boot_ns > 0);

    let mut health = tonic_health::pb::health_client::HealthClient::new(daemon.channel().await);
    for service in ["", "candor.v1.CandorService"] {
        let request = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status, tonic_health::pb::health_check_response::ServingStatus::Serving as i32);
    }

    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let mut reflection =
        tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(daemon.channel().await);
    let request = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = reflection.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) = answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list of services");
    };
    let names: BTreeSet<_> = list.service.into_iter().map(|service| service.name).collect();
    for name in [
        "candor.v1.CandorService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ] {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
    daemon.shutdown().await;
}

#[tokio::test]
async fn a_replayed_capture_gives_the_same_session() {
    let directory = tempfile::tempdir().unwrap();
    let raw_captures = Some(directory.path().to_owned());
    let options = candor::device::session::ManagerOptions { raw_captures, ..support::manager_options() };
    let daemon = Daemon::start_with(options).await;
    let mut client = daemon.client().await;
    daemon.script.preexisting(PROCESS_START, 1, 10, "");
    daemon.script.last(FILE_OPEN, u64::MAX, 10, "/last");
    let request = proto::StartSessionRequest { selection: user(1), keep_raw: true, ..Default::default() };
    let started = client.start_session(request).await.unwrap().into_inner();
    let session_id = started.header.unwrap().session_id;
    let capture = std::path::PathBuf::from(started.raw_capture_path);
    assert_eq!(capture, directory.path().join(format!("{session_id}.candor-raw")));
    for (index, phase) in ["pre_consent", "foreground", "background"].into_iter().enumerate() {
        for kind in [FILE_OPEN, TWICE, SILENT, DAMAGED] {
            daemon.script.record(kind, clock::boot_ns(), 10, &format!("/{phase}"));
        }
        // 1 at the beginning, then 3 of the records and 1 mark each time.
        support::until("the records", || daemon.sessions.list()[0].events == 4 + 4 * index as u64).await;
        let mark = proto::MarkPhaseRequest {
            session_id: session_id.clone(),
            phase: phase.to_owned(),
            note: format!("note {index}"),
            ..Default::default()
        };
        client.mark_phase(mark).await.unwrap();
    }
    stop(&mut client, &session_id).await;
    let original = Reader::open(&mut client, &session_id, 0).await.rest().await;
    assert_eq!((original.events.len(), original.end().totals.events), (14, 14));
    daemon.shutdown().await;

    let replay = async |capture: &std::path::Path| {
        let (probe, replay) = candor::device::daemon::open_replay(capture).unwrap();
        let options = candor::device::session::ManagerOptions { replay: Some(replay), ..support::manager_options() };
        let daemon = Daemon::start_probes(options, Script::default(), vec![probe]).await;
        let mut client = daemon.client().await;
        // What is asked for does not count: the capture says what the session was.
        let request = proto::StartSessionRequest { label: "ignored".to_owned(), ..Default::default() };
        let header = client.start_session(request.clone()).await.unwrap().into_inner().header.unwrap();
        let whole = Reader::open(&mut client, &header.session_id, 0).await.rest().await;
        let refused = client.start_session(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        daemon.shutdown().await;
        whole
    };
    let again = replay(&capture).await;
    assert_eq!(again.header, original.header);
    assert_eq!(again.events, original.events);
    // A subscriber's stages are its own; both readers began late and read everything.
    assert_eq!(again.end, original.end);

    // Cut short: what is there is given, and that something is missing is said.
    let bytes = std::fs::read(&capture).unwrap();
    let cut = directory.path().join("cut");
    std::fs::write(&cut, &bytes[..bytes.len() - 20]).unwrap();
    let again = replay(&cut).await;
    assert_eq!(again.events, original.events);
    assert_eq!(again.end().reason, SessionEndReason::InputEnded);
    assert_eq!(again.gaps.last().unwrap().reason, "capture_cut");
}
