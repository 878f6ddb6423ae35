//! Conditions, each with what meets it and what does not.

use super::*;
use crate::event::examples::{self, open as read};
use crate::event::{
    DnsAnswer, DnsQuery, EventFilter, Family, Gap, HttpRequest, PhaseMark, SessionEnd, SessionEndReason, Severity,
    SocketConnect, Stage, TlsClientHello, Totals, Transport,
};

fn event(time_ms: u64, phase: &str, body: EventBody) -> Event {
    let (sequence, time_ns, phase) = (time_ms, time_ms * 1_000_000, phase.parse().unwrap());
    Event { sequence, time_ns, phase, ..examples::event(body) }
}

fn query(name: &str) -> EventBody {
    let (name, record_type) = (name.to_owned(), "A".to_owned());
    EventBody::DnsQuery(DnsQuery { name, record_type, transaction_id: 1, server: None })
}

fn answer(name: &str, address: &str) -> EventBody {
    EventBody::DnsAnswer(DnsAnswer {
        name: name.to_owned(),
        record_type: "A".to_owned(),
        transaction_id: 1,
        response_code: 0,
        records: vec![DnsRecord::Address(address.parse().unwrap())],
        server: None,
        cut: false,
    })
}

fn connect(remote: &str) -> EventBody {
    EventBody::SocketConnect(SocketConnect {
        transport: Transport::Tcp,
        remote: Endpoint::Inet(remote.parse().unwrap()),
        local: None,
        descriptor: 3,
        handle: 1,
        preexisting: false,
        code_origin: None,
    })
}

fn hello(name: &str) -> EventBody {
    EventBody::TlsClientHello(TlsClientHello {
        server_name: Some(name.to_owned()),
        protocols: Vec::new(),
        encrypted_client_hello: false,
        remote: None,
        handle: 1,
        cut: false,
    })
}

fn request(host: &str) -> EventBody {
    EventBody::HttpRequest(HttpRequest {
        method: "GET".to_owned(),
        host: Some(host.to_owned()),
        path: "/".to_owned(),
        remote: None,
        handle: 1,
    })
}

fn condition(id: &str, when: WatchWhen) -> WatchCondition {
    WatchCondition { id: id.to_owned(), filter: EventFilter::default(), most_matches: 0, when }
}

fn unknown(known: &[&str]) -> WatchWhen {
    WatchWhen::UnknownDomain { known: known.iter().map(|known| (*known).to_owned()).collect() }
}

fn end() -> StreamEntry {
    let end = SessionEnd {
        reason: SessionEndReason::Stopped,
        totals: Totals::default(),
        probes: Vec::new(),
        self_tests: Vec::new(),
    };
    StreamEntry::End(Box::new(end))
}

fn run(watch: &mut Watch, events: impl IntoIterator<Item = Event>) -> Vec<WatchMatch> {
    let mut found = Vec::new();
    for event in events {
        for news in watch.look(&StreamEntry::Event(Box::new(event))) {
            match news {
                WatchNews::Match(told) => found.push(*told),
                WatchNews::End(_) => {}
                WatchNews::Gap(gap) => panic!("{gap:?}"),
            }
        }
    }
    found
}

#[test]
fn each_unknown_domain_is_told_once_however_it_shows() {
    let conditions = vec![condition("domain", unknown(&["Shop.Example.", "*.cdn-?.test", "203.0.113.9"]))];
    let mut watch = Watch::new(conditions, 0).unwrap();
    let bodies = [
        query("shop.example"),
        query("api.shop.example."),
        query("notshop.example"),
        query("NotShop.example"),
        hello("a.cdn-7.test"),
        hello("cdn-7.test"),
        request("ads.example:8080"),
        request("[2001:db8::1]:80"),
        answer("shop.example", "203.0.113.1"),
        connect("203.0.113.1:443"),
        connect("203.0.113.2:443"),
        connect("[::ffff:203.0.113.2]:443"),
        connect("203.0.113.9:443"),
        connect("127.0.0.1:443"),
        connect("198.51.100.1:53"),
    ];
    let found = run(&mut watch, (1..).zip(bodies).map(|(time, body)| event(time, "foreground", body)));
    let domains: Vec<_> = found.iter().map(|told| (told.domain.as_str(), told.number)).collect();
    assert_eq!(
        domains,
        [("notshop.example", 1), ("cdn-7.test", 2), ("ads.example", 3), ("2001:db8::1", 4), ("203.0.113.2", 5)]
    );
    let mut denied = event(99, "foreground", connect("203.0.113.77:443"));
    denied.outcome = Outcome::Denied(13);
    assert!(run(&mut watch, [denied]).is_empty());
}

#[test]
fn the_first_reading_of_each_kind_before_consent_is_told() {
    let when = || WatchWhen::EarlyRead { data_types: BTreeSet::new(), phases: BTreeSet::new() };
    let mut watch = Watch::new(vec![condition("early", when())], 0).unwrap();
    let mac = || read("/sys/class/net/wlan0/address");
    let contacts = || read("/data/data/com.android.providers.contacts/databases/contacts2.db");
    let mut denied = event(2, "pre_consent", contacts());
    denied.outcome = Outcome::Denied(13);
    let found = run(
        &mut watch,
        [
            event(1, "foreground", mac()),
            denied,
            event(3, "pre_consent", read("/proc/cpuinfo")),
            event(4, "pre_consent", mac()),
            event(5, "pre_consent", mac()),
            event(6, "pre_consent", contacts()),
        ],
    );
    let told: Vec<_> = found
        .iter()
        .map(|told| (told.event.as_ref().unwrap().sequence, told.data_types.join(","), told.severity))
        .collect();
    assert_eq!(
        told,
        [(4, "id.mac".to_owned(), Some(Severity::Medium)), (6, "contacts".to_owned(), Some(Severity::High))]
    );

    let when =
        WatchWhen::EarlyRead { data_types: ["id".to_owned()].into(), phases: ["refused".parse().unwrap()].into() };
    let mut watch = Watch::new(vec![condition("early", when)], 0).unwrap();
    let found =
        run(&mut watch, [event(1, "pre_consent", mac()), event(2, "refused", contacts()), event(3, "refused", mac())]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].data_types, ["id.mac"]);
}

