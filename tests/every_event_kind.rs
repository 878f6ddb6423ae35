//! Walks the table of event kinds, and the contract that carries them: what is in one is in the other.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::collections::BTreeSet;

use candor::event::{
    App, BinderOwner, BinderTransaction, BlindSpot, BlindSpotKind, CodeConfidence, CodeOrigin, DnsAnswer, DnsQuery,
    DnsRecord, Endpoint, Event, EventBody, EventKind, Fidelity, FidelityReason, FileOpen, FileRename, FileTotals,
    FileUnlink, HttpRequest, Importance, MethodSource, NamedCaller, OpenAccess, Outcome, PackageChange,
    PackageChangeKind, Phase, PhaseMark, ProbeId, ProcessExec, ProcessExit, ProcessImportance, ProcessKey, ProcessName,
    ProcessRef, ProcessStart, ProviderAccess, ProviderMethod, ServiceArgument, ServiceCall, SocketAccept, SocketBind,
    SocketConnect, SocketListen, SocketTotals, TlsClientHello, Transport, ValueShape,
};
use candor::wire::{FILE_DESCRIPTORS, proto};
use prost::Message as _;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet};

// ---------------------------------------------------------------------------------------------------------------------
// Samples

fn peer() -> Endpoint {
    Endpoint::Inet("203.0.113.7:443".parse().unwrap())
}

fn near() -> Endpoint {
    Endpoint::Inet("[2001:db8::15]:40112".parse().unwrap())
}

