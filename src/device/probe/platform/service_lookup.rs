//! Which binder node is which service: asks the service manager, and the driver's log of this process.
//!
//! * **In:** names of services; the binder device. **Out:** the number of each service's node.
//! * **May import:** `nix`, `super`.
//! * **Test it:** `cargo test platform::service_lookup`; against a real driver `tests/binder_names.rs`.
//!
//! Numbers of nodes hold for the whole system, so a name learned here names calls of every process, also of those that
//! looked the service up before tracing began. The service manager gives a handle; the driver's log says which node
//! that is. Everything is opened for one round of questions and closed after it. The device is read without blocking and
//! waited for with a deadline, so a service manager that hangs costs that time and nothing else.

use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use thiserror::Error;

use super::super::binder_driver::{
    self, BC_TRANSACTION, BR_DEAD_REPLY, BR_FAILED_REPLY, BR_FROZEN_REPLY, BR_REPLY, payload_size, references,
};
use super::super::binder_log;

/// Version of the driver's interface; 7 is that of 32-bit kernels, whose structures differ.
const PROTOCOL_VERSION: i32 = 8;
/// The code of the first method of any interface (`IBinder.FIRST_CALL_TRANSACTION`).
const FIRST_CALL: u32 = 1;
/// The time between two tries to read the log of this process.
const LOG_PAUSE: Duration = Duration::from_millis(100);
/// Room for answers: each is some hundred bytes, and they are kept until the end.
const AREA: usize = 256 << 10;
/// The longest answer that is looked at.
const ANSWER_MAX: u64 = 64 << 10;

// More of include/uapi/linux/android/binder.h.
const BR_ERROR: u32 = 0x8004_7200;
const FLAG_ACCEPT_FDS: u32 = 0x10;
const FLAG_STATUS_CODE: u32 = 0x08;
/// Size of `struct binder_transaction_data`.
const TRANSACTION_SIZE: usize = 64;

/// Why the names of services cannot be had.
#[derive(Debug, Error)]
pub(super) enum LookupError {
    #[error("there is no binder device (looked for {})", binder_driver::places().map(|path| format!("/{path}")).collect::<Vec<_>>().join(" and "))]
    NoDevice,
    #[error("{}: {source}", path.display())]
    System { path: PathBuf, source: io::Error },
    #[error("{}: protocol version {version}, and only {PROTOCOL_VERSION} is known", path.display())]
    Protocol { path: PathBuf, version: i32 },
    #[error("{what}: {source}")]
    Call { what: &'static str, source: io::Error },
    #[error("the service manager did not answer in time")]
    Deadline,
    #[error("there is no service manager (the driver said {0})")]
    NoServiceManager(&'static str),
    #[error("the driver answered {0:#x}, which is not understood")]
    Answer(u32),
    #[error("the binder driver's log of this process cannot be read ({}): mount debugfs, or binderfs with stats=global", .0.join("; "))]
    NoLog(Vec<String>),
}

impl LookupError {
    /// Whether the system offers what is needed and refused it.
    pub(super) fn denied(&self) -> bool {
        match self {
            Self::System { source, .. } | Self::Call { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }
}

/// Finds the node of each service that the service manager knows.
///
/// # Errors
///
/// When there is no binder, no service manager, no log, or no answer before the deadline.
pub(super) fn nodes_of_services<'a>(
    root: &Path,
    api_level: u32,
    services: &[&'a str],
    time: Duration,
) -> Result<Vec<(&'a str, u64)>, LookupError> {
    let deadline = Instant::now() + time;
    loop {
        match nodes_by(root, api_level, services, deadline) {
            // The driver keeps one log for each process id, of the first that opens the device, and removes it when that one
            // closes it: beside another opening of this process, which is short, there is none for a moment.
            Err(LookupError::NoLog(_)) if Instant::now() + LOG_PAUSE < deadline => std::thread::sleep(LOG_PAUSE),
            done => return done,
        }
    }
}

/// One round of questions.
fn nodes_by<'a>(
    root: &Path,
    api_level: u32,
    services: &[&'a str],
    deadline: Instant,
) -> Result<Vec<(&'a str, u64)>, LookupError> {
    let mut connection = Connection::open(root)?;
    let code = check_service_code(api_level);
    let mut handles = Vec::new();
    for service in services {
        if let Some(handle) = connection.ask(code, &request(api_level, service), deadline)? {
            handles.push((*service, handle));
        }
    }
    // Before the connection is closed: the references are gone with it.
    let known = own_references(root)?;
    drop(connection);
    let node = |handle| known.iter().find(|known| known.handle == handle && !known.dead).map(|known| known.node);
    Ok(handles.into_iter().filter_map(|(service, handle)| Some((service, node(handle)?))).collect())
}

/// Calls the service manager by an interface that is not its own, which it refuses: nothing is asked of anybody, and a
/// transaction of that interface has passed the driver.
///
/// # Errors
///
/// When there is no binder, no service manager, or no answer before the deadline.
pub(super) fn call_in_vain(
    root: &Path,
    api_level: u32,
    interface: &str,
    argument: &str,
    time: Duration,
) -> Result<(), LookupError> {
    let deadline = Instant::now() + time;
    let mut connection = Connection::open(root)?;
    connection.ask(FIRST_CALL, &parcel(api_level, [interface, argument]), deadline).map(drop)
}

/// The code by which the service manager is asked without making it start anything, where all revisions of the release
/// agree on it; otherwise that of `getService`, which is 1 in each.
fn check_service_code(api_level: u32) -> u32 {
    let shipped = super::shipped::of_level(api_level);
    let codes = shipped.interfaces.get("android.os.IServiceManager").into_iter().flatten();
    codes.into_iter().find(|(_, name)| *name == "checkService").map_or(1, |(code, _)| *code)
}

/// The parcel that asks for a service.
fn request(api_level: u32, service: &str) -> Vec<u8> {
    parcel(api_level, ["android.os.IServiceManager", service])
}

/// A parcel of two strings, of which the first is the interface.
fn parcel(api_level: u32, texts: [&str; 2]) -> Vec<u8> {
    let mut parcel = Vec::new();
    match api_level {
        1..=28 => parcel.extend(0x0040_0000_u32.to_le_bytes()),
        level => {
            parcel.extend(0x8000_0000_u32.to_le_bytes());
            parcel.extend(u32::MAX.to_le_bytes());
            if level != 29 {
                parcel.extend(0x5359_5354_u32.to_le_bytes());
            }
        }
    }
    for text in texts {
        let units: Vec<u16> = text.encode_utf16().collect();
        parcel.extend(u32::try_from(units.len()).unwrap_or(0).to_le_bytes());
        units.iter().for_each(|unit| parcel.extend(unit.to_le_bytes()));
        parcel.extend([0, 0]);
        parcel.resize(parcel.len().next_multiple_of(4), 0);
    }
    parcel
}

/// What the driver's log says of this process.
fn own_references(root: &Path) -> Result<Vec<binder_log::Reference>, LookupError> {
    let mut refusals = Vec::new();
    for place in binder_log::PLACES {
        let path = root.join(place).join("proc").join(std::process::id().to_string());
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let log = binder_log::parse(&text);
                // Kernels before 4.14 do not tell the context.
                let ours = log.processes.into_iter().filter(|one| matches!(one.context.as_str(), "" | "binder"));
                return Ok(ours.flat_map(|one| one.references).collect());
            }
            Err(error) => refusals.push(format!("{}: {error}", path.display())),
        }
    }
    Err(LookupError::NoLog(refusals))
}

nix::ioctl_readwrite!(binder_version, b'b', 9, i32);
nix::ioctl_readwrite!(binder_write_read, b'b', 1, WriteRead);

/// `struct binder_write_read`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct WriteRead {
    write_size: u64,
    write_consumed: u64,
    write_buffer: u64,
    read_size: u64,
    read_consumed: u64,
    read_buffer: u64,
}

/// The binder device, opened and mapped.
struct Connection {
    device: File,
    area: NonNull<std::ffi::c_void>,
}

/// What an answer says of where it lies.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    flags: u32,
    data: (u64, u64),
    offsets: (u64, u64),
}

