/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Bytes that go through descriptors: totals, and the few payloads that tell names. */
#ifndef CANDOR_TRANSFER_H
#define CANDOR_TRANSFER_H

#define MAP_ANONYMOUS_MEMORY 0x20
#define MESSAGE_PEEK 2
#define MESSAGE_FAST_OPEN 0x20000000
#define MESSAGES_MAX 64 /* messages of one call whose sizes are summed */
#define PAYLOAD_MESSAGES_MAX 16 /* messages of one call that are looked at; tail calls allow 33 */
#define PARTS_MAX 8

struct io_part {
	__u64 base;
	__u64 length;
};

struct message_header { /* struct msghdr of a 64-bit program */
	__u64 name;
	__u32 name_length;
	__u32 pad;
	__u64 parts;
	__u64 part_count;
	__u64 control;
	__u64 control_length;
	__u32 flags;
	__u32 pad_2;
};

struct counted_message { /* struct mmsghdr */
	struct message_header header;
	__u32 length;
	__u32 pad;
};

/* The descriptor of step `s->step` of the call, and which way its bytes go; 0 when there is no such step. */
INLINE bool transfer_step(struct scratch *s)
{
	__u32 step = s->step;

	s->outward = 0;
	switch (s->operation) {
	case OPERATION_WRITE:
	case OPERATION_WRITEV:
	case OPERATION_SENDTO:
	case OPERATION_SENDMSG:
	case OPERATION_SENDMMSG:
		s->outward = 1;
		__attribute__((fallthrough));
	case OPERATION_READ:
	case OPERATION_READV:
	case OPERATION_RECVFROM:
	case OPERATION_RECVMSG:
	case OPERATION_RECVMMSG:
		s->fd = s->arguments[0];
		return step == 0;
	case OPERATION_MMAP:
		s->fd = s->arguments[4];
		return step == 0;
	case OPERATION_SENDFILE:
		s->outward = step == 1;
		s->fd = step == 0 ? s->arguments[1] : s->arguments[0];
		return step < 2;
	default: /* copy_file_range, splice */
		s->outward = step == 1;
		s->fd = step == 0 ? s->arguments[0] : s->arguments[2];
		return step < 2;
	}
}

/* Sending asked for a connection, which is under way; nothing was sent yet. */
INLINE bool transfer_connects(struct scratch *s)
{
	return s->result == ERROR_IN_PROGRESS &&
	       ((s->operation == OPERATION_SENDTO && s->arguments[3] & MESSAGE_FAST_OPEN) ||
		(s->operation == OPERATION_SENDMSG && s->arguments[2] & MESSAGE_FAST_OPEN));
}

/* Whether the call moved anything that counts. */
INLINE bool transfer_counts(struct scratch *s)
{
	__u32 operation = s->operation;

	if (transfer_connects(s))
		return 1;
	/* Addresses are beyond the range of errors, but can look negative. */
	if (s->result < 0 && s->result >= -4095)
		return 0;
	switch (operation) {
	case OPERATION_MMAP:
		return !(s->arguments[3] & MAP_ANONYMOUS_MEMORY);
	/* Looking at what waits is not receiving it: it will be received again. */
	case OPERATION_RECVFROM:
	case OPERATION_RECVMMSG:
		return !(s->arguments[3] & MESSAGE_PEEK);
	case OPERATION_RECVMSG:
		return !(s->arguments[2] & MESSAGE_PEEK);
	default:
		return 1;
	}
}

INLINE __u64 transfer_bytes(struct scratch *s)
{
	__u64 bytes = 0;

	if (s->result == ERROR_IN_PROGRESS)
		return 0;
	if (s->operation != OPERATION_SENDMMSG && s->operation != OPERATION_RECVMMSG)
		return s->result;
#pragma clang loop unroll(disable)
	for (__u32 index = 0; index < MESSAGES_MAX; index++) {
		struct counted_message *message = (struct counted_message *)s->arguments[1] + index;
		__u32 length = 0;

		if (index >= s->result)
			break;
		read_user(&length, sizeof(length), &message->length);
		bytes += length;
	}
	return bytes;
}

