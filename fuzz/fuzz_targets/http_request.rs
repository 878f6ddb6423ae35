//! The beginning of a stream. No control character leaves the parser.
#![no_main]

use candor::device::decode::http_request::{Parsed, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Parsed::Complete(request) | Parsed::Incomplete(request) = parse(bytes) {
        let text = [request.method.as_str(), &request.path, request.host.as_deref().unwrap_or_default()].concat();
        assert!(!text.chars().any(char::is_control));
        assert!(request.header_length.is_none_or(|length| length <= bytes.len()));
    }
});
