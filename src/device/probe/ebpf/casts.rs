//! Puts the number of the kernel's `bpf_rdonly_cast` into an object, before the loader reads it: the loader knows helper
//! functions, which have the same number everywhere, but not the kernel's other functions, which it numbers when it is built.

use aya::Btf;
use aya_obj::btf::BtfKind;

use super::loader::LoadError;

const FUNCTION: &str = "bpf_rdonly_cast";
/// A call of a helper with the number that `programs/kernel_helpers.h` has for `cast_address`.
const MARK: [u8; 8] = [0x85, 0, 0, 0, 0xa5, 0x7c, 0xa5, 0x2c];
/// In the second byte: what is called is a function of the kernel by its number in the type information.
const KERNEL_FUNCTION: u8 = 2 << 4;
/// Puts the number of the function in place of each mark; an object without marks is left as it is.
pub(super) fn resolve(object: &mut [u8], btf: Option<&Btf>) -> Result<(), LoadError> {
    let mut marks = object.chunks_exact_mut(MARK.len()).filter(|instruction| **instruction == MARK).peekable();
    if marks.peek().is_none() {
        return Ok(());
    }
    let number = btf
        .and_then(|btf| btf.id_by_type_name_kind(FUNCTION, BtfKind::Func).ok())
        .ok_or_else(|| LoadError::Unsupported(format!("the kernel has no function {FUNCTION}, which came with 6.2")))?;
    let [low, second, third, high] = number.to_le_bytes();
    for mark in marks {
        mark.copy_from_slice(&[MARK[0], KERNEL_FUNCTION, 0, 0, low, second, third, high]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_without_marks_is_left_alone() {
        let mut object = [7; 20];
        resolve(&mut object, None).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(object, [7; 20]);
    }

    #[test]
    fn a_mark_needs_type_information() {
        let message = resolve(&mut MARK.clone(), None).err().map(|error| error.to_string());
        assert_eq!(message.as_deref(), Some("the kernel has no function bpf_rdonly_cast, which came with 6.2"));
    }
}
