//! A process that speaks to the binder driver by ioctl alone, for tests and measurements of the binder probe.
//!
//! Compiled by itself: `rustc --edition 2024 -O tests/ebpf_support/binder_peer.rs`. It reads commands, one a line, from its
//! input, and answers each with a line:
//!
//! * `setuid ID`: becomes an app. `manager`: becomes the context manager, which everybody knows as handle 0.
//! * `calm`: from now on replies only, whatever the code: the daemon itself asks a context manager for its services.
//! * `serve N`: serves N transactions; what it does with each is told by its code, see `Peer::serve`.
//! * `call HANDLE INTERFACE CODE [OPTION...]`: calls, and tells how it ended. Options: `oneway`, `sg` (the command with extra
//!   buffers), `object` (passes an object of its own, and serves calls to it while it waits), `keep` (keeps the first handle
//!   of the reply), `size=N` (so many bytes after the token), `android=28|29|30` (form of the token), `badbuffer` (the
//!   driver cannot read the parcel), `badoffsets` (an offset beyond the parcel), `send` (does not wait; `wait` does),
//!   `parcel=FILE` (the parcel is what is in the file, token included).
//! * `wait`: waits for the end of a call that was sent. `refused`: calls a handle that does not exist, without waiting.
//! * `burst COUNT HANDLE INTERFACE CODE [OPTION...]`: so many calls; tells the nanoseconds that they took: by the clock, and of
//!   the processor's time for this process and for the one whose id is in `server=ID`.
//! * `malformed COUNT SEED`: so many transactions and commands that make no sense.

use std::ffi::{c_int, c_ulong, c_void};
use std::io::{BufRead as _, Write as _};
use std::os::fd::AsRawFd as _;

const WRITE_READ: c_ulong = 0xc030_6201;
const SET_CONTEXT_MGR: c_ulong = 0x4004_6207;

const BC_TRANSACTION: u32 = 0x4040_6300;
const BC_REPLY: u32 = 0x4040_6301;
const BC_FREE_BUFFER: u32 = 0x4008_6303;
const BC_ACQUIRE: u32 = 0x4004_6305;
const BC_INCREFS_DONE: u32 = 0x4010_6308;
const BC_ACQUIRE_DONE: u32 = 0x4010_6309;
const BC_ENTER_LOOPER: u32 = 0x630c;
const BC_TRANSACTION_SG: u32 = 0x4048_6311;

const BR_TRANSACTION_SEC_CTX: u32 = 0x8048_7202;
const BR_TRANSACTION: u32 = 0x8040_7202;
const BR_REPLY: u32 = 0x8040_7203;
const BR_DEAD_REPLY: u32 = 0x7205;
const BR_TRANSACTION_COMPLETE: u32 = 0x7206;
const BR_INCREFS: u32 = 0x8010_7207;
const BR_ACQUIRE: u32 = 0x8010_7208;
const BR_FAILED_REPLY: u32 = 0x7211;
const BR_FROZEN_REPLY: u32 = 0x7212;

const ONE_WAY: u32 = 1;
const STATUS_CODE: u32 = 8;
const ACCEPT_FDS: u32 = 0x10;

const OBJECT_BINDER: u32 = 0x7362_2a85;
const OBJECT_HANDLE: u32 = 0x7368_2a85;

