//! The kernel programs as they lie in the daemon's file: compressed when it is built (`build.rs`), unpacked when they load.
//!
//! In: nothing but this build. Out: the bytes of each object. May import: `flate2`. Tested by unpacking each.

use std::io::{self, Read as _};

use flate2::read::ZlibDecoder;

/// More than any object takes. A damaged daemon file must not make the daemon ask for all memory of a device.
const LARGEST_OBJECT: u64 = 16 << 20;

/// The loader reads the structures of the object file in place, which must be aligned for their widest field.
const ALIGNMENT: usize = 8;

/// An object, compressed.
#[derive(Debug)]
pub(super) struct EmbeddedObject(&'static [u8]);

macro_rules! embedded {
    ($name:literal) => {
        EmbeddedObject(include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".bpf.o.zlib")))
    };
}

/// For kernels that interrupt programs on raw tracepoints, from 7.0 on.
pub(super) static KERNEL_OBJECTS_BY_EVENT: EmbeddedObject = embedded!("kernel_objects_by_event");
/// For kernels from 6.2 on.
pub(super) static KERNEL_OBJECTS_BY_CASTS: EmbeddedObject = embedded!("kernel_objects_by_casts");
/// For kernels from 5.11 on.
pub(super) static KERNEL_OBJECTS: EmbeddedObject = embedded!("kernel_objects");
/// For kernels from 5.8 on.
pub(super) static KERNEL_OBJECTS_BY_CALLS: EmbeddedObject = embedded!("kernel_objects_by_calls");
/// As KERNEL_OBJECTS_BY_EVENT, of the other tier. The kernel must have type information, though the programs use none.
pub(super) static SYSTEM_CALLS_BY_EVENT: EmbeddedObject = embedded!("system_calls_by_event");
/// For kernels without type information.
pub(super) static SYSTEM_CALLS: EmbeddedObject = embedded!("system_calls");
/// The empty program that is loaded before all others.
pub(super) static CANARY: EmbeddedObject = embedded!("canary");

/// The bytes of an object, aligned as the loader needs them.
#[derive(Debug)]
pub(super) struct ObjectBytes {
    buffer: Vec<u8>,
    start: usize,
}

impl ObjectBytes {
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// The same, to be changed in place: what moves is not aligned any more.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.start..).unwrap_or_default()
    }
}

impl EmbeddedObject {
    /// Unpacks the object.
    ///
    /// # Errors
    ///
    /// When the daemon's file was damaged after it was built.
    pub(super) fn unpack(&self) -> io::Result<ObjectBytes> {
        let mut object = Vec::new();
        let read = ZlibDecoder::new(self.0).take(LARGEST_OBJECT).read_to_end(&mut object)?;
        if read as u64 == LARGEST_OBJECT {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an object is larger than any that is built"));
        }
        // The allocator aligns large buffers in practice, but promises nothing for bytes. A reservation that is not exceeded
        // does not move, so the place found here stays aligned.
        let mut buffer: Vec<u8> = Vec::with_capacity(read + ALIGNMENT);
        let start = buffer.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        buffer.resize(start, 0);
        buffer.extend_from_slice(&object);
        Ok(ObjectBytes { buffer, start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_unpacks_to_an_aligned_object_file_for_bpf() {
        let kernel_objects =
            [&KERNEL_OBJECTS_BY_EVENT, &KERNEL_OBJECTS_BY_CASTS, &KERNEL_OBJECTS, &KERNEL_OBJECTS_BY_CALLS];
        for object in kernel_objects.into_iter().chain([&SYSTEM_CALLS_BY_EVENT, &SYSTEM_CALLS, &CANARY]) {
            let unpacked = object.unpack().unwrap();
            let bytes = unpacked.bytes();
            assert_eq!(&bytes[..5], b"\x7fELF\x02");
            // The machine: 247 is EM_BPF.
            assert_eq!(&bytes[18..20], &[247, 0]);
            assert_eq!(bytes.as_ptr().align_offset(ALIGNMENT), 0);
        }
    }

    #[test]
    fn a_damaged_object_is_an_error() {
        let cut: &'static [u8] = &CANARY.0[..CANARY.0.len() / 2];
        assert!(EmbeddedObject(cut).unpack().is_err());
        assert!(EmbeddedObject(b"not compressed").unpack().is_err());
    }
}
