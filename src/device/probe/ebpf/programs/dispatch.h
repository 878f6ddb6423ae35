/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The one program on every system call of the machine. It decides fast that most are of no interest. */
#ifndef CANDOR_DISPATCH_H
#define CANDOR_DISPATCH_H

#if defined(__TARGET_ARCH_x86)
#define X32_BIT 0x40000000
#define USER_32_BIT_SEGMENT 0x23
#define STATUS_COMPAT 2
#else
#define STATE_32_BIT 0x10
#endif

/* Copies the arguments out of the registers; says whether the call came through the 32-bit interface. */
INLINE bool take_arguments(struct scratch *s, __u64 registers, struct task_struct *task)
{
#if CANDOR_TYPED_POINTERS
	struct call_registers block = *(struct call_registers *)(registers + REGISTERS_BLOCK_OFFSET);
#else
	struct call_registers block;

	read_kernel(&block, sizeof(block), (void *)(registers + REGISTERS_BLOCK_OFFSET));
#endif
#if defined(__TARGET_ARCH_x86)
	s->arguments[0] = block.di;
	s->arguments[1] = block.si;
	s->arguments[2] = block.dx;
	s->arguments[3] = block.r10;
	s->arguments[4] = block.r8;
	s->arguments[5] = block.r9;
	if (block.cs == USER_32_BIT_SEGMENT)
		return 1;
#if !CANDOR_KERNEL_OBJECTS
	(void)task;
#else
	/* A 64-bit program can use the 32-bit interface as well (int 0x80). */
	if (CHAINED(task, thread_info.status) & STATUS_COMPAT)
		return 1;
#endif
	return 0;
#else
	__u64 state = 0;
	__u64 original = 0;

	(void)task;
	read_kernel(&state, sizeof(state), (void *)(registers + REGISTERS_PSTATE_OFFSET));
	read_kernel(&original, sizeof(original), (void *)(registers + REGISTERS_ORIGINAL_X0_OFFSET));
	s->arguments[0] = original;
	s->arguments[1] = block.x1;
	s->arguments[2] = block.x2;
	s->arguments[3] = block.x3;
	s->arguments[4] = block.x4;
	s->arguments[5] = block.x5;
	return (state & STATE_32_BIT) != 0;
#endif
}

#if CANDOR_TYPED_POINTERS
/* As sessions_of, with a look at what was found the last time. */
INLINE __u64 remembered_sessions_of(const struct settings *set, __u32 tgid, __u32 uid, __u64 start_ns)
{
	__u32 index = tgid % MEMBERSHIPS;
	struct membership *known = map_lookup(&memberships, &index);
	/* Before the maps are asked: should they be changed meanwhile, what is remembered is already old. */
	__u32 generation = *(volatile const __u32 *)&set->generation;

	if (!known)
		return 0;
	if (LIKELY(known->tgid == tgid && known->start_ns == start_ns && known->uid == uid && known->generation == generation))
		return known->sessions;
	known->tgid = tgid;
	known->uid = uid;
	known->start_ns = start_ns;
	known->generation = generation;
	known->sessions = sessions_of(set, tgid, uid);
	return known->sessions;
}
#endif

/* With a constant index it is a jump; else an indirect one, which processors that guard those are slow at. */
#define HAND_TO(context, program)                                              \
	asm volatile("r1 = %[context_]\n r2 = %[handlers_] ll\n r3 = %[program_]\n call 12"                     \
		     :: [context_] "r"(context), [handlers_] "i"(&handlers), [program_] "i"(program) \
		     : "r0", "r1", "r2", "r3", "r4", "r5")

