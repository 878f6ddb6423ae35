//! What an app's package says of the app: the manifest in an APK, a compiled manifest by itself, or one in text.
//!
//! Nothing is unpacked into files. A permission tells what may be accessed and becomes no statement of collection.

mod binary_xml;
mod chunks;
mod element;
mod manifest;
mod resources;
mod signers;
#[cfg(test)]
mod tests;
mod text_xml;

use std::io::{Read, Seek, SeekFrom};

use zip::ZipArchive;

use self::element::Element;
use self::manifest::{Asked, Reader, Said};
use self::resources::Resources;
use super::error::ImportError;
use super::{Imported, text};
use crate::host::declared_terms::{
    Confidence, Manifest, MayAccess, NotUnderstood, NotUnderstoodReason, Origin, Provenance,
};
use crate::host::ontology::Ontology;

const MANIFEST: &str = "AndroidManifest.xml";
const RESOURCES: &str = "resources.arsc";

/// The largest manifest that is read, unpacked. Large apps have some hundred kilobytes.
const LARGEST_MANIFEST: u64 = 16 << 20;
/// The largest table of resources that is read, unpacked.
const LARGEST_RESOURCES: u64 = 256 << 20;
/// The largest signature of the first scheme.
const LARGEST_SIGNATURE: u64 = 1 << 20;
/// An archive has at most so many entries. Large apps have some ten thousand.
const MOST_ENTRIES: usize = 500_000;
/// At most so many entries with bad names are told one by one.
const MOST_BAD_NAMES: usize = 20;

/// What was found in the file, before it is read as a manifest.
#[derive(Default)]
struct Found {
    /// How places in the manifest are called.
    entry: &'static str,
    signers: Vec<String>,
    notes: Vec<String>,
    /// The place, and what is wrong there.
    left: Vec<(String, String)>,
}

/// Reads an APK, or a manifest by itself.
///
/// `package` is the package that the terms are to be of.
///
/// # Errors
///
/// When there is no manifest that can be read, or it is of another package.
pub fn apk<R: Read + Seek>(
    file: &str,
    mut reader: R,
    ontology: &Ontology,
    package: Option<&str>,
) -> Result<Imported, ImportError> {
    let cannot_read = |error: std::io::Error| bad(file, "the beginning", &error.to_string());
    let mut magic = Vec::new();
    (&mut reader).take(4).read_to_end(&mut magic).map_err(cannot_read)?;
    reader.seek(SeekFrom::Start(0)).map_err(cannot_read)?;
    if magic.starts_with(b"PK") {
        return archive(file, reader, ontology, package);
    }
    let bytes = limited(&mut reader, LARGEST_MANIFEST).map_err(|what| bad(file, MANIFEST, &what))?;
    let found = Found { entry: "the manifest", ..Found::default() };
    let root = if magic.as_slice() == [3, 0, 8, 0] {
        binary_xml::read(&bytes).map_err(|damage| {
            bad(file, &format!("byte {}", damage.offset), &format!("{}; {FETCH_AGAIN}", damage.what))
        })?
    } else {
        let decoded = text::decode(file, &bytes)?;
        if !decoded.text.contains("<manifest") {
            let what = "neither an APK nor an AndroidManifest.xml: it has no <manifest>";
            return Err(bad(file, "the whole file", what));
        }
        let not_xml = |(line, what): (u32, String)| bad(file, &format!("line {line}"), &format!("not XML: {what}"));
        text_xml::read(&decoded.text).map_err(not_xml)?
    };
    manifest(file, &root, None, found, ontology, package)
}

/// The way out when a file is damaged or cut off.
const FETCH_AGAIN: &str = "copy the file from the device or the store again";

fn bad(file: &str, at: &str, what: &str) -> ImportError {
    ImportError::BadPackage { file: file.to_owned(), at: at.to_owned(), what: what.to_owned() }
}

/// All that is there, unless that is more than `limit`.
fn limited(reader: impl Read, limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = reader.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be unpacked: {error}"))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(format!(
            "has more than the {limit} bytes that are read: it is damaged, or made to fill the memory"
        ));
    }
    Ok(bytes)
}

/// An entry of the archive; `None` when there is none of this name.
fn entry<R: Read + Seek>(archive: &mut ZipArchive<R>, name: &str, limit: u64) -> Option<Result<Vec<u8>, String>> {
    match archive.by_name(name) {
        Ok(entry) => Some(limited(entry, limit)),
        Err(zip::result::ZipError::FileNotFound) => None,
        Err(error) => Some(Err(format!("cannot be unpacked: {error}"))),
    }
}

