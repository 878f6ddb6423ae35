//! Which events are missing, when, of which families, and why; and the bytes that say so.

use crate::event::Family;

/// Bytes of one range in a file.
const RANGE_LENGTH: usize = 40;

/// A run of events that cannot be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingRange {
    /// The first number of the run.
    pub first: u64,
    /// The last number of the run.
    pub last: u64,
    /// Not before this boot time, in nanoseconds.
    pub from_ns: u64,
    /// Not after this boot time, in nanoseconds.
    pub to_ns: u64,
    /// The families they can belong to.
    pub families: Families,
    /// Why they are missing.
    pub reason: DropReason,
}

/// Why a spool gives up events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The spool has no file, and its memory was full.
    Full,
    /// The file could not be written as fast as events came, and the memory in front of it was full.
    Behind,
    /// There was no room on the disk, and the memory in front of it was full.
    DiskFull,
    /// The disk could not be written for another reason, and the memory in front of it was full.
    WriteFailed,
    /// The file had reached its size, so its oldest part went.
    Size,
    /// That part of the file had reached its age.
    Age,
    /// The file is damaged there.
    Damaged,
}

impl DropReason {
    /// Every reason. The place of one is its number in a file.
    pub const ALL: [Self; 7] =
        [Self::Full, Self::Behind, Self::DiskFull, Self::WriteFailed, Self::Size, Self::Age, Self::Damaged];

    /// The name used in gaps and totals.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "spool_full",
            Self::Behind => "spool_behind",
            Self::DiskFull => "spool_disk_full",
            Self::WriteFailed => "spool_write_failed",
            Self::Size => "spool_size",
            Self::Age => "spool_age",
            Self::Damaged => "spool_damaged",
        }
    }

    /// Its place in [`Self::ALL`].
    #[must_use]
    pub fn number(self) -> usize {
        Self::ALL.iter().position(|reason| *reason == self).unwrap_or_default()
    }
}

/// A set of families: one bit for each, in the order of [`Family::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Families(u8);

impl Families {
    /// Any family.
    pub const ANY: Self = Self(u8::MAX);

    /// Adds the families of another set.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The families; empty, which means any, when every one is in the set.
    #[must_use]
    pub fn list(self) -> Vec<Family> {
        if self == Self::ANY {
            return Vec::new();
        }
        Family::ALL.iter().copied().filter(|family| self.0 & Self::from(*family).0 != 0).collect()
    }

    pub(super) fn bits(self) -> u8 {
        self.0
    }

    pub(super) fn of_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl From<Family> for Families {
    fn from(family: Family) -> Self {
        // Numbers in files: they stay what they are when families are added.
        Self(match family {
            Family::Process => 1,
            Family::File => 2,
            Family::Socket => 4,
            Family::Session => 8,
            Family::Provider => 16,
            Family::Service => 32,
        })
    }
}

impl MissingRange {
    /// Takes in another range, with what lies between.
    pub fn merge(&mut self, other: &Self) {
        if other.last - other.first > self.last - self.first {
            self.reason = other.reason;
        }
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.from_ns = self.from_ns.min(other.from_ns);
        self.to_ns = self.to_ns.max(other.to_ns);
        self.families = self.families.with(other.families);
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(RANGE_LENGTH);
        for number in [self.first, self.last, self.from_ns, self.to_ns] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let reason = u8::try_from(self.reason.number()).unwrap_or_default();
        bytes.extend_from_slice(&[self.families.bits(), reason, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let number = |offset: usize| Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?));
        let range = Self {
            first: number(0)?,
            last: number(8)?,
            from_ns: number(16)?,
            to_ns: number(24)?,
            families: Families::of_bits(*bytes.get(32)?),
            reason: DropReason::ALL.get(usize::from(*bytes.get(33)?)).copied()?,
        };
        (range.first <= range.last).then_some(range)
    }
}

/// The bytes of ranges.
pub(super) fn encode(ranges: &[MissingRange]) -> Vec<u8> {
    ranges.iter().flat_map(|range| range.to_bytes()).collect()
}

/// Ranges from bytes whose checksum was right; those that mean nothing are left out, because the holes they would explain
/// are seen without them too.
pub(super) fn decode(bytes: &[u8]) -> Vec<MissingRange> {
    bytes.chunks_exact(RANGE_LENGTH).filter_map(MissingRange::read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_back() {
        let ranges: Vec<_> = DropReason::ALL
            .iter()
            .zip(1..)
            .map(|(reason, first)| MissingRange {
                first,
                last: first + 3,
                from_ns: 5,
                to_ns: u64::MAX,
                families: Families::from(Family::File).with(Family::Service.into()),
                reason: *reason,
            })
            .collect();
        assert_eq!(decode(&encode(&ranges)), ranges);
        assert_eq!(ranges[0].families.list(), [Family::File, Family::Service]);
        assert!(Families::ANY.list().is_empty());
    }

    #[test]
    fn what_is_no_range_is_left_out() {
        let mut bytes = encode(&[MissingRange {
            first: 1,
            last: 2,
            from_ns: 0,
            to_ns: 1,
            families: Families::ANY,
            reason: DropReason::Size,
        }]);
        bytes[33] = 200;
        assert_eq!(decode(&bytes), []);
        bytes[33] = 0;
        bytes[0] = 9;
        assert_eq!(decode(&bytes), []);
        assert_eq!(decode(&bytes[..39]), []);
    }
}
