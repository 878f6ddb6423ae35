//! The kernel programs' table of open descriptors, as user space sees it.
//!
//! In: the maps `descriptors` and, where the programs use it, `descriptor_buckets`. Out: entries, and their removal. The
//! buckets are an array in memory that is shared with the programs, which write to it at any time: everything here reads
//! and writes single words, and believes an entry only when its key and its handle are the same before and after.

use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use aya::Ebpf;
use aya::maps::{HashMap, Map, MapData};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::super::record_layout::u64_at;
use super::loader::{self, LoadError};
use super::map_layout::{DESCRIPTOR_SIZE, DescriptorBytes, DescriptorKey, descriptor, descriptor_bucket as bucket};

/// All entries, wherever they are.
pub(super) struct DescriptorTable {
    map: HashMap<MapData, DescriptorKey, DescriptorBytes>,
    buckets: Option<Buckets>,
}

impl DescriptorTable {
    pub(super) fn take(programs: &mut Ebpf) -> Result<Self, LoadError> {
        let buckets = match programs.take_map("descriptor_buckets") {
            Some(Map::Array(map)) => Some(Buckets::share(map)?),
            _ => None,
        };
        Ok(Self { map: loader::take(programs, "descriptors")?, buckets })
    }

    /// Every entry.
    pub(super) fn entries(&self) -> Vec<(DescriptorKey, DescriptorBytes)> {
        let mut entries: Vec<_> = self.map.iter().flatten().collect();
        if let Some(buckets) = &self.buckets {
            entries.extend(buckets.entries());
        }
        entries
    }

    /// Removes an entry, if it still is the one with this handle. Says whether it was.
    pub(super) fn remove(&mut self, key: &DescriptorKey, handle: u64) -> bool {
        if self.buckets.as_ref().is_some_and(|buckets| buckets.remove(key, handle)) {
            return true;
        }
        self.map.get(key, 0).is_ok_and(|now| u64_at(&now, descriptor::HANDLE) == handle) && self.map.remove(key).is_ok()
    }
}

/// The array of buckets.
struct Buckets {
    words: NonNull<AtomicU64>,
    length: NonZeroUsize,
    /// Keeps the memory.
    _map: MapData,
}

// SAFETY: the memory stays mapped until this is dropped, wherever that happens, and is used by atomic operations only.
#[expect(unsafe_code, reason = "a pointer to shared memory is not Send by itself")]
unsafe impl Send for Buckets {}

impl Buckets {
    fn share(map: MapData) -> Result<Self, LoadError> {
        let length = NonZeroUsize::new(bucket::COUNT * bucket::WORDS * 8)
            .ok_or_else(|| LoadError::Unsupported("the table of descriptors is empty".to_owned()))?;
        #[expect(
            unsafe_code,
            reason = "without sharing the memory, looking at the table once a second would be thousands of system calls, and an \
                      entry could not be removed without the risk of removing its successor"
        )]
        // SAFETY: a new mapping at an address of the kernel's choice; nothing else has it.
        let address = unsafe {
            mmap(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, map.fd(), 0)
        }
        .map_err(|error| LoadError::Unsupported(format!("share the table of descriptors: {error}")))?;
        Ok(Self { words: address.cast(), length, _map: map })
    }

    fn words(&self) -> &[AtomicU64] {
        #[expect(unsafe_code, reason = "see `share`")]
        // SAFETY: the mapping begins at a page, has this length, and lives as long as `self`; the kernel programs, which
        // write to it meanwhile, are why the words are atomic.
        unsafe {
            std::slice::from_raw_parts(self.words.as_ptr(), self.length.get() / 8)
        }
    }

    fn entries(&self) -> impl Iterator<Item = (DescriptorKey, DescriptorBytes)> {
        self.words()
            .chunks_exact(bucket::WORDS)
            .flat_map(|bucket| (0..bucket::WAYS).filter_map(|way| read(bucket, way)))
    }

    fn remove(&self, key: &DescriptorKey, handle: u64) -> bool {
        let start = index_of(key) * bucket::WORDS;
        let Some(bucket) = self.words().get(start..start + bucket::WORDS) else { return false };
        (0..bucket::WAYS).any(|way| {
            read(bucket, way)
                .is_some_and(|(found, value)| found == *key && u64_at(&value, descriptor::HANDLE) == handle)
                && bucket.get(way).is_some_and(|place| {
                    place.compare_exchange(number_of(key), 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
                })
        })
    }
}

impl Drop for Buckets {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "see `share`")]
        // SAFETY: the mapping of `share`, with its length; no reference to it outlives `self`.
        let _unmapped = unsafe { munmap(self.words.cast(), self.length.get()) };
    }
}

/// The key as it stands in a bucket.
fn number_of([pid, fd]: &DescriptorKey) -> u64 {
    u64::from(*fd) << 32 | u64::from(*pid)
}

/// The bucket that the programs look for the key in: `bucket_of` in `programs/descriptor.h`.
fn index_of([pid, fd]: &DescriptorKey) -> usize {
    let index = (pid.wrapping_mul(0x9e37_79b1) >> 16).wrapping_add(*fd);
    usize::try_from(index).unwrap_or_default() % bucket::COUNT
}

/// What is in a way of a bucket, unless that is nothing, or changes just now: then records tell of it.
fn read(bucket: &[AtomicU64], way: usize) -> Option<(DescriptorKey, DescriptorBytes)> {
    let key_place = bucket.get(way)?;
    let key = key_place.load(Ordering::Acquire);
    if key == 0 || key & bucket::KEY_BUSY != 0 {
        return None;
    }
    let start = bucket::FIRST_WAY + way * bucket::WAY_WORDS;
    let words = bucket.get(start..start + bucket::WAY_WORDS)?;
    let mut value = [0; DESCRIPTOR_SIZE];
    for (to, from) in value.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&from.load(Ordering::Relaxed).to_le_bytes());
    }
    fence(Ordering::Acquire);
    let handle = words.get(descriptor::HANDLE / 8)?.load(Ordering::Relaxed);
    let same = key_place.load(Ordering::Relaxed) == key && handle == u64_at(&value, descriptor::HANDLE);
    let [low, high] = [key as u32, (key >> 32) as u32];
    same.then_some(([low, high], value))
}