SECTION(ON_SYSTEM_CALL)
int system_call_exit(__u64 *context)
{
	__u32 settings_index = 0;
	struct settings *set = map_lookup(&settings, &settings_index);
	struct scratch *s;
	struct task_struct *task = 0;
	__u64 pid_tgid;
	__u64 uid_gid;
	__u64 start_ns = 0;
	__u64 sessions;
	__u64 registers;
	__u32 number = 0;
#if defined(__TARGET_ARCH_arm64)
	__u64 state = 0;
#endif
	__u32 operation;
	__u32 program;

	if (!set || !set->selected_by)
		return 0;
	registers = CALL_REGISTERS(context);
	/* On x86_64 the upper half of orig_ax is the sign of -1, which is no call; the lower half is enough. */
#if CANDOR_TYPED_POINTERS
	number = *(REGISTERS_NUMBER_TYPE *)(registers + REGISTERS_NUMBER_OFFSET);
#else
	read_kernel(&number, sizeof(number), (void *)(registers + REGISTERS_NUMBER_OFFSET));
#endif
#if defined(__TARGET_ARCH_arm64)
	/*
	 * Before the number is looked at: those of 32-bit programs mean other calls, and most of them are none of ours. On
	 * x86_64 a 32-bit program shows itself at the end of its exec, where the number is kept.
	 */
#if CANDOR_TYPED_POINTERS
	state = *(__u64 *)(registers + REGISTERS_PSTATE_OFFSET);
#else
	read_kernel(&state, sizeof(state), (void *)(registers + REGISTERS_PSTATE_OFFSET));
#endif
	if (state & STATE_32_BIT) {
		operation = OPERATION_COMPAT;
	} else
#endif
	if (number < CALL_NUMBERS) {
		operation = set->operation[number];
		if (LIKELY(operation == OPERATION_NONE))
			return 0;
#if defined(__TARGET_ARCH_x86)
	} else if (number & X32_BIT && number != 0xffffffff) {
		operation = OPERATION_COMPAT;
#endif
	} else {
		return 0;
	}
	program = operation >> 4;
#if CANDOR_TYPED_POINTERS
	task = CURRENT_TASK();
	struct cred *cred = task->cred;

	pid_tgid = (__u64)(__u32)task->tgid << 32 | (__u32)task->pid;
	uid_gid = (__u64)cred->gid.val << 32 | cred->uid.val;
	start_ns = start_ns_of(task);
	sessions = remembered_sessions_of(set, pid_tgid >> 32, uid_gid, start_ns);
#else
#if CANDOR_KERNEL_OBJECTS
	task = CURRENT_TASK();
#endif
	pid_tgid = current_pid_tgid();
	uid_gid = current_uid_gid();
	sessions = sessions_of(set, pid_tgid >> 32, uid_gid);
#endif
	if (LIKELY(!sessions) || pid_tgid >> 32 == set->own_tgid) {
		struct account *account = map_lookup(&accounts, &program);

		if (account) {
			account->seen++;
			account->filtered++;
		}
		return 0;
	}
	s = scratch_of(ENTRY_SYSTEM_CALL);
	if (!s)
		return 0;
	s->time_ns = 0;
	s->sessions = sessions;
	s->result = CALL_RESULT(context);
	s->tgid = pid_tgid >> 32;
	s->tid = pid_tgid;
	s->uid = uid_gid;
	s->gid = uid_gid >> 32;
	s->start_ns = start_ns;
	s->task = (__u64)task;
	s->step = 0;
	s->found_steps = 0;
	s->peer_steps = 0;
	s->aggregated = 0;
	if (take_arguments(s, registers, task)) {
		operation = OPERATION_COMPAT;
		program = PROGRAM_BLIND_SPOT;
	}
	s->operation = operation;
	COUNT(program, seen);
	if (program == PROGRAM_FILE_OPEN)
		HAND_TO(context, PROGRAM_FILE_OPEN);
	else if (program == PROGRAM_TRANSFER)
		HAND_TO(context, PROGRAM_TRANSFER);
	else if (program == PROGRAM_DESCRIPTOR_CLOSE)
		HAND_TO(context, PROGRAM_DESCRIPTOR_CLOSE);
	else
		tail_call(context, &handlers, program);
	/* Still here: the kernel refused the handler. */
	COUNT(program, lost);
	count_session_loss(sessions, 0);
	return 0;
}

#endif
