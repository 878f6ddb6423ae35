//! What the daemon makes of an event is what the verdict would make of it: the built-in constants against the ontology
//! that is read from the same tables.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

// Those of the unit tests, which the library that this is linked to does not have. It takes its names from here.
#[path = "../src/event/examples.rs"]
#[allow(dead_code, reason = "this test uses its own part of them")]
mod examples;

use std::collections::BTreeSet;

use candor::event::{
    App, BinderTransaction, Event, EventBody, Fidelity, FileOpen, MethodSource, OpenAccess, Outcome, Phase, ProbeId,
    ProcessExec, ProcessKey, ProcessRef, ProviderAccess, ProviderMethod, ServiceCall, StreamEntry,
};
use candor::host::ontology::{Ontology, Taken, TypeId};
use candor::personal_data::{DataClass, DataType, Reading, read_by};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

fn ours(body: EventBody) -> (BTreeSet<&'static str>, bool) {
    let Reading { types, open } = read_by(&examples::event(body));
    (types.into_iter().map(DataType::id).collect(), open)
}

fn theirs<'a>(ontology: &'a Ontology, types: &[TypeId]) -> BTreeSet<&'a str> {
    types.iter().map(|id| ontology.data_types.id_of(*id)).collect()
}

fn table(text: &str) -> toml::Table {
    text.parse().unwrap()
}

fn rows<'a>(table: &'a toml::Table, name: &str) -> impl Iterator<Item = &'a toml::Table> {
    table.get(name).unwrap().as_array().unwrap().iter().map(|row| row.as_table().unwrap())
}

fn texts(row: &toml::Table, key: &str) -> Vec<String> {
    let list = row.get(key).and_then(toml::Value::as_array).into_iter().flatten();
    list.map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn data_types() -> toml::Table {
    table(include_str!("../data/data_types.toml"))
}

/// Every pattern, under each of its roots.
fn patterns() -> Vec<String> {
    let table = data_types();
    let mut patterns = Vec::new();
    for pattern in rows(&table, "data_type").flat_map(|row| texts(row, "paths")) {
        let Some(rest) = pattern.strip_prefix('$') else {
            patterns.push(pattern);
            continue;
        };
        let (name, tail) = rest.split_at(rest.find('/').unwrap());
        let root = rows(&table, "path_root").find(|root| root.get("name").unwrap().as_str() == Some(name)).unwrap();
        patterns.extend(texts(root, "paths").into_iter().map(|root| format!("{root}{tail}")));
    }
    patterns
}

/// A path that a pattern fits, or nearly: the wildcards are filled with what the test draws.
fn fill(pattern: &str, fillings: &[String]) -> String {
    let mut path = String::new();
    let mut next = fillings.iter().cycle();
    let mut rest = pattern;
    while let Some(place) = rest.find(['*', '?', '{']) {
        path.push_str(&rest[..place]);
        let filling = next.next().unwrap();
        if rest[place..].starts_with("**") {
            path.push_str(&filling.replace('.', "/"));
            rest = &rest[place + 2..];
        } else if let Some(inside) = rest[place..].strip_prefix('{') {
            let (choices, after) = inside.split_once('}').unwrap();
            let choices: Vec<_> = choices.split(',').collect();
            path.push_str(choices[filling.len() % choices.len()]);
            rest = after;
        } else {
            path.push_str(filling);
            rest = &rest[place + 1..];
        }
    }
    path + rest
}

#[test]
fn paths_mean_the_same_to_both() {
    let ontology = Ontology::built_in().unwrap_or_else(|problems| panic!("{problems}"));
    let patterns = patterns();
    assert!(patterns.len() > 250, "{}", patterns.len());
    let mut with_types = 0_u32;
    let mut check = |path: &str| {
        let expected = theirs(&ontology, &ontology.data_types.of_path(path));
        with_types += u32::from(!expected.is_empty());
        assert_eq!(ours(examples::open(path)), (expected, false), "{path}");
    };
    // Every pattern at least once, then any of them with a change.
    for pattern in &patterns {
        check(&fill(pattern, &["com.example".to_owned(), String::new(), "IMG_1".to_owned()]));
        check(&fill(pattern, &["a".to_owned()]));
        check(&fill(pattern, &[String::new()]));
    }
    let strategy = (
        select(patterns),
        proptest::collection::vec("[a-zA-Z0-9._ é-]{0,12}", 1..4),
        any::<Index>(),
        proptest::option::of(select(vec!["", "/", "x", "*", "A", "..", "//"])),
    );
    let mut runner = TestRunner::new(ProptestConfig::with_cases(20_000));
    let seen = std::cell::RefCell::new(&mut check);
    runner
        .run(&strategy, |(pattern, fillings, place, change)| {
            let mut path = fill(&pattern, &fillings);
            if let Some(change) = change {
                let mut at = place.index(path.len());
                while !path.is_char_boundary(at) {
                    at -= 1;
                }
                path.insert_str(at, change);
            }
            (*seen.borrow_mut())(&path);
            Ok(())
        })
        .unwrap();
    assert!(with_types > 5000, "hardly any path had a type: {with_types}");
}

#[test]
fn commands_mean_the_same_to_both() {
    let ontology = Ontology::built_in().unwrap_or_else(|problems| panic!("{problems}"));
    let table = data_types();
    let commands: Vec<String> = rows(&table, "data_type").flat_map(|row| texts(row, "commands")).collect();
    assert!(!commands.is_empty());
    for command in &commands {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let more: Vec<String> = words.iter().flat_map(|word| [word.clone(), "-x".to_owned()]).collect();
        let reversed: Vec<String> = words.iter().rev().cloned().collect();
        for arguments in [words.clone(), more, reversed, words[..1].to_vec()] {
            let path = format!("/system/bin/{}", arguments.first().unwrap());
            let expected = theirs(&ontology, &ontology.data_types.of_command(&path, &arguments));
            let exec = ProcessExec { path, requested_path: None, arguments, arguments_cut: false };
            assert_eq!(ours(EventBody::ProcessExec(exec)), (expected, false), "{command}");
        }
    }
}

fn expected<'a>(ontology: &'a Ontology, taken: Taken<'_>, unknown_is_open: bool) -> (BTreeSet<&'a str>, bool) {
    match taken {
        Taken::Types(types) => (theirs(ontology, types), false),
        Taken::AtLeast(types) => (theirs(ontology, types), true),
        Taken::Unknown => (BTreeSet::new(), unknown_is_open),
    }
}

