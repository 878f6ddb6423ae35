/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What is remembered of binder transactions between the programs that see them: the calls of selected senders, and for
 * each thread concerned which calls it waits for. docs/BINDER-PROBE.md tells the whole story.
 */
#ifndef CANDOR_BINDER_STATE_H
#define CANDOR_BINDER_STATE_H

/* include/uapi/linux/android/binder.h. The layouts are those of 64-bit and 32-bit processes alike (protocol 8). */
#define BINDER_WRITE_READ 0xc0306201
#define BINDER_ONE_WAY 0x01 /* TF_ONE_WAY */

#define BC_TRANSACTION 0x40406300
#define BC_TRANSACTION_SG 0x40486311

#define BR_TRANSACTION_SEC_CTX 0x80487202
#define BR_TRANSACTION 0x80407202
#define BR_REPLY 0x80407203
#define BR_DEAD_REPLY 0x7205
#define BR_TRANSACTION_COMPLETE 0x7206
#define BR_NOOP 0x720c
#define BR_FAILED_REPLY 0x7211
#define BR_FROZEN_REPLY 0x7212

#define COMMAND_SIZE 4
#define COMMAND_PAYLOAD(command) ((command) >> 16 & 0x3fff)

struct binder_write_read {
	__u64 write_size;
	__u64 write_consumed;
	__u64 write_buffer;
	__u64 read_size;
	__u64 read_consumed;
	__u64 read_buffer;
};

struct binder_transaction_data {
	__u64 target;
	__u64 cookie;
	__u32 code;
	__u32 flags;
	__s32 sender_pid;
	__u32 sender_euid;
	__u64 data_size;
	__u64 offsets_size;
	__u64 buffer;
	__u64 offsets;
};

/* Number of a transaction -> what is remembered of it. Transactions of processes that are not selected are never here. */
struct {
	MAP_NUMBER(type, MAP_HASH);
	MAP_NUMBER(max_entries, 8192);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct binder_call);
} binder_calls SECTION(".maps");

/* Thread -> what it waits for and serves. Of threads that send, receive or answer a remembered transaction. */
struct {
	MAP_NUMBER(type, MAP_HASH);
	MAP_NUMBER(max_entries, 8192);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct binder_thread);
} binder_threads SECTION(".maps");

/* Interface descriptors that are worth a record; filled by user space. */
struct {
	MAP_NUMBER(type, MAP_HASH);
	MAP_NUMBER(max_entries, 512);
	MAP_TYPE(key, struct interface_key);
	MAP_TYPE(value, __u32);
} wanted_interfaces SECTION(".maps");

/* Device number, in the kernel's encoding -> enum binder_device; filled by user space. */
struct {
	MAP_NUMBER(type, MAP_HASH);
	MAP_NUMBER(max_entries, 16);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, __u32);
} binder_devices SECTION(".maps");

#define TAIL_SIZE 128 /* of what was delivered, from its end */
#define TOKEN_WORDS 4 /* words before the descriptor, its length included, at most */
#define HEAD_SIZE (TOKEN_WORDS * 4 + INTERFACE_KEY_SIZE)

struct binder_work {
	__u8 tail[2 * TAIL_SIZE]; /* filled so that the last byte is at TAIL_SIZE - 1; the rest satisfies the verifier */
	__u8 head[HEAD_SIZE];     /* of the parcel */
	struct interface_key key;
} __attribute__((aligned(8)));

struct {
	MAP_NUMBER(type, MAP_PER_CPU_ARRAY);
	MAP_NUMBER(max_entries, 1);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct binder_work);
} binder_work SECTION(".maps");

/*
 * Where the fields of the driver's tracepoints are. User space looks it up in their format files. `binder_usual_layout`:
 * all are where they have always been, and can be loaded without a call; the verifier then never sees the other branch.
 */
