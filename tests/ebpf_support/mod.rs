//! What the privileged tests share: an open probe, traced children that wait for a word, and records to look through.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use candor::device::probe::ebpf::{EbpfChoice, EbpfOptions, open_with};
use candor::device::probe::record_layout::{
    HeaderFields, RecordView, file_open_body, record_kind, segment_tag, socket_body, socket_end, socket_payload_body,
    socket_totals_body, totals_body, u16_at, u32_at, u64_at,
};
use candor::device::probe::{Probe, ProbeCounters, RawBatch, SessionSlot};
use candor::event::Selection;

/// How long a test waits for anything before it fails.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// An owned record with accessors.
#[derive(Clone)]
pub struct Record(pub Vec<u8>);

impl Record {
    pub fn view(&self) -> RecordView<'_> {
        RecordView::new(&self.0)
    }

    pub fn kind(&self) -> u16 {
        self.view().kind()
    }

    pub fn flags(&self) -> u16 {
        self.view().flags()
    }

    pub fn header(&self) -> HeaderFields {
        self.view().header()
    }

    pub fn u64(&self, offset: usize) -> u64 {
        u64_at(self.view().body(), offset)
    }

    pub fn i64(&self, offset: usize) -> i64 {
        self.u64(offset).cast_signed()
    }

    pub fn u32(&self, offset: usize) -> u32 {
        u32_at(self.view().body(), offset)
    }

    pub fn u16(&self, offset: usize) -> u16 {
        u16_at(self.view().body(), offset)
    }

    pub fn segment(&self, tag: u8) -> Option<Vec<u8>> {
        self.view()
            .segments(RecordView::body_size(self.kind()))
            .find(|(other, _, _)| *other == tag)
            .map(|(_, _, bytes)| bytes.to_vec())
    }

    pub fn text(&self, tag: u8) -> String {
        self.segment(tag).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The absolute path of a segment of components, leaf first.
    pub fn path_of(&self, tag: u8) -> String {
        let Some(bytes) = self.segment(tag) else { return String::new() };
        let mut components: Vec<String> =
            bytes.split(|byte| *byte == 0).map(|component| String::from_utf8_lossy(component).into_owned()).collect();
        components.pop();
        components.reverse();
        format!("/{}", components.join("/"))
    }

    pub fn path(&self) -> String {
        self.path_of(segment_tag::PATH)
    }

    /// An end of a socket, as text: `family address port`.
    pub fn end(&self, offset: usize) -> String {
        let body = self.view().body();
        let (family, port) = (u16_at(body, offset + socket_end::FAMILY), u16_at(body, offset + socket_end::PORT));
        let address = body.get(offset + socket_end::ADDRESS..offset + socket_end::SIZE).unwrap_or_default();
        match family {
            2 => format!("{}.{}.{}.{}:{port}", address[0], address[1], address[2], address[3]),
            10 => {
                let bytes: [u8; 16] = address.try_into().unwrap();
                format!("[{}]:{port}", std::net::Ipv6Addr::from(bytes))
            }
            other => format!("family {other}"),
        }
    }

    /// One line for the report of a failed expectation.
    pub fn line(&self) -> String {
        let header = self.header();
        let comm = String::from_utf8_lossy(&header.comm).trim_end_matches('\0').to_owned();
        let mut line = format!(
            "kind {} flags {:#x} pid {} tid {} uid {} {comm}",
            self.kind(),
            self.flags(),
            header.tgid,
            header.tid,
            header.uid
        );
        let _infallible = match self.kind() {
            record_kind::FILE_OPEN => write!(
                line,
                " open -> {} handle {} path {:?} argument {:?} base {:?}",
                self.i64(file_open_body::RESULT),
                self.u64(file_open_body::HANDLE),
                self.path(),
                self.text(segment_tag::ARGUMENT),
                self.path_of(segment_tag::BASE)
            ),
            record_kind::FILE_TOTALS | record_kind::SOCKET_TOTALS => write!(
                line,
                " totals fd {} handle {} in {}/{} out {}/{} {}",
                self.u32(totals_body::FD),
                self.u64(totals_body::HANDLE),
                self.u64(totals_body::BYTES_IN),
                self.u64(totals_body::CALLS_IN),
                self.u64(totals_body::BYTES_OUT),
                self.u64(totals_body::CALLS_OUT),
                if self.kind() == record_kind::SOCKET_TOTALS {
                    format!("{} - {}", self.end(socket_totals_body::LOCAL), self.end(socket_totals_body::REMOTE))
                } else {
                    String::new()
                }
            ),
            record_kind::SOCKET_CONNECT
            | record_kind::SOCKET_BIND
            | record_kind::SOCKET_LISTEN
            | record_kind::SOCKET_ACCEPT => write!(
                line,
                " fd {} result {} type {} {} - {} {:?} {:?}",
                self.u32(socket_body::FD),
                self.i64(socket_body::RESULT),
                self.u16(socket_body::TYPE),
                self.end(socket_body::LOCAL),
                self.end(socket_body::REMOTE),
                self.text(segment_tag::UNIX_LOCAL),
                self.text(segment_tag::UNIX_REMOTE)
            ),
            record_kind::SOCKET_PAYLOAD => write!(
                line,
                " fd {} offset {} of {} {} - {} {:?}",
                self.u32(socket_payload_body::FD),
                self.u64(socket_payload_body::OFFSET),
                self.u64(socket_payload_body::WIRE_LENGTH),
                self.end(socket_payload_body::LOCAL),
                self.end(socket_payload_body::REMOTE),
                self.text(segment_tag::PAYLOAD)
            ),
            _ => write!(
                line,
                " first field {} path {:?} argument {:?} command {:?}",
                self.i64(0),
                self.path(),
                self.text(segment_tag::ARGUMENT),
                self.text(segment_tag::COMMAND_LINE)
            ),
        };
        line
    }
}

