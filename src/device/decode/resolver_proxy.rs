//! What an Android app asks of the system's resolver: it makes no DNS of its own, but writes a line to a Unix socket, and the
//! resolver's process does the rest. So these are the app's questions, and the answers it got.
//!
//! One connection carries one question: a line of words, ended by NUL. The answer is binary, its numbers big-endian. As
//! `packages/modules/DnsResolver/DnsProxyListener.cpp` and bionic's `getaddrinfo.c` have it, Android 9 to 16:
//!
//! | line | answer |
//! |---|---|
//! | `getaddrinfo HOST SERVICE FLAGS FAMILY TYPE PROTOCOL NETID` | `222` and, for each address, 1, four numbers, an address and a canonical name; then 0 |
//! | `gethostbyname NETID HOST FAMILY` | `222` and a `hostent`: name, aliases, family, length, addresses |
//! | `resnsend NETID FLAGS MESSAGE` (Android 10) | the response code, or a negative errno; and a DNS message |
//!
//! A failure of the first two is `401` and a number of `getaddrinfo`'s. `gethostbyaddr` and `getdnsnetid` ask for no name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cursor::Cursor;
use super::dns;
use super::text::printable;
use crate::event::{DnsAnswer, DnsQuery, DnsRecord, Endpoint, EventBody};

/// The socket of the resolver.
pub const RESOLVER_SOCKET: &str = "/dev/socket/dnsproxyd";

const FAMILY_INET: i64 = 2;
const FAMILY_INET6: i64 = 10;
const CODE_RESULT: &[u8; 4] = b"222\0";
// Errors of getaddrinfo, from bionic's netdb.h.
const NO_DATA: u32 = 7;
const NO_NAME: u32 = 8;
// Response codes of DNS.
const SERVER_FAILURE: u8 = 2;
const NO_SUCH_NAME: u8 = 3;
/// More addresses than this in one answer are not taken.
const MOST_RECORDS: usize = 64;

/// A question that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// By name: what it stands for, of these record types.
    Address { name: String, types: &'static [&'static str], form: Form },
    /// A DNS message.
    Message(Vec<u8>),
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    AddressInfo,
    HostEntry,
}

/// What was read of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Its end is not there yet.
    Incomplete,
    /// It asks for no name, or is nothing that is known.
    Other,
    /// A question.
    Question(Question),
}

/// Reads the line that an app has written so far.
pub(crate) fn line(bytes: &[u8]) -> Line {
    let Some(end) = bytes.iter().position(|byte| *byte == 0) else { return Line::Incomplete };
    let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    let words: Vec<&str> = text.split(' ').collect();
    let question = match words.as_slice() {
        ["getaddrinfo", host, _service, _flags, family, _type, _protocol, _network] => {
            address(host, family, Form::AddressInfo)
        }
        ["gethostbyname", _network, host, family] => address(host, family, Form::HostEntry),
        ["resnsend", _network, _flags, message] => from_base64(message).map(Question::Message),
        _ => None,
    };
    question.map_or(Line::Other, Line::Question)
}

/// `^` stands for no host: then only a service was asked for.
fn address(host: &str, family: &str, form: Form) -> Option<Question> {
    if host == "^" || host.is_empty() {
        return None;
    }
    let types: &[&str] = match family.parse() {
        Ok(FAMILY_INET) => &["A"],
        Ok(FAMILY_INET6) => &["AAAA"],
        _ if form == Form::HostEntry => &["A"],
        // -1 for "no hints", 0 for "any".
        _ => &["A", "AAAA"],
    };
    let name = printable(host.trim_end_matches('.').as_bytes()).to_ascii_lowercase();
    Some(Question::Address { name, types, form })
}

impl Question {
    /// What it asks.
    pub(crate) fn bodies(&self) -> Vec<EventBody> {
        let server = || Some(Endpoint::UnixPath(RESOLVER_SOCKET.to_owned()));
        match self {
            Self::Address { name, types, .. } => types
                .iter()
                .map(|record_type| {
                    let record_type = (*record_type).to_owned();
                    EventBody::DnsQuery(DnsQuery {
                        name: name.clone(),
                        record_type,
                        transaction_id: 0,
                        server: server(),
                    })
                })
                .collect(),
            Self::Message(message) => dns::parse(message, false)
                .filter(|message| !message.response)
                .map(|message| {
                    let transaction_id = message.transaction_id;
                    let queries = message.questions.into_iter();
                    queries
                        .map(|(name, record_type)| {
                            EventBody::DnsQuery(DnsQuery { name, record_type, transaction_id, server: server() })
                        })
                        .collect()
                })
                .unwrap_or_default(),
        }
    }