volatile const __s32 binder_usual_layout = 0;
volatile const __s32 binder_sent_debug_id_offset = -1;
volatile const __s32 binder_sent_target_node_offset = -1;
volatile const __s32 binder_sent_to_proc_offset = -1;
volatile const __s32 binder_sent_to_thread_offset = -1;
volatile const __s32 binder_sent_reply_offset = -1;
volatile const __s32 binder_sent_code_offset = -1;
volatile const __s32 binder_sent_flags_offset = -1;
volatile const __s32 binder_received_debug_id_offset = -1;
volatile const __s32 binder_node_to_ref_debug_id_offset = -1;
volatile const __s32 binder_node_to_ref_node_offset = -1;
volatile const __s32 binder_node_to_ref_handle_offset = -1;
volatile const __s32 binder_ref_to_ref_debug_id_offset = -1;
volatile const __s32 binder_ref_to_ref_node_offset = -1;
volatile const __s32 binder_ref_to_ref_handle_offset = -1;

INLINE __u32 binder_number_at(void *context, __s32 offset)
{
	__u32 value = 0;

	if (offset >= 0)
		read_kernel(&value, sizeof(value), (char *)context + offset);
	return value;
}

/* A field of the tracepoint, which usually is at `place`. */
#define BINDER_FIELD(context, field, place)                                    \
	(binder_usual_layout ? *(__u32 *)((char *)(context) + (place)) :        \
			       binder_number_at(context, binder_##field##_offset))

/* The thread's entry, made when there is none; 0 when the table is full. */
INLINE struct binder_thread *binder_thread_of(__u32 tid)
{
	struct binder_thread *thread = map_lookup(&binder_threads, &tid);
	struct binder_thread fresh = {};

	if (thread)
		return thread;
	map_update(&binder_threads, &tid, &fresh, UPDATE_NEW_ONLY);
	return map_lookup(&binder_threads, &tid);
}

/*
 * The stack of a thread mirrors the driver's own: calls it waits for, and between them BINDER_SERVING for each call that it
 * serves meanwhile. What is deeper than the table is counted in `depth` only, so that later ends still find theirs.
 */
INLINE void binder_push(struct binder_thread *thread, __u32 what)
{
	__u32 depth = thread->depth;

	if (depth < BINDER_DEPTH_MAX)
		thread->outstanding[depth] = what;
	thread->depth = depth + 1;
}

/* What is on top; BINDER_SERVING also when nothing is, or when it is deeper than the table. */
INLINE __u32 binder_top(struct binder_thread *thread)
{
	__u32 top = thread->depth - 1;

	return top < BINDER_DEPTH_MAX ? thread->outstanding[top] : BINDER_SERVING;
}

/* Takes the uppermost call off, and what is served above it; 0: there is none, or it is deeper than the table. */
INLINE __u32 binder_pop_call(struct binder_thread *thread)
{
	__u32 depth = thread->depth;

	if (depth > BINDER_DEPTH_MAX) {
		thread->depth = depth - 1;
		return 0;
	}
#pragma clang loop unroll(disable)
	for (__u32 step = 0; step < BINDER_DEPTH_MAX && depth; step++) {
		__u32 what;

		depth--;
		/* Masked rather than compared: clang turns a comparison into one of something else. */
		KEEP_BOUND(depth);
		what = thread->outstanding[depth & (BINDER_DEPTH_MAX - 1)];
		if (what != BINDER_SERVING) {
			thread->depth = depth;
			return what;
		}
	}
	thread->depth = 0;
	return 0;
}

/*
 * The current thread ends. Nobody will hear the replies to its calls; those that were not yet delivered will be, and then
 * are forgotten.
 */
INLINE void binder_thread_ends(void)
{
	__u32 tid = current_pid_tgid();
	struct binder_thread *thread = map_lookup(&binder_threads, &tid);

	if (!thread)
		return;
#pragma clang loop unroll(disable)
	for (__u32 step = 0; step < BINDER_DEPTH_MAX; step++) {
		struct binder_call *call;
		__u32 id;

		if (step >= thread->depth)
			break;
		id = thread->outstanding[step];
		if (id == BINDER_SERVING)
			continue;
		call = map_lookup(&binder_calls, &id);
		if (!call)
			continue;
		if (call->state & BINDER_CALL_TOLD)
			map_delete(&binder_calls, &id);
		else
			call->state |= BINDER_CALL_NO_REPLY;
	}
	map_delete(&binder_threads, &tid);
}

#endif
