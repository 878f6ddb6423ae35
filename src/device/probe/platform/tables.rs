//! The method tables of the device's own framework.
//!
//! * **In:** a root directory (`/`, except in tests) and a cache directory. **Out:** for each privacy interface its methods
//!   by code, and the jar they are from.
//! * **May import:** `event`, `tracing`, `super`.
//! * **Test it:** `cargo test platform::tables`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::cache::Cache;
use super::dex::Methods;
use super::jar;
use super::shipped::MethodsByCode;
use crate::event::privacy_interface;

/// Directories of jars, below the root; `*` is any one directory.
const PLACES: &[&[&str]] = &[
    &["system", "framework"],
    &["system_ext", "framework"],
    &["system", "system_ext", "framework"],
    &["apex", "*", "javalib"],
];
/// Where releases from 12 on write down which jars are loaded into every process, in which order.
const CLASSPATHS: &str = "data/system/environ/classpath";
/// Jars that are looked at; a device has about a hundred.
const JARS_MAX: usize = 1000;

/// What a device's jars gave.
#[derive(Debug, Default)]
pub(super) struct DeviceTables {
    /// By descriptor.
    pub(super) interfaces: BTreeMap<String, DeviceTable>,
    /// Jars found.
    pub(super) jars: usize,
    /// Of those, how many the cache knew.
    pub(super) cached: usize,
    /// What could not be read, in words.
    pub(super) problems: Vec<String>,
    /// Classes and fields left out, by reason.
    pub(super) skipped: BTreeMap<&'static str, u64>,
}

/// The methods of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeviceTable {
    pub(super) methods: MethodsByCode,
    /// Path and hash of the jar.
    pub(super) origin: String,
    /// Whether the jar stands on the class path of every process: then a later jar does not matter.
    loaded_everywhere: bool,
}

/// Reads every jar of the platform below `root`.
pub(super) fn read(root: &Path, cache: &Cache) -> DeviceTables {
    let mut tables = DeviceTables::default();
    let loaded = boot_class_path(root);
    // Those of the class path first, in its order: of two classes with one name the first is loaded.
    let mut jars = loaded.clone();
    let known: BTreeSet<_> = loaded.iter().cloned().collect();
    jars.extend(all_jars(root).into_iter().filter(|jar| !known.contains(jar)));
    for path in jars {
        let full = root.join(&path);
        if !full.exists() {
            continue;
        }
        if tables.jars >= JARS_MAX {
            tables
                .problems
                .push(format!("more than {JARS_MAX} jars: {} and all after it were not read", full.display()));
            break;
        }
        tables.jars += 1;
        if let Some((interfaces, hash)) = tables.jar(&full, cache) {
            let origin = format!("/{} sha256:{hash}", path.display());
            tables.merge(interfaces, &origin, known.contains(&path));
        }
    }
    tables.interfaces.retain(|_, table| !table.methods.is_empty());
    for problem in &tables.problems {
        tracing::warn!(problem, "method names of the device");
    }
    tracing::info!(
        jars = tables.jars,
        cached = tables.cached,
        interfaces = tables.interfaces.len(),
        skipped = ?tables.skipped,
        "method names of the device were read"
    );
    tables
}

impl DeviceTables {
    /// The privacy interfaces of one jar, and its hash.
    fn jar(&mut self, path: &Path, cache: &Cache) -> Option<(Methods, String)> {
        let (file, hash) = jar::open(path).map_err(|error| self.problems.push(error.to_string())).ok()?;
        match cache.load(&hash) {
            Ok(Some(interfaces)) => {
                self.cached += 1;
                return Some((interfaces, hash));
            }
            Ok(None) => {}
            Err(error) => self.problems.push(error.to_string()),
        }
        let found = jar::read(path, file, hash).map_err(|error| self.problems.push(error.to_string())).ok()?;
        let complete = found.problems.is_empty();
        self.problems.extend(found.problems.iter().map(ToString::to_string));
        for (reason, count) in found.skipped {
            let all = self.skipped.entry(reason).or_default();
            *all = all.saturating_add(count);
        }
        let mut interfaces = found.interfaces;
        interfaces.retain(|descriptor, _| privacy_interface(descriptor).is_some());
        // A jar with a problem is read again next time, so that the problem is told again.
        if complete && let Err(error) = cache.store(&found.hash, &interfaces) {
            self.problems.push(error.to_string());
        }
        Some((interfaces, found.hash))
    }

    /// Adds what a jar says. Where two jars that may both be loaded contradict each other, neither is believed.
    fn merge(&mut self, interfaces: Methods, origin: &str, loaded_everywhere: bool) {
        for (descriptor, methods) in interfaces {
            let Some(known) = self.interfaces.get_mut(&descriptor) else {
                let table = DeviceTable { methods, origin: origin.to_owned(), loaded_everywhere };
                self.interfaces.insert(descriptor, table);
                continue;
            };
            if known.loaded_everywhere || known.methods == methods {
                continue;
            }
            self.problems.push(format!("{descriptor} differs between {} and {origin}", known.origin));
            known.methods.retain(|code, name| methods.get(code) == Some(name));
        }
    }
}

/// The jars of the boot class path that lie in known places, below the root; empty when the device does not tell.
fn boot_class_path(root: &Path) -> Vec<PathBuf> {
    let Ok(text) = std::fs::read_to_string(root.join(CLASSPATHS)) else { return Vec::new() };
    let mut jars = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some("export") && words.next() == Some("BOOTCLASSPATH") {
            let paths = words.next().unwrap_or_default().split(':').filter_map(|path| path.strip_prefix('/'));
            jars.extend(paths.filter(|path| !path.split('/').any(|part| part == "..")).map(PathBuf::from));
        }
    }
    jars.truncate(JARS_MAX);
    jars
}

