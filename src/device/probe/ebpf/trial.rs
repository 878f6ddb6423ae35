//! Tries what the kernel programs are made of, one thing at a time, with programs and maps that do nothing.
//!
//! Done before the real programs are loaded, so that a kernel that refuses a type is met with the smallest program there
//! is; and by `candord doctor`, which says of each what came of it.

use aya::maps::MapType;
use aya::programs::ProgramType;
use aya::sys::{is_map_supported, is_program_supported};

use super::Trial;

/// Types of programs that ours have, beside typed raw tracepoints. Those are of a type (tracing) whose trivial program is one
/// that hooks a function, which a system can refuse and take ours: they are tried by loading them. A test compares this with
/// the compiled objects: only types that every kernel of the last years has, none that can change what an app gets.
pub(super) const PROGRAM_TYPES: &[(ProgramType, &str)] =
    &[(ProgramType::RawTracePoint, "raw_tracepoint"), (ProgramType::TracePoint, "tracepoint")];

/// Types of maps that ours have; compared with the objects like those of programs.
pub(super) const MAP_TYPES: &[(MapType, &str)] = &[
    (MapType::Array, "array"),
    (MapType::PerCpuArray, "percpu_array"),
    (MapType::Hash, "hash"),
    (MapType::LruHash, "lru_hash"),
    (MapType::ProgramArray, "prog_array"),
    (MapType::RingBuf, "ringbuf"),
];

/// The first kernel that has each type which a kernel may be too old for: for the words of a refusal, never to decide by.
/// The ring buffer's is the oldest kernel that the eBPF probes support. A perf buffer would do for older ones; it would be a second
/// way out of every program, without the order among processors that records have now, and ptrace works there.
const SINCE: &[(&str, &str)] = &[("ringbuf", "5.8")];

/// Types without which nothing can be traced.
const NEEDED: &[&str] = &["raw_tracepoint", "array", "percpu_array", "hash", "prog_array", "ringbuf"];

/// Tries every type that our programs and maps have.
#[must_use]
pub fn try_types() -> Vec<Trial> {
    let programs = PROGRAM_TYPES.iter().map(|(kind, name)| {
        let result = is_program_supported(*kind).map_err(|error| (denied(&error), super::loader::chain(&error)));
        trial(name, true, result)
    });
    let maps = MAP_TYPES.iter().map(|(kind, name)| {
        let result = is_map_supported(*kind).map_err(|error| (denied(&error), super::loader::chain(&error)));
        trial(name, false, result)
    });
    programs.chain(maps).collect()
}

fn denied(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(super::loader::system_error(error), Some(libc::EPERM | libc::EACCES))
}

fn trial(name: &'static str, program: bool, result: Result<bool, (bool, String)>) -> Trial {
    let (denied, refusal) = match result {
        Ok(true) => (false, None),
        Ok(false) => (false, Some("the kernel has no such type".to_owned())),
        Err((denied, why)) => (denied, Some(why)),
    };
    Trial { name, program, needed: NEEDED.contains(&name), refusal, denied }
}

/// What is in the way of loading anything, if something is.
pub(super) fn obstacle(trials: &[Trial]) -> Option<(bool, String)> {
    let missing: Vec<&Trial> = trials.iter().filter(|trial| trial.needed && trial.refusal.is_some()).collect();
    let words: Vec<String> = missing
        .iter()
        .map(|trial| {
            let what = if trial.program { "programs" } else { "maps" };
            let since = SINCE.iter().find(|(name, _)| *name == trial.name && !trial.denied).map(|(_, version)| {
                format!(
                    ", which Linux has from {version} on; on older kernels --probes ptrace works (Linux 5.3 or later)"
                )
            });
            let refusal = trial.refusal.as_deref().unwrap_or_default();
            format!("{what} of type {}: {refusal}{}", trial.name, since.unwrap_or_default())
        })
        .collect();
    (!words.is_empty()).then(|| (missing.iter().any(|trial| trial.denied), words.join("; ")))
}

