//! The driver's own interface, without rsbinder: the cheapest transactions there are, for measuring; and malformed ones,
//! which rsbinder would not send. (The latter begin with the good requests of the other clients.)

use crate::api::{self, Api};
use crate::parcel_reader;
use crate::parcel_writer::{Caller, Uri, Writer};
use crate::requests::{self, Companions, Query};
use anyhow::{Context, Result, anyhow, bail};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// What the server of `raw-ping` is registered as.
pub const SERVER: &str = "candor.raw";

const WRITE_READ: u32 = 0xc030_6201;
const BC_TRANSACTION: u32 = 0x4040_6300;
const BC_REPLY: u32 = 0x4040_6301;
const BC_FREE_BUFFER: u32 = 0x4008_6303;
const BC_ACQUIRE: u32 = 0x4004_6305;
const BC_INCREFS_DONE: u32 = 0x4010_6308;
const BC_ACQUIRE_DONE: u32 = 0x4010_6309;
const BC_ENTER_LOOPER: u32 = 0x630c;
const BC_TRANSACTION_SG: u32 = 0x4048_6311;
const BR_TRANSACTION: u32 = 0x8040_7202;
const BR_TRANSACTION_SEC_CTX: u32 = 0x8048_7202;
const BR_REPLY: u32 = 0x8040_7203;
const BR_DEAD_REPLY: u32 = 0x7205;
const BR_TRANSACTION_COMPLETE: u32 = 0x7206;
const BR_INCREFS: u32 = 0x8010_7207;
const BR_ACQUIRE: u32 = 0x8010_7208;
const BR_FAILED_REPLY: u32 = 0x7211;
const TYPE_BINDER: u32 = 0x7362_2a85;
const TYPE_HANDLE: u32 = 0x7368_2a85;
const TYPE_POINTER: u32 = 0x7074_2a85;
const INTERFACE_TRANSACTION: u32 = 0x5f4e_5446;
const ONE_WAY: u32 = 1;
const STATUS_CODE: u32 = 8;
const AREA: usize = 1 << 20;

/// A transaction as it goes to the driver; the caller answers for every word of it.
#[derive(Clone, Default)]
struct Transaction {
    handle: u32,
    code: u32,
    flags: u32,
    data: Vec<u8>,
    offsets: Vec<u64>,
    /// For BC_TRANSACTION_SG: how many bytes of buffers are announced.
    buffers: Option<u64>,
}

/// How one ended.
enum End {
    /// A reply, and the first handle in it.
    Reply(Option<u32>),
    /// A one-way one was taken.
    Taken,
    /// The receiver refused it, with a status instead of a reply.
    Refused,
    /// The driver refused it, or the receiver died of it.
    Undelivered,
}

/// Flags, the data's address and size, the offsets' address and size.
type Buffer = (u32, (u64, u64), (u64, u64));

struct Driver {
    file: std::fs::File,
    area: *mut libc::c_void,
    /// Commands to be written along with the next transaction.
    pending: Vec<u8>,
    /// What INTERFACE is answered with.
    interface: String,
    /// What everything else is answered with. It is written along with the next read, so it must stay where it is.
    answer: Transaction,
}

#[expect(unsafe_code, reason = "the driver is used by ioctl, and gives out addresses in a mapping")]
impl Driver {
    fn open(interface: &str) -> Result<Self> {
        let file =
            std::fs::File::options().read(true).write(true).open("/dev/binder").context("opening /dev/binder")?;
        // SAFETY: a new mapping at an address that the kernel chooses; nothing else is touched.
        let area =
            unsafe { libc::mmap(std::ptr::null_mut(), AREA, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
        if area == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error()).context("mapping /dev/binder");
        }
        // No exception, and a number.
        let data = [0u32.to_le_bytes(), 1u32.to_le_bytes()].concat();
        let answer = Transaction { data, ..Transaction::default() };
        Ok(Self { file, area, pending: Vec::with_capacity(256), interface: interface.to_owned(), answer })
    }

