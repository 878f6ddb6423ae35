//! Round trips, and every kind of damage.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::event::*;

fn header() -> StreamEntry {
    StreamEntry::Header(Box::new(SessionHeader {
        session_id: "s-1".to_owned(),
        probes: vec![ProbeStatus {
            probe: ProbeId::Procfs,
            family: Family::File,
            state: ProbeState::Partial,
            reason: "sampled".to_owned(),
        }],
        selection: Selection { user_ids: [10_001].into(), ..Selection::default() },
        ..SessionHeader::default()
    }))
}

fn event(sequence: u64, path: &str) -> StreamEntry {
    let body = EventBody::FileUnlink(FileUnlink { path: path.to_owned(), directory: false });
    StreamEntry::Event(Box::new(Event { sequence, time_ns: sequence * 1000, ..examples::event(body) }))
}

fn end(events: u64) -> StreamEntry {
    StreamEntry::End(Box::new(SessionEnd {
        reason: SessionEndReason::Stopped,
        totals: Totals { events, ..Totals::default() },
        probes: Vec::new(),
        self_tests: Vec::new(),
    }))
}

fn gap(first: u64, last: u64) -> StreamEntry {
    StreamEntry::Gap(Gap {
        stage: Stage::Spool,
        reason: "spool_full".to_owned(),
        count: last - first + 1,
        families: Vec::new(),
        first_sequence: Some(first),
        last_sequence: Some(last),
        from_ns: 0,
        to_ns: 1,
    })
}

/// The bytes of a recording with a frame for each slice of entries.
fn recorded(frames: &[Vec<StreamEntry>]) -> Vec<u8> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.candor");
    let mut writer = RecordingWriter::create(&path, false).unwrap();
    for frame in frames {
        for entry in frame {
            writer.entry(entry).unwrap();
        }
        writer.flush().unwrap();
    }
    writer.finish().unwrap();
    fs::read(&path).unwrap()
}

/// Reads in both ways, one after another and beside each other, which must never differ.
fn read(bytes: &[u8]) -> Result<(Vec<StreamEntry>, RecordingCondition), RecordingError> {
    let open = || RecordingReader::from_reader(Box::new(Cursor::new(bytes.to_vec())), Path::new("a.candor"));
    let mut reader = open()?;
    let entries: Vec<StreamEntry> = reader.by_ref().collect();
    let mut beside = Vec::new();
    let condition = open()?.read_beside(|| |_, _: &StreamEntry| (), |entry, ()| beside.push(entry.clone())).unwrap();
    assert_eq!((&beside, &condition), (&entries, reader.condition()));
    Ok((entries, condition))
}

fn three_frames() -> Vec<Vec<StreamEntry>> {
    vec![vec![header(), event(1, "/a")], vec![event(2, "/b"), event(3, "/c"), gap(4, 5)], vec![event(6, "/d"), end(6)]]
}

#[test]
fn what_is_written_is_read() {
    let frames = three_frames();
    let (entries, condition) = read(&recorded(&frames)).unwrap();
    assert_eq!(entries, frames.concat());
    assert_eq!(condition, RecordingCondition { complete: true, ..RecordingCondition::default() });
    assert!(condition.is_whole());
    assert_eq!(condition.complaints(), Vec::<String>::new());
}

#[test]
fn the_first_bytes_are_those_of_the_documentation() {
    let bytes = recorded(&[]);
    assert_eq!(bytes[..12], *b"\x89CANDOR\n\x01\x00\x00\x00");
    assert_eq!(bytes.len(), 16);
    let (entries, condition) = read(&bytes).unwrap();
    assert!(entries.is_empty());
    assert!(!condition.complete && condition.header_missing);
}

