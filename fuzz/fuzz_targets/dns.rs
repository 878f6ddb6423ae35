//! A DNS message, whole and cut.
#![no_main]

use candor::device::decode::dns;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = dns::split_stream_message(bytes);
    if let Some(message) = dns::parse(bytes, false) {
        for (name, _) in &message.questions {
            let _ = message.records_of(name);
        }
        let part = dns::parse(&bytes[..bytes.len() / 2], true);
        if let Some(part) = part {
            assert!(part.cut && message.questions.starts_with(&part.questions));
        }
    }
});