    /// One BINDER_WRITE_READ: writes all of `write`, and gives how many bytes of `read` were filled.
    fn write_read(&self, write: &[u8], read: &mut [u8]) -> Result<usize> {
        let mut sizes = [write.len() as u64, 0, write.as_ptr() as u64, read.len() as u64, 0, read.as_mut_ptr() as u64];
        loop {
            // SAFETY: `sizes` is a binder_write_read that names two slices which live until the call returns.
            let status = unsafe { libc::ioctl(self.file.as_raw_fd(), WRITE_READ as _, sizes.as_mut_ptr()) };
            if status == 0 {
                return Ok(sizes.get(4).map_or(0, |&filled| filled as usize));
            }
            let error = std::io::Error::last_os_error();
            if error.kind() != std::io::ErrorKind::Interrupted {
                return Err(error).context("BINDER_WRITE_READ");
            }
        }
    }

    /// What the driver put into the mapping.
    fn received(&self, address: u64, size: u64) -> Result<&[u8]> {
        let start = address.wrapping_sub(self.area as u64);
        if size == 0 {
            return Ok(&[]);
        }
        if start.saturating_add(size) > AREA as u64 {
            bail!("the driver gave an address outside the mapping");
        }
        // SAFETY: within the mapping, which lives as long as this; the kernel does not write there before the buffer is
        // given back, which happens after the slice has gone.
        Ok(unsafe { std::slice::from_raw_parts(address as *const u8, size as usize) })
    }

    /// Sends it and waits for its end, serving what comes in between.
    fn transact(&mut self, transaction: &Transaction) -> Result<End> {
        // What is pending is taken, and what will be has room: a buffer that grows is dear, measured against a transaction.
        let mut write = std::mem::replace(&mut self.pending, Vec::with_capacity(256));
        let command = if transaction.buffers.is_some() { BC_TRANSACTION_SG } else { BC_TRANSACTION };
        put(&mut write, command, transaction);
        let mut read = [0u8; 256];
        loop {
            let filled = self.write_read(&write, &mut read)?;
            write.clear();
            let mut commands = Words(read.get(..filled).unwrap_or_default());
            while let Some(command) = commands.u32() {
                match command {
                    BR_REPLY => {
                        let (flags, data, offsets) = Self::buffer(&mut commands)?;
                        let bytes = self.received(data.0, data.1)?;
                        let mut places = Words(self.received(offsets.0, offsets.1)?);
                        let first = places.u64().and_then(|at| handle_at(bytes, at));
                        // The handle dies with the buffer unless it is acquired first.
                        if let Some(handle) = first {
                            self.pending.extend(BC_ACQUIRE.to_le_bytes());
                            self.pending.extend(handle.to_le_bytes());
                        }
                        self.free(data.0);
                        return Ok(if flags & STATUS_CODE == 0 { End::Reply(first) } else { End::Refused });
                    }
                    BR_TRANSACTION_COMPLETE if transaction.flags & ONE_WAY != 0 => return Ok(End::Taken),
                    BR_DEAD_REPLY | BR_FAILED_REPLY => return Ok(End::Undelivered),
                    other => self.serve_one(other, &mut commands, &mut write)?,
                }
            }
        }
    }

    fn buffer(commands: &mut Words<'_>) -> Result<Buffer> {
        let mut take = || commands.u64().ok_or_else(|| anyhow!("the driver's answer is cut"));
        let (_target, _cookie, code_flags, _sender) = (take()?, take()?, take()?, take()?);
        let (data_size, offsets_size, data, offsets) = (take()?, take()?, take()?, take()?);
        Ok(((code_flags >> 32) as u32, (data, data_size), (offsets, offsets_size)))
    }

    fn free(&mut self, address: u64) {
        self.pending.extend(BC_FREE_BUFFER.to_le_bytes());
        self.pending.extend(address.to_le_bytes());
    }

    /// Deals with anything that is not the answer to an own transaction; what is to be written goes to `write`.
    fn serve_one(&mut self, command: u32, commands: &mut Words<'_>, write: &mut Vec<u8>) -> Result<()> {
        match command {
            BR_TRANSACTION | BR_TRANSACTION_SEC_CTX => {
                let code = Words(commands.0.get(16..).unwrap_or_default()).u32();
                let (flags, data, _) = Self::buffer(commands)?;
                if command == BR_TRANSACTION_SEC_CTX {
                    commands.u64();
                }
                write.extend(BC_FREE_BUFFER.to_le_bytes());
                write.extend(data.0.to_le_bytes());
                if flags & ONE_WAY == 0 && code == Some(INTERFACE_TRANSACTION) {
                    let mut reply = Transaction::default();
                    string16(&mut reply.data, &self.interface);
                    put(write, BC_REPLY, &reply);
                    // The driver copies the reply in this very call, after which it may go.
                    self.write_read(write, &mut [])?;
                    write.clear();
                } else if flags & ONE_WAY == 0 {
                    put(write, BC_REPLY, &self.answer);
                }
            }
            BR_INCREFS | BR_ACQUIRE => {
                let done = if command == BR_INCREFS { BC_INCREFS_DONE } else { BC_ACQUIRE_DONE };
                write.extend(done.to_le_bytes());
                write.extend(commands.0.get(..16).unwrap_or_default());
                commands.skip(16);
            }
            // BR_NOOP, BR_SPAWN_LOOPER, BR_RELEASE...: to be passed by. The size is in the command.
            other => commands.skip(((other >> 16) & 0x3fff) as usize),
        }
        Ok(())
    }
}

