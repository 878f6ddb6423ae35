//! Writes a raw capture.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use prost::Message;

use super::format::{
    FORMAT_VERSION, KIND_END, KIND_HEADER, KIND_PHASE_MARK, KIND_RECORDS, MAGIC, RECORD_LAYOUT_VERSION, RECORDS_FRAME,
    probe_number, write_frame,
};
use crate::device::probe::RawBatch;
use crate::event::{Phase, SessionEnd, SessionHeader};
use crate::wire::proto;

/// A raw capture in the making. Each call leaves whole frames in the file, so that after a crash everything up to the
/// last call can be read.
#[derive(Debug)]
pub struct CaptureWriter {
    file: BufWriter<File>,
}

impl CaptureWriter {
    /// Creates the file, which only its owner may read: it holds what the traced app sent and received.
    ///
    /// # Errors
    ///
    /// When the file exists already, or cannot be written.
    pub fn create(path: &Path, header: &SessionHeader) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let mut file = BufWriter::new(file);
        file.write_all(MAGIC)?;
        file.write_all(&FORMAT_VERSION.to_le_bytes())?;
        file.write_all(&RECORD_LAYOUT_VERSION.to_le_bytes())?;
        write_frame(&mut file, KIND_HEADER, &proto::SessionHeader::from(header).encode_to_vec())?;
        file.flush()?;
        Ok(Self { file })
    }

    /// Keeps every record of the batch, in order. Whoever has several sessions passes the records of this one only.
    ///
    /// # Errors
    ///
    /// When they cannot be written; the capture then ends before them.
    pub fn records(&mut self, batch: &RawBatch) -> io::Result<()> {
        let empty = [probe_number(batch.probe())];
        let mut payload = empty.to_vec();
        for record in batch.iter() {
            let length = u32::try_from(record.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
            payload.extend_from_slice(&length.to_le_bytes());
            payload.extend_from_slice(record);
            if payload.len() >= RECORDS_FRAME {
                write_frame(&mut self.file, KIND_RECORDS, &payload)?;
                payload.truncate(empty.len());
            }
        }
        if payload.len() > empty.len() {
            write_frame(&mut self.file, KIND_RECORDS, &payload)?;
        }
        self.file.flush()
    }

    /// Keeps a phase mark at its place among the records.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn phase_mark(&mut self, time_ns: u64, phase: &Phase, note: &str) -> io::Result<()> {
        let phase = phase.as_str();
        let length = u16::try_from(phase.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let payload = [&time_ns.to_le_bytes()[..], &length.to_le_bytes(), phase.as_bytes(), note.as_bytes()].concat();
        write_frame(&mut self.file, KIND_PHASE_MARK, &payload)?;
        self.file.flush()
    }

    /// Completes the capture.
    ///
    /// # Errors
    ///
    /// When the end cannot be written or does not reach the disk.
    pub fn finish(mut self, end: &SessionEnd) -> io::Result<()> {
        write_frame(&mut self.file, KIND_END, &proto::SessionEnd::from(end).encode_to_vec())?;
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }
}
