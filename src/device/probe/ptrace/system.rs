//! The system calls of a tracer, each behind a safe function.
//!
//! `nix` has most of them, but its types hold no real-time signals: a thread stopped by one (the C library uses two itself)
//! could neither be waited for nor be let go on with it.

use std::fs::File;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;

// From include/uapi/linux/ptrace.h.
const PTRACE_CONT: u32 = 7;
const PTRACE_DETACH: u32 = 17;
const PTRACE_SYSCALL: u32 = 24;
const PTRACE_GETEVENTMSG: u32 = 0x4201;
const PTRACE_SEIZE: u32 = 0x4206;
const PTRACE_INTERRUPT: u32 = 0x4207;
const PTRACE_LISTEN: u32 = 0x4208;
const PTRACE_GET_SYSCALL_INFO: u32 = 0x420e;
/// TRACESYSGOOD, TRACEFORK, TRACEVFORK, TRACECLONE, TRACEEXEC, TRACESECCOMP. Not EXITKILL: should the tracer end, its tracees
/// go on.
const OPTIONS: usize = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x80;

pub(super) const EVENT_FORK: i32 = 1;
pub(super) const EVENT_VFORK: i32 = 2;
pub(super) const EVENT_CLONE: i32 = 3;
pub(super) const EVENT_EXEC: i32 = 4;
pub(super) const EVENT_SECCOMP: i32 = 7;
/// A stop of the job-control kind, the first stop of a new thread, or what `interrupt` asked for.
pub(super) const EVENT_STOP: i32 = 128;

/// How a stopped thread goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resume {
    /// To the next event, such as a stop of the filter.
    Event,
    /// To the entry or the exit of its next system call, whichever comes first.
    SystemCall,
    /// It stays stopped, as job control wants it, until something happens to it.
    Listen,
    /// As if it had never been traced.
    Detach,
}

/// What happened to a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It ended; the status as `wait(2)` gives it.
    Ended(i32),
    /// It entered or left a system call.
    SystemCall,
    /// An event, with the signal that came with it.
    Event(i32, i32),
    /// A signal is about to be delivered to it.
    Signal(i32),
}

#[expect(
    unsafe_code,
    reason = "nix cannot express real-time signals, SEIZE with LISTEN, and GET_SYSCALL_INFO on every C library"
)]
fn request(request: u32, thread: u32, address: usize, data: usize) -> nix::Result<()> {
    // SAFETY: the requests made here take numbers, or (GETEVENTMSG, GET_SYSCALL_INFO, those of register sets) read or write at
    // most as many bytes as the callers' buffers hold, which they pass the addresses of.
    let result = unsafe { libc::ptrace(request as _, thread as libc::pid_t, address, data) };
    Errno::result(result).map(drop)
}

/// Begins to trace a thread, without stopping it.
pub(super) fn seize(thread: u32) -> nix::Result<()> {
    request(PTRACE_SEIZE, thread, 0, OPTIONS)
}

/// Stops a traced thread: it will report [`EVENT_STOP`].
pub(super) fn interrupt(thread: u32) -> nix::Result<()> {
    request(PTRACE_INTERRUPT, thread, 0, 0)
}

/// Lets a stopped thread go on, with a signal (0: none).
pub(super) fn resume(thread: u32, how: Resume, signal: i32) -> nix::Result<()> {
    let how = match how {
        Resume::Event => PTRACE_CONT,
        Resume::SystemCall => PTRACE_SYSCALL,
        Resume::Listen => PTRACE_LISTEN,
        Resume::Detach => PTRACE_DETACH,
    };
    request(how, thread, 0, usize::try_from(signal).unwrap_or(0))
}

/// What an event is about: the id of a new thread, or the former id of one that has executed a program.
pub(super) fn event_message(thread: u32) -> nix::Result<u64> {
    let mut message: libc::c_ulong = 0;
    request(PTRACE_GETEVENTMSG, thread, 0, std::ptr::from_mut(&mut message) as usize)?;
    Ok(message as u64)
}

/// Where a thread is in a system call: `struct ptrace_syscall_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallPlace {
    /// At its entry: interface, number, arguments.
    Entry(u32, u64, [u64; 6]),
    /// At its exit: the result, or a negative errno.
    Exit(i64),
    /// At a stop of a filter, with the filter's data.
    Filter(u32, u64, [u64; 6], u32),
    /// In none.
    None,
}

pub(super) fn call_place(thread: u32) -> nix::Result<CallPlace> {
    let mut info = [0_u64; 12];
    let size = size_of_val(&info);
    request(PTRACE_GET_SYSCALL_INFO, thread, size, info.as_mut_ptr() as usize)?;
    let [head, _instruction, _stack, first, arguments @ ..] = info;
    // Operation in the lowest byte, architecture in the upper half.
    let architecture = (head >> 32) as u32;
    let [a, b, c, d, e, f, data, ..] = arguments;
    Ok(match head & 0xff {
        1 => CallPlace::Entry(architecture, first, [a, b, c, d, e, f]),
        2 => CallPlace::Exit(first.cast_signed()),
        3 => CallPlace::Filter(architecture, first, [a, b, c, d, e, f], data as u32),
        _ => CallPlace::None,
    })
}