#[test]
fn a_recording_without_an_end_is_truncated_and_says_so() {
    let (entries, condition) = read(&recorded(&[vec![header(), event(1, "/a")]])).unwrap();
    assert_eq!(entries.len(), 2);
    assert!(!condition.complete);
    assert_eq!(
        condition.complaints(),
        ["Truncated: the end of the session was not recorded, what happened later is not known."]
    );
}

#[test]
fn a_damaged_frame_is_skipped_and_its_events_are_missing() {
    let frames = three_frames();
    let mut bytes = recorded(&frames);
    let first_length = recorded(&frames[..1]).len();
    let second_length = recorded(&frames[..2]).len() - first_length;
    bytes[first_length + 40] ^= 1;
    let (entries, condition) = read(&bytes).unwrap();
    assert_eq!(entries, [frames[0].clone(), frames[2].clone()].concat());
    assert_eq!(condition.damage.len(), 1);
    assert_eq!(condition.damage[0].offset, first_length as u64);
    assert_eq!(condition.damage[0].length, second_length as u64);
    assert_eq!(condition.damage[0].reason, "the checksum of a frame does not match");
    // The gap of the stream was in the damaged frame, so nothing explains 4 and 5.
    assert_eq!(condition.missing, [SequenceRange { first: 2, last: 5 }]);
    assert!(condition.complete && !condition.is_whole());
}

#[test]
fn a_frame_that_was_cut_out_is_reported() {
    let frames = three_frames();
    let bytes = recorded(&frames);
    let first = recorded(&frames[..1]).len();
    let second = recorded(&frames[..2]).len();
    let cut = [&bytes[..first], &bytes[second..]].concat();
    let (entries, condition) = read(&cut).unwrap();
    assert_eq!(entries, [frames[0].clone(), frames[2].clone()].concat());
    assert_eq!(condition.damage[0].reason, "frame 2 follows where frame 1 belongs");
    assert_eq!(condition.missing, [SequenceRange { first: 2, last: 5 }]);
}

#[test]
fn garbage_between_frames_is_skipped() {
    let frames = three_frames();
    let bytes = recorded(&frames);
    let first = recorded(&frames[..1]).len();
    let garbage = b"\xffC\xfed\xffF\xfer and then nothing that makes sense\xff".repeat(3);
    let patched = [&bytes[..first], &garbage, &bytes[first..]].concat();
    let (entries, condition) = read(&patched).unwrap();
    assert_eq!(entries, frames.concat());
    assert_eq!(condition.damage.len(), 1);
    assert_eq!(condition.damage[0].length, garbage.len() as u64);
}

#[test]
fn the_end_of_the_stream_tells_of_events_that_never_came() {
    let (_, condition) = read(&recorded(&[vec![header(), event(1, "/a"), end(9)]])).unwrap();
    assert_eq!(condition.missing, [SequenceRange { first: 2, last: 9 }]);
    assert_eq!(condition.complaints(), ["Events 2 to 9 are missing."]);
}

#[test]
fn what_follows_the_end_is_left_out_and_reported() {
    let (entries, condition) = read(&recorded(&[vec![header(), end(0), event(1, "/a")]])).unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(condition.damage.len(), 1);
}

#[test]
fn disorder_is_counted() {
    let (_, condition) =
        read(&recorded(&[vec![header(), event(2, "/a"), event(1, "/a"), event(2, "/a"), end(2)]])).unwrap();
    assert_eq!(condition.out_of_order, 2);
    assert_eq!(condition.missing, [SequenceRange { first: 1, last: 1 }]);
}

/// A frame with a right checksum and these lengths.
fn forged_frame(payload_length: u32, message_length: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = frame::MARKER.to_vec();
    frame.extend([1, 1, 0, 0]);
    frame.extend(0_u32.to_le_bytes());
    frame.extend(payload_length.to_le_bytes());
    frame.extend(message_length.to_le_bytes());
    frame.extend(crc32fast::hash(payload).to_le_bytes());
    frame.extend(crc32fast::hash(&frame).to_le_bytes());
    frame.extend(payload);
    frame
}