SECTION(ON_SYSTEM_CALL)
int transfer(__u64 *context)
{
	struct scratch *s = scratch_of(ENTRY_SYSTEM_CALL);
	struct descriptor *entry;

	if (!s)
		return 0;
	if (s->step == 0 && s->found_steps == 0 && s->peer_steps == 0) {
		if (!transfer_counts(s)) {
			COUNT(PROGRAM_TRANSFER, filtered);
			return 0;
		}
		s->bytes = transfer_bytes(s);
	}
	if (!transfer_step(s))
		goto done;
	s->key.tgid = s->tgid;
	s->key.fd = s->fd;
	entry = descriptor_of(&s->key);
#if CANDOR_KERNEL_OBJECTS
	/* Numbers are used again without a call that says so (close-on-exec): the open file decides. */
	if (entry && entry->file != (__u64)task_file(task_of(s), s->fd)) {
		if (entry->kind == DESCRIPTOR_IGNORED) {
			descriptor_forget(&s->key);
		} else {
			COUNT(PROGRAM_TRANSFER, seen);
			descriptor_end(s, entry, PROGRAM_TRANSFER);
		}
		entry = 0;
	}
	if (!entry && !(s->found_steps >> s->step & 1)) {
		s->found_steps |= 1 << s->step;
		/* It looks the descriptor up, stores what it is, and comes back here. */
		tail_call(context, &handlers, PROGRAM_DESCRIPTOR_FOUND);
	}
#endif
	if (entry && entry->kind == DESCRIPTOR_SOCKET && entry->type == SOCKET_STREAM && !entry->connected &&
	    is_inet(entry->family) && !(s->peer_steps >> s->step & 1)) {
		s->peer_steps |= 1 << s->step;
		/* It finds out who the peer is, and comes back here. */
		tail_call(context, &handlers, PROGRAM_SOCKET_PEER);
	}
	if (entry && entry->kind != DESCRIPTOR_IGNORED && s->result != ERROR_IN_PROGRESS) {
		s->aggregated = 1;
		if (s->operation == OPERATION_MMAP) {
			entry->flags |= RECORD_FLAG_MAPPED;
		} else if (s->outward) {
			s->moved = entry->bytes_out;
			__sync_fetch_and_add(&entry->bytes_out, s->bytes);
			__sync_fetch_and_add(&entry->calls_out, 1);
		} else {
			s->moved = entry->bytes_in;
			__sync_fetch_and_add(&entry->bytes_in, s->bytes);
			__sync_fetch_and_add(&entry->calls_in, 1);
		}
		if (entry->kind == DESCRIPTOR_SOCKET && s->bytes && (is_inet(entry->family) || entry->role)) {
			bool moved_in_kernel = s->operation == OPERATION_SENDFILE || s->operation == OPERATION_SPLICE;
			bool wanted = entry->role || (entry->type == SOCKET_DATAGRAM ?
				(!entry->connected || entry->remote.port == PORT_DNS) :
				(entry->remote.port == PORT_DNS || (s->outward && entry->prefix_left)));

			if (moved_in_kernel) {
				/* There are no bytes of the app's to look at, and what follows is not the beginning. */
				if (s->outward)
					entry->prefix_left = 0;
			} else if (wanted) {
				COUNT(PROGRAM_TRANSFER, aggregated);
				s->message = 0;
				tail_call(context, &handlers, PROGRAM_SOCKET_PAYLOAD);
				return 0;
			}
		}
	}
	if (s->operation >= OPERATION_SENDFILE && s->operation <= OPERATION_SPLICE && s->step == 0) {
		s->step = 1;
		tail_call(context, &handlers, PROGRAM_TRANSFER);
	}
done:
	if (s->aggregated)
		COUNT(PROGRAM_TRANSFER, aggregated);
	else
		COUNT(PROGRAM_TRANSFER, filtered);
	return 0;
}

/*
 * A stream that no call was seen to connect moves bytes, or has asked for a connection while sending (TCP fast open; a
 * ring can connect a socket too): tells that it is connected now.
 */
