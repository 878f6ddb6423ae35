//! The one table: what the number of a system call means, on each architecture that a thread here can use.

/// What a call does. Calls of one operation have their arguments in the same places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the call of its name, and its arguments are in the manual page of that call")]
pub enum Operation {
    Open,
    Creat,
    OpenAt,
    OpenAt2,
    /// `open_by_handle_at`: no path argument.
    OpenByHandle,
    /// `read` and `pread64`.
    Read,
    /// `write` and `pwrite64`.
    Write,
    /// `readv` and its variants.
    ReadVector,
    /// `writev` and its variants.
    WriteVector,
    SendFile,
    CopyFileRange,
    Splice,
    /// `mmap` of a file.
    Map,
    SendTo,
    ReceiveFrom,
    /// `send`, where it is a call of its own: `sendto` without an address.
    Send,
    /// `recv`, likewise.
    Receive,
    SendMessage,
    ReceiveMessage,
    SendMessages,
    ReceiveMessages,
    Close,
    CloseRange,
    /// `dup2` and `dup3`.
    DuplicateOnto,
    Rename,
    RenameAt,
    RenameAt2,
    Unlink,
    UnlinkAt,
    RemoveDirectory,
    Connect,
    Bind,
    Listen,
    /// `accept` and `accept4`.
    Accept,
    Socket,
    /// Calls of sockets in one, on 32-bit x86: see [`SocketCall`].
    SocketCall,
    Execute,
    ExecuteAt,
    /// `io_uring_setup`: what is done through it makes no calls.
    RingSetup,
    /// Calls that change the user or group id.
    Credentials,
    /// `clone` with [`CLONE_UNTRACED`].
    Clone,
    /// `clone3`: its flags are in memory.
    Clone3,
    /// `prctl(PR_SET_NAME)`.
    Name,
    /// `ioctl` with [`BINDER_WRITE_READ`].
    Binder,
    /// Calls that change what `/` means to a process.
    Root,
    /// A call through an interface that is not followed (x32).
    Foreign,
}

impl Operation {
    /// For a call that is another one without the address of its peer: that one.
    #[must_use]
    pub fn with_address(self) -> Option<Self> {
        match self {
            Self::Send => Some(Self::SendTo),
            Self::Receive => Some(Self::ReceiveFrom),
            _ => None,
        }
    }
}

/// The flag of `clone` that asks for a child that no tracer gets to see. Under the filter such a child could make no call of
/// interest: without a tracer they fail.
pub const CLONE_UNTRACED: u32 = 0x0080_0000;

/// The command by which a thread talks to the binder driver, in the lower half of the second argument of `ioctl`. One number for
/// programs of 64 and of 32 bits: the structure behind it is the same.
pub const BINDER_WRITE_READ: u32 = 0xc030_6201;

/// How a thread calls the kernel: which numbers mean what, and how wide the structures in memory are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// `AUDIT_ARCH_*` of the kernel.
    pub(crate) audit: u32,
    /// Pointers and lengths in memory have 32 bits.
    pub narrow: bool,
    calls: &'static [(u32, Operation)],
}

/// In numbers of the x32 interface, which uses 64-bit registers and 32-bit pointers.
pub(crate) const X32_BIT: u32 = 0x4000_0000;

macro_rules! native {
    ($($name:ident => $operation:ident,)*) => {
        &[$((libc::$name as u32, Operation::$operation),)*]
    };
}