#[test]
fn absurd_lengths_are_refused_and_reading_goes_on() {
    let frames = three_frames();
    let bytes = recorded(&frames);
    let bad = forged_frame(u32::MAX, u32::MAX, b"");
    let patched = [&bytes[..16], &bad, &bytes[16..]].concat();
    let (entries, condition) = read(&patched).unwrap();
    assert_eq!(entries, frames.concat());
    assert_eq!(condition.damage.len(), 1);
    assert!(condition.damage[0].reason.contains("4294967295"), "{}", condition.damage[0].reason);
}

#[test]
fn a_payload_that_expands_beyond_its_claim_is_refused() {
    let zeros = zstd::bulk::compress(&vec![0; 1 << 20], 1).unwrap();
    let length = u32::try_from(zeros.len()).unwrap();
    let bytes = [&recorded(&[]), &forged_frame(length, 100, &zeros)[..]].concat();
    let (entries, condition) = read(&bytes).unwrap();
    assert!(entries.is_empty());
    assert!(condition.damage[0].reason.contains("cannot be decompressed"), "{}", condition.damage[0].reason);
}

#[test]
fn a_file_that_is_something_else_is_named() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "a.candor is not a Candor recording: it is empty"),
        (b"{\"header\": {}}\n", "it looks like JSON; `candor import FILE -o OUT.candor`"),
        (b"GIF89a and so on, and on, and on, and on, and on and on", "a.candor is not a Candor recording"),
    ];
    for (bytes, expected) in cases {
        let message = read(bytes).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let directory = TempDir::new().unwrap();
    let message = RecordingReader::open(directory.path()).unwrap_err().to_string();
    assert!(message.ends_with("is not a Candor recording: it is a directory"), "{message}");
    let message = RecordingReader::open(&directory.path().join("none")).unwrap_err().to_string();
    assert!(message.contains("cannot open the recording") && message.contains("No such file"), "{message}");
}

#[test]
fn a_format_of_the_future_is_refused() {
    let mut bytes = recorded(&three_frames());
    bytes[8] = 7;
    let checksum = crc32fast::hash(&bytes[..12]).to_le_bytes();
    bytes[12..16].copy_from_slice(&checksum);
    let message = read(&bytes).unwrap_err().to_string();
    assert!(message.contains("recording format 7, and this version of candor reads format 1"), "{message}");
}

#[test]
fn a_damaged_file_header_does_not_make_the_frames_unreadable() {
    let frames = three_frames();
    let mut bytes = recorded(&frames);
    bytes[8] = 7;
    let (entries, condition) = read(&bytes).unwrap();
    assert_eq!(entries, frames.concat());
    assert_eq!(condition.damage[0].reason, "the file header is damaged");
}

#[test]
fn an_existing_file_is_replaced_only_when_asked() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.candor");
    fs::write(&path, "precious").unwrap();
    let error = RecordingWriter::create(&path, false).unwrap_err();
    assert!(matches!(error, RecordingError::Exists { .. }) && error.to_string().contains("--force"));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    RecordingWriter::create(&path, true).unwrap().finish().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 16);
}

#[test]
fn a_full_disk_is_named_and_says_what_was_kept() {
    // The device that is always full.
    let path = Path::new("/dev/full");
    let error = RecordingWriter::create(path, true).unwrap_err();
    assert!(error.to_string().contains("No space left on device"), "{error}");
}

#[test]
fn a_writer_that_is_dropped_keeps_what_it_was_given() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.candor");
    let mut writer = RecordingWriter::create(&path, false).unwrap();
    writer.entry(&header()).unwrap();
    writer.entry(&event(1, "/a")).unwrap();
    drop(writer);
    let mut reader = RecordingReader::open(&path).unwrap();
    assert_eq!(reader.by_ref().count(), 2);
    assert!(!reader.condition().complete);
}

