//! Which system calls are of interest, and what each does: the one table.
//!
//! The numbers are the C library's for the architecture this is compiled for; the kernel programs get them through a
//! map and hold none of their own.

use super::map_layout::CALL_NUMBERS;
use crate::event::Family;

/// What a call does for the kernel programs: `enum operation` in `programs/map_layout.h`, 16 * handler + variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operation(pub(super) u8);

impl Operation {
    /// Index of the program that handles it.
    pub(super) fn handler(self) -> u32 {
        u32::from(self.0 >> 4)
    }
}

/// The handlers: index (`enum program`), name of the program, and the families that are incomplete without it.
pub(super) const HANDLERS: &[(u32, &str, &[Family])] = &[
    (1, "file_open", &[Family::File]),
    (2, "transfer", &[Family::File, Family::Socket]),
    (3, "descriptor_close", &[Family::File, Family::Socket]),
    (4, "path_change", &[Family::File]),
    (5, "socket_setup", &[Family::Socket]),
    (6, "exec_failed", &[Family::Process]),
    (7, "blind_spot", &[Family::Process, Family::File, Family::Socket]),
    (8, "descriptor_found", &[Family::File, Family::Socket]),
    (9, "socket_payload", &[Family::Socket]),
    (17, "socket_peer", &[Family::Socket]),
];

/// Calls of every architecture: number, name for messages, operation.
const CALLS: &[(libc::c_long, &str, Operation)] = &[
    (libc::SYS_openat, "openat", Operation(0x12)),
    (libc::SYS_openat2, "openat2", Operation(0x13)),
    (libc::SYS_open_by_handle_at, "open_by_handle_at", Operation(0x14)),
    (libc::SYS_read, "read", Operation(0x20)),
    (libc::SYS_pread64, "pread64", Operation(0x20)),
    (libc::SYS_write, "write", Operation(0x21)),
    (libc::SYS_pwrite64, "pwrite64", Operation(0x21)),
    (libc::SYS_readv, "readv", Operation(0x22)),
    (libc::SYS_preadv, "preadv", Operation(0x22)),
    (libc::SYS_preadv2, "preadv2", Operation(0x22)),
    (libc::SYS_writev, "writev", Operation(0x23)),
    (libc::SYS_pwritev, "pwritev", Operation(0x23)),
    (libc::SYS_pwritev2, "pwritev2", Operation(0x23)),
    (libc::SYS_sendfile, "sendfile", Operation(0x24)),
    (libc::SYS_copy_file_range, "copy_file_range", Operation(0x25)),
    (libc::SYS_splice, "splice", Operation(0x26)),
    (libc::SYS_mmap, "mmap", Operation(0x27)),
    (libc::SYS_sendto, "sendto", Operation(0x28)),
    (libc::SYS_recvfrom, "recvfrom", Operation(0x29)),
    (libc::SYS_sendmsg, "sendmsg", Operation(0x2a)),
    (libc::SYS_recvmsg, "recvmsg", Operation(0x2b)),
    (libc::SYS_sendmmsg, "sendmmsg", Operation(0x2c)),
    (libc::SYS_recvmmsg, "recvmmsg", Operation(0x2d)),
    (libc::SYS_close, "close", Operation(0x30)),
    (libc::SYS_close_range, "close_range", Operation(0x31)),
    (libc::SYS_dup3, "dup3", Operation(0x32)),
    (libc::SYS_renameat2, "renameat2", Operation(0x42)),
    (libc::SYS_unlinkat, "unlinkat", Operation(0x44)),
    (libc::SYS_connect, "connect", Operation(0x50)),
    (libc::SYS_bind, "bind", Operation(0x51)),
    (libc::SYS_listen, "listen", Operation(0x52)),
    (libc::SYS_accept, "accept", Operation(0x53)),
    (libc::SYS_accept4, "accept4", Operation(0x53)),
    (libc::SYS_socket, "socket", Operation(0x54)),
    (libc::SYS_execve, "execve", Operation(0x60)),
    (libc::SYS_execveat, "execveat", Operation(0x61)),
    (libc::SYS_io_uring_setup, "io_uring_setup", Operation(0x70)),
];

/// Calls that newer architectures left out; renameat is there on arm64 but not on every later one.
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: &[(libc::c_long, &str, Operation)] = &[
    (libc::SYS_open, "open", Operation(0x10)),
    (libc::SYS_creat, "creat", Operation(0x11)),
    (libc::SYS_dup2, "dup2", Operation(0x32)),
    (libc::SYS_rename, "rename", Operation(0x40)),
    (libc::SYS_renameat, "renameat", Operation(0x41)),
    (libc::SYS_unlink, "unlink", Operation(0x43)),
    (libc::SYS_rmdir, "rmdir", Operation(0x45)),
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: &[(libc::c_long, &str, Operation)] = &[(libc::SYS_renameat, "renameat", Operation(0x41))];

/// The table for the kernel programs: an operation, or 0, for each number. Calls whose handler is not among
/// `handlers` are left out.
pub(super) fn operation_table(handlers: &[u32]) -> [u8; CALL_NUMBERS] {
    let mut table = [0; CALL_NUMBERS];
    for (number, _, operation) in CALLS.iter().chain(OLD_CALLS) {
        let place = usize::try_from(*number).ok().and_then(|number| table.get_mut(number));
        if let Some(place) = place
            && handlers.contains(&operation.handler())
        {
            *place = operation.0;
        }
    }
    table
}

/// Names of operations in C with their numbers, where the name follows from a call's.
pub(super) fn operations() -> impl Iterator<Item = (String, u8)> {
    CALLS.iter().chain(OLD_CALLS).map(|(_, name, operation)| {
        let name = match *name {
            "pread64" => "read",
            "pwrite64" => "write",
            "preadv" | "preadv2" => "readv",
            "pwritev" | "pwritev2" => "writev",
            "dup2" | "dup3" => "dup_onto",
            "accept4" => "accept",
            "open_by_handle_at" => "open_by_handle",
            other => other,
        };
        (format!("OPERATION_{}", name.to_uppercase()), operation.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_a_place_of_its_own_and_a_handler() {
        let handlers: Vec<u32> = HANDLERS.iter().map(|(index, _, _)| *index).collect();
        let table = operation_table(&handlers);
        let filled = table.iter().filter(|operation| **operation != 0).count();
        assert_eq!(filled, CALLS.len() + OLD_CALLS.len(), "two calls share a number, or one is beyond the table");
        for (_, name, operation) in CALLS.iter().chain(OLD_CALLS) {
            assert!(handlers.contains(&operation.handler()), "{name} has no handler");
        }
    }

    #[test]
    fn calls_of_a_refused_handler_are_left_out() {
        let table = operation_table(&[1]);
        assert_eq!(table[usize::try_from(libc::SYS_openat).unwrap()], 0x12);
        assert_eq!(table[usize::try_from(libc::SYS_read).unwrap()], 0);
    }
}
