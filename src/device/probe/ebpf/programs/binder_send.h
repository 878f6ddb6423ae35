/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Binder, the sending thread: who calls what, and which references go along. */
#ifndef CANDOR_BINDER_SEND_H
#define CANDOR_BINDER_SEND_H

/*
 * A reply is sent. When the thread that waits for it is one of ours, the references that are translated next belong to the
 * reply to its uppermost call: the driver answers calls of a thread in that order only.
 */
INLINE void binder_reply_sent(void *context)
{
	__u32 asker = BINDER_FIELD(context, sent_to_thread, 20);
	__u32 tid = current_pid_tgid();
	struct binder_thread *own = map_lookup(&binder_threads, &tid);
	struct binder_thread *thread;
	struct binder_call *call;
	__u32 id;

	COUNT(PROGRAM_BINDER_SENT, seen);
	if (!own) {
		/* Whoever received a call of ours has an entry. */
		COUNT(PROGRAM_BINDER_SENT, filtered);
		return;
	}
	/* The thread waits itself for a call of its own, and has served this one meanwhile. */
	if (own->depth && binder_top(own) == BINDER_SERVING)
		own->depth--;
	thread = map_lookup(&binder_threads, &asker);
	if (thread) {
		id = binder_top(thread);
		call = map_lookup(&binder_calls, &id);
		if (call && call->state & BINDER_CALL_TOLD) {
			call->node_count = 0;
			own->translating = BINDER_FIELD(context, sent_debug_id, 8);
			own->translating_for = id;
			COUNT(PROGRAM_BINDER_SENT, aggregated);
			return;
		}
	}
	COUNT(PROGRAM_BINDER_SENT, filtered);
}

SECTION("tracepoint/binder/binder_transaction")
int binder_sent(void *context)
{
	__u32 settings_index = 0;
	struct settings *set = map_lookup(&settings, &settings_index);
	struct binder_call call = {};
	struct binder_thread *thread;
	__u64 pid_tgid;
	__u64 uid_gid;
	__u64 sessions;
	__u32 id;
	bool one_way;

	if (!set || !set->selected_by)
		return 0;
	if (BINDER_FIELD(context, sent_reply, 24)) {
		binder_reply_sent(context);
		return 0;
	}
	pid_tgid = current_pid_tgid();
	uid_gid = current_uid_gid();
	COUNT(PROGRAM_BINDER_SENT, seen);
	sessions = sessions_of(set, pid_tgid >> 32, uid_gid);
	if (!sessions || pid_tgid >> 32 == set->own_tgid) {
		COUNT(PROGRAM_BINDER_SENT, filtered);
		return 0;
	}
	id = BINDER_FIELD(context, sent_debug_id, 8);
	call.sessions = sessions;
	call.time_ns = boot_time_ns();
	call.start_ns = current_start_ns();
	copy_comm(call.comm);
	call.tgid = pid_tgid >> 32;
	call.tid = pid_tgid;
	call.uid = uid_gid;
	call.gid = uid_gid >> 32;
	call.target_node = BINDER_FIELD(context, sent_target_node, 12);
	call.receiver = BINDER_FIELD(context, sent_to_proc, 16);
	call.code = BINDER_FIELD(context, sent_code, 28);
	call.flags = BINDER_FIELD(context, sent_flags, 32);
	one_way = call.flags & BINDER_ONE_WAY;
	thread = binder_thread_of(call.tid);
	if (!thread)
		goto lost;
	if (!one_way) {
		/*
		 * The driver lets no thread call while it waits for a reply. A call on top is therefore one whose end was not
		 * seen; of at most so many as the table holds.
		 */
#pragma clang loop unroll(disable)
		for (__u32 step = 0; step < BINDER_DEPTH_MAX; step++) {
			__u32 stale = binder_top(thread);

			if (stale == BINDER_SERVING)
				break;
			thread->depth--;
			map_delete(&binder_calls, &stale);
		}
		binder_push(thread, id);
		if (thread->depth > BINDER_DEPTH_MAX)
			goto lost;
	}
	thread->translating = id;
	thread->translating_for = id;
	thread->sent++;
	thread->one_way_sent = one_way;
	if (map_update(&binder_calls, &id, &call, UPDATE_ANY) != 0)
		goto lost;
	COUNT(PROGRAM_BINDER_SENT, aggregated);
	return 0;
lost:
	COUNT(PROGRAM_BINDER_SENT, lost);
	count_session_loss(sessions, 1);
	return 0;
}

/* A reference is made for the receiver of what the current thread sends. */
INLINE int binder_reference(__u32 id, __u32 node, __u32 handle)
{
	__u32 settings_index = 0;
	struct settings *set = map_lookup(&settings, &settings_index);
	__u32 tid = current_pid_tgid();
	struct binder_thread *thread;
	struct binder_call *call;
	__u32 call_id;
	__u32 count;

	if (!set || !set->selected_by)
		return 0;
	COUNT(PROGRAM_BINDER_REFERENCE, seen);
	thread = map_lookup(&binder_threads, &tid);
	if (!thread || thread->translating != id) {
		COUNT(PROGRAM_BINDER_REFERENCE, filtered);
		return 0;
	}
	call_id = thread->translating_for;
	call = map_lookup(&binder_calls, &call_id);
	if (!call) {
		COUNT(PROGRAM_BINDER_REFERENCE, filtered);
		return 0;
	}
	count = call->node_count;
	/* Beyond the table they are counted only; the record then says that its list is cut. */
	call->node_count = count + 1;
	if (count < BINDER_NODES_MAX) {
		call->nodes[count].node = node;
		call->nodes[count].handle = handle;
	}
	COUNT(PROGRAM_BINDER_REFERENCE, aggregated);
	return 0;
}

SECTION("tracepoint/binder/binder_transaction_node_to_ref")
int binder_node_to_ref(void *context)
{
	return binder_reference(BINDER_FIELD(context, node_to_ref_debug_id, 8), BINDER_FIELD(context, node_to_ref_node, 12),
				BINDER_FIELD(context, node_to_ref_handle, 28));
}

SECTION("tracepoint/binder/binder_transaction_ref_to_ref")
int binder_ref_to_ref(void *context)
{
	return binder_reference(BINDER_FIELD(context, ref_to_ref_debug_id, 8), BINDER_FIELD(context, ref_to_ref_node, 12),
				BINDER_FIELD(context, ref_to_ref_handle, 28));
}

#endif