fn archive<R: Read + Seek>(
    file: &str,
    reader: R,
    ontology: &Ontology,
    package: Option<&str>,
) -> Result<Imported, ImportError> {
    let mut reader = reader;
    let not_apk =
        |error: zip::result::ZipError| bad(file, "the archive", &format!("not an APK: {error}; {FETCH_AGAIN}"));
    let directory = ZipArchive::new(&mut reader).map_err(not_apk)?.central_directory_start();
    let block = signers::block(&mut reader, directory);
    let mut archive = ZipArchive::new(reader).map_err(not_apk)?;
    if archive.len() > MOST_ENTRIES {
        let what = format!("it has {} entries, more than the {MOST_ENTRIES} that are looked at", archive.len());
        return Err(bad(file, "the archive", &what));
    }
    let mut found = Found { entry: MANIFEST, ..Found::default() };
    let mut names: Vec<String> = Vec::new();
    for name in archive.file_names() {
        match name {
            Ok(name) => names.push(name.into_owned()),
            Err(error) => {
                found.left.push(("the archive".to_owned(), format!("an entry has a name that is none: {error}")))
            }
        }
    }
    let leads_out = |name: &&String| {
        name.starts_with(['/', '\\']) || name.contains('\0') || name.split(['/', '\\']).any(|part| part == "..")
    };
    for name in names.iter().filter(leads_out).take(MOST_BAD_NAMES) {
        let what = "the name leads out of the archive; nothing is unpacked, and no sound APK has such an entry";
        found.left.push((format!("entry {name:?}"), what.to_owned()));
    }
    let bytes = match entry(&mut archive, MANIFEST, LARGEST_MANIFEST) {
        Some(bytes) => bytes.map_err(|what| bad(file, MANIFEST, &what))?,
        None => return Err(bad(file, "the archive", &no_manifest(&names))),
    };
    if std::str::from_utf8(&bytes).is_ok_and(|text| text.contains("<manifest")) {
        let what = "it is not compiled, so that no device takes this APK: unpack it, and import the manifest by itself, \
                    or build the app";
        return Err(bad(file, MANIFEST, what));
    }
    let root = binary_xml::read(&bytes).map_err(|damage| {
        bad(file, &format!("{MANIFEST}, byte {}", damage.offset), &format!("{}; {FETCH_AGAIN}", damage.what))
    })?;
    let table = match entry(&mut archive, RESOURCES, LARGEST_RESOURCES) {
        Some(Ok(bytes)) => Some(bytes),
        Some(Err(what)) => {
            found.left.push((RESOURCES.to_owned(), what));
            None
        }
        None => None,
    };
    let resources = table.as_deref().map(Resources::read).transpose();
    let resources = resources.unwrap_or_else(|damage| {
        found.left.push((format!("{RESOURCES}, byte {}", damage.offset), damage.what));
        None
    });
    sign(block, &mut archive, &names, &mut found);
    manifest(file, &root, resources, found, ontology, package)
}

/// What else an archive without a manifest can be.
fn no_manifest(names: &[String]) -> String {
    let has = |wanted: &dyn Fn(&str) -> bool| names.iter().any(|name| wanted(name));
    if has(&|name| name == "base/manifest/AndroidManifest.xml") {
        return "an app bundle, from which stores make APKs: make one with bundletool, and import that".to_owned();
    }
    if has(&|name| name.ends_with(".apk")) {
        return "an archive of APKs: unpack it, and import base.apk".to_owned();
    }
    format!("not an APK: it has no {MANIFEST}")
}

/// The signers, by the newest scheme that is there, as a device takes it.
fn sign<R: Read + Seek>(
    block: Result<Option<Vec<u8>>, String>,
    archive: &mut ZipArchive<R>,
    names: &[String],
    found: &mut Found,
) {
    let mut schemes = Vec::new();
    match block.and_then(|block| block.as_deref().map_or_else(|| Ok(Vec::new()), signers::in_block)) {
        Ok(signers) => schemes.extend(signers),
        Err(what) => found.left.push(("the signing block".to_owned(), what)),
    }
    let mut first = Vec::new();
    for name in names {
        let upper = name.to_ascii_uppercase();
        let is_signature = upper.strip_prefix("META-INF/").is_some_and(|rest| !rest.contains('/'))
            && [".RSA", ".DSA", ".EC"].iter().any(|end| upper.ends_with(end));
        if !is_signature {
            continue;
        }
        let Some(bytes) = entry(archive, name, LARGEST_SIGNATURE) else { continue };
        match bytes.and_then(|bytes| signers::in_signature_file(&bytes)) {
            Ok(signers) => first.extend(signers.into_iter().filter(|signer| !signer.is_empty())),
            Err(what) => found.left.push((name.clone(), what)),
        }
    }
    if !first.is_empty() {
        schemes.push(signers::Signers { scheme: "v1", certificates: first });
    }
    let Some(newest) = schemes.first() else {
        found.notes.push("the APK is not signed".to_owned());
        return;
    };
    found.signers.clone_from(&newest.certificates);
    found.signers.dedup();
    let all: Vec<&str> = schemes.iter().map(|signers| signers.scheme).collect();
    found.notes.push(format!(
        "signed by scheme {}; the certificates are those of {}, and the signature itself was not verified",
        all.join(", "),
        newest.scheme
    ));
}

