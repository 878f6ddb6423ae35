//! ELF files that processes have mapped: their build id, and the tables that say how to leave their functions.
//!
//! The files are the traced app's, so nothing in them is trusted: each read has a bound, only regular files are opened, and
//! none of a file system that an ordinary program can serve, because such a program could let the reader wait for ever.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::maps::{FileNumber, Mapping, Maps};

/// Most program headers that are looked at.
const MOST_HEADERS: u16 = 64;
/// Most bytes of notes that are looked at, for each part that has some.
const MOST_NOTES: u64 = 4096;
/// The longest build id that is believed: a SHA-512.
const LONGEST_BUILD_ID: usize = 64;
/// Most bytes of tables of one file, and of all that are remembered.
const MOST_TABLE_BYTES: u64 = 8 << 20;
const MOST_REMEMBERED_BYTES: u64 = 16 << 20;
/// Most files that are remembered.
const MOST_IMAGES: usize = 512;
/// Most mappings that are tried as the beginning of an ELF file within a file.
const MOST_BEGINNINGS: usize = 16;
/// Most bytes of a list of mounts.
const MOST_MOUNT_BYTES: u64 = 4 << 20;

const LOAD: u32 = 1;
const NOTE: u32 = 4;
const UNWIND_INDEX: u32 = 0x6474_e550;
const NOTE_BUILD_ID: u32 = 3;

/// What is known of one ELF file.
#[derive(Debug, Default)]
pub(super) struct Image {
    pub(super) build_id: Option<Vec<u8>>,
    /// Where the ELF file begins in the file: not at 0 when it is a stored entry of an APK.
    begins: u64,
    segments: Vec<Segment>,
    pub(super) tables: Option<Tables>,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    offset: u64,
    address: u64,
    size: u64,
}

/// The sections `.eh_frame_hdr` and `.eh_frame`, each with the address that the file gives it.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) index: Vec<u8>,
    pub(super) index_address: u64,
    pub(super) frames: Vec<u8>,
    pub(super) frames_address: u64,
}

impl Image {
    /// The address that the ELF file itself gives to a place in the file.
    pub(super) fn address(&self, file_offset: u64) -> Option<u64> {
        let offset = file_offset.checked_sub(self.begins)?;
        let segment =
            self.segments.iter().find(|part| offset.checked_sub(part.offset).is_some_and(|at| at < part.size))?;
        segment.address.checked_add(offset - segment.offset)
    }

    fn bytes(&self) -> u64 {
        self.tables.as_ref().map_or(0, |tables| (tables.index.len() + tables.frames.len()) as u64)
    }

    /// Reads what begins at `begins`; `None` when that is no 64-bit ELF file.
    pub(super) fn read(file: &File, begins: u64, with_tables: bool) -> Option<Self> {
        let header: [u8; 64] = read_array(file, begins)?;
        if header.get(..6)? != b"\x7fELF\x02\x01" {
            return None;
        }
        let (at, size, count) = (u64_of(&header, 32)?, u16_of(&header, 54)?, u16_of(&header, 56)?);
        let mut image = Self { begins, ..Self::default() };
        let mut index = None;
        for number in 0..count.min(MOST_HEADERS) {
            let place = begins.checked_add(at)?.checked_add(u64::from(number) * u64::from(size))?;
            let Some(header) = read_array::<56>(file, place) else { break };
            let kind = u32_of(&header, 0)?;
            let part =
                Segment { offset: u64_of(&header, 8)?, address: u64_of(&header, 16)?, size: u64_of(&header, 32)? };
            let alignment = u64_of(&header, 48)?;
            match kind {
                LOAD => image.segments.push(part),
                NOTE if image.build_id.is_none() => {
                    image.build_id = read(file, begins.checked_add(part.offset)?, part.size.min(MOST_NOTES))
                        .and_then(|notes| build_id(&notes, alignment));
                }
                UNWIND_INDEX => index = Some(part),
                _ => {}
            }
        }
        if with_tables {
            image.tables = index.and_then(|index| image.read_tables(file, index));
        }
        Some(image)
    }

