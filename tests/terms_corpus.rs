//! How well lists are read: documents in the shapes of published ones, each with the statements that a person reads in
//! it, and the promise that nothing in a list vanishes. `cargo test --test terms_corpus -- --nocapture` prints the
//! figures and every miss.
#![cfg(feature = "host")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests may panic, and this one reports"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use candor::host::declared_terms::import::{Imported, two_lists};
use candor::host::declared_terms::{Act, NotUnderstoodReason};
use candor::host::ontology::Ontology;

/// At least so much of what is read was said, and of what was said is read.
const PRECISION: f64 = 0.97;
const RECALL: f64 = 0.95;

fn ontology() -> &'static Ontology {
    static ONTOLOGY: OnceLock<Ontology> = OnceLock::new();
    ONTOLOGY.get_or_init(|| Ontology::built_in().unwrap())
}

/// One statement about one data type: who, what, which data, what for, when, how. One differing part is a miss.
type Reading = (String, String, String, String, String, String);

fn read(imported: &Imported) -> BTreeSet<Reading> {
    let mut readings = BTreeSet::new();
    for statement in &imported.statements {
        let party = statement.third_party().map(|party| party.name.clone()).unwrap_or_default();
        let mut types: Vec<String> =
            statement.data_types.iter().map(|id| ontology().data_types.id_of(*id).to_owned()).collect();
        if types.is_empty() {
            types.push("-".to_owned());
        }
        let denial = matches!(statement.act, Act::NotCollect | Act::NotShare);
        for data_type in types {
            readings.insert((
                statement.act.as_str().to_owned(),
                party.clone(),
                data_type,
                if denial { String::new() } else { statement.purposes.join(" | ") },
                if denial { String::new() } else { statement.scenes.join(" | ") },
                statement.method.clone().unwrap_or_default(),
            ));
        }
    }
    readings
}

fn strings(table: &toml::Table, key: &str) -> Vec<String> {
    let given = table.get(key).and_then(toml::Value::as_array);
    given.into_iter().flatten().map(|value| value.as_str().unwrap().to_owned()).collect()
}

fn expected(text: &str) -> (BTreeSet<Reading>, BTreeSet<String>) {
    let file: toml::Table = text.parse().unwrap();
    let mut readings = BTreeSet::new();
    for statement in file["statement"].as_array().unwrap() {
        let table = statement.as_table().unwrap();
        let string = |key: &str| table.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let mut types = strings(table, "data_types");
        for data_type in &types {
            assert!(ontology().data_types.find(data_type).is_some(), "{data_type} is no data type");
        }
        if types.is_empty() {
            types.push("-".to_owned());
        }
        for data_type in types {
            let party = string("by") + &string("recipient");
            let (purposes, scenes) = (strings(table, "purposes").join(" | "), strings(table, "scenes").join(" | "));
            readings.insert((string("act"), party, data_type, purposes, scenes, string("method")));
        }
    }
    (readings, strings(&file, "not_understood").into_iter().collect())
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terms_corpus")
}

