//! The binder driver's own list of who knows what: `proc/PID` and `state` of its log directory.
//!
//! * **In:** the text of such a file. **Out:** for each process its nodes, and the handles by which it knows others'.
//! * **May import:** nothing.
//! * **Test it:** `cargo test binder_log`.
//!
//! Kernels differ in the fields of a line and in their order, so fields are found by their word, never by their place.
//! What is not understood is counted.

/// Where the driver's logs may be, below the root.
pub const PLACES: &[&str] = &["dev/binderfs/binder_logs", "sys/kernel/debug/binder"];

/// What one process has, in one binder context. A process that has opened several contexts has several of these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessLog {
    /// The process, as the kernel's first process name space counts.
    pub pid: u32,
    /// `binder`, `hwbinder`, `vndbinder`; empty on kernels that do not tell.
    pub context: String,
    /// Numbers of the nodes that it owns.
    pub nodes: Vec<u64>,
    /// Nodes of others that it knows.
    pub references: Vec<Reference>,
}

/// A node of another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// By which the process names it.
    pub handle: u32,
    /// Number of the node.
    pub node: u64,
    /// Its owner is gone.
    pub dead: bool,
}

/// What a log file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BinderLog {
    /// In the order of the file.
    pub processes: Vec<ProcessLog>,
    /// Lines about nodes and references that were not understood.
    pub not_understood: u64,
}

/// Reads a log file.
#[must_use]
pub fn parse(text: &str) -> BinderLog {
    let mut log = BinderLog::default();
    // Nodes whose owner is gone come first in `state`, before any process.
    let mut inside = false;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().take(64).collect();
        match words.as_slice() {
            ["proc", pid] => {
                inside = pid.parse::<u32>().is_ok();
                match pid.parse() {
                    Ok(pid) => log.processes.push(ProcessLog { pid, ..ProcessLog::default() }),
                    Err(_) => log.not_understood = log.not_understood.saturating_add(1),
                }
            }
            ["dead", "nodes:"] => inside = false,
            ["context", name, ..] => {
                if let Some(process) = log.processes.last_mut().filter(|_| inside) {
                    (*name).clone_into(&mut process.context);
                }
            }
            ["node", number, ..] if inside => {
                let number = number.trim_end_matches(':').parse();
                match (number, log.processes.last_mut()) {
                    (Ok(number), Some(process)) => process.nodes.push(number),
                    _ => log.not_understood = log.not_understood.saturating_add(1),
                }
            }
            ["ref", ..] if inside => match (reference(&words), log.processes.last_mut()) {
                (Some(reference), Some(process)) => process.references.push(reference),
                _ => log.not_understood = log.not_understood.saturating_add(1),
            },
            _ => {}
        }
    }
    log
}

fn reference(words: &[&str]) -> Option<Reference> {
    let after = |word| words.get(words.iter().position(|one| *one == word)? + 1).copied();
    Some(Reference {
        handle: after("desc")?.parse().ok()?,
        node: after("node")?.parse().ok()?,
        dead: words.contains(&"dead"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(handle: u32, node: u64, dead: bool) -> Reference {
        Reference { handle, node, dead }
    }

    #[test]
    fn a_kernel_of_today() {
        let text = "binder proc state:\nproc 706\ncontext binder\n  thread 706: l 12 need_return 0 tr 0\n  thread 711: l 00 need_return 0 tr 0\n  \
            node 83011: u0000000000000001 c0000000000000000 pri 0:120 hs 1 hw 1 ls 0 lw 0 is 2 iw 2 tr 1 proc 712 500\n  \
            ref 83005: desc 0 node 1 s 1 w 1 d 0000000000000000\n  ref 83020: desc 1 node 83017 s 1 w 1 d 0000000000000000\n  \
            buffer 83021: 0 size 0:0:0 delivered\n";
        let process = ProcessLog {
            pid: 706,
            context: "binder".to_owned(),
            nodes: vec![83011],
            references: vec![known(0, 1, false), known(1, 83017, false)],
        };
        assert_eq!(parse(text), BinderLog { processes: vec![process], not_understood: 0 });
    }

    #[test]
    fn an_old_kernel_and_a_process_in_two_contexts() {
        let text = "binder proc state:\nproc 42\n  thread 42: l 12\n  node 7: u00000000b4000071 c00000000b4000072 hs 1 hw 1 ls 0 lw 0 is 1 iw 1 proc 9\n  \
            ref 8: desc 3 dead node 5 s 1 w 1 d           (null)\nproc 42\ncontext hwbinder\n  ref 9: desc 0 node 2 s 1 w 0 d 0\n";
        let log = parse(text);
        let references: Vec<_> =
            log.processes.iter().map(|one| (one.pid, one.context.as_str(), one.references.as_slice())).collect();
        assert_eq!(references, [(42, "", &[known(3, 5, true)][..]), (42, "hwbinder", &[known(0, 2, false)][..])]);
        assert_eq!((log.processes[0].nodes.as_slice(), log.not_understood), (&[7][..], 0));
    }

    #[test]
    fn the_state_of_all_processes_begins_with_dead_nodes() {
        let text = "binder state:\ndead nodes:\n  node 11: u0 c0 hs 0 hw 0 ls 0 lw 0 is 1 iw 1 tr 0 proc 5\nproc 5\ncontext binder\n  \
            ref 12: desc 1 dead node 11 s 1 w 1 d 0\nproc 6\ncontext binder\n  node 20: u1 c0\n";
        let log = parse(text);
        assert_eq!(log.processes.iter().map(|one| (one.pid, one.nodes.len())).collect::<Vec<_>>(), [(5, 0), (6, 1)]);
    }

    #[test]
    fn damaged_lines_are_counted() {
        let log = parse(
            "proc x\nproc 5\n  node : u\n  ref 1: desc x node 5\n  ref 1: desc 4294967296 node 5\n  ref 1: desc 4\nref\n",
        );
        assert_eq!((log.processes.len(), log.not_understood), (1, 6));
        assert_eq!(parse(""), BinderLog::default());
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "((proc|node|ref|desc|dead|context|[0-9:]{1,12}|\\PC{0,4})[ \n]){0,60}") {
            let log = parse(&text);
            prop_assert!(log.processes.len() <= text.lines().count());
        }
    }
}