#[cfg(target_arch = "x86_64")]
const NATIVE: Interface = Interface {
    audit: 0xc000_003e,
    narrow: false,
    calls: native! {
        SYS_open => Open, SYS_creat => Creat, SYS_openat => OpenAt, SYS_openat2 => OpenAt2,
        SYS_open_by_handle_at => OpenByHandle, SYS_read => Read, SYS_pread64 => Read, SYS_write => Write,
        SYS_pwrite64 => Write, SYS_readv => ReadVector, SYS_preadv => ReadVector, SYS_preadv2 => ReadVector,
        SYS_writev => WriteVector, SYS_pwritev => WriteVector, SYS_pwritev2 => WriteVector, SYS_sendfile => SendFile,
        SYS_copy_file_range => CopyFileRange, SYS_splice => Splice, SYS_mmap => Map, SYS_sendto => SendTo,
        SYS_recvfrom => ReceiveFrom, SYS_sendmsg => SendMessage, SYS_recvmsg => ReceiveMessage,
        SYS_sendmmsg => SendMessages, SYS_recvmmsg => ReceiveMessages, SYS_close => Close, SYS_close_range => CloseRange,
        SYS_dup2 => DuplicateOnto, SYS_dup3 => DuplicateOnto, SYS_rename => Rename, SYS_renameat => RenameAt,
        SYS_renameat2 => RenameAt2, SYS_unlink => Unlink, SYS_unlinkat => UnlinkAt, SYS_rmdir => RemoveDirectory,
        SYS_connect => Connect, SYS_bind => Bind, SYS_listen => Listen, SYS_accept => Accept, SYS_accept4 => Accept,
        SYS_socket => Socket, SYS_execve => Execute, SYS_execveat => ExecuteAt, SYS_io_uring_setup => RingSetup,
        SYS_setuid => Credentials, SYS_setgid => Credentials, SYS_setreuid => Credentials, SYS_setregid => Credentials,
        SYS_setresuid => Credentials, SYS_setresgid => Credentials, SYS_prctl => Name, SYS_chroot => Root,
        SYS_pivot_root => Root, SYS_setns => Root, SYS_clone => Clone, SYS_clone3 => Clone3,
        SYS_ioctl => Binder,
    },
};

#[cfg(not(target_arch = "x86_64"))]
const NATIVE: Interface = Interface {
    // AUDIT_ARCH_AARCH64
    audit: 0xc000_00b7,
    narrow: false,
    calls: native! {
        SYS_openat => OpenAt, SYS_openat2 => OpenAt2, SYS_open_by_handle_at => OpenByHandle, SYS_read => Read,
        SYS_pread64 => Read, SYS_write => Write, SYS_pwrite64 => Write, SYS_readv => ReadVector,
        SYS_preadv => ReadVector, SYS_preadv2 => ReadVector, SYS_writev => WriteVector, SYS_pwritev => WriteVector,
        SYS_pwritev2 => WriteVector, SYS_sendfile => SendFile, SYS_copy_file_range => CopyFileRange,
        SYS_splice => Splice, SYS_mmap => Map, SYS_sendto => SendTo, SYS_recvfrom => ReceiveFrom,
        SYS_sendmsg => SendMessage, SYS_recvmsg => ReceiveMessage, SYS_sendmmsg => SendMessages,
        SYS_recvmmsg => ReceiveMessages, SYS_close => Close, SYS_close_range => CloseRange, SYS_dup3 => DuplicateOnto,
        SYS_renameat => RenameAt, SYS_renameat2 => RenameAt2, SYS_unlinkat => UnlinkAt, SYS_connect => Connect,
        SYS_bind => Bind, SYS_listen => Listen, SYS_accept => Accept, SYS_accept4 => Accept, SYS_socket => Socket,
        SYS_execve => Execute, SYS_execveat => ExecuteAt, SYS_io_uring_setup => RingSetup, SYS_setuid => Credentials,
        SYS_setgid => Credentials, SYS_setreuid => Credentials, SYS_setregid => Credentials,
        SYS_setresuid => Credentials, SYS_setresgid => Credentials, SYS_prctl => Name, SYS_chroot => Root,
        SYS_pivot_root => Root, SYS_setns => Root, SYS_clone => Clone, SYS_clone3 => Clone3,
        SYS_ioctl => Binder,
    },
};

