use super::*;
use crate::event::examples::{self, open};
use crate::event::{BinderTransaction, ProcessExec, ProcessExit, ProcessRef, ProcessStart, SocketConnect, Transport};

const HELPER: ProcessKey = ProcessKey { pid: 100, start_ns: 50_000_000 };
const CHILD: ProcessKey = ProcessKey { pid: 101, start_ns: 90_000_000 };
const APP: ProcessKey = ProcessKey { pid: 7, start_ns: 10_000_000 };

fn watched() -> Vec<ProbeStatus> {
    let status = |family: &Family| ProbeStatus {
        probe: ProbeId::EbpfKernelObjects,
        family: *family,
        state: if *family == Family::Provider { ProbeState::Absent } else { ProbeState::Attached },
        reason: String::new(),
    };
    Family::TRACED.iter().map(status).collect()
}

fn tests_of(user_id: Option<u32>) -> SelfTests {
    SelfTests::new(&watched(), HelperIdentity { key: Some(HELPER), user_id })
}

fn begin(tests: &mut SelfTests) {
    let round = Round { moment: SelfTestMoment::Start, nonce: "candor-n".to_owned(), since_ns: 1_000 };
    assert_eq!(tests.begin(round, 2_000), None);
}

fn event(key: ProcessKey, outcome: Outcome, body: EventBody) -> Event {
    let process = ProcessRef { key, name: String::new(), executable: None };
    Event { time_ns: 100_000_000, process, thread_id: key.pid, outcome, ..examples::event(body) }
}

fn connect(port: u16) -> EventBody {
    EventBody::SocketConnect(SocketConnect {
        transport: Transport::Tcp,
        remote: Endpoint::Inet(([127, 0, 0, 1], port).into()),
        local: None,
        descriptor: 4,
        handle: 2,
        preexisting: false,
        code_origin: None,
    })
}

fn exec(argument: &str) -> EventBody {
    EventBody::ProcessExec(ProcessExec {
        path: "/x".to_owned(),
        requested_path: None,
        arguments: vec!["x".to_owned(), argument.to_owned()],
        arguments_cut: false,
    })
}

fn start() -> EventBody {
    EventBody::ProcessStart(ProcessStart { parent: Some(HELPER), preexisting: false })
}

fn call() -> EventBody {
    EventBody::from(crate::event::ServiceCall {
        service: None,
        method: None,
        method_source: crate::event::MethodSource::Unknown,
        method_table: String::new(),
        arguments: Vec::new(),
        result_count: None,
        transaction: BinderTransaction { interface: KNOWN_INTERFACE.to_owned(), ..BinderTransaction::default() },
    })
}

/// Everything that a whole round makes, with the family that each belongs to.
fn acts() -> Vec<Event> {
    vec![
        event(HELPER, Outcome::Ok, open(KNOWN_FILE)),
        event(HELPER, Outcome::Failed(20), open("/dev/null/candor-n")),
        event(HELPER, Outcome::Ok, connect(4711)),
        event(CHILD, Outcome::Ok, start()),
        event(CHILD, Outcome::Ok, exec("candor-n")),
        event(CHILD, Outcome::Ok, EventBody::ProcessExit(ProcessExit { status: Some(0), signal: None })),
        event(HELPER, Outcome::Ok, call()),
    ]
}

/// Hands over events, whoever they belong to.
fn show(tests: &mut SelfTests, events: &[Event]) {
    for event in events {
        let _whose = tests.owns(event, || 5_000);
    }
}

fn done() -> HelperOutcome {
    HelperOutcome::Done(Report::of_lines("file did\nsocket did 4711\nprocess did\nservice did\n"))
}

fn states(test: &SelfTest) -> Vec<(Family, SelfTestState)> {
    test.results.iter().map(|result| (result.family, result.state)).collect()
}

#[test]
fn what_was_done_and_seen_is_told_with_its_latency() {
    let mut tests = tests_of(None);
    begin(&mut tests);
    for (index, act) in acts().iter().enumerate() {
        assert!(tests.owns(act, || 5_000 + index as u64), "{act:?}");
    }
    assert_eq!(tests.settle(9_000, false), None, "the helper has not said what it did");
    tests.helper(done());
    let test = tests.settle(9_000, false).unwrap();
    let seen = |family| (family, SelfTestState::Seen);
    let expected = [Family::Process, Family::File, Family::Socket, Family::Service].map(seen);
    assert_eq!(states(&test), expected, "{test:?}");
    assert_eq!(test.results[1].latency_ns, Some(4_001), "the later one of two");
    assert_eq!(tests.finished(), [test]);
}

