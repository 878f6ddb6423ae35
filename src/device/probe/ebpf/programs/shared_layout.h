/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The raw record: what a probe hands to the decoder. One layout for the kernel programs (which write it), for the
 * procfs probe (which builds the same bytes), for raw captures on disk, and for src/device/decode (which reads it with
 * bounds checks and trusts nothing). src/device/probe/record_layout.rs holds the numbers again for Rust, and a test
 * has clang compare them.
 *
 * A record is: struct record_header, then the fixed body of its kind, then segments until header.length.
 * All numbers are little-endian; every supported architecture is.
 */
#ifndef CANDOR_SHARED_LAYOUT_H
#define CANDOR_SHARED_LAYOUT_H

#define RECORD_LAYOUT_VERSION 1

/* The longest record, header and segments included. */
#define RECORD_MAX 8192

/* The most bytes of a parcel that a record carries, and the most of its offsets. */
#define BINDER_PARCEL_MAX 4096
#define BINDER_OFFSETS_MAX 512

/* 64 bytes. */
struct record_header {
	__u64 time_ns;   /* CLOCK_BOOTTIME of the act */
	__u64 sessions;  /* bit N: the filter of session slot N matched */
	__u64 start_ns;  /* start of the process (thread group leader), boot time, not rounded; 0: not known */
	__u32 tgid;      /* process id, initial pid namespace */
	__u32 tid;       /* thread id */
	__u32 uid;       /* real user id */
	__u32 gid;       /* real group id */
	__u16 kind;      /* enum record_kind */
	__u16 flags;     /* enum record_flag, or-ed */
	__u32 length;    /* of the whole record */
	char comm[16];   /* name of the thread; cut at the first NUL */
};

enum record_kind {
	RECORD_PROCESS_START = 1,   /* struct process_start_body; header names the child */
	RECORD_PROCESS_EXEC = 2,    /* struct process_exec_body; segments PATH, ARGUMENT, COMMAND_LINE */
	RECORD_PROCESS_EXIT = 3,    /* struct process_exit_body */
	RECORD_BLIND_SPOT = 4,      /* struct blind_spot_body */
	RECORD_PROCESS_IMPORTANCE = 5, /* struct process_importance_body; made in user space */
	RECORD_PROCESS_NAME = 6,    /* struct process_name_body; segment NAME; made in user space */
	RECORD_FILE_OPEN = 16,      /* struct file_open_body; segments PATH, ARGUMENT, BASE */
	RECORD_FILE_TOTALS = 17,    /* struct totals_body; in = read, out = written */
	RECORD_FILE_RENAME = 18,    /* struct path_change_body; segments ARGUMENT, BASE, ARGUMENT_2, BASE_2 */
	RECORD_FILE_UNLINK = 19,    /* struct path_change_body; segments ARGUMENT, BASE */
	RECORD_SOCKET_CONNECT = 32, /* struct socket_body; segments UNIX_REMOTE, UNIX_LOCAL, USER_FRAMES, USER_STACK, CODE_ORIGIN */
	RECORD_SOCKET_BIND = 33,    /* struct socket_body; segment UNIX_LOCAL */
	RECORD_SOCKET_LISTEN = 34,  /* struct socket_body; argument is the backlog */
	RECORD_SOCKET_ACCEPT = 35,  /* struct socket_body; fd is the new one */
	RECORD_SOCKET_TOTALS = 36,  /* struct socket_totals_body; in = received, out = sent; segments UNIX_* */
	RECORD_SOCKET_PAYLOAD = 37, /* struct socket_payload_body; segment PAYLOAD */
	RECORD_BINDER_TRANSACTION = 48, /* struct binder_transaction_body; header names the sender; PARCEL, OFFSETS, NODES */
	RECORD_BINDER_REPLY = 49,   /* struct binder_reply_body; header names who asked; PARCEL, OFFSETS, NODES */
	RECORD_PLATFORM = 64,       /* struct platform_body; made in user space */
	RECORD_METHOD_NAMES = 65,   /* struct method_names_body; segments NAME, ORIGIN, METHODS; made in user space */
	RECORD_BINDER_NAME = 66,    /* struct binder_name_body; segment NAME; made in user space */
	RECORD_PACKAGE = 67,        /* struct package_body; segments NAME, TEXT_PATH; made in user space */
};