/// 32-bit programs on x86_64, and 64-bit programs that use `int 0x80`. Numbers from
/// `arch/x86/entry/syscalls/syscall_32.tbl`.
#[cfg(target_arch = "x86_64")]
const COMPAT: &[Interface] = &[Interface {
    audit: 0x4000_0003,
    narrow: true,
    calls: &[
        (3, Operation::Read),
        (4, Operation::Write),
        (5, Operation::Open),
        (6, Operation::Close),
        (8, Operation::Creat),
        (10, Operation::Unlink),
        (11, Operation::Execute),
        // The user and group ids of 16 bits, then those of 32.
        (23, Operation::Credentials),
        (46, Operation::Credentials),
        (54, Operation::Binder),
        (203, Operation::Credentials),
        (204, Operation::Credentials),
        (208, Operation::Credentials),
        (210, Operation::Credentials),
        (213, Operation::Credentials),
        (214, Operation::Credentials),
        (38, Operation::Rename),
        (40, Operation::RemoveDirectory),
        (61, Operation::Root),
        (63, Operation::DuplicateOnto),
        (102, Operation::SocketCall),
        (120, Operation::Clone),
        (145, Operation::ReadVector),
        (146, Operation::WriteVector),
        (172, Operation::Name),
        (180, Operation::Read),
        (181, Operation::Write),
        (187, Operation::SendFile),
        (192, Operation::Map),
        (217, Operation::Root),
        (239, Operation::SendFile),
        (295, Operation::OpenAt),
        (301, Operation::UnlinkAt),
        (302, Operation::RenameAt),
        (313, Operation::Splice),
        (330, Operation::DuplicateOnto),
        (333, Operation::ReadVector),
        (334, Operation::WriteVector),
        (337, Operation::ReceiveMessages),
        (342, Operation::OpenByHandle),
        (345, Operation::SendMessages),
        (346, Operation::Root),
        (353, Operation::RenameAt2),
        (358, Operation::ExecuteAt),
        (359, Operation::Socket),
        (361, Operation::Bind),
        (362, Operation::Connect),
        (363, Operation::Listen),
        (364, Operation::Accept),
        (369, Operation::SendTo),
        (370, Operation::SendMessage),
        (371, Operation::ReceiveFrom),
        (372, Operation::ReceiveMessage),
        (377, Operation::CopyFileRange),
        (378, Operation::ReadVector),
        (379, Operation::WriteVector),
        (417, Operation::ReceiveMessages),
        (425, Operation::RingSetup),
        (435, Operation::Clone3),
        (436, Operation::CloseRange),
        (437, Operation::OpenAt2),
    ],
}];

/// 32-bit programs on arm64. Numbers from `arch/arm/tools/syscall.tbl`, as far as programs for the ABI of today use them.
#[cfg(not(target_arch = "x86_64"))]
const COMPAT: &[Interface] = &[ARM];

#[cfg(any(test, not(target_arch = "x86_64")))]
pub(super) const ARM: Interface = Interface {
    // AUDIT_ARCH_ARM
    audit: 0x4000_0028,
    narrow: true,
    calls: &[
        (3, Operation::Read),
        (4, Operation::Write),
        (5, Operation::Open),
        (6, Operation::Close),
        (8, Operation::Creat),
        (10, Operation::Unlink),
        (11, Operation::Execute),
        // The user and group ids of 16 bits, then those of 32.
        (23, Operation::Credentials),
        (46, Operation::Credentials),
        (54, Operation::Binder),
        (70, Operation::Credentials),
        (71, Operation::Credentials),
        (164, Operation::Credentials),
        (170, Operation::Credentials),
        (203, Operation::Credentials),
        (204, Operation::Credentials),
        (208, Operation::Credentials),
        (210, Operation::Credentials),
        (213, Operation::Credentials),
        (214, Operation::Credentials),
        (38, Operation::Rename),
        (40, Operation::RemoveDirectory),
        (61, Operation::Root),
        (63, Operation::DuplicateOnto),
        (120, Operation::Clone),
        (145, Operation::ReadVector),
        (146, Operation::WriteVector),
        (172, Operation::Name),
        (180, Operation::Read),
        (181, Operation::Write),
        (187, Operation::SendFile),
        (192, Operation::Map),
        (218, Operation::Root),
        (239, Operation::SendFile),
        (281, Operation::Socket),
        (282, Operation::Bind),
        (283, Operation::Connect),
        (284, Operation::Listen),
        (285, Operation::Accept),
        (289, Operation::Send),
        (290, Operation::SendTo),
        (291, Operation::Receive),
        (292, Operation::ReceiveFrom),
        (296, Operation::SendMessage),
        (297, Operation::ReceiveMessage),
        (322, Operation::OpenAt),
        (328, Operation::UnlinkAt),
        (329, Operation::RenameAt),
        (340, Operation::Splice),
        (358, Operation::DuplicateOnto),
        (361, Operation::ReadVector),
        (362, Operation::WriteVector),
        (365, Operation::ReceiveMessages),
        (366, Operation::Accept),
        (371, Operation::OpenByHandle),
        (374, Operation::SendMessages),
        (375, Operation::Root),
        (382, Operation::RenameAt2),
        (387, Operation::ExecuteAt),
        (391, Operation::CopyFileRange),
        (392, Operation::ReadVector),
        (393, Operation::WriteVector),
        (417, Operation::ReceiveMessages),
        (425, Operation::RingSetup),
        (435, Operation::Clone3),
        (436, Operation::CloseRange),
        (437, Operation::OpenAt2),
    ],
};