#[test]
fn thresholds_count_within_their_time_and_begin_anew() {
    let conditions = vec![
        condition("three", WatchWhen::Threshold { count: 3, within_ms: 0 }),
        condition("burst", WatchWhen::Threshold { count: 3, within_ms: 10 }),
    ];
    let mut watch = Watch::new(conditions, 0).unwrap();
    let times = [0, 100, 105, 110, 111, 112, 200];
    let found = run(&mut watch, times.map(|time| event(time, "foreground", query("a.example"))));
    let told: Vec<_> = found
        .iter()
        .map(|told| (told.condition_id.as_str(), told.event.as_ref().unwrap().sequence, told.count))
        .collect();
    assert_eq!(told, [("three", 105, 3), ("burst", 110, 3), ("three", 112, 3)]);
}

#[test]
fn a_watch_ends_with_its_matches_or_with_the_session() {
    let mut first = condition("first", WatchWhen::EachEvent);
    first.most_matches = 1;
    first.filter.families = [Family::Socket].into();
    let over = condition("over", WatchWhen::SessionOver);
    let mut watch = Watch::new(vec![first.clone(), over], 0).unwrap();
    // The filter holds for phase marks too: no stream needs them here.
    let mark = EventBody::PhaseMark(PhaseMark { phase: Phase::unmarked(), note: String::new() });
    let events = [event(1, "foreground", mark), event(2, "foreground", query("a.example"))];
    assert_eq!(run(&mut watch, events).len(), 1);
    assert!(run(&mut watch, [event(3, "foreground", query("b.example"))]).is_empty());
    let gap = Gap {
        stage: Stage::Spool,
        reason: "spool_full".to_owned(),
        count: 1,
        families: Vec::new(),
        first_sequence: None,
        last_sequence: None,
        from_ns: 1,
        to_ns: 2,
    };
    assert_eq!(watch.look(&StreamEntry::Gap(gap.clone())), [WatchNews::Gap(gap)]);
    let news = watch.look(&end());
    let [WatchNews::Match(told), WatchNews::End(ended)] = news.as_slice() else { panic!("{news:?}") };
    assert_eq!((told.condition_id.as_str(), told.event.is_none()), ("over", true));
    assert_eq!((ended.reason, ended.events, ended.gaps), (WatchEndReason::SessionOver, 3, 1));
    assert!(watch.look(&end()).is_empty());

    // The only condition is over, or so many matches were told: then the watch is.
    for (conditions, most) in [(vec![first], 0), (vec![condition("each", WatchWhen::EachEvent)], 1)] {
        let mut watch = Watch::new(conditions, most).unwrap();
        let entry = StreamEntry::Event(Box::new(event(1, "foreground", query("a.example"))));
        let news = watch.look(&entry);
        let [WatchNews::Match(_), WatchNews::End(ended)] = news.as_slice() else { panic!("{news:?}") };
        assert_eq!((ended.reason, ended.session_end.is_none()), (WatchEndReason::MatchesTold, true));
        assert!(watch.look(&entry).is_empty());
    }
}

#[test]
fn what_means_nothing_is_refused_by_name() {
    let refused = |conditions: Vec<WatchCondition>| Watch::new(conditions, 0).unwrap_err().to_string();
    let one = |when| refused(vec![condition("c", when)]);
    assert_eq!(refused(Vec::new()), "0 conditions; a watch has 1 to 64");
    assert!(refused(vec![condition("", WatchWhen::EachEvent)]).starts_with("a condition is called \"\""));
    assert!(refused(vec![condition("a b", WatchWhen::EachEvent)]).starts_with("a condition is called \"a b\""));
    let twice = vec![condition("c", WatchWhen::EachEvent), condition("c", WatchWhen::SessionOver)];
    assert_eq!(refused(twice), "two conditions are called \"c\"");
    assert_eq!(one(unknown(&[" . "])), "condition \"c\": \" . \" is no domain and no pattern of one");
    let early = WatchWhen::EarlyRead { data_types: ["contcats".to_owned()].into(), phases: BTreeSet::new() };
    assert!(one(early).starts_with("condition \"c\": there is no kind of data \"contcats\", did you mean"));
    assert!(one(WatchWhen::Threshold { count: 0, within_ms: 0 }).contains("0 events"));
    assert!(one(WatchWhen::Threshold { count: 65_537, within_ms: 1 }).contains("at most 65536"));
    assert!(Watch::new(vec![condition("c", WatchWhen::Threshold { count: 65_537, within_ms: 0 })], 0).is_ok());
    let mut filtered = condition("c", WatchWhen::EachEvent);
    filtered.filter.path_patterns = vec![String::new()];
    assert!(refused(vec![filtered]).contains("fits nothing"));
}
