//! The tracing file system: which tracepoints there are, and the places of their fields.

use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Where it usually is.
const PLACES: &[&str] = &["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Variables of the kernel programs, and the field whose offset each holds: group `sched`, event, field.
const FIELDS: &[(&str, &str, &str)] = &[
    ("fork_child_pid_offset", "sched_process_fork", "child_pid"),
    ("exec_filename_offset", "sched_process_exec", "filename"),
    ("exit_group_dead_offset", "sched_process_exit", "group_dead"),
];

fn mounted() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|place| place.join("events/sched").is_dir())
}

/// Runs `work` where the file system can be read. When it is not mounted it is mounted for this work only, in a thread
/// with mounts of its own: the system's mounts stay as they are.
pub(super) fn with_tracefs<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if mounted().is_some() {
        return work();
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let private = || -> nix::Result<()> {
                unshare(CloneFlags::CLONE_NEWNS)?;
                mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
                mount(Some("tracefs"), "/sys/kernel/tracing", Some("tracefs"), MsFlags::empty(), None::<&str>)
            };
            if let Err(error) = private() {
                // The programs that need it say later what is missing because of it.
                tracing::debug!(%error, "the tracing file system cannot be mounted");
            }
            work()
        });
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The offset of each field that the kernel programs ask for; -1 where it is not there.
pub(super) fn field_offsets() -> Vec<(&'static str, i32)> {
    let place = mounted();
    FIELDS
        .iter()
        .map(|(variable, event, field)| {
            let format = place.as_deref().and_then(|place| read_format(place, event)).unwrap_or_default();
            (*variable, field_offset(&format, field).unwrap_or(-1))
        })
        .collect()
}

fn read_format(place: &Path, event: &str) -> Option<String> {
    std::fs::read_to_string(place.join("events/sched").join(event).join("format")).ok()
}

/// The format file of a tracepoint, if there is such a tracepoint.
pub(super) fn event_format(group: &str, event: &str) -> Option<String> {
    std::fs::read_to_string(mounted()?.join("events").join(group).join(event).join("format")).ok()
}

/// Which of these tracepoints (group, event) there are; `None` when that cannot be looked up.
#[must_use]
pub fn tracepoints(wanted: &[(&str, &str)]) -> Option<Vec<bool>> {
    with_tracefs(|| {
        mounted()?;
        Some(wanted.iter().map(|(group, event)| event_format(group, event).is_some()).collect())
    })
}

/// Whether tracepoints can be looked up at all.
pub(super) fn is_readable() -> bool {
    mounted().is_some()
}

/// The offset of a field in a format file. A line of it, where the gaps are tabs:
/// `field:pid_t child_pid; offset:20; size:4; signed:1;`
pub(super) fn field_offset(format: &str, field: &str) -> Option<i32> {
    format.lines().find_map(|line| {
        let declaration = line.trim().strip_prefix("field:")?;
        let (declared, rest) = declaration.split_once(';')?;
        // Fixed arrays have their size after the name.
        let name = declared.split_whitespace().next_back()?.split('[').next()?;
        if name != field {
            return None;
        }
        rest.split(';').find_map(|part| part.trim().strip_prefix("offset:")?.parse().ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORK: &str = "name: sched_process_fork\nID: 366\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
        \tfield:__data_loc char[] parent_comm;\toffset:8;\tsize:4;\tsigned:0;\n\
        \tfield:pid_t parent_pid;\toffset:12;\tsize:4;\tsigned:1;\n\
        \tfield:char comm[16];\toffset:24;\tsize:16;\tsigned:0;\n\
        \tfield:pid_t child_pid;\toffset:20;\tsize:4;\tsigned:1;\n\nprint fmt: \"child_pid=%d\", REC->child_pid\n";

    #[test]
    fn offsets_are_read_from_the_format() {
        assert_eq!(field_offset(FORK, "child_pid"), Some(20));
        assert_eq!(field_offset(FORK, "parent_comm"), Some(8));
        assert_eq!(field_offset(FORK, "comm"), Some(24));
        assert_eq!(field_offset(FORK, "group_dead"), None);
        assert_eq!(field_offset("field:x y; offset:abc;", "y"), None);
    }
}
