//! Observed rows, and how the terms disclose each.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may panic")]

mod verdict_support;

use candor::event::*;
use candor::host::correlate::Verdict;
use candor::host::correlate::observed::{ObservedTuple, StatementRole, Tie};
use candor::host::declared_terms::DisclosureVerdict;
use verdict_support::*;

const MAC: &str = "/sys/class/net/wlan0/address";
const CONTACTS: &str = "/data/data/com.android.providers.contacts/databases/contacts2.db";
const UMENG: (&str, &str) = ("alog.umeng.com", "127.0.0.12");
const JPUSH: (&str, &str) = ("bjuser.jpush.cn", "127.0.0.13");

fn terms(statements: &str) -> String {
    format!(
        "[app]\npackage = \"com.example.shop\"\nname = \"Shop\"\nfirst_party_domains = [\"shop.example\"]\n{statements}"
    )
}

fn row<'v>(verdict: &'v Verdict, data_type: &str, host: &str) -> &'v ObservedTuple {
    let matches = |tuple: &&ObservedTuple| {
        tuple.data_type.as_ref().map_or("", |name| name.id.as_str()) == data_type
            && tuple.recipient.as_ref().map_or("", |name| name.host.as_str()) == host
    };
    let found: Vec<&ObservedTuple> = verdict.tuples.iter().filter(matches).collect();
    assert_eq!(found.len(), 1, "{data_type} {host}: {:#?}", verdict.tuples);
    found[0]
}

/// What the terms say of MAC addresses that were read, and of Umeng that was contacted.
fn disclosed(statements: &str) -> (DisclosureVerdict, DisclosureVerdict) {
    let mut session = Session::new();
    session.phase("foreground").open(MAC).wait(3600).contact(UMENG.0, UMENG.1);
    let verdict = judge_with(&terms(statements), &session.end());
    let of = |data_type, host| row(&verdict, data_type, host).disclosure.as_ref().unwrap().verdict;
    (of("id.mac", ""), of("", UMENG.0))
}

#[test]
fn each_verdict_has_its_terms() {
    use DisclosureVerdict::{Ambiguous, Clear, Incorrect, Omitted, Vague};
    const EXACT: &str = "[[collect]]\ndata_types = [\"id.mac\"]\n";
    const BROAD: &str = "[[collect]]\ndata_types = [\"device_id\"]\n";
    const DENIED: &str = "[[not_collect]]\ndata_types = [\"id.mac\"]\n";
    const NOBODY: &str = "[[not_share]]\n";
    const SHARED: &str = "[[share]]\nrecipient = \"umeng\"\n";
    for (statements, wanted) in [
        (String::new(), (Omitted, Omitted)),
        (EXACT.to_owned(), (Clear, Omitted)),
        (BROAD.to_owned(), (Vague, Omitted)),
        (DENIED.to_owned(), (Incorrect, Omitted)),
        // "Device identifiers, but no MAC addresses" denies what was done.
        (format!("{BROAD}{DENIED}"), (Incorrect, Omitted)),
        (SHARED.to_owned(), (Omitted, Clear)),
        (NOBODY.to_owned(), (Omitted, Incorrect)),
        // Both cover it and neither is the narrower one; or the SDK is said to collect it and the app not to.
        (
            "[[collect]]\ndata_types = [\"id\"]\n[[not_collect]]\ndata_types = [\"device_info\"]\n".to_owned(),
            (Ambiguous, Omitted),
        ),
        (format!("[[collect]]\nby = \"umeng\"\ndata_types = [\"id.mac\"]\n{DENIED}"), (Ambiguous, Clear)),
        // A statement about a third party is none about another, and a party that is nobody covers nobody.
        ("[[share]]\nrecipient = \"jiguang\"\n".to_owned(), (Omitted, Omitted)),
        ("[[share]]\nrecipient = \"our partners\"\ndomains = [\"partners.example\"]\n".to_owned(), (Omitted, Omitted)),
        // Whose code read it is not known when nobody was sent to.
        ("[[collect]]\nby = \"umeng\"\ndata_types = [\"id.mac\"]\n".to_owned(), (Clear, Clear)),
        // What the app itself collects says nothing of whom it is sent to.
        ("[[collect]]\ndata_types = [\"id.mac\", \"contacts\"]\n".to_owned(), (Clear, Omitted)),
    ] {
        assert_eq!(disclosed(&statements), wanted, "{statements}");
    }
}

