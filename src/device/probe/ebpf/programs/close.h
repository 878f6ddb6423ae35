/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Descriptors that go away. */
#ifndef CANDOR_CLOSE_H
#define CANDOR_CLOSE_H

#define CLOSE_RANGE_ON_EXEC 4
#define CLOSE_RANGE_STEPS 256
#define ERROR_BAD_DESCRIPTOR (-9)

SECTION(ON_SYSTEM_CALL)
int descriptor_close(__u64 *context)
{
	struct scratch *s = scratch_of(ENTRY_SYSTEM_CALL);

	(void)context;
	if (!s)
		return 0;
	if (s->operation == OPERATION_CLOSE) {
		struct descriptor *entry;

		s->key.tgid = s->tgid;
		s->key.fd = s->arguments[0];
		entry = descriptor_of(&s->key);
		/* Whatever else close says, the descriptor is gone. */
		if (entry && s->result != ERROR_BAD_DESCRIPTOR) {
			if (entry->kind != DESCRIPTOR_IGNORED) {
				descriptor_end(s, entry, PROGRAM_DESCRIPTOR_CLOSE);
				return 0;
			}
			descriptor_forget(&s->key);
		}
	} else if (s->operation == OPERATION_DUP_ONTO) {
		if (s->result >= 0 && s->arguments[0] != s->arguments[1])
			descriptor_replace(s, s->result, PROGRAM_DESCRIPTOR_CLOSE);
	} else if (s->result == 0 && !(s->arguments[2] & CLOSE_RANGE_ON_EXEC)) {
		__u32 first = s->arguments[0];
		__u32 last = s->arguments[1];

		/* What is beyond the steps is noticed when the number is used again, or when the process ends. */
#pragma clang loop unroll(disable)
		for (__u32 step = 0; step < CLOSE_RANGE_STEPS; step++) {
			if (step > last - first || last < first)
				break;
			descriptor_replace(s, first + step, PROGRAM_DESCRIPTOR_CLOSE);
		}
	}
	COUNT(PROGRAM_DESCRIPTOR_CLOSE, filtered);
	return 0;
}

#endif
