//! From the system call outwards, to the first code that is somebody's.

use super::super::super::record_layout::code_confidence;
use super::image::{Images, OpenImages};
use super::maps::{Mapping, Maps};
use super::runtime::is_runtime;
use super::unwind::{self, Registers, Stack};

/// Most frames that are walked through: a way from the C library to its caller has a few.
const MOST_FRAMES: u16 = 32;
/// Bits of an address in user memory, as far as it is one: arm64 can sign return addresses in the bits above.
const ADDRESS_BITS: &[u32] = if cfg!(target_arch = "aarch64") { &[64, 48, 39] } else { &[64] };

/// Whose code it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin<'a> {
    pub(super) mapping: &'a Mapping,
    /// In its file.
    pub(super) offset: u64,
    pub(super) depth: u16,
    /// A value of `code_confidence`.
    pub(super) confidence: u16,
}

/// What is known of the thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk<'a> {
    pub(super) registers: Registers,
    /// What the chain of frame pointers returns to, from the innermost on.
    pub(super) returns: &'a [u64],
    pub(super) stack: Stack<'a>,
}

/// Where an address is.
enum Place<'a> {
    /// Code of somebody.
    Program(&'a Mapping),
    /// Code that only carries the call on.
    Runtime(&'a Mapping),
    /// Code that came from no file (made at run time, or unpacked), or no code at all. What called it is not asked: to name
    /// that instead would hide it.
    Nowhere,
}

fn place(maps: &Maps, pc: u64) -> Place<'_> {
    // What a call returns to can be the first byte after the code, so the byte before is looked for.
    match maps.code(pc.wrapping_sub(1)) {
        Some(mapping) if is_runtime(mapping.path()) => Place::Runtime(mapping),
        Some(mapping) if mapping.file.is_some() => Place::Program(mapping),
        _ => Place::Nowhere,
    }
}

/// The address without a signature; as it is where it lies in no mapping either way.
fn unsigned(maps: &Maps, pc: u64) -> u64 {
    let mut masked = ADDRESS_BITS.iter().map(|bits| pc & (u64::MAX >> (64 - bits)));
    masked.find(|pc| maps.code(pc.wrapping_sub(1)).is_some()).unwrap_or(pc)
}

impl Walk<'_> {
    /// Walks. `None` when not even the innermost frame is in a file.
    pub(super) fn origin<'m>(
        &mut self,
        maps: &'m Maps,
        open: &mut OpenImages,
        images: &mut Images,
    ) -> Option<Origin<'m>> {
        let leaf = maps.code(self.registers.pc.wrapping_sub(1)).filter(|mapping| mapping.file.is_some())?;
        let leaf = Origin {
            mapping: leaf,
            offset: leaf.file_offset(self.registers.pc),
            depth: 0,
            confidence: code_confidence::LEAF,
        };
        let frame_pointer = self.registers.fp;
        for depth in 0..MOST_FRAMES {
            let pc = self.registers.pc;
            let mapping = match place(maps, pc) {
                Place::Program(mapping) => {
                    let offset = mapping.file_offset(pc);
                    return Some(Origin { mapping, offset, depth, confidence: code_confidence::CALLER });
                }
                Place::Nowhere => return Some(leaf),
                Place::Runtime(mapping) => mapping,
            };
            let file_offset = mapping.file_offset(pc.wrapping_sub(1));
            let next = open
                .get(mapping, maps, images, true)
                .and_then(|image| unwind::step(&image, file_offset, self.registers, &self.stack));
            match next {
                Some(next) => self.registers = Registers { pc: unsigned(maps, next.pc), ..next },
                // The chain begins at the frame pointer that the thread had. Where that is not the one of the frame that
                // was reached, the chain says nothing about what is outside of it.
                None if self.registers.fp == frame_pointer => {
                    return Some(self.by_frame_pointers(maps, open, depth).unwrap_or(leaf));
                }
                None => return Some(leaf),
            }
        }
        Some(leaf)
    }

    /// The first code of somebody on the chain of frame pointers. The frame that a function without one has is not in it.
    fn by_frame_pointers<'m>(&self, maps: &'m Maps, open: &OpenImages, depth: u16) -> Option<Origin<'m>> {
        for (pc, depth) in self.returns.iter().zip(depth.saturating_add(1)..) {
            let pc = unsigned(maps, *pc);
            match place(maps, pc) {
                Place::Program(mapping) => {
                    let offset = mapping.file_offset(pc);
                    // The register is free for other uses in code without frame pointers; then this is any number.
                    if !open.bytes_before(mapping, offset).is_some_and(is_call) {
                        return None;
                    }
                    return Some(Origin { mapping, offset, depth, confidence: code_confidence::FRAMES });
                }
                Place::Runtime(_) => {}
                Place::Nowhere => return None,
            }
        }
        None
    }

    /// The address at which the walk ended, if it is in no mapping: one may have been added.
    pub(super) fn unknown(&self, maps: &Maps) -> Option<u64> {
        Some(self.registers.pc).filter(|pc| maps.find(pc.wrapping_sub(1)).is_none())
    }
}

/// Whether the bytes in front of a return address can be the end of a call.
fn is_call(before: [u8; 7]) -> bool {
    if cfg!(target_arch = "x86_64") {
        let [_, _, near, ..] = before;
        let indirect = |pair: &[u8]| matches!(pair, [0xff, form] if form >> 3 & 7 == 2);
        near == 0xe8 || before.windows(2).any(indirect)
    } else {
        let [_, _, _, instruction @ ..] = before;
        let instruction = u32::from_le_bytes(instruction);
        // BL; BLR and its forms that check a signature
        instruction & 0xfc00_0000 == 0x9400_0000 || instruction & 0xfeff_f000 == 0xd63f_0000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn calls_are_told_from_other_instructions() {
        for call in [
            [0, 0, 0xe8, 1, 2, 3, 4],
            [0, 0, 0, 0, 0, 0xff, 0xd0],
            [0, 0xff, 0x15, 1, 2, 3, 4],
            [0, 0, 0, 0x41, 0xff, 0x54, 0x24],
        ] {
            assert!(is_call(call), "{call:x?}");
        }
        assert!(!is_call([0x90; 7]));
        assert!(!is_call([0, 0, 0xe9, 1, 2, 3, 4]));
        assert!(!is_call([0, 0, 0, 0, 0, 0xff, 0xe0]));
    }
}
