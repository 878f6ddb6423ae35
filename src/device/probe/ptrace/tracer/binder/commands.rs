//! The commands that a thread and the binder driver hand each other, as bytes of the app's memory: nothing in them is trusted.

use super::super::super::super::binder_driver::{
    BC_TRANSACTION, BR_DEAD_REPLY, BR_FAILED_REPLY, BR_FROZEN_REPLY, BR_REPLY, payload_size,
};
use super::super::memory::number;

// What only who listens needs to know, from include/uapi/linux/android/binder.h.
const BC_REPLY: u32 = 0x4040_6301;
const BC_RELEASE: u32 = 0x4004_6306;
const BC_DECREFS: u32 = 0x4004_6307;
const BC_TRANSACTION_SG: u32 = 0x4048_6311;
const BC_REPLY_SG: u32 = 0x4048_6312;
const BR_TRANSACTION_SEC_CTX: u32 = 0x8048_7202;
const BR_TRANSACTION: u32 = 0x8040_7202;
const BR_TRANSACTION_COMPLETE: u32 = 0x7206;
const BR_ONEWAY_SPAM_SUSPECT: u32 = 0x7213;
const BR_TRANSACTION_PENDING_FROZEN: u32 = 0x7214;

/// `TF_ONE_WAY`.
const ONE_WAY: u32 = 1;
/// In front of each command's own structure.
const WORD: usize = 4;
/// The longest structure behind a command that is of interest: `struct binder_transaction_data_sg`.
pub(super) const LONGEST: usize = 72;
/// Size of `struct binder_write_read`.
pub(super) const EXCHANGE: usize = 48;

/// `struct binder_write_read`: what goes to the driver, and where its answers go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct WriteRead {
    pub(super) write_size: u64,
    pub(super) write_consumed: u64,
    pub(super) write_buffer: u64,
    pub(super) read_consumed: u64,
    pub(super) read_buffer: u64,
}

impl WriteRead {
    /// Nothing when the memory ends before it does.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let field = |index: usize| number(bytes, 8 * index, 8);
        (bytes.len() >= EXCHANGE).then(|| Self {
            write_size: field(0),
            write_consumed: field(1),
            write_buffer: field(2),
            read_consumed: field(4),
            read_buffer: field(5),
        })
    }
}

/// `struct binder_transaction_data`, as far as it is of interest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Transaction {
    /// By which the sender knows whom it calls.
    pub(super) handle: u32,
    pub(super) code: u32,
    pub(super) flags: u32,
    pub(super) data_size: u64,
    pub(super) offsets_size: u64,
    pub(super) data: u64,
    pub(super) offsets: u64,
}

impl Transaction {
    fn parse(bytes: &[u8]) -> Self {
        let word = |offset| number(bytes, offset, 4) as u32;
        let long = |offset| number(bytes, offset, 8);
        Self {
            handle: word(0),
            code: word(16),
            flags: word(20),
            data_size: long(32),
            offsets_size: long(40),
            data: long(48),
            offsets: long(56),
        }
    }

    /// Nobody waits for an answer.
    pub(super) fn one_way(&self) -> bool {
        self.flags & ONE_WAY != 0
    }
}

/// What a thread tells the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Call(Transaction),
    /// The answer to a call that the thread serves.
    Reply,
    /// A reference is given up: its number can come to mean another object.
    Release(u32),
}

/// What the driver tells a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// What was sent before is on its way.
    Taken,
    /// What was sent failed, or the call that the thread waits for did.
    Failure(Failure),
    /// The answer to the call that the thread waits for.
    Reply(Transaction),
    /// A call that the thread is to serve, and to answer unless it is one-way.
    Call(Transaction),
}

/// How something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Dead,
    Failed,
    Frozen,
}

/// Commands of a buffer, each with its structure and the place behind it. They end where the buffer does, or at one of which a
/// part is missing.
struct Commands<'a> {
    bytes: &'a [u8],
    /// Commands begin before this place.
    begin_before: usize,
    at: usize,
}

impl<'a> Iterator for Commands<'a> {
    type Item = (u32, &'a [u8], usize);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.begin_before {
            return None;
        }
        let rest = self.bytes.get(self.at..)?;
        let (word, behind) = rest.split_at_checked(WORD)?;
        let command = number(word, 0, WORD) as u32;
        let size = payload_size(command);
        let payload = behind.get(..size)?;
        self.at += WORD + size;
        Some((command, payload, self.at))
    }
}