/// One act of each kind, with every field set to something that is not its default. Exhaustive, so that a new kind does
/// not compile until it has a sample.
fn sample_body(kind: EventKind) -> EventBody {
    match kind {
        EventKind::ProcessStart => {
            EventBody::ProcessStart(ProcessStart { parent: Some(ProcessKey::new(1, 10_000_000)), preexisting: true })
        }
        EventKind::ProcessExec => EventBody::ProcessExec(ProcessExec {
            path: "/usr/bin/cat".to_owned(),
            requested_path: Some("cat".to_owned()),
            arguments: vec!["cat".to_owned(), "/etc/hostname".to_owned()],
            arguments_cut: true,
        }),
        EventKind::ProcessExit => EventBody::ProcessExit(ProcessExit { status: Some(3), signal: Some(9) }),
        EventKind::ProcessImportance => {
            EventBody::ProcessImportance(ProcessImportance { importance: Importance::Background, oom_score_adj: 900 })
        }
        EventKind::ProcessName => EventBody::ProcessName(ProcessName { name: "com.example:remote".to_owned() }),
        EventKind::BlindSpot => EventBody::BlindSpot(BlindSpot { what: BlindSpotKind::IoUring }),
        EventKind::FileOpen => EventBody::FileOpen(FileOpen {
            path: "/data/data/com.example/contacts.db".to_owned(),
            requested_path: Some("contacts.db".to_owned()),
            access: OpenAccess::ReadWrite,
            flags: 0o100_002,
            descriptor: Some(7),
            handle: 99,
            preexisting: true,
            path_cut: true,
            inode: Some(1234),
        }),
        EventKind::FileTotals => EventBody::FileTotals(FileTotals {
            path: "/data/data/com.example/contacts.db".to_owned(),
            descriptor: 7,
            handle: 99,
            bytes_read: 4096,
            bytes_written: 512,
            read_calls: 2,
            write_calls: 1,
            mapped: true,
            closed: true,
        }),
        EventKind::FileRename => EventBody::FileRename(FileRename { from: "/a".to_owned(), to: "/b".to_owned() }),
        EventKind::FileUnlink => EventBody::FileUnlink(FileUnlink { path: "/a".to_owned(), directory: true }),
        EventKind::SocketConnect => EventBody::SocketConnect(SocketConnect {
            transport: Transport::Tcp,
            remote: peer(),
            local: Some(near()),
            descriptor: 5,
            handle: 17,
            preexisting: true,
            code_origin: Some(Box::new(CodeOrigin {
                file: "/data/app/com.example/lib/arm64/libtracker.so".to_owned(),
                build_id: Some("5ad3c0ffee".to_owned()),
                offset: 0x1234,
                depth: 2,
                confidence: CodeConfidence::Caller,
            })),
        }),
        EventKind::SocketBind => EventBody::SocketBind(SocketBind {
            transport: Transport::UnixStream,
            local: Endpoint::UnixAbstract("example".to_owned()),
            descriptor: 5,
            handle: 17,
        }),
        EventKind::SocketListen => EventBody::SocketListen(SocketListen {
            transport: Transport::UnixStream,
            local: Some(Endpoint::UnixPath("/run/example.sock".to_owned())),
            descriptor: 5,
            handle: 17,
            backlog: 128,
            preexisting: true,
        }),
        EventKind::SocketAccept => EventBody::SocketAccept(SocketAccept {
            transport: Transport::Tcp,
            remote: peer(),
            local: Some(near()),
            descriptor: 6,
            handle: 18,
        }),
        EventKind::SocketTotals => EventBody::SocketTotals(SocketTotals {
            transport: Transport::Udp,
            remote: Some(peer()),
            local: Some(near()),
            descriptor: 5,
            handle: 17,
            bytes_sent: 1000,
            bytes_received: 2000,
            send_calls: 3,
            receive_calls: 4,
            closed: true,
        }),
        EventKind::DnsQuery => EventBody::DnsQuery(DnsQuery {
            name: "tracker.example".to_owned(),
            record_type: "AAAA".to_owned(),
            transaction_id: 0xbeef,
            server: Some(Endpoint::Inet("192.0.2.53:53".parse().unwrap())),
        }),
        EventKind::DnsAnswer => EventBody::DnsAnswer(DnsAnswer {
            name: "tracker.example".to_owned(),
            record_type: "A".to_owned(),
            transaction_id: 0xbeef,
            response_code: 3,
            records: vec![
                DnsRecord::Alias("edge.tracker.example".to_owned()),
                DnsRecord::Address("203.0.113.7".parse().unwrap()),
            ],
            server: Some(Endpoint::Inet("192.0.2.53:53".parse().unwrap())),
            cut: true,
        }),
        EventKind::TlsClientHello => EventBody::TlsClientHello(TlsClientHello {
            server_name: Some("tracker.example".to_owned()),
            protocols: vec!["h2".to_owned(), "http/1.1".to_owned()],
            encrypted_client_hello: true,
            remote: Some(peer()),
            handle: 17,
            cut: true,
        }),
        EventKind::HttpRequest => EventBody::HttpRequest(HttpRequest {
            method: "POST".to_owned(),
            host: Some("tracker.example".to_owned()),
            path: "/collect".to_owned(),
            remote: Some(peer()),
            handle: 17,
        }),
        EventKind::ProviderAccess => EventBody::from(ProviderAccess {
            method: ProviderMethod::Query,
            authority: "com.android.contacts".to_owned(),
            android_user: Some(10),
            uri: Some("content://10@com.android.contacts/data/phones?limit=*".to_owned()),
            projection: vec!["display_name".to_owned(), "data1".to_owned()],
            selection: Some("mimetype=?".to_owned()),
            selection_arguments: vec![shape("first")],
            sort_order: Some("_id".to_owned()),
            values: vec![shape("data1")],
            call_method: Some("GET_secure".to_owned()),
            call_argument: Some("android_id".to_owned()),
            open_mode: Some("r".to_owned()),
            operations: Some(2),
            result_columns: vec!["display_name".to_owned()],
            result_rows: Some(3),
            transaction: transaction(),
        }),
        EventKind::ServiceCall => EventBody::from(ServiceCall {
            service: Some("location".to_owned()),
            method: Some("getLastLocation".to_owned()),
            method_source: MethodSource::DeviceDex,
            method_table: "framework.jar".to_owned(),
            arguments: vec![ServiceArgument { name: "provider".to_owned(), value: "gps".to_owned() }],
            result_count: Some(4),
            transaction: transaction(),
        }),
        EventKind::PackageChange => EventBody::PackageChange(PackageChange {
            package: "com.example.new".to_owned(),
            user_id: 10_124,
            change: PackageChangeKind::Replaced,
            version_code: Some(7),
            data_directory: "/data/user/0/com.example.new".to_owned(),
            traced: true,
        }),
        EventKind::PhaseMark => EventBody::PhaseMark(PhaseMark {
            phase: "pre_consent".parse::<Phase>().unwrap(),
            note: "prompt is on the screen".to_owned(),
        }),
    }
}

