//! Each rule on a session that breaks it, one that keeps it, and one that cannot be judged.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may panic")]

mod verdict_support;

use candor::event::*;
use candor::host::correlate::RuleOutcome::{CannotTell, NoneObserved, NotApplicable, Violation};
use candor::host::correlate::rules::ALL_RULES;
use candor::host::correlate::{Correlator, Foresight};
use candor::host::declared_terms::DeclaredTerms;
use candor::host::ontology::Ontology;
use candor::host::recording::RecordingCondition;
use candor::host::toml_source::SourceFile;
use verdict_support::*;

const PHOTO: &str = "/storage/emulated/0/DCIM/Camera/IMG_1.jpg";
const OWN_FILE: &str = "/data/data/com.example.shop/files/state";
const MAC: &str = "/sys/class/net/wlan0/address";
const CONTACTS: &str = "/data/data/com.android.providers.contacts/databases/contacts2.db";

/// Everything as the terms say.
fn honest() -> Session {
    let mut session = Session::new();
    session
        .open("/data/data/com.example.shop/files/state")
        .open("/proc/cpuinfo")
        .contact("api.shop.example", "127.0.0.11")
        .phase("foreground")
        .open(PHOTO)
        .open(MAC)
        .contact("alog.umeng.com", "127.0.0.12")
        .phase("background")
        .open(MAC);
    session
}

#[test]
fn an_honest_session_is_judged_by_every_rule_and_breaks_none() {
    let verdict = judge(&honest().end());
    assert_eq!(findings(&verdict), Vec::<String>::new());
    assert_eq!(verdict.outcome, NoneObserved, "{:#?}", verdict.rules);
    for result in &verdict.rules {
        let wanted = if result.id == "after-refusal" { NotApplicable } else { NoneObserved };
        assert_eq!(result.outcome, wanted, "{}: {:?}", result.id, result.reasons);
    }
}

/// What breaks each rule, and what then is found.
fn breaches() -> Vec<(&'static str, Session, Vec<&'static str>)> {
    let with = |change: &dyn Fn(&mut Session)| {
        let mut session = honest();
        change(&mut session);
        session
    };
    let early = |change: &dyn Fn(&mut Session)| {
        let mut session = Session::new();
        change(&mut session);
        session.phase("foreground");
        session
    };
    vec![
        (
            "before-consent",
            early(&|session| {
                session.open(MAC);
            }),
            vec!["before-consent id.mac"],
        ),
        (
            "before-consent",
            early(&|session| {
                session.contact("alog.umeng.com", "127.0.0.12");
            }),
            vec!["before-consent alog.umeng.com"],
        ),
        (
            "after-refusal",
            with(&|session| {
                session.phase("refused").open(MAC).contact("alog.umeng.com", "127.0.0.12");
            }),
            vec!["after-refusal id.mac", "after-refusal alog.umeng.com"],
        ),
        (
            "undeclared-collection",
            with(&|session| {
                session.open("/proc/net/arp").exec("/system/bin/pm", &["pm", "list", "packages"]);
            }),
            vec!["undeclared-collection app_list", "undeclared-collection location.coarse"],
        ),
        (
            "undeclared-collection",
            with(&|session| {
                session.open(CONTACTS);
            }),
            vec!["undeclared-collection contacts"],
        ),
        (
            "undeclared-recipient",
            with(&|session| {
                session.contact("sdk.e.qq.com", "127.0.0.13");
            }),
            vec!["undeclared-recipient sdk.e.qq.com"],
        ),
        (
            "unknown-recipient",
            with(&|session| {
                session.contact("who.example", "127.0.0.14").connect("192.0.2.77:443");
            }),
            vec!["unknown-recipient 192.0.2.77", "unknown-recipient who.example"],
        ),
        (
            "unknown-data",
            with(&|session| {
                let query = access(ProviderMethod::Query, "com.example.notes.p", "/all", None, "com.example.notes");
                session.event(Outcome::Ok, query);
            }),
            vec!["unknown-data com.example.notes.p"],
        ),
        (
            "outside-declared-phase",
            with(&|session| {
                session.open(PHOTO).contact("alog.umeng.com", "127.0.0.12");
            }),
            vec!["outside-declared-phase photos", "outside-declared-phase alog.umeng.com"],
        ),
        (
            "rate-above-declared",
            with(&|session| {
                session.phase("foreground").open(PHOTO).open(PHOTO).open(PHOTO);
            }),
            vec!["rate-above-declared photos"],
        ),
    ]
}