    /// What the bytes of an answer say; `None` when they are not whole, unless nothing more comes (`ended`). Then what is
    /// missing is said by [`DnsAnswer::cut`].
    pub(crate) fn answer(&self, bytes: &[u8], ended: bool) -> Option<Vec<EventBody>> {
        let server = Some(Endpoint::UnixPath(RESOLVER_SOCKET.to_owned()));
        match self {
            Self::Address { name, types, form } => {
                let answer = match form {
                    Form::AddressInfo => address_info(bytes),
                    Form::HostEntry => host_entry(bytes),
                };
                if !answer.complete && !ended {
                    return None;
                }
                if bytes.is_empty() {
                    return Some(Vec::new());
                }
                let bodies = types.iter().map(|record_type| {
                    let fits = |record: &&DnsRecord| match record {
                        DnsRecord::Address(IpAddr::V4(_)) => *record_type == "A",
                        DnsRecord::Address(IpAddr::V6(_)) => *record_type == "AAAA",
                        DnsRecord::Alias(alias) => alias != name,
                    };
                    EventBody::DnsAnswer(DnsAnswer {
                        name: name.clone(),
                        record_type: (*record_type).to_owned(),
                        transaction_id: 0,
                        response_code: answer.response_code,
                        records: answer.records.iter().filter(fits).cloned().collect(),
                        server: server.clone(),
                        cut: !answer.complete,
                    })
                });
                Some(bodies.collect())
            }
            Self::Message(_) => {
                let mut cursor = Cursor::new(bytes);
                let code = cursor.u32_be().map(u32::cast_signed);
                if code.is_some_and(i32::is_negative) {
                    // No answer from DNS: an errno.
                    return Some(Vec::new());
                }
                let length = cursor.u32_be().map(|length| length as usize);
                let rest = bytes.get(8..).unwrap_or_default();
                let whole = length.is_some_and(|length| rest.len() >= length);
                if !whole && !ended {
                    return None;
                }
                let message = length.and_then(|length| rest.get(..length)).unwrap_or(rest);
                let Some(message) = dns::parse(message, !whole).filter(|message| message.response) else {
                    return Some(Vec::new());
                };
                let bodies = message.questions.iter().map(|(name, record_type)| {
                    EventBody::DnsAnswer(DnsAnswer {
                        records: message.records_of(name),
                        name: name.clone(),
                        record_type: record_type.clone(),
                        transaction_id: message.transaction_id,
                        response_code: message.response_code,
                        server: server.clone(),
                        cut: message.cut,
                    })
                });
                Some(bodies.collect())
            }
        }
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    response_code: u8,
    records: Vec<DnsRecord>,
    complete: bool,
}

impl Answer {
    fn add(&mut self, record: DnsRecord) {
        if self.records.len() < MOST_RECORDS && !self.records.contains(&record) {
            self.records.push(record);
        }
    }

    /// Reads the code in front; `false` when no records follow, or nothing more is there.
    fn begin(&mut self, cursor: &mut Cursor<'_>) -> bool {
        let Some(code) = cursor.take(4) else { return false };
        if code == CODE_RESULT {
            return true;
        }
        // The length of the number, then the number, in the order of the machine.
        if let Some(error) = cursor.u32_be().and_then(|_length| cursor.u32_le()) {
            self.complete = true;
            self.response_code = match error {
                NO_DATA => 0,
                NO_NAME => NO_SUCH_NAME,
                _ => SERVER_FAILURE,
            };
        }
        false
    }
}

fn counted<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = cursor.u32_be()? as usize;
    cursor.take(length)
}

/// The text of a counted string, which has its NUL.
fn name_in(bytes: &[u8]) -> Option<String> {
    let text = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    (!text.is_empty()).then(|| printable(text).to_ascii_lowercase())
}

