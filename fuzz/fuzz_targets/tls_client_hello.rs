//! The beginning of a stream. A shorter beginning never tells another server name.
#![no_main]

use candor::device::decode::tls_client_hello::{Parsed, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let all = parse(bytes);
    let part = parse(&bytes[..bytes.len() / 2]);
    if let (Parsed::Complete(all) | Parsed::Incomplete(all), Parsed::Incomplete(part)) = (all, part) {
        assert!(part.server_name.is_none() || part.server_name == all.server_name);
        assert!(part.protocols.is_empty() || part.protocols == all.protocols);
    }
});
