//! Nothing of a document vanishes: in tables with any heads, in paragraphs, nested lists and Data safety forms made by chance,
//! whatever names data or a third party is in a statement or in what was not understood.
//! `PROPTEST_CASES=20000 cargo test --test terms_nothing_vanishes` tries more.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::sync::OnceLock;

use candor::host::declared_terms::Statement;
use candor::host::declared_terms::import::{Imported, data_safety, two_lists};
use candor::host::ontology::Ontology;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

fn ontology() -> &'static Ontology {
    static ONTOLOGY: OnceLock<Ontology> = OnceLock::new();
    ONTOLOGY.get_or_init(|| Ontology::built_in().unwrap())
}

/// Names of data, each with its id, which a document has once at most.
const DATA: &[(&str, &str)] = &[
    ("IMEI", "id.imei"),
    ("IMSI", "id.imsi"),
    ("ICCID", "id.iccid"),
    ("OAID", "id.oaid"),
    ("MAC地址", "id.mac"),
    ("剪贴板", "clipboard"),
    ("通讯录", "contacts"),
    ("短信", "sms"),
    ("日历信息", "calendar"),
    ("麦克风", "audio.microphone"),
    ("人脸信息", "biometric.face"),
    ("指纹信息", "biometric.fingerprint"),
    ("BSSID", "network.wifi.bssid"),
    ("基站信息", "location.cell"),
    ("姓名", "personal.name"),
    ("性别", "personal.gender"),
    ("相册", "media"),
];

/// Third parties, likewise: the name, and the id of those that are known.
const PARTIES: &[(&str, &str)] =
    &[("壬甲癸SDK", ""), ("壬乙癸SDK", ""), ("友盟SDK", "umeng"), ("极光推送SDK", "jiguang"), ("高德地图SDK", "amap")];

/// Heads of columns and labels: of each role, and some that nobody knows.
const HEADS: &[&str] = &[
    "SDK名称",
    "第三方名称",
    "公司名称",
    "收集的个人信息",
    "共享信息名称",
    "收集的个人信息（iOS）",
    "信息种类",
    "使用目的",
    "使用场景",
    "共享方式",
    "保存期限",
    "适用系统",
    "敏感权限",
    "SDK包名",
    "备注",
    "隐私政策链接",
    "心情",
    "颜色",
    "",
    // Heads that name something themselves, too.
    "收集的传感器信息",
    "壬丙癸SDK收集的信息",
    "需要的权限/位置信息",
];

/// What those heads name.
const IN_HEADS: &[(&str, &str)] = &[("传感器信息", "sensors"), ("壬丙癸SDK", ""), ("位置信息", "location")];

/// What stands around the names in a cell; `{}` is where they go.
const FRAMES: &[&str] = &[
    "{}",
    "{}",
    "{}",
    "设备信息（{}）",
    "设备标识符（如{}等）",
    "Android：{}",
    "iOS：{}；Android：OS版本",
    "1.{} 2.系统版本",
    "用于读取{}",
    "我们可能在必要时收集{}，请您放心",
    "不收集{}",
    "{}（用于登录）",
    "必选信息：{}",
    "{}、未知的某物",
    "未知的某物（{}）",
    "{}及其他设备相关信息",
    "不会共享{}给任何人",
    "经您同意后{}",
    "{}\n{}",
    "关于{}的说明",
    "com.example.sdk {}",
];

#[derive(Debug, Clone)]
struct CellPlan {
    frame: usize,
    /// Names of data that go in, by how many.
    data: usize,
    /// Whether a third party goes in.
    party: bool,
    separator: usize,
}

fn cell() -> impl Strategy<Value = CellPlan> {
    (0..FRAMES.len(), 0_usize..4, proptest::bool::weighted(0.25), 0_usize..5)
        .prop_map(|(frame, data, party, separator)| CellPlan { frame, data, party, separator })
}

/// The texts of cells, each name once in the whole document, and the names that were used.
fn fill(plans: &[Vec<CellPlan>]) -> (Vec<Vec<String>>, Vec<&'static str>) {
    const SEPARATORS: &[&str] = &["、", "/", "，", "；", ", "];
    let (mut data, mut parties) = (DATA.iter(), PARTIES.iter());
    let mut used = Vec::new();
    let mut text = |plan: &CellPlan| -> String {
        let mut names: Vec<&'static str> = data.by_ref().take(plan.data).map(|known| known.0).collect();
        if plan.party {
            names.extend(parties.next().map(|known| known.0));
        }
        used.extend(names.iter().copied());
        let names = names.join(SEPARATORS[plan.separator]);
        if names.is_empty() {
            String::new()
        } else {
            FRAMES[plan.frame].replacen("{}", &names, 1).replace("{}", "未知的某物")
        }
    };
    let texts = plans.iter().map(|row| row.iter().map(&mut text).collect()).collect();
    (texts, used)
}