#[test]
fn a_row_tells_who_what_when_and_by_which_statements() {
    let mut session = Session::new();
    session.phase("foreground").open(MAC).open(MAC).wait(3600);
    session.contact(JPUSH.0, JPUSH.1).totals("127.0.0.13:443", Transport::Tcp, 900);
    session.phase("background").open_with(CONTACTS, Outcome::Denied(13)).contact("api.shop.example", "127.0.0.11");
    let verdict = judge(&session.end());

    let read = row(&verdict, "id.mac", "");
    assert_eq!((read.tie, read.reads, read.sends, read.foreground), (Tie::AccessOnly, 2, 0, Some(true)));
    assert_eq!((read.read_events.events.len(), read.read_events.total), (2, 2));
    let disclosure = read.disclosure.as_ref().unwrap();
    assert_eq!(disclosure.verdict, DisclosureVerdict::Vague);
    assert_eq!(disclosure.statements.len(), 1);
    assert_eq!(disclosure.statements[0].role, StatementRole::NamesBroader);
    assert_eq!(disclosure.statements[0].statement.says, "collect device_id");

    let sent = row(&verdict, "", JPUSH.0);
    assert_eq!((sent.tie, sent.sends, sent.bytes_sent), (Tie::ContactOnly, 1, 900));
    let sdk = sent.actor.sdk.as_ref().unwrap();
    assert!(sdk.because.contains(JPUSH.0) && !sdk.owner_zh.is_ascii(), "{sdk:?}");
    assert_eq!(sent.disclosure.as_ref().unwrap().verdict, DisclosureVerdict::Omitted);

    // An attempt is no collection, and the developer's own server needs no statement.
    let denied = row(&verdict, "contacts", "");
    assert_eq!((denied.outcome, denied.foreground, &denied.disclosure), ("denied", Some(false), &None));
    let own = row(&verdict, "", "api.shop.example");
    assert_eq!((&own.actor.sdk, &own.disclosure), (&None, &None));
}

/// Which code connected is listed with how often; what claims nothing is not. It says nothing of whose SDK it is.
#[test]
fn a_row_names_the_code_that_connected() {
    let origin = |file: &str, confidence| CodeOrigin {
        file: file.to_owned(),
        build_id: (confidence == CodeConfidence::Caller).then(|| "ab12".to_owned()),
        offset: 0x1139,
        depth: 1,
        confidence,
    };
    let mut session = Session::new();
    session.phase("foreground").resolve("api.shop.example", "127.0.0.11");
    for code in [
        Some(origin("/lib/libmain.so", CodeConfidence::Frames)),
        Some(origin("/lib/libtracker.so", CodeConfidence::Caller)),
        Some(origin("/lib/libtracker.so", CodeConfidence::Caller)),
        Some(origin("/lib/libc.so", CodeConfidence::Leaf)),
        None,
    ] {
        session.connect_by("127.0.0.11:443", Transport::Tcp, Outcome::Ok, code);
    }
    let verdict = judge(&session.end());
    let row = row(&verdict, "", "api.shop.example");
    let listed: Vec<_> =
        row.actor.code.iter().map(|code| (code.file.as_str(), code.confidence, code.connections)).collect();
    let wanted = [("/lib/libtracker.so", CodeConfidence::Caller, 2), ("/lib/libmain.so", CodeConfidence::Frames, 1)];
    assert_eq!((row.sends, listed.as_slice(), &row.actor.sdk), (5, &wanted[..], &None));
    assert_eq!(row.actor.code[0].build_id.as_deref(), Some("ab12"));
}