    fn read_tables(&self, file: &File, index: Segment) -> Option<Tables> {
        if index.size > MOST_TABLE_BYTES {
            return None;
        }
        let bytes = read(file, self.begins.checked_add(index.offset)?, index.size)?;
        let bases = gimli::BaseAddresses::default().set_eh_frame_hdr(index.address);
        let header = gimli::EhFrameHdr::new(&bytes, gimli::LittleEndian).parse(&bases, 8).ok()?;
        let gimli::Pointer::Direct(frames_address) = header.eh_frame_ptr() else { return None };
        // The length of the section is nowhere; what it is in ends after it.
        let part = self
            .segments
            .iter()
            .find(|part| frames_address.checked_sub(part.address).is_some_and(|at| at < part.size))?;
        let within = frames_address - part.address;
        let size = (part.size - within).min(MOST_TABLE_BYTES);
        let frames = read(file, self.begins.checked_add(part.offset)?.checked_add(within)?, size)?;
        Some(Tables { index: bytes, index_address: index.address, frames, frames_address })
    }
}

/// A build id among notes: each has three numbers, a name and a description, both padded.
fn build_id(notes: &[u8], alignment: u64) -> Option<Vec<u8>> {
    let alignment = if alignment == 8 { 8 } else { 4 };
    let mut rest = notes;
    while let (Some(name_size), Some(size), Some(kind)) = (u32_of(rest, 0), u32_of(rest, 4), u32_of(rest, 8)) {
        let (name_size, size) = (usize::try_from(name_size).ok()?, usize::try_from(size).ok()?);
        let described = 12_usize.checked_add(name_size)?.checked_next_multiple_of(alignment)?;
        let end = described.checked_add(size)?;
        if kind == NOTE_BUILD_ID && rest.get(12..16) == Some(b"GNU\0") && (1..=LONGEST_BUILD_ID).contains(&size) {
            return rest.get(described..end).map(<[u8]>::to_vec);
        }
        rest = rest.get(end.checked_next_multiple_of(alignment)?..)?;
    }
    None
}

fn read(file: &File, offset: u64, size: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    file.read_exact_at(&mut bytes, offset).ok()?;
    Some(bytes)
}

fn read_array<const N: usize>(file: &File, offset: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact_at(&mut bytes, offset).ok()?;
    Some(bytes)
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

fn u16_of(bytes: &[u8], offset: usize) -> Option<u16> {
    array_at(bytes, offset).map(u16::from_le_bytes)
}

fn u32_of(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_le_bytes)
}

fn u64_of(bytes: &[u8], offset: usize) -> Option<u64> {
    array_at(bytes, offset).map(u64::from_le_bytes)
}

/// One state of one file: the numbers of files are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
    begins: u64,
    with_tables: bool,
}

/// Files that were read, of all processes.
#[derive(Debug, Default)]
pub(super) struct Images {
    known: HashMap<State, Arc<Image>>,
    bytes: u64,
}

impl Images {
    fn remember(&mut self, state: State, image: &Arc<Image>) {
        if self.known.len() >= MOST_IMAGES || self.bytes.saturating_add(image.bytes()) > MOST_REMEMBERED_BYTES {
            // They are read again when they are met again.
            self.known.clear();
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(image.bytes());
        self.known.insert(state, Arc::clone(image));
    }
}

/// The files of one process, as its memory maps name them.
#[derive(Debug)]
pub(super) struct OpenImages {
    /// `/proc/PID`.
    directory: PathBuf,
    known: HashMap<(FileNumber, u64, bool), Arc<Image>>,
}

impl OpenImages {
    /// Those of the process with this directory.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, known: HashMap::new() }
    }

    /// The ELF file that a mapping is part of; one without anything known where it cannot be read.
    pub(super) fn get(
        &mut self,
        mapping: &Mapping,
        maps: &Maps,
        images: &mut Images,
        with_tables: bool,
    ) -> Option<Arc<Image>> {
        let number = mapping.file?;
        // Several libraries can lie in one file; so the place tells them apart.
        let key = (number, mapping.offset, with_tables);
        if let Some(known) = self.known.get(&key) {
            return Some(Arc::clone(known));
        }
        let image = self.open(mapping, maps, images, with_tables).unwrap_or_default();
        self.known.insert(key, Arc::clone(&image));
        Some(image)
    }

