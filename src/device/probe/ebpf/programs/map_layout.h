/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What kernel programs and user space share through maps. Not part of the record layout: nothing of it is stored.
 * src/device/probe/ebpf/map_layout.rs holds the numbers again for Rust; tests compare them with the object's BTF.
 */
#ifndef CANDOR_MAP_LAYOUT_H
#define CANDOR_MAP_LAYOUT_H

/* System calls with a number from here on are of no interest, or of another interface. */
#define CALL_NUMBERS 512

/*
 * What a system call does, as far as the programs care: 16 * handler + variant. User space fills the table of the
 * running architecture, so that the programs hold no system-call number.
 */
enum operation {
	OPERATION_NONE = 0,
	OPERATION_OPEN = 0x10,
	OPERATION_CREAT = 0x11,
	OPERATION_OPENAT = 0x12,
	OPERATION_OPENAT2 = 0x13,
	OPERATION_OPEN_BY_HANDLE = 0x14,
	OPERATION_READ = 0x20,
	OPERATION_WRITE = 0x21,
	OPERATION_READV = 0x22,
	OPERATION_WRITEV = 0x23,
	OPERATION_SENDFILE = 0x24,
	OPERATION_COPY_FILE_RANGE = 0x25,
	OPERATION_SPLICE = 0x26,
	OPERATION_MMAP = 0x27,
	OPERATION_SENDTO = 0x28,
	OPERATION_RECVFROM = 0x29,
	OPERATION_SENDMSG = 0x2a,
	OPERATION_RECVMSG = 0x2b,
	OPERATION_SENDMMSG = 0x2c,
	OPERATION_RECVMMSG = 0x2d,
	OPERATION_CLOSE = 0x30,
	OPERATION_CLOSE_RANGE = 0x31,
	OPERATION_DUP_ONTO = 0x32,
	OPERATION_RENAME = 0x40,
	OPERATION_RENAMEAT = 0x41,
	OPERATION_RENAMEAT2 = 0x42,
	OPERATION_UNLINK = 0x43,
	OPERATION_UNLINKAT = 0x44,
	OPERATION_RMDIR = 0x45,
	OPERATION_CONNECT = 0x50,
	OPERATION_BIND = 0x51,
	OPERATION_LISTEN = 0x52,
	OPERATION_ACCEPT = 0x53,
	OPERATION_SOCKET = 0x54,
	OPERATION_EXECVE = 0x60,
	OPERATION_EXECVEAT = 0x61,
	OPERATION_IO_URING_SETUP = 0x70,
	OPERATION_COMPAT = 0x71,
};

/* Programs with an account, by index. The first ones are also the handlers of the operations. */
enum program {
	PROGRAM_NONE = 0,
	PROGRAM_FILE_OPEN = 1,
	PROGRAM_TRANSFER = 2,
	PROGRAM_DESCRIPTOR_CLOSE = 3,
	PROGRAM_PATH_CHANGE = 4,
	PROGRAM_SOCKET_SETUP = 5,
	PROGRAM_EXEC_FAILED = 6,
	PROGRAM_BLIND_SPOT = 7,
	PROGRAM_DESCRIPTOR_FOUND = 8,
	PROGRAM_SOCKET_PAYLOAD = 9,
	PROGRAM_PROCESS_START = 10,
	PROGRAM_PROCESS_EXEC = 11,
	PROGRAM_PROCESS_EXIT = 12,
	PROGRAM_BINDER_SENT = 13,
	PROGRAM_BINDER_REFERENCE = 14,
	PROGRAM_BINDER_RECEIVED = 15,
	PROGRAM_BINDER_DELIVERED = 16,
	PROGRAM_SOCKET_PEER = 17,
	PROGRAM_COUNT = 18,
};

enum selected_by {
	SELECTED_BY_UID = 1,
	SELECTED_BY_TREE = 2,
};

/* One value, written by user space only. */
struct settings {
	__u32 selected_by;  /* enum selected_by, or-ed: which filters hold anything; 0: nothing is traced */
	__u32 own_tgid;     /* the tracer itself, never traced: its reading would make records without end */
	__u32 wake_bytes;   /* the reader is woken by every so many bytes of records of a processor and an entry point */
	__u32 generation;   /* of the filters: changes after each change of them by user space */
	__u64 crowding;     /* sessions whose records fill the ring: they get no more of it than crowd_bytes */
	__u64 crowd_bytes;
	__u8 operation[CALL_NUMBERS];
};

/* See event::ProgramCounters. */
struct account {
	__u64 seen;
	__u64 submitted;
	__u64 filtered;
	__u64 aggregated;
	__u64 lost;
};

