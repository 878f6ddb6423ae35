//! DNS messages (RFC 1035), as far as they tell which names were asked for and what they stand for.
//!
//! An own parser, because the available ones refuse a message as a whole when its end is missing; here the beginning of
//! a message is worth having, as long as nothing is invented: a name or a record that is not whole is left out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cursor::Cursor;
use super::text::append_printable;
use crate::event::DnsRecord;

const HEADER_LENGTH: usize = 12;
const CLASS_INTERNET: u16 = 1;
const TYPE_A: u16 = 1;
const TYPE_CNAME: u16 = 5;
const TYPE_AAAA: u16 = 28;
/// The longest name in a message, in bytes of its uncompressed form (RFC 1035 section 3.1).
const LONGEST_NAME: usize = 255;
/// More questions than this are not a message that anyone sends.
const MOST_QUESTIONS: u16 = 16;

/// Names of record types, from the IANA registry "Domain Name System (DNS) Parameters". 255 is `*` there, and `ANY`
/// wherever people write it.
const TYPE_NAMES: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (12, "PTR"),
    (13, "HINFO"),
    (15, "MX"),
    (16, "TXT"),
    (28, "AAAA"),
    (29, "LOC"),
    (33, "SRV"),
    (35, "NAPTR"),
    (37, "CERT"),
    (39, "DNAME"),
    (41, "OPT"),
    (43, "DS"),
    (44, "SSHFP"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (50, "NSEC3"),
    (52, "TLSA"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
];

/// A message, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsMessage {
    /// Transaction id.
    pub transaction_id: u16,
    /// An answer, not a question.
    pub response: bool,
    /// Response code, without the extension of EDNS.
    pub response_code: u8,
    /// The questions that are whole: name and type.
    pub questions: Vec<(String, String)>,
    /// Records of the answer section that are whole and understood: owner and what it stands for.
    pub records: Vec<(String, DnsRecord)>,
    /// Something is missing or broken behind what was read, or the server says that it left something out.
    pub cut: bool,
}

impl DnsMessage {
    /// The records that belong to `name`: its own, and those of the names it is an alias of. In the order of the message.
    ///
    /// Others are left out: an answer can carry records that nobody asked for, and they must not make a name stand for
    /// an address.
    #[must_use]
    pub fn records_of(&self, name: &str) -> Vec<DnsRecord> {
        let mut names = vec![name];
        let mut position = 0;
        while let Some(current) = names.get(position).copied() {
            for (owner, record) in &self.records {
                if let DnsRecord::Alias(target) = record
                    && owner == current
                    && !names.contains(&target.as_str())
                {
                    names.push(target);
                }
            }
            position += 1;
        }
        let belongs = |owner: &String| names.contains(&owner.as_str());
        self.records.iter().filter(|(owner, _)| belongs(owner)).map(|(_, record)| record.clone()).collect()
    }
}

/// Reads a message without length prefix. `cut` says that bytes behind `message` are missing.
///
/// `None` when it is not a DNS question or answer with at least one whole question.
#[must_use]
pub fn parse(message: &[u8], cut: bool) -> Option<DnsMessage> {
    let mut cursor = Cursor::new(message);
    let transaction_id = cursor.u16_be()?;
    let flags = cursor.u16_be()?;
    let question_count = cursor.u16_be()?;
    let answer_count = cursor.u16_be()?;
    cursor.skip(4)?;
    let operation = flags >> 11 & 0xf;
    if operation != 0 || !(1..=MOST_QUESTIONS).contains(&question_count) {
        return None;
    }
    let mut parsed = DnsMessage {
        transaction_id,
        response: flags & 0x8000 != 0,
        response_code: u8::try_from(flags & 0xf).unwrap_or_default(),
        questions: Vec::new(),
        records: Vec::new(),
        cut: cut || flags & 0x0200 != 0,
    };
    let mut position = HEADER_LENGTH;
    for _ in 0..question_count {
        let Some((question, next)) = read_question(message, position) else {
            parsed.cut = true;
            break;
        };
        parsed.questions.push(question);
        position = next;
    }
    if parsed.questions.is_empty() {
        return None;
    }
    if parsed.questions.len() == usize::from(question_count) {
        for _ in 0..answer_count {
            let Some((record, next)) = read_record(message, position) else {
                parsed.cut = true;
                break;
            };
            parsed.records.extend(record);
            position = next;
        }
    }
    Some(parsed)
}

