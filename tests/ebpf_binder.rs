//! The binder probe against the real driver. It runs inside the test device (`scripts/device`): no other machine of a test run
//! has the driver. The peers are processes that speak to the driver by ioctl alone: `ebpf_support/binder_peer.rs`, whose
//! program is named by CANDOR_BINDER_PEER.
#![cfg(feature = "ebpf")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod ebpf_support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use candor::device::probe::ebpf::{EbpfChoice, EbpfOptions};
use candor::device::probe::ptrace;
use candor::device::probe::record_layout::{
    binder_device, binder_ending, binder_node_reference, binder_reply_body, binder_side, binder_transaction_body,
    record_flag, record_kind, segment_tag, u32_at, u64_at,
};
use candor::event::{Family, ProbeState, ProgramCounters};
use ebpf_support::{DEADLINE, Fixture, Record};

const APP: u32 = 10123;
const OTHER_APP: u32 = 10124;
const PROVIDER: &str = "android.content.IContentProvider";
const UNWANTED: &str = "org.example.INothing";
const TIERS: [EbpfChoice; 2] = [EbpfChoice::KernelObjects, EbpfChoice::SystemCalls];

/// A process of the test world.
struct Peer {
    child: Child,
    answers: Receiver<String>,
}

impl Peer {
    fn start() -> Self {
        let program =
            std::env::var_os("CANDOR_BINDER_PEER").expect("CANDOR_BINDER_PEER names the program of the peers");
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in output.lines() {
                if line.map_err(drop).and_then(|line| sender.send(line).map_err(drop)).is_err() {
                    break;
                }
            }
        });
        Self { child, answers }
    }

    fn app(uid: u32) -> Self {
        let mut peer = Self::start();
        assert_eq!(peer.ask(&format!("setuid {uid}")), "ok");
        peer
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn answer(&mut self) -> String {
        self.answers.recv_timeout(DEADLINE).expect("the peer answers in time")
    }

    fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.answer()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A context manager that serves, an app that is traced, and the probe.
struct World {
    manager: Peer,
    app: Peer,
    probe: Fixture,
}

impl World {
    fn new(choice: EbpfChoice) -> Self {
        let mut world = Self::untraced(choice);
        world.probe.select_uids(&[APP]);
        world
    }

    fn untraced(choice: EbpfChoice) -> Self {
        Self::with(&EbpfOptions { choice, ring_bytes: 8 << 20 })
    }

    fn with(options: &EbpfOptions) -> Self {
        Self::of(|| Fixture::open_with(options))
    }

    /// Traced by stops: the tracer is the device's own daemon.
    fn through_ptrace() -> Self {
        let mut world = Self::of(|| {
            let opened = ptrace::open(Path::new("/system/bin/candord"), true);
            Fixture::of(opened.probe.unwrap_or_else(|| panic!("ptrace works in the device: {:?}", opened.statuses)))
        });
        world.probe.select_uids(&[APP]);
        world
    }

    fn of(open: impl FnOnce() -> Fixture) -> Self {
        let mut manager = Peer::start();
        assert_eq!(manager.ask("manager"), "ok");
        manager.say("serve 1000000");
        let app = Peer::app(APP);
        Self { manager, app, probe: open() }
    }

    fn small(ring_bytes: u32) -> Self {
        let mut world = Self::with(&EbpfOptions { choice: EbpfChoice::KernelObjects, ring_bytes });
        world.probe.select_uids(&[APP]);
        world
    }

    /// Has the app do something long while the records are taken; then takes those that are left.
    fn burst(&mut self, command: &str) -> String {
        self.app.say(command);
        let give_up = Instant::now() + 6 * DEADLINE;
        let answer = loop {
            assert!(Instant::now() < give_up, "{command} ends");
            self.probe.poll();
            if let Ok(answer) = self.app.answers.try_recv() {
                break answer;
            }
        };
        let mut before = usize::MAX;
        while self.probe.records.len() != before {
            before = self.probe.records.len();
            self.probe.poll();
        }
        answer
    }

    /// A call of the app to the context manager.
    fn call(&mut self, rest: &str) -> String {
        self.app.ask(&format!("call 0 {rest}"))
    }

    fn request(&mut self, code: u32) -> Record {
        self.probe.expect(&format!("transaction with code {code}"), |record| {
            record.kind() == record_kind::BINDER_TRANSACTION && record.u32(binder_transaction_body::CODE) == code
        })
    }

    fn reply_to(&mut self, request: &Record) -> Record {
        let id = request.u64(binder_transaction_body::DEBUG_ID);
        self.probe.expect(&format!("end of transaction {id}"), |record| {
            record.kind() == record_kind::BINDER_REPLY && record.u64(binder_reply_body::REQUEST_DEBUG_ID) == id
        })
    }

    fn ending_of(&mut self, code: u32) -> u32 {
        let request = self.request(code);
        self.reply_to(&request).u32(binder_reply_body::ENDING)
    }

    fn binder_records(&self) -> usize {
        self.probe.count(|record| matches!(record.kind(), record_kind::BINDER_TRANSACTION | record_kind::BINDER_REPLY))
    }

    fn program(&self, name: &str) -> ProgramCounters {
        let counters = self.probe.counters();
        counters.programs.into_iter().find(|program| program.program == name).unwrap()
    }

    /// Nothing that a program saw is unaccounted for.
    fn check_accounts(&self) {
        for program in self.probe.counters().programs {
            let out = program.submitted + program.filtered + program.aggregated + program.lost;
            assert_eq!(program.seen, out, "{program:?}");
        }
    }
}

/// The references in a record: node and handle.
fn nodes(record: &Record) -> Vec<(u64, u32)> {
    let bytes = record.segment(segment_tag::NODES).unwrap_or_default();
    bytes
        .chunks_exact(binder_node_reference::SIZE)
        .map(|one| (u64_at(one, binder_node_reference::NODE), u32_at(one, binder_node_reference::HANDLE)))
        .collect()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// In a module of their own so that a run of the privileged tests on the host can leave them out by its name.
mod in_the_test_device {
    use super::*;

    #[test]
    #[ignore = "needs the test device"]
    fn both_families_are_attached() {
        for choice in TIERS {
            let world = World::untraced(choice);
            for family in [Family::Provider, Family::Service] {
                let status = world.probe.probe.statuses().into_iter().find(|status| status.family == family).unwrap();
                let wanted =
                    if choice == EbpfChoice::KernelObjects { ProbeState::Attached } else { ProbeState::Partial };
                assert_eq!(status.state, wanted, "{choice:?} {family:?}: {}", status.reason);
            }
        }
    }

    #[test]
    #[ignore = "needs the test device"]
    fn a_call_and_its_reply_are_told_of_the_app_that_asked() {
        for choice in TIERS {
            let mut world = World::new(choice);
            // What had begun before the start is lost to the tier without registers, once for each thread.
            assert_eq!(world.call(&format!("{PROVIDER} 1")), "reply");
            assert_eq!(world.call(&format!("{PROVIDER} 8 size=100")), "reply");
            let request = world.request(8);
            let header = request.header();
            assert_eq!((header.tgid, header.uid, header.gid), (world.app.pid(), APP, APP));
            assert_eq!(header.sessions, 1 << 3);
            assert!(header.comm.starts_with(b"binder_peer\0"));
            assert_ne!(header.start_ns, 0);
            assert_eq!(request.u32(binder_transaction_body::RECEIVER_TGID), world.manager.pid());
            assert_eq!(request.u32(binder_transaction_body::RECEIVER_UID), 0);
            assert_ne!(request.u64(binder_transaction_body::RECEIVER_START_NS), 0);
            assert_eq!(request.u32(binder_transaction_body::SENDER_EUID), APP);
            assert_eq!(request.u32(binder_transaction_body::TRANSACTION_FLAGS), 0x10);
            assert_eq!(request.u16(binder_transaction_body::SIDE), binder_side::RECEIVER);
            assert_eq!(request.u64(binder_transaction_body::OFFSETS_SIZE), 0);
            assert_ne!(request.u64(binder_transaction_body::TARGET_NODE), 0);
            assert_eq!(request.flags(), 0);
            let device =
                if choice == EbpfChoice::KernelObjects { binder_device::BINDER } else { binder_device::UNKNOWN };
            assert_eq!(request.u16(binder_transaction_body::DEVICE), device);
            let parcel = request.segment(segment_tag::PARCEL).unwrap();
            assert_eq!(parcel.len() as u64, request.u64(binder_transaction_body::DATA_SIZE));
            assert_eq!(parcel.len(), 16 + 2 * (PROVIDER.len() + 2) + 100);
            assert_eq!(&parcel[16..16 + 2 * PROVIDER.len()], utf16(PROVIDER));
            let reply = world.reply_to(&request);
            assert_eq!(reply.header().tgid, world.app.pid());
            assert!(reply.header().time_ns > header.time_ns);
            assert_eq!(reply.u32(binder_reply_body::ENDING), binder_ending::REPLY);
            assert_eq!(reply.u32(binder_reply_body::TRANSACTION_FLAGS) & 8, 8, "a status code");
            assert_eq!(reply.segment(segment_tag::PARCEL).unwrap(), [0; 4]);
            assert_ne!(reply.u64(binder_reply_body::REPLY_DEBUG_ID), 0);
            world.check_accounts();
        }
    }

    #[test]
    #[ignore = "needs the test device"]
    fn a_thread_that_was_already_waiting_receives_what_is_told() {
        let mut world = World::new(EbpfChoice::KernelObjects);
        assert_eq!(world.call(&format!("{PROVIDER} 1")), "reply");
        assert_eq!(world.ending_of(1), binder_ending::REPLY);
    }

    #[test]
    #[ignore = "needs the test device"]
    fn a_reply_to_a_call_from_before_the_start_is_taken_for_nobodys() {
        for choice in TIERS {
            let mut world = World::untraced(choice);
            world.app.say(&format!("call 0 {PROVIDER} 11"));
            let mut second = Peer::app(APP);
            second.say(&format!("call 0 {PROVIDER} 1"));
            // The second has been sent as soon as the first is being served, or after: both end after the selection.
            world.probe.select_uids(&[APP]);
            world.manager.say("go on");
            assert_eq!(world.app.answer(), "reply");
            assert_eq!(second.answer(), "reply");
            let before = world.binder_records();
            assert_eq!(world.call(&format!("{PROVIDER} 8")), "reply");
            assert_eq!(world.ending_of(8), binder_ending::REPLY);
            let requests = world.probe.count(|record| record.kind() == record_kind::BINDER_TRANSACTION);
            let replies = world.probe.count(|record| record.kind() == record_kind::BINDER_REPLY);
            assert_eq!(requests, replies, "{before} records before");
            world.check_accounts();
        }
    }

    #[test]
    #[ignore = "needs the test device"]
    fn one_way_calls_and_calls_with_extra_buffers_are_told() {
        for choice in TIERS {
            let mut world = World::new(choice);
            world.call(&format!("{PROVIDER} 1"));
            assert_eq!(world.call(&format!("{PROVIDER} 21 oneway")), "complete");
            let request = world.request(21);
            assert_eq!(request.u32(binder_transaction_body::TRANSACTION_FLAGS) & 1, 1);
            assert_eq!(request.header().tgid, world.app.pid());
            assert_eq!(world.call(&format!("{PROVIDER} 22 sg")), "reply");
            assert_eq!(world.ending_of(22), binder_ending::REPLY);
            let id = request.u64(binder_transaction_body::DEBUG_ID);
            assert_eq!(
                world.probe.count(|record| record.kind() == record_kind::BINDER_REPLY && record.u64(0) == id),
                0
            );
            world.check_accounts();
        }
    }

    #[test]
    #[ignore = "needs the test device"]
    fn the_descriptor_is_found_behind_every_form_of_the_token() {
        let mut world = World::new(EbpfChoice::KernelObjects);
        for (code, android) in [(28, 28), (29, 29), (30, 30)] {
            assert_eq!(world.call(&format!("{PROVIDER} {code} android={android}")), "reply");
            world.request(code);
        }
        let filtered = world.program("binder_delivered").filtered;
        for android in [28, 29, 30] {
            assert_eq!(world.call(&format!("{UNWANTED} 40 android={android}")), "reply");
            assert_eq!(world.call(&format!("{PROVIDER}X 40 android={android}")), "reply");
        }
        assert_eq!(world.call(&format!("{PROVIDER} 31")), "reply");
        assert_eq!(world.ending_of(31), binder_ending::REPLY);
        assert_eq!(world.program("binder_delivered").filtered - filtered, 12, "six calls, six replies");
        assert_eq!(world.binder_records(), 8);
        world.check_accounts();
    }

    #[test]
    #[ignore = "needs the test device"]
    fn nothing_of_another_app_is_told() {
        let mut world = World::new(EbpfChoice::KernelObjects);
        let mut other = Peer::app(OTHER_APP);
        assert_eq!(other.ask(&format!("call 0 {PROVIDER} 50")), "reply");
        assert_eq!(world.call(&format!("{PROVIDER} 51")), "reply");
        assert_eq!(world.ending_of(51), binder_ending::REPLY);
        assert_eq!(world.binder_records(), 2);
        world.check_accounts();
    }

    #[test]
    #[ignore = "needs the test device"]
    fn calls_within_calls_end_with_their_own_replies() {
        for choice in TIERS {
            let mut world = World::new(choice);
            world.call(&format!("{PROVIDER} 1"));
            // The manager calls back; the app calls the manager in turn; then everything returns.
            assert_eq!(world.call(&format!("{PROVIDER} 13 object")), "reply");
            let outer = world.request(13);
            let inner = world.probe.expect("the nested call", |record| {
                record.kind() == record_kind::BINDER_TRANSACTION
                    && record.segment(segment_tag::PARCEL).unwrap()[16..]
                        .starts_with(&utf16("android.os.IServiceManager"))
            });
            let inner_reply = world.reply_to(&inner);
            let outer_reply = world.reply_to(&outer);
            assert_eq!(inner_reply.u32(binder_reply_body::TRANSACTION_FLAGS) & 8, 8);
            assert_eq!(outer_reply.u32(binder_reply_body::TRANSACTION_FLAGS) & 8, 0);
            assert!(outer_reply.header().time_ns > inner_reply.header().time_ns);
            // The app, while it serves, calls a handle that does not exist: that failure ends no call.
            assert_eq!(world.call(&format!("{PROVIDER} 12 object")), "reply");
            assert_eq!(world.ending_of(12), binder_ending::REPLY);
            // And a plain callback.
            assert_eq!(world.call(&format!("{PROVIDER} 3 object")), "reply");
            assert_eq!(world.ending_of(3), binder_ending::REPLY);
            world.check_accounts();
        }
    }

    #[test]
    #[ignore = "needs the test device"]
    fn a_provider_that_dies_ends_the_call() {
        for choice in TIERS {
            let mut world = World::new(choice);
            world.call(&format!("{PROVIDER} 1"));
            assert_eq!(world.call(&format!("{PROVIDER} 2")), "dead");
            assert_eq!(world.ending_of(2), binder_ending::DEAD);
            world.check_accounts();
        }
    }

    #[test]
    #[ignore = "needs the test device"]
    fn what_the_driver_refuses_ends_no_other_call() {
        for choice in TIERS {
            let mut world = World::new(choice);
            world.call(&format!("{PROVIDER} 1"));
            // Refused after the driver made it known, and before.
            assert_eq!(world.call(&format!("{PROVIDER} 60 badbuffer")), "failed");
            assert_eq!(world.call(&format!("{PROVIDER} 60 badoffsets")), "failed");
            assert_eq!(world.call(&format!("{PROVIDER} 60 badoffsets oneway")), "failed");
            assert_eq!(world.app.ask(&format!("call 999 {PROVIDER} 60")), "failed");
            assert_eq!(world.call(&format!("{PROVIDER} 61")), "reply");
            assert_eq!(world.ending_of(61), binder_ending::REPLY);
            // Refused while another call of the same thread is under way.
            assert_eq!(world.call(&format!("{PROVIDER} 62 send")), "sent");
            assert_eq!(world.app.ask("refused"), "sent");
            let ends = [world.app.ask("wait"), world.app.ask("wait")];
            assert!(ends.contains(&"failed".to_owned()) && ends.contains(&"reply".to_owned()), "{ends:?}");
            assert_eq!(world.ending_of(62), binder_ending::REPLY);
            assert_eq!(world.probe.count(|record| record.u32(binder_transaction_body::CODE) == 60), 0);
            world.check_accounts();
        }
    }

    #[test]
    #[ignore = "needs the test device"]
    fn references_are_told_with_the_parcels_that_carry_them() {
        for choice in TIERS {
            let mut world = World::new(choice);
            world.call(&format!("{PROVIDER} 1"));
            assert_eq!(world.call(&format!("{PROVIDER} 4 object")), "reply");
            let request = world.request(4);
            let published = nodes(&request);
            assert_eq!(published.len(), 1);
            assert_eq!(request.u64(binder_transaction_body::OFFSETS_SIZE), 8);
            assert_eq!(request.segment(segment_tag::OFFSETS).unwrap().len(), 8);
            // Another process of the app gets the reference, and calls it.
            let mut second = Peer::app(APP);
            assert_eq!(second.ask(&format!("call 0 {PROVIDER} 5 keep")), "reply");
            let request = world.request(5);
            let reply = world.reply_to(&request);
            let [(node, handle)] = nodes(&reply)[..] else { panic!("one reference in {}", reply.line()) };
            assert_eq!(node, published[0].0);
            assert_ne!(handle, 0);
            // The manager's own object: a new node.
            assert_eq!(world.call(&format!("{PROVIDER} 9")), "reply");
            let request = world.request(9);
            let reply = world.reply_to(&request);
            assert_eq!(nodes(&reply).len(), 1);
            assert_ne!(nodes(&reply)[0].0, node);
            world.app.say("serve 1");
            assert_eq!(second.ask(&format!("callkept {PROVIDER} 70")), "reply");
            assert_eq!(world.app.answer(), "served");
            let call = world.request(70);
            assert_eq!(call.u64(binder_transaction_body::TARGET_NODE), node);
            assert_eq!(call.header().tgid, second.pid());
            assert_eq!(call.u32(binder_transaction_body::RECEIVER_TGID), world.app.pid());
            assert_eq!(world.ending_of(70), binder_ending::REPLY);
            world.check_accounts();
        }
    }

    #[test]
    #[ignore = "needs the test device"]
    fn a_long_parcel_is_cut_and_says_so() {
        let mut world = World::new(EbpfChoice::KernelObjects);
        assert_eq!(world.call(&format!("{PROVIDER} 10 size=20000")), "reply");
        let request = world.request(10);
        assert_eq!(request.segment(segment_tag::PARCEL).unwrap().len(), 4096);
        assert!(request.u64(binder_transaction_body::DATA_SIZE) > 20000);
        assert_ne!(request.flags() & record_flag::CUT, 0);
        let reply = world.reply_to(&request);
        assert_eq!(reply.segment(segment_tag::PARCEL).unwrap().len(), 4096);
        assert_eq!(reply.u64(binder_reply_body::DATA_SIZE), 6000);
        assert_ne!(reply.flags() & record_flag::CUT, 0);
    }

    #[test]
    #[ignore = "needs the test device"]
    fn of_twenty_thousand_calls_none_is_lost() {
        for choice in TIERS {
            let mut world = World::new(choice);
            world.call(&format!("{PROVIDER} 1"));
            world.call(&format!("{PROVIDER} 81"));
            assert_eq!(world.ending_of(81), binder_ending::REPLY);
            let before = ["binder_sent", "binder_received", "binder_delivered"].map(|name| world.program(name));
            let lost_before = world.probe.counters().lost;
            let records_before = world.binder_records();
            world.burst(&format!("burst 20000 0 {PROVIDER} 80 size=400"));
            let after = ["binder_sent", "binder_received", "binder_delivered"].map(|name| world.program(name));
            for (before, after) in before.iter().zip(&after) {
                assert_eq!(after.seen - before.seen, 40_000, "{}: a call and a reply each", after.program);
                assert_eq!(after.lost, before.lost, "{}", after.program);
            }
            assert_eq!(after[2].submitted - before[2].submitted, 40_000);
            assert_eq!(world.binder_records() - records_before, 40_000);
            assert_eq!(world.probe.counters().lost, lost_before);
            world.check_accounts();
        }
    }

    #[test]
    #[ignore = "needs the test device"]
    fn what_does_not_fit_the_ring_is_counted() {
        let mut world = World::small(4096);
        assert_ne!(world.app.ask(&format!("burst 1000 0 {PROVIDER} 80 size=400")), "");
        world.burst(&format!("burst 1 0 {PROVIDER} 81"));
        let delivered = world.program("binder_delivered");
        assert_eq!(delivered.seen, 2002);
        assert!(delivered.lost > 1900, "{delivered:?}");
        assert_eq!(delivered.submitted + delivered.lost, 2002);
        assert_eq!(world.binder_records() as u64, delivered.submitted);
        // What else the app did, such as asking for its own times, found no room either.
        let all_lost: u64 = world.probe.counters().programs.iter().map(|program| program.lost).sum();
        let lost = world.probe.counters().lost;
        let lost: Vec<_> = lost.iter().map(|(slot, reason, count)| (slot.number(), *reason, *count)).collect();
        assert_eq!(lost, [(3, "ring_full", all_lost)]);
    }

    #[test]
    #[ignore = "needs the test device"]
    fn malformed_transactions_break_nothing_and_are_counted() {
        for choice in TIERS {
            let mut world = World::new(choice);
            world.call(&format!("{PROVIDER} 1"));
            let before = world.program("binder_delivered").lost;
            for seed in 1..=3 {
                assert_eq!(world.burst(&format!("malformed 3000 {seed}")), "ok");
            }
            assert_eq!(world.call(&format!("{PROVIDER} 90")), "reply");
            assert_eq!(world.ending_of(90), binder_ending::REPLY);
            let sent = world.program("binder_sent");
            assert!(sent.seen > 5000, "{sent:?}");
            for name in ["binder_sent", "binder_received", "binder_reference"] {
                assert_eq!(world.program(name).lost, 0, "{name}");
            }
            assert_eq!(world.program("binder_delivered").lost, before);
            world.check_accounts();
        }
    }

    #[test]
    #[ignore = "needs the test device"]
    fn threads_that_end_while_they_wait_leave_nothing_behind() {
        let mut world = World::new(EbpfChoice::KernelObjects);
        for _ in 0..20 {
            let mut doomed = Peer::app(APP);
            assert_eq!(doomed.ask(&format!("call 0 {PROVIDER} 1 send")), "sent");
        }
        assert_eq!(world.call(&format!("{PROVIDER} 91")), "reply");
        assert_eq!(world.ending_of(91), binder_ending::REPLY);
        world.check_accounts();
    }
    #[test]
    #[ignore = "needs the test device"]
    fn through_ptrace_calls_are_told_as_the_sender_wrote_them() {
        let mut world = World::through_ptrace();
        assert_eq!(world.call(&format!("{PROVIDER} 8 size=100")), "reply");
        let request = world.request(8);
        assert_eq!((request.header().tgid, request.header().uid), (world.app.pid(), APP));
        assert_eq!(request.flags(), record_flag::USER_MEMORY);
        assert_eq!(request.u16(binder_transaction_body::SIDE), binder_side::SENDER);
        assert_eq!(request.u16(binder_transaction_body::DEVICE), binder_device::BINDER);
        assert!(request.u64(binder_transaction_body::DEBUG_ID) > u64::from(u32::MAX), "no number of the driver");
        let parcel = request.segment(segment_tag::PARCEL).unwrap();
        assert_eq!(parcel.len(), 16 + 2 * (PROVIDER.len() + 2) + 100);
        assert_eq!(&parcel[16..16 + 2 * PROVIDER.len()], utf16(PROVIDER));
        let reply = world.reply_to(&request);
        assert_eq!(reply.segment(segment_tag::PARCEL).unwrap(), [0; 4]);
        assert_eq!(reply.u32(binder_reply_body::TRANSACTION_FLAGS) & 8, 8, "a status code");
        assert!(reply.header().time_ns > request.header().time_ns);
        // Long ones are cut, those with extra buffers and one-way ones are told, those of no interest are not.
        assert_eq!(world.call(&format!("{PROVIDER} 10 size=20000")), "reply");
        let request = world.request(10);
        assert_eq!(request.segment(segment_tag::PARCEL).unwrap().len(), 4096);
        assert_ne!(request.flags() & record_flag::CUT, 0);
        assert_eq!(world.reply_to(&request).u64(binder_reply_body::DATA_SIZE), 6000);
        assert_eq!(world.call(&format!("{PROVIDER} 22 sg")), "reply");
        assert_eq!(world.ending_of(22), binder_ending::REPLY);
        let before = world.binder_records();
        for android in [28, 29, 30] {
            assert_eq!(world.call(&format!("{UNWANTED} 40 android={android}")), "reply");
            assert_eq!(world.call(&format!("{PROVIDER} {android} android={android}")), "reply");
            assert_eq!(world.ending_of(android), binder_ending::REPLY);
        }
        assert_eq!(world.call(&format!("{PROVIDER} 21 oneway")), "complete");
        world.request(21);
        assert_eq!(world.binder_records() - before, 7);
        world.check_accounts();
    }

    #[test]
    #[ignore = "needs the test device"]
    fn through_ptrace_ends_find_their_calls() {
        let mut world = World::through_ptrace();
        assert_eq!(world.call(&format!("{PROVIDER} 13 object")), "reply");
        let outer = world.request(13);
        let inner = world.probe.expect("the nested call", |record| {
            record.kind() == record_kind::BINDER_TRANSACTION
                && record.segment(segment_tag::PARCEL).unwrap()[16..].starts_with(&utf16("android.os.IServiceManager"))
        });
        let (inner_reply, outer_reply) = (world.reply_to(&inner), world.reply_to(&outer));
        assert_eq!(inner_reply.u32(binder_reply_body::TRANSACTION_FLAGS) & 8, 8);
        assert_eq!(outer_reply.u32(binder_reply_body::TRANSACTION_FLAGS) & 8, 0);
        for code in [12, 3] {
            assert_eq!(world.call(&format!("{PROVIDER} {code} object")), "reply");
            assert_eq!(world.ending_of(code), binder_ending::REPLY);
        }
        // What the driver refuses ends no other call, and is not told.
        for how in ["badbuffer", "badoffsets", "badoffsets oneway"] {
            assert_eq!(world.call(&format!("{PROVIDER} 60 {how}")), "failed");
        }
        assert_eq!(world.app.ask(&format!("call 999 {PROVIDER} 60")), "failed");
        assert_eq!(world.call(&format!("{PROVIDER} 62 send")), "sent");
        assert_eq!(world.app.ask("refused"), "sent");
        let ends = [world.app.ask("wait"), world.app.ask("wait")];
        assert!(ends.contains(&"failed".to_owned()) && ends.contains(&"reply".to_owned()), "{ends:?}");
        assert_eq!(world.ending_of(62), binder_ending::REPLY);
        assert_eq!(world.probe.count(|record| record.u32(binder_transaction_body::CODE) == 60), 0);
        // A reference that comes back says which object it is.
        assert_eq!(world.call(&format!("{PROVIDER} 9")), "reply");
        let request = world.request(9);
        assert_eq!(nodes(&world.reply_to(&request)).len(), 1);
        // The other side dies.
        assert_eq!(world.call(&format!("{PROVIDER} 2")), "dead");
        assert_eq!(world.ending_of(2), binder_ending::DEAD);
        world.check_accounts();
    }

    #[test]
    #[ignore = "needs the test device"]
    fn through_ptrace_nonsense_breaks_nothing_and_nothing_is_lost_of_what_makes_sense() {
        let mut world = World::through_ptrace();
        assert_eq!(world.burst("malformed 1000 1"), "ok");
        assert_eq!(world.call(&format!("{PROVIDER} 90")), "reply");
        assert_eq!(world.ending_of(90), binder_ending::REPLY);
        let (before, lost) = (world.binder_records(), world.program("ptrace").lost);
        world.burst(&format!("burst 1000 0 {PROVIDER} 80 size=400"));
        assert_eq!(world.call(&format!("{PROVIDER} 91")), "reply");
        assert_eq!(world.ending_of(91), binder_ending::REPLY);
        assert_eq!(world.binder_records() - before, 2002);
        assert_eq!(world.program("ptrace").lost, lost);
        world.check_accounts();
    }
}
