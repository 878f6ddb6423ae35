//! Where the entries of a frame belong: read without the entries themselves.

use super::missing::{DropReason, Families, MissingRange};

/// Bytes of a place, at the beginning of a frame's payload.
pub(super) const PLACE_LENGTH: usize = 48;

/// Where the entries of a frame belong. Their indices follow each other without holes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the first entry, among all entries of the session.
    pub(super) first_index: u64,
    /// Entries.
    pub(super) entries: u32,
    /// Events among them.
    pub(super) events: u32,
    /// Events of the session before the frame.
    pub(super) events_before: u64,
    /// Time of the earliest event, boot-time nanoseconds; `u64::MAX` without events.
    pub(super) from_ns: u64,
    /// Time of the latest event; 0 without events.
    pub(super) to_ns: u64,
    /// Families of the events.
    pub(super) families: Families,
}

impl Place {
    /// The index after the last entry.
    pub(super) fn next_index(&self) -> u64 {
        self.first_index.saturating_add(u64::from(self.entries))
    }

    /// The number of the newest event up to the end of the frame.
    pub(super) fn last_sequence(&self) -> u64 {
        self.events_before.saturating_add(u64::from(self.events))
    }

    /// The events of the frame as missing, when it has any.
    pub(super) fn missing(&self) -> Option<MissingRange> {
        (self.events > 0).then(|| MissingRange {
            first: self.events_before.saturating_add(1),
            last: self.last_sequence(),
            from_ns: self.from_ns,
            to_ns: self.to_ns,
            families: self.families,
            reason: DropReason::Damaged,
        })
    }

    pub(super) fn to_bytes(self) -> [u8; PLACE_LENGTH] {
        let mut bytes = [0; PLACE_LENGTH];
        let (fields, checksum) = bytes.split_at_mut(PLACE_LENGTH - 4);
        let parts: [&[u8]; 7] = [
            &self.first_index.to_le_bytes(),
            &self.entries.to_le_bytes(),
            &self.events.to_le_bytes(),
            &self.events_before.to_le_bytes(),
            &self.from_ns.to_le_bytes(),
            &self.to_ns.to_le_bytes(),
            &[self.families.bits(), 0, 0, 0],
        ];
        for (place, byte) in fields.iter_mut().zip(parts.concat()) {
            *place = byte;
        }
        checksum.copy_from_slice(&crc32fast::hash(fields).to_le_bytes());
        bytes
    }

    /// The place at the beginning of these bytes, when its checksum is right. The checksum is its own, so that where a
    /// frame belongs is known also when its entries cannot be read any more.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (fields, checksum) = bytes.get(..PLACE_LENGTH)?.split_at_checked(PLACE_LENGTH - 4)?;
        if checksum != crc32fast::hash(fields).to_le_bytes() {
            return None;
        }
        let long = |offset: usize| Some(u64::from_le_bytes(*fields.get(offset..)?.first_chunk()?));
        let short = |offset: usize| Some(u32::from_le_bytes(*fields.get(offset..)?.first_chunk()?));
        let place = Self {
            first_index: long(0)?,
            entries: short(8)?,
            events: short(12)?,
            events_before: long(16)?,
            from_ns: long(24)?,
            to_ns: long(32)?,
            families: Families::of_bits(*fields.get(40)?),
        };
        (place.events <= place.entries).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Family;

    #[test]
    fn a_place_is_read_back_and_every_flipped_bit_is_seen() {
        let place = Place {
            first_index: 10,
            entries: 5,
            events: 4,
            events_before: 8,
            from_ns: 1,
            to_ns: 9,
            families: Family::Socket.into(),
        };
        let bytes = place.to_bytes();
        assert_eq!(Place::read(&bytes), Some(place));
        assert_eq!((place.next_index(), place.last_sequence()), (15, 12));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Place::read(&flipped), None, "bit {bit}");
        }
    }
}