#[test]
fn reports_of_damage_are_bounded() {
    // Each byte pattern is a frame of an unknown kind.
    let mut unknown = frame::MARKER.to_vec();
    unknown.extend([9, 1, 0, 0]);
    let mut bytes = recorded(&[]);
    for number in 0..2500_u32 {
        let mut frame = unknown.clone();
        frame.extend(number.to_le_bytes());
        frame.extend([0; 8]);
        frame.extend(crc32fast::hash(b"").to_le_bytes());
        frame.extend(crc32fast::hash(&frame).to_le_bytes());
        bytes.extend(frame);
    }
    let (_, condition) = read(&bytes).unwrap();
    assert_eq!((condition.damage.len(), condition.more_damage), (MOST_DAMAGE, 1500));
}

/// A stream of well-formed entries, cut into frames.
fn streams() -> impl Strategy<Value = Vec<Vec<StreamEntry>>> {
    prop::collection::vec(prop::collection::vec("[a-z/\u{e9}]{0,40}", 1..6), 1..6).prop_map(|frames| {
        let mut sequence = 0;
        let mut stream: Vec<Vec<StreamEntry>> = frames
            .into_iter()
            .map(|paths| {
                paths
                    .iter()
                    .map(|path| {
                        sequence += 1;
                        event(sequence, path)
                    })
                    .collect()
            })
            .collect();
        stream[0].insert(0, header());
        stream.last_mut().unwrap().push(end(sequence));
        stream
    })
}

/// Whether `part` is `whole` with entries left out.
fn is_subsequence(part: &[StreamEntry], whole: &[StreamEntry]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|entry| rest.any(|other| other == entry))
}

/// What must hold for a recording that is not as it was written.
fn check_altered(bytes: &[u8], written: &[StreamEntry]) -> Result<(), TestCaseError> {
    // A file that is refused is reported, too.
    if let Ok((entries, condition)) = read(bytes) {
        prop_assert!(is_subsequence(&entries, written), "an entry that was not written");
        prop_assert!(!condition.is_whole(), "not reported: {} of {} entries", entries.len(), written.len());
        prop_assert!(!condition.complaints().is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_stream_is_read_as_written(stream in streams()) {
        let (entries, condition) = read(&recorded(&stream)).unwrap();
        prop_assert_eq!(entries, stream.concat());
        prop_assert!(condition.is_whole());
    }

    #[test]
    fn any_flipped_bit_is_reported(stream in streams(), places in prop::collection::vec(any::<prop::sample::Index>(), 24)) {
        let bytes = recorded(&stream);
        let written = stream.concat();
        for place in places {
            let bit = place.index(bytes.len() * 8);
            // The two reserved bytes of a frame header are ignored but covered by its checksum, so these count, too.
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            check_altered(&altered, &written)?;
        }
    }

    #[test]
    fn any_truncation_is_reported(stream in streams(), places in prop::collection::vec(any::<prop::sample::Index>(), 24)) {
        let bytes = recorded(&stream);
        let written = stream.concat();
        for place in places {
            check_altered(&bytes[..place.index(bytes.len())], &written)?;
        }
    }

    #[test]
    fn any_removed_or_inserted_bytes_are_reported(
        stream in streams(),
        place in any::<prop::sample::Index>(),
        length in 1..80_usize,
        inserted in prop::collection::vec(any::<u8>(), 1..80),
    ) {
        let bytes = recorded(&stream);
        let written = stream.concat();
        let from = place.index(bytes.len());
        let to = (from + length).min(bytes.len());
        check_altered(&[&bytes[..from], &bytes[to..]].concat(), &written)?;
        check_altered(&[&bytes[..from], &inserted, &bytes[from..]].concat(), &written)?;
    }

    #[test]
    fn no_bytes_make_the_reader_fail(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = read(&bytes);
        let _ = read(&[recorded(&[]), bytes].concat());
    }
}
