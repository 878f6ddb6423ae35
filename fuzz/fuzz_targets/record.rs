//! Several records through one decoder. Each is preceded by its length; the length field of a record is put right, so
//! that what is behind it is reached.
#![no_main]

use candor::device::decode::Decoder;
use candor::device::decode::layout::RECORD_HEADER_LENGTH;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(([low, high], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(behind.len());
        let (record, behind) = behind.split_at(length);
        rest = behind;
        let _ = decoder.decode(record, &mut out);
        let mut whole = record.to_vec();
        if whole.len() >= RECORD_HEADER_LENGTH {
            whole[44..48].copy_from_slice(&(length as u32).to_le_bytes());
            let before = out.len();
            if decoder.decode(&whole, &mut out).is_err() {
                assert_eq!(out.len(), before, "an error appended something");
            }
        }
        out.clear();
    }
});
