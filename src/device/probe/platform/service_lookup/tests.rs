use proptest::prelude::*;

use super::*;

#[test]
fn the_token_is_that_of_the_release() {
    let words = |level| {
        let parcel = request(level, "phone");
        parcel.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect::<Vec<_>>()
    };
    assert_eq!(words(28)[..2], [0x40_0000, 26]);
    assert_eq!(words(29)[..3], [0x8000_0000, u32::MAX, 26]);
    for level in [0, 30, 34, 36] {
        assert_eq!(words(level)[..4], [0x8000_0000, u32::MAX, 0x5359_5354, 26], "{level}");
    }
    // "phone": five units, the zero, no padding.
    assert_eq!(request(34, "phone")[72..], *b"\x05\0\0\0p\0h\0o\0n\0e\0\0\0");
}

#[test]
fn the_code_is_that_of_the_release_or_one_that_all_have() {
    assert_eq!([28, 30, 34, 36].map(check_service_code), [2, 2, 2, 3]);
    assert_eq!([0, 31, 35, 99].map(check_service_code), [1, 1, 1, 1], "not known, or moved within the level");
}

fn reply(data: (u64, u64), offsets: (u64, u64)) -> Vec<u8> {
    let mut bytes = vec![0; TRANSACTION_SIZE];
    for (at, value) in [(32, data.1), (40, offsets.1), (48, data.0), (56, offsets.0)] {
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    [BR_REPLY.to_le_bytes().to_vec(), bytes].concat()
}

#[test]
fn returns_are_walked_by_their_sizes() {
    const NOOP: u32 = 0x720c;
    const TRANSACTION_COMPLETE: u32 = 0x7206;
    const INCREFS: u32 = 0x8010_7207;
    let note = |command: u32, payload: usize| [command.to_le_bytes().to_vec(), vec![7; payload]].concat();
    let before = [note(NOOP, 0), note(INCREFS, 16), note(TRANSACTION_COMPLETE, 0)].concat();
    assert_eq!(returned(&before).unwrap(), Returned::Nothing);
    let answer = Answer { flags: 0, data: (4096, 28), offsets: (4124, 8) };
    assert_eq!(returned(&[before.clone(), reply((4096, 28), (4124, 8))].concat()).unwrap(), Returned::Answer(answer));
    assert!(matches!(returned(&note(BR_DEAD_REPLY, 0)), Err(LookupError::NoServiceManager(_))));
    assert!(matches!(
        returned(&[before, reply((1, 2), (3, 4))[..60].to_vec()].concat()),
        Err(LookupError::Answer(BR_REPLY))
    ));
    assert!(matches!(returned(&[1, 2]), Err(LookupError::Answer(0))));
}

#[test]
fn a_handle_is_found_wherever_the_release_puts_it() {
    let object =
        [binder_driver::TYPE_HANDLE.to_le_bytes().to_vec(), vec![0x13, 1, 0, 0, 42, 0, 0, 0], vec![0; 12]].concat();
    for front in [0, 4, 12] {
        let data = [vec![0; front], object.clone(), vec![12, 0, 0, 0]].concat();
        assert_eq!(references(&data, &u64::try_from(front).unwrap().to_le_bytes()).next(), Some(42));
    }
    assert_eq!(references(&object, &[]).next(), None, "a null binder is not listed");
    assert_eq!(references(&object, &u64::MAX.to_le_bytes()).next(), None);
}

#[test]
fn a_system_without_binder_is_said_to_have_none() {
    let root = tempfile::tempdir().unwrap();
    let error = nodes_of_services(root.path(), 34, &["phone"], Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.to_string(), "there is no binder device (looked for /dev/binderfs/binder and /dev/binder)");
    std::fs::create_dir_all(root.path().join("dev")).unwrap();
    std::fs::write(root.path().join("dev/binder"), "").unwrap();
    let error = nodes_of_services(root.path(), 34, &["phone"], Duration::from_secs(1)).unwrap_err();
    assert!(matches!(error, LookupError::System { .. }), "a plain file: {error}");
}

proptest! {
    #[test]
    fn any_return_ends(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = returned(&bytes);
        let _ = references(&bytes, bytes.get(..64).unwrap_or_default()).next();
    }
}