    fn open(&self, mapping: &Mapping, maps: &Maps, images: &mut Images, with_tables: bool) -> Option<Arc<Image>> {
        let file = self.file(mapping)?;
        let about = file.metadata().ok()?;
        let beginnings = maps.same_file_before(mapping).map(|earlier| earlier.offset).take(MOST_BEGINNINGS);
        // A library of its own begins at the beginning, also where that is not mapped.
        for begins in beginnings.chain([0]) {
            let state = State {
                device: about.dev(),
                inode: about.ino(),
                size: about.size(),
                changed: (about.mtime(), about.mtime_nsec()),
                begins,
                with_tables,
            };
            if let Some(known) = images.known.get(&state) {
                return Some(Arc::clone(known));
            }
            let Some(image) = Image::read(&file, begins, with_tables) else { continue };
            // What is mapped has to be of this ELF file, and not of one that lies before it.
            if image.address(mapping.offset).is_some() {
                let image = Arc::new(image);
                images.remember(state, &image);
                return Some(image);
            }
        }
        None
    }

    /// The bytes in front of a place in the file of a mapping.
    pub(super) fn bytes_before(&self, mapping: &Mapping, offset: u64) -> Option<[u8; 7]> {
        read_array(&self.file(mapping)?, offset.checked_sub(7)?)
    }

    /// The mapped file itself, also when its path leads to another one by now.
    fn file(&self, mapping: &Mapping) -> Option<File> {
        if served_by_a_program(&self.directory, mapping.file?) {
            return None;
        }
        let link = self.directory.join("map_files").join(format!("{:x}-{:x}", mapping.start, mapping.end));
        // Opened for nothing first: to open a device for reading can be an act of its own.
        let handle = open(&link, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
        let handle = File::from(handle);
        if !handle.metadata().ok()?.is_file() {
            return None;
        }
        File::open(format!("/proc/self/fd/{}", handle.as_raw_fd())).ok()
    }
}

/// Whether a file is on a file system of a program (FUSE), by the process's list of mounts.
fn served_by_a_program(directory: &Path, number: FileNumber) -> bool {
    let mut text = Vec::new();
    let read =
        File::open(directory.join("mountinfo")).and_then(|file| file.take(MOST_MOUNT_BYTES).read_to_end(&mut text));
    read.is_err() || is_served(&String::from_utf8_lossy(&text), number)
}

/// `36 35 98:0 /root /mount options - type source options`.
fn is_served(mounts: &str, number: FileNumber) -> bool {
    let device = format!("{}:{}", number.major, number.minor);
    mounts.lines().filter(|line| line.split(' ').nth(2) == Some(&device)).any(|line| {
        let kind = line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').next());
        kind.is_some_and(|kind| kind.starts_with("fuse"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_id_is_found_behind_other_notes() {
        let mut notes = Vec::new();
        for (kind, name, description) in [(1_u32, &b"GNU\0"[..], &[1_u8, 2, 3, 4][..]), (3, b"GNU\0", &[0xab; 20])] {
            notes.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
            notes.extend(u32::try_from(description.len()).unwrap().to_le_bytes());
            notes.extend(kind.to_le_bytes());
            notes.extend(name);
            notes.extend(description);
        }
        assert_eq!(build_id(&notes, 4), Some(vec![0xab; 20]));
        assert_eq!(build_id(&notes[..50], 4), None);
    }

    #[test]
    fn damaged_notes_end_the_search() {
        let notes = [0xff; 64];
        assert_eq!(build_id(&notes, 4), None);
        assert_eq!(build_id(&[], 8), None);
    }

    #[test]
    fn file_systems_of_programs_are_told_from_others() {
        let mounts = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:52 / /m rw,x shared:1 - fuse.sshfs a rw\n";
        let number = |major, minor| FileNumber { major, minor, inode: 7 };
        assert!(is_served(mounts, number(0, 52)));
        assert!(!is_served(mounts, number(8, 1)));
        assert!(!is_served(mounts, number(0, 5)));
    }
}
