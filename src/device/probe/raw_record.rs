//! Raw records on their way from a probe to the decoder.

use crate::event::ProbeId;

/// Records of one probe, back to back in one allocation.
///
/// A batch rather than a record each: at 200,000 records a second one allocation per record is what a profile shows
/// first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBatch {
    probe: ProbeId,
    bytes: Vec<u8>,
    /// End of each record in `bytes`.
    ends: Vec<usize>,
}

impl RawBatch {
    /// An empty batch.
    #[must_use]
    pub fn new(probe: ProbeId) -> Self {
        Self { probe, bytes: Vec::new(), ends: Vec::new() }
    }

    /// The probe whose records these are.
    #[must_use]
    pub fn probe(&self) -> ProbeId {
        self.probe
    }

    /// Appends one record.
    pub fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all records.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// The records, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends.iter().copied()).map(|(start, end)| self.bytes.get(start..end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_pushed() {
        let mut batch = RawBatch::new(ProbeId::Replay);
        assert!(batch.is_empty());
        for record in [&b"one"[..], b"", b"three"] {
            batch.push(record);
        }
        assert_eq!(batch.len(), 3);
        assert_eq!(batch.byte_len(), 8);
        assert_eq!(batch.iter().collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
    }
}
