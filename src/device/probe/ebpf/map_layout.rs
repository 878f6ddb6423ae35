//! What kernel programs and user space share through maps: the numbers of `programs/map_layout.h` again.

use super::super::record_layout::u64_at;
use crate::event::ProgramCounters;

/// System-call numbers that the table has room for.
pub(super) const CALL_NUMBERS: usize = 512;
/// Size of `struct settings`.
pub(super) const SETTINGS_SIZE: usize = 32 + CALL_NUMBERS;

/// Offsets in `struct settings`.
pub(super) mod settings {
    pub(in super::super) const SELECTED_BY: usize = 0;
    pub(in super::super) const OWN_TGID: usize = 4;
    pub(in super::super) const WAKE_BYTES: usize = 8;
    pub(in super::super) const GENERATION: usize = 12;
    pub(in super::super) const CROWDING: usize = 16;
    pub(in super::super) const CROWD_BYTES: usize = 24;
    pub(in super::super) const OPERATION: usize = 32;
}

/// `enum selected_by`.
pub(super) const SELECTED_BY_UID: u32 = 1;
/// `enum selected_by`.
pub(super) const SELECTED_BY_TREE: u32 = 2;

/// `struct descriptor_key`: process and descriptor.
pub(super) type DescriptorKey = [u32; 2];
/// Size of `struct descriptor`.
pub(super) const DESCRIPTOR_SIZE: usize = 144;
/// `struct descriptor`, as bytes: field by field, so that no `unsafe` vouches for a layout.
pub(super) type DescriptorBytes = [u8; DESCRIPTOR_SIZE];
/// Size of `struct unix_names`.
pub(super) const UNIX_NAMES_SIZE: usize = 2 + 2 * UNIX_NAME_MAX;
/// Room for a name in `struct unix_names`.
pub(super) const UNIX_NAME_MAX: usize = 108;

/// Offsets in `struct descriptor`.
pub(super) mod descriptor {
    pub(in super::super) const HANDLE: usize = 0;
    pub(in super::super) const START_NS: usize = 16;
    pub(in super::super) const BYTES_IN: usize = 24;
    pub(in super::super) const UID: usize = 56;
    pub(in super::super) const GID: usize = 60;
    pub(in super::super) const FLAGS: usize = 68;
    pub(in super::super) const KIND: usize = 70;
    pub(in super::super) const FAMILY: usize = 72;
    pub(in super::super) const TYPE: usize = 74;
    pub(in super::super) const PROTOCOL: usize = 76;
    pub(in super::super) const COMM: usize = 80;
    pub(in super::super) const LOCAL: usize = 96;
    pub(in super::super) const REMOTE: usize = 120;
}

/// `struct descriptor_bucket`, in 64-bit words: the keys, whether it overflowed, the ways.
pub(super) mod descriptor_bucket {
    pub(in super::super) const COUNT: usize = 2048;
    pub(in super::super) const WAYS: usize = 4;
    pub(in super::super) const OVERFLOWED: usize = WAYS;
    pub(in super::super) const FIRST_WAY: usize = OVERFLOWED + 1;
    pub(in super::super) const WAY_WORDS: usize = super::DESCRIPTOR_SIZE / 8;
    pub(in super::super) const WORDS: usize = FIRST_WAY + WAYS * WAY_WORDS;
    /// In a key: somebody is filling the way.
    pub(in super::super) const KEY_BUSY: u64 = 1 << 63;
}

/// `enum descriptor_kind`.
pub(super) const DESCRIPTOR_FILE: u8 = 1;
/// `enum descriptor_kind`.
pub(super) const DESCRIPTOR_SOCKET: u8 = 2;

/// Size of `struct binder_call`.
pub(super) const BINDER_CALL_SIZE: usize = 144;
/// `struct binder_call`, as bytes.
pub(super) type BinderCallBytes = [u8; BINDER_CALL_SIZE];

/// Offsets in `struct binder_call`.
pub(super) mod binder_call {
    pub(in super::super) const SESSIONS: usize = 0;
    pub(in super::super) const TIME_NS: usize = 8;
    pub(in super::super) const RECEIVER: usize = 60;
    pub(in super::super) const FLAGS: usize = 68;
    pub(in super::super) const STATE: usize = 72;
}

/// `TF_ONE_WAY` of a transaction's flags.
pub(super) const BINDER_ONE_WAY: u32 = 1;
/// `enum binder_call_state`.
pub(super) const BINDER_CALL_NO_REPLY: u32 = 2;

/// `struct interface_key`: a descriptor in UTF-16, filled with zeros.
pub(super) type InterfaceKey = [u8; 128];

/// Programs with an account, by index: `enum program`.
pub(super) const PROGRAMS: &[(u32, &str)] = &[
    (1, "file_open"),
    (2, "transfer"),
    (3, "descriptor_close"),
    (4, "path_change"),
    (5, "socket_setup"),
    (6, "exec_failed"),
    (7, "blind_spot"),
    (8, "descriptor_found"),
    (9, "socket_payload"),
    (10, "process_start"),
    (11, "process_exec"),
    (12, "process_exit"),
    (13, "binder_sent"),
    (14, "binder_reference"),
    (15, "binder_received"),
    (16, "binder_delivered"),
    (17, "socket_peer"),
];