fn shape(name: &str) -> ValueShape {
    ValueShape { name: name.to_owned(), kind: "string".to_owned(), length: Some(11) }
}

fn transaction() -> BinderTransaction {
    let app = App { package: Some("com.android.providers.contacts".to_owned()), candidates: vec!["two".to_owned()] };
    BinderTransaction {
        debug_id: 77,
        interface: "android.content.IContentProvider".to_owned(),
        code: 1,
        one_way: true,
        owner: BinderOwner {
            process: ProcessKey::new(126, 20_000_000_000),
            name: "viders.contacts".to_owned(),
            user_id: Some(10_124),
            app,
        },
        named_callers: vec![NamedCaller {
            package: "com.example".to_owned(),
            user_id: Some(10_123),
            attribution_tag: Some("sync".to_owned()),
        }],
        parcel_size: 536,
        cut: true,
        decode_error: Some("truncated".to_owned()),
        exception: Some(-1),
    }
}

fn sample(kind: EventKind) -> Event {
    Event {
        sequence: 12,
        time_ns: 34_000_000_000,
        process: ProcessRef {
            key: ProcessKey::new(4321, 30_000_000_000),
            name: "com.example".to_owned(),
            executable: Some("/system/bin/app_process64".to_owned()),
        },
        thread_id: 4325,
        user_id: 10_123,
        app: App {
            package: Some("com.example".to_owned()),
            candidates: vec!["com.example".to_owned(), "com.example.tools".to_owned()],
        },
        phase: "pre_consent".parse().unwrap(),
        probe: ProbeId::EbpfKernelObjects,
        fidelity: Fidelity::Hint(vec![FidelityReason::UserMemory]),
        outcome: Outcome::Denied(13),
        body: sample_body(kind),
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Kinds

#[test]
fn every_kind_has_a_sample_of_its_own() {
    for kind in EventKind::ALL {
        assert_eq!(sample(*kind).kind(), *kind, "the sample of {} is of another kind", kind.name());
    }
}

#[test]
fn every_kind_survives_the_wire() {
    for kind in EventKind::ALL {
        let event = sample(*kind);
        let bytes = proto::Event::from(&event).encode_to_vec();
        let decoded = proto::Event::decode(bytes.as_slice()).expect("its own bytes");
        assert_eq!(Event::try_from(decoded).expect("its own message"), event);
    }
}

#[test]
fn every_kind_survives_json_under_its_own_name() {
    for kind in EventKind::ALL {
        let event = sample(*kind);
        let json = serde_json::to_value(&event).expect("every event has a JSON form");
        let tags: Vec<&str> = json["body"].as_object().expect("one tag").keys().map(String::as_str).collect();
        assert_eq!(tags, [kind.name()]);
        assert_eq!(serde_json::from_value::<Event>(json).expect("its own JSON"), event);
    }
}

/// A sample that leaves a field at its default would not notice that the wire forgets the field.
#[test]
fn no_sample_leaves_a_field_at_its_default() {
    for kind in EventKind::ALL {
        let json = serde_json::to_value(sample(*kind)).expect("every event has a JSON form");
        let mut defaults = Vec::new();
        find_defaults(&json, kind.name(), &mut defaults);
        assert!(defaults.is_empty(), "give these fields of the sample another value: {defaults:?}");

        let body = &json["body"][kind.name()];
        let Some(message) = messages().into_iter().find(|(_, message)| {
            message.name() == arms().into_iter().find(|(name, _)| name == kind.name()).expect("an arm").1
        }) else {
            panic!("{} has no message", kind.name());
        };
        // Fields that are skipped when absent would not be seen above: there are at least as many as on the wire, save
        // that a parent key is one field here and two there.
        let on_the_wire = message.1.field.iter().filter(|field| field.name() != "parent_start_ns").count();
        let here = body.as_object().map_or(0, serde_json::Map::len);
        assert_eq!(here, on_the_wire, "{}: fields of the sample, fields of the message", kind.name());
    }
}

fn find_defaults(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Null => found.push(path.to_owned()),
        serde_json::Value::Bool(value) if !value => found.push(path.to_owned()),
        serde_json::Value::Number(value) if value.as_i64() == Some(0) => found.push(path.to_owned()),
        serde_json::Value::String(value) if value.is_empty() => found.push(path.to_owned()),
        serde_json::Value::Array(values) if values.is_empty() => found.push(path.to_owned()),
        serde_json::Value::Array(values) => {
            values
                .iter()
                .enumerate()
                .for_each(|(index, value)| find_defaults(value, &format!("{path}[{index}]"), found));
        }
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| find_defaults(value, &format!("{path}.{name}"), found));
        }
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) | serde_json::Value::String(_) => {}
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The contract

