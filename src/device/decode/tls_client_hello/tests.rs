use proptest::prelude::*;

use super::*;

/// CPython 3.11 with OpenSSL 3.0: `ssl.create_default_context()`, ALPN `h2` and `http/1.1`,
/// `wrap_bio(..., server_hostname="Ads.Example.com")`, `do_handshake()`, then what the outgoing `MemoryBIO` holds.
const PYTHON: &[u8] = include_bytes!("../test_data/client_hello_python.bin");
/// `openssl s_client -tls1_2 -servername tls12.example.org -alpn http/1.1`, received by a local socket.
const OPENSSL_TLS12: &[u8] = include_bytes!("../test_data/client_hello_openssl_tls12.bin");
/// `openssl s_client -noservername`, received by a local socket.
const NO_NAME: &[u8] = include_bytes!("../test_data/client_hello_no_name.bin");

fn hello(name: &str, protocols: &[&str]) -> ClientHello {
    ClientHello {
        server_name: Some(name.to_owned()),
        protocols: protocols.iter().map(|name| (*name).to_owned()).collect(),
        ..ClientHello::default()
    }
}

/// A ClientHello with these extensions and little else, in one record.
fn assembled(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let mut list = Vec::new();
    for (number, data) in extensions {
        list.extend(number.to_be_bytes());
        list.extend((data.len() as u16).to_be_bytes());
        list.extend(*data);
    }
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend((list.len() as u16).to_be_bytes());
    body.extend(list);
    let mut handshake = vec![1, 0];
    handshake.extend((body.len() as u16).to_be_bytes());
    handshake.extend(body);
    in_records(&handshake, usize::MAX)
}

/// The handshake bytes in records of at most `longest` bytes.
fn in_records(handshake: &[u8], longest: usize) -> Vec<u8> {
    let mut stream = Vec::new();
    for fragment in handshake.chunks(longest.min(handshake.len())) {
        stream.extend([22, 3, 1]);
        stream.extend((fragment.len() as u16).to_be_bytes());
        stream.extend(fragment);
    }
    stream
}

#[test]
fn real_client_hellos() {
    assert_eq!(parse(PYTHON), Parsed::Complete(hello("ads.example.com", &["h2", "http/1.1"])));
    assert_eq!(parse(OPENSSL_TLS12), Parsed::Complete(hello("tls12.example.org", &["http/1.1"])));
    assert_eq!(parse(NO_NAME), Parsed::Complete(ClientHello::default()));
}

#[test]
fn bytes_behind_the_message_do_not_matter() {
    let mut stream = PYTHON.to_vec();
    stream.extend(b"\x17\x03\x03\x00\x05early");
    assert_eq!(parse(&stream), Parsed::Complete(hello("ads.example.com", &["h2", "http/1.1"])));
}

#[test]
fn a_message_over_several_records() {
    for longest in [1, 3, 100, 300] {
        let stream = in_records(&PYTHON[5..], longest);
        let parsed = parse(&stream);
        assert_eq!(parsed, Parsed::Complete(hello("ads.example.com", &["h2", "http/1.1"])), "{longest}");
    }
}

#[test]
fn encrypted_client_hello_and_reserved_values() {
    let name = b"\x00\x0c\x00\x00\x09outer.com";
    let protocols = b"\x00\x06\x02\x1a\x1a\x02h3";
    let stream = assembled(&[(0x2a2a, b""), (0, name), (0xfe0d, &[0; 9]), (16, protocols), (0x3a3a, b"\0")]);
    let expected = ClientHello { encrypted_client_hello: true, ..hello("outer.com", &["h3"]) };
    assert_eq!(parse(&stream), Parsed::Complete(expected));
}

#[test]
fn names_are_made_printable() {
    let stream = assembled(&[(0, b"\x00\x08\x00\x00\x05A\n\xff.."), (16, b"\x00\x02\x01\x1b")]);
    assert_eq!(parse(&stream), Parsed::Complete(hello("a\\x0a\\xff.", &["\\x1b"])));
}

#[test]
fn a_broken_extension_keeps_what_came_before() {
    let stream = assembled(&[(0, b"\x00\x08\x00\x00\x05a.com"), (16, b"\x00\x09\x02h2")]);
    let expected = ClientHello { cut: true, ..hello("a.com", &[]) };
    assert_eq!(parse(&stream), Parsed::Complete(expected));
}

#[test]
fn a_repeated_extension_does_not_replace_the_first() {
    let first = (0, &b"\x00\x08\x00\x00\x05a.com"[..]);
    for second in [&b"\x00\x00"[..], b"\x00\x08\x00\x00\x05b.com"] {
        let stream = assembled(&[first, (0, second)]);
        assert_eq!(parse(&stream), Parsed::Complete(ClientHello { cut: true, ..hello("a.com", &[]) }));
    }
}

#[test]
fn another_record_inside_the_message_ends_it() {
    let mut stream = in_records(&PYTHON[5..205], 100);
    stream.extend([21, 3, 3, 0, 2, 2, 40]);
    assert!(matches!(parse(&stream), Parsed::Complete(ClientHello { cut: true, .. })));
}

#[test]
fn other_protocols() {
    for stream in [&b"GET / HTTP/1.1\r\n"[..], b"SSH-2.0-x", b"\x16\x02\x00\x00\x01\x01", b"\x16\x03\x01\x00\x05\x02"] {
        assert_eq!(parse(stream), Parsed::Other);
    }
    for stream in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00"] {
        assert_eq!(parse(stream), Parsed::Undecided);
    }
}

#[test]
fn truncation_never_invents() {
    for whole in [PYTHON, OPENSSL_TLS12, NO_NAME] {
        let Parsed::Complete(all) = parse(whole) else { panic!("not whole") };
        for length in 0..whole.len() {
            match parse(&whole[..length]) {
                Parsed::Undecided => assert!(length < 6),
                Parsed::Incomplete(part) => {
                    assert!(part.cut);
                    assert!(part.server_name.is_none() || part.server_name == all.server_name);
                    assert!(part.protocols.is_empty() || part.protocols == all.protocols);
                }
                other => panic!("{length} bytes: {other:?}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn never_panics_on_any_bytes(stream: Vec<u8>) {
        let _ = parse(&stream);
    }

    #[test]
    fn never_panics_on_a_damaged_message(changes in proptest::collection::vec((0_usize..517, any::<u8>()), 1..8)) {
        let mut stream = PYTHON.to_vec();
        for (position, byte) in changes {
            stream[position] = byte;
        }
        let _ = parse(&stream);
    }
}