/// What one read of the device brought.
#[derive(Debug, PartialEq, Eq)]
enum Returned {
    /// The answer is still to come.
    Nothing,
    Answer(Answer),
}

impl Connection {
    fn open(root: &Path) -> Result<Self, LookupError> {
        let path = root.join(binder_driver::place(root).ok_or(LookupError::NoDevice)?);
        let failed = |source| LookupError::System { path: path.clone(), source };
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits())
            .open(&path)
            .map_err(failed)?;
        let mut version = 0;
        #[expect(unsafe_code, reason = "the driver is spoken to by ioctl: it writes one i32, and is given one")]
        let called = unsafe { binder_version(device.as_raw_fd(), &raw mut version) };
        called.map_err(|errno| failed(errno.into()))?;
        if version != PROTOCOL_VERSION {
            return Err(LookupError::Protocol { path, version });
        }
        let length = NonZeroUsize::new(AREA).ok_or(LookupError::NoDevice)?;
        #[expect(
            unsafe_code,
            reason = "the driver delivers parcels into this mapping; it is new, read-only, and unmapped when dropped"
        )]
        let area = unsafe {
            mmap(None, length, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE, device.as_fd(), 0)
        };
        let area = area.map_err(|errno| failed(errno.into()))?;
        Ok(Self { device, area })
    }

    /// Sends one request to the service manager. The handle of the first binder in its answer; `None`: it has none.
    ///
    /// The answer's memory is not given back: with it the driver would forget the handle.
    fn ask(&mut self, code: u32, parcel: &[u8], deadline: Instant) -> Result<Option<u32>, LookupError> {
        let mut write = BC_TRANSACTION.to_le_bytes().to_vec();
        // Target handle 0 and padding, cookie, code, flags, sender (filled in by the driver), sizes, places.
        write.extend([0; 16]);
        write.extend(code.to_le_bytes());
        write.extend(FLAG_ACCEPT_FDS.to_le_bytes());
        write.extend([0; 8]);
        write.extend(u64::try_from(parcel.len()).unwrap_or(0).to_le_bytes());
        write.extend([0; 8]);
        write.extend(address(parcel.as_ptr()).to_le_bytes());
        write.extend([0; 8]);
        let mut written = 0;
        loop {
            let mut read = [0_u8; 256];
            let mut call = WriteRead {
                write_size: u64::try_from(write.len()).unwrap_or(0),
                write_consumed: written,
                write_buffer: address(write.as_ptr()),
                read_size: u64::try_from(read.len()).unwrap_or(0),
                read_consumed: 0,
                read_buffer: address(read.as_mut_ptr()),
            };
            #[expect(
                unsafe_code,
                reason = "the driver reads `write` and `parcel` and writes `read`, all of which outlive the call, within the sizes given"
            )]
            let called = unsafe { binder_write_read(self.device.as_raw_fd(), &raw mut call) };
            written = call.write_consumed;
            match called {
                Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => {
                    return Err(LookupError::Call { what: "asking the service manager", source: errno.into() });
                }
            }
            let length = usize::try_from(call.read_consumed).unwrap_or(0);
            match returned(read.get(..length).unwrap_or_default())? {
                Returned::Answer(answer) => return Ok(self.handle(&answer)),
                Returned::Nothing => self.wait(deadline)?,
            }
        }
    }

    fn wait(&self, deadline: Instant) -> Result<(), LookupError> {
        let left = deadline.checked_duration_since(Instant::now()).ok_or(LookupError::Deadline)?;
        let mut waited = [PollFd::new(self.device.as_fd(), PollFlags::POLLIN)];
        // Rounded up: a last fraction of a millisecond must not spin.
        let timeout = PollTimeout::try_from(left.as_millis().saturating_add(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut waited, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(LookupError::Call { what: "waiting for the service manager", source: errno.into() }),
        }
    }

    /// The first handle in an answer.
    fn handle(&self, answer: &Answer) -> Option<u32> {
        if answer.flags & FLAG_STATUS_CODE != 0 {
            return None;
        }
        let data = self.copy(answer.data)?;
        let offsets = self.copy(answer.offsets)?;
        references(&data, &offsets).next()
    }

    /// Copies what the driver delivered at an address of the mapping.
    fn copy(&self, (place, length): (u64, u64)) -> Option<Vec<u8>> {
        if length == 0 {
            return Some(Vec::new());
        }
        let start = usize::try_from(place.checked_sub(address(self.area.as_ptr().cast_const().cast()))?).ok()?;
        let size = usize::try_from(length).ok().filter(|_| length <= ANSWER_MAX)?;
        if start.checked_add(size)? > AREA {
            return None;
        }
        let mut copy = vec![0_u8; size];
        #[expect(
            unsafe_code,
            reason = "the range lies within the mapping, and the driver has put pages under what it delivered"
        )]
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.area.as_ptr().cast::<u8>().cast_const().add(start),
                copy.as_mut_ptr(),
                size,
            );
        }
        Some(copy)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "made in `open`, with this length; nothing refers to it any more")]
        let unmapped = unsafe { munmap(self.area, AREA) };
        if let Err(errno) = unmapped {
            tracing::warn!(%errno, "the memory of a binder connection cannot be given back");
        }
    }
}

