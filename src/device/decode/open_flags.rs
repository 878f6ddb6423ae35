//! Flags of `open(2)` to what the file was opened for.

use crate::event::OpenAccess;

// From include/uapi/asm-generic/fcntl.h. x86_64 uses it as it is; arm64 and arm replace O_DIRECTORY, O_NOFOLLOW, O_DIRECT
// and O_LARGEFILE only.
const O_ACCMODE: u32 = 0o3;
const O_RDONLY: u32 = 0o0;
const O_WRONLY: u32 = 0o1;
const O_PATH: u32 = 0o10_000_000;

/// What the file was opened for.
///
/// Access mode 3 means "check for reading and writing, then allow neither, only device control": counted as both, so
/// that the attempt is not taken for less than what was asked.
pub(crate) fn access(flags: u32) -> OpenAccess {
    match flags & O_ACCMODE {
        _ if flags & O_PATH != 0 => OpenAccess::PathOnly,
        O_RDONLY => OpenAccess::Read,
        O_WRONLY => OpenAccess::Write,
        _ => OpenAccess::ReadWrite,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_modes() {
        assert_eq!(access(0o2_000_000), OpenAccess::Read, "O_CLOEXEC");
        assert_eq!(access(0o1101), OpenAccess::Write, "O_WRONLY|O_CREAT|O_TRUNC");
        assert_eq!(access(0o2), OpenAccess::ReadWrite);
        assert_eq!(access(0o3), OpenAccess::ReadWrite);
        assert_eq!(access(0o10_000_000 | 0o2_000_000), OpenAccess::PathOnly);
    }
}
