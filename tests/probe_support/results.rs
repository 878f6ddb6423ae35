//! What the suite saw on one kernel, and the table that is made of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use candor::event::{EventKind, Family, ProbeState, ProbeStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::observe::{Observed, Place, observe, refusal};
use super::table::{Cell, LOOKED_UP, Row};
use super::{TIERS, find, miss};

/// One kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelResult {
    /// What it is called: `uname -r`, or only the number of the version for a machine that is nobody else's.
    pub release: String,
    /// `uname -m`.
    pub architecture: String,
    /// Where it comes from.
    pub origin: String,
    /// Whether it has type information.
    pub btf: bool,
    /// What each tier saw.
    pub tiers: BTreeMap<String, TierResult>,
}

/// One tier on one kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TierResult {
    /// The daemon does not offer it here, and says why.
    Refused(String),
    /// For each line of the table what was seen.
    Seen(BTreeMap<String, Cell>),
}

/// The name of the tier's probe.
fn probe_of(tier: &str) -> &'static str {
    match tier {
        "ebpf-objects" => "ebpf_kernel_objects",
        "ebpf-syscalls" => "ebpf_system_calls",
        "ptrace" => "ptrace",
        _ => "procfs",
    }
}

/// Runs the suite with one tier. Returns what was seen, and everything that is not as it has to be.
pub fn run_tier(place: &mut dyn Place, tier: &str, btf: bool) -> (TierResult, Vec<String>) {
    place.serve(tier).unwrap_or_else(|reason| panic!("{tier}: the daemon does not start: {reason}"));
    if tier == "ebpf-objects" && !btf {
        // It would load and read wrong places: the loader skips relocation without a word.
        let reason = refusal(place).expect("without type information nobody can record with this tier");
        assert!(reason.contains("CONFIG_DEBUG_INFO_BTF"), "the refusal does not say what is missing: {reason}");
        return (TierResult::Refused("the kernel has no type information (BTF)".to_owned()), Vec::new());
    }
    let observed = observe(place, tier);
    let mut wrong = Vec::new();
    let cells = compare(&observed, observed.rows(place), tier, &mut wrong);
    claims(&observed, tier, &cells, &mut wrong);
    (TierResult::Seen(cells), wrong)
}

/// What was seen for each line, and where that is not what the table promises.
pub fn compare(observed: &Observed, rows: Vec<Row>, tier: &str, wrong: &mut Vec<String>) -> BTreeMap<String, Cell> {
    let events = observed.events();
    let place = TIERS.iter().position(|known| *known == tier).expect("a known tier");
    let mut cells = BTreeMap::new();
    for row in rows {
        let (promised, seen) = if observed.has(row.needs) {
            (row.promised[place], Cell::of(find(&events, &row.expected)))
        } else {
            (Cell::Absent, find(&events, &row.expected).map_or(Cell::Absent, |event| Cell::of(Some(event))))
        };
        let by_chance = promised == Cell::Chance && (seen == Cell::Blind || seen == Cell::met_by_chance(place));
        let seen = if by_chance { promised } else { seen };
        if seen != promised {
            let line = row.line();
            let what = find(&events, &row.expected)
                .map_or_else(|| miss(tier, &events, &row.expected), |event| format!("{tier}: {event:#}"));
            wrong.push(format!("{tier}: {line}: promised {}, seen {}\n{what}", promised.text(), seen.text()));
        }
        // Of several expectations on one line the weakest counts.
        let cell = cells.entry(row.line()).or_insert(seen);
        *cell = seen.max(*cell);
    }
    cells
}

/// What the daemon claims of each family, against what was seen of it.
fn claims(observed: &Observed, tier: &str, cells: &BTreeMap<String, Cell>, wrong: &mut Vec<String>) {
    let statuses: Vec<ProbeStatus> = serde_json::from_value(observed.header()["probes"].clone()).unwrap();
    for family in Family::TRACED {
        let Some(status) =
            statuses.iter().find(|status| status.probe.name() == probe_of(tier) && status.family == *family)
        else {
            wrong.push(format!("{tier}: the header says nothing of {}", family.name()));
            continue;
        };
        let kinds = EventKind::ALL.iter().filter(|kind| kind.family() == *family && **kind != EventKind::BlindSpot);
        let mut seen_of: Vec<(&str, bool)> = Vec::new();
        for kind in kinds {
            let lines = cells.iter().filter(|(line, _)| line.split(',').next() == Some(kind.name()));
            let of_kind: Vec<Cell> = lines.map(|(_, cell)| *cell).filter(|cell| *cell != Cell::Absent).collect();
            if !of_kind.is_empty() {
                seen_of.push((kind.name(), of_kind.iter().any(|cell| *cell != Cell::Blind)));
            }
        }
        let (any, all) = (seen_of.iter().any(|(_, seen)| *seen), seen_of.iter().all(|(_, seen)| *seen));
        let agrees = match status.state {
            ProbeState::Attached => all,
            ProbeState::Partial => any && !status.reason.is_empty(),
            ProbeState::Absent => seen_of.is_empty(),
            ProbeState::Unsupported | ProbeState::Denied => !any,
        };
        if !agrees {
            wrong.push(format!(
                "{tier}: the daemon claims {} to be {} ({}), and of its kinds were seen: {seen_of:?}",
                family.name(),
                status.state.name(),
                status.reason
            ));
        }
    }
}

