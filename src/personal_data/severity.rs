//! How much an event matters.

use super::{DataClass, Reading, read_by};
use crate::event::{Endpoint, Event, EventBody, Outcome, Severity};

/// Why an event has its severity: the first that fits counts, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ground {
    /// It reads data of [`DataClass::Sensitive`].
    SensitiveData,
    /// It reads data of [`DataClass::Open`].
    OpenData,
    /// It reads data of [`DataClass::Personal`], or in a place of [`DataClass::Place`].
    PersonalData,
    /// It reads something of another app, and no table knows what.
    UnknownData,
    /// The process began to act in a way that the probes cannot see.
    BlindSpot,
    /// It reads data of [`DataClass::Weak`].
    WeakData,
    /// It is about a contact with another machine, or with a name in the network.
    Contact,
    /// None of these.
    None,
}

impl Ground {
    /// The one table: each ground, what it is called, and its severity. `docs/STREAMS.md` has the same rows.
    pub const TABLE: &'static [(Self, &'static str, Severity)] = &[
        (Self::SensitiveData, "reads sensitive data", Severity::High),
        (Self::OpenData, "reads data that may be sensitive", Severity::High),
        (Self::PersonalData, "reads other personal data", Severity::Medium),
        (Self::UnknownData, "reads from another app what no table knows", Severity::Medium),
        (Self::BlindSpot, "begins to act unseen", Severity::Medium),
        (Self::WeakData, "reads what every program reads", Severity::Low),
        (Self::Contact, "contacts another machine", Severity::Low),
        (Self::None, "anything else", Severity::Info),
    ];

    /// Why the event has its severity.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let Reading { types, open } = read_by(event);
        let has = |classes: &[DataClass]| types.iter().any(|data_type| classes.contains(&data_type.class()));
        if has(&[DataClass::Sensitive]) {
            Self::SensitiveData
        } else if has(&[DataClass::Open]) {
            Self::OpenData
        } else if has(&[DataClass::Personal, DataClass::Place]) {
            Self::PersonalData
        } else if open {
            Self::UnknownData
        } else if matches!(event.body, EventBody::BlindSpot(_)) {
            Self::BlindSpot
        } else if has(&[DataClass::Weak]) {
            Self::WeakData
        } else if is_contact(&event.body) {
            Self::Contact
        } else {
            Self::None
        }
    }

    fn severity(self) -> Severity {
        Self::TABLE.iter().find(|(ground, ..)| *ground == self).map_or(Severity::Info, |(.., severity)| *severity)
    }
}

/// How much the event matters: by its ground, and one less when it was denied or failed, for then nothing was had.
#[must_use]
pub fn severity(event: &Event) -> Severity {
    let severity = Ground::of(event).severity();
    match event.outcome {
        Outcome::Denied(_) | Outcome::Failed(_) => severity.lowered(),
        Outcome::Ok | Outcome::InProgress | Outcome::Unknown => severity,
    }
}