/// An open probe and what came out of it.
pub struct Fixture {
    pub probe: Box<dyn Probe>,
    pub records: Vec<Record>,
    slot: SessionSlot,
}

impl Fixture {
    pub fn open(choice: EbpfChoice) -> Self {
        Self::open_with(&EbpfOptions { choice, ..EbpfOptions::default() })
    }

    pub fn open_with(options: &EbpfOptions) -> Self {
        let opened = open_with(options);
        Self::of(opened.probe.unwrap_or_else(|| panic!("these tests need root and eBPF: {:?}", opened.statuses)))
    }

    pub fn of(probe: Box<dyn Probe>) -> Self {
        Self { probe, records: Vec::new(), slot: SessionSlot::new(3).unwrap() }
    }

    pub fn select_trees(&mut self, pids: &[u32]) {
        self.select(&Selection { process_trees: pids.iter().copied().collect(), ..Selection::default() });
    }

    pub fn select_uids(&mut self, uids: &[u32]) {
        self.select(&Selection { user_ids: uids.iter().copied().collect(), ..Selection::default() });
    }

    pub fn select(&mut self, selection: &Selection) {
        let mut batch = RawBatch::new(self.probe.id());
        self.probe.select(self.slot, selection, &mut batch).unwrap();
        self.take(&batch);
    }

    pub fn deselect(&mut self) {
        let mut batch = RawBatch::new(self.probe.id());
        self.probe.deselect(self.slot, &mut batch);
        self.take(&batch);
    }

    fn take(&mut self, batch: &RawBatch) {
        self.records.extend(batch.iter().map(|record| Record(record.to_vec())));
    }

    pub fn poll(&mut self) {
        let mut batch = RawBatch::new(self.probe.id());
        self.probe.poll(Duration::from_millis(20), &mut batch).unwrap();
        self.take(&batch);
    }

    /// Polls until a record fits, or fails with the records of the same kind.
    pub fn expect(&mut self, what: &str, fits: impl Fn(&Record) -> bool) -> Record {
        let give_up = Instant::now() + DEADLINE;
        let mut looked = 0;
        loop {
            if let Some(record) = self.records[looked..].iter().find(|record| fits(record)) {
                return record.clone();
            }
            looked = self.records.len();
            if Instant::now() > give_up {
                let mut lines: Vec<String> = self.records.iter().map(Record::line).collect();
                lines.drain(..lines.len().saturating_sub(60));
                panic!("no {what} among {} records; the last ones:\n{}", self.records.len(), lines.join("\n"));
            }
            self.poll();
        }
    }

    /// Polls until the exit of this process was told, and everything before it with it.
    pub fn until_exit(&mut self, pid: u32) {
        self.expect(&format!("exit of {pid}"), |record| {
            record.kind() == record_kind::PROCESS_EXIT && record.header().tgid == pid
        });
    }

    pub fn find(&self, fits: impl Fn(&Record) -> bool) -> Option<&Record> {
        self.records.iter().find(|record| fits(record))
    }

    pub fn count(&self, fits: impl Fn(&Record) -> bool) -> usize {
        self.records.iter().filter(|record| fits(record)).count()
    }

    pub fn counters(&self) -> ProbeCounters {
        self.probe.counters()
    }

    /// Runs a traced Python script to its end.
    pub fn run_python(&mut self, script: &str) -> u32 {
        let mut child = Gated::python(script).may_fail();
        self.select_trees(&[child.pid()]);
        child.release();
        child.wait();
        self.until_exit(child.pid());
        child.pid()
    }
}

/// A child that waits until it is told to go on: so what it does is traced from the first act.
pub struct Gated {
    child: Child,
    expect_success: bool,
}

impl Gated {
    /// A Python script that is traced from its first line on; starting the interpreter is over by then.
    pub fn python(script: &str) -> Self {
        let gate = "import sys,os,socket,time\nprint('ready',flush=True)\nsys.stdin.readline()";
        let mut gated =
            Self::command(Command::new("python3").arg("-c").arg(format!("{gate}\n{script}")).stdout(Stdio::piped()));
        let mut line = String::new();
        BufReader::new(gated.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        gated
    }

    pub fn command(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).spawn().expect("the child program is installed");
        Self { child, expect_success: true }
    }

    pub fn may_fail(mut self) -> Self {
        self.expect_success = false;
        self
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn release(&mut self) {
        self.say("go");
    }

    /// Sends a line; the script reads it with `sys.stdin.readline()`.
    pub fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub fn wait(&mut self) {
        let status = self.child.wait().unwrap();
        assert!(status.success() || !self.expect_success, "the traced child ended with {status}");
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
