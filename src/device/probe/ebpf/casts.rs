//! Puts the number of the kernel's `bpf_rdonly_cast` into an object, before the loader reads it: the loader knows helper
//! functions, which have the same number everywhere, but not the kernel's other functions, which it numbers when it is built.

use std::borrow::Cow;

use aya::Btf;
use aya_obj::btf::BtfKind;

use super::loader::LoadError;

const FUNCTION: &str = "bpf_rdonly_cast";
/// A call of a helper with the number that `programs/kernel_helpers.h` has for `cast_address`.
const MARK: [u8; 8] = [0x85, 0, 0, 0, 0xa5, 0x7c, 0xa5, 0x2c];
/// In the second byte: what is called is a function of the kernel by its number in the type information.
const KERNEL_FUNCTION: u8 = 2 << 4;
/// What the reader of objects needs.
const ALIGNMENT: usize = 8;

/// An object, ready for the loader.
pub(super) struct Resolved<'a> {
    memory: Cow<'a, [u8]>,
    start: usize,
}

impl Resolved<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..).unwrap_or_default()
    }
}

/// The object with the number of the function in place of each mark; an object without marks as it is.
pub(super) fn resolve<'a>(object: &'a [u8], btf: Option<&Btf>) -> Result<Resolved<'a>, LoadError> {
    if !object.chunks_exact(MARK.len()).any(|instruction| instruction == MARK) {
        return Ok(Resolved { memory: Cow::Borrowed(object), start: 0 });
    }
    let number = btf
        .and_then(|btf| btf.id_by_type_name_kind(FUNCTION, BtfKind::Func).ok())
        .ok_or_else(|| LoadError::Unsupported(format!("the kernel has no function {FUNCTION}, which came with 6.2")))?;
    let mut memory = vec![0; object.len() + ALIGNMENT];
    let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
    memory.truncate(start);
    for piece in object.chunks(MARK.len()) {
        if piece == MARK {
            memory.extend([MARK[0], KERNEL_FUNCTION, 0, 0]);
            memory.extend(number.to_le_bytes());
        } else {
            memory.extend(piece);
        }
    }
    Ok(Resolved { memory: Cow::Owned(memory), start })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_without_marks_is_left_alone() {
        let object = [7; 20];
        let resolved = resolve(&object, None).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(resolved.bytes(), object);
        assert!(matches!(resolved.memory, Cow::Borrowed(_)));
    }

    #[test]
    fn a_mark_needs_type_information() {
        let message = resolve(&MARK, None).err().map(|error| error.to_string());
        assert_eq!(message.as_deref(), Some("the kernel has no function bpf_rdonly_cast, which came with 6.2"));
    }
}