#[test]
fn each_act_that_does_not_come_out_makes_its_family_unseen() {
    let families = [
        Family::File,
        Family::File,
        Family::Socket,
        Family::Process,
        Family::Process,
        Family::Process,
        Family::Service,
    ];
    for (missing, family) in families.into_iter().enumerate() {
        let mut tests = tests_of(None);
        begin(&mut tests);
        for (_, act) in acts().iter().enumerate().filter(|(index, _)| *index != missing) {
            tests.owns(act, || 5_000);
        }
        tests.helper(done());
        assert_eq!(tests.settle(9_000, false), None, "it can still come");
        for _ in 0..MOST_TICKS {
            assert_eq!(tests.tick(9_000), None);
        }
        let test = tests.tick(9_000).unwrap();
        assert_eq!(test.not_seen().map(|result| result.family).collect::<Vec<_>>(), [family], "without act {missing}");
    }
}

#[test]
fn what_an_earlier_round_or_somebody_else_did_proves_nothing() {
    let mut tests = tests_of(None);
    begin(&mut tests);
    let mut others = vec![
        event(HELPER, Outcome::Ok, open("/etc/passwd")),
        event(HELPER, Outcome::Failed(20), open("/dev/null/candor-before")),
        event(HELPER, Outcome::Ok, connect(4712)),
        event(CHILD, Outcome::Ok, exec("candor-before")),
    ];
    show(&mut tests, &others);
    for act in acts() {
        others.push(Event { process: ProcessRef { key: APP, ..act.process.clone() }, ..act });
    }
    // A start says whose child it is; the app's own children are not the helper's.
    others.retain(|act| !matches!(act.body, EventBody::ProcessStart(_)));
    for act in others.iter().skip(4) {
        assert!(!tests.owns(act, || 5_000), "an act of the app was taken for the helper's: {act:?}");
    }
    tests.helper(done());
    assert_eq!(tests.settle(9_000, true).unwrap().not_seen().count(), 4);
}

#[test]
fn a_process_id_that_is_used_again_is_the_apps() {
    let mut tests = tests_of(None);
    begin(&mut tests);
    show(&mut tests, &acts());
    let again = ProcessKey { start_ns: 990_000_000, ..CHILD };
    assert!(!tests.owns(&event(again, Outcome::Ok, open("/x")), || 0));
    // Without a start time only the time of the act tells.
    let unknown = ProcessKey { start_ns: 0, ..CHILD };
    assert!(tests.owns(&event(unknown, Outcome::Ok, open("/x")), || 0), "at the time of its exit");
    let later = Event { time_ns: 200_000_000, ..event(unknown, Outcome::Ok, open("/x")) };
    assert!(!tests.owns(&later, || 0));
}

#[test]
fn a_helper_with_a_user_id_of_its_own_is_known_by_it() {
    let mut tests = tests_of(Some(2_000_000_000));
    let stranger = ProcessKey { pid: 4, start_ns: 0 };
    let act = Event { user_id: 2_000_000_000, ..event(stranger, Outcome::Ok, open("/x")) };
    assert!(tests.owns(&act, || 0));
    assert!(!tests.owns(&Event { user_id: 10_001, ..act }, || 0));
}

#[test]
fn a_helper_that_went_away_is_not_believed_and_one_that_never_was_proves_nothing() {
    let outcome = |outcome: Option<HelperOutcome>| {
        let mut tests = tests_of(None);
        begin(&mut tests);
        show(&mut tests, &acts());
        outcome.into_iter().for_each(|outcome| tests.helper(outcome));
        tests.settle(9_000, true).unwrap()
    };
    assert_eq!(outcome(Some(HelperOutcome::Gone("it ended".to_owned()))).not_seen().count(), 4);
    assert_eq!(outcome(None).not_seen().count(), 4);
    let missing = outcome(Some(HelperOutcome::Missing("no program".to_owned())));
    assert!(missing.results.iter().all(|result| result.state == SelfTestState::NotTested), "{missing:?}");
    let refused = HelperOutcome::Done(Report::of_lines("identity failed no\nfile did\n"));
    assert!(outcome(Some(refused)).results.iter().all(|result| result.state == SelfTestState::NotTested));
    let partly =
        outcome(Some(HelperOutcome::Done(Report::of_lines("file did\nsocket failed no network\nprocess did\n"))));
    let expected = [
        (Family::Process, SelfTestState::Seen),
        (Family::File, SelfTestState::Seen),
        (Family::Socket, SelfTestState::NotTested),
        (Family::Service, SelfTestState::NotTested),
    ];
    assert_eq!(states(&partly), expected);
}

#[test]
fn a_round_that_is_overtaken_is_closed() {
    let mut tests = tests_of(None);
    begin(&mut tests);
    let round = Round { moment: SelfTestMoment::End, nonce: "candor-m".to_owned(), since_ns: 1 };
    let closed = tests.begin(round, 3_000).unwrap();
    assert_eq!((closed.moment, closed.not_seen().count()), (SelfTestMoment::Start, 4));
}

#[test]
fn what_is_not_watched_is_not_tested() {
    let mut statuses = watched();
    statuses[1].state = ProbeState::Denied;
    statuses[2].probe = ProbeId::Procfs;
    let tests = SelfTests::new(&statuses, HelperIdentity { key: None, user_id: None });
    assert_eq!(tests.families, [Family::Process, Family::Service]);
}
