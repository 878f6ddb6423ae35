//! From bytes to text: which encoding a document is in.

use std::borrow::Cow;

use encoding_rs::{Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};

use super::error::ImportError;

/// The largest document that is read. Real lists are below 2 MB; a page of this size is a program with pictures.
pub const LARGEST_DOCUMENT: usize = 20 << 20;

/// A document as text.
#[derive(Debug)]
pub(super) struct Decoded<'a> {
    /// Borrowed where the bytes are the text.
    pub(super) text: Cow<'a, str>,
    /// What people should know of how it was read.
    pub(super) notes: Vec<String>,
}

/// Decodes a document.
///
/// A byte order mark decides first; then whether the bytes are UTF-8, because a page that says it is GBK and is UTF-8 is
/// frequent and the other way round nearly impossible by chance; then what the page says; then GB 18030, which GBK and
/// GB 2312 are parts of.
pub(super) fn decode<'a>(file: &str, bytes: &'a [u8]) -> Result<Decoded<'a>, ImportError> {
    if bytes.len() > LARGEST_DOCUMENT {
        return Err(ImportError::TooLarge { file: file.to_owned(), limit: LARGEST_DOCUMENT });
    }
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        let body = bytes.get(length..).unwrap_or_default();
        let (text, damaged) = encoding.decode_without_bom_handling(body);
        let notes = if damaged { vec![damage(encoding.name(), &text)] } else { Vec::new() };
        return Ok(Decoded { text, notes });
    }
    if let Some(hint) = binary(bytes) {
        return Err(ImportError::NotText { file: file.to_owned(), offset: 0, hint });
    }
    let failed = match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => return Ok(Decoded { text: Cow::Borrowed(text), notes: Vec::new() }),
        Ok(_) => bytes.iter().position(|byte| *byte == 0).unwrap_or(0),
        Err(error) => error.valid_up_to(),
    };
    let nulls = |parity: usize| bytes.iter().skip(parity).step_by(2).take(200).filter(|byte| **byte == 0).count();
    for (encoding, parity) in [(UTF_16LE, 1), (UTF_16BE, 0)] {
        if bytes.len() >= 8 && nulls(parity) * 3 > bytes.len().min(400) / 2 {
            let (text, damaged) = encoding.decode_without_bom_handling(bytes);
            let is_text = !text.chars().any(|character| character.is_control() && !character.is_whitespace());
            if !damaged && is_text {
                let notes = vec![format!("read as {}", encoding.name())];
                return Ok(Decoded { text, notes });
            }
        }
    }
    let mixed = is_mixed(bytes);
    let declared = declared_encoding(bytes).filter(|encoding| *encoding != UTF_8);
    for encoding in declared.into_iter().chain([GB18030]) {
        let (text, damaged) = encoding.decode_without_bom_handling(bytes);
        if !damaged && !mixed && !text.contains('\0') {
            let notes = vec![format!("read as {}", encoding.name())];
            return Ok(Decoded { text, notes });
        }
    }
    // Neither fits from end to end: two encodings in one file. Each line is read by itself, and where that is neither,
    // what stands between its tags.
    if bytes.iter().filter(|byte| **byte == 0).count() * 100 > bytes.len() {
        return Err(ImportError::NotText { file: file.to_owned(), offset: failed, hint: SAVE_AS_TEXT.to_owned() });
    }
    let mut text = String::new();
    let mut unreadable = 0_usize;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match std::str::from_utf8(line) {
            Ok(line) => text.push_str(line),
            Err(_) => unreadable += usize::from(mixed_line(line, &mut text)),
        }
    }
    let lines = bytes.split(|byte| *byte == b'\n').count();
    if unreadable * 4 > lines {
        return Err(ImportError::NotText { file: file.to_owned(), offset: failed, hint: SAVE_AS_TEXT.to_owned() });
    }
    let mut notes = vec!["UTF-8 and GBK are mixed: each line was read by itself".to_owned()];
    if unreadable > 0 {
        notes.push(damage("UTF-8 and GBK", &text));
    }
    Ok(Decoded { text: Cow::Owned(text), notes })
}

/// Reads a line that is no UTF-8 from end to end; says whether something in it is damaged. `<` and `>` are part of no
/// other character in either encoding.
fn mixed_line(line: &[u8], text: &mut String) -> bool {
    let mut damaged = false;
    for piece in line.split_inclusive(|byte| matches!(byte, b'<' | b'>')) {
        // Short words in GBK can be UTF-8 by chance, but hardly ever with characters of three bytes.
        let is_utf8 = |text: &&str| text.is_ascii() || text.chars().any(|character| character >= '\u{800}');
        if let Some(piece) = std::str::from_utf8(piece).ok().filter(is_utf8) {
            text.push_str(piece);
            continue;
        }
        let (decoded, not_gbk) = GB18030.decode_without_bom_handling(piece);
        damaged |= not_gbk;
        text.push_str(&decoded);
    }
    damaged
}

