//! The one table of the suite: what the program does, and what each tier has to see of it, and how far that can be trusted.

use candor::event::EventKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What came of one expectation under one tier, or has to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Seen, and each field is the kernel's own word.
    Faithful,
    /// Seen, and some field is a hint; the event says which way.
    Hint,
    /// Seen, because a look at `/proc` met it.
    Sampled,
    /// Done, and seen or not: it depends on when `/proc` is read. If it is seen, then as [`Cell::met_by_chance`] says.
    Chance,
    /// Done, and not seen.
    Blind,
    /// Not done: the kernel has no such thing.
    Absent,
}

impl Cell {
    /// How it is written in the table.
    pub fn text(self) -> &'static str {
        match self {
            Self::Faithful => "faithful",
            Self::Hint => "hint",
            Self::Sampled => "sampled",
            Self::Chance => "by chance",
            Self::Blind => "blind",
            Self::Absent => "-",
        }
    }

    /// How trustworthy an event may be that is there by chance under a tier of this place in `TIERS`: what it tells is read from
    /// `/proc`, where procfs looks now and then, and the eBPF probe after each program it sees begin.
    pub fn met_by_chance(tier: usize) -> Self {
        match tier {
            1 => Self::Hint,
            3 => Self::Sampled,
            _ => Self::Blind,
        }
    }

    /// From an event.
    pub fn of(event: Option<&Value>) -> Self {
        let Some(event) = event else { return Self::Blind };
        match &event["fidelity"] {
            Value::String(word) if word == "faithful" => Self::Faithful,
            Value::Object(hint) => {
                let reasons = hint["hint"].as_array().map(Vec::as_slice).unwrap_or_default();
                if reasons == ["sampled"] { Self::Sampled } else { Self::Hint }
            }
            other => panic!("an event has no fidelity: {other}"),
        }
    }
}

/// Kinds that no kernel program and no stop tells, but a look at a file of the system: they are the same whatever traces, and
/// on every kernel. With the test that sees each on a real system.
pub const LOOKED_UP: &[(EventKind, &str)] = &[
    (EventKind::ProcessImportance, "tests/device_clock.rs"),
    (EventKind::ProcessName, "tests/app_identity.rs"),
    (EventKind::PackageChange, "tests/app_identity.rs"),
];

/// What the program needs of a kernel, besides files and sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    /// A binder driver.
    Binder,
    /// 32-bit programs.
    Narrow,
    /// `io_uring`.
    Ring,
}

/// One expectation.
#[derive(Debug)]
pub struct Row {
    pub kind: EventKind,
    /// What is special about it, for its own line in the table; empty for the plain form of the kind.
    pub about: &'static str,
    pub needs: Needs,
    /// The fields that the event has to have.
    pub expected: Value,
    /// What it has to be under each of `TIERS`.
    pub promised: [Cell; 4],
}

impl Row {
    /// Whether its effect is there for as long as somebody looks.
    pub fn lasts(&self) -> bool {
        self.about.ends_with(LASTING)
    }

    /// The line of the table that it belongs to. Several expectations share one.
    pub fn line(&self) -> String {
        let name = self.kind.name();
        if self.about.is_empty() { name.to_owned() } else { format!("{name}, {}", self.about) }
    }
}

/// Where the program acted.
pub struct Scene<'a> {
    /// The program itself.
    pub program: &'a str,
    /// Its directory.
    pub directory: &'a str,
    /// Its server.
    pub address: &'a str,
    pub port: u16,
    /// Another port of the server, for the connection that lasts.
    pub held_port: u16,
}

const F: Cell = Cell::Faithful;
const H: Cell = Cell::Hint;
const S: Cell = Cell::Sampled;
const B: Cell = Cell::Blind;
const C: Cell = Cell::Chance;

/// Of acts whose effect is there for as long as somebody looks.
const LASTING: &str = "while it lasts";

