//! What user space and the binder driver say to each other, and where the driver's devices are: one place for all who speak to
//! it or listen.
//!
//! * **In:** nothing but the root of the system. **Out:** places, numbers of commands, references in parcels.
//! * **May import:** `record_layout`.
//! * **Test it:** `cargo test binder_driver`.

use std::path::Path;

use super::record_layout::binder_device;

// Commands and returns of include/uapi/linux/android/binder.h.
/// A call.
pub(super) const BC_TRANSACTION: u32 = 0x4040_6300;
/// The answer to a call of the thread.
pub(super) const BR_REPLY: u32 = 0x8040_7203;
/// Whom the thread called is gone.
pub(super) const BR_DEAD_REPLY: u32 = 0x7205;
/// The driver refused the call.
pub(super) const BR_FAILED_REPLY: u32 = 0x7211;
/// Whom the thread called is frozen.
pub(super) const BR_FROZEN_REPLY: u32 = 0x7212;

/// Type of an object of a parcel that is a reference to another process's: `BINDER_TYPE_HANDLE`.
pub(super) const TYPE_HANDLE: u32 = 0x7368_2a85;

/// Devices, with the places below the root where each can be.
pub(super) const DEVICES: [(u16, [&str; 2]); 3] = [
    (binder_device::BINDER, BINDER),
    (binder_device::HWBINDER, ["dev/hwbinder", "dev/binderfs/hwbinder"]),
    (binder_device::VNDBINDER, ["dev/vndbinder", "dev/binderfs/vndbinder"]),
];
/// Of the device that apps use.
const BINDER: [&str; 2] = ["dev/binder", "dev/binderfs/binder"];

/// Where the device that apps use can be, the place to be tried first at the beginning: where there is a binderfs, the other
/// place is a link into it.
pub fn places() -> impl Iterator<Item = &'static str> {
    BINDER.into_iter().rev()
}

/// Where that device is.
#[must_use]
pub fn place(root: &Path) -> Option<&'static str> {
    places().find(|place| root.join(place).exists())
}

/// The size of the structure behind a command: it stands in the command itself.
pub(super) fn payload_size(command: u32) -> usize {
    (command >> 16 & 0x3fff) as usize
}

/// Objects of a parcel that are references to other processes': the handles by which the process that has the parcel knows them.
/// Found by the offsets: what stands around an object differs between releases.
pub(super) fn references(parcel: &[u8], offsets: &[u8]) -> impl Iterator<Item = u32> {
    offsets.as_chunks::<8>().0.iter().filter_map(|offset| {
        let object = parcel.get(usize::try_from(u64::from_le_bytes(*offset)).ok()?..)?;
        let word = |at: usize| Some(u32::from_le_bytes(object.get(at..)?.first_chunk().copied()?));
        if word(0)? == TYPE_HANDLE { word(8) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_those_of_the_listed_places() {
        let mut parcel = vec![0; 60];
        parcel[4..8].copy_from_slice(&0x7368_2a85_u32.to_le_bytes());
        parcel[12..16].copy_from_slice(&5_u32.to_le_bytes());
        parcel[32..36].copy_from_slice(&0x7362_2a85_u32.to_le_bytes());
        parcel[50..54].copy_from_slice(&0x7368_2a85_u32.to_le_bytes());
        let offsets: Vec<u8> = [4, 32, 50, u64::MAX].iter().flat_map(|place: &u64| place.to_le_bytes()).collect();
        let found: Vec<u32> = references(&parcel, &offsets).collect();
        assert_eq!(found, [5], "the others are the process's own, cut off, or nowhere");
    }
}
