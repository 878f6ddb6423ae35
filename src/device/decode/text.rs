//! Bytes that came from an app, made into text that is safe to print, compare and store.

use std::fmt::Write as _;

/// The bytes as text, one text for each byte string and one byte string for each text.
///
/// What is valid UTF-8 stays as it is, except control characters (they could forge lines or colours in a report) and the
/// backslash; these, and every byte that is not UTF-8, become `\xNN` with two lower-case hexadecimal digits. The backslash
/// is escaped too (`\x5c`), because otherwise two different files could have the same text.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    append_printable(&mut text, bytes);
    text
}

/// As [`printable`], at the end of `text`.
pub(crate) fn append_printable(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        if valid.bytes().all(|byte| matches!(byte, b' '..=b'[' | b']'..=b'~')) {
            text.push_str(valid);
        } else {
            for character in valid.chars() {
                if character.is_control() || character == '\\' {
                    let mut buffer = [0; 4];
                    append_escaped(text, character.encode_utf8(&mut buffer).as_bytes());
                } else {
                    text.push(character);
                }
            }
        }
        append_escaped(text, chunk.invalid());
    }
}

fn append_escaped(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

/// A host name as apps compare it: printable, lower case, without the final dot.
pub(crate) fn host_name(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b".").unwrap_or(bytes);
    let mut name = printable(bytes);
    name.make_ascii_lowercase();
    name
}

/// The bytes before the first NUL.
pub(crate) fn before_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn readable_text_stays() {
        assert_eq!(printable(b"photo 1 (copy).jpg"), "photo 1 (copy).jpg");
        assert_eq!(printable("照片.jpg".as_bytes()), "照片.jpg");
    }

    #[test]
    fn everything_else_is_escaped() {
        assert_eq!(printable(b"a\xffb\xc3"), "a\\xffb\\xc3");
        assert_eq!(printable(b"line\nline\x1b[31m"), "line\\x0aline\\x1b[31m");
        assert_eq!(printable("\u{85}".as_bytes()), "\\xc2\\x85", "C1 control characters act on terminals too");
        assert_eq!(printable(b"\\xff"), "\\x5cxff", "the name of four characters is not the byte ff");
    }

    #[test]
    fn host_names_are_lower_case_without_the_final_dot() {
        assert_eq!(host_name(b"Ads.Example.COM."), "ads.example.com");
        assert_eq!(host_name(b"a\r\nb"), "a\\x0d\\x0ab");
    }

    proptest! {
        #[test]
        fn different_bytes_have_different_texts(one: Vec<u8>, other: Vec<u8>) {
            prop_assert_eq!(one == other, printable(&one) == printable(&other));
            prop_assert!(!printable(&one).chars().any(char::is_control));
        }
    }
}