/// Every jar in the known places, sorted.
fn all_jars(root: &Path) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    for place in PLACES {
        let mut directories = vec![PathBuf::new()];
        for part in *place {
            directories = directories
                .into_iter()
                .flat_map(|directory| match *part {
                    "*" => names(&root.join(&directory), |name| !name.contains('@'))
                        .into_iter()
                        .map(|name| directory.join(name))
                        .collect(),
                    part => vec![directory.join(part)],
                })
                .collect();
        }
        for directory in directories {
            let jars = names(&root.join(&directory), |name| name.ends_with(".jar"));
            found.extend(jars.into_iter().map(|name| directory.join(name)));
        }
    }
    // The same directory under two names would contradict nobody, and cost twice.
    let mut real = BTreeSet::new();
    found.into_iter().filter(|jar| real.insert(root.join(jar).canonicalize().unwrap_or_else(|_| jar.clone()))).collect()
}

/// Names in a directory. One module stands twice in /apex: under its name, and under its name, `@` and its version.
fn names(directory: &Path, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| wanted(name)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use zip::CompressionMethod;

    use super::super::dex::tests::stub;
    use super::super::jar::tests::write;
    use super::*;

    const LOCATION: &str = "android.location.ILocationManager";

    fn jar(root: &Path, path: &str, methods: &[(&str, u8)]) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let dex = stub("android/location/ILocationManager", methods);
        write(&path, CompressionMethod::Stored, &[("classes.dex", &dex)]);
    }

    fn methods(tables: &DeviceTables) -> Vec<(u32, &str)> {
        let table = tables.interfaces.get(LOCATION);
        table.into_iter().flat_map(|table| &table.methods).map(|(code, name)| (*code, name.as_str())).collect()
    }

    #[test]
    fn jars_of_the_framework_and_of_modules_are_read_once_and_then_cached() {
        let (root, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        jar(root.path(), "system/framework/framework.jar", &[("getLastLocation", 7)]);
        jar(root.path(), "apex/com.android.x/javalib/a.jar", &[("getLastLocation", 7)]);
        jar(root.path(), "apex/com.android.x@1/javalib/a.jar", &[("wrong", 7)]);
        jar(root.path(), "vendor/framework/b.jar", &[("wrong", 7)]);
        let cache = Cache::at(Some(cache.path().join("methods")));
        // The two have the same content, so that the second is known even the first time.
        for cached in [1, 2] {
            let tables = read(root.path(), &cache);
            assert_eq!(methods(&tables), [(7, "getLastLocation")]);
            assert_eq!((tables.jars, tables.cached, tables.problems.as_slice()), (2, cached, &[][..]));
            let origin = &tables.interfaces[LOCATION].origin;
            assert!(origin.starts_with("/apex/com.android.x/javalib/a.jar sha256:") && origin.len() == 105, "{origin}");
        }
        // Same size, perhaps the same time: the content counts.
        jar(root.path(), "apex/com.android.x/javalib/a.jar", &[("getlastLocation", 7)]);
        jar(root.path(), "system/framework/framework.jar", &[("getlastLocation", 7)]);
        assert_eq!(methods(&read(root.path(), &cache)), [(7, "getlastLocation")]);
    }

    #[test]
    fn jars_that_contradict_each_other_name_nothing() {
        let root = tempfile::tempdir().unwrap();
        jar(root.path(), "system/framework/framework.jar", &[("getLastLocation", 1), ("same", 2)]);
        jar(root.path(), "system_ext/framework/other.jar", &[("somethingElse", 1), ("same", 2)]);
        let tables = read(root.path(), &Cache::at(None));
        assert_eq!(methods(&tables), [(2, "same")]);
        assert!(
            tables.problems[0].starts_with("android.location.ILocationManager differs between"),
            "{:?}",
            tables.problems
        );
    }

    #[test]
    fn the_boot_class_path_decides_between_jars() {
        let root = tempfile::tempdir().unwrap();
        jar(root.path(), "system/framework/framework.jar", &[("getLastLocation", 1)]);
        jar(root.path(), "system/framework/aaa.jar", &[("somethingElse", 1)]);
        fs::create_dir_all(root.path().join("data/system/environ")).unwrap();
        let text =
            "export BOOTCLASSPATH /apex/absent.jar:/system/framework/framework.jar\nexport DEX2OATBOOTCLASSPATH /x\n";
        fs::write(root.path().join(CLASSPATHS), text).unwrap();
        let tables = read(root.path(), &Cache::at(None));
        assert_eq!(methods(&tables), [(1, "getLastLocation")]);
        assert_eq!((tables.jars, tables.problems.len()), (2, 0));
    }

    #[test]
    fn a_damaged_jar_is_told_and_the_others_are_read() {
        let root = tempfile::tempdir().unwrap();
        jar(root.path(), "system/framework/framework.jar", &[("getLastLocation", 1)]);
        fs::write(root.path().join("system/framework/broken.jar"), "PK").unwrap();
        let tables = read(root.path(), &Cache::at(None));
        assert_eq!(methods(&tables), [(1, "getLastLocation")]);
        assert!(tables.problems[0].contains("system/framework/broken.jar is no zip file"), "{:?}", tables.problems);
    }

    #[test]
    fn a_system_without_a_framework_has_no_tables() {
        let root = tempfile::tempdir().unwrap();
        let tables = read(root.path(), &Cache::at(None));
        assert_eq!((tables.interfaces.len(), tables.jars, tables.problems.len()), (0, 0, 0));
    }
}
