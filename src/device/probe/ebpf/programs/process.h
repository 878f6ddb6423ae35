/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Start, exec and exit of processes, and what a process does that cannot be followed. */
#ifndef CANDOR_PROCESS_H
#define CANDOR_PROCESS_H

/* Fills the scratch for the current process; gives 0 when it is not selected (and counts that). */
INLINE struct scratch *process_begin(__u32 entry, __u32 program)
{
	__u32 settings_index = 0;
	struct settings *set = map_lookup(&settings, &settings_index);
	__u64 pid_tgid = current_pid_tgid();
	__u64 uid_gid = current_uid_gid();
	struct scratch *s;
	__u64 sessions;

	if (!set || !set->selected_by)
		return 0;
	COUNT(program, seen);
	sessions = sessions_of(set, pid_tgid >> 32, uid_gid);
	if (!sessions || pid_tgid >> 32 == set->own_tgid) {
		COUNT(program, filtered);
		return 0;
	}
	s = scratch_of(entry);
	if (!s)
		return 0;
	s->time_ns = boot_time_ns();
#if CANDOR_CASTS
	s->task = current_task_address();
#endif
	s->sessions = sessions;
	s->start_ns = 0;
	s->tgid = pid_tgid >> 32;
	s->tid = pid_tgid;
	s->uid = uid_gid;
	s->gid = uid_gid >> 32;
	return s;
}

/* A child belongs to the trees of its parent. */
INLINE void inherit_trees(struct scratch *s, __u32 parent, __u32 child)
{
	__u64 *bits = map_lookup(&selected_trees, &parent);
	__u64 copy;

	if (!bits)
		return;
	copy = *bits;
	if (map_update(&selected_trees, &child, &copy, UPDATE_ANY) != 0) {
		COUNT(PROGRAM_PROCESS_START, seen);
		COUNT(PROGRAM_PROCESS_START, lost);
		count_session_loss(copy, 1);
	}
	(void)s;
}

#if CANDOR_KERNEL_OBJECTS

#define GROUP_EXITS 4 /* SIGNAL_GROUP_EXIT */

SECTION("raw_tp/sched_process_fork")
int process_start(__u64 *context)
{
	struct task_struct *child = (struct task_struct *)context[1];
	struct process_start_body *body;
	struct scratch *s;
	__u32 parent_tgid = current_pid_tgid() >> 32;
	__u32 child_tgid = FIELD(child, tgid);

	/* A thread is no process. */
	if (child_tgid == parent_tgid)
		return 0;
	s = process_begin(ENTRY_PROCESS_START, PROGRAM_PROCESS_START);
	if (!s)
		return 0;
	inherit_trees(s, parent_tgid, child_tgid);
	s->tgid = child_tgid;
	s->tid = FIELD(child, pid);
	body = record_begin(s, RECORD_PROCESS_START, 0, sizeof(*body));
	body->parent_tgid = parent_tgid;
	body->parent_start_ns = header_of(s)->start_ns;
	header_of(s)->start_ns = FIELD(child, start_boottime);
	record_end(s, PROGRAM_PROCESS_START);
	return 0;
}

INLINE void segment_command_line(struct scratch *s)
{
	struct task_struct *task = CURRENT_TASK();
	struct mm_struct *memory = CHAINED(task, mm);
	__u64 start = CHAINED(memory, arg_start);
	__u64 size = CHAINED(memory, arg_end) - start;
	__u64 at = s->length;
	__u8 flags = 0;

	KEEP_BOUND(at);
	if (at > RECORD_MAX - COMMAND_LINE_MAX - sizeof(struct segment_header)) {
		header_of(s)->flags |= RECORD_FLAG_CUT;
		return;
	}
	if (size > COMMAND_LINE_MAX) {
		size = COMMAND_LINE_MAX;
		flags = SEGMENT_FLAG_CUT;
	}
	KEEP_BOUND(size);
	if (size > COMMAND_LINE_MAX)
		return;
	if (read_user(s->record + at + sizeof(struct segment_header), size, (void *)start) != 0) {
		flags = SEGMENT_FLAG_UNREADABLE;
		size = 0;
	}
	segment_header_write(s, at, SEGMENT_COMMAND_LINE, flags, size);
	s->length = at + sizeof(struct segment_header) + size;
}