/// The files of the contract, without those of other packages that it imports.
fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTORS).expect("the build wrote it");
    let files: Vec<_> = set.file.into_iter().filter(|file| file.package() == "candor.v1").collect();
    assert!(!files.is_empty(), "the descriptors hold no file of candor.v1");
    files
}

/// Every top-level message with the file it is in.
fn messages() -> Vec<(String, DescriptorProto)> {
    files()
        .into_iter()
        .flat_map(|file| {
            let name = file.name().to_owned();
            file.message_type.into_iter().map(move |message| (name.clone(), message))
        })
        .collect()
}

/// The arms of the body of an event: field name and message name.
fn arms() -> Vec<(String, String)> {
    let (_, event) = messages().into_iter().find(|(_, message)| message.name() == "Event").expect("the Event message");
    let body = event.oneof_decl.iter().position(|oneof| oneof.name() == "body").expect("the oneof named body");
    let body = i32::try_from(body).expect("few");
    event
        .field
        .iter()
        .filter(|field| field.oneof_index == Some(body))
        .map(|field| (field.name().to_owned(), field.type_name().rsplit('.').next().unwrap_or_default().to_owned()))
        .collect()
}

#[test]
fn the_arms_of_the_contract_are_the_kinds() {
    let kinds: BTreeSet<String> = EventKind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
    let arms: BTreeSet<String> = arms().into_iter().map(|(name, _)| name).collect();
    assert_eq!(arms, kinds, "left: the oneof Event.body in event.proto; right: EventKind::ALL");
}

/// The blocks that the comment in `event.proto` promises.
#[test]
fn every_arm_is_in_the_block_of_its_family() {
    let (_, event) = messages().into_iter().find(|(_, message)| message.name() == "Event").expect("the Event message");
    for kind in EventKind::ALL {
        let field = event.field.iter().find(|field| field.name() == kind.name()).expect("an arm");
        let block = match kind.family().name() {
            "file" => 16..=31,
            "socket" => 32..=47,
            "process" => 64..=79,
            "provider" => 48..=63,
            "session" => 80..=95,
            "service" => 96..=111,
            other => panic!("give the family {other} a block of numbers here and in event.proto"),
        };
        assert!(block.contains(&field.number()), "{} = {} is outside {block:?}", kind.name(), field.number());
    }
}

#[test]
fn every_part_of_the_contract_has_a_comment() {
    let missing: Vec<String> = files().iter().flat_map(uncommented).collect();
    assert!(missing.is_empty(), "put a comment above each of: {missing:#?}");
}