#[test]
fn lists_are_read_as_a_person_reads_them() {
    let mut names: Vec<PathBuf> = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| !path.to_string_lossy().ends_with(".expected.toml"));
    names.sort();
    assert!(names.len() >= 20, "{} documents", names.len());
    let (mut right, mut wrong, mut missed, mut left_wrong) = (0_u32, Vec::new(), Vec::new(), Vec::new());
    for path in &names {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let answer = fs::read_to_string(path.with_extension("expected.toml")).unwrap();
        let (wanted, left_wanted) = expected(&answer);
        let imported = match two_lists(&name, &fs::read(path).unwrap(), ontology(), None) {
            Ok(imported) => imported,
            Err(error) => {
                missed.extend(wanted.iter().map(|reading| format!("{error}: {reading:?}")));
                continue;
            }
        };
        let found = read(&imported);
        right += u32::try_from(found.intersection(&wanted).count()).unwrap();
        wrong.extend(found.difference(&wanted).map(|reading| format!("{name}: {reading:?}")));
        missed.extend(wanted.difference(&found).map(|reading| format!("{name}: {reading:?}")));
        let failures = imported.not_understood.iter().filter(|entry| entry.reason.is_failure());
        let left: BTreeSet<String> = failures.map(|entry| entry.wording.clone()).collect();
        if left != left_wanted {
            left_wrong.push(format!("{name}: given back {left:?}, wanted {left_wanted:?}"));
        }
        for statement in &imported.statements {
            let origin = statement.place.origin.as_ref().expect("where it was said");
            assert!(!origin.at.is_empty() && !origin.wording.is_empty() && origin.line.is_some(), "{name}: {origin:?}");
        }
    }
    let precision = f64::from(right) / (f64::from(right) + wrong.len() as f64);
    let recall = f64::from(right) / (f64::from(right) + missed.len() as f64);
    println!("{} documents, {right} statements right", names.len());
    println!("precision {precision:.3} ({} said by nobody)", wrong.len());
    wrong.iter().for_each(|line| println!("  {line}"));
    println!("recall {recall:.3} ({} missed)", missed.len());
    missed.iter().for_each(|line| println!("  {line}"));
    println!("not understood, other than wanted: {}", left_wrong.len());
    left_wrong.iter().for_each(|line| println!("  {line}"));
    assert!(precision >= PRECISION && recall >= RECALL, "precision {precision:.3}, recall {recall:.3}");
    assert!(left_wrong.is_empty(), "{left_wrong:#?}");
}

#[test]
fn encodings_and_systems_are_told() {
    let import = |name: &str| two_lists(name, &fs::read(directory().join(name)).unwrap(), ontology(), None).unwrap();
    let gbk = import("14-gbk-page.html");
    assert!(gbk.notes.iter().any(|note| note.contains("gb18030") || note.contains("GBK")), "{:?}", gbk.notes);
    let split = import("12-systems-within-cells.html");
    assert!(split.notes.iter().any(|note| note.contains("tells systems apart")), "{:?}", split.notes);
    let other: Vec<&str> = split
        .not_understood
        .iter()
        .filter(|entry| entry.reason == NotUnderstoodReason::OtherSystem)
        .map(|entry| entry.wording.as_str())
        .collect();
    for word in ["手机系统重启时间", "IDFV", "IDFA", "苹果树计步SDK: 步数"] {
        assert!(other.iter().any(|wording| wording.contains(word)), "{word}: {other:?}");
    }
    assert_eq!(import("20-collected-labelled-text.txt").package.as_deref(), Some("com.example.cloudnotes"));
}

/// Data types that lists name, each used once in a document, so that its fate can be told from what comes out.
const KNOWN: &[(&str, &str)] = &[
    ("IMEI", "id.imei"),
    ("IMSI", "id.imsi"),
    ("ICCID", "id.iccid"),
    ("OAID", "id.oaid"),
    ("应用列表", "app_list"),
    ("剪贴板", "clipboard"),
    ("通讯录", "contacts"),
    ("短信", "sms"),
    ("日历信息", "calendar"),
    ("相册", "media"),
    ("麦克风", "audio.microphone"),
    ("人脸信息", "biometric.face"),
];

