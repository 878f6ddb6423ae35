//! One step out of a function, by the tables that its file has for exceptions and debuggers.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, LittleEndian, Register, RegisterRule, UnwindContext,
    UnwindSection as _,
};

use super::super::super::record_layout::u64_at;
use super::image::Image;

#[cfg(target_arch = "x86_64")]
mod numbers {
    pub(super) const FP: u16 = 6;
    pub(super) const SP: u16 = 7;
    pub(super) const RETURN: u16 = 16;
}
#[cfg(not(target_arch = "x86_64"))]
mod numbers {
    pub(super) const FP: u16 = 29;
    pub(super) const SP: u16 = 31;
    pub(super) const RETURN: u16 = 30;
}

/// Registers as they were when a function was left for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Registers {
    pub(super) pc: u64,
    pub(super) sp: u64,
    /// `None`: not known any more.
    pub(super) fp: Option<u64>,
    /// Where the innermost function returns to, on architectures with a register for it.
    pub(super) link: Option<u64>,
}

/// The top of a stack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stack<'a> {
    address: u64,
    bytes: &'a [u8],
}

impl<'a> Stack<'a> {
    /// These bytes, from this address on.
    pub(super) fn new(address: u64, bytes: &'a [u8]) -> Self {
        Self { address, bytes }
    }

    /// The word at an address, if it was copied.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.address)?).ok()?;
        let end = at.checked_add(8)?;
        (end <= self.bytes.len()).then(|| u64_at(self.bytes, at))
    }
}

/// The registers in the caller of the function that `registers.pc` returns into. `None` where the tables do not say, or
/// the stack was not copied so far.
pub(super) fn step(image: &Image, file_offset: u64, registers: Registers, stack: &Stack<'_>) -> Option<Registers> {
    let tables = image.tables.as_ref()?;
    let address = image.address(file_offset)?;
    let bases = BaseAddresses::default().set_eh_frame_hdr(tables.index_address).set_eh_frame(tables.frames_address);
    let mut frames = EhFrame::new(&tables.frames, LittleEndian);
    frames.set_address_size(8);
    if cfg!(target_arch = "aarch64") {
        frames.set_vendor(gimli::Vendor::AArch64);
    }
    let index = EhFrameHdr::new(&tables.index, LittleEndian).parse(&bases, 8).ok()?;
    let table = index.table()?;
    let entry = table.lookup(address, &bases).ok()?;
    // The library takes the one from the other without looking: a file that is not as it should be can have an entry in front of
    // the section that it is in.
    if entry.direct().ok()? < tables.frames_address {
        return None;
    }
    let place = table.pointer_to_offset(entry).ok()?;
    let function = frames.fde_from_offset(&bases, place, EhFrame::cie_from_offset).ok()?;
    if !function.contains(address) {
        return None;
    }
    let mut context = UnwindContext::new();
    let row = function.unwind_info_for_address(&frames, &bases, &mut context, address).ok()?;
    let CfaRule::RegisterAndOffset { register, offset } = *row.cfa() else { return None };
    let base = match register.0 {
        numbers::SP => registers.sp,
        numbers::FP => registers.fp?,
        _ => return None,
    };
    let frame = base.wrapping_add_signed(offset);
    // A stack grows downwards: a caller's frame is never below, and the same only where the link register is used.
    if frame < registers.sp {
        return None;
    }
    let pc = match row.register(Register(numbers::RETURN)) {
        Some(RegisterRule::Offset(offset)) => stack.word(frame.wrapping_add_signed(offset))?,
        None | Some(RegisterRule::SameValue) if numbers::RETURN == 30 => registers.link?,
        _ => return None,
    };
    let fp = match row.register(Register(numbers::FP)) {
        Some(RegisterRule::Offset(offset)) => stack.word(frame.wrapping_add_signed(offset)),
        None | Some(RegisterRule::SameValue) => registers.fp,
        _ => None,
    };
    Some(Registers { pc, sp: frame, fp, link: None })
}