#[test]
fn each_breach_is_found_once_and_nothing_else_is() {
    for (rule_id, mut session, wanted) in breaches() {
        let verdict = judge(&session.end());
        assert_eq!(findings(&verdict), wanted, "{rule_id}");
        assert_eq!(verdict.outcome, Violation);
        assert_eq!(rule(&verdict, rule_id).outcome, Violation);
    }
    for rule in ALL_RULES {
        assert!(breaches().iter().any(|(id, _, _)| *id == rule.id), "{} has no breach to find", rule.id);
    }
}

#[test]
fn a_breach_stands_also_when_something_was_lost() {
    for (rule_id, mut session, wanted) in breaches() {
        let verdict = judge(&session.lose(&[]).end());
        assert_eq!(findings(&verdict), wanted, "{rule_id}");
        assert_eq!(verdict.outcome, Violation);
    }
}

#[test]
fn each_rule_is_blind_to_what_its_families_lack() {
    for blind in [Family::Process, Family::File, Family::Socket] {
        for state in [ProbeState::Partial, ProbeState::Unsupported, ProbeState::Denied] {
            let probes = all_attached()
                .into_iter()
                .map(|mut status| {
                    if status.family == blind {
                        status.state = state;
                        status.reason = "because of the test".to_owned();
                    }
                    status
                })
                .collect();
            let mut session = Session::with_probes(probes);
            session.phase("refused").phase("foreground").open(OWN_FILE);
            let verdict = judge(&session.end());
            assert_eq!(verdict.outcome, CannotTell);
            for entry in ALL_RULES {
                let result = rule(&verdict, entry.id);
                let needs = entry.families.contains(&blind);
                assert_eq!(result.outcome == CannotTell, needs, "{} without {}", entry.id, blind.name());
                assert_eq!(result.reasons.iter().any(|reason| reason.contains("because of the test")), needs);
            }
        }
    }
}

#[test]
fn polling_alone_proves_no_absence() {
    let probes = all_attached().into_iter().map(|status| ProbeStatus { probe: ProbeId::Procfs, ..status }).collect();
    let verdict = judge(&Session::with_probes(probes).phase("foreground").open(OWN_FILE).end());
    assert_eq!(verdict.outcome, CannotTell);
    // Beside a probe that watches, what else is partial does not matter.
    let mut probes = all_attached();
    probes.push(ProbeStatus {
        probe: ProbeId::Procfs,
        family: Family::File,
        state: ProbeState::Partial,
        reason: "samples".to_owned(),
    });
    assert_eq!(judge(&Session::with_probes(probes).phase("foreground").open(OWN_FILE).end()).outcome, NoneObserved);
}

#[test]
fn loss_blinds_the_rules_of_its_family_and_phase_only() {
    let mut session = honest();
    let verdict = judge(&session.lose(&[Family::File]).end());
    assert_eq!(rule(&verdict, "undeclared-collection").outcome, CannotTell);
    assert_eq!(rule(&verdict, "undeclared-recipient").outcome, NoneObserved);
    assert_eq!(rule(&verdict, "before-consent").outcome, NoneObserved, "the loss came later");
    assert_eq!(verdict.outcome, CannotTell);
}