/// What a thread says in a write buffer, each with the place behind it, so that it can be told whether the driver took it in.
///
/// `size` is that of the buffer, and `bytes` can be longer: the driver in C looks only whether a command begins within the buffer,
/// and takes one in whose structure lies behind.
pub(super) fn said(bytes: &[u8], size: usize) -> impl Iterator<Item = (u64, Said)> {
    Commands { bytes, begin_before: size, at: 0 }.filter_map(|(command, payload, end)| {
        let said = match command {
            BC_TRANSACTION | BC_TRANSACTION_SG => Said::Call(Transaction::parse(payload)),
            BC_REPLY | BC_REPLY_SG => Said::Reply,
            BC_RELEASE | BC_DECREFS => Said::Release(number(payload, 0, 4) as u32),
            _ => return None,
        };
        Some((end as u64, said))
    })
}

/// What the driver says in a read buffer.
pub(super) fn heard(bytes: &[u8]) -> impl Iterator<Item = Heard> {
    Commands { bytes, begin_before: bytes.len(), at: 0 }.filter_map(|(command, payload, _)| {
        Some(match command {
            BR_TRANSACTION_COMPLETE | BR_ONEWAY_SPAM_SUSPECT | BR_TRANSACTION_PENDING_FROZEN => Heard::Taken,
            BR_DEAD_REPLY => Heard::Failure(Failure::Dead),
            BR_FAILED_REPLY => Heard::Failure(Failure::Failed),
            BR_FROZEN_REPLY => Heard::Failure(Failure::Frozen),
            BR_REPLY => Heard::Reply(Transaction::parse(payload)),
            BR_TRANSACTION | BR_TRANSACTION_SEC_CTX => Heard::Call(Transaction::parse(payload)),
            _ => return None,
        })
    })
}

/// Words that follow the work source in a token of API 30 and later: `SYST`, `VNDR`, `RECO`, `UNKN`.
const TOKEN_HEADERS: [u64; 4] = [0x5359_5354, 0x564e_4452, 0x5245_434f, 0x554e_4b4e];
/// Names of interfaces are no longer, in units of UTF-16. As many are compared by the kernel programs.
const DESCRIPTOR_UNITS: u64 = 64;

