//! Who signed an APK: the digests of the certificates, as they stand there. Whether the signature is right is not looked at.

use std::fmt::Write as _;
use std::io::{Read, Seek, SeekFrom};

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader};
use sha2::{Digest, Sha256};

/// A scheme of signing that was found, and the SHA-256 digest of the first certificate of each signer, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signers {
    pub(super) scheme: &'static str,
    pub(super) certificates: Vec<String>,
}

/// The schemes whose block holds certificates, newest first, by the id of the block.
const SCHEMES: &[(u32, &str)] = &[(0x1b93_ad61, "v3.1"), (0xf053_68c0, "v3"), (0x7109_871a, "v2")];
const MAGIC: &[u8] = b"APK Sig Block 42";
/// A block is below a hundred kilobytes; some tools put data of theirs into it.
const LARGEST_BLOCK: u64 = 16 << 20;

pub(super) fn digest(certificate: &[u8]) -> String {
    Sha256::digest(certificate).iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The signing block, which ends where the directory of the archive begins; `None` when there is none.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn block(reader: &mut (impl Read + Seek), directory: u64) -> Result<Option<Vec<u8>>, String> {
    let failed = |error: std::io::Error| format!("the signing block cannot be read: {error}");
    let Some(foot) = directory.checked_sub(24) else { return Ok(None) };
    let mut bytes = [0_u8; 24];
    reader.seek(SeekFrom::Start(foot)).and_then(|_| reader.read_exact(&mut bytes)).map_err(failed)?;
    let (size, magic) = bytes.split_at(8);
    if magic != MAGIC {
        return Ok(None);
    }
    let size = size.try_into().map(u64::from_le_bytes).unwrap_or_default();
    let start = directory.checked_sub(size).filter(|_| (24..=LARGEST_BLOCK).contains(&size));
    let start = start.ok_or_else(|| format!("the signing block says it has {size} bytes"))?;
    let mut block = Vec::new();
    reader.seek(SeekFrom::Start(start)).map_err(failed)?;
    reader.take(size - 24).read_to_end(&mut block).map_err(failed)?;
    Ok(Some(block))
}

/// Takes a part whose length stands before it off the front.
fn part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (part, rest) = (rest.get(..length)?, rest.get(length..)?);
    *bytes = rest;
    Some(part)
}

/// The signers in a signing block, newest scheme first.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn in_block(block: &[u8]) -> Result<Vec<Signers>, String> {
    let mut found = Vec::new();
    let mut rest = block;
    while let Some((length, after)) = rest.split_first_chunk::<8>() {
        let pair = usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|length| after.split_at_checked(length));
        let Some((pair, next)) = pair else {
            return Err("a part of the signing block is longer than the block".to_owned());
        };
        rest = next;
        let Some((id, value)) = pair.split_first_chunk::<4>() else { continue };
        let id = u32::from_le_bytes(*id);
        if let Some((_, scheme)) = SCHEMES.iter().find(|scheme| scheme.0 == id) {
            let certificates =
                certificates(value).ok_or_else(|| format!("the signature of scheme {scheme} is malformed"))?;
            found.push(Signers { scheme, certificates });
        }
    }
    found.sort_by_key(|signers| SCHEMES.iter().position(|scheme| scheme.1 == signers.scheme));
    Ok(found)
}

fn certificates(mut value: &[u8]) -> Option<Vec<String>> {
    let mut signers = part(&mut value)?;
    let mut found = Vec::new();
    while !signers.is_empty() {
        let mut signer = part(&mut signers)?;
        let mut signed = part(&mut signer)?;
        // Digests of the contents come first, then certificates, the signer's own first.
        part(&mut signed)?;
        let mut certificates = part(&mut signed)?;
        found.push(digest(part(&mut certificates)?));
    }
    (!found.is_empty()).then_some(found)
}

/// The signers in a signature of the first scheme, a file such as `META-INF/CERT.RSA`: the certificates that its signers
/// name by issuer and number.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn in_signature_file(bytes: &[u8]) -> Result<Vec<String>, String> {
    v1(bytes).map_err(|error| format!("no signature that can be read: {error}"))
}

/// The elements of a sequence or set, each with its tag and length.
fn elements(content: &[u8]) -> der::Result<Vec<&[u8]>> {
    let mut reader = SliceReader::new(content)?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(reader.tlv_bytes()?);
    }
    Ok(found)
}

/// The contents of the element at `index`, without its tag and length.
fn inside<'a>(elements: &[&'a [u8]], index: usize) -> der::Result<&'a [u8]> {
    let element = elements.get(index).copied().unwrap_or_default();
    AnyRef::from_der(element).map(AnyRef::value)
}

/// The tag of an element that may be left out.
fn tag(element: &[u8]) -> u8 {
    element.first().copied().unwrap_or_default()
}

fn v1(bytes: &[u8]) -> der::Result<Vec<String>> {
    // ContentInfo: type, [0] SignedData: version, algorithms, content, [0] certificates, [1] revocations, signers.
    let outer = elements(AnyRef::from_der(bytes)?.value())?;
    let wrapped = elements(inside(&outer, 1)?)?;
    let signed = elements(inside(&wrapped, 0)?)?;
    let certificates = signed.iter().position(|element| tag(element) == 0xa0);
    let certificates = elements(inside(&signed, certificates.unwrap_or(usize::MAX))?)?;
    let signers = elements(inside(&signed, signed.len().wrapping_sub(1))?)?;
    let mut found = Vec::new();
    for index in 0..signers.len() {
        // SignerInfo: version, issuer and number, ...
        let signer = elements(inside(&signers, index)?)?;
        let named = elements(inside(&signer, 1)?)?;
        for certificate in &certificates {
            // Certificate: what is signed: [0] version, number, algorithm, issuer, ...
            let parts = elements(AnyRef::from_der(certificate)?.value())?;
            let fields = elements(inside(&parts, 0)?)?;
            let skip = usize::from(fields.first().is_some_and(|field| tag(field) == 0xa0));
            let is_named = fields.get(skip) == named.get(1) && fields.get(skip + 2) == named.first();
            if is_named && !named.is_empty() {
                found.push(digest(certificate));
            }
        }
    }
    Ok(found)
}