fn document(heads: &[usize], rows: &[Vec<String>], form: u8) -> String {
    let heads: Vec<&str> = heads.iter().map(|head| HEADS[*head]).collect();
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    let pairs = |row: &[String], pattern: &dyn Fn(&str, &str) -> String| -> String {
        heads.iter().zip(row).map(|(head, text)| pattern(head, text)).collect()
    };
    match form {
        0 => {
            line("<h2>第三方SDK目录</h2><table>".to_owned());
            line(format!("<tr>{}</tr>", heads.iter().map(|head| format!("<th>{head}")).collect::<String>()));
            for row in rows {
                line(format!("<tr>{}</tr>", row.iter().map(|text| format!("<td>{text}")).collect::<String>()));
            }
            line("</table>".to_owned());
        }
        1 => {
            line("<h2>已收集个人信息清单</h2><table>".to_owned());
            for row in rows {
                line(pairs(row, &|head, text| format!("<tr><td>{head}<td>{text}</tr>")));
            }
            line("</table>".to_owned());
        }
        2 => {
            line(format!("|{}|", heads.join("|")));
            line(format!("|{}|", heads.iter().map(|_| "--").collect::<Vec<_>>().join("|")));
            rows.iter().for_each(|row| line(format!("|{}|", row.join("|"))));
        }
        3 => {
            line("第三方信息共享清单".to_owned());
            for row in rows {
                line(pairs(row, &|head, text| format!("{head}：{text}\n")));
            }
        }
        4 => {
            line("<h2>第三方SDK</h2><ul>".to_owned());
            for row in rows {
                line("<li>某某功能<ul>".to_owned());
                line(pairs(row, &|head, text| format!("<li>{head}<ul><li>{text}</ul>")));
                line("</ul>".to_owned());
            }
            line("</ul>".to_owned());
        }
        5 => {
            line("<dl>".to_owned());
            for row in rows {
                line(pairs(row, &|head, text| format!("<dt>{head}<dd>{text}")));
            }
            line("</dl>".to_owned());
        }
        6 => {
            line("<h2>个人信息收集清单</h2>".to_owned());
            for row in rows {
                for text in row {
                    line(format!("<p>{text}</p>"));
                }
            }
        }
        7 => {
            line(heads.join("\t"));
            rows.iter().for_each(|row| line(row.join("\t")));
        }
        // Rows that are one cell, cells over several rows and columns, two rows of heads.
        8 => {
            line("<table>".to_owned());
            line(format!("<tr>{}</tr>", heads.iter().map(|head| format!("<th>{head}")).collect::<String>()));
            for (number, row) in rows.iter().enumerate() {
                let spans = ["", " rowspan=2", " colspan=2", " rowspan=0 colspan=3"][number % 4];
                line(format!("<tr>{}</tr>", row.iter().map(|text| format!("<td{spans}>{text}")).collect::<String>()));
                line(format!("<tr><td colspan=9>{}</tr>", row.last().map_or("", String::as_str)));
                if number == 1 {
                    line(pairs(row, &|head, _| format!("<td>{head}")));
                }
            }
            line("</table>".to_owned());
        }
        // Heads and texts on lines of their own, below buttons that fold.
        9 => {
            line("<h2>第三方SDK目录</h2>".to_owned());
            for row in rows {
                line(format!("<button>{}</button>", row.first().map_or("", String::as_str)));
                line(pairs(row, &|head, text| format!("<p>{head}</p><p><b>{text}</b></p>")));
            }
        }
        // A row that is longer than any is read.
        10 => {
            line("<table>".to_owned());
            for row in rows {
                let far = "<td>x".repeat(62);
                line(format!("<tr>{far}{}</tr>", row.iter().map(|text| format!("<td>{text}")).collect::<String>()));
            }
            line("</table>".to_owned());
        }
        // Several labels on one line, and headings between.
        _ => {
            line("## 第三方SDK信息共享清单".to_owned());
            for row in rows {
                line(pairs(row, &|head, text| format!("{head}：{text} ")));
                line(format!("### {}", row.first().map_or("", String::as_str)));
                line(pairs(row, &|head, text| format!("【{head}】{text}\n")));
            }
        }
    }
    out
}

/// Everything that a statement keeps of the words of the document.
fn words(statement: &Statement) -> Vec<&str> {
    let mut words: Vec<&str> = statement.purposes.iter().chain(&statement.scenes).map(String::as_str).collect();
    words.extend(statement.method.as_deref());
    words.extend(statement.retention.as_deref());
    words.extend(statement.place.origin.as_ref().map(|origin| origin.wording.as_str()));
    words.extend(statement.third_party().map(|party| party.name.as_str()));
    words
}

/// A short name, such as that of text messages, is data where it stands alone, and any word within other words.
fn counts(name: &str, document: &str) -> bool {
    let letter = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let alone = |(at, _): (usize, &str)| {
        !letter(document[..at].chars().next_back()) && !letter(document[at + name.len()..].chars().next())
    };
    name.chars().count() > 2 || document.match_indices(name).any(alone)
}

