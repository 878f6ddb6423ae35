/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The table of open descriptors: what each is, and what went through it. */
#ifndef CANDOR_DESCRIPTOR_H
#define CANDOR_DESCRIPTOR_H

/* Of a descriptor of a file nothing behind this is ever read. */
#define FILE_PART __builtin_offsetof(struct descriptor, local)

#if CANDOR_CASTS

INLINE __u64 key_number(struct descriptor_key key)
{
	return (__u64)(__u32)key.fd << 32 | key.tgid;
}

INLINE struct descriptor_bucket *bucket_of(struct descriptor_key key)
{
	/* Descriptors of a process are counted up from 0: so they lie side by side, and processes lie anywhere. */
	__u32 index = (key.tgid * 0x9e3779b1u >> 16) + key.fd;

	index &= DESCRIPTOR_BUCKETS - 1;
	return map_lookup(&descriptor_buckets, &index);
}

/* Says what is in a way, after everything that was done to the way before. */
INLINE void key_publish(__u64 *place, __u64 key)
{
#if defined(__TARGET_ARCH_x86)
	asm volatile("" ::: "memory");
	*(volatile __u64 *)place = key; /* stores are seen in their order */
#else
	__sync_lock_test_and_set(place, key);
#endif
}

/* The way that holds the key. Its address depends on the key that was read, so that processors read the key first. */
INLINE struct descriptor *way_holding(struct descriptor_bucket *bucket, __u64 key)
{
	for (__u32 way = 0; way < DESCRIPTOR_WAYS; way++) {
		__u64 found = *(volatile __u64 *)&bucket->keys[way];

		if (found == key) {
#if !defined(__TARGET_ARCH_x86)
			asm volatile("%0 &= 0" : "+r"(found));
			return (struct descriptor *)((char *)&bucket->ways[way] + found);
#else
			return &bucket->ways[way];
#endif
		}
	}
	return 0;
}

#endif

/* The entry of a descriptor; 0 when there is none. */
INLINE struct descriptor *descriptor_of(struct descriptor_key *key)
{
#if CANDOR_CASTS
	struct descriptor_bucket *bucket = bucket_of(*key);
	struct descriptor *entry;

	if (key->fd < 0 || !bucket)
		return 0;
	entry = way_holding(bucket, key_number(*key));
	if (LIKELY(entry || !bucket->overflowed))
		return entry;
#endif
	return map_lookup(&descriptors, key);
}

/* Forgets the entry of a descriptor, which was found before. */
INLINE void descriptor_forget(struct descriptor_key *key)
{
#if CANDOR_CASTS
	struct descriptor_bucket *bucket = bucket_of(*key);

	if (!bucket)
		return;
	for (__u32 way = 0; way < DESCRIPTOR_WAYS; way++) {
		if (bucket->keys[way] == key_number(*key)) {
			key_publish(&bucket->keys[way], 0);
			return;
		}
	}
#endif
	map_delete(&descriptors, key);
}

/* Puts s->descriptor under s->key; not 0 when there is no room. */
INLINE long descriptor_keep(struct scratch *s)
{
#if CANDOR_CASTS
	struct descriptor_bucket *bucket = bucket_of(s->key);
	__u64 key = key_number(s->key);
	__u64 busy = key | DESCRIPTOR_KEY_BUSY;

	if (!bucket || s->key.fd < 0)
		return -1;
	/* First in place of an entry of the same key: there is one when two threads find a descriptor at once. */
	for (__u32 turn = 0; turn < 2; turn++) {
		__u64 instead_of = turn == 0 ? key : 0;

		for (__u32 way = 0; way < DESCRIPTOR_WAYS; way++) {
			if (bucket->keys[way] != instead_of ||
			    __sync_val_compare_and_swap(&bucket->keys[way], instead_of, busy) != instead_of)
				continue;
			if (s->descriptor.kind == DESCRIPTOR_FILE)
				__builtin_memcpy(&bucket->ways[way], &s->descriptor, FILE_PART);
			else
				bucket->ways[way] = s->descriptor;
			key_publish(&bucket->keys[way], key);
			return 0;
		}
	}
	bucket->overflowed = 1;
#endif
	return map_update(&descriptors, &s->key, &s->descriptor, UPDATE_ANY);
}

/* Prepares s->descriptor for a new entry of the current process. */
INLINE struct descriptor *descriptor_begin(struct scratch *s, __s32 fd, __u8 kind)
{
	struct descriptor *fresh = &s->descriptor;

	if (kind == DESCRIPTOR_FILE)
		__builtin_memset(fresh, 0, FILE_PART);
	else
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
	struct task_struct *task = task_of(s);

	s->descriptor.start_ns = s->start_ns ? s->start_ns : start_ns_of(task);
	task_comm(s->descriptor.comm, task);
	if (descriptor_keep(s) != 0) {
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

#if !CANDOR_KERNEL_OBJECTS
	/* The path or the address that goes with them is what the app passed. */
	flags |= RECORD_FLAG_USER_MEMORY;
#endif
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
	descriptor_forget(&s->key);
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
	entry = descriptor_of(&s->key);
	if (!entry)
		return;
	if (entry->kind == DESCRIPTOR_IGNORED) {
		descriptor_forget(&s->key);
		return;
	}
	COUNT(program, seen);
	descriptor_end(s, entry, program);
}

#endif