/// The JSON report holds the rows, under names that reports and other programs read.
#[test]
fn rows_are_in_the_json_report() {
    let mut session = Session::new();
    session.phase("foreground").open(MAC).contact(JPUSH.0, JPUSH.1);
    let json = serde_json::to_value(judge(&session.end())).unwrap();
    let rows = json["tuples"].as_array().unwrap();
    let read = rows.iter().find(|row| row["data_type"]["id"] == "id.mac").unwrap();
    assert_eq!(read["disclosure"]["verdict"], "vague");
    assert_eq!(read["disclosure"]["statements"][0]["role"], "names_broader");
    assert!(read["disclosure"]["statements"][0]["place"]["line"].is_u64());
    assert_eq!(read["actor"]["app"], PACKAGE);
    assert_eq!(read["fingerprint"].as_str().unwrap().len(), 32);
    let ties: Vec<&str> =
        json["tying"]["not_possible"].as_array().unwrap().iter().map(|tie| tie["tie"].as_str().unwrap()).collect();
    assert_eq!(ties, ["value", "path"]);
}

/// Who started the traced process of [`Session`], and a program that it runs.
const MAIN: u32 = 4242;
const CHILD: u32 = 4243;

fn by_process(session: &mut Session, pid: u32) {
    if let Some(StreamEntry::Event(event)) = session.entries.last_mut() {
        event.process.key = ProcessKey::new(pid, 50 * SECOND);
    }
}

#[test]
fn what_is_sent_within_the_window_after_reading_is_tied_to_it() {
    let mut session = Session::new();
    session.phase("foreground").open(MAC).open(MAC).wait(3).contact(JPUSH.0, JPUSH.1);
    session.wait(60).contact(UMENG.0, UMENG.1);
    let verdict = judge(&session.end());
    let tied = row(&verdict, "id.mac", JPUSH.0);
    assert_eq!((tied.tie, tied.reads, tied.sends), (Tie::Window, 2, 1));
    assert_eq!(tied.read_events.events, [2, 3]);
    assert_eq!(tied.send_events.events, [5], "the connection");
    let delay = tied.delay_seconds.unwrap();
    assert!((3.0..4.0).contains(&delay), "{delay}");
    // A minute later is too late, and a connection that is tied is not told a second time as one that is not.
    let hosts: Vec<(&str, Tie)> =
        verdict.tuples.iter().filter_map(|row| Some((row.recipient.as_ref()?.host.as_str(), row.tie))).collect();
    assert_eq!(hosts, [(JPUSH.0, Tie::Window), (UMENG.0, Tie::ContactOnly)]);
}

/// The bytes of a long connection left somewhere between two accounts of it.
#[test]
fn a_long_connection_is_tied_by_its_totals() {
    let mut session = Session::new();
    session.phase("foreground").contact(JPUSH.0, JPUSH.1).wait(100);
    session.exec("/system/bin/getprop", &["getprop", "ro.serialno"]).wait(100);
    session.totals("127.0.0.13:443", Transport::Tcp, 5_000);
    let verdict = judge(&session.end());
    let tied = row(&verdict, "id.serial", JPUSH.0);
    assert_eq!((tied.tie, tied.bytes_sent, tied.delay_seconds), (Tie::Window, 5_000, Some(0.0)));
}

/// An unconnected socket names one peer in each of its totals; they come whenever it leaves one for another.
#[test]
fn each_peer_of_a_datagram_socket_is_a_recipient_with_its_share_of_the_bytes() {
    let mut session = Session::new();
    // Opening a file only counts the handle up.
    session.phase("foreground").open("/system/etc/hosts").resolve(JPUSH.0, JPUSH.1).resolve(UMENG.0, UMENG.1);
    let (first, second) = (format!("{}:5000", JPUSH.1), format!("{}:5000", UMENG.1));
    session.totals_so_far(&first, Transport::Udp, 40, false).totals_so_far(&second, Transport::Udp, 100, false);
    session.totals_so_far(&second, Transport::Udp, 120, false).totals(&first, Transport::Udp, 125);
    let verdict = judge(&session.end());
    let sent = |host| (row(&verdict, "", host).bytes_sent, row(&verdict, "", host).sends);
    assert_eq!((sent(JPUSH.0), sent(UMENG.0)), ((45, 2), (80, 1)));
}

