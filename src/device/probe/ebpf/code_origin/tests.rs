//! Records about this very process, whose mapped files are real.

use std::path::Path;

use super::super::super::record_layout::{HeaderFields, code_origin, socket_body, u16_at};
use super::*;

const PROC: &str = "/proc";

fn record(pid: u32, frames: &[u64], stack: &[u64]) -> Vec<u8> {
    let header = HeaderFields { tgid: pid, ..HeaderFields::default() };
    let bytes = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    RecordBuilder::new(&header, record_kind::SOCKET_CONNECT, 0, socket_body::SIZE)
        .segment(segment_tag::UNIX_LOCAL, b"kept")
        .segment(segment_tag::USER_FRAMES, &bytes(frames))
        .segment(segment_tag::USER_STACK, &bytes(stack))
        .finish()
}

/// Confidence, depth and file of what was made of a record; and that the rest of the record is as it was.
fn told(record: &[u8]) -> Option<(u16, u16, String)> {
    let resolved = CodeOrigins::default().resolve(record, Path::new(PROC)).expect("it carries frames");
    let view = RecordView::new(&resolved);
    assert_eq!(u32::try_from(resolved.len()).ok(), Some(u32_at_length(&resolved)));
    let mut segments = view.segments(socket_body::SIZE);
    assert_eq!(segments.next(), Some((segment_tag::UNIX_LOCAL, 0, &b"kept"[..])));
    let origin = segments.next();
    assert_eq!(segments.next(), None);
    let (tag, _, bytes) = origin?;
    assert_eq!(tag, segment_tag::CODE_ORIGIN);
    let path = code_origin::SIZE + usize::from(u16_at(bytes, code_origin::BUILD_ID_LENGTH));
    let file = String::from_utf8_lossy(&bytes[path..]).into_owned();
    Some((u16_at(bytes, code_origin::CONFIDENCE), u16_at(bytes, code_origin::DEPTH), file))
}

fn u32_at_length(record: &[u8]) -> u32 {
    super::super::super::record_layout::u32_at(record, record_header::LENGTH)
}

fn own_code() -> u64 {
    own_code as fn() -> u64 as usize as u64 + 1
}

fn c_library() -> u64 {
    libc::connect as unsafe extern "C" fn(_, _, _) -> _ as usize as u64 + 1
}

#[test]
fn code_that_makes_the_call_itself_is_named_without_any_stack() {
    let own = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let told = told(&record(std::process::id(), &[own_code(), 0x1000, 0, 0], &[])).unwrap();
    assert_eq!(told, (code_confidence::CALLER, 0, own));
}

#[test]
fn of_a_call_in_the_c_library_nothing_is_claimed_without_a_stack() {
    let (confidence, depth, file) = told(&record(std::process::id(), &[c_library(), 0x1000, 0, 0], &[])).unwrap();
    assert_eq!((confidence, depth), (code_confidence::LEAF, 0));
    assert!(file.contains("libc"), "{file}");
}

#[test]
fn a_number_that_is_no_return_address_ends_the_way() {
    // What a register holds that is not used as a frame pointer: an address of code that nothing returns to, or nonsense.
    for garbage in [own_code(), 0x1234, u64::MAX, 0] {
        let frames = [c_library(), 0x1000, 0x1000, 0, c_library(), garbage];
        let (confidence, ..) = told(&record(std::process::id(), &frames, &[])).unwrap();
        assert_eq!(confidence, code_confidence::LEAF, "{garbage:x}");
    }
}

#[test]
fn nothing_is_told_of_a_process_that_is_gone_or_of_addresses_without_a_file() {
    assert_eq!(told(&record(u32::MAX, &[own_code(), 0, 0, 0], &[])), None);
    let on_the_stack = 0_u8;
    let address = std::ptr::from_ref(&on_the_stack) as u64;
    for pc in [0, 1, address, u64::MAX] {
        assert_eq!(told(&record(std::process::id(), &[pc, 0, 0, 0], &[])), None, "{pc:x}");
    }
    assert_eq!(told(&record(std::process::id(), &[], &[])), None);
}

#[test]
fn a_record_without_frames_is_left_alone() {
    let plain =
        RecordBuilder::new(&HeaderFields::default(), record_kind::SOCKET_CONNECT, 0, socket_body::SIZE).finish();
    assert_eq!(CodeOrigins::default().resolve(&plain, Path::new(PROC)), None);
}