impl Interface {
    /// The calls, each with what it does.
    pub(crate) fn calls(&self) -> &'static [(u32, Operation)] {
        self.calls
    }
}

/// Every interface that is followed.
pub(crate) fn interfaces() -> impl Iterator<Item = &'static Interface> {
    std::iter::once(&NATIVE).chain(COMPAT)
}

/// The interface with this `AUDIT_ARCH_*`; `None`: it is not followed.
#[must_use]
pub fn interface_of(audit: u32) -> Option<&'static Interface> {
    interfaces().find(|interface| interface.audit == audit)
}

/// What a call does; `None`: it is of no interest.
#[must_use]
pub fn operation_of(interface: &Interface, number: u64) -> Option<Operation> {
    let number = u32::try_from(number).ok()?;
    if cfg!(target_arch = "x86_64") && !interface.narrow && number & X32_BIT != 0 && number != u32::MAX {
        return Some(Operation::Foreign);
    }
    interface.calls.iter().find(|(candidate, _)| *candidate == number).map(|(_, operation)| *operation)
}

/// A call in the one call for sockets of 32-bit x86.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketCall {
    /// What it does.
    pub operation: Operation,
    /// How many arguments are in memory.
    pub arguments: usize,
}

impl SocketCall {
    /// The call of this number (`SYS_*` in `include/uapi/linux/net.h`), when it is of interest.
    #[must_use]
    pub fn of(number: u64) -> Option<Self> {
        let (operation, arguments) = match number {
            1 => (Operation::Socket, 3),
            2 => (Operation::Bind, 3),
            3 => (Operation::Connect, 3),
            4 => (Operation::Listen, 2),
            5 => (Operation::Accept, 3),
            // `send` and `recv` are `sendto` and `recvfrom` without an address.
            9 => (Operation::SendTo, 4),
            10 => (Operation::ReceiveFrom, 4),
            11 => (Operation::SendTo, 6),
            12 => (Operation::ReceiveFrom, 6),
            16 => (Operation::SendMessage, 3),
            17 => (Operation::ReceiveMessage, 3),
            18 => (Operation::Accept, 4),
            19 => (Operation::ReceiveMessages, 5),
            20 => (Operation::SendMessages, 4),
            _ => return None,
        };
        Some(Self { operation, arguments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_has_two_meanings() {
        for interface in interfaces() {
            for (number, operation) in interface.calls() {
                assert_eq!(operation_of(interface, u64::from(*number)), Some(*operation), "{number}");
            }
        }
        assert_eq!(operation_of(&NATIVE, 100_000), None);
        assert_eq!(operation_of(&NATIVE, u64::MAX), None);
        assert!(interface_of(0).is_none());
    }

    #[test]
    fn the_numbers_of_32_bit_arm_have_one_meaning_each() {
        for (number, operation) in ARM.calls() {
            assert_eq!(operation_of(&ARM, u64::from(*number)), Some(*operation), "{number}");
        }
        assert_eq!(operation_of(&ARM, 102), None, "there is no call for all of sockets");
        assert_eq!(operation_of(&ARM, 0xf_0005), None, "those of the processor are none of ours");
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn other_interfaces_of_x86_64() {
        assert_eq!(operation_of(&NATIVE, 0x4000_0002), Some(Operation::Foreign));
        let compat = interface_of(0x4000_0003).unwrap();
        assert!(compat.narrow);
        assert_eq!(operation_of(compat, 5), Some(Operation::Open));
        assert_eq!(operation_of(compat, 2), None, "fork is told by an event");
        assert_eq!(SocketCall::of(9).map(|call| call.operation), Some(Operation::SendTo));
        assert_eq!(SocketCall::of(15), None);
    }
}
