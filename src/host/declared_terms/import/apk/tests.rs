//! Manifests compiled here, archives made here, and bytes that nobody made on purpose.

use std::io::{Cursor, Write as _};
use std::sync::OnceLock;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::binary_xml::{self, ATTRIBUTES};
use super::chunks::Value;
use super::element::{ANDROID, Attribute, Element};
use super::{resources, signers, text_xml};
use crate::host::declared_terms::import::{ImportError, Imported, apk};
use crate::host::ontology::Ontology;

fn ontology() -> &'static Ontology {
    static ONTOLOGY: OnceLock<Ontology> = OnceLock::new();
    ONTOLOGY.get_or_init(|| Ontology::built_in().unwrap())
}

fn chunk(kind: u16, head: &[u8], body: &[u8]) -> Vec<u8> {
    let header = u16::try_from(8 + head.len()).unwrap();
    let size = u32::try_from(8 + head.len() + body.len()).unwrap();
    let mut out = kind.to_le_bytes().to_vec();
    out.extend_from_slice(&header.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    [out.as_slice(), head, body].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A pool in either encoding.
fn pool(strings: &[String], is_utf8: bool) -> Vec<u8> {
    let (mut offsets, mut data) = (Vec::new(), Vec::new());
    for string in strings {
        offsets.push(u32::try_from(data.len()).unwrap());
        if is_utf8 {
            for length in [string.chars().count(), string.len()] {
                let length = u16::try_from(length).unwrap();
                if length > 0x7f {
                    data.push(0x80 | u8::try_from(length >> 8).unwrap());
                }
                data.push(u8::try_from(length & 0xff).unwrap());
            }
            data.extend_from_slice(string.as_bytes());
            data.push(0);
        } else {
            let units: Vec<u16> = string.encode_utf16().collect();
            data.extend_from_slice(&u16::try_from(units.len()).unwrap().to_le_bytes());
            data.extend(units.into_iter().chain([0]).flat_map(u16::to_le_bytes));
        }
    }
    let count = u32::try_from(strings.len()).unwrap();
    let head = words(&[count, 0, if is_utf8 { 0x100 } else { 0 }, 28 + 4 * count, 0]);
    data.resize(data.len().next_multiple_of(4), 0);
    chunk(1, &head, &[words(&offsets), data].concat())
}

/// Compiles elements, as the platform's tools do: attributes of the platform come first in the pool, and go by their ids.
fn compile(root: &Element, is_utf8: bool) -> Vec<u8> {
    let mut strings: Vec<String> = ATTRIBUTES.iter().map(|known| format!("renamed{}", known.0)).collect();
    let mut body = Vec::new();
    compile_element(root, &mut strings, &mut body);
    let map = chunk(0x0180, &[], &words(&ATTRIBUTES.iter().map(|known| known.0).collect::<Vec<_>>()));
    chunk(3, &[], &[pool(&strings, is_utf8), map, body].concat())
}

fn compile_element(element: &Element, strings: &mut Vec<String>, out: &mut Vec<u8>) {
    let mut index = |text: &str, from: usize| -> u32 {
        let known = strings.iter().skip(from).position(|known| known == text).map(|at| at + from);
        let at = known.unwrap_or_else(|| {
            strings.push(text.to_owned());
            strings.len() - 1
        });
        u32::try_from(at).unwrap()
    };
    let none = u32::MAX;
    let name = index(&element.name, ATTRIBUTES.len());
    let mut attributes = Vec::new();
    for attribute in &element.attributes {
        let known = ATTRIBUTES.iter().position(|known| known.1 == attribute.name);
        let (namespace, name) = match (known, attribute.name.strip_prefix("android:")) {
            (Some(at), _) => (index(ANDROID, ATTRIBUTES.len()), u32::try_from(at).unwrap()),
            (None, Some(name)) => (index(ANDROID, ATTRIBUTES.len()), index(name, ATTRIBUTES.len())),
            (None, None) => (none, index(&attribute.name, ATTRIBUTES.len())),
        };
        let (kind, data) = match &attribute.value {
            Value::Text(text) => (3_u32, index(text, ATTRIBUTES.len())),
            Value::Number(number) => (0x10, *number),
            Value::Truth(truth) => (0x12, if *truth { u32::MAX } else { 0 }),
            Value::Reference(id) => (1, *id),
            Value::Other => (0, 0),
        };
        attributes.extend(words(&[namespace, name, none, 8 | (kind << 24), data]));
    }
    let count = u16::try_from(element.attributes.len()).unwrap();
    let head = words(&[element.line, none]);
    let shorts: Vec<u8> = [20, 20, count, 0, 0, 0].iter().flat_map(|short| short.to_le_bytes()).collect();
    out.extend(chunk(0x0102, &head, &[words(&[none, name]), shorts, attributes].concat()));
    for child in &element.children {
        compile_element(child, strings, out);
    }
    let name = strings.iter().position(|known| *known == element.name).unwrap();
    out.extend(chunk(0x0103, &head, &words(&[none, u32::try_from(name).unwrap()])));
}

/// A table of resources with one type of strings: for each configuration (0 is the default), its values.
fn table(configurations: &[(u32, &[Value])]) -> Vec<u8> {
    let mut strings = Vec::new();
    let mut types = Vec::new();
    for (locale, values) in configurations {
        let (mut offsets, mut entries) = (Vec::new(), Vec::new());
        for value in *values {
            offsets.push(u32::try_from(entries.len()).unwrap());
            let (kind, data) = match value {
                Value::Text(text) => {
                    strings.push(text.clone());
                    (3_u32, u32::try_from(strings.len() - 1).unwrap())
                }
                Value::Reference(id) => (1, *id),
                _ => (0, 0),
            };
            entries.extend(words(&[8, 0, 8 | (kind << 24), data]));
        }
        let count = u32::try_from(values.len()).unwrap();
        // Id 1, no flags; count; where entries start; configuration: size, operator, locale, six words more.
        let mut head = words(&[1, count, 20 + 36 + 4 * count]);
        head.extend(words(&[36, 0, *locale, 0, 0, 0, 0, 0, 0]));
        types.extend(chunk(0x0201, &head, &[words(&offsets), entries].concat()));
    }
    let mut head = words(&[0x7f]);
    head.resize(4 + 256 + 20, 0);
    let package = chunk(0x0200, &head, &types);
    chunk(2, &words(&[1]), &[pool(&strings, true), package].concat())
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn import(bytes: &[u8]) -> Result<Imported, ImportError> {
    apk("a.apk", Cursor::new(bytes), ontology(), Some("com.example.shop"))
}

const TEXT: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="com.example.shop"
    android:versionCode="7" android:versionName="1.2">
  <uses-sdk android:minSdkVersion="24" android:targetSdkVersion="34"/>
  <uses-permission android:name="android.permission.READ_CONTACTS"/>
  <uses-permission android:name="android.permission.READ_EXTERNAL_STORAGE" android:maxSdkVersion="32"/>
  <uses-permission android:name="android.permission.BLUETOOTH_SCAN" android:usesPermissionFlags="65536"/>
  <uses-permission android:name="android.permission.INTERNET"/>
  <queries><package android:name="com.tencent.mm"/>
    <intent><action android:name="android.intent.action.VIEW"/><data android:scheme="https"/></intent></queries>
  <application android:label="购物">
    <activity android:name=".Main"><intent-filter><action android:name="android.intent.action.MAIN"/></intent-filter></activity>
    <activity android:name="Inner"/>
    <service android:name="org.other.Track" android:exported="false" android:foregroundServiceType="72"/>
    <service android:name=".Listen" android:permission="android.permission.BIND_NOTIFICATION_LISTENER_SERVICE" android:exported="true"/>
    <provider android:name=".Files" android:authorities="a.b;c.d" android:exported="true" android:readPermission="p.q"/>
    <meta-data android:name="x" android:value="y"/>
  </application>
</manifest>"#;

#[test]
fn a_manifest_says_the_same_compiled_and_in_text() {
    let root = text_xml::read(TEXT).unwrap();
    let in_text = import(TEXT.as_bytes()).unwrap();
    for is_utf8 in [true, false] {
        let compiled = compile(&root, is_utf8);
        let mut alone = import(&compiled).unwrap();
        assert_eq!(alone, in_text);
        let notes = alone.notes.clone();
        let mut packed = import(&zipped(&[("AndroidManifest.xml", &compiled)])).unwrap();
        assert!(packed.notes.contains(&"the APK is not signed".to_owned()), "{:?}", packed.notes);
        for access in &mut packed.may_access {
            let origin = access.place.origin.as_mut().unwrap();
            assert!(origin.at.starts_with("AndroidManifest.xml, line "), "{origin:?}");
            origin.at = origin.at.replace("AndroidManifest.xml", "the manifest");
        }
        packed.notes.clone_from(&notes);
        packed.manifest.as_mut().unwrap().place = alone.manifest.as_mut().unwrap().place.clone();
        assert_eq!(packed, alone);
    }
}

#[test]
fn what_a_manifest_says_is_read() {
    let imported = import(TEXT.as_bytes()).unwrap();
    assert!(imported.statements.is_empty() && imported.not_understood.is_empty(), "{imported:?}");
    assert_eq!(imported.package.as_deref(), Some("com.example.shop"));
    assert_eq!((imported.name.as_deref(), imported.version.as_deref()), (Some("购物"), Some("1.2")));
    let access: Vec<(&str, Vec<&str>, Option<u32>)> = imported
        .may_access
        .iter()
        .map(|access| {
            let types = access.data_types.iter().map(|id| ontology().data_types.id_of(*id)).collect();
            (access.permission.rsplit('.').next().unwrap(), types, access.max_sdk)
        })
        .collect();
    assert_eq!(
        access,
        [
            ("READ_CONTACTS", vec!["contacts"], None),
            ("READ_EXTERNAL_STORAGE", vec!["files.shared"], Some(32)),
            // It promised not to look for the user's place.
            ("BLUETOOTH_SCAN", vec![], None),
            ("INTERNET", vec![], None),
            ("BIND_NOTIFICATION_LISTENER_SERVICE", vec!["other_app_messages"], None),
        ]
    );
    let manifest = imported.manifest.unwrap();
    assert_eq!((manifest.version_code, manifest.min_sdk, manifest.target_sdk), (Some(7), Some(24), Some(34)));
    assert_eq!(manifest.queries, ["package com.tencent.mm", "intent android.intent.action.VIEW https"]);
    let components: Vec<(&str, bool)> =
        manifest.components.iter().map(|component| (component.name.as_str(), component.exported)).collect();
    assert_eq!(
        components,
        [
            ("com.example.shop.Main", true),
            ("com.example.shop.Inner", false),
            ("org.other.Track", false),
            ("com.example.shop.Listen", true),
            ("com.example.shop.Files", true),
        ]
    );
    assert_eq!(manifest.components[2].foreground_service_types, ["location", "camera"]);
    assert_eq!(manifest.components[4].authorities, ["a.b", "c.d"]);
    assert_eq!(manifest.components[4].permissions, ["p.q"]);
}

#[test]
fn references_are_followed_to_the_value_for_no_language() {
    let text = |text: &str| Value::Text(text.to_owned());
    let label = |id: u32, table: &[u8]| {
        let mut root = text_xml::read(TEXT).unwrap();
        let application = root.children.iter_mut().find(|child| child.name == "application").unwrap();
        application.attributes = vec![Attribute { name: "android:label".to_owned(), value: Value::Reference(id) }];
        import(&zipped(&[("AndroidManifest.xml", &compile(&root, true)), ("resources.arsc", table)])).unwrap()
    };
    let values: &[(u32, &[Value])] = &[
        (0x687a, &[text("中文名"), Value::Reference(0x7f01_0000), text("只有中文")]),
        (0, &[text("Shop"), Value::Reference(0x7f01_0000)]),
    ];
    let resources = table(values);
    assert_eq!(label(0x7f01_0000, &resources).name.as_deref(), Some("Shop"));
    assert_eq!(label(0x7f01_0001, &resources).name.as_deref(), Some("Shop"));
    assert_eq!(label(0x7f01_0002, &resources).name.as_deref(), Some("只有中文"));
    // Of the platform, and not in any table that is here.
    let none = label(0x0104_0000, &resources);
    assert!(none.name.is_none() && none.not_understood.is_empty(), "{none:?}");
    let circle = table(&[(0, &[Value::Reference(0x7f01_0001), Value::Reference(0x7f01_0000)])]);
    let circle = label(0x7f01_0000, &circle);
    assert!(circle.name.is_none() && circle.is_partial(), "{circle:?}");
    assert!(circle.not_understood[0].wording.contains("in a circle"), "{circle:?}");
    // A table that ends too early costs the label, and nothing else.
    let damaged = label(0x7f01_0000, &resources[..resources.len() / 2]);
    assert!(damaged.is_partial() && damaged.may_access.len() == 5, "{damaged:?}");
    assert!(damaged.not_understood[0].at.starts_with("resources.arsc, byte "), "{damaged:?}");
}

#[test]
fn bad_packages_are_refused_by_name_and_place() {
    let root = text_xml::read(TEXT).unwrap();
    let manifest = compile(&root, true);
    let error = |bytes: &[u8]| import(bytes).unwrap_err().to_string();
    let told = |bytes: &[u8], wanted: &[&str]| {
        let error = error(bytes);
        assert!(error.starts_with("a.apk, "), "{error}");
        wanted.iter().for_each(|word| assert!(error.contains(word), "{word:?} is not in {error:?}"));
    };
    told(b"PK\x03\x04", &["the archive", "not an APK"]);
    told(&zipped(&[("classes.dex", b"dex")]), &["no AndroidManifest.xml"]);
    told(&zipped(&[("base/manifest/AndroidManifest.xml", b"")]), &["app bundle", "bundletool"]);
    told(&zipped(&[("base.apk", b"")]), &["archive of APKs", "base.apk"]);
    told(&zipped(&[("AndroidManifest.xml", TEXT.as_bytes())]), &["AndroidManifest.xml: it is not compiled"]);
    told(&zipped(&[("AndroidManifest.xml", &manifest[..manifest.len() - 9])]), &["AndroidManifest.xml, byte "]);
    told(&manifest[..40], &["byte "]);
    told(b"hello", &["no <manifest>"]);
    told(b"", &["no <manifest>"]);
    told(b"<manifest>\n<a>\n</manifest>", &["line 3", "not XML"]);
    told(b"<a>\n<manifest/></a>", &["line 1", "<a>, not <manifest>"]);
    told(b"<!DOCTYPE m [<!ENTITY a \"b\">]><manifest>&a;</manifest>", &["not XML"]);
    told(format!("<manifest>{}</manifest>", "<a>".repeat(100) + &"</a>".repeat(100)).as_bytes(), &["nested"]);
    told(TEXT.replace("com.example.shop", "com.other").as_bytes(), &["line 2", "com.other", "com.example.shop"]);
    // Eighteen megabytes that pack to a few kilobytes.
    let bomb = zipped(&[("AndroidManifest.xml", &vec![0; 18 << 20])]);
    assert!(bomb.len() < 100_000);
    told(&bomb, &["AndroidManifest.xml", "more than the 16777216 bytes"]);
    let mut deep = Element { name: "a".to_owned(), line: 1, attributes: Vec::new(), children: Vec::new() };
    for _ in 0..100 {
        deep = Element { name: "a".to_owned(), line: 1, attributes: Vec::new(), children: vec![deep] };
    }
    told(&compile(&deep, true), &["nested more than 64"]);
}

#[test]
fn names_that_lead_out_of_the_archive_are_told_and_nothing_is_unpacked() {
    let manifest = compile(&text_xml::read(TEXT).unwrap(), true);
    let bytes =
        zipped(&[("AndroidManifest.xml", &manifest), ("../../etc/passwd", b"x"), ("/abs", b"x"), ("a..b/c", b"x")]);
    let imported = import(&bytes).unwrap();
    assert!(imported.is_partial());
    let told: Vec<&str> = imported.not_understood.iter().map(|entry| entry.at.as_str()).collect();
    assert_eq!(told, ["entry \"../../etc/passwd\"", "entry \"/abs\""]);
    assert_eq!(imported.may_access.len(), 5);
}

fn length_before(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], bytes].concat()
}

/// A signing block with one signer of one scheme, without the foot.
fn signing_block(id: u32, certificate: &[u8]) -> Vec<u8> {
    let certificates = length_before(&length_before(certificate));
    let signed = [length_before(b"digests"), certificates, length_before(b"")].concat();
    let signer = length_before(&length_before(&signed));
    let value = [&id.to_le_bytes()[..], &length_before(&signer)].concat();
    [&u64::try_from(value.len()).unwrap().to_le_bytes()[..], &value].concat()
}

#[test]
fn certificates_are_found_in_every_scheme_and_no_length_is_believed() {
    let block =
        [signing_block(0x7109_871a, b"old"), signing_block(0xf053_68c0, b"new"), signing_block(0x4272_6577, b"pad")];
    let block = block.concat();
    let found = signers::in_block(&block).unwrap();
    let told: Vec<(&str, &[String])> =
        found.iter().map(|signers| (signers.scheme, signers.certificates.as_slice())).collect();
    assert_eq!(told, [("v3", &[signers::digest(b"new")][..]), ("v2", &[signers::digest(b"old")][..])]);
    for end in 0..block.len() {
        let _ = signers::in_block(&block[..end]);
    }
    for index in 0..block.len() {
        let mut damaged = block.clone();
        damaged[index] ^= 0xff;
        let _ = signers::in_block(&damaged);
    }
    // In an archive the block stands before the directory, and a damaged one is told.
    let manifest = compile(&text_xml::read(TEXT).unwrap(), true);
    let plain = zipped(&[("AndroidManifest.xml", &manifest)]);
    let directory = u32::from_le_bytes(plain[plain.len() - 6..plain.len() - 2].try_into().unwrap());
    let signed = |block: &[u8]| {
        let size = u64::try_from(block.len() + 24).unwrap().to_le_bytes();
        let whole = [&size[..], block, &size[..], b"APK Sig Block 42"].concat();
        let at = usize::try_from(directory).unwrap();
        let mut bytes = [&plain[..at], &whole, &plain[at..]].concat();
        let place = bytes.len() - 6;
        let moved = directory + u32::try_from(whole.len()).unwrap();
        bytes[place..place + 4].copy_from_slice(&moved.to_le_bytes());
        bytes
    };
    let imported = import(&signed(&block)).unwrap();
    assert_eq!(imported.manifest.unwrap().signers, [signers::digest(b"new")]);
    assert!(imported.notes[0].contains("scheme v3, v2"), "{:?}", imported.notes);
    let imported = import(&signed(&block[..40])).unwrap();
    assert!(imported.is_partial() && imported.not_understood[0].at == "the signing block", "{imported:?}");
}

fn der(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let mut out = vec![tag];
    match length {
        0..=0x7f => {}
        0x80..=0xff => out.push(0x81),
        _ => out.extend([0x82, u8::try_from(length >> 8).unwrap()]),
    }
    out.push(u8::try_from(length & 0xff).unwrap());
    [out, content].concat()
}

#[test]
fn of_several_certificates_the_one_that_the_signer_names_counts() {
    let issuer = |name: u8| der(0x30, &[der(0x0c, &[vec![name; 3]])]);
    let number = |number: u8| der(0x02, &[vec![number]]);
    let certificate = |serial: u8| {
        let version = der(0xa0, &[der(0x02, &[vec![2]])]);
        let algorithm = der(0x30, &[der(0x06, &[vec![42, 3]])]);
        let fields = der(0x30, &[version, number(serial), algorithm.clone(), issuer(b'a')]);
        der(0x30, &[fields, algorithm, der(0x03, &[vec![0; 200]])])
    };
    let signer = der(0x30, &[number(1), der(0x30, &[issuer(b'a'), number(9)]), der(0x04, &[vec![0; 8]])]);
    let signed = der(
        0x30,
        &[
            number(1),
            der(0x31, &[]),
            der(0x30, &[der(0x06, &[vec![42, 1]])]),
            der(0xa0, &[certificate(8), certificate(9)]),
            der(0x31, &[signer]),
        ],
    );
    let file = der(0x30, &[der(0x06, &[vec![42, 2]]), der(0xa0, &[signed])]);
    assert_eq!(signers::in_signature_file(&file).unwrap(), [signers::digest(&certificate(9))]);
    for end in 0..file.len() {
        let _ = signers::in_signature_file(&file[..end]);
    }
    assert!(signers::in_signature_file(b"-----BEGIN").unwrap_err().contains("no signature"));
}

/// Nothing here may panic, whatever stands in a length, an offset or an index.
#[test]
fn no_byte_that_is_changed_makes_it_panic() {
    let manifest = compile(&text_xml::read(TEXT).unwrap(), true);
    let values: &[Value] = &[Value::Text("甲".to_owned()), Value::Reference(0x7f01_0000)];
    let table = table(&[(0, values), (7, values)]);
    for change in [0x01, 0x7f, 0x80, 0xff] {
        for index in 0..manifest.len() {
            let mut damaged = manifest.clone();
            damaged[index] ^= change;
            let _ = binary_xml::read(&damaged);
        }
        for index in 0..table.len() {
            let mut damaged = table.clone();
            damaged[index] ^= change;
            if let Ok(resources) = resources::Resources::read(&damaged) {
                for id in [0x7f01_0000, 0x7f01_0001, 0x7f01_ffff, 0] {
                    let _ = resources.resolve(id);
                }
            }
        }
    }
    for end in 0..manifest.len() {
        assert!(binary_xml::read(&manifest[..end]).is_err());
    }
}

fn element(depth: u32) -> proptest::strategy::BoxedStrategy<Element> {
    use proptest::prelude::*;
    let value = prop_oneof![
        "[a-z设备]{0,200}".prop_map(Value::Text),
        any::<u32>().prop_map(Value::Number),
        any::<bool>().prop_map(Value::Truth),
        any::<u32>().prop_map(Value::Reference),
        Just(Value::Other),
    ];
    let name = prop_oneof![
        proptest::sample::select(ATTRIBUTES.iter().map(|known| known.1.to_owned()).collect::<Vec<_>>()),
        "(android:)?[A-Z]{1,3}",
    ];
    let attribute = (name, value).prop_map(|(name, value)| Attribute { name, value });
    let attributes = proptest::collection::vec(attribute, 0..4);
    let children =
        if depth == 0 { Just(Vec::new()).boxed() } else { proptest::collection::vec(element(depth - 1), 0..3).boxed() };
    ("[a-z-]{1,9}", 1_u32.., attributes, children)
        .prop_map(|(name, line, attributes, children)| Element { name, line, attributes, children })
        .boxed()
}

proptest::proptest! {
    #[test]
    fn what_was_compiled_is_read_back(root in element(3), is_utf8: bool) {
        proptest::prop_assert_eq!(binary_xml::read(&compile(&root, is_utf8)), Ok(root));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), form in 0_u8..4) {
        let mut bytes = bytes;
        let begin: &[u8] = match form { 0 => &[3, 0, 8, 0], 1 => b"PK\x03\x04", 2 => b"<manifest ", _ => b"" };
        bytes.splice(0..0, begin.iter().copied());
        let _ = import(&bytes);
        let _ = resources::Resources::read(&bytes);
        let _ = signers::in_block(&bytes);
        let _ = signers::in_signature_file(&bytes);
    }
}
