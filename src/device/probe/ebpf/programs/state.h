/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Maps, accounts, and the state that a chain of programs hands on. */
#ifndef CANDOR_STATE_H
#define CANDOR_STATE_H

#define ARGUMENT_MAX 2048 /* bytes of a path argument, its NUL included */
#define BASE_MAX 1920
#define PATH_MAX_BYTES 4096
#define COMMAND_LINE_MAX 1024
#define PAYLOAD_MAX 4096
#define STREAM_PREFIX_MAX 4096
#define COMPONENT_MAX 256
#define PATH_DEPTH_MAX 64
#define RECORD_SLACK PAYLOAD_MAX
#define ENTRY_BLOCK_SIZE 104 /* of a directory entry of the kernel, its short name included */
#define SHORT_NAME_SLACK 40

/*
 * What one run knows, and the record it builds. Per processor and per entry point: tracepoint programs are not
 * pre-empted by themselves, and the entry points do not nest.
 */
struct scratch {
	__u64 time_ns;       /* of the act; 0: the clock was not read yet in this run */
	__u64 task;          /* address of the current task, where it is of use */
	__u64 sessions;
	__u64 start_ns;      /* of the current process; 0: not looked up yet in this run */
	__s64 result;
	__u64 arguments[6];
	__u32 tgid;
	__u32 tid;
	__u32 uid;
	__u32 gid;
	__u32 operation;
	__u32 length;        /* of the record so far */
	__u32 step;          /* transfer: which descriptor of the call is next */
	__u32 aggregated;    /* transfer: something was added to a total */
	__u32 found_steps;   /* transfer: bit N: the descriptor of step N was looked up in the kernel's table */
	__u32 peer_steps;    /* transfer: bit N: the peer of the stream of step N was looked for */
	__s32 fd;            /* transfer: the descriptor in hand */
	__u32 outward;       /* transfer: bytes leave the process */
	__u32 pad;
	__u64 moved;         /* transfer: bytes, before this call, that had gone this way */
	__u64 bytes;         /* transfer: bytes of this call */
	__s64 message;       /* payload: which message of the call is next */
	__u64 root_entry;    /* path walk */
	__u64 root_mount;
	__u64 unwoken;       /* bytes of records since this one of the scratches last woke the reader */
	struct descriptor_key key;
	struct descriptor descriptor;
	struct unix_names names;
	/* Aligned, or else clang zeroes and copies it byte by byte. */
	__u8 entry_block[ENTRY_BLOCK_SIZE + SHORT_NAME_SLACK] __attribute__((aligned(8))); /* path walk: the entry in hand */
	__u8 record[RECORD_MAX + RECORD_SLACK] __attribute__((aligned(8)));
};

enum entry {
	ENTRY_SYSTEM_CALL = 0,
	ENTRY_PROCESS_START = 1,
	ENTRY_PROCESS_EXEC = 2,
	ENTRY_PROCESS_EXIT = 3,
	ENTRY_BINDER = 4,
	ENTRY_COUNT = 5,
};

struct {
	MAP_NUMBER(type, MAP_ARRAY);
	MAP_NUMBER(max_entries, 1);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct settings);
} settings SECTION(".maps");

/* Real user id -> session bits. */
struct {
	MAP_NUMBER(type, MAP_HASH);
	MAP_NUMBER(max_entries, 1024);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, __u64);
} selected_uids SECTION(".maps");

/* Process -> session bits, for processes in selected trees. */
struct {
	MAP_NUMBER(type, MAP_HASH);
	MAP_NUMBER(max_entries, 16384);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, __u64);
} selected_trees SECTION(".maps");

#if CANDOR_TYPED_POINTERS
/*
 * The sessions of the processes that this processor served last, so that most calls need no look into the maps above.
 * The time of its start tells a process from another of the same number, a user id can be changed, and the generation
 * tells when user space changed the filters; what the kernel programs change belongs to processes that begin or end.
 */
#define MEMBERSHIPS 64
struct membership {
	__u64 start_ns;
	__u64 sessions;
	__u32 tgid;
	__u32 uid;
	__u32 generation;
	__u32 pad;
};
struct {
	MAP_NUMBER(type, MAP_PER_CPU_ARRAY);
	MAP_NUMBER(max_entries, MEMBERSHIPS);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct membership);
} memberships SECTION(".maps");
#endif

struct {
	MAP_NUMBER(type, MAP_PROGRAM_ARRAY);
	MAP_NUMBER(max_entries, PROGRAM_COUNT);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, __u32);
} handlers SECTION(".maps");

struct {
	MAP_NUMBER(type, MAP_PER_CPU_ARRAY);
	MAP_NUMBER(max_entries, ENTRY_COUNT);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct scratch);
} scratches SECTION(".maps");

struct {
	MAP_NUMBER(type, MAP_PER_CPU_ARRAY);
	MAP_NUMBER(max_entries, PROGRAM_COUNT);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct account);
} accounts SECTION(".maps");

