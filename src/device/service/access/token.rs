//! The bearer token in a header.

/// What follows `Bearer ` in a header; the scheme's case does not matter (RFC 7235).
pub(super) fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, sent) = header.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| sent.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        for other in [&b""[..], b"Bearer", b"Basic abc", b"abc"] {
            assert_eq!(bearer(other), None);
        }
    }
}