#[test]
fn other_ways_of_not_seeing_everything_are_noticed() {
    let cannot_tell = |entries: &[StreamEntry], why: &str| {
        let verdict = judge(entries);
        assert_eq!(verdict.outcome, CannotTell, "{why}");
        let told = verdict.rules.iter().flat_map(|rule| &rule.reasons).any(|reason| reason.contains(why));
        assert!(told, "{why}: {:#?}", verdict.rules);
    };
    let whole = honest().end();
    cannot_tell(&whole[..whole.len() - 1], "truncated");
    cannot_tell(&whole[1..], "no header");
    let mut holed = whole.clone();
    holed.remove(4);
    cannot_tell(&holed, "sequence numbers are missing");
    let mut twice = whole.clone();
    twice.insert(4, twice[4].clone());
    cannot_tell(&twice, "there twice");
    let mut blind = honest();
    blind.event(Outcome::Ok, EventBody::BlindSpot(BlindSpot { what: BlindSpotKind::IoUring }));
    cannot_tell(&blind.end(), "io_uring");
    let mut unplaced = whole.clone();
    if let Some(StreamEntry::End(end)) = unplaced.last_mut() {
        let mut account = StageTotals { produced: 5, delivered: 3, ..StageTotals::default() };
        account.drop_for("ring_full", 2);
        end.totals.loss.stages.insert(Stage::Probe, account);
    }
    cannot_tell(&unplaced, "no gap says when");
    let mut unmarked = Session::new();
    unmarked.entries.clear();
    let header = SessionHeader { probes: all_attached(), ..SessionHeader::default() };
    unmarked.entries.push(StreamEntry::Header(Box::new(header)));
    cannot_tell(&unmarked.end(), "phase pre_consent was never marked");
}

/// What a helper outside the app reads for it is not seen, so that silence about reading proves nothing.
#[test]
fn bytes_from_a_strangers_unix_socket_make_it_impossible_to_tell() {
    use Endpoint::{UnixAbstract, UnixPath};
    let judged = |served: Option<&Endpoint>, peer: &Endpoint, received: u64| {
        let mut session = honest();
        if let Some(local) = served {
            let bind =
                SocketBind { transport: Transport::UnixStream, local: local.clone(), descriptor: 8, handle: 700 };
            session.event(Outcome::Ok, EventBody::SocketBind(bind));
        }
        session.event(
            Outcome::Ok,
            EventBody::SocketTotals(SocketTotals {
                transport: Transport::UnixStream,
                remote: Some(peer.clone()),
                local: None,
                descriptor: 9,
                handle: 701,
                bytes_sent: 10,
                bytes_received: received,
                send_calls: 1,
                receive_calls: 1,
                closed: true,
            }),
        );
        let verdict = judge(&session.end());
        let result = rule(&verdict, "undeclared-collection");
        (result.outcome, result.reasons.iter().any(|reason| reason.contains("over the Unix socket")))
    };
    let helper = UnixAbstract("helper".to_owned());
    assert_eq!(judged(None, &helper, 18), (CannotTell, true));
    assert_eq!(judged(None, &helper, 0), (NoneObserved, false), "nothing came back");
    assert_eq!(judged(None, &helper, 1), (NoneObserved, false), "a sign to go on");
    assert_eq!(judged(Some(&helper), &helper, 18), (NoneObserved, false), "its own");
    for harmless in ["/dev/socket/logdw", "/data/user/0/com.example.shop/files/socket"] {
        assert_eq!(judged(None, &UnixPath(harmless.to_owned()), 18).0, NoneObserved, "{harmless}");
    }
}

#[test]
fn attempts_are_listed_and_are_no_violation() {
    let mut session = honest();
    session.open_with(CONTACTS, Outcome::Denied(13)).open_with("/proc/net/arp", Outcome::Failed(2)).connect_as(
        "192.0.2.9:443",
        Transport::Tcp,
        Outcome::Failed(111),
    );
    let verdict = judge(&session.end());
    assert_eq!(verdict.outcome, NoneObserved);
    let attempts = verdict.notices.iter().filter(|notice| notice.kind == "attempted").count();
    assert_eq!(attempts, 3);
}