fn put(write: &mut Vec<u8>, command: u32, transaction: &Transaction) {
    write.extend(command.to_le_bytes());
    write.extend(u64::from(transaction.handle).to_le_bytes());
    write.extend(0u64.to_le_bytes());
    write.extend(transaction.code.to_le_bytes());
    write.extend(transaction.flags.to_le_bytes());
    write.extend(0u64.to_le_bytes());
    write.extend((transaction.data.len() as u64).to_le_bytes());
    write.extend((transaction.offsets.len() as u64 * 8).to_le_bytes());
    write.extend((transaction.data.as_ptr() as u64).to_le_bytes());
    write.extend((transaction.offsets.as_ptr() as u64).to_le_bytes());
    if let Some(buffers) = transaction.buffers {
        write.extend(buffers.to_le_bytes());
    }
}

/// Little-endian numbers, until there are no more.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn u32(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*first))
    }

    fn u64(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*first))
    }

    fn skip(&mut self, bytes: usize) {
        self.0 = self.0.get(bytes..).unwrap_or_default();
    }
}

fn handle_at(bytes: &[u8], at: u64) -> Option<u32> {
    let mut object = Words(bytes.get(usize::try_from(at).ok()?..)?);
    let kind = object.u32()?;
    object.skip(4);
    let handle = object.u32()?;
    (kind == TYPE_HANDLE).then_some(handle)
}

fn string16(data: &mut Vec<u8>, text: &str) {
    let units: Vec<u16> = text.encode_utf16().collect();
    data.extend((units.len() as u32).to_le_bytes());
    data.extend(units.iter().chain(&[0]).flat_map(|unit| unit.to_le_bytes()));
    data.resize(data.len().next_multiple_of(4), 0);
}

/// The head of a request, in the form that rsbinder's servers take.
fn token(interface: &str) -> Vec<u8> {
    let mut data = [0x8000_0000u32, u32::MAX, 0x5359_5354].map(u32::to_le_bytes).concat();
    string16(&mut data, interface);
    data
}

fn put_object(data: &mut Vec<u8>, kind: u32, value: u64) -> u64 {
    let at = data.len() as u64;
    data.extend(kind.to_le_bytes());
    data.extend(0x113u32.to_le_bytes());
    data.extend(value.to_le_bytes());
    data.extend(0u64.to_le_bytes());
    data.extend(0u32.to_le_bytes());
    at
}

fn find(driver: &mut Driver, api: Api, name: &str) -> Result<u32> {
    let mut data = token(api::SERVICE_MANAGER);
    string16(&mut data, name);
    let code = api::code_of(api, api::SERVICE_MANAGER, "checkService")?;
    match driver.transact(&Transaction { code, data, flags: 0x10, ..Transaction::default() })? {
        End::Reply(Some(handle)) => Ok(handle),
        _ => bail!("no service {name}"),
    }
}

fn find_provider(driver: &mut Driver, api: Api, package: &str, authority: &str) -> Result<u32> {
    let handle = find(driver, api, "activity")?;
    let mut data = token(api::ACTIVITY_MANAGER);
    put_object(&mut data, TYPE_BINDER, 0);
    if api.level() >= 29 {
        string16(&mut data, package);
    }
    string16(&mut data, authority);
    data.extend([0, 0, 0, 0, 1, 0, 0, 0]);
    let code = api::code_of(api, api::ACTIVITY_MANAGER, "getContentProvider")?;
    match driver.transact(&Transaction { handle, code, data, flags: 0x10, ..Transaction::default() })? {
        End::Reply(Some(handle)) => Ok(handle),
        _ => bail!("no provider {authority}"),
    }
}