SECTION(ON_SYSTEM_CALL)
int socket_peer(__u64 *context)
{
	struct scratch *s = scratch_of(ENTRY_SYSTEM_CALL);
	struct descriptor *entry;
	struct descriptor *fresh;
	struct socket_body *body;
	__u64 name = 0;
	__u32 name_length = 0;
	__u16 flags = 0;

	if (!s)
		return 0;
	fresh = descriptor_begin(s, s->fd, DESCRIPTOR_SOCKET);
	entry = descriptor_of(&s->key);
	if (!entry)
		goto back;
#if CANDOR_KERNEL_OBJECTS
	socket_facts(s, fresh, task_file(task_of(s), s->fd));
#else
	fresh->family = entry->family;
	fresh->type = entry->type;
	fresh->protocol = entry->protocol;
	fresh->local = entry->local;
#endif
	if (!fresh->connected) {
		if (s->operation == OPERATION_SENDMSG) {
			struct message_header header = {};

			read_user(&header, sizeof(header), (void *)s->arguments[1]);
			name = header.name;
			name_length = header.name_length;
		} else if (s->operation == OPERATION_SENDTO) {
			name = s->arguments[4];
			name_length = s->arguments[5];
		}
		read_address(&fresh->remote, 0, name, name_length);
		fresh->connected = is_inet(fresh->remote.family);
		flags = RECORD_FLAG_USER_MEMORY;
	}
	if (!fresh->connected || fresh->type != SOCKET_STREAM || !is_inet(fresh->family))
		goto back;
	COUNT(PROGRAM_SOCKET_PEER, seen);
	entry->local = fresh->local;
	entry->remote = fresh->remote;
	entry->connected = 1;
	body = record_begin(s, RECORD_SOCKET_CONNECT, flags, sizeof(*body));
	body->result = s->result < 0 ? s->result : 0;
	body->fd = s->fd;
	body->handle = entry->handle;
	socket_body_ends(body, entry);
	record_end(s, PROGRAM_SOCKET_PEER);
back:
	tail_call(context, &handlers, PROGRAM_TRANSFER);
	return 0;
}

#if CANDOR_KERNEL_OBJECTS

#define ANONYMOUS_INODES 0x09041934 /* magic of the file system of event descriptors and the like */
#define TYPE_REGULAR 0100000
#define TYPE_DIRECTORY 0040000
#define TYPE_CHARACTER 0020000
#define TYPE_BLOCK 0060000

/* A descriptor that is used but was never seen to be made: inherited, duplicated, received, or open before. */
SECTION(ON_SYSTEM_CALL)
int descriptor_found(__u64 *context)
{
	struct scratch *s = scratch_of(ENTRY_SYSTEM_CALL);
	struct descriptor *fresh;
	struct file *file;
	struct inode *inode;
	struct super_block *super;
	__u16 type;

	if (!s)
		return 0;
	fresh = descriptor_begin(s, s->fd, DESCRIPTOR_IGNORED);
	COUNT(PROGRAM_DESCRIPTOR_FOUND, seen);
	file = task_file(task_of(s), s->fd);
	if (!file) {
		/* Closed meanwhile by another thread. */
		COUNT(PROGRAM_DESCRIPTOR_FOUND, filtered);
		tail_call(context, &handlers, PROGRAM_TRANSFER);
		return 0;
	}
	fresh->file = (__u64)file;
	fresh->flags = RECORD_FLAG_PREEXISTING;
	inode = FIELD(file, f_inode);
	super = FIELD(inode, i_sb);
	type = FIELD(inode, i_mode) & TYPE_MASK;
	if ((type == TYPE_REGULAR || type == TYPE_DIRECTORY || type == TYPE_CHARACTER || type == TYPE_BLOCK) &&
	    FIELD(super, s_magic) != ANONYMOUS_INODES) {
		struct file_open_body *body = record_begin(s, RECORD_FILE_OPEN, RECORD_FLAG_PREEXISTING, sizeof(*body));

		fresh->kind = DESCRIPTOR_FILE;
		body->result = s->fd;
		body->handle = fresh->handle;
		body->open_flags = FIELD(file, f_flags);
		body->directory = AT_CURRENT_DIRECTORY;
		file_facts(s, body, file);
		segment_kernel_path(s, SEGMENT_PATH, FIELD(file, f_path), PATH_MAX_BYTES);
		record_end(s, PROGRAM_DESCRIPTOR_FOUND);
	} else if (socket_facts(s, fresh, file)) {
		fresh->kind = DESCRIPTOR_SOCKET;
		/* Of a pair of sockets without names there is nothing to tell but how much went through it. */
		if (fresh->connected && (fresh->family != FAMILY_UNIX || s->names.local_length || s->names.remote_length)) {
			struct socket_body *body =
				record_begin(s, RECORD_SOCKET_CONNECT, RECORD_FLAG_PREEXISTING, sizeof(*body));

			body->fd = s->fd;
			body->handle = fresh->handle;
			socket_body_ends(body, fresh);
			if (fresh->family == FAMILY_UNIX)
				segments_unix_fresh(s);
			record_end(s, PROGRAM_DESCRIPTOR_FOUND);
		} else {
			COUNT(PROGRAM_DESCRIPTOR_FOUND, filtered);
		}
		fresh->role = socket_role(s);
		keep_unix_names(s);
	} else {
		COUNT(PROGRAM_DESCRIPTOR_FOUND, filtered);
	}
	descriptor_store(s, PROGRAM_DESCRIPTOR_FOUND);
	tail_call(context, &handlers, PROGRAM_TRANSFER);
	return 0;
}