/* Set of sessions -> what was lost for it. A set rather than a slot as the key: no loop over 64 slots in each program. */
struct {
	MAP_NUMBER(type, MAP_HASH);
	MAP_NUMBER(max_entries, 1024);
	MAP_TYPE(key, __u64);
	MAP_TYPE(value, struct session_loss);
} session_losses SECTION(".maps");

/*
 * Open descriptors. Where the kernel is new enough most of them are in an array instead, which the programs reach without
 * calls and without taking memory from a list; here is then what finds no place there.
 */
struct {
	MAP_NUMBER(type, MAP_HASH);
	MAP_NUMBER(max_entries, 16384);
	MAP_TYPE(key, struct descriptor_key);
	MAP_TYPE(value, struct descriptor);
} descriptors SECTION(".maps");

#if CANDOR_CASTS
struct {
	MAP_NUMBER(type, MAP_ARRAY);
	MAP_NUMBER(max_entries, DESCRIPTOR_BUCKETS);
	MAP_NUMBER(map_flags, MAP_FLAG_SHARED_MEMORY);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct descriptor_bucket);
} descriptor_buckets SECTION(".maps");
#endif

struct {
	MAP_NUMBER(type, MAP_HASH);
	MAP_NUMBER(max_entries, 4096);
	MAP_TYPE(key, struct descriptor_key);
	MAP_TYPE(value, struct unix_names);
} unix_socket_names SECTION(".maps");

/*
 * Peers of unconnected datagram sockets whose totals were told when the socket turned to another one. So a socket that
 * turns between two peers with each datagram makes one record for each of them, and not one for each datagram.
 */
struct told_peer {
	__u64 handle;
	__u32 tgid;
	__u32 pad;
	struct socket_end peer;
};
struct {
	MAP_NUMBER(type, MAP_LRU_HASH);
	MAP_NUMBER(max_entries, 4096);
	MAP_TYPE(key, struct told_peer);
	MAP_TYPE(value, __u8);
} told_peers SECTION(".maps");

/* Processes that something was told about once: key is 2 * tgid + what, value the start time. */
struct {
	MAP_NUMBER(type, MAP_LRU_HASH);
	MAP_NUMBER(max_entries, 8192);
	MAP_TYPE(key, __u64);
	MAP_TYPE(value, __u64);
} told_once SECTION(".maps");

struct {
	MAP_NUMBER(type, MAP_RING_BUFFER);
	MAP_NUMBER(max_entries, 8388608);
} ring SECTION(".maps");

#define COUNT(program, field)                                                  \
	do {                                                                   \
		__u32 account_index = (program);                               \
		struct account *account_found = map_lookup(&accounts, &account_index); \
		if (account_found)                                             \
			account_found->field++;                                \
	} while (0)

INLINE struct scratch *scratch_of(__u32 entry)
{
	return map_lookup(&scratches, &entry);
}

/* The time of the act. Most calls only add to a total and need none, so the clock is read when it is first asked for. */
INLINE __u64 time_of(struct scratch *s)
{
	if (!s->time_ns)
		s->time_ns = boot_time_ns();
	return s->time_ns;
}

/* The current task. */
INLINE struct task_struct *task_of(struct scratch *s)
{
#if CANDOR_CASTS
	return TYPED((struct task_struct *)s->task);
#elif CANDOR_KERNEL_OBJECTS
	(void)s;
	return CURRENT_TASK();
#else
	(void)s;
	return 0;
#endif
}

/* The sessions that selected this process. */
INLINE __u64 sessions_of(const struct settings *set, __u32 tgid, __u32 uid)
{
	__u64 sessions = 0;

	if (set->selected_by & SELECTED_BY_UID) {
		__u64 *bits = map_lookup(&selected_uids, &uid);

		if (bits)
			sessions = *bits;
	}
	if (set->selected_by & SELECTED_BY_TREE) {
		__u64 *bits = map_lookup(&selected_trees, &tgid);

		if (bits)
			sessions |= *bits;
	}
	return sessions;
}

INLINE void count_session_loss(__u64 sessions, bool map_full)
{
	struct session_loss *loss = map_lookup(&session_losses, &sessions);

	if (!loss) {
		struct session_loss none = {};

		map_update(&session_losses, &sessions, &none, UPDATE_NEW_ONLY);
		loss = map_lookup(&session_losses, &sessions);
		if (!loss)
			return;
	}
	if (map_full)
		__sync_fetch_and_add(&loss->map_full, 1);
	else
		__sync_fetch_and_add(&loss->ring_full, 1);
}

/* Whether this is the first time that `what` is told of the process. */
INLINE bool first_time(__u32 tgid, __u32 what, __u64 start_ns)
{
	__u64 key = (__u64)what << 32 | tgid;
	__u64 *known = map_lookup(&told_once, &key);

	if (known && *known == start_ns)
		return 0;
	map_update(&told_once, &key, &start_ns, UPDATE_ANY);
	return 1;
}

#define TOLD_EXIT 1
#define TOLD_BLIND_SPOT 2 /* plus enum blind_spot */

#endif