/// The interface that a parcel names at its beginning, if it does. Releases differ in the words before it: strict mode (28);
/// strict mode, work source (29); strict mode, work source, header (30 and later). The content tells which.
pub(super) fn interface(parcel: &[u8]) -> Option<String> {
    let word = |index: usize| number(parcel, WORD * index, WORD);
    let (units, place) = match word(2) {
        header if TOKEN_HEADERS.contains(&header) => (word(3), 4 * WORD),
        units if units <= DESCRIPTOR_UNITS => (units, 3 * WORD),
        _ => (word(1), 2 * WORD),
    };
    let bytes = usize::try_from(units.min(DESCRIPTOR_UNITS + 1)).ok()? * 2;
    if units == 0 || units > DESCRIPTOR_UNITS {
        return None;
    }
    let name = parcel.get(place..place + bytes)?;
    let units: Vec<u16> = name.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::super::super::binder_driver::references;
    use super::*;

    fn transaction(handle: u32, code: u32, flags: u32) -> Vec<u8> {
        let words = [handle, 0, 0, 0, code, flags, 0, 0].map(u32::to_le_bytes).concat();
        let longs = [300_u64, 16, 0x7000, 0x8000].map(u64::to_le_bytes).concat();
        [words, longs].concat()
    }

    fn command(word: u32, payload: &[u8]) -> Vec<u8> {
        [&word.to_le_bytes()[..], payload].concat()
    }

    fn data(handle: u32, code: u32, flags: u32) -> Transaction {
        Transaction { handle, code, flags, data_size: 300, offsets_size: 16, data: 0x7000, offsets: 0x8000 }
    }

    #[test]
    fn the_structure_of_an_exchange() {
        let bytes: Vec<u8> = (1..=6_u64).flat_map(u64::to_le_bytes).collect();
        let parsed = WriteRead { write_size: 1, write_consumed: 2, write_buffer: 3, read_consumed: 5, read_buffer: 6 };
        assert_eq!(WriteRead::parse(&bytes), Some(parsed));
        assert_eq!(WriteRead::parse(&bytes[..47]), None);
    }

    #[test]
    fn calls_are_found_among_other_commands() {
        let bytes = [
            command(0x4008_6303, &[0; 8]),
            command(BC_DECREFS, &7_u32.to_le_bytes()),
            command(BC_TRANSACTION, &transaction(3, 9, 0x11)),
            command(0x630c, &[]),
            command(BC_TRANSACTION_SG, &[transaction(4, 10, 0), vec![0; 8]].concat()),
            command(BC_REPLY, &transaction(0, 0, 0)),
        ]
        .concat();
        let found: Vec<_> = said(&bytes, bytes.len()).collect();
        assert_eq!(
            found,
            [
                (20, Said::Release(7)),
                (88, Said::Call(data(3, 9, 0x11))),
                (168, Said::Call(data(4, 10, 0))),
                (236, Said::Reply),
            ]
        );
        assert!(data(3, 9, 0x11).one_way() && !data(4, 10, 0).one_way());
    }

    #[test]
    fn a_buffer_ends_where_it_says_unless_a_command_began_before() {
        let bytes = [command(BC_REPLY, &transaction(0, 0, 0)), command(BC_REPLY, &transaction(0, 0, 0))].concat();
        assert_eq!(said(&bytes, 0).count(), 0);
        assert_eq!(said(&bytes, 1).count(), 1, "the driver takes in all of a command that begins in the buffer");
        assert_eq!(said(&bytes, 68).count(), 1);
        assert_eq!(said(&bytes, 69).count(), 2);
        assert_eq!(said(&bytes[..135], 136).count(), 1, "the second is not whole");
        assert_eq!(said(&bytes[..3], 136).count(), 0);
    }

    #[test]
    fn what_the_driver_says() {
        let bytes = [
            command(0x720c, &[]),
            command(BR_TRANSACTION_COMPLETE, &[]),
            command(BR_ONEWAY_SPAM_SUSPECT, &[]),
            command(0x8010_7208, &[0; 16]),
            command(BR_TRANSACTION_SEC_CTX, &[transaction(1, 2, 3), vec![0; 8]].concat()),
            command(BR_DEAD_REPLY, &[]),
            command(BR_FAILED_REPLY, &[]),
            command(BR_FROZEN_REPLY, &[]),
            command(BR_REPLY, &transaction(0, 0, 8)),
        ]
        .concat();
        let found: Vec<_> = heard(&bytes).collect();
        assert_eq!(
            found,
            [
                Heard::Taken,
                Heard::Taken,
                Heard::Call(data(1, 2, 3)),
                Heard::Failure(Failure::Dead),
                Heard::Failure(Failure::Failed),
                Heard::Failure(Failure::Frozen),
                Heard::Reply(data(0, 0, 8)),
            ]
        );
    }

    fn token(before: &[u32], name: &str) -> Vec<u8> {
        let units: Vec<u16> = name.encode_utf16().collect();
        let mut bytes: Vec<u8> = before.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend(u32::try_from(units.len()).unwrap().to_le_bytes());
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes.extend([0; 2]);
        bytes
    }

    #[test]
    fn the_interface_is_found_behind_every_form_of_the_token() {
        let name = "android.content.IContentProvider";
        for before in [&[0x0040_0000][..], &[1 << 31, u32::MAX], &[1 << 31, u32::MAX, 0x5359_5354]] {
            let parcel = token(before, name);
            assert_eq!(interface(&parcel).as_deref(), Some(name), "{before:x?}");
            assert_eq!(interface(&parcel[..parcel.len() - 3]), None, "a part is missing");
        }
        assert_eq!(interface(&token(&[1, 2, 0x5359_5354], &"x".repeat(64))).map(|name| name.len()), Some(64));
        assert_eq!(interface(&token(&[1, 2, 0x5359_5354], &"x".repeat(65))), None);
        assert_eq!(interface(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..400), size in any::<usize>()) {
            prop_assert!(said(&bytes, size).count() <= bytes.len() / WORD);
            prop_assert!(heard(&bytes).count() <= bytes.len() / WORD);
            let _name = interface(&bytes);
            prop_assert!(references(&bytes, &bytes).count() <= bytes.len() / 8);
            let _exchange = WriteRead::parse(&bytes);
        }

        #[test]
        fn places_grow(words in proptest::collection::vec(prop_oneof![
            Just(BC_TRANSACTION), Just(BC_REPLY), Just(BC_RELEASE), Just(BC_TRANSACTION_SG), any::<u32>(),
        ], 0..40)) {
            let bytes: Vec<u8> = words.iter().flat_map(|word| command(*word, &[0; 70])).collect();
            let ends: Vec<u64> = said(&bytes, bytes.len()).map(|(end, _)| end).collect();
            prop_assert!(ends.is_sorted_by(|one, next| one < next));
            prop_assert!(ends.iter().all(|end| *end <= bytes.len() as u64));
        }
    }
}
