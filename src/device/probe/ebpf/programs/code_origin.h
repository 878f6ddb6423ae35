/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What user space needs to tell whose code made a system call: registers, frames and the top of the stack of the thread.
 *
 * Frame pointers alone would name the wrong code. The C library keeps none, so the register still holds its caller's, and
 * what that leads to is the caller's caller: a library that calls connect() would be left out, and the program that called
 * the library named instead. The bytes of the stack let user space find the frame in between by the C library's own tables.
 *
 * Only for acts that are rare and matter.
 */
#ifndef CANDOR_CODE_ORIGIN_H
#define CANDOR_CODE_ORIGIN_H

INLINE __u64 user_register(__u64 registers, __u64 offset)
{
	__u64 value = 0;

	read_kernel(&value, sizeof(value), (void *)(registers + offset));
	return value;
}

/* Appends the segments of the current thread, which is at the end of a system call. */
INLINE void segments_user_code(struct scratch *s, __u64 *context)
{
	__u64 registers = CALL_REGISTERS(context);
	struct user_registers *to;
	void *stack;
	__u64 at = s->length;
	long frames;
	__u64 size;

	KEEP_BOUND(at);
	if (at > RECORD_MAX - 2 * sizeof(struct segment_header) - sizeof(*to) - USER_FRAMES_MAX * 8 - USER_STACK_MAX) {
		header_of(s)->flags |= RECORD_FLAG_CUT;
		return;
	}
	to = (struct user_registers *)(s->record + at + sizeof(struct segment_header));
	to->pc = user_register(registers, REGISTERS_PC_OFFSET);
	to->sp = user_register(registers, REGISTERS_SP_OFFSET);
	to->fp = user_register(registers, REGISTERS_FP_OFFSET);
#if defined(REGISTERS_LINK_OFFSET)
	to->link = user_register(registers, REGISTERS_LINK_OFFSET);
#else
	to->link = 0;
#endif
	stack = (void *)to->sp;
	frames = get_stack(context, to + 1, USER_FRAMES_MAX * 8, STACK_OF_USER);
	if (frames < 0)
		frames = 0;
	if (frames > USER_FRAMES_MAX * 8)
		frames = USER_FRAMES_MAX * 8;
	segment_header_write(s, at, SEGMENT_USER_FRAMES, 0, sizeof(*to) + frames);
	at += sizeof(struct segment_header) + sizeof(*to) + frames;
	KEEP_BOUND(at);
	if (at > RECORD_MAX - sizeof(struct segment_header) - USER_STACK_MAX)
		return;
	/* The stack can be shorter than that, and one page that is not there makes the whole of it unreadable. */
	size = USER_STACK_MAX;
	if (read_user(s->record + at + sizeof(struct segment_header), USER_STACK_MAX, stack) != 0) {
		size = USER_STACK_MAX / 8;
		if (read_user(s->record + at + sizeof(struct segment_header), USER_STACK_MAX / 8, stack) != 0)
			size = 0;
	}
	segment_header_write(s, at, SEGMENT_USER_STACK, size ? 0 : SEGMENT_FLAG_UNREADABLE, size);
	s->length = at + sizeof(struct segment_header) + size;
}

#endif