fn is_contact(body: &EventBody) -> bool {
    let elsewhere =
        |end: &Endpoint| matches!(end, Endpoint::Inet(address) if !address.ip().to_canonical().is_loopback());
    match body {
        EventBody::SocketConnect(connect) => elsewhere(&connect.remote),
        EventBody::SocketAccept(accept) => elsewhere(&accept.remote),
        EventBody::SocketTotals(totals) => totals.remote.as_ref().is_some_and(elsewhere),
        EventBody::DnsQuery(_) | EventBody::DnsAnswer(_) | EventBody::TlsClientHello(_) | EventBody::HttpRequest(_) => {
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::examples::{self, open_for as open};
    use crate::event::{
        App, BinderTransaction, BlindSpot, BlindSpotKind, DnsQuery, MethodSource, OpenAccess, ProviderAccess,
        ProviderMethod, ServiceCall, SocketConnect, Transport,
    };

    fn read(path: &str) -> EventBody {
        open(path, OpenAccess::Read)
    }

    fn query(authority: &str) -> EventBody {
        EventBody::from(ProviderAccess {
            method: ProviderMethod::Query,
            authority: authority.to_owned(),
            android_user: None,
            uri: None,
            projection: Vec::new(),
            selection: None,
            selection_arguments: Vec::new(),
            sort_order: None,
            values: Vec::new(),
            call_method: None,
            call_argument: None,
            open_mode: None,
            operations: None,
            result_columns: Vec::new(),
            result_rows: None,
            transaction: BinderTransaction::default(),
        })
    }

    fn call(interface: &str, method: Option<&str>) -> EventBody {
        EventBody::from(ServiceCall {
            service: None,
            method: method.map(str::to_owned),
            method_source: MethodSource::Unknown,
            method_table: String::new(),
            arguments: Vec::new(),
            result_count: None,
            transaction: BinderTransaction { interface: interface.to_owned(), ..BinderTransaction::default() },
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

    /// At least one act of each ground.
    fn acts(ground: Ground) -> Vec<EventBody> {
        match ground {
            Ground::SensitiveData => vec![
                read("/data/data/com.android.providers.contacts/databases/contacts2.db"),
                query("com.android.contacts"),
            ],
            Ground::OpenData => vec![
                read("/storage/emulated/0/DCIM/Camera/IMG_1.JPG"),
                call("android.location.ILocationManager", Some("getLastLocation")),
            ],
            Ground::PersonalData => {
                vec![
                    read("/sys/class/net/wlan0/address"),
                    read("/storage/emulated/0/notes.txt"),
                    query("com.android.calendar"),
                ]
            }
            Ground::UnknownData => vec![query("com.example.other.provider"), query("")],
            Ground::BlindSpot => vec![EventBody::BlindSpot(BlindSpot { what: BlindSpotKind::IoUring })],
            Ground::WeakData => vec![read("/proc/sys/kernel/random/boot_id"), read("/proc/cpuinfo")],
            Ground::Contact => vec![
                connect("203.0.113.7:443"),
                connect("10.0.2.2:80"),
                EventBody::DnsQuery(DnsQuery {
                    name: "ads.example".to_owned(),
                    record_type: "A".to_owned(),
                    transaction_id: 1,
                    server: None,
                }),
            ],
            Ground::None => vec![
                read("/system/lib64/libc.so"),
                // Written, not read; its own; and within the device.
                open("/storage/emulated/0/DCIM/Camera/IMG_1.JPG", OpenAccess::Write),
                read("/data/data/com.example.shop/databases/a.db"),
                connect("127.0.0.1:80"),
                connect("[::ffff:127.0.0.1]:80"),
                call("android.os.IPowerManager", Some("acquireWakeLock")),
            ],
        }
    }

    fn event(body: EventBody) -> Event {
        let app = App { package: Some("com.example.shop".to_owned()), candidates: Vec::new() };
        Event { app, ..examples::event(body) }
    }

    #[test]
    fn every_ground_of_the_table_has_its_severity_and_refusal_lowers_it() {
        for (ground, about, expected) in Ground::TABLE {
            for body in acts(*ground) {
                let mut event = event(body);
                assert_eq!(Ground::of(&event), *ground, "{about}: {event:?}");
                for outcome in [Outcome::Ok, Outcome::InProgress, Outcome::Unknown] {
                    event.outcome = outcome;
                    assert_eq!(severity(&event), *expected, "{about}, {outcome:?}");
                }
                for outcome in [Outcome::Denied(13), Outcome::Failed(2)] {
                    event.outcome = outcome;
                    assert_eq!(severity(&event), expected.lowered(), "{about}, {outcome:?}");
                }
            }
        }
    }

    #[test]
    fn the_document_has_the_table() {
        let document = include_str!("../../docs/STREAMS.md");
        let row = |about: &str, severity: Severity| {
            format!("| {about} | {} | {} |", severity.name(), severity.lowered().name())
        };
        for (_, about, severity) in Ground::TABLE {
            let row = row(about, *severity);
            assert!(document.lines().any(|line| line == row), "docs/STREAMS.md lacks {row}");
        }
        let grounds = document.lines().filter(|line| line.starts_with("| reads ") || line.starts_with("| anything"));
        assert_eq!(grounds.count(), 6, "docs/STREAMS.md has a row that is not in the table");
    }
}
