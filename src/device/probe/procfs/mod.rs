//! What `/proc` shows: running processes, their open files and their sockets.
//!
//! * **In:** a `/proc` file system, whose root is given. **Out:** raw records, flagged sampled; those of what was there when
//!   tracing began are flagged preexisting, too.
//! * **May import:** `event`, `nix`, `procfs`, and `super`. Of the eBPF probe only the layout of records.
//! * **Test it:** `cargo test device::probe::procfs`, against a made-up `/proc` and against the test itself.
//!
//! Beside another probe it looks once, when a selection begins. Where no other probe works it is the last resort and looks
//! again and again: often while something happens, seldom while nothing does. What opens and closes between two looks is
//! never seen, and neither are failures, names that were looked up, bytes, or what was asked of a server; so it never
//! claims a family, however often it looks.

mod looks;
mod open_files;
mod sockets;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::process_scan::{self, ScannedProcess, comm};
use super::record_layout::record_flag;
use super::{PollState, Probe, ProbeCounters, ProbeError, RawBatch, SessionSlot};
use crate::event::{Family, ProbeId, ProbeState, ProbeStatus, Selection};
use looks::Looks;

/// Flags of what is there when a selection begins.
const FOUND: u16 = record_flag::PREEXISTING | record_flag::SAMPLED;

/// Opens the probe on this proc file system, to look once at each beginning of a selection.
#[must_use]
pub fn open(proc_root: PathBuf) -> Box<dyn Probe> {
    Box::new(ProcfsProbe { looks: Looks::new(proc_root), again: false })
}

/// Opens the probe on this proc file system, to look again for as long as something is selected.
#[must_use]
pub fn open_polling(proc_root: PathBuf) -> Box<dyn Probe> {
    Box::new(ProcfsProbe { looks: Looks::new(proc_root), again: true })
}

struct ProcfsProbe {
    looks: Looks,
    /// Whether it looks more than once.
    again: bool,
}

impl Probe for ProcfsProbe {
    fn id(&self) -> ProbeId {
        ProbeId::Procfs
    }

    fn traces(&self) -> bool {
        self.again
    }

    fn statuses(&self) -> Vec<ProbeStatus> {
        let root = self.looks.root();
        let readable = root.join("self").exists() || root.join("1").exists();
        let status = |family, state, reason| ProbeStatus { probe: ProbeId::Procfs, family, state, reason };
        let mut statuses: Vec<_> = [Family::Process, Family::File, Family::Socket]
            .into_iter()
            .map(|family| match (readable, self.again) {
                (false, _) => status(
                    family,
                    ProbeState::Unsupported,
                    format!("no process is listed in {}: mount the proc file system there", root.display()),
                ),
                (true, false) => status(family, ProbeState::Partial, "sampled once, when a session begins".to_owned()),
                (true, true) => status(family, ProbeState::Partial, sampled(family)),
            })
            .collect();
        if self.again {
            let blind = "the proc file system shows nothing of binder transactions".to_owned();
            statuses.extend(
                [Family::Provider, Family::Service]
                    .map(|family| status(family, ProbeState::Unsupported, blind.clone())),
            );
        }
        statuses
    }

    fn select(&mut self, slot: SessionSlot, selection: &Selection, batch: &mut RawBatch) -> Result<(), ProbeError> {
        self.looks.begin(slot, selection, batch)?;
        if !self.again {
            // Nobody will look again.
            self.looks.end(slot);
        }
        Ok(())
    }

    fn extend(&mut self, slot: SessionSlot, user_ids: &BTreeSet<u32>, batch: &mut RawBatch) -> Result<(), ProbeError> {
        // Nothing is there yet of an app that was only just installed; and to look at what happens is for who looks again.
        if self.again {
            self.looks.extend(slot, user_ids, batch);
        }
        Ok(())
    }

    fn deselect(&mut self, slot: SessionSlot, batch: &mut RawBatch) {
        if self.again {
            // What happened since the last look, as far as it is still there.
            self.looks.look(batch);
            self.looks.end(slot);
        }
    }

    fn poll(&mut self, timeout: Duration, batch: &mut RawBatch) -> Result<PollState, ProbeError> {
        let due = self.looks.due().filter(|_| self.again);
        std::thread::sleep(due.map_or(timeout, |due| due.saturating_duration_since(Instant::now()).min(timeout)));
        if due.is_some_and(|due| due <= Instant::now()) {
            self.looks.look(batch);
        }
        Ok(PollState::Idle)
    }

    fn counters(&self) -> ProbeCounters {
        ProbeCounters::default()
    }
}