enum record_flag {
	RECORD_FLAG_CUT = 1,           /* a segment is shorter than the original (see segment flags for which) */
	RECORD_FLAG_PREEXISTING = 2,   /* open, connected or running before it was first seen */
	RECORD_FLAG_SAMPLED = 4,       /* read from /proc, not at the moment of the act */
	RECORD_FLAG_USER_MEMORY = 8,   /* a path or address was read from the app's memory and is a hint */
	RECORD_FLAG_CLOSED = 16,       /* totals: the descriptor is closed, nothing follows for this handle */
	RECORD_FLAG_MAPPED = 32,       /* totals: the file was mapped into memory */
};

/* RECORD_PROCESS_START. 16 bytes. */
struct process_start_body {
	__u64 parent_start_ns; /* as header.start_ns, of the parent; 0: not known */
	__u32 parent_tgid;     /* 0: not known */
	__u32 pad;
};

/* RECORD_PROCESS_EXEC. 8 bytes. */
struct process_exec_body {
	__s64 result; /* 0, or a negative errno of a failed attempt */
};

/* RECORD_PROCESS_EXIT. 8 bytes. */
struct process_exit_body {
	__s32 wait_status; /* as wait(2) gives it: exit status in bits 8-15, signal in bits 0-6 */
	__u32 pad;
};

/* RECORD_BLIND_SPOT. 8 bytes. */
struct blind_spot_body {
	__u32 what; /* enum blind_spot */
	__u32 pad;
};

/* RECORD_PROCESS_IMPORTANCE. 8 bytes. */
struct process_importance_body {
	__s32 oom_score_adj; /* as /proc/PID/oom_score_adj shows it */
	__u32 pad;
};

enum blind_spot {
	BLIND_SPOT_IO_URING = 1,
	BLIND_SPOT_COMPAT = 2,
};

/* RECORD_PROCESS_NAME. 8 bytes. The whole name, which the header has no room for. */
struct process_name_body {
	__u64 reserved;
};

/* RECORD_FILE_OPEN. 48 bytes. */
struct file_open_body {
	__s64 result;     /* the descriptor, or a negative errno */
	__u64 handle;     /* names the open file within the process; 0 when the call failed */
	__u64 inode;      /* 0: not read */
	__u32 device;     /* s_dev in the kernel's own encoding (major << 20 | minor); 0: not read */
	__u32 mode;       /* i_mode; 0: not read */
	__u32 open_flags; /* open(2) flags of the architecture */
	__s32 directory;  /* dirfd argument, -100 (AT_FDCWD) for open(2) */
	__u32 filesystem; /* s_magic; 0: not read */
	__u32 pad;
};

/* RECORD_FILE_TOTALS. 48 bytes. Cumulative. */
struct totals_body {
	__u64 handle;
	__u64 bytes_in;
	__u64 bytes_out;
	__u64 calls_in;
	__u64 calls_out;
	__s32 fd;
	__u32 pad;
};

/* RECORD_FILE_RENAME, RECORD_FILE_UNLINK. 24 bytes. */
struct path_change_body {
	__s64 result;
	__s32 directory;   /* dirfd of the first path */
	__s32 directory_2; /* dirfd of the second path */
	__u32 call_flags;  /* AT_REMOVEDIR, RENAME_* */
	__u32 is_directory; /* rmdir, or AT_REMOVEDIR */
};

/* One end of a socket. 24 bytes. */
struct socket_end {
	__u16 family;      /* AF_*; 0: not known. AF_UNIX: the name is in a segment; no segment means unnamed */
	__u16 port;        /* host byte order */
	__u32 scope;       /* IPv6 scope id */
	__u8 address[16];  /* network byte order; IPv4 in the first 4 */
};

/* RECORD_SOCKET_CONNECT, _BIND, _LISTEN, _ACCEPT. 80 bytes. */
struct socket_body {
	__s64 result;    /* of the call: 0, the new descriptor, or a negative errno */
	__u64 handle;    /* names the socket within the process; 0: not known */
	__s32 fd;        /* for accept the new descriptor */
	__u16 family;    /* of the socket */
	__u16 type;      /* SOCK_STREAM 1, SOCK_DGRAM 2, SOCK_SEQPACKET 5, ...; 0: not known */
	__u16 protocol;  /* IPPROTO_*; 0: not known */
	__u16 pad;
	__s32 argument;  /* listen: backlog */
	struct socket_end local;
	struct socket_end remote;
};

/* RECORD_SOCKET_TOTALS. 112 bytes. Cumulative. */
struct socket_totals_body {
	struct totals_body totals;
	__u16 family;
	__u16 type;
	__u16 protocol;
	__u16 pad[5];
	struct socket_end local;
	struct socket_end remote;
};

