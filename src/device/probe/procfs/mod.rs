//! What was there before tracing began: running processes, their open files and their sockets.
//!
//! * **In:** a `/proc` file system, whose root is given. **Out:** raw records, flagged preexisting and sampled.
//! * **May import:** `event`, `nix`, `procfs`, and `super`. Of the eBPF probe only the layout of records.
//! * **Test it:** `cargo test device::probe::procfs`, against a made-up `/proc` and against the test itself.
//!
//! It looks once, when a selection begins; it does not poll afterwards.

mod open_files;
mod sockets;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::process_scan::{self, ScannedProcess};
use super::record_layout::{
    HeaderFields, RecordBuilder, process_exec_body, process_start_body, record_flag, record_kind, segment_tag,
};
use super::{PollState, Probe, ProbeCounters, ProbeError, RawBatch, SessionSlot};
use crate::event::{Family, ProbeId, ProbeState, ProbeStatus, Selection};

/// Flags of everything this probe tells.
const FLAGS: u16 = record_flag::PREEXISTING | record_flag::SAMPLED;
/// The longest command line that is taken.
const COMMAND_LINE_MAX: usize = 4096;

/// Opens the probe on this proc file system.
#[must_use]
pub fn open(proc_root: PathBuf) -> Box<dyn Probe> {
    Box::new(ProcfsProbe { root: proc_root })
}

struct ProcfsProbe {
    root: PathBuf,
}

impl ProcfsProbe {
    /// The processes of the selection, as one look at the list shows them.
    fn selected(&self, selection: &Selection) -> Vec<ScannedProcess> {
        let in_trees = process_scan::trees(&self.root, &selection.process_trees);
        let own = std::process::id();
        process_scan::all(&self.root)
            .into_iter()
            .filter(|one| one.pid != own)
            .filter(|one| in_trees.contains(&one.pid) || self.has_uid(one.pid, &selection.user_ids))
            .collect()
    }

    fn has_uid(&self, pid: u32, uids: &BTreeSet<u32>) -> bool {
        !uids.is_empty() && self.ids(pid).is_some_and(|(uid, _)| uids.contains(&uid))
    }

    /// Real user and group id.
    fn ids(&self, pid: u32) -> Option<(u32, u32)> {
        let status = process_scan::process(&self.root, pid)?.status().ok()?;
        Some((status.ruid, status.rgid))
    }

    fn describe(&self, slot: SessionSlot, found: &ScannedProcess, time_ns: u64, batch: &mut RawBatch) {
        // It ended meanwhile: then it has nothing open either.
        let Some(process) = process_scan::process(&self.root, found.pid) else { return };
        let Some((uid, gid)) = self.ids(found.pid) else { return };
        let header = HeaderFields {
            time_ns,
            sessions: slot.bit(),
            start_ns: found.start_ns,
            tgid: found.pid,
            tid: found.pid,
            uid,
            gid,
            comm: comm(&found.name),
        };
        let parent_start = process_scan::find(&self.root, found.parent).map_or(0, |parent| parent.start_ns);
        batch.push(
            &RecordBuilder::new(&header, record_kind::PROCESS_START, FLAGS, process_start_body::SIZE)
                .body(process_start_body::PARENT_TGID, &found.parent.to_le_bytes())
                .body(process_start_body::PARENT_START_NS, &parent_start.to_le_bytes())
                .finish(),
        );
        let directory = self.root.join(found.pid.to_string());
        // Kernel threads have no program; a process that is ending has none any more.
        if let Ok(program) = std::fs::read_link(directory.join("exe")) {
            use std::os::unix::ffi::OsStrExt as _;
            let mut command_line = std::fs::read(directory.join("cmdline")).unwrap_or_default();
            command_line.truncate(COMMAND_LINE_MAX);
            batch.push(
                &RecordBuilder::new(&header, record_kind::PROCESS_EXEC, FLAGS, process_exec_body::SIZE)
                    .segment(segment_tag::TEXT_PATH, program.as_os_str().as_bytes())
                    .segment(segment_tag::COMMAND_LINE, &command_line)
                    .finish(),
            );
        }
        let sockets = open_files::describe(&process, &directory, &header, batch);
        if !sockets.is_empty() {
            sockets::describe(&process, &sockets, &header, batch);
        }
    }
}

/// The name as the kernel keeps it: at most 15 bytes and a NUL.
fn comm(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    bytes
}