SECTION("raw_tp/sched_process_exec")
int process_exec(__u64 *context)
{
	struct linux_binprm *program = (struct linux_binprm *)context[2];
	struct scratch *s = process_begin(ENTRY_PROCESS_EXEC, PROGRAM_PROCESS_EXEC);
	struct process_exec_body *body;
	struct file *file;
	__u64 at;

	if (!s)
		return 0;
	body = record_begin(s, RECORD_PROCESS_EXEC, 0, sizeof(*body));
	body->result = 0;
	file = FIELD(program, file);
	segment_kernel_path(s, SEGMENT_PATH, FIELD(file, f_path), PATH_MAX_BYTES);
	at = s->length;
	KEEP_BOUND(at);
	if (at <= RECORD_MAX - ARGUMENT_MAX - sizeof(struct segment_header)) {
		long size = read_kernel_string(s->record + at + sizeof(struct segment_header), ARGUMENT_MAX,
					       FIELD(program, filename));

		if (size > 0 && size <= ARGUMENT_MAX) {
			segment_header_write(s, at, SEGMENT_ARGUMENT, size == ARGUMENT_MAX ? SEGMENT_FLAG_CUT : 0, size - 1);
			s->length = at + sizeof(struct segment_header) + size - 1;
		}
	}
	segment_command_line(s);
	record_end(s, PROGRAM_PROCESS_EXEC);
	return 0;
}

SECTION(ON_PROCESS_EXIT)
int process_exit(__u64 *context)
{
	struct task_struct *task = ENDING_TASK(context);
	struct signal_struct *signal = FIELD(task, signal);
	struct process_exit_body *body;
	struct scratch *s;

	binder_thread_ends();
	/* Only the last thread ends the process. */
	if (FIELD(signal, live.counter) != 0)
		return 0;
	s = process_begin(ENTRY_PROCESS_EXIT, PROGRAM_PROCESS_EXIT);
	if (!s)
		return 0;
	/* Two last threads can both find nobody left. */
	if (!first_time(s->tgid, TOLD_EXIT, current_start_ns())) {
		COUNT(PROGRAM_PROCESS_EXIT, filtered);
		return 0;
	}
	body = record_begin(s, RECORD_PROCESS_EXIT, 0, sizeof(*body));
	if (FIELD(signal, flags) & GROUP_EXITS) {
		body->wait_status = FIELD(signal, group_exit_code);
	} else {
		struct task_struct *leader = FIELD(task, group_leader);

		body->wait_status = FIELD(leader, exit_code);
	}
	map_delete(&selected_trees, &s->tgid);
	record_end(s, PROGRAM_PROCESS_EXIT);
	return 0;
}

#else

/*
 * Without type information: the tracepoints in the form that tools such as perf use, whose fields user space looks up
 * in the tracepoint's format file and puts here before loading. -1: the field is not there.
 */
volatile const __s32 fork_child_pid_offset = -1;
volatile const __s32 exec_filename_offset = -1;
volatile const __s32 exit_group_dead_offset = -1;

#define WAIT_STATUS_UNKNOWN (-1)

INLINE __u32 tracepoint_number(void *context, __s32 offset)
{
	__u32 value = 0;

	if (offset >= 0)
		read_kernel(&value, sizeof(value), (char *)context + offset);
	return value;
}

#define CLONE_THREAD 0x10000
#define TOLD_THREAD 0x100 /* with the id of the thread that makes one */

/*
 * Comes just before sched_process_fork, in the same thread, and is the only one of the two that tells a new thread from
 * a new process.
 */
SECTION("raw_tp/task_newtask")
int thread_start(__u64 *context)
{
	__u32 settings_index = 0;
	struct settings *set = map_lookup(&settings, &settings_index);
	__u64 pid_tgid = current_pid_tgid();
	__u64 key = (__u64)TOLD_THREAD << 32 | (__u32)pid_tgid;
	__u64 one = 1;

	if (!set || !set->selected_by || !sessions_of(set, pid_tgid >> 32, current_uid_gid()))
		return 0;
	if (context[1] & CLONE_THREAD)
		map_update(&told_once, &key, &one, UPDATE_ANY);
	else
		map_delete(&told_once, &key);
	return 0;
}

SECTION("tracepoint/sched/sched_process_fork")
int process_start(void *context)
{
	__u32 parent_tgid = current_pid_tgid() >> 32;
	__u32 child = tracepoint_number(context, fork_child_pid_offset);
	struct process_start_body *body;
	struct scratch *s = process_begin(ENTRY_PROCESS_START, PROGRAM_PROCESS_START);
	__u64 key = (__u64)TOLD_THREAD << 32 | (__u32)current_pid_tgid();

	if (!s)
		return 0;
	if (!child || map_lookup(&told_once, &key)) {
		COUNT(PROGRAM_PROCESS_START, filtered);
		return 0;
	}
	inherit_trees(s, parent_tgid, child);
	s->tgid = child;
	s->tid = child;
	body = record_begin(s, RECORD_PROCESS_START, 0, sizeof(*body));
	body->parent_tgid = parent_tgid;
	record_end(s, PROGRAM_PROCESS_START);
	return 0;
}