/// Waits for any traced thread. `None`: a signal came first.
///
/// # Errors
///
/// `ECHILD` when there is none.
pub(super) fn wait() -> nix::Result<Option<(u32, Change)>> {
    let mut status = 0;
    #[expect(
        unsafe_code,
        reason = "nix's waitpid fails on a stop by a real-time signal, and then nobody knows whose it was"
    )]
    // SAFETY: the status is written to a variable of ours.
    let result = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) };
    match Errno::result(result) {
        Err(Errno::EINTR) => Ok(None),
        Err(error) => Err(error),
        Ok(thread) => Ok(Some((thread.cast_unsigned(), change(status)))),
    }
}

fn change(status: i32) -> Change {
    // As in wait(2): 0x7f in the lowest byte says stopped, the next byte by which signal; above it is ptrace's event.
    if status & 0xff != 0x7f {
        return Change::Ended(status & 0xffff);
    }
    let (signal, event) = (status >> 8 & 0xff, status >> 16);
    match (event, signal) {
        (0, 0x85) => Change::SystemCall,
        (0, signal) => Change::Signal(signal),
        (event, signal) => Change::Event(event, signal),
    }
}

/// Reads memory of a process; gives what could be read, which is nothing when the address is wrong.
pub(super) fn read_memory(process: u32, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let Ok(base) = usize::try_from(address) else { return Vec::new() };
    let remote = [RemoteIoVec { base, len: length }];
    let local = &mut [std::io::IoSliceMut::new(&mut bytes)];
    let read = match process_vm_readv(Pid::from_raw(process.cast_signed()), local, &remote) {
        Err(error) if needs_file(error) => {
            File::open(memory_file(process)).and_then(|memory| memory.read_at(&mut bytes, address)).unwrap_or(0)
        }
        read => read.unwrap_or(0),
    };
    bytes.truncate(read);
    bytes
}

/// Whether memory of processes cannot be had by the calls for it: a kernel without `CONFIG_CROSS_MEMORY_ATTACH`, or a policy. Who
/// traces a process may use its file as well, which has to be opened each time.
fn needs_file(error: Errno) -> bool {
    matches!(error, Errno::ENOSYS | Errno::EPERM)
}

/// The memory of a process as a file.
fn memory_file(process: u32) -> String {
    format!("/proc/{process}/mem")
}

/// Writes to the memory of a process; says whether all of it was written.
pub(super) fn write_memory(process: u32, address: u64, bytes: &[u8]) -> bool {
    let Ok(base) = usize::try_from(address) else { return false };
    let remote = [RemoteIoVec { base, len: bytes.len() }];
    match process_vm_writev(Pid::from_raw(process.cast_signed()), &[std::io::IoSlice::new(bytes)], &remote) {
        Err(error) if needs_file(error) => File::options()
            .write(true)
            .open(memory_file(process))
            .is_ok_and(|memory| memory.write_all_at(bytes, address).is_ok()),
        written => written == Ok(bytes.len()),
    }
}

/// Changes the first argument of the call that a thread is at the entry of. `narrow`: through the 32-bit interface.
#[cfg(target_arch = "x86_64")]
pub(super) fn set_first_argument(thread: u32, narrow: bool, value: u64) -> nix::Result<()> {
    const PTRACE_POKEUSER: u32 = 6;
    // `rbx` and `rdi` in `struct user_regs_struct`.
    let register = if narrow { 5 } else { 14 };
    request(PTRACE_POKEUSER, thread, register * 8, usize::try_from(value).map_err(|_| Errno::EINVAL)?)
}

/// Changes the first argument of the call that a thread is at the entry of. `narrow`: through the 32-bit interface.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn set_first_argument(thread: u32, narrow: bool, value: u64) -> nix::Result<()> {
    const PTRACE_GETREGSET: u32 = 0x4204;
    const PTRACE_SETREGSET: u32 = 0x4205;
    const GENERAL_REGISTERS: usize = 1;
    // x0 to x30, stack, place, state. Of a 32-bit program only eighteen, of 32 bits each: two in one of these numbers.
    let mut registers = [0_u64; 34];
    let mut part = libc::iovec { iov_base: registers.as_mut_ptr().cast(), iov_len: size_of_val(&registers) };
    request(PTRACE_GETREGSET, thread, GENERAL_REGISTERS, std::ptr::from_mut(&mut part) as usize)?;
    let others = if narrow { registers[0] & !u64::from(u32::MAX) } else { 0 };
    registers[0] = others | value;
    // The kernel has put there how much it wrote.
    let part = libc::iovec { iov_base: registers.as_mut_ptr().cast(), iov_len: part.iov_len };
    request(PTRACE_SETREGSET, thread, GENERAL_REGISTERS, std::ptr::from_ref(&part) as usize)
}

