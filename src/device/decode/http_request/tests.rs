use proptest::prelude::*;

use super::*;

fn complete(stream: &str) -> (String, Option<String>, String) {
    match parse(stream.as_bytes()) {
        Parsed::Complete(request) => (request.method, request.host, request.path),
        other => panic!("{stream:?} gave {other:?}"),
    }
}

fn expected(method: &str, host: &str, path: &str) -> (String, Option<String>, String) {
    (method.to_owned(), (!host.is_empty()).then(|| host.to_owned()), path.to_owned())
}

#[test]
fn requests() {
    let table = [
        ("GET / HTTP/1.1\r\nHost: Ads.Example.com:8080\r\n\r\n", expected("GET", "ads.example.com", "/")),
        (
            "POST /v1/track?imei=1#x HTTP/1.1\r\nA: b\r\nhOsT:\ta.example.\r\n",
            expected("POST", "a.example", "/v1/track"),
        ),
        ("GET http://u:p@Proxy.Example:81/p?q HTTP/1.1\r\nHost: no\r\n", expected("GET", "proxy.example", "/p")),
        ("GET http://a.example HTTP/1.1\r\n\r\n", expected("GET", "a.example", "/")),
        ("GET http://a.example?q HTTP/1.1\r\n\r\n", expected("GET", "a.example", "/")),
        ("GET / HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\n\r\n", expected("GET", "2001:db8::1", "/")),
        ("CONNECT a.example:443 HTTP/1.1\r\nHost: b\r\n\r\n", expected("CONNECT", "a.example", "")),
        ("OPTIONS * HTTP/1.0\r\n\r\n", expected("OPTIONS", "", "*")),
        ("GET / HTTP/1.0\n\n", expected("GET", "", "/")),
        ("PROPFIND /dav HTTP/1.1\r\nHost: d.example\r\n", expected("PROPFIND", "d.example", "/dav")),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", expected("GET", "", "/")),
        ("GET / HTTP/1.1\r\nHost: a\x1b[31m\r\n\r\n", expected("GET", "a\\x1b[31m", "/")),
    ];
    for (stream, expected) in table {
        assert_eq!(complete(stream), expected, "{stream:?}");
    }
}

#[test]
fn other_protocols() {
    for stream in [
        "\x16\x03\x01",
        "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "EHLO mail.example\r\n",
        " GET / HTTP/1.1\r\n",
        "GET\t/ HTTP/1.1\r\n",
        "GET / \x01 HTTP/1.1\r\n",
        "GET  HTTP/1.1\r\n",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        assert_eq!(parse(stream.as_bytes()), Parsed::Other, "{stream:?}");
    }
}

#[test]
fn a_request_without_its_end() {
    for stream in ["", "G", "GET ", "GET /a", "GET /a HTTP/1.1\r"] {
        assert_eq!(parse(stream.as_bytes()), Parsed::Undecided, "{stream:?}");
    }
    let of = |stream: &str| match parse(stream.as_bytes()) {
        Parsed::Incomplete(request) => (request.method, request.host, request.path),
        other => panic!("{stream:?} gave {other:?}"),
    };
    assert_eq!(of("GET /pixel?id=1234"), expected("GET", "", "/pixel"));
    assert_eq!(of("GET http://t.example/pixel?id"), expected("GET", "t.example", "/pixel"));
    assert_eq!(of("GET /a HTTP/1.1\r\nHost: half.exa"), expected("GET", "", "/a"), "half a host is no host");
    assert_eq!(parse(b"FOO /pixel?id=1234"), Parsed::Undecided, "not believed without the version");
}

#[test]
fn the_header_section_of_a_tunnel_ends_where_it_ends() {
    let stream = b"CONNECT a:443 HTTP/1.1\r\nX: y\r\n\r\n\x16\x03\x01";
    let Parsed::Complete(request) = parse(stream) else { panic!("not whole") };
    assert_eq!(request.header_length, Some(stream.len() - 3));
    assert!(matches!(parse(&stream[..25]), Parsed::Incomplete(_)));
}

proptest! {
    #[test]
    fn never_panics_on_any_bytes(stream: Vec<u8>) {
        let _ = parse(&stream);
    }

    #[test]
    fn never_panics_on_text(stream in "(GET|POST|CONNECT|X) [ -~\r\n\t]{0,80}") {
        let _ = parse(stream.as_bytes());
    }

    #[test]
    fn truncation_never_invents(length in 0_usize..70) {
        let whole = b"GET http://a.example/path?query HTTP/1.1\r\nHost: a.example\r\n\r\n";
        if let Parsed::Incomplete(request) | Parsed::Complete(request) = parse(&whole[..length.min(whole.len())]) {
            prop_assert_eq!(request.host.as_deref(), Some("a.example"));
            prop_assert_eq!(request.path, "/path");
        }
    }
}