/* RECORD_SOCKET_PAYLOAD. 88 bytes. The first bytes of a stream, or a datagram. Interpreted on the device, never sent on. */
struct socket_payload_body {
	__u64 handle;
	__u64 offset;     /* of these bytes in the stream, in this direction; 0 for datagrams */
	__u64 wire_length; /* bytes the call moved; the segment may hold fewer */
	__s32 fd;
	__u16 family;
	__u16 type;
	__u16 protocol;
	__u8 direction;   /* 1 sent, 2 received */
	__u8 purpose;     /* enum payload_purpose */
	__u32 pad;
	struct socket_end local;
	struct socket_end remote;
};

enum payload_purpose {
	PAYLOAD_STREAM_PREFIX = 1, /* first bytes sent on a stream: TLS ClientHello, HTTP request */
	PAYLOAD_DNS = 2,           /* to or from port 53; on a stream with the two-byte length in front */
	PAYLOAD_RESOLVER = 3,      /* to or from the system's resolver, a Unix socket: text and binary, not DNS */
};

/*
 * RECORD_BINDER_TRANSACTION. 88 bytes. The header names the process that sent the transaction, at the time it was sent:
 * the one that asked. The body names the process that received it, with zeros for what is not known of it.
 */
struct binder_transaction_body {
	__u64 debug_id;          /* number that the driver gave the transaction; beyond 32 bits: the probe's own, by which the end is found */
	__u64 target_node;       /* number of the node it was sent to; 0: not known */
	__u64 data_size;         /* of the whole parcel; the segment may hold fewer bytes */
	__u64 offsets_size;      /* of its offsets, in bytes */
	__u64 receiver_start_ns; /* as header.start_ns; 0: not known */
	__u32 receiver_tgid;
	__u32 receiver_tid;
	__u32 receiver_uid;      /* real user id */
	__u32 code;
	__u32 transaction_flags; /* TF_*, of include/uapi/linux/android/binder.h */
	__u32 sender_euid;       /* as the driver told the receiver; meaningless when `side` is BINDER_SIDE_SENDER */
	__u16 device;            /* enum binder_device */
	__u16 side;              /* enum binder_side: whose copy of the parcel this is */
	__u32 pad;
	char receiver_comm[16];
};

enum binder_device {
	BINDER_DEVICE_UNKNOWN = 0,
	BINDER_DEVICE_BINDER = 1,
	BINDER_DEVICE_HWBINDER = 2,
	BINDER_DEVICE_VNDBINDER = 3,
};

enum binder_side {
	BINDER_SIDE_RECEIVER = 1, /* the driver's own copy, read-only to the receiver */
	BINDER_SIDE_SENDER = 2,   /* the sender's memory: a hint; RECORD_FLAG_USER_MEMORY is set too */
};

/* RECORD_BINDER_REPLY. 40 bytes. */
struct binder_reply_body {
	__u64 request_debug_id;  /* debug_id of the transaction that this ends */
	__u64 reply_debug_id;    /* 0: there is none, or it is not known */
	__u64 data_size;
	__u64 offsets_size;
	__u32 transaction_flags; /* of the reply; TF_STATUS_CODE: the parcel is one status word */
	__u32 ending;            /* enum binder_ending */
};

enum binder_ending {
	BINDER_ENDING_REPLY = 1,  /* BR_REPLY */
	BINDER_ENDING_DEAD = 2,   /* BR_DEAD_REPLY: the receiver is gone */
	BINDER_ENDING_FAILED = 3, /* BR_FAILED_REPLY: the driver refused it */
	BINDER_ENDING_FROZEN = 4, /* BR_FROZEN_REPLY */
};

/* One of the references that a process received with a parcel (segment NODES). 16 bytes. */
struct binder_node_reference {
	__u64 node;   /* number of the node */
	__u32 handle; /* by which the receiving process knows it */
	__u32 pad;
};

/* RECORD_PLATFORM. 8 bytes. */
struct platform_body {
	__u32 api_level; /* of Android; 0: not known */
	__u32 pad;
};

/* RECORD_METHOD_NAMES. 8 bytes. The methods of one interface; several records of one interface add up. */
struct method_names_body {
	__u32 source; /* enum method_names_source */
	__u32 pad;
};

enum method_names_source {
	METHOD_NAMES_DEVICE_DEX = 1, /* read from the device's own framework */
	METHOD_NAMES_SHIPPED = 2,    /* from a table shipped for the release */
	METHOD_NAMES_FIXED = 3,      /* codes that never change */
};

/* RECORD_BINDER_NAME. 16 bytes. What a node is. */
struct binder_name_body {
	__u64 node;
	__u32 what; /* enum binder_name_what */
	__u32 pad;
};