/// The whole document.
pub fn document(kernels: &[KernelResult]) -> String {
    let mut text = format!("{HEAD}{}", origins(kernels));
    text.push_str("\nNot in the tables, because the daemon looks them up in files of the system, whatever traces and on every kernel:\n");
    for (kind, test) in LOOKED_UP {
        let _ = writeln!(text, "* {} (`{test}`)", kind.name());
    }
    for tier in TIERS {
        let _ = write!(text, "\n## `--probes {tier}`\n\n| event |");
        for kernel in kernels {
            let _ = write!(text, " {} |", kernel.release);
        }
        text.push_str("\n|---|");
        text.push_str(&"---|".repeat(kernels.len()));
        text.push('\n');
        let results: Vec<Option<&TierResult>> = kernels.iter().map(|kernel| kernel.tiers.get(tier)).collect();
        let mut lines: Vec<&String> = kernels
            .iter()
            .flat_map(|kernel| kernel.tiers.values())
            .filter_map(|result| match result {
                TierResult::Seen(cells) => Some(cells.keys()),
                TierResult::Refused(_) => None,
            })
            .flatten()
            .collect();
        let order = |line: &str| EventKind::ALL.iter().position(|kind| line.split(',').next() == Some(kind.name()));
        lines.sort_by_key(|line| (order(line), line.as_str()));
        lines.dedup();
        for line in lines {
            let _ = write!(text, "| {line} |");
            for result in &results {
                let cell = match result {
                    Some(TierResult::Seen(cells)) => cells.get(line).copied().unwrap_or(Cell::Blind).text(),
                    Some(TierResult::Refused(_)) => "refused",
                    None => "not run",
                };
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
        for (kernel, result) in kernels.iter().zip(&results) {
            if let Some(TierResult::Refused(reason)) = result {
                let _ = write!(text, "\nRefused on {}: {reason}.\n", kernel.release);
            }
        }
    }
    text
}

const HEAD: &str = "# What each probe sees on each kernel

Made by `scripts/test-kernels`; do not edit. On each kernel a known program (`tests/probe_support/work.rs`) acts, traced by the
same daemon with each kind of probe, and what is recorded is compared with one table of expectations
(`tests/probe_support/table.rs`). A cell is what was seen, not what is claimed; the run fails when the two differ, or when
the daemon's own words about a family do.

| cell | meaning |
|---|---|
| faithful | seen, and each field is the kernel's own word |
| hint | seen, and some field is not: a name that the app passed, a directory looked up later. The event says which way |
| sampled | seen because a look at `/proc` met it; what is shorter than the time between two looks is not |
| by chance | seen or not, depending on when `/proc` is read: what is done lasts too short a time for a look to meet it each time |
| blind | done, and not seen |
| - | not done: this kernel has no binder driver, no `io_uring`, or runs no 32-bit programs |
| refused | the daemon does not offer this probe here, and says why |

One line stands for several expectations where a kind of events has several; the weakest counts.

";

/// Where the kernels come from, as a table of its own.
fn origins(kernels: &[KernelResult]) -> String {
    let mut text =
        "## The kernels\n\n| kernel | machine | type information | where it is from |\n|---|---|---|---|\n".to_owned();
    for kernel in kernels {
        let btf = if kernel.btf { "yes" } else { "no" };
        let _ = writeln!(text, "| {} | {} | {btf} | {} |", kernel.release, kernel.architecture, kernel.origin);
    }
    text
}

/// The number of a version, for sorting.
pub fn version(release: &str) -> Vec<u64> {
    let numbers = release.split(|letter: char| !letter.is_ascii_digit());
    numbers.take(3).filter_map(|number| number.parse().ok()).collect()
}

/// The release as the header of a recording has it, and what else is known of the kernel.
pub fn describe(header: &Value) -> (String, String, bool) {
    let device = &header["device"];
    let text = |name: &str| device[name].as_str().expect("a header names its device").to_owned();
    (text("kernel_release"), text("architecture"), device["kernel_btf"] == true)
}

impl TierResult {
    /// One line for whoever waits.
    pub fn summary(&self) -> String {
        match self {
            Self::Refused(reason) => format!("refused: {reason}"),
            Self::Seen(cells) => {
                let count = |wanted: Cell| cells.values().filter(|cell| **cell == wanted).count();
                let words = [Cell::Faithful, Cell::Hint, Cell::Sampled, Cell::Blind, Cell::Absent].map(|cell| {
                    format!("{} {}", count(cell), if cell == Cell::Absent { "absent" } else { cell.text() })
                });
                words.join(", ")
            }
        }
    }
}