/// Whether a good part of the lines is UTF-8, and others are not. UTF-8 nearly always decodes as GB 18030 too, into
/// nonsense; the other way round it happens to single short words only.
fn is_mixed(bytes: &[u8]) -> bool {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_ascii());
    let (mut utf8, mut all) = (0_usize, 0_usize);
    for line in lines {
        all += 1;
        utf8 += usize::from(std::str::from_utf8(line).is_ok());
    }
    utf8 * 5 > all
}

fn damage(encoding: &str, text: &str) -> String {
    let line = text.lines().position(|line| line.contains('\u{fffd}')).map_or(0, |index| index + 1);
    let count = text.chars().filter(|character| *character == '\u{fffd}').count();
    format!("{count} places are no {encoding}, the first in line {line}; they are shown as \u{fffd}")
}

/// The way out for what is text to nobody.
const SAVE_AS_TEXT: &str = ": save the document as text or HTML in UTF-8";

/// What a file begins with that is no text.
fn binary(bytes: &[u8]) -> Option<String> {
    const KINDS: &[(&[u8], &str)] = &[
        (b"PK\x03\x04", "; it looks like a ZIP archive or an Office document: save it as HTML or text"),
        (b"%PDF", "; it is a PDF document: save it as HTML or text"),
        (b"\x89PNG", "; it is a picture: give the text that it shows"),
        (b"\xff\xd8\xff", "; it is a picture: give the text that it shows"),
        (b"\x1f\x8b", "; it is compressed: unpack it first"),
        (b"\xd0\xcf\x11\xe0", "; it is an old Office document: save it as HTML or text"),
        (b"\x7fELF", "; it is a program: for an app, give the APK to `candor terms import apk`"),
    ];
    KINDS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, hint)| (*hint).to_owned())
}

/// What the page says of itself, in its first kilobytes.
fn declared_encoding(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..bytes.len().min(4096))?.to_ascii_lowercase();
    let at = head.windows(7).position(|window| window == b"charset")?;
    let rest = head.get(at + 7..)?;
    let label: Vec<u8> = rest
        .iter()
        .copied()
        .skip_while(|byte| matches!(byte, b'=' | b'"' | b'\'' | b' '))
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        .collect();
    Encoding::for_label(&label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_gbk_and_utf16_give_the_same_text() {
        let text = "<meta charset=\"gbk\"><p>设备信息：Android ID、剪贴板</p>";
        let gbk = GB18030.encode(text).0.into_owned();
        let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let bom: Vec<u8> = [0xef, 0xbb, 0xbf].iter().chain(text.as_bytes()).copied().collect();
        for bytes in [text.as_bytes(), &gbk, &utf16, &bom] {
            assert_eq!(decode("x", bytes).unwrap().text, text);
        }
    }

    #[test]
    fn mixed_encodings_are_read_line_by_line_and_told() {
        let mut bytes = "<p>设备信息</p>\n".as_bytes().to_vec();
        bytes.extend_from_slice(&GB18030.encode("<p>剪贴板</p>\n").0);
        bytes.extend_from_slice("<p>应用列表</p>\n".as_bytes());
        let decoded = decode("x", &bytes).unwrap();
        assert!(decoded.text.contains("剪贴板") && decoded.text.contains("应用列表"), "{}", decoded.text);
        assert!(decoded.notes[0].contains("mixed"));
        // Both in one line, which is common where a template in one encoding takes in names in the other.
        let mut bytes = "<p>甲</p>\n<td>友盟</td><td>".as_bytes().to_vec();
        bytes.extend_from_slice(&GB18030.encode("位置信息").0);
        bytes.extend_from_slice("</td>\n<p>应用列表</p>\n".as_bytes());
        let decoded = decode("x", &bytes).unwrap();
        assert_eq!(decoded.text, "<p>甲</p>\n<td>友盟</td><td>位置信息</td>\n<p>应用列表</p>\n");
    }

    #[test]
    fn what_is_no_text_is_refused_by_name() {
        let error = |bytes: &[u8]| decode("a.bin", bytes).unwrap_err().to_string();
        assert!(error(b"PK\x03\x04zzzz").contains("a.bin") && error(b"PK\x03\x04zzzz").contains("ZIP"));
        assert!(error(b"%PDF-1.7").contains("PDF"));
        let unknown = error(&[0, 1, 2, 0xff, 0, 3, 0x81, 0]);
        assert!(unknown.contains("begins no text") && unknown.contains("save the document as text"), "{unknown}");
        assert!(matches!(decode("x", &vec![b'a'; LARGEST_DOCUMENT + 1]), Err(ImportError::TooLarge { .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = decode("x", &bytes);
        }
    }
}