/// An address, as the driver wants it.
fn address(pointer: *const u8) -> u64 {
    u64::try_from(pointer.addr()).unwrap_or(0)
}

/// Walks through what a read of the device returned.
fn returned(mut bytes: &[u8]) -> Result<Returned, LookupError> {
    while let Some((command, rest)) = bytes.split_first_chunk() {
        let command = u32::from_le_bytes(*command);
        let (payload, next) = rest.split_at_checked(payload_size(command)).ok_or(LookupError::Answer(command))?;
        bytes = next;
        match command {
            BR_REPLY => return transaction(payload).map(Returned::Answer).ok_or(LookupError::Answer(command)),
            BR_DEAD_REPLY => return Err(LookupError::NoServiceManager("that it is dead")),
            BR_FROZEN_REPLY => return Err(LookupError::NoServiceManager("that it is frozen")),
            BR_FAILED_REPLY => return Err(LookupError::NoServiceManager("that the call failed")),
            BR_ERROR => return Err(LookupError::Answer(command)),
            // Notes on our own call, and requests that a process with a pool of threads would heed.
            _ => {}
        }
    }
    if bytes.is_empty() { Ok(Returned::Nothing) } else { Err(LookupError::Answer(0)) }
}

fn transaction(payload: &[u8]) -> Option<Answer> {
    if payload.len() < TRANSACTION_SIZE {
        return None;
    }
    let at = |offset: usize| Some(u64::from_le_bytes(payload.get(offset..)?.first_chunk().copied()?));
    let flags = u32::from_le_bytes(payload.get(20..)?.first_chunk().copied()?);
    Some(Answer { flags, data: (at(48)?, at(32)?), offsets: (at(56)?, at(40)?) })
}

#[cfg(test)]
mod tests;
