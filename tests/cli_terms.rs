//! Terms from documents to a verdict, by the commands that people use; and what becomes of documents that are bad.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

struct Ran {
    status: i32,
    out: String,
    err: String,
}

fn candor_with(directory: &Path, arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_candor"))
        .args(arguments)
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that has refused its input may be gone.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn candor(directory: &Path, arguments: &[&str]) -> Ran {
    candor_with(directory, arguments, b"")
}

const LIST: &str = "<meta charset=utf-8><h2>已收集个人信息清单</h2>\
    <table><tr><th>信息名称<th>使用目的<th>使用场景</tr><tr><td>照片<td>发评价<td>写评价时</tr></table>\
    <h2>第三方SDK目录</h2><table><tr><th>SDK名称<th>收集的个人信息<th>使用目的</tr>\
    <tr><td>友盟统计SDK<td>设备标识符（MAC地址、IMEI）<td>统计</tr></table>";

const FORM: &str = "Question ID (machine readable),Response ID (machine readable),Response value,Answer requirement,Human-friendly question label\n\
    PSL_DATA_COLLECTION_COLLECTS_PERSONAL_DATA,,true,REQUIRED,x\n\
    PSL_DATA_TYPES_PHOTOS_AND_VIDEOS,PSL_PHOTOS,true,MULTIPLE_CHOICE,x\n\
    PSL_DATA_TYPES_IDENTIFIERS,PSL_DEVICE_ID,true,MULTIPLE_CHOICE,x\n\
    PSL_DATA_USAGE_RESPONSES:PSL_PHOTOS:PSL_DATA_USAGE_COLLECTION_AND_SHARING,PSL_DATA_USAGE_ONLY_COLLECTED,true,,x\n\
    PSL_DATA_USAGE_RESPONSES:PSL_DEVICE_ID:PSL_DATA_USAGE_COLLECTION_AND_SHARING,PSL_DATA_USAGE_ONLY_COLLECTED,true,,x\n\
    PSL_DATA_USAGE_RESPONSES:PSL_DEVICE_ID:PSL_DATA_USAGE_COLLECTION_AND_SHARING,PSL_DATA_USAGE_ONLY_SHARED,true,,x\n";

/// A recording of an app that reads these paths in the foreground and contacts this host.
fn record(directory: &Path, name: &str, paths: &[&str], host: &str) {
    let event = |time: u32, body: String| {
        format!(
            "{{\"event\": {{\"time_ns\": {time}, \"process\": {{\"key\": {{\"pid\": 7, \"start_ns\": 0}}, \"name\": \"app\"}}, \
             \"user_id\": 10001, \"app\": {{\"package\": \"com.example.shop\"}}, \"phase\": \"foreground\", \
             \"probe\": \"ebpf_kernel_objects\", \"outcome\": \"ok\", \"body\": {body}}}}}\n"
        )
    };
    let mut text = String::from(
        r#"{"header": {"session_id": "hand", "device": {}, "started": {"boot_ns": 0, "wall_ns": 0}, "selection": {"user_ids": [10001]}, "initial_phase": "foreground", "probes": [{"probe": "ebpf_kernel_objects", "family": "process", "state": "attached"}, {"probe": "ebpf_kernel_objects", "family": "file", "state": "attached"}, {"probe": "ebpf_kernel_objects", "family": "socket", "state": "attached"}]}}"#,
    );
    text.push('\n');
    for (index, path) in paths.iter().enumerate() {
        let time = 1000 + u32::try_from(index).unwrap();
        text +=
            &event(time, format!("{{\"file_open\": {{\"path\": \"{path}\", \"access\": \"read\", \"flags\": 0}}}}"));
    }
    let answer = format!(
        "{{\"dns_answer\": {{\"name\": \"{host}\", \"records\": [{{\"address\": \"192.0.2.9\"}}], \"record_type\": \"a\", \"transaction_id\": 1, \"response_code\": 0}}}}"
    );
    text += &event(2000, answer);
    text += &event(
        2001,
        "{\"socket_connect\": {\"transport\": \"tcp\", \"remote\": {\"inet\": \"192.0.2.9:443\"}, \"descriptor\": 6, \"handle\": 12}}".to_owned(),
    );
    fs::write(directory.join("events.ndjson"), text).unwrap();
    let ran = candor(directory, &["import", "events.ndjson", "--output", name, "--complete", "--force"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
}

#[test]
fn imported_terms_decide_as_written_ones_do() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    fs::write(at.join("list.html"), LIST).unwrap();
    fs::write(at.join("form.csv"), FORM).unwrap();
    let ran =
        candor(at, &["terms", "import", "two-lists", "list.html", "--package", "com.example.shop", "-o", "list.toml"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, ""), "{}", ran.err);
    let ran =
        candor(at, &["terms", "import", "data-safety", "form.csv", "--package", "com.example.shop", "-o", "form.toml"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.err.contains("does not name recipients"), "{}", ran.err);
    let ran = candor(at, &["terms", "merge", "form.toml", "list.toml", "-o", "both.toml"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let photo = "/sdcard/DCIM/1.jpg";
    record(at, "fine.candor", &[photo, "/sys/class/net/wlan0/address"], "alog.umeng.com");
    record(
        at,
        "leaky.candor",
        &[photo, "/data/data/com.android.providers.contacts/databases/contacts2.db"],
        "ads.jpush.cn",
    );
    let violations = |recording: &str, terms: &str| -> Vec<String> {
        let ran = candor(at, &["check", recording, "--terms", terms, "--format", "json"]);
        assert!([0, 1, 2].contains(&ran.status), "{}", ran.err);
        let verdict: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let rules = verdict["rules"].as_array().unwrap();
        let broken = rules.iter().filter(|rule| rule["outcome"] == "violation");
        broken.map(|rule| rule["rule"].as_str().or(rule["id"].as_str()).unwrap().to_owned()).collect()
    };
    assert_eq!(violations("fine.candor", "list.toml"), Vec::<String>::new());
    assert_eq!(violations("fine.candor", "both.toml"), Vec::<String>::new());
    assert_eq!(violations("leaky.candor", "list.toml"), ["undeclared-collection", "undeclared-recipient"]);
    // The form names nobody: contact with Umeng is not declared by it.
    assert_eq!(violations("fine.candor", "form.toml"), ["undeclared-recipient"]);
}

#[test]
fn what_was_read_can_be_shown_compared_and_explained() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let list = LIST.replace("IMEI）", "IMEI）、量子频谱");
    let import = ["terms", "import", "two-lists", "-", "--package", "com.example.shop"];
    let ran = candor_with(at, &import, list.as_bytes());
    assert_eq!(ran.status, 2, "{}", ran.err);
    assert!(ran.err.contains("not understood standard input, table 2, row 2, column 2: 量子频谱"), "{}", ran.err);
    fs::write(at.join("new.toml"), &ran.out).unwrap();
    let old = candor_with(at, &import, list.replace("照片", "视频").as_bytes());
    fs::write(at.join("old.toml"), &old.out).unwrap();

    assert_eq!(candor(at, &["terms", "lint", "new.toml"]).status, 0);
    let shown = candor(at, &["terms", "show", "new.toml"]).out;
    let (unknown, statement) = (shown.find("量子频谱").unwrap(), shown.find("by umeng").unwrap());
    assert!(unknown < statement, "{shown}");
    assert!(shown.contains("“友盟统计SDK: 设备标识符（MAC地址、IMEI）、量子频谱”"), "{shown}");

    let diff = candor(at, &["terms", "diff", "old.toml", "new.toml"]).out;
    assert!(diff.contains("+ collect photos") && diff.contains("- collect videos"), "{diff}");
    let explained = candor(at, &["terms", "explain", "MAC地址", "alog.umeng.com", "--terms", "new.toml"]).out;
    assert!(explained.contains("clear") && explained.contains("table 2, row 2"), "{explained}");
    let explained = candor(at, &["terms", "explain", "contacts", "--terms", "new.toml", "--format", "json"]).out;
    let explained: serde_json::Value = serde_json::from_str(&explained).unwrap();
    assert_eq!(explained["disclosure"], "omitted");
    let schema: serde_json::Value = serde_json::from_str(&candor(at, &["terms", "schema"]).out).unwrap();
    assert_eq!(schema["required"][0], "app");

    let json = candor_with(at, &[&import[..], &["--format", "json"]].concat(), list.as_bytes());
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["partial"], true);
    assert_eq!(json["statements"][1]["subject"], "umeng");
    assert_eq!(json["statements"][1]["place"]["origin"]["confidence"], "structured");
}

#[test]
fn bad_documents_are_refused_by_name_and_place() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let lists = |input: &[u8], extra: &[&str], status: i32, words: &[&str]| {
        fs::write(at.join("bad.html"), input).unwrap();
        let ran = candor(at, &[&["terms", "import", "two-lists", "bad.html"], extra].concat());
        assert_eq!(ran.status, status, "{}", ran.err);
        for word in words {
            assert!(ran.err.contains(word), "{:?} does not say {word:?}", ran.err);
        }
        ran.out
    };
    let package = ["--package", "com.example.shop"];
    lists(b"\x89PNG\r\n\x1a\n", &package, 65, &["bad.html", "picture"]);
    lists(b"PK\x03\x04", &package, 65, &["bad.html", "ZIP"]);
    lists(b"", &package, 65, &["bad.html", "empty"]);
    lists("今天天气很好，我们去公园。".as_bytes(), &package, 65, &["bad.html", "looks like a list"]);
    lists(
        "<table><tr><th>SDK名称<th>收集信息</tr></table>".as_bytes(),
        &package,
        65,
        &["bad.html", "no rows", "save the page"],
    );
    lists(b"<html><body><div id=app></div><script>x</script></body></html>", &package, 65, &["built by a script"]);
    lists(LIST.as_bytes(), &[], 64, &["bad.html", "--package"]);
    lists(format!("<p>应用包名：com.other.app</p>{LIST}").as_bytes(), &package, 65, &["com.other.app", "line 1"]);
    lists(&vec![b'<'; 50 << 20], &package, 65, &["bad.html", "more than"]);
    let out = lists(
        LIST.replace("<th>使用目的</tr>", "<th>适用系统</tr>").replace("统计</tr>", "iOS</tr>").as_bytes(),
        &package,
        0,
        &["tells systems apart"],
    );
    assert!(out.contains("reason = \"other_system\"") && !out.contains("umeng"), "{out}");

    let form = |input: &[u8], status: i32, words: &[&str]| {
        fs::write(at.join("form.csv"), input).unwrap();
        let ran = candor(at, &["terms", "import", "data-safety", "form.csv", "--package", "com.example.shop"]);
        assert_eq!(ran.status, status, "{}", ran.err);
        for word in words {
            assert!(ran.err.contains(word), "{:?} does not say {word:?}", ran.err);
        }
    };
    form(b"a,b\n1,2\n", 65, &["form.csv, line 1", "no export"]);
    form(FORM.replace("true", "").as_bytes(), 65, &["form.csv", "blank"]);
    form(FORM.replace(",true,", "\n#").as_bytes(), 65, &["form.csv, line 2", "columns"]);
    form(format!("\u{feff}{}", FORM.replace('\n', "\r\n").replace(",x", ",这是标签")).as_bytes(), 0, &[]);
    form(FORM.replace("PSL_PHOTOS,true", "PSL_PHOTO,true").as_bytes(), 2, &["PSL_PHOTO = true"]);

    fs::write(at.join("a.toml"), "[app]\npackage = \"a.b\"\n").unwrap();
    fs::write(at.join("b.toml"), "[app]\npackage = \"c.d\"\n").unwrap();
    for verb in ["merge", "diff"] {
        let ran = candor(at, &["terms", verb, "a.toml", "b.toml"]);
        assert_eq!(ran.status, 65, "{}", ran.err);
        assert!(ran.err.contains("a.toml is of a.b, and b.toml is of c.d"), "{}", ran.err);
    }
    assert_eq!(candor(at, &["terms", "import", "two-lists", "none.html"]).status, 66);
    // What is written is never a file that the other commands refuse.
    lists(LIST.as_bytes(), &["--package", "my app"], 64, &["\"my app\" is not a package name", "com.example.shop"]);
    fs::write(at.join("bad.toml"), b"[app]\npackage = \"a.b\" # \xff\n").unwrap();
    let ran = candor(at, &["terms", "lint", "bad.toml"]);
    assert_eq!(ran.status, 65, "{}", ran.err);
    assert!(ran.err.contains("bad.toml: line 2 is not UTF-8: save the file"), "{}", ran.err);
}

#[test]
fn drafts_of_a_policy_count_once_they_are_confirmed() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let policy =
        "我们会收集您的照片。\n本应用接入了友盟SDK，友盟会收集您的MAC地址。\n未经您同意，我们不会读取您的短信。\n";
    let import = ["terms", "import", "policy", "-", "--package", "com.example.shop", "-o", "drafts.toml"];
    let ran = candor_with(at, &import, policy.as_bytes());
    assert_eq!(ran.status, 2, "{}", ran.err);
    assert!(ran.err.contains("standard input: 2 statements; 1 parts not understood"), "{}", ran.err);
    record(at, "run.candor", &["/sdcard/DCIM/1.jpg"], "alog.umeng.com");
    let check = ["check", "run.candor", "--terms", "drafts.toml"];
    let ran = candor(at, &check);
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.out.contains("only an unconfirmed draft covers this (drafts.toml:"), "{}", ran.out);
    assert!(ran.err.contains("2 statements are unconfirmed drafts"), "{}", ran.err);

    let before = fs::read_to_string(at.join("drafts.toml")).unwrap();
    let ran = candor(at, &["terms", "confirm", "drafts.toml", "1"]);
    assert_eq!(ran.status, 64, "{}", ran.err);
    assert!(ran.err.contains("no draft of drafts.toml begins in line 1; drafts begin in "), "{}", ran.err);
    assert_eq!(fs::read_to_string(at.join("drafts.toml")).unwrap(), before);

    let ran = candor(at, &["terms", "confirm", "drafts.toml", "--all"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(fs::read_to_string(at.join("drafts.toml")).unwrap(), before.replace("draft = true\n", ""));
    let ran = candor(at, &check);
    assert!(!ran.out.contains("unconfirmed"), "{}", ran.out);
    assert_ne!(ran.status, 1, "{}", ran.out);
}

const MANIFEST: &str = r#"<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="com.example.shop">
  <uses-permission android:name="android.permission.READ_CONTACTS"/>
  <uses-permission android:name="android.permission.READ_MEDIA_IMAGES"/>
  <application android:label="Shop"/>
</manifest>"#;

#[test]
fn what_a_package_may_access_is_told_and_is_no_finding() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    fs::write(at.join("AndroidManifest.xml"), MANIFEST).unwrap();
    fs::write(at.join("list.html"), LIST).unwrap();
    let ran = candor(at, &["terms", "import", "apk", "AndroidManifest.xml", "-o", "manifest.toml"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(
        ran.err.contains("2 permissions, 0 components") && ran.err.contains("declares no collection"),
        "{}",
        ran.err
    );
    let import = ["terms", "import", "two-lists", "list.html", "--package", "com.example.shop", "-o", "list.toml"];
    assert_eq!(candor(at, &import).status, 0);
    let ran = candor(at, &["terms", "merge", "list.toml", "manifest.toml", "-o", "both.toml"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let told = "READ_CONTACTS may access contacts, and no [[collect]] declares it";
    let shown = candor(at, &["terms", "show", "both.toml"]).out;
    assert!(shown.contains(told) && !shown.contains("READ_MEDIA_IMAGES may access"), "{shown}");
    let linted = candor(at, &["terms", "lint", "both.toml"]);
    assert_eq!(linted.status, 0);
    assert!(
        linted.out.contains("1 permissions may access what no [[collect]] declares: READ_CONTACTS"),
        "{}",
        linted.out
    );
    record(at, "run.candor", &["/sdcard/DCIM/1.jpg"], "alog.umeng.com");
    let check = |terms: &str| -> serde_json::Value {
        let ran = candor(at, &["check", "run.candor", "--terms", terms, "--format", "json"]);
        assert!([0, 1, 2].contains(&ran.status), "{}", ran.err);
        serde_json::from_str(&ran.out).unwrap()
    };
    let (without, with) = (check("list.toml"), check("both.toml"));
    assert_eq!(without["outcome"], with["outcome"]);
    assert_eq!(without["rules"], with["rules"]);
    let notices = |report: &serde_json::Value| -> Vec<String> {
        let all = report["notices"].as_array().unwrap().iter();
        all.filter(|notice| notice["kind"] == "may_access").map(|notice| notice["message"].to_string()).collect()
    };
    assert!(notices(&without).is_empty());
    assert_eq!(notices(&with).len(), 1, "{:?}", notices(&with));
    assert!(notices(&with)[0].contains(told), "{:?}", notices(&with));

    // A new version that asks for more.
    let newer = MANIFEST.replace("READ_CONTACTS", "READ_SMS");
    fs::write(at.join("newer.xml"), newer).unwrap();
    assert_eq!(candor(at, &["terms", "import", "apk", "newer.xml", "-o", "newer.toml"]).status, 0);
    let diff = candor(at, &["terms", "diff", "manifest.toml", "newer.toml"]).out;
    assert!(diff.contains("+ permission android.permission.READ_SMS"), "{diff}");
    assert!(diff.contains("- permission android.permission.READ_CONTACTS"), "{diff}");

    // What is denied, and may be accessed all the same.
    let denied = fs::read_to_string(at.join("both.toml")).unwrap() + "\n[[not_collect]]\ndata_types = [\"contacts\"]\n";
    fs::write(at.join("denied.toml"), denied).unwrap();
    assert!(notices(&check("denied.toml"))[0].contains("says that it is not collected"));
}

#[test]
fn bad_packages_are_refused_or_read_in_part() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let import = |bytes: &[u8], extra: &[&str]| {
        fs::write(at.join("bad.apk"), bytes).unwrap();
        candor(at, &[&["terms", "import", "apk", "bad.apk"], extra].concat())
    };
    let zipped = |entries: &[(&str, &[u8])]| {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };
    let bomb = zipped(&[("AndroidManifest.xml", &vec![0; 17 << 20])]);
    let refused = |bytes: &[u8], extra: &[&str], status: i32, words: &[&str]| {
        let ran = import(bytes, extra);
        assert_eq!(ran.status, status, "{}", ran.err);
        words.iter().for_each(|word| assert!(ran.err.contains(word), "{:?} does not say {word:?}", ran.err));
    };
    let compiled = zipped(&[("AndroidManifest.xml", b"\x03\0\x08\0\xff\0\0\0")]);
    refused(b"PK\x03\x04zz", &[], 65, &["bad.apk, the archive", "not an APK"]);
    refused(&bomb, &[], 65, &["bad.apk, AndroidManifest.xml", "more than the 16777216 bytes"]);
    refused(&compiled, &[], 65, &["AndroidManifest.xml, byte 0"]);
    refused(&compiled, &[], 65, &["copy the file from the device or the store again"]);
    let in_text = zipped(&[("AndroidManifest.xml", MANIFEST.as_bytes())]);
    refused(&in_text, &[], 65, &["bad.apk, AndroidManifest.xml: it is not compiled", "import the manifest by itself"]);
    refused(&zipped(&[("x.txt", b"")]), &[], 65, &["no AndroidManifest.xml"]);
    refused(b"\x03\0\x08\0", &[], 65, &["bad.apk, byte 4"]);
    refused(b"<html></html>", &[], 65, &["neither an APK nor an AndroidManifest.xml"]);
    refused(MANIFEST.as_bytes(), &["--package", "com.other"], 65, &["bad.apk, the manifest, line 1", "com.other"]);
    refused(MANIFEST.replace("package=", "p=").as_bytes(), &[], 64, &["--package"]);
    // A part that cannot be read: the rest is written, with what failed, and the status says so.
    let ran =
        import(MANIFEST.replace("<application", "<uses-permission/><application").as_bytes(), &["-o", "part.toml"]);
    assert_eq!(ran.status, 2, "{}", ran.err);
    assert!(
        ran.err.contains("not understood bad.apk, the manifest, line 4: <uses-permission> without a name"),
        "{}",
        ran.err
    );
    let written = fs::read_to_string(at.join("part.toml")).unwrap();
    assert!(written.contains("reason = \"damaged\"") && written.contains("READ_CONTACTS"), "{written}");
    assert_eq!(candor(at, &["terms", "lint", "part.toml"]).status, 0);
    assert_eq!(candor(at, &["terms", "import", "apk", "none.apk"]).status, 66);
    assert_eq!(candor(at, &["terms", "import", "apk", "."]).status, 66);
    let ran = candor_with(at, &["terms", "import", "apk", "-"], MANIFEST.as_bytes());
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.err.contains("standard input: 2 permissions"), "{}", ran.err);
}

#[test]
fn mixed_encodings_and_partial_imports_are_written_and_told() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    // One line of GBK ("设备信息"), the others UTF-8.
    let mut list = LIST.replace("</table>", "</table>\n").replace("MAC地址、IMEI", "MAC地址、量子频谱").into_bytes();
    list.extend_from_slice(b"<p>\xc9\xe8\xb1\xb8\xd0\xc5\xcf\xa2</p>\n");
    fs::write(at.join("mixed.html"), &list).unwrap();
    let import = ["terms", "import", "two-lists", "mixed.html", "--package", "com.example.shop", "-o", "mixed.toml"];
    let ran = candor(at, &import);
    assert_eq!(ran.status, 2, "{}", ran.err);
    assert!(ran.err.contains("UTF-8 and GBK are mixed"), "{}", ran.err);
    assert!(ran.err.contains("not understood mixed.html, table 2, row 2, column 2: 量子频谱"), "{}", ran.err);
    let written = fs::read_to_string(at.join("mixed.toml")).unwrap();
    for word in ["# UTF-8 and GBK are mixed", "wording = \"量子频谱\"", "data_types = [\"id.mac\"]", "设备信息"]
    {
        assert!(written.contains(word), "{word:?} is not in {written}");
    }
    // A form of which one row has too few columns and another an id that is not known.
    fs::write(at.join("form.csv"), format!("{FORM}PSL_DATA_TYPES_IDENTIFIERS,PSL_NEW_ID,true,x,x\n")).unwrap();
    let import = ["terms", "import", "data-safety", "form.csv", "--package", "com.example.shop", "-o", "form.toml"];
    let ran = candor(at, &import);
    assert_eq!(ran.status, 2, "{}", ran.err);
    assert!(
        ran.err.contains("not understood form.csv, line 8: PSL_DATA_TYPES_IDENTIFIERS PSL_NEW_ID = true"),
        "{}",
        ran.err
    );
    assert!(fs::read_to_string(at.join("form.toml")).unwrap().contains("PSL_NEW_ID"));
}

#[test]
fn own_tables_extend_both_ontologies() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let page = "<meta charset=utf-8><h2>第三方SDK目录</h2><table><tr><th>SDK名称<th>收集的个人信息</tr>\
        <tr><td>石榴排队SDK<td>装机清单、排队号码</tr></table>";
    fs::write(at.join("list.html"), page).unwrap();
    let import = ["terms", "import", "two-lists", "list.html", "--package", "a.b", "--format", "json"];
    let ran = candor(at, &import);
    assert_eq!(ran.status, 2, "{}", ran.err);
    let types = "[[data_type]]\nid = \"queue_number\"\nname_en = \"Number in a queue\"\nname_zh = \"排队号码\"\n\
        gb_35273 = \"其他信息\"\nplay = [\"PSL_OTHER_PERSONAL\"]\nsensitive_gb_35273 = false\nsensitive_pipl = false\nsource = \"ours\"\n\
        [[names]]\nof = \"app_list\"\nnames = [\"装机清单\"]\n[[names]]\nof = \"queue_number\"\nnames = [\"排队号码\"]\n";
    let recipients = "[[recipient]]\nid = \"pomegranate\"\nowner_en = \"Pomegranate\"\npurpose = \"push\"\n\
        domains = [\"queue.example\"]\nsource = \"ours\"\n[[names]]\nof = \"pomegranate\"\nnames = [\"石榴排队\"]\n";
    fs::write(at.join("types.toml"), types).unwrap();
    fs::write(at.join("recipients.toml"), recipients).unwrap();
    let own = ["--data-types", "types.toml", "--recipients", "recipients.toml"];
    let ran = candor(at, &[&import[..], &own].concat());
    assert_eq!(ran.status, 0, "{}", ran.err);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["statements"][0]["subject"], "pomegranate");
    assert_eq!(report["statements"][0]["data_types"], serde_json::json!(["app_list", "queue_number"]));
    // A table of one's own is linted as the built-in ones are.
    fs::write(at.join("types.toml"), types.replace("of = \"app_list\"", "of = \"app_lst\"")).unwrap();
    let ran = candor(at, &[&import[..], &own].concat());
    assert_eq!(ran.status, 65, "{}", ran.err);
    assert!(ran.err.contains("types.toml") && ran.err.contains("did you mean \"app_list\"?"), "{}", ran.err);
}

#[test]
fn the_39_app_types_are_listed() {
    let directory = TempDir::new().unwrap();
    let ran = candor(directory.path(), &["terms", "app-types", "--format", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 39);
    assert_eq!(rows[0]["name_zh"], "地图导航类");
    assert_eq!(rows[0]["necessary"], serde_json::json!(["location"]));
    assert!(rows.as_array().unwrap().iter().all(|row| row["checked"] == true), "{rows}");
    let text = candor(directory.path(), &["terms", "app-types"]).out;
    assert!(text.contains("needs no personal information"), "{text}");
}