/// The same rows in one of many shapes. Some shapes cannot be understood; nothing may vanish in them either.
fn shaped(rows: &[(String, Vec<String>)], shape: u8, separator: &str) -> String {
    let joined = |data: &[String]| data.join(separator);
    let mut out = String::new();
    let mut each = |head: &str, row: &dyn Fn(&str, &str) -> String, end: &str| {
        out.push_str(head);
        rows.iter().for_each(|(name, data)| out.push_str(&row(name, &joined(data))));
        out.push_str(end);
    };
    match shape % 10 {
        0 => each(
            "<table><tr><th>SDK名称<th>收集的个人信息</tr>",
            &|name, data| format!("<tr><td>{name}<td>{data}</tr>"),
            "</table>",
        ),
        1 => each(
            "<table><tr><td>使用目的<td>共享信息名称<td>产品/类型</tr>",
            &|name, data| format!("<tr><td>统计<td>设备信息（{data}）<td>{name}</tr>"),
            "</table>",
        ),
        2 => each("<h2>第三方SDK目录</h2>", &|name, data| format!("<p>{name}</p><p>收集信息：{data}</p>"), ""),
        3 => each("第三方SDK目录\n", &|name, data| format!("SDK名称：{name}\n收集的信息：{data}\n\n"), ""),
        4 => each("<ul>", &|name, data| format!("<li>{name}<ul><li>收集信息<ul><li>{data}</ul></ul>"), "</ul>"),
        5 => each("|SDK名称|个人信息|\n|--|--|\n", &|name, data| format!("|{name}|{data}|\n"), ""),
        6 => each(
            "<h2>第三方SDK</h2>",
            &|name, data| {
                format!("<table><tr><th>SDK名称<td>{name}<tr><th>使用目的<td>登录<tr><th>收集信息<td>{data}</table>")
            },
            "",
        ),
        7 => each("<table>", &|name, data| format!("<tr><td>{name}<td>{data}<td>其它</tr>"), "</table>"),
        8 => each("", &|name, data| format!("<p>我们与{name}合作，可能涉及{data}。</p>"), "<p>SDK名称：末</p>"),
        _ => each(
            "<table><tr><th>SDK名称<th>收集的个人信息<th>适用系统</tr>",
            &|name, data| format!("<tr><td>{name}<td>{data}<td>iOS</tr>"),
            "</table>",
        ),
    }
    out
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(400))]

    /// Every name of data and every name of an SDK is in a statement or in what was not understood, and never in both.
    #[test]
    fn nothing_vanishes(
        order in proptest::sample::subsequence((0..KNOWN.len()).collect::<Vec<_>>(), 0..=KNOWN.len()),
        cuts in proptest::collection::vec(1_usize..4, 1..5),
        unknown in proptest::collection::vec(proptest::bool::ANY, 5),
        shape in 0_u8..10,
        separator in proptest::sample::select(vec!["、", "/", "，", ",", "；", " | ", "\u{3000}/ "]),
    ) {
        // Bars are columns in Markdown.
        let separator = if shape == 5 && separator.contains('|') { "、" } else { separator };
        let mut left = order.as_slice();
        let mut rows: Vec<(String, Vec<String>)> = Vec::new();
        for (index, cut) in cuts.iter().enumerate() {
            let (here, rest) = left.split_at((*cut).min(left.len()));
            left = rest;
            let mut data: Vec<String> = here.iter().map(|known| KNOWN[*known].0.to_owned()).collect();
            if unknown[index] || data.is_empty() {
                data.insert(data.len() / 2, format!("丙{}丁信标", ["甲", "乙", "戊", "己", "庚"][index]));
            }
            rows.push((format!("壬{}癸SDK", ["甲", "乙", "戊", "己", "庚"][index]), data));
        }
        let document = shaped(&rows, shape, separator);
        let imported = two_lists("x", document.as_bytes(), ontology(), None)
            .map_err(|error| proptest::test_runner::TestCaseError::fail(format!("{error}\n{document}")))?;
        let given_back = |token: &str| imported.not_understood.iter().filter(|entry| entry.wording.contains(token)).count();
        for (name, data) in &rows {
            let said = imported.statements.iter().any(|said| said.third_party().is_some_and(|party| party.name == *name));
            proptest::prop_assert_eq!(usize::from(said) + given_back(name), 1, "{}: {}\n{:?}", name, document, imported);
            for token in data {
                let in_statement = KNOWN.iter().find(|known| known.0 == token).is_some_and(|known| {
                    let id = ontology().data_types.find(known.1).unwrap();
                    imported.statements.iter().any(|said| said.data_types.contains(&id))
                });
                let fates = usize::from(in_statement) + given_back(token);
                proptest::prop_assert_eq!(fates, 1, "{}: {}\n{:?}", token, document, imported);
            }
        }
    }
}
