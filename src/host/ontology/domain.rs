//! Domain names as suffixes.

use std::fmt;
use std::net::IpAddr;

use thiserror::Error;

/// Suffixes under which anyone can register a name: declaring one of them would declare everybody. Only those that
/// turn up in app traffic; the full public list changes weekly and would make old verdicts depend on its date.
const PUBLIC_SECOND_LEVEL: &[&str] = &[
    "ac.cn", "co.in", "co.jp", "co.kr", "co.uk", "com.au", "com.br", "com.cn", "com.hk", "com.sg", "com.tr", "com.tw",
    "edu.cn", "gov.cn", "net.cn", "org.cn", "org.uk",
];

/// A domain suffix in its normal form, or an address: lower case, no final dot, at least two labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

/// Why a text is no domain suffix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{given:?} is not a domain: {why}")]
pub struct DomainError {
    /// The text.
    pub given: String,
    /// What is wrong.
    pub why: &'static str,
    /// What to write instead, when that is clear.
    pub instead: Option<String>,
}

impl Domain {
    /// Reads a domain suffix, or an IP address for servers that are used without a name.
    ///
    /// # Errors
    ///
    /// When it is neither, or would cover the names of everybody.
    pub fn parse(given: &str) -> Result<Self, DomainError> {
        let fail = |why, instead: Option<String>| Err(DomainError { given: given.to_owned(), why, instead });
        if let Ok(address) = given.parse::<IpAddr>() {
            return Ok(Self(address.to_string()));
        }
        let text = given.trim().trim_end_matches('.').to_ascii_lowercase();
        if let Some((_, rest)) = text.split_once("://") {
            let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
            return fail("it is a URL", Some(host.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')) {
            return fail("sub-domains are always included, without a star or a leading dot", Some(rest.to_owned()));
        }
        if let Some((host, _)) = text.split_once(['/', ':', '?']) {
            return fail("a domain has no path and no port", Some(host.to_owned()));
        }
        if text.len() > 253 {
            return fail("it is longer than 253 characters", None);
        }
        if !text.is_ascii() {
            return fail("names beyond ASCII are written in their encoded form, beginning with \"xn--\"", None);
        }
        for label in text.split('.') {
            if label.is_empty() {
                return fail("a label between two dots is empty", None);
            }
            if label.len() > 63 {
                return fail("a label is longer than 63 characters", None);
            }
            if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
                return fail("labels have letters, digits, '-' and '_' only", None);
            }
            if label.starts_with('-') || label.ends_with('-') {
                return fail("a label begins or ends with '-'", None);
            }
        }
        if !text.contains('.') {
            return fail("a single label would cover everybody's names under it", None);
        }
        if text.split('.').next_back().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
            return fail("it looks like an address, and is not one", None);
        }
        if PUBLIC_SECOND_LEVEL.contains(&text.as_str()) {
            return fail("anyone can register names under it, so it would cover everybody", None);
        }
        Ok(Self(text))
    }

    /// The normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a host is this domain or below it.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        suffix_covers(&self.0, host)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether `host` is `suffix` or a name below it; the border must be a dot.
#[must_use]
pub fn suffix_covers(suffix: &str, host: &str) -> bool {
    match host.strip_suffix(suffix) {
        Some("") => true,
        Some(rest) => rest.ends_with('.') && suffix.parse::<IpAddr>().is_err(),
        None => false,
    }
}

/// A host and its parents, longest first: `a.b.c` gives `a.b.c`, `b.c`, `c`.
pub(super) fn suffixes(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |name| name.split_once('.').map(|(_, parent)| parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_end_at_label_borders() {
        assert!(suffix_covers("qq.com", "gdt.qq.com"));
        assert!(suffix_covers("qq.com", "qq.com"));
        assert!(!suffix_covers("qq.com", "fakeqq.com"));
        assert!(!suffix_covers("gdt.qq.com", "qq.com"));
        assert_eq!(suffixes("a.b.c").collect::<Vec<_>>(), ["a.b.c", "b.c", "c"]);
    }

    #[test]
    fn what_is_no_domain_is_refused_with_a_way_out() {
        assert_eq!(Domain::parse("API.Shop.Example.").unwrap().as_str(), "api.shop.example");
        assert_eq!(Domain::parse("192.0.2.7").unwrap().as_str(), "192.0.2.7");
        for (given, instead) in [
            ("https://shop.example/api", Some("shop.example")),
            ("*.shop.example", Some("shop.example")),
            ("shop.example:443", Some("shop.example")),
            ("com", None),
            ("com.cn", None),
            ("shop..example", None),
            ("手机.example", None),
            ("-a.example", None),
            ("1.2.3", None),
            ("a b.example", None),
        ] {
            assert_eq!(Domain::parse(given).unwrap_err().instead.as_deref(), instead, "{given}");
        }
    }
}