/// `raw-server`: answers every transaction with eight bytes.
///
/// # Errors
/// When the driver or the service manager refuses.
pub fn serve(name: &str, api: Api) -> Result<()> {
    let mut driver = Driver::open(api::CONTENT_PROVIDER)?;
    let mut data = token(api::SERVICE_MANAGER);
    string16(&mut data, name);
    let at = put_object(&mut data, TYPE_BINDER, 1);
    data.extend([0u8; 8]);
    let code = api::code_of(api, api::SERVICE_MANAGER, "addService")?;
    let add = Transaction { code, data, offsets: vec![at], flags: 0x10, ..Transaction::default() };
    // The service manager may be starting still.
    let start = Instant::now();
    while !matches!(driver.transact(&add)?, End::Reply(..)) {
        if start.elapsed() > Duration::from_secs(30) {
            bail!("the service manager refused {name}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut write = std::mem::take(&mut driver.pending);
    write.extend(BC_ENTER_LOOPER.to_le_bytes());
    let mut read = [0u8; 256];
    loop {
        let filled = driver.write_read(&write, &mut read)?;
        write.clear();
        let mut commands = Words(read.get(..filled).unwrap_or_default());
        while let Some(command) = commands.u32() {
            driver.serve_one(command, &mut commands, &mut write)?;
        }
    }
}

/// `raw-ping`: the same transaction again and again.
///
/// # Errors
/// When one fails.
pub fn ping(api: Api, name: &str, interface: &str, count: u64, size: u64, sg: bool) -> Result<()> {
    let mut driver = Driver::open("")?;
    let handle = find(&mut driver, api, name)?;
    let mut data = token(interface);
    // A getType of this Uri where the interface is that of providers (at levels 30 to 33).
    let uri = b"content://com.android.contacts/data/phones\0\0";
    data.extend(1u32.to_le_bytes());
    data.extend((uri.len() as u32 - 2).to_le_bytes());
    data.extend(uri);
    data.resize(data.len().max(usize::try_from(size)?).next_multiple_of(4), 0);
    let mut transaction = Transaction { handle, code: 2, flags: 0x10, data, ..Transaction::default() };
    let buffer = [0u64; 2];
    if sg {
        transaction.data.resize(transaction.data.len().next_multiple_of(8), 0);
        // binder_buffer_object: type, flags, address, length, parent and where in it.
        let at = transaction.data.len() as u64;
        for word in [u64::from(TYPE_POINTER), buffer.as_ptr() as u64, 16, 0, 0] {
            transaction.data.extend(word.to_le_bytes());
        }
        transaction.offsets.push(at);
        transaction.buffers = Some(16);
    }
    let start = Instant::now();
    for done in 0..count {
        if !matches!(driver.transact(&transaction)?, End::Reply(..)) {
            bail!("transaction {done} was refused");
        }
    }
    let elapsed = start.elapsed().as_nanos();
    let facts = serde_json::json!({ "raw_ping": count, "interface": interface, "bytes": transaction.data.len(), "sg": sg,
        "ns_each": (elapsed / u128::from(count.max(1))) as u64, "total_ns": elapsed as u64 });
    crate::truth::tell("raw-ping", facts);
    Ok(())
}

/// Numbers that look random and are the same for the same seed: xorshift.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides.max(1)
    }
}

/// `malicious`: `count` transactions of which none is as it should be, to the contacts provider and to the activity manager.
///
/// # Errors
/// When these cannot be found, or the driver stops answering.
pub fn malicious(api: Api, package: &str, count: u64, seed: u64) -> Result<()> {
    let mut driver = Driver::open("")?;
    let provider = find_provider(&mut driver, api, package, "com.android.contacts")?;
    let location = find(&mut driver, api, "location")?;
    // Neighbouring seeds shall not give the same numbers, and zero gives none.
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1));
    let samples: Vec<_> =
        requests::samples(api).into_iter().filter(|sample| sample.0 == api::CONTENT_PROVIDER).collect();
    let (mut answered, mut taken, mut refused, mut undelivered) = (0u64, 0u64, 0u64, 0u64);
    for _ in 0..count {
        let mut transaction = if dice.throw(3) == 0 {
            mutated(api, &samples, &mut dice).map_err(|status| anyhow!("writing a request: {status}"))?
        } else {
            malformed(&mut dice)
        };
        transaction.handle = if dice.throw(4) == 0 { location } else { provider };
        match driver.transact(&transaction)? {
            End::Reply(..) => answered += 1,
            End::Taken => taken += 1,
            End::Refused => refused += 1,
            End::Undelivered => undelivered += 1,
        }
    }
    let facts = serde_json::json!({ "malicious": count, "seed": seed, "answered": answered, "oneway_taken": taken,
        "refused_by_receiver": refused, "refused_by_driver": undelivered });
    crate::truth::tell(package, facts);
    Ok(())
}

