//! Which terms a recording is held against.

use std::collections::{BTreeMap, BTreeSet};

use crate::host::toml_source::{self, Diagnostics, SourceFile, TableReader};

/// The ending of recordings.
const RECORDING: &str = ".candor";
/// The ending of terms.
const TERMS: &str = ".toml";

/// One recording of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    recording: String,
    terms: Option<String>,
}

/// What a file says about the recordings of a review: who operates which app, and the terms of recordings whose names do
/// not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    entries: Vec<Entry>,
    /// Package, or the beginning of packages up to a dot, to operator.
    operators: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// Every problem, with its line.
    pub fn parse(source: &SourceFile) -> Result<Self, Diagnostics> {
        let mut problems = Diagnostics::default();
        let document = toml_source::parse(source, &mut problems);
        let mut file = TableReader::new(source, document.get_ref(), 0..0, "the file");
        let mut manifest = Self::default();
        for mut table in file.tables("recording", "[[recording]]", &mut problems) {
            let name = table.required_string("file", &mut problems);
            let terms = table.string("terms", &mut problems);
            table.finish(&mut problems);
            let Some(name) = name else { continue };
            if manifest.entries.iter().any(|entry| entry.recording == name.value) {
                problems.error(source, &name.span, format!("\"{}\" occurs twice", name.value), None);
            }
            manifest.entries.push(Entry { recording: name.value, terms: terms.map(|terms| terms.value) });
        }
        for mut table in file.tables("operator", "[[operator]]", &mut problems) {
            let name = table.required_string("name", &mut problems);
            let packages = table.required_strings("packages", &mut problems);
            table.finish(&mut problems);
            let Some(name) = name else { continue };
            for package in packages {
                if manifest.operators.insert(package.value.clone(), name.value.clone()).is_some() {
                    problems.error(source, &package.span, format!("\"{}\" has two operators", package.value), None);
                }
            }
        }
        file.finish(&mut problems);
        problems.sort();
        if problems.has_errors() { Err(problems) } else { Ok(manifest) }
    }

    /// Who operates the app: by its package, else by the longest beginning that the manifest names.
    #[must_use]
    pub fn operator_of(&self, package: &str) -> Option<&str> {
        let mut wanted = package;
        loop {
            if let Some(found) = self.operators.get(wanted) {
                return Some(found);
            }
            wanted = wanted.rsplit_once('.')?.0;
        }
    }
}

/// A recording and its terms, as paths within the directory of the review.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The recording.
    pub recording: String,
    /// Its terms.
    pub terms: String,
}

/// A recording without terms, or an entry of the manifest without a recording.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unpaired {
    /// The recording.
    pub recording: String,
    /// Why, and the way out.
    pub reason: String,
}

/// Pairs recordings with terms, by the manifest first, else by name: `NAME.candor` and `NAME.SCENE.candor` belong to
/// `NAME.toml`, in the same folder or in one above it, the longest name and the nearest folder first.
#[must_use]
pub fn pair(files: &BTreeSet<String>, manifest: &Manifest) -> (Vec<Pair>, Vec<Unpaired>) {
    let (mut pairs, mut unpaired) = (Vec::new(), Vec::new());
    for entry in manifest.entries.iter().filter(|entry| !files.contains(&entry.recording)) {
        let reason = "the manifest names it, and there is no such file in the directory".to_owned();
        unpaired.push(Unpaired { recording: entry.recording.clone(), reason });
    }
    for recording in files.iter().filter(|file| file.ends_with(RECORDING)) {
        let named = manifest.entries.iter().find(|entry| entry.recording == *recording);
        let found = match named.and_then(|entry| entry.terms.as_ref()) {
            Some(terms) if files.contains(terms) => Ok(terms.clone()),
            Some(terms) => Err(format!("the manifest gives it the terms {terms}, and there is no such file")),
            None => by_name(recording, files).ok_or_else(|| {
                let stem = stem_of(recording);
                format!("no terms: add {stem}{TERMS}, or name its terms in a manifest")
            }),
        };
        match found {
            Ok(terms) => pairs.push(Pair { recording: recording.clone(), terms }),
            Err(reason) => unpaired.push(Unpaired { recording: recording.clone(), reason }),
        }
    }
    (pairs, unpaired)
}

fn stem_of(recording: &str) -> &str {
    let name = recording.rsplit('/').next().unwrap_or(recording);
    name.strip_suffix(RECORDING).unwrap_or(name)
}

fn by_name(recording: &str, files: &BTreeSet<String>) -> Option<String> {
    let mut folder = recording.rsplit_once('/').map_or("", |(folder, _)| folder);
    loop {
        let mut stem = stem_of(recording);
        loop {
            let wanted = if folder.is_empty() { format!("{stem}{TERMS}") } else { format!("{folder}/{stem}{TERMS}") };
            if files.contains(&wanted) {
                return Some(wanted);
            }
            match stem.rsplit_once('.') {
                Some((shorter, _)) => stem = shorter,
                None => break,
            }
        }
        if folder.is_empty() {
            return None;
        }
        folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_pair_from_the_most_exact_to_the_least() {
        let files = files(&[
            "a.candor",
            "a.toml",
            "a.background.candor",
            "b.background.candor",
            "b.background.toml",
            "b.toml",
            "deep/er/c.candor",
            "deep/c.toml",
            "deep/er/d.candor",
            "com.example.e.candor",
            "com.example.e.toml",
        ]);
        let (pairs, unpaired) = pair(&files, &Manifest::default());
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|pair| (pair.recording.as_str(), pair.terms.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("a.background.candor", "a.toml"),
                ("a.candor", "a.toml"),
                ("b.background.candor", "b.background.toml"),
                ("com.example.e.candor", "com.example.e.toml"),
                ("deep/er/c.candor", "deep/c.toml"),
            ]
        );
        assert_eq!(unpaired.len(), 1);
        assert!(unpaired[0].reason.starts_with("no terms: add d.toml"), "{}", unpaired[0].reason);
    }

    #[test]
    fn a_manifest_gives_terms_and_operators() {
        let text = r#"
            [[recording]]
            file = "run-17.candor"
            terms = "shop.toml"
            [[recording]]
            file = "gone.candor"
            [[operator]]
            name = "示例公司"
            packages = ["com.example", "org.example.one"]
        "#;
        let manifest = Manifest::parse(&SourceFile::new("manifest.toml", text)).unwrap();
        let (pairs, unpaired) = pair(&files(&["run-17.candor", "shop.toml"]), &manifest);
        assert_eq!(pairs, [Pair { recording: "run-17.candor".to_owned(), terms: "shop.toml".to_owned() }]);
        assert_eq!(unpaired[0].recording, "gone.candor");
        assert_eq!(manifest.operator_of("com.example.shop"), Some("示例公司"));
        assert_eq!(manifest.operator_of("com.examples"), None);
        assert_eq!(manifest.operator_of("org.example.two"), None);
    }

    #[test]
    fn mistakes_in_a_manifest_are_named() {
        let text = "[[recording]]\nfile = \"a\"\n[[recording]]\nfile = \"a\"\nterm = \"b\"\n";
        let said = Manifest::parse(&SourceFile::new("m.toml", text)).unwrap_err().to_string();
        assert!(said.contains("occurs twice") && said.contains("term"), "{said}");
    }
}
