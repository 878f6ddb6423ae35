//! Real APKs: what the importer reads in them is what Debian's aapt and apksigner find. `scripts/apk-fixtures` makes them:
//! our own, through the platform's compilers and signer, and those of other people.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use candor::host::declared_terms::import::{Imported, apk};
use candor::host::declared_terms::{DeclaredTerms, Head, Provenance, to_toml};
use candor::host::ontology::Ontology;
use candor::host::toml_source::SourceFile;
use serde_json::{Value, json};

fn ontology() -> &'static Ontology {
    static ONTOLOGY: OnceLock<Ontology> = OnceLock::new();
    ONTOLOGY.get_or_init(|| Ontology::built_in().unwrap())
}

fn fixtures() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let directory = target.join("apk-fixtures");
    assert!(directory.join("stamp").exists(), "{} is not there: run scripts/apk-fixtures", directory.display());
    directory
}

fn import(path: &Path) -> Imported {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let reader = BufReader::new(File::open(path).unwrap());
    apk(&name, reader, ontology(), None).unwrap_or_else(|error| panic!("{error}"))
}

fn line(place: &Provenance) -> u32 {
    place.origin.as_ref().and_then(|origin| origin.line).unwrap()
}

/// What the other tools' words call the types of a foreground service.
fn service_types(flags: u64) -> Vec<&'static str> {
    let names = ["dataSync", "mediaPlayback", "phoneCall", "location", "connectedDevice", "mediaProjection"];
    names.into_iter().enumerate().filter(|(bit, _)| (flags >> bit) & 1 == 1).map(|(_, name)| name).collect()
}

#[test]
#[ignore = "needs scripts/apk-fixtures, which fetches packages"]
fn an_apk_says_what_other_tools_read_in_it() {
    let mut paths: Vec<PathBuf> = fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "apk"));
    paths.sort();
    assert_eq!(paths.len(), 6, "{paths:?}");
    let (mut signed, mut components_seen, mut schemes) = (0, 0, String::new());
    for path in &paths {
        let name = path.display();
        let wanted: Value = serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
        let imported = import(path);
        assert!(imported.not_understood.is_empty(), "{name}: {:?}", imported.not_understood);
        let manifest = imported.manifest.as_ref().unwrap();
        assert_eq!(json!(imported.package), wanted["package"], "{name}");
        assert_eq!(json!(imported.version), wanted["version"], "{name}");
        assert_eq!(json!(imported.name), wanted["label"], "{name}");
        assert_eq!(json!(manifest.version_code), wanted["version_code"], "{name}");
        assert_eq!(
            json!([manifest.min_sdk, manifest.target_sdk]),
            json!([wanted["min_sdk"], wanted["target_sdk"]]),
            "{name}"
        );
        assert_eq!(json!(manifest.signers), wanted["signers"], "{name}");
        let requests = imported.may_access.iter().filter(|access| {
            access.place.origin.as_ref().is_some_and(|origin| origin.wording.starts_with("<uses-permission"))
        });
        let requests: Vec<Value> =
            requests.map(|access| json!([access.permission, access.max_sdk, line(&access.place)])).collect();
        assert_eq!(Value::Array(requests), wanted["permissions"], "{name}");
        let components = wanted["components"].as_array().unwrap();
        assert_eq!(manifest.components.len(), components.len(), "{name}");
        for (component, wanted) in manifest.components.iter().zip(components) {
            let found = json!([component.kind.as_str(), component.name, component.exported, component.authorities]);
            let wanted_parts = json!([wanted["kind"], wanted["name"], wanted["exported"], wanted["authorities"]]);
            assert_eq!(found, wanted_parts, "{name}");
            let types = service_types(wanted["service_types"].as_u64().unwrap());
            assert_eq!(component.foreground_service_types, types, "{name}: {}", component.name);
        }
        signed += usize::from(!manifest.signers.is_empty());
        components_seen += components.len();
        schemes += imported.notes.iter().find(|note| note.contains("sign")).unwrap();
        // And it survives the way through the native form.
        let head = Head {
            package: imported.package.as_deref().unwrap(),
            may_access: &imported.may_access,
            manifest: Some(manifest),
            ..Head::default()
        };
        let text = to_toml(&head, &[], &[], ontology());
        let (terms, _) = DeclaredTerms::parse(&SourceFile::new("t.toml", &text), ontology())
            .unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        let read = terms.manifest.unwrap();
        assert_eq!(read.components, manifest.components, "{name}");
        assert_eq!((read.version_code, read.signers), (manifest.version_code, manifest.signers.clone()), "{name}");
        assert_eq!(terms.may_access.len(), imported.may_access.len(), "{name}");
    }
    // The set has what it is for: every scheme, an unsigned one, and components by the dozen.
    assert_eq!(signed, 4);
    assert!(components_seen > 60, "{components_seen}");
    for scheme in ["of v1,", "of v2,", "of v3,", "not signed"] {
        assert!(schemes.contains(scheme), "{scheme}: {schemes}");
    }
}

#[test]
#[ignore = "needs scripts/apk-fixtures, which fetches packages"]
fn a_real_apk_that_ends_early_or_was_changed_never_ends_the_program() {
    let bytes = fs::read(fixtures().join("own-v3.apk")).unwrap();
    let try_it = |bytes: &[u8]| drop(apk("x.apk", std::io::Cursor::new(bytes), ontology(), None));
    for end in (0..bytes.len()).step_by(97) {
        try_it(&bytes[..end]);
    }
    for index in (0..bytes.len()).step_by(11) {
        let mut damaged = bytes.clone();
        damaged[index] ^= 0xff;
        try_it(&damaged);
    }
}