fn is_accounted_for(name: &str, imported: &Imported) -> bool {
    let id = DATA.iter().chain(PARTIES).chain(IN_HEADS).find(|known| known.0 == name).map_or("", |known| known.1);
    let data_type = ontology().data_types.find(id);
    let said = imported.statements.iter().any(|statement| {
        data_type.is_some_and(|id| statement.data_types.contains(&id))
            || statement.third_party().is_some_and(|party| !id.is_empty() && party.name == id)
            || words(statement).iter().any(|text| text.contains(name))
    });
    said || imported.not_understood.iter().any(|entry| entry.wording.contains(name))
}

/// As many cases as the environment asks for, or these.
fn config(cases: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases, ..config } }
}

proptest! {
    #![proptest_config(config(3000))]

    #[test]
    fn what_names_data_or_somebody_is_said_or_given_back(
        heads in proptest::collection::vec(0..HEADS.len(), 1..6),
        plans in proptest::collection::vec(proptest::collection::vec(cell(), 5), 1..5),
        form in 0_u8..12,
    ) {
        let plans: Vec<Vec<CellPlan>> =
            plans.into_iter().map(|row| row.into_iter().take(heads.len()).collect()).collect();
        let (rows, mut used) = fill(&plans);
        let document = document(&heads, &rows, form);
        used.extend(IN_HEADS.iter().map(|known| known.0).filter(|name| document.contains(name)));
        match two_lists("x", document.as_bytes(), ontology(), None) {
            // A document without any list is refused as a whole.
            Err(error) => prop_assert!(error.to_string().starts_with("x: "), "{}", error),
            Ok(imported) => {
                for name in used.into_iter().filter(|name| counts(name, &document)) {
                    prop_assert!(is_accounted_for(name, &imported), "{} vanished from\n{}\n{:#?}", name, document, imported);
                }
            }
        }
    }

    #[test]
    fn every_answer_of_a_form_is_said_or_given_back(
        rows in proptest::collection::vec((0_u8..7, 0_usize..6, 0_usize..6), 1..20),
    ) {
        const IDS: &[(&str, &str)] = &[
            ("PERSONAL", "PSL_NAME"),
            ("FINANCIAL", "PSL_OTHER"),
            ("EMAIL_AND_TEXT", "PSL_OTHER_MESSAGES"),
            ("IDENTIFIERS", "PSL_DEVICE_ID"),
            ("CONTACTS", "PSL_CONTACTS"),
            ("HOROSCOPE", "PSL_ZODIAC"),
        ];
        const VALUES: &[&str] = &["true", "TRUE", "yes", "false", "", "vrai"];
        let mut text = String::new();
        let mut asked: Vec<(&str, String)> = Vec::new();
        for (kind, id, value) in &rows {
            let ((group, id), value) = (IDS[*id], VALUES[*value]);
            let (question, response) = match kind {
                0 | 1 => (format!("PSL_DATA_TYPES_{group}"), id),
                2 => ("PSL_DATA_TYPES_PERSONAL".to_owned(), id),
                3 => (format!("PSL_DATA_USAGE_RESPONSES:{id}:PSL_DATA_USAGE_COLLECTION_AND_SHARING"), "PSL_DATA_USAGE_ONLY_COLLECTED"),
                4 => (format!("PSL_DATA_USAGE_RESPONSES:{id}:PSL_DATA_USAGE_COLLECTION_AND_SHARING"), "PSL_DATA_USAGE_ONLY_SHARED"),
                5 => (format!("PSL_DATA_USAGE_RESPONSES:{id}:DATA_USAGE_COLLECTION_PURPOSE"), "PSL_ASTROLOGY"),
                _ => ("PSL_DATA_COLLECTION_COLLECTS_PERSONAL_DATA".to_owned(), ""),
            };
            if !value.is_empty() && value != "false" && *kind < 6 {
                asked.push((id, format!("{question} {response} = {value}")));
            }
            text += &format!("{question},{response},{value},x,y\n");
        }
        match data_safety("x", text.as_bytes(), ontology()) {
            Err(error) => prop_assert!(error.to_string().starts_with("x"), "{}", error),
            Ok(imported) => {
                for (id, row) in asked {
                    let whole = |text: &str| text.split([' ', ':', ',']).any(|word| word == id);
                    let said = imported.statements.iter().flat_map(words).any(whole);
                    let back = imported.not_understood.iter().any(|entry| whole(&entry.wording));
                    prop_assert!(said || back, "{} vanished from\n{}\n{:#?}", row, text, imported);
                    let contradicts = |entry: &&candor::host::declared_terms::NotUnderstood| {
                        entry.reason.as_str() == "contradiction" && whole(&entry.wording)
                    };
                    if said && imported.not_understood.iter().any(|entry| contradicts(&entry)) {
                        return Err(TestCaseError::fail(format!("{row} is said and given back:\n{text}\n{imported:#?}")));
                    }
                }
            }
        }
    }
}