struct session_loss {
	__u64 ring_full;
	__u64 map_full;
};

struct descriptor_key {
	__u32 tgid;
	__s32 fd;
};

enum descriptor_kind {
	DESCRIPTOR_FILE = 1,
	DESCRIPTOR_SOCKET = 2,
	DESCRIPTOR_IGNORED = 3, /* pipes, event descriptors and the like */
};

/* What a socket is connected to, where that matters. */
enum socket_role {
	SOCKET_ROLE_NONE = 0,
	SOCKET_ROLE_RESOLVER = 1, /* the system's resolver, which apps ask by a Unix socket */
};

/* An open descriptor and its totals. */
struct descriptor {
	__u64 handle;
	__u64 file;          /* address of the open file in the kernel; 0 in tier 2 */
	__u64 start_ns;      /* of the process, as in the record header */
	__u64 bytes_in;
	__u64 bytes_out;
	__u64 calls_in;
	__u64 calls_out;
	__u32 uid;
	__u32 gid;
	__u32 prefix_left;   /* bytes of the sent stream that are still to be captured */
	__u16 flags;         /* enum record_flag, or-ed */
	__u8 kind;           /* enum descriptor_kind */
	__u8 connected;      /* the remote end is fixed, not the last one named */
	__u16 family;
	__u16 type;
	__u16 protocol;
	__u16 role;          /* enum socket_role */
	char comm[16];
	struct socket_end local;  /* this and what follows: of sockets only */
	struct socket_end remote;
};

/*
 * Part of the table of open descriptors: those whose process and number give the same index. `keys` says what is in the
 * ways: a descriptor_key, 0 for nothing, or, while somebody fills the way, DESCRIPTOR_KEY_BUSY and the key.
 */
#define DESCRIPTOR_BUCKETS 2048
#define DESCRIPTOR_WAYS 4
#define DESCRIPTOR_KEY_BUSY (1ull << 63) /* descriptors are never negative */
struct descriptor_bucket {
	__u64 keys[DESCRIPTOR_WAYS];
	__u64 overflowed; /* something of this bucket was put into the hash map */
	struct descriptor ways[DESCRIPTOR_WAYS];
};

/* Names of a Unix socket, beside the descriptor because few have them. */
#define FAMILY_UNIX 1
#define FAMILY_INET 2
#define FAMILY_INET6 10
#define UNIX_NAME_MAX 108
struct unix_names {
	__u8 local_length;
	__u8 remote_length;
	char local[UNIX_NAME_MAX];
	char remote[UNIX_NAME_MAX];
};

/* References that are remembered of one parcel; calls under way that are remembered of one thread. */
#define BINDER_NODES_MAX 8
#define BINDER_DEPTH_MAX 16

enum binder_call_state {
	BINDER_CALL_TOLD = 1,     /* its record was made; what is still to come is its end */
	BINDER_CALL_NO_REPLY = 2, /* the thread that waited for the reply is gone */
};

/* A binder transaction of a selected sender: what the record of it needs that only the sender's thread knows. */
struct binder_call {
	__u64 sessions;
	__u64 time_ns;
	__u64 start_ns;
	char comm[16];
	__u32 tgid;
	__u32 tid;
	__u32 uid;
	__u32 gid;
	__u32 target_node;
	__u32 receiver;   /* process that it was sent to */
	__u32 code;
	__u32 flags;      /* TF_* */
	__u32 state;      /* enum binder_call_state, or-ed */
	__u32 node_count; /* references made for whoever gets the parcel; can be more than there is room for */
	struct {
		__u32 node;
		__u32 handle;
	} nodes[BINDER_NODES_MAX];
};

#define BINDER_SERVING 0

/* A thread that uses binder, as far as selected senders are concerned. */
struct binder_thread {
	__u64 argument;        /* of the call into the driver, where it cannot be had at the call's end */
	__u32 received;        /* number of what was delivered in this call into the driver */
	__u32 translating;     /* number of what was sent last, whose references follow */
	__u32 translating_for; /* the call that they belong to: it, or the one it answers */
	__u32 sent;            /* calls that were seen to be sent, since the last look */
	__u32 one_way_sent;    /* the last of them waits for no reply */
	__u32 refused;         /* calls that the driver refused before it made them known, and has not yet said so */
	__u32 depth;
	__u32 outstanding[BINDER_DEPTH_MAX]; /* numbers of calls; BINDER_SERVING: one that this thread serves */
	__u32 pad;
};

/* An interface descriptor in UTF-16, filled with zeros. Longer ones are never wanted. */
#define INTERFACE_KEY_SIZE 128
struct interface_key {
	__u8 text[INTERFACE_KEY_SIZE];
};

#endif