#[test]
fn names_decide_who_was_contacted() {
    // Two undeclared or unknown names for one address: a violation whichever it was.
    let mut both = honest();
    both.resolve("a.who.example", "192.0.2.5").resolve("b.who.example", "192.0.2.5").connect("192.0.2.5:443");
    assert_eq!(findings(&judge(&both.end())), ["unknown-recipient a.who.example or b.who.example"]);
    // One of them declared: nobody can tell.
    let mut perhaps = honest();
    perhaps.resolve("api.shop.example", "192.0.2.5").resolve("b.who.example", "192.0.2.5").connect("192.0.2.5:443");
    let verdict = judge(&perhaps.end());
    assert_eq!(verdict.outcome, CannotTell);
    assert!(rule(&verdict, "unknown-recipient").reasons[0].contains("not all are declared"));
    // A first-party name that is an alias of a tracker's leads to the tracker.
    let mut cloaked = honest();
    let records = [DnsRecord::Alias("x.appsflyer.com".to_owned()), DnsRecord::Address("192.0.2.6".parse().unwrap())];
    cloaked.dns("metrics.shop.example", &records).connect("192.0.2.6:443");
    let verdict = judge(&cloaked.end());
    assert_eq!(findings(&verdict), ["undeclared-recipient metrics.shop.example"]);
    // What is nobody: nameless loopback, DNS servers, a datagram socket that sent nothing.
    let mut nobody = honest();
    nobody
        .connect("127.0.0.1:8080")
        .connect("192.0.2.53:53")
        .connect_as("192.0.2.54:443", Transport::Udp, Outcome::Ok)
        .totals("192.0.2.54:443", Transport::Udp, 0);
    let verdict = judge(&nobody.end());
    assert_eq!(verdict.outcome, NoneObserved, "{:?}", findings(&verdict));
    assert!(verdict.notices.iter().any(|notice| notice.message.contains("127.0.0.1")));
    let mut sent = honest();
    sent.connect_as("192.0.2.54:443", Transport::Udp, Outcome::Ok).totals("192.0.2.54:443", Transport::Udp, 10);
    assert_eq!(findings(&judge(&sent.end())), ["unknown-recipient 192.0.2.54"]);
    let mut bypass = honest();
    bypass.connect("203.107.1.1:443");
    let verdict = judge(&bypass.end());
    assert_eq!(verdict.outcome, NoneObserved);
    assert!(verdict.notices.iter().any(|notice| notice.kind == "dns_bypass"));
}

#[test]
fn denials_name_the_line_they_stand_in() {
    let terms = "[app]\npackage = \"com.example.shop\"\n[[not_share]]\n[[not_collect]]\ndata_types = [\"contacts\"]\n";
    let mut session = Session::new();
    session.phase("foreground").open(CONTACTS).contact("alog.umeng.com", "127.0.0.12");
    let verdict = judge_with(terms, &session.end());
    let lines: Vec<u32> = verdict
        .rules
        .iter()
        .flat_map(|rule| &rule.findings)
        .map(|finding| finding.contradicts.as_ref().unwrap().place.line)
        .collect();
    assert_eq!(lines, [4, 3]);
}

/// A self-test in which one family was not seen and another could not be tested.
fn self_test(moment: SelfTestMoment, not_seen: Option<Family>) -> SelfTest {
    let result = |family: Family| {
        let (state, reason) = match family {
            Family::Provider => (SelfTestState::NotTested, "no provider is asked"),
            family if Some(family) == not_seen => (SelfTestState::NotSeen, "a connection did not come out"),
            _ => (SelfTestState::Seen, ""),
        };
        SelfTestResult { family, state, latency_ns: None, reason: reason.to_owned() }
    };
    SelfTest { moment, time_ns: START, results: Family::TRACED.iter().copied().map(result).collect() }
}

