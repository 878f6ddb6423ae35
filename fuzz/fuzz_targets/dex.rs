//! A dex file, with and without a header in front that lets the rest be reached.
#![no_main]

use candor::device::probe::platform::dex;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let mut file = b"dex\n035\0".to_vec();
    file.resize(0x70, 0);
    file[40..44].copy_from_slice(&0x1234_5678_u32.to_le_bytes());
    // The rest of the header is the input's: sizes and places of the tables, in 16 bits so that they fit more often.
    for (place, value) in (56..112).step_by(4).zip(bytes.chunks_exact(2)) {
        file[place..place + 2].copy_from_slice(value);
    }
    file.extend_from_slice(bytes);
    check(&file);
});

fn check(bytes: &[u8]) {
    if let Ok(found) = dex::transaction_codes(bytes) {
        for (interface, methods) in &found.interfaces {
            assert!(!methods.is_empty() && !interface.contains(char::is_whitespace));
            for (code, method) in methods {
                assert!((1..=0x00ff_ffff).contains(code) && !method.is_empty());
            }
        }
    }
}
