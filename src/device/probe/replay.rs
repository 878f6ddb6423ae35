//! The replay probe: raw records of a capture instead of a kernel.
//!
//! * **In:** a file of [`crate::device::raw_capture`]. **Out:** its records, in order, each batch under the id of the
//!   probe that made them.
//! * **May import:** `event`, `probe`, `raw_capture`.
//! * **Test it:** `cargo test device::probe::replay`.

use std::path::Path;
use std::time::Duration;

use super::{PollState, Probe, ProbeCounters, ProbeError, RawBatch, SessionSlot};
use crate::device::raw_capture::{CaptureCondition, CaptureEntry, CaptureError, CaptureReader};
use crate::event::{PhaseMark, ProbeId, ProbeStatus, Selection, SessionEnd, SessionHeader};

/// Where `sessions` is in the header of a record.
const SESSIONS: std::ops::Range<usize> = 8..16;
/// A record shorter than its header is passed on as it is, for the decoder to count.
const RECORD_HEADER_LENGTH: usize = 64;

/// What a capture says beyond its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureHeader {
    /// The header of the session.
    pub header: SessionHeader,
    /// Phase marks, with their boot time in nanoseconds, in the order of the file.
    pub phase_marks: Vec<(u64, PhaseMark)>,
    /// For each of them, how many batches that [`Probe::poll`] gives stand before it.
    pub batches_before_marks: Vec<u64>,
    /// The end of the session; `None` when the capture was cut short.
    pub end: Option<SessionEnd>,
    /// How whole the capture is.
    pub condition: CaptureCondition,
}

/// Opens a capture. The file is read once to its end to learn marks, end and condition, and again while it is replayed:
/// memory is that of one frame, however long the capture is.
///
/// # Errors
///
/// When the file cannot be read or is no capture. A capture that is damaged further on is replayed up to there, and its
/// [`CaptureHeader::condition`] says so.
pub fn open(path: &Path) -> Result<(Box<dyn Probe>, CaptureHeader), ProbeError> {
    let mut reader = CaptureReader::open(path).map_err(bad_capture)?;
    let mut header = CaptureHeader {
        header: reader.header().clone(),
        phase_marks: Vec::new(),
        batches_before_marks: Vec::new(),
        end: None,
        condition: CaptureCondition::default(),
    };
    let mut batches = 0;
    for entry in reader.by_ref() {
        match entry {
            CaptureEntry::Records(_) => batches += 1,
            CaptureEntry::PhaseMark(time_ns, mark) => {
                header.phase_marks.push((time_ns, mark));
                header.batches_before_marks.push(batches);
            }
            CaptureEntry::End(end) => header.end = Some(*end),
        }
    }
    header.condition = reader.condition().clone();
    let reader = CaptureReader::open(path).map_err(bad_capture)?;
    let probe = ReplayProbe { reader, slot: None, used: false, ended: false };
    Ok((Box::new(probe), header))
}

fn bad_capture(error: CaptureError) -> ProbeError {
    match error {
        CaptureError::Read { path, source } => {
            ProbeError::System { action: format!("read {}", path.display()), source }
        }
        error => ProbeError::BadCapture(error.to_string()),
    }
}

struct ReplayProbe {
    reader: CaptureReader,
    /// The session that gets the records.
    slot: Option<SessionSlot>,
    used: bool,
    ended: bool,
}

impl Probe for ReplayProbe {
    fn id(&self) -> ProbeId {
        ProbeId::Replay
    }

    /// What the probes of the captured session gave.
    fn statuses(&self) -> Vec<ProbeStatus> {
        self.reader.header().probes.clone()
    }

    fn select(&mut self, slot: SessionSlot, _: &Selection, _: &mut RawBatch) -> Result<(), ProbeError> {
        if self.used {
            return Err(ProbeError::Unsupported("a capture is replayed once; open it again".to_owned()));
        }
        self.used = true;
        self.slot = Some(slot);
        Ok(())
    }

    fn deselect(&mut self, slot: SessionSlot, _: &mut RawBatch) {
        if self.slot == Some(slot) {
            self.slot = None;
        }
    }