#[test]
fn a_known_act_that_was_not_seen_makes_its_family_one_that_cannot_be_told() {
    let judged = |entry: Option<SelfTest>, at_end: Option<SelfTest>| {
        let mut session = honest();
        session.entries.extend(entry.map(|test| StreamEntry::SelfTest(Box::new(test))));
        let mut entries = session.end();
        if let Some(StreamEntry::End(end)) = entries.last_mut() {
            end.self_tests.extend(at_end);
        }
        judge(&entries)
    };
    let (start, end) = (SelfTestMoment::Start, SelfTestMoment::End);
    assert_eq!(judged(Some(self_test(start, None)), Some(self_test(end, None))).outcome, NoneObserved);
    let unseen = Some(Family::Socket);
    for verdict in [
        judged(Some(self_test(start, unseen)), None),
        judged(None, Some(self_test(end, unseen))),
        judged(Some(self_test(start, unseen)), Some(self_test(start, unseen))),
    ] {
        assert_eq!(verdict.outcome, CannotTell);
        let watched = |family: &str| verdict.coverage.families.iter().find(|one| one.family == family).unwrap();
        let socket = watched("socket");
        assert!(!socket.watched && socket.reasons.len() == 1, "{socket:?}");
        assert!(socket.reasons[0].contains("did a known act of the socket family and did not see it"), "{socket:?}");
        assert!(watched("file").watched && watched("provider").watched);
        assert_eq!(rule(&verdict, "unknown-recipient").outcome, CannotTell);
        assert_eq!(rule(&verdict, "undeclared-collection").outcome, NoneObserved);
        let mut text = Vec::new();
        candor::host::report::text(&verdict, &mut text).unwrap();
        assert!(String::from_utf8(text).unwrap().contains("a connection did not come out"));
    }
}

#[test]
fn another_apps_events_are_not_judged() {
    let mut session = honest();
    session.package = Some("com.other".to_owned());
    session.open(CONTACTS);
    let verdict = judge(&session.end());
    assert_eq!(verdict.outcome, NoneObserved);
    assert_eq!(verdict.app.left_out, ["com.other"]);
}

#[test]
fn evidence_is_bounded_and_the_json_is_the_same_every_time() {
    let mut session = honest();
    for number in 0..1_000 {
        session.open(&format!("/storage/emulated/0/Download/{number}.pdf"));
    }
    let entries = session.end();
    let mut first = Vec::new();
    let mut second = Vec::new();
    candor::host::report::json(&judge(&entries), &mut first).unwrap();
    candor::host::report::json(&judge(&entries), &mut second).unwrap();
    assert_eq!(first, second);
    let verdict = judge(&entries);
    let finding = &rule(&verdict, "undeclared-collection").findings[0];
    assert_eq!((finding.count, finding.evidence.len(), finding.places.len()), (1_000, 5, 8));
    assert!(finding.more_places);
}

