//! The bearer token.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The shortest token that is taken. Shorter ones can be guessed.
pub(super) const SHORTEST_TOKEN: usize = 32;

/// A secret that clients must show. Only its digest is kept, so that a dump of our memory does not give it away, and so
/// that comparing takes the same time whatever was sent: neither its length nor how much of it is right can be measured.
#[derive(Clone)]
pub(super) struct Token(Digest);

type Digest = [u8; 32];

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(not shown)")
    }
}

impl Token {
    /// From the text of its file; `None` when it is too short or has characters that no header can carry.
    pub(super) fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = text.len() >= SHORTEST_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(digest(text.as_bytes())))
    }

    /// Whether this is what was sent.
    pub(super) fn is(&self, sent: &[u8]) -> bool {
        self.0.ct_eq(&digest(sent)).into()
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// What follows `Bearer ` in a header; the scheme's case does not matter (RFC 7235).
pub(super) fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, sent) = header.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| sent.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn only_the_token_itself_is_right() {
        let token = Token::new(&format!("{TEXT}\n")).unwrap();
        assert!(token.is(TEXT.as_bytes()));
        for wrong in ["", "0", "0123456789abcdef0123456789abcdee", "0123456789abcdef0123456789abcdef0"] {
            assert!(!token.is(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "Token(not shown)");
    }

    #[test]
    fn short_and_unsendable_tokens_are_none() {
        for text in ["", "secret", &TEXT[1..], "0123456789abcdef 0123456789abcdef", "ö123456789abcdef0123456789abcdef0"]
        {
            assert!(Token::new(text).is_none(), "{text}");
        }
    }

    #[test]
    fn headers() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        for other in [&b""[..], b"Bearer", b"Basic abc", b"abc"] {
            assert_eq!(bearer(other), None);
        }
    }
}