    /// One frame of the capture. An empty `batch` is replaced by one with the id of the probe that made the records; a
    /// batch that holds something already is left as it is, because records of two probes do not go into one.
    fn poll(&mut self, timeout: Duration, batch: &mut RawBatch) -> Result<PollState, ProbeError> {
        if self.ended {
            return Ok(PollState::Ended);
        }
        let Some(slot) = self.slot else {
            // Nobody to read for. Waiting is what the caller expects; returning at once would make it spin.
            std::thread::sleep(timeout);
            return Ok(PollState::Idle);
        };
        if !batch.is_empty() {
            return Ok(PollState::More);
        }
        for entry in self.reader.by_ref() {
            if let CaptureEntry::Records(records) = entry {
                *batch = RawBatch::new(records.probe());
                let mut buffer = Vec::new();
                for record in records.iter() {
                    buffer.clear();
                    buffer.extend_from_slice(record);
                    if record.len() >= RECORD_HEADER_LENGTH
                        && let Some(sessions) = buffer.get_mut(SESSIONS)
                    {
                        sessions.copy_from_slice(&slot.bit().to_le_bytes());
                    }
                    batch.push(&buffer);
                }
                return Ok(PollState::More);
            }
        }
        self.ended = true;
        Ok(PollState::Ended)
    }

    fn counters(&self) -> ProbeCounters {
        ProbeCounters::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::decode::test_support::{RecordBuilder, samples};
    use crate::device::raw_capture::CaptureWriter;
    use crate::event::SessionEndReason;

    #[test]
    fn records_come_in_order_under_their_probe_and_with_the_bit_of_the_slot() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let header = SessionHeader { session_id: "s".to_owned(), ..SessionHeader::default() };
        let mut writer = CaptureWriter::create(&path, &header).unwrap();
        let mut snapshot = RawBatch::new(ProbeId::Procfs);
        snapshot.push(&RecordBuilder::process_exit(0).sessions(0b110).build());
        snapshot.push(b"damaged");
        writer.records(&snapshot).unwrap();
        writer.phase_mark(5, &"silent".parse().unwrap(), "").unwrap();
        let mut traced = RawBatch::new(ProbeId::EbpfKernelObjects);
        samples().iter().for_each(|(_, record)| traced.push(record));
        writer.records(&traced).unwrap();
        let end = SessionEnd {
            reason: SessionEndReason::Stopped,
            totals: Default::default(),
            probes: Vec::new(),
            self_tests: Vec::new(),
        };
        writer.finish(&end).unwrap();

        let (mut probe, capture) = open(&path).unwrap();
        assert_eq!((&capture.header, &capture.end), (&header, &Some(end)));
        assert_eq!(capture.batches_before_marks, [1]);
        assert_eq!((capture.phase_marks[0].0, capture.phase_marks[0].1.phase.as_str()), (5, "silent"));
        assert!(capture.condition.complete);

        let mut batch = RawBatch::new(probe.id());
        assert_eq!(probe.poll(Duration::ZERO, &mut batch).unwrap(), PollState::Idle, "nothing is selected yet");
        let slot = SessionSlot::new(9).unwrap();
        probe.select(slot, &Selection::default(), &mut batch).unwrap();
        assert_eq!(probe.poll(Duration::ZERO, &mut batch).unwrap(), PollState::More);
        let records: Vec<_> = batch.iter().map(<[u8]>::to_vec).collect();
        assert_eq!(records[0], RecordBuilder::process_exit(0).sessions(1 << 9).build());
        assert_eq!((batch.probe(), &records[1][..]), (ProbeId::Procfs, &b"damaged"[..]));
        let full = batch.clone();
        assert_eq!(probe.poll(Duration::ZERO, &mut batch).unwrap(), PollState::More);
        assert_eq!(batch, full, "a batch with records is left as it is");
        batch = RawBatch::new(probe.id());
        assert_eq!(probe.poll(Duration::ZERO, &mut batch).unwrap(), PollState::More);
        assert_eq!((batch.probe(), batch.len()), (ProbeId::EbpfKernelObjects, samples().len()));
        assert_eq!(probe.poll(Duration::ZERO, &mut RawBatch::new(probe.id())).unwrap(), PollState::Ended);
        assert!(probe.select(slot, &Selection::default(), &mut batch).is_err());
    }
}