/// Splits one message with its two-byte length off the front of a stream: the message and the bytes used, or `None`
/// when it is not all there yet.
#[must_use]
pub fn split_stream_message(stream: &[u8]) -> Option<(&[u8], usize)> {
    let mut cursor = Cursor::new(stream);
    let length = usize::from(cursor.u16_be()?);
    let message = cursor.take(length)?;
    Some((message, length + 2))
}

/// The name of a record type.
#[must_use]
pub fn type_name(number: u16) -> String {
    match TYPE_NAMES.iter().find(|(candidate, _)| *candidate == number) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("TYPE{number}"),
    }
}

fn read_question(message: &[u8], position: usize) -> Option<((String, String), usize)> {
    let (name, position) = read_name(message, position)?;
    let mut cursor = Cursor::new(message.get(position..)?);
    let record_type = cursor.u16_be()?;
    cursor.skip(2)?;
    Some(((name, type_name(record_type)), position + 4))
}

type Owned = (String, DnsRecord);

fn read_record(message: &[u8], position: usize) -> Option<(Option<Owned>, usize)> {
    let (owner, position) = read_name(message, position)?;
    let mut cursor = Cursor::new(message.get(position..)?);
    let record_type = cursor.u16_be()?;
    let class = cursor.u16_be()?;
    cursor.skip(4)?;
    let length = cursor.u16_be()?;
    let data = cursor.take(usize::from(length))?;
    let start = position + 10;
    let record = match (class, record_type) {
        (CLASS_INTERNET, TYPE_A) => {
            let octets: [u8; 4] = data.try_into().ok()?;
            Some(DnsRecord::Address(IpAddr::V4(Ipv4Addr::from(octets))))
        }
        (CLASS_INTERNET, TYPE_AAAA) => {
            let octets: [u8; 16] = data.try_into().ok()?;
            Some(DnsRecord::Address(IpAddr::V6(Ipv6Addr::from(octets))))
        }
        (CLASS_INTERNET, TYPE_CNAME) => Some(DnsRecord::Alias(read_name(message, start)?.0)),
        _ => None,
    };
    Some((record.map(|record| (owner, record)), start + data.len()))
}

/// A name at `position`, in lower case without the final dot (the root is `.`), and the position behind it.
///
/// A pointer must go to an earlier byte than everything read before, so that the walk ends; this is also what RFC 1035
/// section 4.1.4 means by a prior occurrence.
fn read_name(message: &[u8], position: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut uncompressed_length = 1;
    let mut here = position;
    let mut lowest = position;
    let mut behind = None;
    loop {
        let length = *message.get(here)?;
        match length >> 6 {
            0 if length == 0 => break,
            0 => {
                let length = usize::from(length);
                uncompressed_length += length + 1;
                if uncompressed_length > LONGEST_NAME {
                    return None;
                }
                let label = message.get(here + 1..here + 1 + length)?;
                if !name.is_empty() {
                    name.push('.');
                }
                append_label(&mut name, label);
                here += 1 + length;
            }
            3 => {
                let low = *message.get(here + 1)?;
                let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                if target >= lowest || target < HEADER_LENGTH {
                    return None;
                }
                behind.get_or_insert(here + 2);
                lowest = target;
                here = target;
            }
            _ => return None,
        }
    }
    if name.is_empty() {
        name.push('.');
    }
    Some((name, behind.unwrap_or(here + 1)))
}

/// A label in lower case; a dot inside it is not a separator.
fn append_label(name: &mut String, label: &[u8]) {
    let label = label.to_ascii_lowercase();
    for (position, piece) in label.split(|byte| *byte == b'.').enumerate() {
        if position > 0 {
            name.push_str("\\x2e");
        }
        append_printable(name, piece);
    }
}

#[cfg(test)]
mod tests;