fn address_info(bytes: &[u8]) -> Answer {
    let (mut answer, mut cursor) = (Answer::default(), Cursor::new(bytes));
    if !answer.begin(&mut cursor) {
        return answer;
    }
    loop {
        let mut entry = || {
            if cursor.u32_be()? == 0 {
                return Some(None);
            }
            cursor.skip(16)?;
            Some(Some((counted(&mut cursor)?, counted(&mut cursor)?)))
        };
        match entry() {
            Some(Some((address, canonical))) => {
                if let Some(alias) = name_in(canonical) {
                    answer.add(DnsRecord::Alias(alias));
                }
                if let Some(address) = socket_address(address) {
                    answer.add(DnsRecord::Address(address));
                }
            }
            Some(None) => {
                answer.complete = true;
                return answer;
            }
            None => return answer,
        }
    }
}

/// The address in a `sockaddr_in` or `sockaddr_in6`.
fn socket_address(bytes: &[u8]) -> Option<IpAddr> {
    let mut cursor = Cursor::new(bytes);
    let family = cursor.u16_le()?;
    cursor.skip(2)?;
    match i64::from(family) {
        FAMILY_INET => cursor.array::<4>().map(|address| IpAddr::V4(Ipv4Addr::from(address))),
        FAMILY_INET6 => {
            cursor.skip(4)?;
            cursor.array::<16>().map(|address| IpAddr::V6(Ipv6Addr::from(address)))
        }
        _ => None,
    }
}

fn host_entry(bytes: &[u8]) -> Answer {
    let (mut answer, mut cursor) = (Answer::default(), Cursor::new(bytes));
    if !answer.begin(&mut cursor) {
        return answer;
    }
    let mut read = || {
        let name = counted(&mut cursor)?;
        while !counted(&mut cursor)?.is_empty() {}
        let (family, _length) = (cursor.u32_be()?, cursor.u32_be()?);
        if let Some(name) = name_in(name) {
            answer.add(DnsRecord::Alias(name));
        }
        loop {
            // Always 16 bytes, whatever the family.
            let address = counted(&mut cursor)?;
            if address.is_empty() {
                return Some(());
            }
            let address = match i64::from(family) {
                FAMILY_INET => address.first_chunk::<4>().map(|address| IpAddr::from(*address)),
                FAMILY_INET6 => address.first_chunk::<16>().map(|address| IpAddr::from(*address)),
                _ => None,
            };
            if let Some(address) = address {
                answer.add(DnsRecord::Address(address));
            }
        }
    };
    let complete = read().is_some();
    answer.complete = complete;
    answer
}