/// The handle of a descriptor that was never seen to be opened. The highest bit keeps it apart from the handles of the
/// kernel programs, which are times.
fn handle(fd: i32) -> u64 {
    1 << 63 | u64::from(fd.cast_unsigned())
}

impl Probe for ProcfsProbe {
    fn id(&self) -> ProbeId {
        ProbeId::Procfs
    }

    fn statuses(&self) -> Vec<ProbeStatus> {
        let readable = self.root.join("self").exists() || self.root.join("1").exists();
        [Family::Process, Family::File, Family::Socket]
            .into_iter()
            .map(|family| ProbeStatus {
                probe: ProbeId::Procfs,
                family,
                state: if readable { ProbeState::Partial } else { ProbeState::Unsupported },
                reason: if readable {
                    "sampled once, when a session begins".to_owned()
                } else {
                    format!("no process is listed in {}: mount the proc file system there", self.root.display())
                },
            })
            .collect()
    }

    fn select(&mut self, slot: SessionSlot, selection: &Selection, batch: &mut RawBatch) -> Result<(), ProbeError> {
        if let Some(absent) = selection.process_trees.iter().find(|pid| process_scan::find(&self.root, **pid).is_none())
        {
            return Err(ProbeError::NoSuchProcess(*absent));
        }
        let time_ns = clock_gettime(ClockId::CLOCK_BOOTTIME)
            .map_or(0, |time| u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX));
        for found in self.selected(selection) {
            self.describe(slot, &found, time_ns, batch);
        }
        Ok(())
    }

    fn deselect(&mut self, _slot: SessionSlot, _batch: &mut RawBatch) {}

    fn poll(&mut self, timeout: Duration, _batch: &mut RawBatch) -> Result<PollState, ProbeError> {
        std::thread::sleep(timeout);
        Ok(PollState::Idle)
    }

    fn counters(&self) -> ProbeCounters {
        ProbeCounters::default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::process::{Command, Stdio};

    use super::super::record_layout::{RecordView, file_open_body, socket_body, u16_at, u64_at};
    use super::*;

    fn slot() -> SessionSlot {
        SessionSlot::new(5).unwrap()
    }

    fn texts(batch: &RawBatch, kind: u16, tag: u8) -> Vec<String> {
        batch
            .iter()
            .map(RecordView::new)
            .filter(|view| view.kind() == kind)
            .flat_map(|view| view.segments(RecordView::body_size(kind)).collect::<Vec<_>>())
            .filter(|(other, _, _)| *other == tag)
            .map(|(_, _, bytes)| String::from_utf8_lossy(bytes).into_owned())
            .collect()
    }

    /// A proc file system with one process, 42, that has a file, a TCP connection and a listening Unix socket.
    fn made_up_proc() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let process = root.path().join("42");
        for directory in ["fd", "fdinfo", "net"] {
            std::fs::create_dir_all(process.join(directory)).unwrap();
        }
        let stat = "42 (com.evil ) app) S 0 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1234 0 0 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
        std::fs::write(process.join("stat"), stat).unwrap();
        std::fs::write(process.join("cmdline"), "com.evil\0--x\0").unwrap();
        let status = "Name:\tapp\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t42\nNgid:\t0\nPid:\t42\nPPid:\t0\nTracerPid:\t0\nUid:\t10123\t10123\t10123\t10123\nGid:\t10124\t10124\t10124\t10124\nFDSize:\t64\nGroups:\t\nThreads:\t1\nSigQ:\t0/1\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n";
        std::fs::write(process.join("status"), status).unwrap();
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, process.join(name)).unwrap();
        link("/system/bin/app_process64", "exe");
        link("/data/media/0/DCIM/a.jpg", "fd/7");
        link("socket:[901]", "fd/8");
        link("socket:[902]", "fd/9");
        link("pipe:[77]", "fd/10");
        std::fs::write(process.join("fdinfo/7"), "pos:\t0\nflags:\t0100002\nmnt_id:\t29\nino:\t1\n").unwrap();
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        std::fs::write(
            process.join("net/tcp"),
            format!("{head}   0: 0100007F:1F90 0A00020A:01BB 01 00000000:00000000 00:00000000 00000000 10123        0 901 1 0000000000000000 20 4 30 10 -1\n"),
        )
        .unwrap();
        std::fs::write(
            process.join("net/unix"),
            "Num       RefCount Protocol Flags    Type St Inode Path\n0000000000000000: 00000002 00000000 00010000 0001 01 902 @evil-control\n",
        )
        .unwrap();
        root
    }

    #[test]
    fn a_made_up_process_is_described_with_what_it_has_open() {
        let root = made_up_proc();
        let mut probe = open(root.path().to_owned());
        let mut batch = RawBatch::new(probe.id());
        let selection = Selection { user_ids: [10123].into(), ..Selection::default() };
        probe.select(slot(), &selection, &mut batch).unwrap();
        let kinds: Vec<u16> = batch.iter().map(|record| RecordView::new(record).kind()).collect();
        assert_eq!(
            kinds,
            [
                record_kind::PROCESS_START,
                record_kind::PROCESS_EXEC,
                record_kind::FILE_OPEN,
                record_kind::SOCKET_CONNECT,
                record_kind::SOCKET_LISTEN
            ]
        );
        for view in batch.iter().map(RecordView::new) {
            let header = view.header();
            assert_eq!((header.tgid, header.uid, header.gid, header.start_ns), (42, 10123, 10124, 12_340_000_000));
            assert_eq!((header.sessions, view.flags()), (1 << 5, FLAGS));
            assert_eq!(&header.comm, b"com.evil ) app\0\0");
        }
        assert_eq!(texts(&batch, record_kind::PROCESS_EXEC, segment_tag::TEXT_PATH), ["/system/bin/app_process64"]);
        assert_eq!(texts(&batch, record_kind::PROCESS_EXEC, segment_tag::COMMAND_LINE), ["com.evil\0--x\0"]);
        assert_eq!(texts(&batch, record_kind::FILE_OPEN, segment_tag::TEXT_PATH), ["/data/media/0/DCIM/a.jpg"]);
        assert_eq!(texts(&batch, record_kind::SOCKET_LISTEN, segment_tag::UNIX_LOCAL), ["\0evil-control"]);
        let records: Vec<&[u8]> = batch.iter().collect();
        let open = RecordView::new(records[2]).body();
        assert_eq!(u64_at(open, file_open_body::RESULT), 7);
        assert_eq!(u64_at(open, file_open_body::OPEN_FLAGS) & 0xffff_ffff, 0o100_002);
        let connect = RecordView::new(records[3]).body();
        assert_eq!(connect[socket_body::REMOTE + 8..socket_body::REMOTE + 12], [10, 2, 0, 10]);
        assert_eq!(u16_at(connect, socket_body::REMOTE + 2), 443);
        assert_eq!(u16_at(connect, socket_body::LOCAL + 2), 8080);
    }

    #[test]
    fn an_unselected_process_is_left_alone_and_an_absent_one_refused() {
        let root = made_up_proc();
        let mut probe = open(root.path().to_owned());
        let mut batch = RawBatch::new(probe.id());
        probe.select(slot(), &Selection { user_ids: [1].into(), ..Selection::default() }, &mut batch).unwrap();
        assert!(batch.is_empty());
        let absent = Selection { process_trees: [43].into(), ..Selection::default() };
        assert!(matches!(probe.select(slot(), &absent, &mut batch), Err(ProbeError::NoSuchProcess(43))));
    }

    #[test]
    fn a_real_child_is_described_with_its_file_and_its_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"x").unwrap();
        let mut child = Command::new("sleep")
            .arg("30")
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(stream)))
            .stdout(Stdio::from(file.reopen().unwrap()))
            .spawn()
            .unwrap();
        let mut probe = open(PathBuf::from("/proc"));
        let mut batch = RawBatch::new(probe.id());
        let selection = Selection { process_trees: [child.id()].into(), ..Selection::default() };
        let done = probe.select(slot(), &selection, &mut batch);
        child.kill().unwrap();
        child.wait().unwrap();
        done.unwrap();
        let paths = texts(&batch, record_kind::FILE_OPEN, segment_tag::TEXT_PATH);
        assert!(paths.iter().any(|path| path == file.path().to_str().unwrap()), "{paths:?}");
        let port = listener.local_addr().unwrap().port();
        let connected = batch.iter().map(RecordView::new).any(|view| {
            view.kind() == record_kind::SOCKET_CONNECT && u16_at(view.body(), socket_body::REMOTE + 2) == port
        });
        assert!(connected, "no connection to port {port} among {} records", batch.len());
    }
}