SECTION("tracepoint/sched/sched_process_exec")
int process_exec(void *context)
{
	struct scratch *s = process_begin(ENTRY_PROCESS_EXEC, PROGRAM_PROCESS_EXEC);
	struct process_exec_body *body;
	__u64 at;

	if (!s)
		return 0;
	body = record_begin(s, RECORD_PROCESS_EXEC, RECORD_FLAG_USER_MEMORY, sizeof(*body));
	body->result = 0;
	at = s->length;
	KEEP_BOUND(at);
	if (exec_filename_offset >= 0 && at <= RECORD_MAX - ARGUMENT_MAX - sizeof(struct segment_header)) {
		/* The place of the string in the tracepoint's data: offset in the lower half. */
		__u32 place = tracepoint_number(context, exec_filename_offset) & 0xffff;
		long size = read_kernel_string(s->record + at + sizeof(struct segment_header), ARGUMENT_MAX,
					       (char *)context + place);

		if (size > 0 && size <= ARGUMENT_MAX) {
			segment_header_write(s, at, SEGMENT_ARGUMENT, size == ARGUMENT_MAX ? SEGMENT_FLAG_CUT : 0, size - 1);
			s->length = at + sizeof(struct segment_header) + size - 1;
		}
	}
	record_end(s, PROGRAM_PROCESS_EXEC);
	return 0;
}

SECTION("tracepoint/sched/sched_process_exit")
int process_exit(void *context)
{
	__u64 pid_tgid = current_pid_tgid();
	__u32 tid = pid_tgid;
	bool last = tid == pid_tgid >> 32;
	struct process_exit_body *body;
	struct scratch *s;

	binder_thread_ends();
	if (exit_group_dead_offset >= 0)
		last = (tracepoint_number(context, exit_group_dead_offset) & 0xff) != 0;
	if (!last)
		return 0;
	s = process_begin(ENTRY_PROCESS_EXIT, PROGRAM_PROCESS_EXIT);
	if (!s)
		return 0;
	body = record_begin(s, RECORD_PROCESS_EXIT, 0, sizeof(*body));
	body->wait_status = WAIT_STATUS_UNKNOWN;
	map_delete(&selected_trees, &s->tgid);
	record_end(s, PROGRAM_PROCESS_EXIT);
	return 0;
}

#endif

SECTION(ON_SYSTEM_CALL)
int exec_failed(__u64 *context)
{
	struct scratch *s = scratch_of(ENTRY_SYSTEM_CALL);
	struct process_exec_body *body;
	__s32 directory = -100;
	__u64 argument;

	(void)context;
	if (!s)
		return 0;
	if (s->result >= 0) {
		/* A success was told by the tracepoint of exec; the arguments are gone. */
		COUNT(PROGRAM_EXEC_FAILED, filtered);
		return 0;
	}
	argument = s->arguments[0];
	if (s->operation == OPERATION_EXECVEAT) {
		directory = s->arguments[0];
		argument = s->arguments[1];
	}
	body = record_begin(s, RECORD_PROCESS_EXEC, RECORD_FLAG_USER_MEMORY, sizeof(*body));
	body->result = s->result;
	segment_user_string(s, SEGMENT_ARGUMENT, argument);
	if (!is_absolute(argument))
		segment_base(s, SEGMENT_BASE, directory);
	record_end(s, PROGRAM_EXEC_FAILED);
	return 0;
}

SECTION(ON_SYSTEM_CALL)
int blind_spot(__u64 *context)
{
	struct scratch *s = scratch_of(ENTRY_SYSTEM_CALL);
	struct blind_spot_body *body;
	__u32 what;

	(void)context;
	if (!s)
		return 0;
	what = s->operation == OPERATION_COMPAT ? BLIND_SPOT_COMPAT : BLIND_SPOT_IO_URING;
	if ((what == BLIND_SPOT_IO_URING && s->result < 0) ||
	    !first_time(s->tgid, TOLD_BLIND_SPOT + what, current_start_ns())) {
		COUNT(PROGRAM_BLIND_SPOT, filtered);
		return 0;
	}
	body = record_begin(s, RECORD_BLIND_SPOT, 0, sizeof(*body));
	body->what = what;
	record_end(s, PROGRAM_BLIND_SPOT);
	return 0;
}

#endif