#[test]
fn every_form_of_the_report_tells_each_finding_and_obeys_no_path() {
    let mut session = honest();
    session
        .open("/storage/emulated/0/Download/<script>alert(1)</script>\u{1b}[2J.pdf")
        .contact("sdk.e.qq.com", "127.0.0.13");
    let verdict = judge(&session.end());
    let mut text = Vec::new();
    candor::host::report::text(&verdict, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let html = candor::host::report::html(&verdict, candor::host::report::Language::English).unwrap();
    for form in [&text, &html] {
        assert!(form.contains("undeclared-recipient") && form.contains("sdk.e.qq.com") && form.contains("documents"));
        assert!(!form.contains("\u{1b}[2J"));
    }
    assert!(!html.contains("<script"));
    assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("src="));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 24, ..Default::default() })]

    /// Where the frames of a recording end makes no difference to the verdict.
    #[test]
    fn the_verdict_does_not_depend_on_where_frames_end(ends in proptest::collection::vec(proptest::bool::ANY, 32)) {
        use candor::host::recording::{RecordingReader, RecordingWriter};
        let mut session = honest();
        session.open(CONTACTS).contact("sdk.e.qq.com", "127.0.0.13").connect("192.0.2.77:443").lose(&[Family::File]);
        let entries = session.end();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("session.candor");
        let mut writer = RecordingWriter::create(&path, false).unwrap();
        for (entry, end) in entries.iter().zip(ends.iter().chain(std::iter::repeat(&false))) {
            writer.entry(entry).unwrap();
            if *end {
                writer.flush().unwrap();
            }
        }
        writer.finish().unwrap();
        let mut reader = RecordingReader::open(&path).unwrap();
        let read: Vec<StreamEntry> = reader.by_ref().collect();
        proptest::prop_assert!(reader.condition().is_whole());
        let mut from_file = Vec::new();
        let mut from_memory = Vec::new();
        candor::host::report::json(&judge(&read), &mut from_file).unwrap();
        candor::host::report::json(&judge(&entries), &mut from_memory).unwrap();
        proptest::prop_assert_eq!(from_file, from_memory);
    }
}

/// Uneventful events are only counted, unless nobody has looked at the event before: both ways come to the same.
#[test]
fn looking_ahead_changes_no_verdict() {
    const PATHS: [&str; 6] =
        [MAC, PHOTO, CONTACTS, OWN_FILE, "/system/lib64/libc.so", "/data/data/com.example.other/files/a"];
    let mut dice = 7_u64;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let mut session = Session::new();
    for _ in 0..3_000 {
        let path = PATHS[usize::try_from(roll(6)).unwrap()].to_owned();
        match roll(12) {
            0 => session.phase(["pre_consent", "foreground", "background"][usize::try_from(roll(3)).unwrap()]),
            1 => session.contact("alog.umeng.com", "127.0.0.12"),
            2 => session.event(Outcome::Ok, EventBody::FileRename(FileRename { from: path, to: OWN_FILE.to_owned() })),
            3 => session.event(Outcome::Ok, EventBody::FileUnlink(FileUnlink { path, directory: false })),
            4 | 5 => session.event(
                Outcome::Ok,
                EventBody::FileTotals(FileTotals {
                    path,
                    descriptor: 7,
                    handle: roll(40),
                    bytes_read: roll(100),
                    bytes_written: 0,
                    read_calls: roll(2),
                    write_calls: 0,
                    mapped: false,
                    closed: roll(2) == 0,
                }),
            ),
            6 => {
                session.package =
                    Some(["com.example.shop", "com.example.other"][usize::try_from(roll(2)).unwrap()].to_owned());
                session.wait(roll(9))
            }
            _ => session.open(&path),
        };
    }
    let entries = session.end();
    let ontology = Ontology::built_in().unwrap();
    let (terms, _) = DeclaredTerms::parse(&SourceFile::new("terms.toml", TERMS), &ontology).unwrap();
    let judged = |stretch: usize| {
        let (mut correlator, mut foresight) =
            (Correlator::new(&terms, &ontology), Foresight::new("com.example.shop", &ontology));
        for (index, entry) in entries.iter().enumerate() {
            if index % stretch == 0 {
                foresight.begin();
            }
            correlator.add_foreseen(entry, &foresight.look(entry));
        }
        let condition = RecordingCondition { complete: true, ..RecordingCondition::default() };
        serde_json::to_string_pretty(&correlator.finish(&condition)).unwrap()
    };
    let whole = judged(1);
    assert!(whole.contains("\"violation\"") && whole.contains("com.example.other"));
    assert_eq!(judged(17), whole);
    assert_eq!(judged(usize::MAX), whole);
    assert_eq!(serde_json::to_string_pretty(&judge(&entries)).unwrap(), whole);
}
