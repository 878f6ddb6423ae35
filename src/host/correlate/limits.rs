//! Bounds on memory. What does not fit is counted, and makes "none observed" into "cannot tell".

/// Events kept as evidence for each observed tuple.
pub(super) const EVIDENCE_PER_TUPLE: usize = 5;
/// Distinct paths or peers kept for each observed tuple.
pub(super) const PLACES_PER_TUPLE: usize = 8;
/// Files whose code acted, kept for each row.
pub(super) const CODE_PER_TUPLE: usize = 8;
/// Observed tuples, of data and of recipients each.
pub(super) const TUPLES: usize = 50_000;
/// Open connections whose name or end is still awaited.
pub(super) const FLOWS: usize = 100_000;
/// Open files of interest whose totals are awaited.
pub(super) const OPEN_FILES: usize = 100_000;
/// Addresses that DNS answers gave a name to.
pub(super) const NAMED_ADDRESSES: usize = 100_000;
/// Names kept for one address, and aliases for one name.
pub(super) const NAMES_PER_ADDRESS: usize = 16;
/// Paths whose data types are remembered.
pub(super) const REMEMBERED_PATHS: usize = 65_536;
/// The longest path that is remembered, in bytes.
pub(super) const REMEMBERED_PATH_LENGTH: usize = 512;
/// Gaps kept with their place in time; more are only counted, as being anywhere.
pub(super) const GAPS: usize = 10_000;
/// Phase marks.
pub(super) const PHASE_MARKS: usize = 10_000;
/// Processes whose place on the screen is followed.
pub(super) const PROCESSES_ON_SCREEN: usize = 10_000;
/// Changes of the app's place on the screen.
pub(super) const SCREEN_CHANGES: usize = 10_000;
/// Blind spots kept one by one.
pub(super) const BLIND_SPOTS: usize = 1_000;
/// Apps and addresses that are only listed.
pub(super) const LISTED: usize = 1_000;
/// What processes read lately, by process and data type.
pub(super) const RECENT_READINGS: usize = 50_000;
/// Readings of one type by one process that a sending is looked for after.
pub(super) const LATEST_READINGS: usize = 32;
/// Processes whose parent is remembered.
pub(super) const READERS: usize = 50_000;
/// The process itself and those that started it, whose sending may carry what it read.
pub(super) const ANCESTORS: usize = 4;
/// Data types tied to one connection.
pub(super) const TIED_TYPES: usize = 64;