#[cfg(test)]
mod tests {
    use aya_obj::{Object, ProgramSection};

    use super::super::embedded::{
        CANARY, KERNEL_OBJECTS, KERNEL_OBJECTS_BY_CALLS, KERNEL_OBJECTS_BY_CASTS, KERNEL_OBJECTS_BY_EVENT,
        SYSTEM_CALLS, SYSTEM_CALLS_BY_EVENT,
    };
    use super::*;

    /// What all maps of an object may come to, the ring left out (its size is an option) and maps of each processor
    /// counted once: `docs/DEVICE-SAFETY.md` says so too.
    const MOST_MAP_BYTES: u64 = 16 << 20;

    #[test]
    fn objects_hold_no_types_but_those_that_are_tried_and_their_maps_are_small() {
        let objects = [
            ("by event", &KERNEL_OBJECTS_BY_EVENT),
            ("by casts", &KERNEL_OBJECTS_BY_CASTS),
            ("by typed pointers", &KERNEL_OBJECTS),
            ("by calls", &KERNEL_OBJECTS_BY_CALLS),
            ("system calls by event", &SYSTEM_CALLS_BY_EVENT),
            ("system calls", &SYSTEM_CALLS),
            ("canary", &CANARY),
        ];
        for (object, embedded) in objects {
            let unpacked = embedded.unpack().unwrap();
            let parsed = Object::parse(unpacked.bytes()).unwrap();
            assert!(!parsed.programs.is_empty(), "{object}");
            for (name, program) in &parsed.programs {
                let conservative = matches!(
                    program.section,
                    ProgramSection::RawTracePoint | ProgramSection::TracePoint | ProgramSection::BtfTracePoint
                );
                assert!(conservative, "{object}: program {name} is of another kind: {:?}", program.section);
            }
            let mut bytes = 0;
            for (name, map) in &parsed.maps {
                let known = MAP_TYPES.iter().find(|(kind, _)| *kind as u32 == map.map_type());
                let (_, kind) = known.unwrap_or_else(|| panic!("{object}: map {name} is of type {}", map.map_type()));
                if *kind != "ringbuf" {
                    bytes += u64::from(map.max_entries()) * u64::from(map.key_size() + map.value_size());
                }
                assert!(!name.is_empty() && map.max_entries() < 1 << 24, "{object}: map {name}");
            }
            assert!(bytes <= MOST_MAP_BYTES, "{object}: {bytes} bytes of maps");
            println!("{object}: {} programs, {} maps, {bytes} bytes", parsed.programs.len(), parsed.maps.len());
        }
    }

    #[test]
    fn a_kernel_too_old_for_the_ring_is_refused_with_what_would_work() {
        let trials = [trial("raw_tracepoint", true, Ok(true)), trial("ringbuf", false, Ok(false))];
        let (denied, why) = obstacle(&trials).unwrap();
        assert!(!denied);
        assert_eq!(
            why,
            "maps of type ringbuf: the kernel has no such type, which Linux has from 5.8 on; on older kernels --probes ptrace \
             works (Linux 5.3 or later)"
        );
        // A refusal by policy is another matter.
        let denied = [trial("ringbuf", false, Err((true, "Operation not permitted".to_owned())))];
        assert_eq!(obstacle(&denied).unwrap().1, "maps of type ringbuf: Operation not permitted");
    }

    #[test]
    fn what_is_missing_is_named_with_its_reason() {
        let mut trials = vec![
            trial("raw_tracepoint", true, Ok(true)),
            trial("tracepoint", true, Ok(false)),
            trial("ringbuf", false, Ok(true)),
        ];
        assert_eq!(obstacle(&trials), None, "tracepoints are for some families only");
        trials.push(trial("hash", false, Ok(false)));
        trials.push(trial("array", false, Err((true, "Operation not permitted".to_owned()))));
        let (denied, why) = obstacle(&trials).unwrap();
        assert!(denied);
        assert_eq!(why, "maps of type hash: the kernel has no such type; maps of type array: Operation not permitted");
    }
}