fn manifest(
    file: &str,
    root: &Element,
    resources: Option<Resources<'_>>,
    found: Found,
    ontology: &Ontology,
    package: Option<&str>,
) -> Result<Imported, ImportError> {
    let Found { entry, signers, mut notes, left } = found;
    if root.name != "manifest" {
        let what = format!("its first element is <{}>, not <manifest>", root.name);
        return Err(bad(file, &format!("{entry}, line {}", root.line), &what));
    }
    let mut reader = Reader { resources, said: Said::default() };
    reader.manifest(root);
    let said = reader.said;
    if let (Some(named), Some(wanted)) = (&said.package, package)
        && named != wanted
    {
        let (found, wanted) = (named.clone(), wanted.to_owned());
        let at = format!("{entry}, line {}", root.line);
        return Err(ImportError::OtherPackage { file: file.to_owned(), at, found, wanted });
    }
    let place = |line: u32, wording: String| Provenance {
        file: file.to_owned(),
        line: 1,
        origin: Some(Box::new(Origin {
            file: file.to_owned(),
            at: format!("{entry}, line {line}"),
            line: Some(line.max(1)),
            wording,
            confidence: Confidence::Structured,
        })),
    };
    let mut may_access: Vec<MayAccess> = said
        .permissions
        .iter()
        .map(|asked| MayAccess {
            permission: asked.name.clone(),
            data_types: opened(asked, said.min_sdk, ontology),
            max_sdk: asked.max_sdk,
            place: place(asked.line, format!("<{}> {}", asked.element, asked.name)),
        })
        .collect();
    for (component, line) in &said.components {
        for permission in &component.permissions {
            let Some(known) = ontology.permissions.find(permission).filter(|known| known.of_component) else {
                continue;
            };
            may_access.push(MayAccess {
                permission: permission.clone(),
                data_types: known.opens(said.min_sdk),
                max_sdk: None,
                place: place(*line, format!("<{}> {} demands {permission}", component.kind.as_str(), component.name)),
            });
        }
    }
    if let Some(split) = &said.split {
        notes
            .push(format!("this is the part {split:?} of an app that comes in parts: base.apk has the whole manifest"));
    }
    notes.push(
        "a manifest tells what may be accessed and declares no collection: merge it with the terms, so that both are seen"
            .to_owned(),
    );
    let not_understood = |at: String, wording: String| NotUnderstood {
        file: file.to_owned(),
        at,
        line: None,
        wording,
        reason: NotUnderstoodReason::Damaged,
    };
    let left = left.into_iter().map(|(at, what)| not_understood(at, what));
    let lines = said.left.into_iter().map(|(line, what)| not_understood(format!("{entry}, line {line}"), what));
    Ok(Imported {
        file: file.to_owned(),
        package: said.package.clone(),
        name: said.label,
        version: said.version,
        statements: Vec::new(),
        not_understood: left.chain(lines).collect(),
        may_access,
        manifest: Some(Manifest {
            version_code: said.version_code,
            min_sdk: said.min_sdk,
            target_sdk: said.target_sdk,
            signers,
            queries: said.queries,
            components: said.components.into_iter().map(|(component, _)| component).collect(),
            place: place(root.line, format!("<manifest> {}", said.package.unwrap_or_default()).trim().to_owned()),
        }),
        notes,
    })
}

/// What a permission that is asked for opens.
fn opened(asked: &Asked, min_sdk: Option<u32>, ontology: &Ontology) -> Vec<crate::host::ontology::TypeId> {
    let Some(known) = ontology.permissions.find(&asked.name).filter(|known| !known.of_component) else {
        return Vec::new();
    };
    let mut types = known.opens(min_sdk);
    if asked.never_for_location
        && let Some(location) = ontology.data_types.find("location")
    {
        types.retain(|id| !ontology.data_types.covers(location, *id));
    }
    types
}
