/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Building a record in the scratch memory and handing it over. */
#ifndef CANDOR_RECORD_H
#define CANDOR_RECORD_H

/* When the process of the task started. */
INLINE __u64 start_ns_of(struct task_struct *task)
{
#if CANDOR_KERNEL_OBJECTS
	struct task_struct *leader = CHAINED(task, group_leader);

	return CHAINED(leader, start_boottime);
#else
	(void)task;
	return 0; /* user space fills it in from /proc */
#endif
}

INLINE __u64 current_start_ns(void)
{
#if CANDOR_KERNEL_OBJECTS
	return start_ns_of(CURRENT_TASK());
#else
	return 0;
#endif
}

/* The name of the current thread: 16 bytes, of which those after the first NUL mean nothing. */
INLINE void task_comm(char *to, struct task_struct *task)
{
#if CANDOR_TYPED_POINTERS
	struct comm_words {
		__u64 first;
		__u64 second;
	} *words = (struct comm_words *)task->comm;

	((struct comm_words *)to)->first = words->first;
	((struct comm_words *)to)->second = words->second;
#else
	(void)task;
	/* The helper does not clear what is after the name: an older, longer name would shine through. */
	__builtin_memset(to, 0, 16);
	current_comm(to, 16);
#endif
}

INLINE void copy_comm(char *to)
{
#if CANDOR_TYPED_POINTERS
	task_comm(to, CURRENT_TASK());
#else
	task_comm(to, 0);
#endif
}

INLINE struct record_header *header_of(struct scratch *s)
{
	return __builtin_assume_aligned(s->record, 8);
}

/* Begins a record of the current process; gives the place of its body, zeroed. */
INLINE void *record_begin(struct scratch *s, __u16 kind, __u16 flags, __u32 body_size)
{
	struct record_header *header = header_of(s);
	struct task_struct *task = task_of(s);

	header->time_ns = time_of(s);
	header->sessions = s->sessions;
	if (!s->start_ns)
		s->start_ns = start_ns_of(task);
	header->start_ns = s->start_ns;
	header->tgid = s->tgid;
	header->tid = s->tid;
	header->uid = s->uid;
	header->gid = s->gid;
	header->kind = kind;
	header->flags = flags;
	task_comm(header->comm, task);
	s->length = sizeof(*header) + body_size;
	__builtin_memset(__builtin_assume_aligned(s->record + sizeof(*header), 8), 0, body_size);
	return s->record + sizeof(*header);
}

/* Hands the record over; counts it as submitted or lost, for `program` and, when lost, for its sessions. */
INLINE void record_end(struct scratch *s, __u32 program)
{
	struct record_header *header = header_of(s);
	__u32 settings_index = 0;
	struct settings *set = map_lookup(&settings, &settings_index);
	__u64 length = s->length;
	__u64 flags = RING_NO_WAKEUP;

	if (!set)
		return;
	if (length > RECORD_MAX)
		length = RECORD_MAX;
	header->length = length;
	KEEP_BOUND(length);
	if (length > RECORD_MAX)
		return;
	/*
	 * Waking the reader for each record is what costs the traced app most: wake it when there can be much to read. It
	 * looks by itself every few milliseconds. Counting here costs nothing; asking the ring how much is unread is a call.
	 */
	s->unwoken += length;
	if (s->unwoken >= set->wake_bytes) {
		s->unwoken = 0;
		flags = RING_FORCE_WAKEUP;
	}
	/*
	 * One session's flood must not cost another session its records: whoever crowds the ring finds it full when part of
	 * it is unread, and the rest is for the others. Asked of nobody else, because the asking costs a call.
	 */
	if (UNLIKELY(set->crowding) && !(s->sessions & ~set->crowding) &&
	    ring_query(&ring, RING_UNREAD) > set->crowd_bytes) {
		COUNT(program, lost);
		count_session_loss(s->sessions, 0);
	} else if (ring_output(&ring, s->record, length, flags) == 0) {
		COUNT(program, submitted);
	} else {
		COUNT(program, lost);
		count_session_loss(s->sessions, 0);
	}
}

INLINE void segment_header_write(struct scratch *s, __u64 at, __u8 tag, __u8 flags, __u16 length)
{
	struct segment_header *segment;

	/* Checked again, also where clang knows better: verifiers before 5.11 forget the bounds of what was put on the stack. */
	KEEP_BOUND(at);
	if (at > RECORD_MAX - sizeof(*segment))
		return;
	segment = (struct segment_header *)(s->record + at);
	segment->tag = tag;
	segment->flags = flags;
	segment->length = length;
	if (flags & SEGMENT_FLAG_CUT)
		header_of(s)->flags |= RECORD_FLAG_CUT;
}

/* Appends a string of the app's memory. */
INLINE void segment_user_string(struct scratch *s, __u8 tag, __u64 address)
{
	__u64 at = s->length;
	__u8 flags = 0;
	long size;

	KEEP_BOUND(at);
	if (at > RECORD_MAX - ARGUMENT_MAX - sizeof(struct segment_header)) {
		/* No room for it: say that there was one. */
		header_of(s)->flags |= RECORD_FLAG_CUT;
		return;
	}
	size = read_user_string(s->record + at + sizeof(struct segment_header), ARGUMENT_MAX, (void *)address);
	if (size <= 0) {
		flags = SEGMENT_FLAG_UNREADABLE;
		size = 1;
	} else if (size >= ARGUMENT_MAX) {
		flags = SEGMENT_FLAG_CUT;
		size = ARGUMENT_MAX;
	}
	segment_header_write(s, at, tag, flags, size - 1);
	s->length = at + sizeof(struct segment_header) + size - 1;
}

#endif