enum binder_name_what {
	BINDER_NAME_SERVICE = 1,   /* a name that the service manager knows */
	BINDER_NAME_AUTHORITY = 2, /* an authority of a content provider; a node can have several */
};

/* RECORD_PACKAGE. 16 bytes. NAME is the package, TEXT_PATH its data directory. */
struct package_body {
	__u32 user_id; /* for the first user of the device */
	__u16 change;  /* enum package_change */
	__u16 traced;  /* 1: the session waited for it and traces it from now on */
	__s64 version; /* -1: not known */
};

enum package_change {
	PACKAGE_INSTALLED = 1,
	PACKAGE_REPLACED = 2,
	PACKAGE_REMOVED = 3,
};

/* The registers of a thread that made a system call, as far as finding its callers needs them (segment USER_FRAMES). 32 bytes. */
struct user_registers {
	__u64 pc;
	__u64 sp;
	__u64 fp;   /* rbp, x29 */
	__u64 link; /* x30; 0 where the architecture has none */
};

/* Most frames that follow the registers, and most bytes of the stack. */
#define USER_FRAMES_MAX 16
#define USER_STACK_MAX 2048

/* Whose code made a system call (segment CODE_ORIGIN), made in user space from the two above. 16 bytes. */
struct code_origin {
	__u64 offset;          /* in the file, of the instruction that the call returns to */
	__u16 confidence;      /* enum code_confidence */
	__u16 depth;           /* frames between the system call and this one */
	__u16 build_id_length; /* bytes of the build id that follow; the path follows them */
	__u16 pad;
};

enum code_confidence {
	CODE_CALLER = 1, /* every frame in between is known */
	CODE_FRAMES = 2, /* found through frame pointers: there can be others in between */
	CODE_LEAF = 3,   /* the way ended before code of the program was found */
};

/*
 * After the fixed body: segments, each this header, then `length` bytes, no padding. A segment that runs past
 * header.length is a damaged record.
 */
struct segment_header {
	__u8 tag;     /* enum segment_tag */
	__u8 flags;   /* enum segment_flag */
	__u16 length; /* of the bytes that follow */
};

enum segment_tag {
	SEGMENT_PATH = 1,         /* components of a kernel path, leaf first, each ended by NUL; the root itself is empty */
	SEGMENT_ARGUMENT = 2,     /* path argument, as in user memory, without its NUL */
	SEGMENT_BASE = 3,         /* components of the directory a relative argument starts at, as SEGMENT_PATH */
	SEGMENT_ARGUMENT_2 = 4,   /* second path argument (rename) */
	SEGMENT_BASE_2 = 5,       /* its directory */
	SEGMENT_COMMAND_LINE = 6, /* arguments, each ended by NUL */
	SEGMENT_UNIX_LOCAL = 7,   /* sun_path, without the final NUL; a leading NUL means the abstract name space */
	SEGMENT_UNIX_REMOTE = 8,
	SEGMENT_PAYLOAD = 9,
	SEGMENT_TEXT_PATH = 10,   /* an absolute path as text, from /proc links (added in user space) */
	SEGMENT_TEXT_BASE = 11,   /* as SEGMENT_BASE, as text from /proc links (added in user space, after the act) */
	SEGMENT_TEXT_BASE_2 = 12, /* as SEGMENT_BASE_2, likewise */
	SEGMENT_PARCEL = 13,      /* first bytes of a parcel */
	SEGMENT_OFFSETS = 14,     /* its offsets: __u64 each, where an object begins in the parcel */
	SEGMENT_NODES = 15,       /* struct binder_node_reference each, in the order the driver translated them */
	SEGMENT_NAME = 16,        /* an interface, a service or an authority, as UTF-8 */
	SEGMENT_ORIGIN = 17,      /* where a method table comes from, as UTF-8 */
	SEGMENT_METHODS = 18,     /* for each method: its code (__u32), its name as UTF-8, NUL */
	SEGMENT_USER_FRAMES = 19, /* struct user_registers, then return addresses by frame pointers; taken out by the probe */
	SEGMENT_USER_STACK = 20,  /* the stack, from the stack pointer on; taken out by the probe */
	SEGMENT_CODE_ORIGIN = 21, /* struct code_origin, then the build id, then the path of the file (added in user space) */
};

enum segment_flag {
	SEGMENT_FLAG_CUT = 1,       /* bytes, or leading components, are missing */
	SEGMENT_FLAG_UNREADABLE = 2, /* the memory could not be read: the segment is empty */
};

#endif