#[test]
fn lines_of_maps_that_say_nothing_sensible_are_left_out() {
    let text = b"1000-2000 r-xp 00000000 08:01 7    /a b (deleted)\nnonsense\n3000-4000 rw-p 0 00:00 0 \n\
                 2000-3000 r-xp 1000 08:01 7 /a b\n";
    let maps = Maps::parse(text);
    assert_eq!(maps.code(0x1fff).unwrap().path(), "/a b");
    assert_eq!(maps.code(0x2000).unwrap().file_offset(0x2010), 0x1010);
    assert_eq!(maps.code(0x3000), None);
    assert!(maps.find(0x3000).is_some() && maps.find(0x4000).is_none() && maps.find(0xfff).is_none());
}

#[test]
fn looking_takes_a_bounded_share_of_the_time_and_what_is_not_looked_for_is_counted() {
    let mut origins = CodeOrigins::default();
    let whole = record(std::process::id(), &[own_code(), 0x1000, 0, 0], &[]);
    origins.budget.left = Duration::from_nanos(1);
    assert!(origins.resolve(&whole, Path::new(PROC)).unwrap().len() > record_header::SIZE + socket_body::SIZE + 8);
    origins.budget.left = Duration::ZERO;
    origins.budget.since = Instant::now() + Duration::from_secs(60);
    let left = origins.resolve(&whole, Path::new(PROC)).unwrap();
    assert_eq!(left.len(), record_header::SIZE + socket_body::SIZE + segment_header::SIZE + 4);
    let account = origins.account();
    assert_eq!((account.seen, account.aggregated, account.filtered, account.lost), (2, 1, 0, 1));
    assert!(account.is_balanced());
    // A tenth of the time that passes, and no more than a bound.
    let mut budget = Budget { left: Duration::ZERO, since: Instant::now() };
    assert!(budget.has_some(budget.since + Duration::from_secs(1)));
    assert_eq!(budget.left, Duration::from_millis(100));
    assert!(budget.has_some(budget.since + Duration::from_secs(60)));
    assert_eq!(budget.left, Budget::AT_ONCE);
}

proptest::proptest! {
    #[test]
    fn no_bytes_of_a_stack_make_it_panic(
        frames in proptest::collection::vec(proptest::prelude::any::<u64>(), 0..20),
        stack in proptest::collection::vec(proptest::prelude::any::<u64>(), 0..64),
        in_libc in proptest::prelude::any::<bool>(),
    ) {
        let mut frames = frames;
        if let (true, Some(pc)) = (in_libc, frames.first_mut()) {
            *pc = c_library();
        }
        told(&record(std::process::id(), &frames, &stack));
    }
}

/// The C library that this process runs with: a real file, with real tables.
fn c_library_file() -> Vec<u8> {
    let maps = Maps::read(&Path::new(PROC).join("self")).unwrap();
    std::fs::read(maps.code(c_library()).unwrap().path()).unwrap()
}

/// Reads a file with these bytes and asks it for a step out of many of its places. How often there was an answer.
fn steps(bytes: &[u8], file: &std::path::Path) -> usize {
    std::fs::write(file, bytes).unwrap();
    let Some(image) = image::Image::read(&std::fs::File::open(file).unwrap(), 0, true) else { return 0 };
    let registers = Registers { pc: 1, sp: 0x1000, fp: Some(0x1000), link: Some(1) };
    let stack = [1; 512];
    let places = (0..bytes.len() as u64).step_by(4096);
    places.filter(|place| unwind::step(&image, *place, registers, &Stack::new(0x1000, &stack)).is_some()).count()
}

#[test]
fn a_damaged_file_of_an_app_makes_nothing_panic() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("libdamaged.so");
    let whole = c_library_file();
    assert!(steps(&whole, &file) > 50, "the whole file has tables for its code");
    let tables = {
        let image = image::Image::read(&std::fs::File::open(&file).unwrap(), 0, true).unwrap();
        let index = &image.tables.as_ref().unwrap().index;
        whole.windows(16).position(|window| window == &index[..16]).unwrap()
    };
    // The headers, and the tables with what follows them: where damage is read as something.
    let near = [(0, 1024), (tables, 64), (tables + 64, whole.len() - tables - 64)];
    let mut runner = proptest::test_runner::TestRunner::new(proptest::test_runner::Config::with_cases(256));
    let place = (0..near.len(), proptest::prelude::any::<proptest::sample::Index>(), proptest::prelude::any::<u8>());
    let ends = proptest::option::weighted(0.2, proptest::prelude::any::<proptest::sample::Index>());
    runner
        .run(&(proptest::collection::vec(place, 1..200), ends), |(damage, ends)| {
            let mut bytes = whole.clone();
            for (part, at, value) in damage {
                let (from, length) = near[part];
                bytes[from + at.index(length)] = value;
            }
            if let Some(ends) = ends {
                bytes.truncate(ends.index(whole.len()));
            }
            steps(&bytes, &file);
            Ok(())
        })
        .unwrap();
}