/// Every expectation. What procfs can tell, but what does not last, it meets by chance: a machine that is slow at the wrong moment
/// makes the shortest act long enough.
pub fn table(scene: &Scene<'_>) -> Vec<Row> {
    let file = |name: &str| format!("{}/{name}", scene.directory);
    let end = |port: u16| json!({ "inet": format!("{}:{port}", scene.address) });
    let server = end(scene.port);
    let mut rows = Vec::new();
    let mut row =
        |kind, about, promised, expected| rows.push(Row { kind, about, needs: Needs::Nothing, expected, promised });

    row(EventKind::ProcessStart, "", [F, F, F, S], json!({ "body": { "process_start": { "preexisting": false } } }));
    let path = |name: &str| json!({ "process": { "name": name }, "outcome": "ok", "body": { "process_exec": { "path": file(name) } } });
    row(EventKind::ProcessExec, "", [F, H, F, C], path("reader"));
    row(EventKind::ProcessExec, "", [F, H, F, C], path("ender"));
    row(EventKind::ProcessExec, LASTING, [F, H, F, S], path("holder"));
    let arguments = |name: &str, rest: &[&str]| {
        let all: Vec<String> = [file(name)].into_iter().chain(rest.iter().map(|&word| word.to_owned())).collect();
        json!({ "process": { "name": name }, "outcome": "ok", "body": { "process_exec": { "arguments": all } } })
    };
    row(EventKind::ProcessExec, "arguments", [F, C, F, C], arguments("reader", &[&file("plain")]));
    // From a thread that is not the first; the others die.
    row(EventKind::ProcessExec, "arguments", [F, C, F, C], arguments("ender", &["7"]));
    row(EventKind::ProcessExec, "arguments, while it lasts", [F, H, F, S], arguments("holder", &["some", "words"]));
    let exit = |name: &str, how: Value| json!({ "process": { "name": name }, "body": { "process_exit": how } });
    row(EventKind::ProcessExit, "", [F, H, F, C], exit("reader", json!({})));
    row(EventKind::ProcessExit, LASTING, [F, H, F, S], exit("holder", json!({})));
    row(EventKind::ProcessExit, "status", [F, B, F, B], exit("ender", json!({ "status": 3 })));
    row(EventKind::ProcessExit, "status", [F, B, F, B], exit("ender", json!({ "status": 7 })));
    row(EventKind::ProcessExit, "status", [F, B, F, B], exit("sleeper", json!({ "signal": 9 })));

    row(
        EventKind::FileOpen,
        "",
        [F, H, F, C],
        json!({ "process": { "name": "reader" }, "outcome": "ok", "body": { "file_open": { "path": file("plain"), "access": "read" } } }),
    );
    row(
        EventKind::FileOpen,
        "",
        [F, H, F, C],
        json!({ "outcome": "ok", "body": { "file_open": { "path": file("by-thread") } } }),
    );
    row(
        EventKind::FileOpen,
        "",
        [F, H, F, C],
        json!({ "user_id": 10123, "outcome": "ok", "body": { "file_open": { "path": file("by-user") } } }),
    );
    row(
        EventKind::FileOpen,
        LASTING,
        [F, H, F, S],
        json!({ "outcome": "ok", "body": { "file_open": { "path": file("held"), "preexisting": false } } }),
    );
    row(
        EventKind::FileOpen,
        "failed",
        [H, H, H, B],
        json!({ "outcome": { "failed": 2 }, "body": { "file_open": { "path": file("absent") } } }),
    );
    row(
        EventKind::FileOpen,
        "failed",
        [H, H, H, B],
        json!({ "user_id": 10123, "outcome": { "denied": 13 }, "body": { "file_open": { "path": file("secret") } } }),
    );
    row(
        EventKind::FileTotals,
        "",
        [F, H, F, B],
        json!({ "process": { "name": "reader" }, "body": { "file_totals": { "path": file("plain"), "bytes_read": 13, "closed": true } } }),
    );
    row(
        EventKind::FileRename,
        "",
        [H, H, H, B],
        json!({ "outcome": "ok", "body": { "file_rename": { "from": file("one"), "to": file("two") } } }),
    );
    row(
        EventKind::FileUnlink,
        "",
        [H, H, H, B],
        json!({ "outcome": "ok", "body": { "file_unlink": { "path": file("two"), "directory": false } } }),
    );
    row(
        EventKind::FileUnlink,
        "",
        [H, H, H, B],
        json!({ "outcome": "ok", "body": { "file_unlink": { "path": file("inner"), "directory": true } } }),
    );

    row(
        EventKind::SocketConnect,
        "",
        [F, H, F, C],
        json!({ "outcome": "ok", "body": { "socket_connect": { "transport": "tcp", "remote": server } } }),
    );
    // In a device the program has its C library inside, so that no table of another file is needed to find it.
    row(
        EventKind::SocketConnect,
        "whose code",
        [F, H, B, B],
        json!({ "outcome": "ok", "body": { "socket_connect": { "remote": server, "code_origin": { "file": scene.program, "confidence": "caller" } } } }),
    );
    row(
        EventKind::SocketConnect,
        "failed",
        [H, H, H, B],
        json!({ "outcome": { "failed": 111 }, "body": { "socket_connect": { "remote": { "inet": "127.0.0.1:1" } } } }),
    );
    row(
        EventKind::SocketConnect,
        "unix",
        [F, H, F, B],
        json!({ "outcome": "ok", "body": { "socket_connect": { "transport": "unix_stream", "remote": { "unix_path": file("socket") } } } }),
    );
    row(
        EventKind::SocketBind,
        "",
        [F, H, F, B],
        json!({ "outcome": "ok", "body": { "socket_bind": { "local": { "unix_path": file("socket") } } } }),
    );
    row(
        EventKind::SocketListen,
        LASTING,
        [F, H, F, S],
        json!({ "outcome": "ok", "body": { "socket_listen": { "transport": "tcp" } } }),
    );
    row(
        EventKind::SocketConnect,
        LASTING,
        [F, H, F, S],
        json!({ "outcome": "ok", "body": { "socket_connect": { "transport": "tcp", "remote": { "inet": format!("{}:{}", scene.address, scene.held_port) } } } }),
    );
    row(
        EventKind::SocketListen,
        "",
        [F, H, F, C],
        json!({ "outcome": "ok", "body": { "socket_listen": { "transport": "unix_stream" } } }),
    );
    row(
        EventKind::SocketAccept,
        "",
        [F, H, F, B],
        json!({ "outcome": "ok", "body": { "socket_accept": { "transport": "unix_stream" } } }),
    );
    row(
        EventKind::SocketTotals,
        "",
        [F, H, F, B],
        json!({ "body": { "socket_totals": { "transport": "unix_stream", "bytes_sent": 5 } } }),
    );
    row(
        EventKind::DnsQuery,
        "",
        [H, H, H, B],
        json!({ "body": { "dns_query": { "name": "probe.example", "record_type": "A", "server": end(53) } } }),
    );
    row(
        EventKind::DnsAnswer,
        "",
        [H, H, H, B],
        json!({ "body": { "dns_answer": { "name": "probe.example", "records": [{ "address": "192.0.2.7" }] } } }),
    );
    row(
        EventKind::TlsClientHello,
        "",
        [H, H, H, B],
        json!({ "body": { "tls_client_hello": { "server_name": "tracker.example", "protocols": ["h2", "http/1.1"], "remote": server } } }),
    );
    row(
        EventKind::HttpRequest,
        "",
        [H, H, H, B],
        json!({ "body": { "http_request": { "method": "GET", "host": "shop.example", "remote": server, "path": "/path" } } }),
    );
    // The daemon's own, whatever the probe.
    row(
        EventKind::PhaseMark,
        "",
        [F, F, F, F],
        json!({ "body": { "phase_mark": { "phase": "foreground", "note": "by the suite" } } }),
    );

    let mut row = |kind, about, needs, promised, expected| rows.push(Row { kind, about, needs, expected, promised });
    row(
        EventKind::BlindSpot,
        "io_uring",
        Needs::Ring,
        [F, F, F, B],
        json!({ "body": { "blind_spot": { "what": "io_uring" } } }),
    );
    row(
        EventKind::BlindSpot,
        "32-bit calls",
        Needs::Narrow,
        [F, F, B, B],
        json!({ "process": { "name": "narrow" }, "body": { "blind_spot": { "what": "compat_system_call" } } }),
    );
    row(
        EventKind::FileOpen,
        "by a 32-bit program",
        Needs::Narrow,
        [B, B, F, B],
        json!({ "process": { "name": "narrow" }, "outcome": "ok", "body": { "file_open": { "path": file("narrow-file") } } }),
    );
    row(
        EventKind::FileTotals,
        "by a 32-bit program",
        Needs::Narrow,
        [B, B, F, B],
        json!({ "process": { "name": "narrow" }, "body": { "file_totals": { "path": file("narrow-file"), "bytes_read": 13 } } }),
    );
    row(
        EventKind::ProcessExit,
        "status",
        Needs::Narrow,
        [F, B, F, B],
        json!({ "process": { "name": "narrow" }, "body": { "process_exit": { "status": 9 } } }),
    );
    row(
        EventKind::ProviderAccess,
        "",
        Needs::Binder,
        [F, F, H, B],
        json!({ "outcome": "ok", "body": { "provider_access": { "method": "query", "authority": "com.android.contacts", "uri": "content://com.android.contacts/data/phones", "projection": ["display_name"] } } }),
    );
    row(
        EventKind::ServiceCall,
        "",
        Needs::Binder,
        [F, F, H, B],
        json!({ "outcome": "ok", "body": { "service_call": { "method": "getLastLocation", "transaction": { "interface": "android.location.ILocationManager", "code": 1 } } } }),
    );
    rows
}