#else

SECTION(ON_SYSTEM_CALL)
int descriptor_found(__u64 *context)
{
	/* Without the kernel's objects nobody knows what it is: `transfer` counts it as filtered and never comes here. */
	(void)context;
	return 0;
}

#endif

/* Appends one segment with the first `length` bytes that the parts hold. */
INLINE void segment_payload(struct scratch *s, __u64 parts, __u64 part_count, __u64 length)
{
	__u64 at = s->length;
	__u64 end;
	__u64 left = length;
	__u8 flags = 0;

	KEEP_BOUND(at);
	if (at > RECORD_MAX - PAYLOAD_MAX - sizeof(struct segment_header))
		return;
	if (left > PAYLOAD_MAX) {
		left = PAYLOAD_MAX;
		flags = SEGMENT_FLAG_CUT;
	}
	end = at + sizeof(struct segment_header);
#pragma clang loop unroll(disable)
	for (__u32 index = 0; index < PARTS_MAX; index++) {
		struct io_part part = {};
		__u64 size;

		if (index >= part_count || left == 0)
			break;
		read_user(&part, sizeof(part), (struct io_part *)parts + index);
		size = part.length < left ? part.length : left;
		KEEP_BOUND(size);
		KEEP_BOUND(end);
		if (size > PAYLOAD_MAX || end > RECORD_MAX)
			break;
		if (size && read_user(s->record + end, size, (void *)part.base) != 0) {
			flags |= SEGMENT_FLAG_CUT;
			break;
		}
		end += size;
		left -= size;
	}
	if (left)
		flags |= left == length ? SEGMENT_FLAG_UNREADABLE : SEGMENT_FLAG_CUT;
	segment_header_write(s, at, SEGMENT_PAYLOAD, flags, end - at - sizeof(struct segment_header));
	s->length = end;
}

/* As segment_payload, of one buffer. */
INLINE void segment_buffer(struct scratch *s, __u64 buffer, __u64 length)
{
	__u64 at = s->length;
	__u8 flags = 0;

	KEEP_BOUND(at);
	if (at > RECORD_MAX - PAYLOAD_MAX - sizeof(struct segment_header))
		return;
	if (length > PAYLOAD_MAX) {
		length = PAYLOAD_MAX;
		flags = SEGMENT_FLAG_CUT;
	}
	KEEP_BOUND(length);
	if (length > PAYLOAD_MAX)
		return;
	if (read_user(s->record + at + sizeof(struct segment_header), length, (void *)buffer) != 0) {
		flags = SEGMENT_FLAG_UNREADABLE;
		length = 0;
	}
	segment_header_write(s, at, SEGMENT_PAYLOAD, flags, length);
	s->length = at + sizeof(struct segment_header) + length;
}

/*
 * An unconnected datagram socket has just sent to `named`: when that is another peer than before, tells
 * what went to the one before, because totals name one peer. A peer is told of so once: what goes to it later counts for
 * the peer that the next totals name.
 */
INLINE void peer_left(struct scratch *s, struct descriptor *entry, const struct socket_end *named)
{
	struct told_peer told;
	struct socket_totals_body *body;
	__u8 yes = 1;
	__u64 before[3];
	__u64 now[3];

	if (entry->remote.port == PORT_DNS || !s->moved)
		return;
	__builtin_memcpy(before, &entry->remote, sizeof(before));
	__builtin_memcpy(now, named, sizeof(now));
	if (before[0] == now[0] && before[1] == now[1] && before[2] == now[2])
		return;
	__builtin_memset(&told, 0, sizeof(told));
	told.handle = entry->handle;
	told.tgid = s->tgid;
	told.peer = entry->remote;
	if (map_update(&told_peers, &told, &yes, UPDATE_NEW_ONLY) != 0)
		return;
	COUNT(PROGRAM_SOCKET_PAYLOAD, seen);
	/* The address was read from the app's memory after the call. */
	body = record_begin(s, RECORD_SOCKET_TOTALS, RECORD_FLAG_USER_MEMORY, sizeof(*body));
	body->family = entry->family;
	body->type = entry->type;
	body->protocol = entry->protocol;
	body->local = entry->local;
	body->remote = entry->remote;
	body->totals.handle = entry->handle;
	body->totals.bytes_in = entry->bytes_in;
	/* Without this message, which is counted already, and those that follow it in the call. */
	body->totals.bytes_out = s->moved;
	body->totals.calls_in = entry->calls_in;
	body->totals.calls_out = s->message ? entry->calls_out : entry->calls_out - 1;
	body->totals.fd = s->fd;
	record_end(s, PROGRAM_SOCKET_PAYLOAD);
}

