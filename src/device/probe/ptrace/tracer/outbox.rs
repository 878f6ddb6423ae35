//! Records and answers on their way to the probe.

use std::io::{ErrorKind, Write as _};
use std::os::unix::net::UnixStream;

use super::super::super::SessionSlot;
use super::super::link::Report;
use crate::event::ProgramCounters;

/// What may wait for the probe to read it. Beyond, records are dropped and counted: waiting would stop the app.
const MOST_WAITING: usize = 16 << 20;
/// Records are sealed into a message from this size on.
const MESSAGE_BYTES: usize = 64 * 1024;

pub(super) struct Outbox {
    stream: UnixStream,
    /// Records that are in no message yet.
    records: Vec<u8>,
    /// Messages, of which the first `written` bytes are gone.
    waiting: Vec<u8>,
    written: usize,
    pub(super) account: ProgramCounters,
    lost: Vec<(u8, u64)>,
    told: ProgramCounters,
    /// Nobody reads any more.
    broken: bool,
}

impl Outbox {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            records: Vec::new(),
            waiting: Vec::new(),
            written: 0,
            account: ProgramCounters::default(),
            lost: (0..SessionSlot::COUNT).map(|slot| (slot, 0)).collect(),
            told: ProgramCounters::default(),
            broken: false,
        }
    }

    /// Takes a record of these sessions, and accounts for it.
    pub(super) fn push(&mut self, record: &[u8], sessions: u64) {
        self.account.seen += 1;
        let waiting = self.waiting.len() - self.written + self.records.len();
        if waiting + record.len() > MOST_WAITING {
            return self.count_loss(sessions);
        }
        self.account.submitted += 1;
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        self.records.extend(length.to_le_bytes());
        self.records.extend_from_slice(record);
        if self.records.len() >= MESSAGE_BYTES {
            self.flush();
        }
    }

    /// Accounts for something of these sessions that was seen and of which no record can be made.
    pub(super) fn lose(&mut self, sessions: u64) {
        self.account.seen += 1;
        self.count_loss(sessions);
    }

    fn count_loss(&mut self, sessions: u64) {
        self.account.lost += 1;
        for (_, count) in self.lost.iter_mut().filter(|(slot, _)| sessions >> slot & 1 != 0) {
            *count += 1;
        }
    }

    fn seal(&mut self) {
        if !self.records.is_empty() {
            let report = Report::Records(std::mem::take(&mut self.records));
            self.waiting.extend(report.encode());
        }
    }

    /// Says something, after all records before it.
    pub(super) fn say(&mut self, report: &Report) {
        self.seal();
        self.waiting.extend(report.encode());
        self.flush();
    }

    /// Says the accounts, if they have changed.
    pub(super) fn say_account(&mut self) {
        if self.told != self.account {
            self.told = self.account.clone();
            let lost = self.lost.iter().copied().filter(|(_, count)| *count > 0).collect();
            self.say(&Report::Counters(self.account.clone(), lost));
        }
    }

    /// Writes as much as the other side takes now.
    pub(super) fn flush(&mut self) {
        self.seal();
        while !self.broken {
            let left = self.waiting.get(self.written..).unwrap_or_default();
            if left.is_empty() {
                break;
            }
            match self.stream.write(left) {
                Ok(0) => self.broken = true,
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.broken = true,
            }
        }
        // Everything is written, or will never be.
        self.waiting.clear();
        self.written = 0;
    }

    /// Whether something waits to be written.
    pub(super) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }
}
