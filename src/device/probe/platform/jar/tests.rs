use std::io::Write as _;

use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::super::dex::tests::stub;
use super::*;

/// Writes a jar with these entries.
pub(in super::super) fn write(path: &Path, method: CompressionMethod, entries: &[(&str, &[u8])]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn read_jar(path: &Path) -> Result<Jar, JarError> {
    let (file, hash) = open(path)?;
    read(path, file, hash)
}

fn names(jar: &Jar) -> Vec<&str> {
    jar.interfaces.keys().map(String::as_str).collect()
}

#[test]
fn every_dex_of_a_jar_is_read_stored_or_deflated() {
    let directory = tempfile::tempdir().unwrap();
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let path = directory.path().join("framework.jar");
        let entries = [
            ("META-INF/MANIFEST.MF", b"x".to_vec()),
            ("classes.dex", stub("a/IA", &[("first", 1)])),
            ("classes3.dex", stub("a/IA", &[("other", 1)])),
            ("classes2.dex", stub("a/IB", &[("second", 2)])),
            ("classes01.dex", stub("a/IC", &[("no", 2)])),
            ("lib/classes.dex", stub("a/ID", &[("no", 2)])),
        ];
        write(&path, method, &entries.each_ref().map(|(name, bytes)| (*name, bytes.as_slice())));
        let jar = read_jar(&path).unwrap();
        assert_eq!(names(&jar), ["a.IA", "a.IB"]);
        assert_eq!(jar.interfaces["a.IA"][&1], "first", "the first class of a name is the one that is loaded");
        assert_eq!((jar.problems.len(), jar.skipped.len(), jar.hash.len()), (0, 0, 64));
    }
}

#[test]
fn the_hash_is_that_of_the_whole_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.jar");
    std::fs::write(&path, b"abc").unwrap();
    // The example of FIPS 180-4.
    assert_eq!(open(&path).unwrap().1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn what_is_wrong_is_said_with_file_and_entry() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broken.jar");
    let message = |path: &Path| read_jar(path).unwrap_err().to_string();
    assert!(message(&path).contains("broken.jar: No such file"), "{}", message(&path));
    assert!(message(directory.path()).contains("not a regular file"), "{}", message(directory.path()));
    std::fs::write(&path, b"this is no zip file").unwrap();
    assert!(message(&path).contains("broken.jar is no zip file"), "{}", message(&path));

    let good = stub("a/IA", &[("first", 1)]);
    write(&path, CompressionMethod::Stored, &[("classes.dex", b"dex\n041\0"), ("classes2.dex", &good)]);
    let jar = read_jar(&path).unwrap();
    assert_eq!(names(&jar), ["a.IA"], "one that is damaged does not take the others with it");
    assert!(
        jar.problems[0].to_string().ends_with("broken.jar, entry classes.dex: not a dex file"),
        "{:?}",
        jar.problems
    );

    // A byte of the content is changed: the checksum of the entry tells.
    write(&path, CompressionMethod::Stored, &[("classes.dex", &good)]);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|window| window == b"dex\n").unwrap();
    bytes[at + 60] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let jar = read_jar(&path).unwrap();
    assert_eq!(names(&jar), [""; 0]);
    assert!(jar.problems[0].to_string().contains("broken.jar, entry classes.dex: "), "{:?}", jar.problems);
    assert!(jar.problems[0].to_string().to_lowercase().contains("checksum"), "{:?}", jar.problems);
}

#[test]
fn an_entry_that_unpacks_without_end_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bomb.jar");
    let zeros = vec![0; usize::try_from(DEX_MAX).unwrap() + 1];
    write(&path, CompressionMethod::Deflated, &[("classes.dex", &zeros)]);
    assert!(std::fs::metadata(&path).unwrap().len() < 1 << 20);
    let jar = read_jar(&path).unwrap();
    assert!(jar.problems[0].to_string().ends_with("entry classes.dex: more than 67108864 bytes"), "{:?}", jar.problems);
}

#[test]
fn a_cut_jar_never_panics() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cut.jar");
    write(&path, CompressionMethod::Deflated, &[("classes.dex", &stub("a/IA", &[("first", 1)]))]);
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        if let Ok(jar) = read_jar(&path) {
            assert!(!jar.problems.is_empty() || jar.interfaces.is_empty(), "cut at {length}");
        }
    }
}