/// A good request to a provider with some of its words exchanged, and sometimes its end cut off; or with a projection of
/// thousands of columns.
fn mutated(api: Api, samples: &[requests::Sample], dice: &mut Dice) -> rsbinder::Result<Transaction> {
    let mut writer = Writer::imagined(api, api::CONTENT_PROVIDER)?;
    let mut code = 1;
    let huge = dice.throw(20) == 0;
    if huge {
        let caller = Caller { package: "com.example.leaky".into(), uid: 10125, pid: 1, token: None };
        let companions = Companions { application_thread: None, observer: None, listener: None };
        let projection = (0..dice.throw(6000)).map(|column| format!("column{column}")).collect();
        let query = Query { projection, ..Query::default() };
        requests::query(&mut writer, &caller, &companions, &Uri::parsed("com.android.contacts", "contacts"), &query)?;
    } else if let Some((_, method, _, fill)) = samples.get(dice.throw(samples.len() as u64) as usize) {
        fill(&mut writer)?;
        code = api::code_of(api, api::CONTENT_PROVIDER, method).unwrap_or(1);
    }
    let (mut parcel, offsets) = writer.finish();
    let mut data = parcel_reader::bytes_of(&mut parcel)?;
    if !huge {
        for _ in 0..=dice.throw(4) {
            let at = dice.throw(data.len() as u64 / 4) as usize * 4;
            let word = [0, u32::MAX, 0x7fff_ffff, 1, 0x0100_0000, dice.throw(1 << 32) as u32][dice.throw(6) as usize];
            if let Some(place) = data.get_mut(at..at + 4) {
                place.copy_from_slice(&word.to_le_bytes());
            }
        }
        if dice.throw(4) == 0 {
            data.truncate(dice.throw(data.len() as u64 + 1) as usize);
        }
    }
    Ok(Transaction { code, flags: 0x10, data, offsets, ..Transaction::default() })
}

fn malformed(dice: &mut Dice) -> Transaction {
    let mut data = token(api::CONTENT_PROVIDER);
    let mut offsets = Vec::new();
    let mut buffers = None;
    let code = [1, 3, 10, 14, 21][dice.throw(5) as usize];
    match dice.throw(9) {
        // Nothing at all.
        0 => data.clear(),
        // A token that ends within.
        1 => data.truncate(dice.throw(data.len() as u64) as usize),
        // Lengths that no parcel holds.
        2 => {
            for length in [i32::MAX, i32::MIN, -2, 0x7fff_fff0] {
                data.extend(length.to_le_bytes());
            }
        }
        // The interface's own length is absurd.
        3 => data.splice(12..16, 0x4000_0000u32.to_le_bytes()).for_each(drop),
        // Offsets that are odd, far away, falling, the same.
        4 => {
            put_object(&mut data, TYPE_BINDER, 7);
            offsets = vec![1 + dice.throw(64), u64::MAX - 7, 12, 12];
        }
        // An object of an unknown type, or a handle that nobody has.
        5 => {
            let kind = if dice.throw(2) == 0 { 0x1234_5678 } else { TYPE_HANDLE };
            offsets.push(put_object(&mut data, kind, 0xffff));
        }
        // A projection of very many columns that are not there; then one that is really long.
        6 => {
            data.extend(1_000_000u32.to_le_bytes());
            let columns = dice.throw(2000);
            (0..columns).for_each(|_| string16(&mut data, "column"));
        }
        // Noise.
        7 => (0..dice.throw(600)).for_each(|_| data.push(dice.throw(256) as u8)),
        // More buffers than there are.
        _ => buffers = Some([0, 3, 1 << 40][dice.throw(3) as usize]),
    }
    let flags = if dice.throw(8) == 0 { 0x10 | ONE_WAY } else { 0x10 };
    Transaction { handle: 0, code, flags, data, offsets, buffers }
}