/// Base 64 of RFC 4648, with padding.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for character in text.trim_end_matches('=').bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question(line: &str) -> Question {
        match super::line(format!("{line}\0").as_bytes()) {
            Line::Question(question) => question,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn asked(question: &Question) -> Vec<(String, String)> {
        let name = |body| match body {
            EventBody::DnsQuery(query) => (query.name, query.record_type),
            other => panic!("{other:?}"),
        };
        question.bodies().into_iter().map(name).collect()
    }

    fn answers(question: &Question, bytes: &[u8]) -> Vec<DnsAnswer> {
        assert_eq!(question.answer(bytes.get(..bytes.len() - 1).unwrap(), false), None, "the last byte is missing");
        let bodies = question.answer(bytes, false).unwrap().into_iter();
        bodies
            .map(|body| match body {
                EventBody::DnsAnswer(answer) => answer,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn entry(address: &[u8], canonical: &[u8]) -> Vec<u8> {
        let mut bytes = [1_u32, 0, 2, 1, 6].iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
        for part in [address, canonical] {
            bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend(part);
        }
        bytes
    }

    #[test]
    fn lines() {
        let both = question("getaddrinfo Api.Example.com. ^ -1 -1 -1 -1 100");
        let names = |types: &[&str]| {
            types
                .iter()
                .map(|record_type| ("api.example.com".to_owned(), (*record_type).to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(asked(&both), names(&["A", "AAAA"]));
        assert_eq!(asked(&question("getaddrinfo api.example.com 443 1024 2 1 0 100")), names(&["A"]));
        assert_eq!(asked(&question("gethostbyname 100 api.example.com 10")), names(&["AAAA"]));
        // A question for the A records of example.com, with id 0x1234.
        let message = question("resnsend 0 0 EjQBAAABAAAAAAAAB2V4YW1wbGUDY29tAAABAAE=");
        assert_eq!(asked(&message), [("example.com".to_owned(), "A".to_owned())]);
        for other in
            ["getaddrinfo ^ 80 0 0 0 0 0", "gethostbyaddr 192.0.2.1 4 2 0", "getdnsnetid 0", "resnsend 0 0 ?", ""]
        {
            assert_eq!(line(format!("{other}\0").as_bytes()), Line::Other, "{other}");
        }
        assert_eq!(line(b"getaddrinfo api"), Line::Incomplete);
    }

    #[test]
    fn the_addresses_of_an_answer_belong_to_their_types() {
        let both = question("getaddrinfo api.example.com ^ -1 0 -1 -1 100");
        let mut bytes = CODE_RESULT.to_vec();
        bytes.extend(entry(&[2, 0, 0, 0, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0], b"edge.example.net\0"));
        let mut six = vec![10, 0, 0, 0, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        six.extend([0; 4]);
        bytes.extend(entry(&six, b""));
        // The same address once more, for another kind of socket.
        bytes.extend(entry(&six, b""));
        bytes.extend([0; 4]);
        let answers = answers(&both, &bytes);
        let alias = DnsRecord::Alias("edge.example.net".to_owned());
        let of = |address: &str| DnsRecord::Address(address.parse().unwrap());
        assert_eq!(answers[0].records, [alias.clone(), of("192.0.2.1")]);
        assert_eq!(answers[1].records, [alias, of("2001:db8::1")]);
        assert!(answers.iter().all(|answer| !answer.cut && answer.response_code == 0));
        let cut = both.answer(&bytes[..bytes.len() - 30], true).unwrap();
        assert!(matches!(&cut[0], EventBody::DnsAnswer(answer) if answer.cut && answer.records.len() == 2));
        assert_eq!(both.answer(b"", true), Some(Vec::new()), "no answer is none");
    }

    #[test]
    fn failures_host_entries_and_messages() {
        let both = question("getaddrinfo api.example.com ^ -1 0 -1 -1 100");
        let failed = [&b"401\0\0\0\0\x04"[..], &NO_NAME.to_le_bytes()].concat();
        assert!(
            answers(&both, &failed)
                .iter()
                .all(|answer| answer.response_code == NO_SUCH_NAME && answer.records.is_empty())
        );
        let by_name = question("gethostbyname 100 api.example.com 2");
        let mut bytes = CODE_RESULT.to_vec();
        bytes.extend([&[0, 0, 0, 16][..], b"api.example.com\0", &[0; 4], &[0, 0, 0, 2], &[0, 0, 0, 4]].concat());
        bytes.extend([&[0, 0, 0, 16][..], &[192, 0, 2, 7], &[0; 12], &[0; 4]].concat());
        let answer = &answers(&by_name, &bytes)[0];
        assert_eq!(answer.records, [DnsRecord::Address("192.0.2.7".parse().unwrap())], "its own name is no alias");
        let message = question("resnsend 0 0 EjQBAAABAAAAAAAAB2V4YW1wbGUDY29tAAABAAE=");
        let Question::Message(query) = &message else { panic!("{message:?}") };
        let mut reply = query.clone();
        (reply[2], reply[3], reply[7]) = (0x81, 0x80, 1);
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 9]);
        let bytes = [&[0, 0, 0, 0][..], &u32::try_from(reply.len()).unwrap().to_be_bytes(), &reply].concat();
        let answer = &answers(&message, &bytes)[0];
        assert_eq!((answer.transaction_id, answer.records.len()), (0x1234, 1));
        assert_eq!(message.answer(&(-110_i32).to_be_bytes(), false), Some(Vec::new()), "an errno is no answer");
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_or_not(bytes: Vec<u8>, text in "(getaddrinfo|resnsend|gethostbyname)( [a-z0-9^=-]{1,9}){0,8}") {
            let _ = line(&bytes);
            for asked in [text.as_str(), "getaddrinfo a ^ 0 0 0 0 0", "gethostbyname 0 a 2", "resnsend 0 0 EjQBAAABAAAAAAAAB2V4YW1wbGUDY29tAAABAAE="] {
                if let Line::Question(question) = line(format!("{asked}\0").as_bytes()) {
                    let _ = question.bodies();
                    let with_code = [&CODE_RESULT[..], &bytes].concat();
                    for bytes in [&bytes, &with_code] {
                        let _ = question.answer(bytes, false);
                        prop_assert!(question.answer(bytes, true).is_some());
                    }
                }
            }
        }
    }
}
