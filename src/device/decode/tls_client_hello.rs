//! The first message of a TLS handshake (RFC 8446 section 4.1.2): which server is asked for, and for which protocols.
//!
//! The message can be spread over several TLS records (section 5.1), and the captured bytes can end anywhere.

use super::cursor::Cursor;
use super::text::{host_name, printable};

const RECORD_HEADER_LENGTH: usize = 5;
const CONTENT_HANDSHAKE: u8 = 22;
const HANDSHAKE_CLIENT_HELLO: u8 = 1;
const EXTENSION_SERVER_NAME: u16 = 0;
const EXTENSION_PROTOCOLS: u16 = 16;
/// RFC 9849.
const EXTENSION_ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
const NAME_TYPE_HOST: u8 = 0;

/// What a ClientHello says in clear text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The server name (SNI).
    pub server_name: Option<String>,
    /// Application protocols offered (ALPN), without the reserved values that only test servers' tolerance.
    pub protocols: Vec<String>,
    /// It carries an encrypted ClientHello.
    pub encrypted_client_hello: bool,
    /// Its end is missing or broken: extensions may be missing.
    pub cut: bool,
}

/// What the first bytes of a stream are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// No ClientHello.
    Other,
    /// It may be a ClientHello; too few bytes to say.
    Undecided,
    /// A ClientHello whose end is not there yet: what was found so far, marked as cut.
    Incomplete(ClientHello),
    /// A whole one.
    Complete(ClientHello),
}

/// Reads the first bytes of a stream.
#[must_use]
pub fn parse(stream: &[u8]) -> Parsed {
    // The first six bytes decide: content type, version 3.x, length, message type.
    let fixed = [stream.first(), stream.get(1), stream.get(5)];
    for (byte, expected) in fixed.into_iter().zip([CONTENT_HANDSHAKE, 3, HANDSHAKE_CLIENT_HELLO]) {
        match byte {
            None => return Parsed::Undecided,
            Some(byte) if *byte != expected => return Parsed::Other,
            Some(_) => {}
        }
    }
    let Handshake { bytes, ended } = join_records(stream);
    let mut cursor = Cursor::new(&bytes);
    let length = cursor.u8().and_then(|_| cursor.u24_be());
    let whole = length.and_then(|length| {
        let mut ahead = cursor;
        ahead.take(length)
    });
    let mut hello = ClientHello::default();
    match whole {
        Some(message) => {
            // A message that claims more than it holds is broken; what came before the break stands.
            hello.cut = read_hello(message, &mut hello).is_none();
            Parsed::Complete(hello)
        }
        None => {
            // The result says nothing new: without the end of the message something is always missing.
            let _ = read_hello(cursor.rest(), &mut hello);
            hello.cut = true;
            // Another kind of record in the middle of a handshake message: nothing that follows can complete it.
            if ended { Parsed::Complete(hello) } else { Parsed::Incomplete(hello) }
        }
    }
}

struct Handshake {
    bytes: Vec<u8>,
    /// What follows is no handshake record.
    ended: bool,
}

/// The handshake bytes of consecutive records.
fn join_records(stream: &[u8]) -> Handshake {
    let mut bytes = Vec::with_capacity(stream.len());
    let mut cursor = Cursor::new(stream);
    while let Some(content_type) = cursor.u8() {
        if content_type != CONTENT_HANDSHAKE {
            return Handshake { bytes, ended: true };
        }
        let length = cursor.skip(RECORD_HEADER_LENGTH - 3).and_then(|()| cursor.u16_be());
        let Some(length) = length else { break };
        match cursor.take(usize::from(length)) {
            Some(fragment) => bytes.extend_from_slice(fragment),
            None => bytes.extend_from_slice(cursor.rest()),
        }
    }
    Handshake { bytes, ended: false }
}

/// Fills `hello` from the body of the message; `None` when the body ends too early.
fn read_hello(body: &[u8], hello: &mut ClientHello) -> Option<()> {
    let mut cursor = Cursor::new(body);
    // Version and random.
    cursor.skip(2 + 32)?;
    let session_id = cursor.u8()?;
    cursor.skip(usize::from(session_id))?;
    let cipher_suites = cursor.u16_be()?;
    cursor.skip(usize::from(cipher_suites))?;
    let compression_methods = cursor.u8()?;
    cursor.skip(usize::from(compression_methods))?;
    if cursor.is_empty() {
        // TLS 1.2 allows a ClientHello without extensions.
        return Some(());
    }
    let length = usize::from(cursor.u16_be()?);
    let (mut extensions, whole) = match cursor.take(length) {
        Some(extensions) => (Cursor::new(extensions), true),
        None => (Cursor::new(cursor.rest()), false),
    };
    let (mut names, mut protocols) = (false, false);
    while !extensions.is_empty() {
        let extension = extensions.u16_be()?;
        let length = extensions.u16_be()?;
        let data = extensions.take(usize::from(length))?;
        match extension {
            // RFC 8446 section 4.2 forbids a repetition, and servers refuse it. The first stands: a later one must not
            // hide the name that was told when the message was not whole yet.
            EXTENSION_SERVER_NAME if std::mem::replace(&mut names, true) => return None,
            EXTENSION_PROTOCOLS if std::mem::replace(&mut protocols, true) => return None,
            EXTENSION_SERVER_NAME => hello.server_name = read_server_name(data)?,
            EXTENSION_PROTOCOLS => hello.protocols = read_protocols(data)?,
            EXTENSION_ENCRYPTED_CLIENT_HELLO => hello.encrypted_client_hello = true,
            _ => {}
        }
    }
    whole.then_some(())
}

/// RFC 6066 section 3: a list that in practice holds one name of type host.
fn read_server_name(data: &[u8]) -> Option<Option<String>> {
    let mut cursor = Cursor::new(data);
    let length = cursor.u16_be()?;
    let mut names = Cursor::new(cursor.take(usize::from(length))?);
    while !names.is_empty() {
        let name_type = names.u8()?;
        let length = names.u16_be()?;
        let name = names.take(usize::from(length))?;
        if name_type == NAME_TYPE_HOST && !name.is_empty() {
            return Some(Some(host_name(name)));
        }
    }
    Some(None)
}

/// RFC 7301 section 3.1.
fn read_protocols(data: &[u8]) -> Option<Vec<String>> {
    let mut cursor = Cursor::new(data);
    let length = cursor.u16_be()?;
    let mut list = Cursor::new(cursor.take(usize::from(length))?);
    let mut protocols = Vec::new();
    while !list.is_empty() {
        let length = list.u8()?;
        let name = list.take(usize::from(length))?;
        if !is_reserved(name) {
            protocols.push(printable(name));
        }
    }
    Some(protocols)
}

/// Values that clients send at random so that servers learn to ignore unknown ones (RFC 8701 section 2).
fn is_reserved(name: &[u8]) -> bool {
    matches!(name, [first, second] if first == second && first & 0x0f == 0x0a)
}

#[cfg(test)]
mod tests;