/// A name that a pattern with `*` at an end fits.
fn named(pattern: &str) -> String {
    pattern.replace('*', "x")
}

#[test]
fn providers_and_services_mean_the_same_to_both() {
    let ontology = Ontology::built_in().unwrap_or_else(|problems| panic!("{problems}"));
    let table = table(include_str!("../data/platform_sources.toml"));
    let authorities: Vec<String> = rows(&table, "provider").flat_map(|row| texts(row, "authorities")).collect();
    let mut paths: BTreeSet<String> =
        rows(&table, "provider").flat_map(|row| texts(row, "paths")).map(|path| named(&path)).collect();
    paths.extend([
        "".to_owned(),
        "/x".to_owned(),
        "/external/images2".to_owned(),
        "/external/images/media/1".to_owned(),
    ]);
    let mut calls: BTreeSet<Option<(String, String)>> = rows(&table, "provider")
        .flat_map(|row| texts(row, "calls"))
        .map(|call| {
            let (method, argument) = call.split_once(' ').unwrap_or((&call, ""));
            Some((named(method), argument.to_owned()))
        })
        .collect();
    calls.extend([None, Some(("GET_secure".to_owned(), "x".to_owned()))]);
    let mut asked = 0;
    for authority in authorities.iter().map(|pattern| named(pattern)).chain(["com.example.provider".to_owned()]) {
        for path in &paths {
            for call in &calls {
                let of_call = call.as_ref().map(|(method, argument)| (method.as_str(), argument.as_str()));
                let taken = ontology.platform.of_provider(&authority, path, of_call);
                let access = ProviderAccess {
                    method: if call.is_some() { ProviderMethod::Call } else { ProviderMethod::Query },
                    authority: authority.clone(),
                    android_user: None,
                    uri: Some(format!("content://{authority}{path}?a=*")),
                    projection: Vec::new(),
                    selection: None,
                    selection_arguments: Vec::new(),
                    sort_order: None,
                    values: Vec::new(),
                    call_method: call.as_ref().map(|(method, _)| method.clone()),
                    call_argument: call.as_ref().map(|(_, argument)| argument.clone()),
                    open_mode: None,
                    operations: None,
                    result_columns: Vec::new(),
                    result_rows: None,
                    transaction: BinderTransaction::default(),
                };
                let wanted = expected(&ontology, taken, true);
                assert_eq!(ours(access.into()), wanted, "{authority}{path} {call:?}");
                asked += 1;
            }
        }
    }
    for row in rows(&table, "service") {
        let interface = row.get("interface").unwrap().as_str().unwrap();
        let methods = texts(row, "methods").into_iter().map(|method| Some(named(&method)));
        for method in methods.chain([None, Some("noSuchMethod".to_owned())]) {
            for code in [1, 15, 4_000_000] {
                let taken = ontology.platform.of_service(interface, method.as_deref(), code);
                let call = ServiceCall {
                    service: None,
                    method: method.clone(),
                    method_source: MethodSource::Unknown,
                    method_table: String::new(),
                    arguments: Vec::new(),
                    result_count: None,
                    transaction: BinderTransaction {
                        interface: interface.to_owned(),
                        code,
                        ..BinderTransaction::default()
                    },
                };
                let wanted = expected(&ontology, taken, false);
                assert_eq!(ours(call.into()), wanted, "{interface} {method:?} {code}");
                asked += 1;
            }
        }
    }
    assert!(asked > 5000, "{asked}");
}

#[test]
fn kinds_of_data_are_the_same_with_the_same_order_and_class() {
    let types = Ontology::built_in().unwrap_or_else(|problems| panic!("{problems}")).data_types;
    let known: BTreeSet<_> = types.ids().collect();
    assert_eq!(known, DataType::all().map(DataType::id).collect());
    for narrow in DataType::all() {
        let entry = types.get(types.find(narrow.id()).unwrap()).unwrap();
        let flags = [entry.sensitive_gb_35273, entry.sensitive_pipl];
        match narrow.class() {
            DataClass::Weak => assert!(entry.weak),
            DataClass::Sensitive => assert!(!entry.weak && flags.contains(&Some(true))),
            DataClass::Open => assert!(!entry.weak && !flags.contains(&Some(true)) && flags.contains(&None)),
            DataClass::Place => assert!(!entry.weak && !flags.contains(&Some(true))),
            DataClass::Personal => assert_eq!((entry.weak, flags), (false, [Some(false); 2])),
        }
        for broad in DataType::all() {
            let covers = types.covers(types.find(broad.id()).unwrap(), types.find(narrow.id()).unwrap());
            assert_eq!(narrow.is_within(broad), covers, "{} within {}", narrow.id(), broad.id());
        }
    }
    assert_eq!(
        DataClass::ALL.len(),
        DataType::all().map(DataType::class).collect::<std::collections::HashSet<_>>().len()
    );
}
