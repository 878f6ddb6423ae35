use proptest::prelude::*;

use super::*;

// Questions of glibc's getaddrinfo("WWW.Shop.example") and the answers of dnsmasq 2.x, in which www.shop.example is an
// alias of edge.cdn.example; recorded by a UDP relay between the two.
const QUERY_A: &str = "573c01000001000000000000035757570453686f70076578616d706c650000010001";
const ANSWER_A: &str = "573c85800001000200000000035757570453686f70076578616d706c650000010001c00c00050001000000000012\
                        04656467650363646e076578616d706c6500c02e00010001000000000004c000020a";
const ANSWER_AAAA: &str = "c30785800001000200000000035757570453686f70076578616d706c6500001c0001c00c00050001000000000012\
                           04656467650363646e076578616d706c6500c02e001c000100000000001020010db8000000000000000000000010";
const ANSWER_NO_SUCH_NAME: &str = "f18d81830001000000000000076d697373696e670473686f70076578616d706c650000010001";

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u32> = hexadecimal.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn question(name: &str, record_type: &str) -> (String, String) {
    (name.to_owned(), record_type.to_owned())
}

#[test]
fn a_real_question() {
    let message = parse(&bytes(QUERY_A), false).unwrap();
    assert_eq!(message.questions, [question("www.shop.example", "A")]);
    assert_eq!((message.transaction_id, message.response, message.cut), (0x573c, false, false));
}

#[test]
fn real_answers() {
    let message = parse(&bytes(ANSWER_A), false).unwrap();
    let alias = DnsRecord::Alias("edge.cdn.example".to_owned());
    let address = DnsRecord::Address("192.0.2.10".parse().unwrap());
    assert_eq!((message.response, message.response_code, message.cut), (true, 0, false));
    assert_eq!(message.records_of("www.shop.example"), [alias.clone(), address.clone()]);
    assert_eq!(message.records_of("edge.cdn.example"), [address]);
    assert_eq!(message.records_of("other.example"), []);

    let message = parse(&bytes(ANSWER_AAAA), false).unwrap();
    assert_eq!(message.questions, [question("www.shop.example", "AAAA")]);
    let address = DnsRecord::Address("2001:db8::10".parse().unwrap());
    assert_eq!(message.records_of("www.shop.example"), [alias, address]);

    let message = parse(&bytes(ANSWER_NO_SUCH_NAME), false).unwrap();
    assert_eq!((message.response_code, message.records.len(), message.cut), (3, 0, false));
}

#[test]
fn a_cut_answer_gives_what_is_whole() {
    let whole = bytes(ANSWER_A);
    let message = parse(&whole[..whole.len() - 1], true).unwrap();
    assert!(message.cut);
    assert_eq!(message.records_of("www.shop.example"), [DnsRecord::Alias("edge.cdn.example".to_owned())]);
}

#[test]
fn a_record_that_nobody_asked_for_does_not_count() {
    let mut message = parse(&bytes(ANSWER_A), false).unwrap();
    let planted = DnsRecord::Address("198.51.100.1".parse().unwrap());
    message.records.insert(0, ("bank.example".to_owned(), planted.clone()));
    assert!(!message.records_of("www.shop.example").contains(&planted));
    message.records.push(("edge.cdn.example".to_owned(), DnsRecord::Alias("www.shop.example".to_owned())));
    assert_eq!(message.records_of("www.shop.example").len(), 3, "a circle of aliases ends");
}

#[test]
fn several_questions_and_odd_names() {
    let mut message = bytes("000101000003000000000000");
    message.extend(b"\x03a.b\x02C\\\x00\x00\x41\x00\x01");
    message.extend(b"\xc0\x0c\x00\x10\x00\x01");
    message.extend(b"\x00\xff\x9c\x00\x01");
    let parsed = parse(&message, false).unwrap();
    let expected = [question("a\\x2eb.c\\x5c", "HTTPS"), question("a\\x2eb.c\\x5c", "TXT"), question(".", "TYPE65436")];
    assert_eq!(parsed.questions, expected);
    let one = parse(&message[..26], false).unwrap();
    assert_eq!((one.questions.len(), one.cut), (1, true));
}

#[test]
fn pointers_that_do_not_go_back_are_refused() {
    for name in [&b"\xc0\x0c"[..], b"\xc0\x20", b"\xc0\x02", b"\x01a\xc0\x0c", b"\x80", b"\x40"] {
        let mut message = bytes("000101000001000000000000");
        message.extend(name);
        message.extend([0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(parse(&message, false), None, "{name:x?}");
    }
    let mut long = bytes("000101000001000000000000");
    for _ in 0..64 {
        long.extend(b"\x03abc");
    }
    long.extend([0, 0, 1, 0, 1]);
    assert_eq!(parse(&long, false), None, "257 bytes are no name");
}

#[test]
fn messages_of_a_stream() {
    let query = bytes(QUERY_A);
    let mut stream = vec![0, query.len() as u8];
    stream.extend(&query);
    stream.push(0);
    assert_eq!(split_stream_message(&stream), Some((&query[..], query.len() + 2)));
    assert_eq!(split_stream_message(&stream[..query.len() + 1]), None);
    assert_eq!(split_stream_message(&[0]), None);
}

#[test]
fn type_names_are_sorted_and_unique() {
    assert!(TYPE_NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(type_name(65), "HTTPS");
    assert_eq!(type_name(0), "TYPE0");
}

proptest! {
    #[test]
    fn never_panics_on_any_bytes(message: Vec<u8>, cut: bool) {
        let _ = parse(&message, cut);
        let _ = split_stream_message(&message);
    }

    #[test]
    fn never_panics_behind_a_valid_header(counts in [0_u8..4, 0..4], body in proptest::collection::vec(
        prop_oneof![Just(0_u8), Just(0xc0), 0_u8..20, any::<u8>()], 0..200)) {
        let mut message = vec![0, 1, 0x81, 0x80, 0, counts[0], 0, counts[1], 0, 0, 0, 0];
        message.extend(body);
        if let Some(parsed) = parse(&message, false) {
            for (name, _) in &parsed.questions {
                prop_assert!(!name.is_empty());
                let _ = parsed.records_of(name);
            }
        }
    }

    #[test]
    fn truncation_never_invents(length in 0_usize..96) {
        let whole = bytes(ANSWER_AAAA);
        let all = parse(&whole, false).unwrap();
        if let Some(part) = parse(&whole[..length.min(whole.len())], true) {
            prop_assert!(part.cut);
            prop_assert!(all.questions.starts_with(&part.questions));
            prop_assert!(all.records.starts_with(&part.records));
        }
    }
}
