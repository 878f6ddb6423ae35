//! The bytes of a raw capture.
//!
//! The file begins with a magic of 8 bytes, the version of this format and the version of the record layout (u32 each).
//! Then come frames: kind (u8), length of the payload (u32), CRC-32 of kind, length and payload (u32), payload. All
//! numbers are little-endian. The first frame is the header; a capture whose last frame is not the end was cut short.
//!
//! | kind | payload |
//! |---|---|
//! | 1 header | `candor.v1.SessionHeader` |
//! | 2 records | probe (u8, as in `candor.v1.ProbeId`), then for each record its length (u32) and its bytes |
//! | 3 phase mark | boot time in nanoseconds (u64), length of the phase (u16), phase, note |
//! | 4 end | `candor.v1.SessionEnd` |

use std::io::{self, ErrorKind, Read, Write};

use crate::event::ProbeId;

pub(super) const MAGIC: &[u8; 8] = b"CANDRAW\n";
pub(super) const FORMAT_VERSION: u32 = 1;
/// `RECORD_LAYOUT_VERSION` of `shared_layout.h`; a test compares it with the decoder's.
pub(super) const RECORD_LAYOUT_VERSION: u32 = 1;
/// No frame is longer. The writer splits batches; a header grows with the packages of a device, far below this.
pub(super) const LONGEST_FRAME: usize = 16 * 1024 * 1024;
/// The writer begins a new frame of records when one has this many bytes: a replay holds one frame at a time.
pub(super) const RECORDS_FRAME: usize = 256 * 1024;

pub(super) const KIND_HEADER: u8 = 1;
pub(super) const KIND_RECORDS: u8 = 2;
pub(super) const KIND_PHASE_MARK: u8 = 3;
pub(super) const KIND_END: u8 = 4;

/// Numbers of probes, as in `candor.v1.ProbeId`.
const PROBES: &[(u8, ProbeId)] = &[
    (1, ProbeId::EbpfKernelObjects),
    (2, ProbeId::EbpfSystemCalls),
    (3, ProbeId::Procfs),
    (4, ProbeId::Replay),
    (5, ProbeId::Daemon),
    (6, ProbeId::Platform),
    (7, ProbeId::Ptrace),
];

/// 0 does not occur: a test walks every probe.
pub(super) fn probe_number(probe: ProbeId) -> u8 {
    PROBES.iter().find(|(_, candidate)| *candidate == probe).map_or(0, |(number, _)| *number)
}

pub(super) fn probe_of(number: u8) -> Option<ProbeId> {
    PROBES.iter().find(|(candidate, _)| *candidate == number).map(|(_, probe)| *probe)
}

fn checksum(kind: u8, length: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

pub(super) fn write_frame(out: &mut impl Write, kind: u8, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= LONGEST_FRAME);
    let Some(length) = length else {
        let message = format!("{} bytes do not fit into a frame of a raw capture", payload.len());
        return Err(io::Error::new(ErrorKind::InvalidInput, message));
    };
    out.write_all(&[kind])?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&checksum(kind, length, payload).to_le_bytes())?;
    out.write_all(payload)
}

/// A frame, the end of the file, or what is wrong.
pub(super) enum ReadFrame {
    Frame(u8, Vec<u8>),
    EndOfFile,
    Damaged(String),
}

pub(super) fn read_frame(input: &mut impl Read) -> ReadFrame {
    let mut kind = [0];
    match read_up_to(input, &mut kind) {
        Ok(0) => return ReadFrame::EndOfFile,
        Ok(_) => {}
        Err(error) => return ReadFrame::Damaged(error.to_string()),
    }
    let [kind] = kind;
    let (mut length, mut expected) = ([0; 4], [0; 4]);
    for field in [&mut length, &mut expected] {
        if let Err(error) = input.read_exact(field) {
            return damaged(&error);
        }
    }
    let (length, expected) = (u32::from_le_bytes(length), u32::from_le_bytes(expected));
    let Some(size) = usize::try_from(length).ok().filter(|size| *size <= LONGEST_FRAME) else {
        return ReadFrame::Damaged(format!("a frame claims {length} bytes"));
    };
    // Grown while reading, not reserved: a damaged length must not cost memory.
    let mut payload = Vec::new();
    match input.take(u64::from(length)).read_to_end(&mut payload) {
        Ok(read) if read == size => {}
        Ok(_) => return ReadFrame::Damaged("the last frame is cut off".to_owned()),
        Err(error) => return ReadFrame::Damaged(error.to_string()),
    }
    if checksum(kind, length, &payload) != expected {
        return ReadFrame::Damaged("the checksum of a frame does not match".to_owned());
    }
    ReadFrame::Frame(kind, payload)
}

fn damaged(error: &io::Error) -> ReadFrame {
    ReadFrame::Damaged(match error.kind() {
        ErrorKind::UnexpectedEof => "the last frame is cut off".to_owned(),
        _ => error.to_string(),
    })
}

fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
