//! An APK, a compiled manifest, a table of resources and a signature, whichever the bytes begin as.
#![no_main]

use std::io::Cursor;
use std::sync::LazyLock;

use candor::host::declared_terms::import::apk;
use candor::host::ontology::Ontology;
use libfuzzer_sys::fuzz_target;

static ONTOLOGY: LazyLock<Ontology> = LazyLock::new(|| Ontology::built_in().expect("the built-in tables are sound"));

fuzz_target!(|bytes: &[u8]| {
    for begin in [&b""[..], &[3, 0, 8, 0], b"PK\x03\x04"] {
        let file = [begin, bytes].concat();
        if let Ok(imported) = apk("fuzzed.apk", Cursor::new(file), &ONTOLOGY, None) {
            assert!(imported.statements.is_empty() && imported.manifest.is_some());
        }
    }
});