#[test]
fn what_a_program_reads_is_tied_to_whoever_ran_it_and_to_no_other_process() {
    let mut session = Session::new();
    session.phase("foreground");
    let parent = Some(ProcessKey::new(MAIN, 50 * SECOND));
    session.event(Outcome::Ok, EventBody::ProcessStart(ProcessStart { parent, preexisting: false }));
    by_process(&mut session, CHILD);
    session.exec("/system/bin/getprop", &["getprop", "ro.serialno"]);
    by_process(&mut session, CHILD);
    session.contact(JPUSH.0, JPUSH.1);
    let verdict = judge(&session.end());
    assert_eq!(row(&verdict, "id.serial", JPUSH.0).tie, Tie::Window);

    let mut stranger = Session::new();
    stranger.phase("foreground").open(MAC);
    by_process(&mut stranger, CHILD);
    stranger.contact(JPUSH.0, JPUSH.1);
    assert_eq!(row(&judge(&stranger.end()), "", JPUSH.0).tie, Tie::ContactOnly);
}

/// First-party terms do not cover third parties, nor the other way round.
#[test]
fn a_flow_is_disclosed_by_statements_about_its_recipient_only() {
    use DisclosureVerdict::{Clear, Incorrect, Omitted, Vague};
    let verdict_of = |statements: &str, host: (&str, &str)| {
        let mut session = Session::new();
        session.phase("foreground").open(MAC).contact(host.0, host.1);
        let verdict = judge_with(&terms(statements), &session.end());
        row(&verdict, "id.mac", host.0).disclosure.as_ref().unwrap().verdict
    };
    const OWN: (&str, &str) = ("api.shop.example", "127.0.0.11");
    const APP: &str = "[[collect]]\ndata_types = [\"id.mac\"]\n";
    const SDK: &str = "[[collect]]\nby = \"umeng\"\ndata_types = [\"id.mac\"]\n";
    const SHARED_BROADLY: &str = "[[share]]\nrecipient = \"umeng\"\ndata_types = [\"device_id\"]\n";
    const SHARED_WITHOUT_DATA: &str = "[[share]]\nrecipient = \"umeng\"\n";
    const NOT_TO_UMENG: &str = "[[not_share]]\nrecipient = \"umeng\"\ndata_types = [\"id.mac\"]\n";
    for (statements, host, wanted) in [
        (APP, OWN, Clear),
        (APP, UMENG, Omitted),
        (SDK, OWN, Omitted),
        (SDK, UMENG, Clear),
        (SDK, JPUSH, Omitted),
        (SHARED_BROADLY, UMENG, Vague),
        (SHARED_BROADLY, OWN, Omitted),
        (SHARED_WITHOUT_DATA, UMENG, Omitted),
        (NOT_TO_UMENG, UMENG, Incorrect),
        (NOT_TO_UMENG, JPUSH, Omitted),
        ("", ("who.example", "127.0.0.14"), Omitted),
    ] {
        assert_eq!(verdict_of(statements, host), wanted, "{statements} {}", host.0);
    }
}

#[test]
fn reading_at_a_fixed_interval_is_named_with_its_period() {
    let mut session = Session::new();
    session.phase("background");
    for _ in 0..8 {
        session.open(MAC).wait(30);
    }
    let verdict = judge(&session.end());
    let period = row(&verdict, "id.mac", "").rate.period.unwrap();
    assert!((period.seconds - 30.1).abs() < 0.01 && period.pauses == 7, "{period:?}");
    let told: Vec<&str> = verdict
        .notices
        .iter()
        .filter(|notice| notice.kind == "fixed_interval")
        .map(|notice| notice.message.as_str())
        .collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("at a fixed interval of 30.1 s in phase background"), "{told:?}");
}