unsafe extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn mmap(address: *mut c_void, length: usize, protection: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
    fn setuid(id: u32) -> c_int;
    fn setgid(id: u32) -> c_int;
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Exchange {
    write_size: u64,
    write_consumed: u64,
    write_buffer: u64,
    read_size: u64,
    read_consumed: u64,
    read_buffer: u64,
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Data {
    target: u64,
    cookie: u64,
    code: u32,
    flags: u32,
    sender_pid: i32,
    sender_euid: u32,
    data_size: u64,
    offsets_size: u64,
    buffer: u64,
    offsets: u64,
}

const DATA_SIZE: usize = size_of::<Data>();

impl Data {
    fn bytes(&self) -> [u8; DATA_SIZE] {
        // SAFETY: both are plain bytes without padding, of one size.
        unsafe { std::mem::transmute(*self) }
    }

    fn from(bytes: &[u8]) -> Self {
        let bytes: [u8; DATA_SIZE] = bytes[..DATA_SIZE].try_into().expect("the driver writes whole structures");
        // SAFETY: as above, and every bit pattern is a value.
        unsafe { std::mem::transmute(bytes) }
    }
}

/// A parcel as it is sent.
#[derive(Default, Clone)]
struct Parcel {
    bytes: Vec<u8>,
    offsets: Vec<u64>,
}

impl Parcel {
    fn int(&mut self, value: i32) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn string16(&mut self, text: &str) {
        let units: Vec<u16> = text.encode_utf16().collect();
        self.int(units.len() as i32);
        for unit in units {
            self.bytes.extend(unit.to_le_bytes());
        }
        self.bytes.extend([0, 0]);
        while self.bytes.len() % 4 != 0 {
            self.bytes.push(0);
        }
    }

    fn object(&mut self, kind: u32, value: u64) {
        while self.bytes.len() % 4 != 0 {
            self.bytes.push(0);
        }
        self.offsets.push(self.bytes.len() as u64);
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(0x113u32.to_le_bytes());
        self.bytes.extend(value.to_le_bytes());
        self.bytes.extend(0u64.to_le_bytes());
        self.int(12);
    }

    fn token(&mut self, android: u32, interface: &str) {
        self.int(if android == 28 { 0x0040_0000 } else { i32::MIN });
        if android >= 29 {
            self.int(-1);
        }
        if android >= 30 {
            self.int(0x5359_5354);
        }
        self.string16(interface);
    }
}

#[derive(Debug, Default, Clone)]
struct Options {
    one_way: bool,
    extra_buffers: bool,
    object: bool,
    keep: bool,
    send: bool,
    bad_buffer: bool,
    bad_offsets: bool,
    size: usize,
    android: u32,
    parcel: Option<String>,
}

impl Options {
    fn parse(words: &[&str]) -> Self {
        let mut options = Self { android: 30, ..Self::default() };
        for word in words {
            match word.split_once('=').unwrap_or((word, "")) {
                ("oneway", _) => options.one_way = true,
                ("sg", _) => options.extra_buffers = true,
                ("object", _) => options.object = true,
                ("keep", _) => options.keep = true,
                ("send", _) => options.send = true,
                ("badbuffer", _) => options.bad_buffer = true,
                ("badoffsets", _) => options.bad_offsets = true,
                ("size", value) => options.size = value.parse().expect("size is a number"),
                ("parcel", value) => options.parcel = Some(value.to_owned()),
                ("android", value) => options.android = value.parse().expect("android is a number"),
                _ => panic!("unknown option {word}"),
            }
        }
        options
    }
}

struct Peer {
    device: std::fs::File,
    /// Handles that were kept, in order.
    kept: Vec<u32>,
    /// Commands that go out with the next call into the driver.
    pending: Vec<u8>,
    /// What the pending reply points to.
    reply: Parcel,
    served: u32,
    /// Only replies, whatever the code.
    calm: bool,
}

impl Peer {
    fn open(path: &str) -> Self {
        let device = std::fs::OpenOptions::new().read(true).write(true).open(path).expect("the binder device opens");
        // SAFETY: a fresh read-only mapping at an address of the kernel's choice.
        let map = unsafe { mmap(std::ptr::null_mut(), 1 << 20, 1, 0x4002, device.as_raw_fd(), 0) };
        assert_ne!(map as isize, -1, "the binder device is mapped");
        Self { device, kept: Vec::new(), pending: Vec::new(), reply: Parcel::default(), served: 0, calm: false }
    }

    /// One call into the driver; what is pending goes first.
    fn exchange(&mut self, write: &[u8], read: bool) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.pending);
        out.extend(write);
        let mut buffer = [0u8; 256];
        let mut exchange = Exchange {
            write_size: out.len() as u64,
            write_buffer: out.as_ptr() as u64,
            read_size: if read { buffer.len() as u64 } else { 0 },
            read_buffer: buffer.as_mut_ptr() as u64,
            ..Exchange::default()
        };
        loop {
            // SAFETY: the structure and both buffers outlive the call.
            let result = unsafe { ioctl(self.device.as_raw_fd(), WRITE_READ, &raw mut exchange) };
            if result == 0 {
                break;
            }
            let error = std::io::Error::last_os_error();
            if error.kind() != std::io::ErrorKind::Interrupted {
                println!("ioctl: {error}");
                break;
            }
        }
        buffer[..exchange.read_consumed as usize].to_vec()
    }

    fn command(out: &mut Vec<u8>, command: u32, payload: &[u8]) {
        out.extend(command.to_le_bytes());
        out.extend(payload);
    }

    fn transaction(&self, handle: u32, code: u32, parcel: &Parcel, options: &Options) -> Vec<u8> {
        let data = Data {
            target: u64::from(handle),
            code,
            flags: ACCEPT_FDS | if options.one_way { ONE_WAY } else { 0 },
            data_size: parcel.bytes.len() as u64,
            offsets_size: 8 * parcel.offsets.len() as u64,
            buffer: if options.bad_buffer { 8 } else { parcel.bytes.as_ptr() as u64 },
            offsets: parcel.offsets.as_ptr() as u64,
            ..Data::default()
        };
        let mut out = Vec::new();
        if options.extra_buffers {
            let mut payload = data.bytes().to_vec();
            payload.extend(0u64.to_le_bytes());
            Self::command(&mut out, BC_TRANSACTION_SG, &payload);
        } else {
            Self::command(&mut out, BC_TRANSACTION, &data.bytes());
        }
        out
    }

    fn request(&self, interface: &str, options: &Options) -> Parcel {
        let mut parcel = Parcel::default();
        if let Some(file) = &options.parcel {
            parcel.bytes = std::fs::read(file).expect("the parcel's file can be read");
            return parcel;
        }
        parcel.token(options.android, interface);
        if options.object {
            parcel.object(OBJECT_BINDER, 0x1000);
        }
        parcel.bytes.resize(parcel.bytes.len() + options.size, 0x2e);
        if options.bad_offsets {
            parcel.offsets.push(1 << 20);
        }
        parcel
    }

    /// Calls and waits for the end.
    fn call(&mut self, handle: u32, interface: &str, code: u32, options: &Options) -> &'static str {
        let parcel = self.request(interface, options);
        let out = self.transaction(handle, code, &parcel, options);
        if options.send {
            let said = self.exchange(&out, false);
            assert!(said.is_empty());
            return "sent";
        }
        self.wait(&out, options)
    }

    fn wait(&mut self, write: &[u8], options: &Options) -> &'static str {
        let mut read = self.exchange(write, true);
        loop {
            if let Some(ended) = self.take(&read, options) {
                return ended;
            }
            read = self.exchange(&[], true);
        }
    }

    /// Goes through what was delivered. Says how the call ended, if it did.
    fn take(&mut self, mut read: &[u8], options: &Options) -> Option<&'static str> {
        let mut ended = None;
        while read.len() >= 4 {
            let command = u32::from_le_bytes(read[..4].try_into().expect("four bytes"));
            let size = (command >> 16 & 0x3fff) as usize;
            let payload = &read[4..4 + size];
            match command {
                BR_TRANSACTION | BR_TRANSACTION_SEC_CTX => self.serve(&Data::from(payload)),
                BR_REPLY => {
                    let data = Data::from(payload);
                    if options.keep {
                        self.keep(&data);
                    }
                    self.free(&data);
                    ended = Some("reply");
                }
                BR_DEAD_REPLY => ended = Some("dead"),
                BR_FAILED_REPLY => ended = Some("failed"),
                BR_FROZEN_REPLY => ended = Some("frozen"),
                BR_TRANSACTION_COMPLETE if options.one_way => ended = Some("complete"),
                BR_INCREFS => Self::command(&mut self.pending, BC_INCREFS_DONE, payload),
                BR_ACQUIRE => Self::command(&mut self.pending, BC_ACQUIRE_DONE, payload),
                _ => {}
            }
            read = &read[4 + size..];
        }
        ended
    }

    fn free(&mut self, data: &Data) {
        Self::command(&mut self.pending, BC_FREE_BUFFER, &data.buffer.to_le_bytes());
    }

    /// The handles in what was delivered.
    fn handles(data: &Data) -> Vec<u32> {
        (0..data.offsets_size / 8)
            .filter_map(|index| {
                // SAFETY: the driver wrote the offsets and checked them against the parcel, and both stay until freed.
                unsafe {
                    let offset = *((data.offsets + 8 * index) as *const u64);
                    let object = (data.buffer + offset) as *const u32;
                    (object.read_unaligned() == OBJECT_HANDLE).then(|| object.add(2).read_unaligned())
                }
            })
            .collect()
    }

    fn keep(&mut self, data: &Data) {
        for handle in Self::handles(data) {
            Self::command(&mut self.pending, BC_ACQUIRE, &handle.to_le_bytes());
            self.kept.push(handle);
        }
    }

    /// What each code means: 1 reply; 2 die; 3 call the object in the parcel, then reply; 4 keep the object; 5 reply with
    /// the object kept first; 6, 12, 13 as 3, with the codes 2, 7, 14 for the object; 7 fail to call a handle that does not exist, then reply;
    /// 8 reply with a status; 9 pass the object on to itself, so to say: reply with an object of its own;
    /// 10 reply with 6000 bytes; 11 wait for a line of input, then reply; 14 call the context manager, then reply.
    fn serve(&mut self, data: &Data) {
        self.served += 1;
        let mut parcel = Parcel::default();
        parcel.int(0);
        let mut flags = 0;
        match if self.calm { 1 } else { data.code } {
            2 => std::process::exit(0),
            3 | 6 | 12 | 13 => {
                for handle in Self::handles(data) {
                    let code = match data.code {
                        6 => 2,
                        12 => 7,
                        13 => 14,
                        _ => 1,
                    };
                    let ended = self.call(handle, "org.example.ICallback", code, &Options::parse(&[]));
                    eprintln!("callback: {ended}");
                }
            }
            4 => self.keep(data),
            5 => parcel.object(OBJECT_HANDLE, u64::from(self.kept.first().copied().unwrap_or(0))),
            7 => {
                let ended = self.call(999, "org.example.INobody", 1, &Options::parse(&[]));
                eprintln!("nobody: {ended}");
            }
            8 => flags = STATUS_CODE,
            14 => {
                let ended = self.call(0, "android.os.IServiceManager", 8, &Options::parse(&[]));
                eprintln!("nested: {ended}");
            }
            9 => parcel.object(OBJECT_BINDER, 0x2000),
            10 => parcel.bytes.resize(6000, 0x2e),
            11 => {
                let mut line = String::new();
                std::io::stdin().read_line(&mut line).expect("input is readable");
            }
            _ => {}
        }
        self.free(data);
        if data.flags & ONE_WAY == 0 {
            let reply = Data {
                flags,
                data_size: parcel.bytes.len() as u64,
                offsets_size: 8 * parcel.offsets.len() as u64,
                buffer: parcel.bytes.as_ptr() as u64,
                offsets: parcel.offsets.as_ptr() as u64,
                ..Data::default()
            };
            Self::command(&mut self.pending, BC_REPLY, &reply.bytes());
            // The driver copies it when the pending commands go out, which is before there is another reply.
            self.reply = parcel;
        }
    }

    fn serve_many(&mut self, count: u32) {
        let until = self.served.saturating_add(count);
        let mut looper = Vec::new();
        Self::command(&mut looper, BC_ENTER_LOOPER, &[]);
        self.pending.extend(looper);
        while self.served < until {
            let read = self.exchange(&[], true);
            self.take(&read, &Options::default());
        }
        self.exchange(&[], false);
    }

    /// Transactions whose every part may be wrong.
    fn malformed(&mut self, count: u32, seed: u64) {
        let mut state = seed | 1;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let interfaces = ["android.content.IContentProvider", "android.os.IServiceManager", "x", ""];
        for _ in 0..count {
            let mut parcel = Parcel::default();
            match random(6) {
                0 => {}
                1 => parcel.bytes.resize(random(9000) as usize, 0xff),
                _ => parcel.token(28 + random(3) as u32, interfaces[random(4) as usize]),
            }
            for _ in 0..random(4) {
                let at = random(parcel.bytes.len().max(1) as u64) as usize;
                if let Some(byte) = parcel.bytes.get_mut(at) {
                    *byte = random(256) as u8;
                }
            }
            match random(8) {
                0 => parcel.offsets.push(random(1 << 40)),
                1 => parcel.object(OBJECT_HANDLE, random(20)),
                2 => parcel.object(OBJECT_BINDER, 0x4000 + 16 * random(100)),
                3 => parcel.bytes.truncate(random(40) as usize),
                _ => {}
            }
            let one_way = random(3) == 0;
            let data = Data {
                target: if random(6) == 0 { random(40) } else { 0 },
                code: if random(3) == 0 { random(1 << 32) as u32 | 0x100 } else { [1, 8, 9, 10][random(4) as usize] },
                flags: random(1 << 32) as u32 & !ONE_WAY | if one_way { ONE_WAY } else { 0 },
                data_size: if random(12) == 0 { random(1 << 40) } else { parcel.bytes.len() as u64 },
                offsets_size: if random(12) == 0 { random(1 << 33) } else { 8 * parcel.offsets.len() as u64 },
                buffer: if random(20) == 0 { random(1 << 47) } else { parcel.bytes.as_ptr() as u64 },
                offsets: parcel.offsets.as_ptr() as u64,
                ..Data::default()
            };
            let mut out = Vec::new();
            Self::command(&mut out, BC_TRANSACTION, &data.bytes());
            self.wait(&out, &Options { one_way, ..Options::default() });
        }
    }
}