fn descriptor(result: libc::c_long) -> nix::Result<OwnedFd> {
    let number = Errno::result(result)?;
    #[expect(unsafe_code, reason = "a descriptor that the kernel has just made is nobody else's")]
    // SAFETY: the number is that of a new descriptor.
    let descriptor = unsafe { OwnedFd::from_raw_fd(i32::try_from(number).map_err(|_| Errno::EBADF)?) };
    Ok(descriptor)
}

/// A descriptor that stands for a process.
pub(super) fn process_descriptor(process: u32) -> nix::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "the system call has no wrapper in older C libraries")]
    // SAFETY: it takes two numbers.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
    descriptor(result)
}

/// What a process has open under a number, as a descriptor of ours.
pub(super) fn borrowed_descriptor(process: &OwnedFd, fd: i32) -> nix::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "the system call has no wrapper in older C libraries")]
    // SAFETY: it takes three numbers.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0) };
    descriptor(result)
}

/// An option of the level `SOL_SOCKET` that is a number.
pub(super) fn socket_option(socket: &OwnedFd, option: i32) -> Option<i32> {
    let mut value: libc::c_int = 0;
    let mut size = size_of_val(&value) as libc::socklen_t;
    #[expect(unsafe_code, reason = "nix has no option for a socket's domain and protocol")]
    // SAFETY: the kernel writes at most `size` bytes to a variable of that size.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_mut(&mut value).cast(),
            &raw mut size,
        )
    };
    (result == 0).then_some(value)
}

/// The address of an end of a socket, as bytes of the `sockaddr` of its family.
pub(super) fn socket_address(socket: &OwnedFd, remote: bool) -> Option<Vec<u8>> {
    let mut bytes = [0_u8; 128];
    let mut size = bytes.len() as libc::socklen_t;
    let address = bytes.as_mut_ptr().cast();
    #[expect(
        unsafe_code,
        reason = "nix parses addresses of the families it knows; the bytes are parsed with the app's own"
    )]
    // SAFETY: the kernel writes at most `size` bytes to a buffer of that size.
    let result = unsafe {
        if remote {
            libc::getpeername(socket.as_raw_fd(), address, &raw mut size)
        } else {
            libc::getsockname(socket.as_raw_fd(), address, &raw mut size)
        }
    };
    let size = usize::try_from(size).ok()?.min(bytes.len());
    (result == 0).then(|| bytes.get(..size).unwrap_or_default().to_vec())
}

/// The processor that a thread runs on, or ran on last; `None`: it is gone.
fn processor_of(thread: u32) -> Option<usize> {
    let stat = std::fs::read_to_string(format!("/proc/{thread}/stat")).ok()?;
    // The name before can hold anything but ends with the last parenthesis; then the state is field 3 and this is field 39.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(36)?.parse().ok()
}

/// Moves this thread to the processor of another. `None`: it may run anywhere again. A refusal is no harm.
pub(super) fn follow(thread: Option<u32>) {
    let mut processors = CpuSet::new();
    match thread {
        Some(thread) => {
            let Some(processor) = processor_of(thread) else { return };
            if sched_getcpu() == Ok(processor) || processors.set(processor).is_err() {
                return;
            }
        }
        None => (0..CpuSet::count()).for_each(|processor| {
            let _in_range = processors.set(processor);
        }),
    }
    let _refused = sched_setaffinity(Pid::from_raw(0), &processors);
}

static TICKED: AtomicBool = AtomicBool::new(false);

extern "C" fn note_tick(_signal: libc::c_int) {
    TICKED.store(true, Ordering::Relaxed);
}

/// Makes SIGALRM interrupt [`wait`] and be remembered.
pub(super) fn take_ticks() -> nix::Result<()> {
    let action = SigAction::new(SigHandler::Handler(note_tick), SaFlags::empty(), SigSet::empty());
    #[expect(unsafe_code, reason = "a signal handler runs between any two instructions")]
    // SAFETY: the handler only stores to an atomic.
    unsafe { sigaction(Signal::SIGALRM, &action) }.map(drop)
}

/// Whether a tick came since the last time this was asked.
pub(super) fn ticked() -> bool {
    TICKED.swap(false, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_of_wait() {
        assert_eq!(change(3 << 8), Change::Ended(3 << 8));
        assert_eq!(change(9), Change::Ended(9));
        assert_eq!(change(0x85 << 8 | 0x7f), Change::SystemCall);
        assert_eq!(change(34 << 8 | 0x7f), Change::Signal(34), "a real-time signal");
        assert_eq!(change(EVENT_EXEC << 16 | 5 << 8 | 0x7f), Change::Event(EVENT_EXEC, 5));
        assert_eq!(change(EVENT_STOP << 16 | 19 << 8 | 0x7f), Change::Event(EVENT_STOP, 19));
    }

    #[test]
    fn memory_that_is_not_there_is_empty() {
        let text = b"some text";
        assert_eq!(read_memory(std::process::id(), text.as_ptr() as u64, 4), b"some");
        assert!(read_memory(std::process::id(), 16, 4).is_empty());
    }
}