/// Names what has no comment above it. Unspecified zeros are exempt where they mean only that.
fn uncommented(file: &FileDescriptorProto) -> Vec<String> {
    let commented: BTreeSet<Vec<i32>> = file
        .source_code_info
        .as_ref()
        .expect("descriptors carry their comments")
        .location
        .iter()
        .filter(|location| location.leading_comments.as_ref().is_some_and(|comment| !comment.trim().is_empty()))
        .map(|location| location.path.clone())
        .collect();
    // Numbers of fields in descriptor.proto: file: 4 message, 5 enum, 6 service; message: 2 field, 8 oneof;
    // enum: 2 value; service: 2 method.
    let mut parts: Vec<(Vec<i32>, String)> = Vec::new();
    for (m, message) in (0..).zip(&file.message_type) {
        parts.push((vec![4, m], message.name().to_owned()));
        for (f, field) in (0..).zip(&message.field) {
            parts.push((vec![4, m, 2, f], format!("{}.{}", message.name(), field.name())));
        }
        for (o, oneof) in (0..).zip(&message.oneof_decl) {
            // An optional scalar makes a oneof of its own, which is not in the text.
            let synthetic = message.field.iter().any(|field| field.oneof_index == Some(o) && field.proto3_optional());
            if !synthetic {
                parts.push((vec![4, m, 8, o], format!("{}.{}", message.name(), oneof.name())));
            }
        }
        let map_entries = message
            .nested_type
            .iter()
            .all(|nested| nested.options.as_ref().is_some_and(prost_types::MessageOptions::map_entry));
        assert!(map_entries && message.enum_type.is_empty(), "{}: keep messages and enums flat", message.name());
    }
    for (e, enumeration) in (0..).zip(&file.enum_type) {
        parts.push((vec![5, e], enumeration.name().to_owned()));
        for (v, value) in (0..).zip(&enumeration.value) {
            if v != 0 {
                parts.push((vec![5, e, 2, v], value.name().to_owned()));
            }
        }
    }
    for (s, service) in (0..).zip(&file.service) {
        parts.push((vec![6, s], service.name().to_owned()));
        for (m, method) in (0..).zip(&service.method) {
            parts.push((vec![6, s, 2, m], format!("{}.{}", service.name(), method.name())));
        }
    }
    parts
        .into_iter()
        .filter(|(path, _)| !commented.contains(path))
        .map(|(_, name)| format!("{}: {name}", file.name()))
        .collect()
}

#[test]
fn every_enum_begins_unspecified_and_prefixes_its_values() {
    let wrong: Vec<String> =
        files().iter().flat_map(|file| file.enum_type.iter().flat_map(misnamed).collect::<Vec<_>>()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn misnamed(enumeration: &EnumDescriptorProto) -> Vec<String> {
    let mut prefix = String::new();
    for (position, character) in enumeration.name().char_indices() {
        if position > 0 && character.is_ascii_uppercase() {
            prefix.push('_');
        }
        prefix.push(character.to_ascii_uppercase());
    }
    prefix.push('_');
    let mut wrong: Vec<String> = enumeration
        .value
        .iter()
        .filter(|value| !value.name().starts_with(&prefix))
        .map(|value| format!("{} does not begin with {prefix}", value.name()))
        .collect();
    let zero = format!("{prefix}UNSPECIFIED");
    if enumeration.value.first().map(|value| (value.name(), value.number())) != Some((zero.as_str(), 0)) {
        wrong.push(format!("{} does not begin with {zero} = 0", enumeration.name()));
    }
    wrong
}

/// The checks above can fail: each finds its fault in a small contract made for it.
#[test]
fn the_checks_of_the_contract_find_faults() {
    use prost_types::source_code_info::Location;
    use prost_types::{EnumValueDescriptorProto, FieldDescriptorProto, SourceCodeInfo};

    let value = |name: &str, number| EnumValueDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        ..EnumValueDescriptorProto::default()
    };
    let colour = EnumDescriptorProto {
        name: Some("WarmColour".to_owned()),
        value: vec![value("WARM_COLOUR_RED", 0), value("YELLOW", 1)],
        ..EnumDescriptorProto::default()
    };
    assert_eq!(
        misnamed(&colour),
        ["YELLOW does not begin with WARM_COLOUR_", "WarmColour does not begin with WARM_COLOUR_UNSPECIFIED = 0"]
    );

    let field = FieldDescriptorProto { name: Some("depth".to_owned()), ..FieldDescriptorProto::default() };
    let lake = DescriptorProto { name: Some("Lake".to_owned()), field: vec![field], ..DescriptorProto::default() };
    let comment =
        Location { path: vec![4, 0], leading_comments: Some(" A body of water.".to_owned()), ..Location::default() };
    let file = FileDescriptorProto {
        name: Some("lake.proto".to_owned()),
        message_type: vec![lake],
        enum_type: vec![colour],
        source_code_info: Some(SourceCodeInfo { location: vec![comment] }),
        ..FileDescriptorProto::default()
    };
    assert_eq!(uncommented(&file), ["lake.proto: Lake.depth", "lake.proto: WarmColour", "lake.proto: YELLOW"]);
}