fn main() {
    let mut peer = Peer::open(&std::env::args().nth(1).unwrap_or_else(|| "/dev/binder".to_owned()));
    let mut line = String::new();
    loop {
        line.clear();
        if std::io::stdin().lock().read_line(&mut line).expect("input is readable") == 0 {
            return;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| -> u32 { words[index].parse().expect("a number") };
        let answer = match words[..] {
            ["setuid", _] => {
                // SAFETY: no pointers; the program has one thread.
                let result = unsafe { setgid(number(1)) | setuid(number(1)) };
                assert_eq!(result, 0, "only root becomes an app");
                peer = Peer::open(&std::env::args().nth(1).unwrap_or_else(|| "/dev/binder".to_owned()));
                "ok".to_owned()
            }
            ["manager"] => {
                // SAFETY: the driver reads nothing here.
                let result = unsafe { ioctl(peer.device.as_raw_fd(), SET_CONTEXT_MGR, 0u64) };
                assert_eq!(result, 0, "nobody else is context manager");
                "ok".to_owned()
            }
            ["calm"] => {
                peer.calm = true;
                "ok".to_owned()
            }
            ["serve", _] => {
                peer.serve_many(number(1));
                "served".to_owned()
            }
            ["call", _, interface, _, ..] => {
                peer.call(number(1), interface, number(3), &Options::parse(&words[4..])).to_owned()
            }
            ["callkept", interface, _, ..] => {
                let handle = peer.kept[0];
                peer.call(handle, interface, number(2), &Options::parse(&words[3..])).to_owned()
            }
            ["wait"] => peer.wait(&[], &Options::default()).to_owned(),
            ["refused"] => {
                let options = Options::parse(&[]);
                let parcel = peer.request("org.example.INobody", &options);
                let out = peer.transaction(999, 1, &parcel, &options);
                peer.exchange(&out, false);
                "sent".to_owned()
            }
            ["burst", _, _, interface, _, ..] => {
                let server = words.last().and_then(|word| word.strip_prefix("server=")).unwrap_or("self");
                let options: Vec<&str> = words[5..].iter().copied().filter(|word| !word.starts_with("server=")).collect();
                let (count, handle, code) = (number(1), number(2), number(4));
                let options = Options::parse(&options);
                let (begun, own, other) = (std::time::Instant::now(), processor_ns("self"), processor_ns(server));
                for _ in 0..count {
                    peer.call(handle, interface, code, &options);
                }
                format!(
                    "{} {} {}",
                    begun.elapsed().as_nanos(),
                    processor_ns("self") - own,
                    processor_ns(server) - other
                )
            }
            ["malformed", _, _] => {
                peer.malformed(number(1), u64::from(number(2)));
                "ok".to_owned()
            }
            ["pid"] => std::process::id().to_string(),
            _ => panic!("unknown command {line}"),
        };
        println!("{answer}");
        std::io::stdout().flush().expect("output is writable");
    }
}

/// The processor's time that a process has had, in nanoseconds.
fn processor_ns(process: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/schedstat")).unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}