/// Size of `struct account`.
pub(super) const ACCOUNT_SIZE: usize = 40;

/// The account of one program, from its value on each processor.
pub(super) fn sum_accounts<'a>(program: &str, values: impl Iterator<Item = &'a [u8; ACCOUNT_SIZE]>) -> ProgramCounters {
    let mut sum = ProgramCounters { program: program.to_owned(), ..ProgramCounters::default() };
    for value in values {
        sum.seen = sum.seen.saturating_add(u64_at(value, 0));
        sum.submitted = sum.submitted.saturating_add(u64_at(value, 8));
        sum.filtered = sum.filtered.saturating_add(u64_at(value, 16));
        sum.aggregated = sum.aggregated.saturating_add(u64_at(value, 24));
        sum.lost = sum.lost.saturating_add(u64_at(value, 32));
    }
    sum
}

/// C assertions that these numbers are those of `programs/map_layout.h`; `tests/ebpf_layout.rs` gives them to clang.
pub fn map_layout_assertions() -> String {
    let sizes = [
        ("settings", SETTINGS_SIZE),
        ("descriptor", DESCRIPTOR_SIZE),
        ("descriptor_key", size_of::<DescriptorKey>()),
        ("descriptor_bucket", 8 * descriptor_bucket::WORDS),
        ("unix_names", UNIX_NAMES_SIZE),
        ("account", ACCOUNT_SIZE),
        ("binder_call", BINDER_CALL_SIZE),
        ("interface_key", size_of::<InterfaceKey>()),
        ("session_loss", size_of::<[u64; 2]>()),
    ];
    let offsets = [
        ("settings", "selected_by", settings::SELECTED_BY),
        ("settings", "own_tgid", settings::OWN_TGID),
        ("settings", "wake_bytes", settings::WAKE_BYTES),
        ("settings", "generation", settings::GENERATION),
        ("settings", "crowding", settings::CROWDING),
        ("settings", "crowd_bytes", settings::CROWD_BYTES),
        ("settings", "operation", settings::OPERATION),
        ("descriptor", "handle", descriptor::HANDLE),
        ("descriptor", "start_ns", descriptor::START_NS),
        ("descriptor", "bytes_in", descriptor::BYTES_IN),
        ("descriptor", "bytes_out", descriptor::BYTES_IN + 8),
        ("descriptor", "calls_in", descriptor::BYTES_IN + 16),
        ("descriptor", "calls_out", descriptor::BYTES_IN + 24),
        ("descriptor", "uid", descriptor::UID),
        ("descriptor", "gid", descriptor::GID),
        ("descriptor", "flags", descriptor::FLAGS),
        ("descriptor", "kind", descriptor::KIND),
        ("descriptor", "family", descriptor::FAMILY),
        ("descriptor", "type", descriptor::TYPE),
        ("descriptor", "protocol", descriptor::PROTOCOL),
        ("descriptor", "local", descriptor::LOCAL),
        ("descriptor", "remote", descriptor::REMOTE),
        ("descriptor", "comm", descriptor::COMM),
        ("descriptor_bucket", "overflowed", 8 * descriptor_bucket::OVERFLOWED),
        ("descriptor_bucket", "ways", 8 * descriptor_bucket::FIRST_WAY),
        ("account", "submitted", 8),
        ("account", "filtered", 16),
        ("account", "aggregated", 24),
        ("account", "lost", 32),
        ("unix_names", "local", 2),
        ("unix_names", "remote", 2 + UNIX_NAME_MAX),
        ("session_loss", "map_full", 8),
        ("binder_call", "sessions", binder_call::SESSIONS),
        ("binder_call", "time_ns", binder_call::TIME_NS),
        ("binder_call", "receiver", binder_call::RECEIVER),
        ("binder_call", "flags", binder_call::FLAGS),
        ("binder_call", "state", binder_call::STATE),
    ];
    let mut source = String::new();
    for (structure, size) in sizes {
        source.push_str(&format!("_Static_assert(sizeof(struct {structure}) == {size}, \"{structure}\");\n"));
    }
    for (structure, field, offset) in offsets {
        source.push_str(&format!(
            "_Static_assert(__builtin_offsetof(struct {structure}, {field}) == {offset}, \"{structure}.{field}\");\n"
        ));
    }
    source.push_str(&format!("_Static_assert(BINDER_CALL_NO_REPLY == {BINDER_CALL_NO_REPLY}, \"call state\");\n"));
    source.push_str(&format!(
        "_Static_assert(DESCRIPTOR_BUCKETS == {} && DESCRIPTOR_WAYS == {} && DESCRIPTOR_KEY_BUSY == {:#x}, \"buckets\");\n",
        descriptor_bucket::COUNT,
        descriptor_bucket::WAYS,
        descriptor_bucket::KEY_BUSY
    ));
    for (index, name) in PROGRAMS {
        source.push_str(&format!("_Static_assert(PROGRAM_{} == {index}, \"{name}\");\n", name.to_uppercase()));
    }
    for (call, operation) in super::calls::operations() {
        source.push_str(&format!("_Static_assert({call} == {operation}, \"{call}\");\n"));
    }
    source
}
