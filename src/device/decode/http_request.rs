//! The beginning of a plain HTTP/1 request (RFC 9112): which host is asked, for which path.

use super::text::{host_name, printable};

/// The longest method we take for one; registered ones have at most 17 letters.
const LONGEST_METHOD: usize = 32;

/// Methods of RFC 9110 section 9 and RFC 5789. A request line that is cut in its query is believed only for these.
const COMMON_METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// What a request says about its recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Host, lower case, without the port: of the target when it names one (as towards a proxy), otherwise of the Host
    /// header.
    pub host: Option<String>,
    /// Path without query and fragment; empty for `CONNECT`.
    pub path: String,
    /// Bytes up to the end of the header section, when the end was there.
    pub header_length: Option<usize>,
}

/// What the first bytes of a stream are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// No HTTP/1 request.
    Other,
    /// It may be a request; too few bytes to say.
    Undecided,
    /// A request whose header section is not all there yet; the host may still come.
    Incomplete(Request),
    /// A request with all that is asked of it.
    Complete(Request),
}

/// Reads the first bytes of a stream.
#[must_use]
pub fn parse(stream: &[u8]) -> Parsed {
    let Some(method_length) = stream.iter().position(|byte| !is_token(*byte)) else {
        return if stream.len() > LONGEST_METHOD { Parsed::Other } else { Parsed::Undecided };
    };
    let (method, rest) = stream.split_at(method_length);
    if method.is_empty() || method.len() > LONGEST_METHOD {
        return Parsed::Other;
    }
    let Some(rest) = rest.strip_prefix(b" ") else { return Parsed::Other };
    let Ok(method) = std::str::from_utf8(method) else { return Parsed::Other };
    let Some(line_length) = rest.iter().position(|byte| *byte == b'\n') else {
        return unfinished_line(method, rest);
    };
    let (line, headers) = rest.split_at(line_length);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Some(space) = line.iter().rposition(|byte| *byte == b' ') else { return Parsed::Other };
    let (target, version) = line.split_at(space);
    if !version.starts_with(b" HTTP/1.") || !is_target(target) {
        return Parsed::Other;
    }
    let mut request = request(method, target);
    // `headers` begins with the line feed of the request line.
    let headers_start = stream.len() - headers.len() + 1;
    let fields = read_fields(headers.get(1..).unwrap_or_default());
    if request.host.is_none() {
        request.host = fields.host;
    }
    request.header_length = fields.length.map(|length| headers_start + length);
    // Towards a proxy another message follows the header section, so its end must be known.
    let enough = request.header_length.is_some() || (request.host.is_some() && method != "CONNECT");
    if enough { Parsed::Complete(request) } else { Parsed::Incomplete(request) }
}

/// The request line goes on after what is there. Addresses of trackers can have queries longer than a probe carries, so
/// a path that is whole is taken although the line is not.
fn unfinished_line(method: &str, target: &[u8]) -> Parsed {
    if target.is_empty() {
        return Parsed::Undecided;
    }
    if !is_target_begin(target) {
        return Parsed::Other;
    }
    let path_is_whole = target.contains(&b'?') && !target.contains(&b' ');
    if path_is_whole && COMMON_METHODS.contains(&method) {
        return Parsed::Incomplete(request(method, target));
    }
    Parsed::Undecided
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_target(target: &[u8]) -> bool {
    !target.is_empty() && !target.iter().any(|byte| byte.is_ascii_control() || *byte == b' ')
}

/// As [`is_target`], with the version and a carriage return possibly behind it.
fn is_target_begin(target: &[u8]) -> bool {
    let target = target.strip_suffix(b"\r").unwrap_or(target);
    !target.iter().any(u8::is_ascii_control)
}

fn request(method: &str, target: &[u8]) -> Request {
    let (host, path) = match target {
        [b'/', ..] => (None, target),
        _ if method == "CONNECT" => (host_of(target), &b""[..]),
        _ => match after_scheme(target) {
            Some(rest) => {
                let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                let authority = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
                // RFC 9112 section 3.2.1: an empty path is asked for as "/".
                (host_of(authority), if path.first() == Some(&b'/') { path } else { &b"/"[..] })
            }
            None => (None, target),
        },
    };
    let path = path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    Request { method: method.to_owned(), host, path: printable(path), header_length: None }
}

fn after_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://", b"ws://", b"wss://", b"ftp://"].into_iter().find_map(|scheme| {
        let (front, rest) = target.split_at_checked(scheme.len())?;
        front.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// The host of `host:port` or `[address]:port`.
fn host_of(authority: &[u8]) -> Option<String> {
    let host = match authority.strip_prefix(b"[") {
        Some(rest) => rest.split(|byte| *byte == b']').next().unwrap_or_default(),
        None => authority.split(|byte| *byte == b':').next().unwrap_or_default(),
    };
    (!host.is_empty()).then(|| host_name(host))
}

#[derive(Default)]
struct Fields {
    host: Option<String>,
    /// Bytes of the section with the empty line at its end, when that was seen.
    length: Option<usize>,
}

/// Walks the header lines that are whole.
fn read_fields(mut rest: &[u8]) -> Fields {
    let mut fields = Fields::default();
    let available = rest.len();
    while let Some(length) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, behind) = rest.split_at(length);
        rest = behind.get(1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            fields.length = Some(available - rest.len());
            break;
        }
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().unwrap_or_default();
        if let Some(value) = parts.next()
            && fields.host.is_none()
            && name.eq_ignore_ascii_case(b"host")
        {
            fields.host = host_of(value.trim_ascii());
        }
    }
    fields
}

#[cfg(test)]
mod tests;
