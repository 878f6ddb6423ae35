use std::fs;
use std::path::Path;

use super::*;
use crate::device::probe::RawBatch;
use crate::event::{
    ClockAnchor, PhaseMark, ProbeId, Selection, SessionEnd, SessionEndReason, SessionHeader, Stage, StageTotals, Totals,
};

fn header() -> SessionHeader {
    SessionHeader {
        session_id: "s1".to_owned(),
        started: ClockAnchor { boot_ns: 5, wall_ns: 6 },
        selection: Selection { user_ids: [10_001].into(), ..Selection::default() },
        ..SessionHeader::default()
    }
}

fn end() -> SessionEnd {
    let mut totals = Totals { time_ns: 9, events: 4, ..Totals::default() };
    totals.loss.stages.insert(Stage::Decode, StageTotals { produced: 4, delivered: 4, ..StageTotals::default() });
    SessionEnd { reason: SessionEndReason::Stopped, totals, probes: Vec::new(), self_tests: Vec::new() }
}

fn batch(probe: ProbeId, records: &[&[u8]]) -> RawBatch {
    let mut batch = RawBatch::new(probe);
    records.iter().for_each(|record| batch.push(record));
    batch
}

fn entries() -> Vec<CaptureEntry> {
    let mark = PhaseMark { phase: "foreground".parse().unwrap(), note: "tapped „agree“".to_owned() };
    vec![
        CaptureEntry::Records(batch(ProbeId::Procfs, &[b"one", b"", b"three"])),
        CaptureEntry::PhaseMark(77, mark),
        CaptureEntry::Records(batch(ProbeId::EbpfSystemCalls, &[b"four"])),
        CaptureEntry::End(Box::new(end())),
    ]
}

fn write(path: &Path) -> Vec<u8> {
    let mut writer = CaptureWriter::create(path, &header()).unwrap();
    for entry in entries() {
        match entry {
            CaptureEntry::Records(batch) => writer.records(&batch).unwrap(),
            CaptureEntry::PhaseMark(time_ns, mark) => writer.phase_mark(time_ns, &mark.phase, &mark.note).unwrap(),
            CaptureEntry::End(_) => {}
        }
    }
    writer.finish(&end()).unwrap();
    fs::read(path).unwrap()
}

#[test]
fn what_was_written_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.candor-raw");
    write(&path);
    let mut reader = CaptureReader::open(&path).unwrap();
    assert_eq!(reader.header(), &header());
    assert_eq!(reader.by_ref().collect::<Vec<_>>(), entries());
    assert_eq!(reader.condition(), &CaptureCondition { complete: true, damage: None });
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(CaptureWriter::create(&path, &header()).is_err(), "a capture is never overwritten");
}

#[test]
fn a_long_batch_is_split_and_every_probe_has_a_number() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let mut writer = CaptureWriter::create(&path, &header()).unwrap();
    let record = vec![7; 8192];
    for probe in ProbeId::ALL {
        writer.records(&batch(*probe, &vec![&record[..]; 100])).unwrap();
        writer.records(&batch(*probe, &[])).unwrap();
    }
    drop(writer);
    let mut counts = Vec::new();
    for entry in CaptureReader::open(&path).unwrap() {
        let CaptureEntry::Records(batch) = entry else { panic!("not records") };
        assert!(batch.byte_len() <= format::RECORDS_FRAME);
        counts.push((batch.probe(), batch.len()));
    }
    for probe in ProbeId::ALL {
        let total: usize = counts.iter().filter(|(of, _)| of == probe).map(|(_, count)| count).sum();
        assert_eq!(total, 100);
    }
}

#[test]
fn the_layout_version_is_that_of_the_decoder() {
    assert_eq!(format::RECORD_LAYOUT_VERSION, crate::device::decode::layout::RECORD_LAYOUT_VERSION);
}

#[test]
fn a_truncated_capture_gives_every_whole_frame_and_says_that_it_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let whole = write(&path);
    let part = directory.path().join("part");
    for length in 0..whole.len() {
        fs::write(&part, &whole[..length]).unwrap();
        let Ok(mut reader) = CaptureReader::open(&part) else { continue };
        let read: Vec<_> = reader.by_ref().collect();
        assert!(entries().starts_with(&read) && read.len() < entries().len(), "{length}");
        assert!(!reader.condition().complete, "{length}");
    }
}

#[test]
fn a_flipped_bit_never_goes_unnoticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let whole = write(&path);
    let damaged = directory.path().join("damaged");
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 1 << (position % 8);
        fs::write(&damaged, &bytes).unwrap();
        let Ok(mut reader) = CaptureReader::open(&damaged) else { continue };
        let read: Vec<_> = reader.by_ref().collect();
        assert!(entries().starts_with(&read), "{position}");
        assert!(reader.condition().damage.is_some() && !reader.condition().complete, "{position}");
    }
}

#[test]
fn other_files_are_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let message = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        CaptureReader::open(&path).unwrap_err().to_string()
    };
    assert!(message(b"").contains("is not a raw capture"));
    assert!(message(b"PK\x03\x04 something else").contains("is not a raw capture"));
    assert!(message(b"CANDRAW\n\x02\0\0\0\x01\0\0\0").contains("format 2"));
    assert!(message(b"CANDRAW\n\x01\0\0\0\x01\0\0\0").contains("ends before it"));
    assert!(CaptureReader::open(&directory.path().join("none")).unwrap_err().to_string().starts_with("cannot read"));
}
