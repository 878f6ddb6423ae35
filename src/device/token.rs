//! Secrets that clients show.
//!
//! * **In:** a secret. **Out:** whether what was sent is it.
//! * **May import:** `sha2`, `subtle`, and the system's random numbers.
//! * **Test it:** `cargo test device::token`.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The shortest token that is taken. Shorter ones can be guessed.
pub const SHORTEST_TOKEN: usize = 32;

/// A secret that clients must show. Only its digest is kept, so that a dump of our memory does not give it away, and so
/// that comparing takes the same time whatever was sent: neither its length nor how much of it is right can be measured.
#[derive(Clone)]
pub struct Token(Digest);

type Digest = [u8; 32];

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(not shown)")
    }
}

impl Token {
    /// From the text of its file; `None` when it is too short or has characters that no header can carry.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = text.len() >= SHORTEST_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(digest(text.as_bytes())))
    }

    /// A new one, with its text, of 256 random bits.
    ///
    /// # Errors
    ///
    /// When the system gives no random numbers.
    pub fn random() -> io::Result<(Self, String)> {
        let mut bytes = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((Self(digest(text.as_bytes())), text))
    }

    /// Whether this is what was sent.
    #[must_use]
    pub fn is(&self, sent: &[u8]) -> bool {
        self.0.ct_eq(&digest(sent)).into()
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
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
    fn random_tokens_are_tokens_and_differ() {
        let (token, text) = Token::random().unwrap();
        assert!(token.is(text.as_bytes()) && Token::new(&text).unwrap().is(text.as_bytes()));
        let (_, other) = Token::random().unwrap();
        assert!(!token.is(other.as_bytes()) && text.len() == 64);
    }
}