/*
 * The payload of one message, where it tells a name. A call with several messages comes here once for each, by tail
 * call, since a loop around all of this is more than the verifier follows.
 */
SECTION(ON_SYSTEM_CALL)
int socket_payload(__u64 *context)
{
	struct scratch *s = scratch_of(ENTRY_SYSTEM_CALL);
	struct socket_payload_body *body;
	struct message_header header = {};
	struct descriptor *entry;
	struct socket_end named;
	__u64 length;
	__u64 wanted;
	__u64 parts = 0;
	__u64 part_count = 0;
	__u64 name = 0;
	__u32 name_length = 0;
	__u32 operation;
	/* The bytes are read from the app's buffer after the call: another thread can have changed them since. */
	__u16 flags = RECORD_FLAG_USER_MEMORY;
	__u8 purpose = 0;
	bool many;

	if (!s)
		return 0;
	entry = descriptor_of(&s->key);
	if (!entry)
		return 0;
	operation = s->operation;
	many = operation == OPERATION_SENDMMSG || operation == OPERATION_RECVMMSG;
	if (s->message >= (many ? s->result : 1) || s->message >= PAYLOAD_MESSAGES_MAX)
		return 0;
	length = s->bytes;
	if (many) {
		struct counted_message *message = (struct counted_message *)s->arguments[1] + s->message;
		__u32 message_length = 0;

		read_user(&header, sizeof(header), &message->header);
		read_user(&message_length, sizeof(message_length), &message->length);
		length = message_length;
	} else if (operation == OPERATION_SENDMSG || operation == OPERATION_RECVMSG) {
		read_user(&header, sizeof(header), (void *)s->arguments[1]);
	}
	if (operation == OPERATION_READV || operation == OPERATION_WRITEV) {
		parts = s->arguments[1];
		part_count = s->arguments[2];
	} else if (header.parts) {
		parts = header.parts;
		part_count = header.part_count;
		name = header.name;
		name_length = header.name_length;
	} else if (operation == OPERATION_SENDTO) {
		name = s->arguments[4];
		name_length = s->arguments[5];
	} else if (operation == OPERATION_RECVFROM) {
		name = s->arguments[4];
		if (name)
			read_user(&name_length, sizeof(name_length), (void *)s->arguments[5]);
	}
	named = entry->remote;
	if (entry->type == SOCKET_DATAGRAM && name && name_length) {
		read_address(&named, 0, name, name_length);
		/* Whoever writes to a socket is its peer only as long as the socket has not written to anybody. */
		if (!entry->connected && is_inet(named.family) && (s->outward || !entry->bytes_out)) {
			if (s->outward && is_inet(entry->remote.family))
				peer_left(s, entry, &named);
			entry->remote = named;
		}
	}
	wanted = length;
	if (entry->role == SOCKET_ROLE_RESOLVER) {
		purpose = PAYLOAD_RESOLVER;
	} else if (named.port == PORT_DNS && is_inet(named.family)) {
		purpose = PAYLOAD_DNS;
	} else if (entry->type == SOCKET_STREAM && s->outward && entry->prefix_left) {
		purpose = PAYLOAD_STREAM_PREFIX;
		if (wanted > entry->prefix_left)
			wanted = entry->prefix_left;
		entry->prefix_left -= wanted;
	}
	if (purpose) {
		body = record_begin(s, RECORD_SOCKET_PAYLOAD, flags, sizeof(*body));
		body->handle = entry->handle;
		body->offset = entry->type == SOCKET_STREAM ? s->moved : 0;
		body->wire_length = length;
		body->fd = s->fd;
		body->family = entry->family;
		body->type = entry->type;
		body->protocol = entry->protocol;
		body->direction = s->outward ? 1 : 2;
		body->purpose = purpose;
		body->local = entry->local;
		body->remote = named;
		if (!parts) {
			segment_buffer(s, s->arguments[1], wanted);
		} else {
			segment_payload(s, parts, part_count, wanted);
		}
		COUNT(PROGRAM_SOCKET_PAYLOAD, seen);
		record_end(s, PROGRAM_SOCKET_PAYLOAD);
	}
	if (many) {
		s->moved += length;
		s->message++;
		tail_call(context, &handlers, PROGRAM_SOCKET_PAYLOAD);
	}
	return 0;
}

#endif