/// What a family loses when it is sampled.
fn sampled(family: Family) -> String {
    let unseen = match family {
        Family::Process => "a process that begins and ends between two looks is not seen, nor how one ended",
        Family::File => "a file that is open at no look is not seen, nor failed attempts, renames, removals and bytes",
        _ => "a connection that is open at no look is not seen, nor failed attempts, DNS, TLS and HTTP names and bytes",
    };
    let (shortest, longest) = (looks::SHORTEST_INTERVAL.as_millis(), looks::LONGEST_INTERVAL.as_millis());
    format!("sampled every {shortest} to {longest} ms: {unseen}")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::process::{Command, Stdio};

    use super::super::record_layout::{
        RecordView, file_open_body, record_kind, segment_tag, socket_body, u16_at, u64_at,
    };
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
            assert_eq!((header.sessions, view.flags()), (1 << 5, FOUND));
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

    fn polled(probe: &mut dyn Probe, batch: &mut RawBatch, done: impl Fn(&RawBatch) -> bool) {
        let give_up = Instant::now() + Duration::from_secs(20);
        while !done(batch) {
            assert!(Instant::now() < give_up, "{} records came, not what was waited for", batch.len());
            probe.poll(Duration::from_millis(5), batch).unwrap();
        }
    }

    #[test]
    fn what_appears_between_two_looks_is_told_once_and_an_end_is_told() {
        let root = made_up_proc();
        let process = root.path().join("42");
        let mut probe = open_polling(root.path().to_owned());
        let mut batch = RawBatch::new(probe.id());
        let selection = Selection { user_ids: [10123].into(), ..Selection::default() };
        probe.select(slot(), &selection, &mut batch).unwrap();
        assert_eq!(batch.len(), 5);
        let mut batch = RawBatch::new(probe.id());
        std::os::unix::fs::symlink("/data/media/0/DCIM/b.jpg", process.join("fd/11")).unwrap();
        polled(probe.as_mut(), &mut batch, |batch| !batch.is_empty());
        assert_eq!(texts(&batch, record_kind::FILE_OPEN, segment_tag::TEXT_PATH), ["/data/media/0/DCIM/b.jpg"]);
        let first = RecordView::new(batch.iter().next().unwrap());
        assert_eq!(first.flags(), record_flag::SAMPLED, "it was opened while we looked: not preexisting");
        // Another file under the same number is another open.
        std::fs::remove_file(process.join("fd/11")).unwrap();
        std::os::unix::fs::symlink("/data/media/0/DCIM/c.jpg", process.join("fd/11")).unwrap();
        polled(probe.as_mut(), &mut batch, |batch| batch.len() > 1);
        let handles: BTreeSet<u64> =
            batch.iter().map(|record| u64_at(RecordView::new(record).body(), file_open_body::HANDLE)).collect();
        assert_eq!((batch.len(), handles.len()), (2, 2));
        std::fs::remove_dir_all(&process).unwrap();
        polled(probe.as_mut(), &mut batch, |batch| batch.len() > 2);
        let last = RecordView::new(batch.iter().last().unwrap());
        assert_eq!((last.kind(), last.tgid()), (record_kind::PROCESS_EXIT, 42));
    }

    #[test]
    fn children_are_followed_after_their_parent_has_gone() {
        let mut parent = Command::new("sh")
            .args(["-c", "read go; sh -c 'sleep 30 & echo $!; sleep 0.2'; exit 0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut probe = open_polling(PathBuf::from("/proc"));
        let mut batch = RawBatch::new(probe.id());
        let selection = Selection { process_trees: [parent.id()].into(), ..Selection::default() };
        probe.select(slot(), &selection, &mut batch).unwrap();
        writeln!(parent.stdin.as_mut().unwrap()).unwrap();
        let mut orphan = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(parent.stdout.as_mut().unwrap()), &mut orphan)
            .unwrap();
        let orphan: u32 = orphan.trim().parse().unwrap();
        let tells = |batch: &RawBatch, kind: u16, pid: u32| {
            batch.iter().map(RecordView::new).any(|view| view.kind() == kind && view.tgid() == pid)
        };
        polled(probe.as_mut(), &mut batch, |batch| tells(batch, record_kind::PROCESS_START, orphan));
        parent.wait().unwrap();
        polled(probe.as_mut(), &mut batch, |batch| tells(batch, record_kind::PROCESS_EXIT, parent.id()));
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(orphan.cast_signed()), nix::sys::signal::Signal::SIGKILL)
            .unwrap();
        polled(probe.as_mut(), &mut batch, |batch| tells(batch, record_kind::PROCESS_EXIT, orphan));
    }

    #[test]
    fn it_never_claims_a_family() {
        for probe in [open(PathBuf::from("/proc")), open_polling(PathBuf::from("/proc"))] {
            for status in probe.statuses() {
                assert!(!matches!(status.state, ProbeState::Attached | ProbeState::Absent), "{status:?}");
                assert!(!status.reason.is_empty(), "{status:?}");
            }
        }
    }
}
