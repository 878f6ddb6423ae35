/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The table of open descriptors: what each is, and what went through it. */
#ifndef CANDOR_DESCRIPTOR_H
#define CANDOR_DESCRIPTOR_H

/* Prepares s->descriptor for a new entry of the current process. */
INLINE struct descriptor *descriptor_begin(struct scratch *s, __s32 fd, __u8 kind)
{
	struct descriptor *fresh = &s->descriptor;

	__builtin_memset(fresh, 0, sizeof(*fresh));
	s->key.tgid = s->tgid;
	s->key.fd = fd;
	fresh->handle = time_of(s);
	fresh->uid = s->uid;
	fresh->gid = s->gid;
	fresh->kind = kind;
	return fresh;
}

/* Stores s->descriptor. When the table is full, whatever goes through the descriptor later is lost: it is counted. */
INLINE void descriptor_store(struct scratch *s, __u32 program)
{
	s->descriptor.start_ns = s->start_ns ? s->start_ns : current_start_ns();
	copy_comm(s->descriptor.comm);
	if (map_update(&descriptors, &s->key, &s->descriptor, UPDATE_ANY) != 0) {
		COUNT(program, seen);
		COUNT(program, lost);
		count_session_loss(s->sessions, 1);
	}
}

INLINE void segment_unix_name(struct scratch *s, __u8 tag, const char *name, __u64 length)
{
	__u64 at = s->length;

	if (length == 0)
		return;
	KEEP_BOUND(at);
	if (at > RECORD_MAX - UNIX_NAME_MAX - sizeof(struct segment_header))
		return;
	if (length > UNIX_NAME_MAX)
		length = UNIX_NAME_MAX;
	KEEP_BOUND(length);
	if (length > UNIX_NAME_MAX)
		return;
	segment_header_write(s, at, tag, 0, length);
	read_kernel(s->record + at + sizeof(struct segment_header), length, name);
	s->length = at + sizeof(struct segment_header) + length;
}

INLINE void segments_unix(struct scratch *s, const struct descriptor_key *key)
{
	struct unix_names *names = map_lookup(&unix_socket_names, key);

	if (!names)
		return;
	segment_unix_name(s, SEGMENT_UNIX_LOCAL, names->local, names->local_length);
	segment_unix_name(s, SEGMENT_UNIX_REMOTE, names->remote, names->remote_length);
}

/* Sends the final totals of an entry, and forgets it. `s->key` names it. */
INLINE void descriptor_end(struct scratch *s, struct descriptor *entry, __u32 program)
{
	struct totals_body *totals;
	__u16 flags = (entry->flags & RECORD_FLAG_MAPPED) | RECORD_FLAG_CLOSED;

	if (entry->kind == DESCRIPTOR_SOCKET) {
		struct socket_totals_body *body = record_begin(s, RECORD_SOCKET_TOTALS, flags, sizeof(*body));

		body->family = entry->family;
		body->type = entry->type;
		body->protocol = entry->protocol;
		body->local = entry->local;
		body->remote = entry->remote;
		totals = &body->totals;
	} else {
		totals = record_begin(s, RECORD_FILE_TOTALS, flags, sizeof(*totals));
	}
	totals->handle = entry->handle;
	totals->bytes_in = entry->bytes_in;
	totals->bytes_out = entry->bytes_out;
	totals->calls_in = entry->calls_in;
	totals->calls_out = entry->calls_out;
	totals->fd = s->key.fd;
	/* The entry can be left over from an earlier process of the same id. */
	header_of(s)->start_ns = entry->start_ns;
	if (entry->kind == DESCRIPTOR_SOCKET && entry->family == FAMILY_UNIX) {
		segments_unix(s, &s->key);
		map_delete(&unix_socket_names, &s->key);
	}
	map_delete(&descriptors, &s->key);
	record_end(s, program);
}

/*
 * A call has made a new descriptor: whatever the table still holds under its number was closed without a call that
 * says so (close-on-exec).
 */
INLINE void descriptor_replace(struct scratch *s, __s32 fd, __u32 program)
{
	struct descriptor *entry;

	s->key.tgid = s->tgid;
	s->key.fd = fd;
	entry = map_lookup(&descriptors, &s->key);
	if (!entry)
		return;
	if (entry->kind == DESCRIPTOR_IGNORED) {
		map_delete(&descriptors, &s->key);
		return;
	}
	COUNT(program, seen);
	descriptor_end(s, entry, program);
}

#endif
