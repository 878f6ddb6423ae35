/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Binder, the receiving thread: what the driver delivered to it. Records are made here, from the receiver's copy of the
 * parcel, which the driver wrote and neither side can change.
 */
#ifndef CANDOR_BINDER_DELIVER_H
#define CANDOR_BINDER_DELIVER_H

/* Comes when a transaction or a reply has been written for the current thread, just before the call into the driver ends. */
SECTION("tracepoint/binder/binder_transaction_received")
int binder_received(void *context)
{
	__u32 settings_index = 0;
	struct settings *set = map_lookup(&settings, &settings_index);
	__u32 tid = current_pid_tgid();
	struct binder_thread *thread;
	struct binder_call *call;
	__u32 id;

	if (!set || !set->selected_by)
		return 0;
	id = BINDER_FIELD(context, received_debug_id, 8);
	COUNT(PROGRAM_BINDER_RECEIVED, seen);
	thread = map_lookup(&binder_threads, &tid);
	call = map_lookup(&binder_calls, &id);
	if (!call && !(thread && thread->depth)) {
		COUNT(PROGRAM_BINDER_RECEIVED, filtered);
		return 0;
	}
	if (!thread)
		thread = binder_thread_of(tid);
	if (!thread) {
		COUNT(PROGRAM_BINDER_RECEIVED, lost);
		if (call)
			count_session_loss(call->sessions, 1);
		map_delete(&binder_calls, &id);
		return 0;
	}
	thread->received = id;
	COUNT(PROGRAM_BINDER_RECEIVED, aggregated);
	return 0;
}

/* Begins a record of the call's sender, at `time_ns`; gives the place of its body, zeroed. */
INLINE void *binder_record_begin(struct scratch *s, const struct binder_call *call, __u64 time_ns, __u16 kind,
				 __u32 body_size)
{
	struct record_header *header = header_of(s);

	header->time_ns = time_ns;
	header->sessions = call->sessions;
	header->start_ns = call->start_ns;
	header->tgid = call->tgid;
	header->tid = call->tid;
	header->uid = call->uid;
	header->gid = call->gid;
	header->kind = kind;
	header->flags = 0;
	__builtin_memcpy(header->comm, call->comm, sizeof(header->comm));
	s->sessions = call->sessions;
	s->length = sizeof(*header) + body_size;
	__builtin_memset(__builtin_assume_aligned(s->record + sizeof(*header), 8), 0, body_size);
	return s->record + sizeof(*header);
}

/* Appends the first bytes of user memory, at most `most`. */
INLINE void segment_user_bytes(struct scratch *s, __u8 tag, __u64 address, __u64 size, __u64 most)
{
	__u64 at = s->length;
	__u8 flags = 0;

	KEEP_BOUND(at);
	if (at > RECORD_MAX - BINDER_PARCEL_MAX - sizeof(struct segment_header))
		return;
	if (size > most) {
		size = most;
		flags = SEGMENT_FLAG_CUT;
	}
	KEEP_BOUND(size);
	if (size > BINDER_PARCEL_MAX)
		return;
	if (size && read_user(s->record + at + sizeof(struct segment_header), size, (void *)address) != 0) {
		flags = SEGMENT_FLAG_UNREADABLE;
		size = 0;
	}
	segment_header_write(s, at, tag, flags, size);
	s->length = at + sizeof(struct segment_header) + size;
}

INLINE void segment_nodes(struct scratch *s, const struct binder_call *call)
{
	__u64 at = s->length;
	__u32 count = call->node_count;
	__u8 flags = 0;

	if (!count)
		return;
	if (count > BINDER_NODES_MAX) {
		count = BINDER_NODES_MAX;
		flags = SEGMENT_FLAG_CUT;
	}
	KEEP_BOUND(at);
	if (at > RECORD_MAX - BINDER_NODES_MAX * sizeof(struct binder_node_reference) - sizeof(struct segment_header))
		return;
	segment_header_write(s, at, SEGMENT_NODES, flags, count * sizeof(struct binder_node_reference));
	at += sizeof(struct segment_header);
#pragma clang loop unroll(disable)
	for (__u32 index = 0; index < BINDER_NODES_MAX; index++) {
		struct binder_node_reference *reference;

		if (index >= count)
			break;
		KEEP_BOUND(at);
		if (at > RECORD_MAX - sizeof(*reference))
			break;
		reference = (struct binder_node_reference *)(s->record + at);
		reference->node = call->nodes[index].node;
		reference->handle = call->nodes[index].handle;
		reference->pad = 0;
		at += sizeof(*reference);
	}
	s->length = at;
}

INLINE void segments_parcel(struct scratch *s, const struct binder_transaction_data *data, const struct binder_call *call)
{
	segment_user_bytes(s, SEGMENT_PARCEL, data->buffer, data->data_size, BINDER_PARCEL_MAX);
	if (data->offsets_size)
		segment_user_bytes(s, SEGMENT_OFFSETS, data->offsets, data->offsets_size, BINDER_OFFSETS_MAX);
	segment_nodes(s, call);
}

/* The header word of an interface token: SYST, VNDR, RECO or UNKN, packed high to low. */
INLINE bool is_token_header(__u32 word)
{
	return word == 0x53595354 || word == 0x564e4452 || word == 0x5245434f || word == 0x554e4b4e;
}

/*
 * Whether the parcel begins with the descriptor of a wanted interface. Releases differ in the words before it: strict mode
 * (28); strict mode, work source (29); strict mode, work source, header (30 and later). The content tells which: only in
 * the first the third word is two letters rather than a small number.
 */
INLINE bool is_wanted(struct binder_work *work, const struct binder_transaction_data *data)
{
	__u64 size = data->data_size;
	__u32 *words = (__u32 *)work->head;
	__u64 place;
	__u64 length;

	if (size < 2 * TOKEN_WORDS * 2)
		return 0;
	if (size > HEAD_SIZE)
		size = HEAD_SIZE;
	KEEP_BOUND(size);
	if (size > HEAD_SIZE || read_user(work->head, size, (void *)data->buffer) != 0)
		return 0;
	if (is_token_header(words[2])) {
		length = words[3];
		place = 16;
	} else if (words[2] <= INTERFACE_KEY_SIZE / 2) {
		length = words[2];
		place = 12;
	} else {
		length = words[1];
		place = 8;
	}
	length *= 2;
	if (!length || place + length > size)
		return 0;
	__builtin_memset(&work->key, 0, sizeof(work->key));
	/* The bound comes last: from a comparison of the sum, newer verifiers (6.12) work out the bounds of its parts, and lose them. */
	KEEP_BOUND(length);
	if (length > INTERFACE_KEY_SIZE)
		return 0;
	if (read_kernel(&work->key, length, work->head + place) != 0)
		return 0;
	return map_lookup(&wanted_interfaces, &work->key) != 0;
}

INLINE __u16 binder_device_of(__s32 fd)
{
#if CANDOR_KERNEL_OBJECTS
	struct file *file = file_of(fd);
	struct inode *inode;
	__u32 number;
	__u32 *device;

	if (!file)
		return BINDER_DEVICE_UNKNOWN;
	inode = FIELD(file, f_inode);
	number = FIELD(inode, i_rdev);
	device = map_lookup(&binder_devices, &number);
	return device ? *device : BINDER_DEVICE_UNKNOWN;
#else
	(void)fd;
	return BINDER_DEVICE_UNKNOWN;
#endif
}

/* A transaction of a selected sender has reached the current thread. */
INLINE void binder_deliver_call(struct scratch *s, struct binder_work *work, __u32 id, const struct binder_transaction_data *data,
				__s32 fd)
{
	struct binder_call *call = map_lookup(&binder_calls, &id);
	struct binder_transaction_body *body;
	__u64 pid_tgid;
	bool over;

	if (!call || call->state & BINDER_CALL_TOLD)
		return;
	COUNT(PROGRAM_BINDER_DELIVERED, seen);
	if (!is_wanted(work, data)) {
		COUNT(PROGRAM_BINDER_DELIVERED, filtered);
		map_delete(&binder_calls, &id);
		return;
	}
	pid_tgid = current_pid_tgid();
	body = binder_record_begin(s, call, call->time_ns, RECORD_BINDER_TRANSACTION, sizeof(*body));
	body->debug_id = id;
	body->target_node = call->target_node;
	body->data_size = data->data_size;
	body->offsets_size = data->offsets_size;
	body->receiver_start_ns = current_start_ns();
	body->receiver_tgid = pid_tgid >> 32;
	body->receiver_tid = pid_tgid;
	body->receiver_uid = current_uid_gid();
	body->code = data->code;
	body->transaction_flags = data->flags;
	body->sender_euid = data->sender_euid;
	body->device = binder_device_of(fd);
	body->side = BINDER_SIDE_RECEIVER;
	copy_comm(body->receiver_comm);
	segments_parcel(s, data, call);
	over = data->flags & BINDER_ONE_WAY || call->state & BINDER_CALL_NO_REPLY;
	call->state |= BINDER_CALL_TOLD;
	call->node_count = 0;
	record_end(s, PROGRAM_BINDER_DELIVERED);
	if (over)
		map_delete(&binder_calls, &id);
}

/* A call of the current thread has ended, with a reply or without. */
INLINE void binder_deliver_end(struct scratch *s, __u32 id, __u32 reply_id, __u32 ending,
			       const struct binder_transaction_data *data)
{
	struct binder_call *call = map_lookup(&binder_calls, &id);
	struct binder_reply_body *body;

	COUNT(PROGRAM_BINDER_DELIVERED, seen);
	if (!call) {
		/* Its interface was not wanted. */
		COUNT(PROGRAM_BINDER_DELIVERED, filtered);
		return;
	}
	if (call->state & BINDER_CALL_TOLD) {
		body = binder_record_begin(s, call, boot_time_ns(), RECORD_BINDER_REPLY, sizeof(*body));
		body->request_debug_id = id;
		body->reply_debug_id = reply_id;
		body->ending = ending;
		if (ending == BINDER_ENDING_REPLY) {
			body->data_size = data->data_size;
			body->offsets_size = data->offsets_size;
			body->transaction_flags = data->flags;
			segments_parcel(s, data, call);
		}
		record_end(s, PROGRAM_BINDER_DELIVERED);
	} else {
		/* Nobody has received it, so nobody knows what it was. */
		COUNT(PROGRAM_BINDER_DELIVERED, filtered);
	}
	map_delete(&binder_calls, &id);
}

#define WALK_MAX 64

/* How many calls are among the commands that the driver took in. */
INLINE __u32 binder_calls_written(const struct binder_write_read *exchange)
{
	__u64 at = 0;
	__u32 calls = 0;

#pragma clang loop unroll(disable)
	for (__u32 step = 0; step < WALK_MAX; step++) {
		__u32 command = 0;

		if (at + COMMAND_SIZE > exchange->write_consumed ||
		    read_user(&command, sizeof(command), (void *)(exchange->write_buffer + at)) != 0)
			break;
		if (command == BC_TRANSACTION || command == BC_TRANSACTION_SG)
			calls++;
		at += COMMAND_SIZE + COMMAND_PAYLOAD(command);
	}
	return calls;
}

/* The first failure among the commands that were delivered, up to `end`: enum binder_ending, or 0. */
INLINE __u32 binder_failure(const struct binder_write_read *exchange, __u64 end)
{
	__u64 at = 0;

#pragma clang loop unroll(disable)
	for (__u32 step = 0; step < WALK_MAX; step++) {
		__u32 command = 0;

		if (at + COMMAND_SIZE > end ||
		    read_user(&command, sizeof(command), (void *)(exchange->read_buffer + at)) != 0)
			break;
		if (command == BR_DEAD_REPLY)
			return BINDER_ENDING_DEAD;
		if (command == BR_FAILED_REPLY)
			return BINDER_ENDING_FAILED;
		if (command == BR_FROZEN_REPLY)
			return BINDER_ENDING_FROZEN;
		at += COMMAND_SIZE + COMMAND_PAYLOAD(command);
	}
	return 0;
}

/*
 * Something failed for a thread that waits. The driver says "failed" and "dead" alike of a call that it refused at once and of
 * one that was under way, so find out which it is of. A call that it refused early never made the tracepoint of sending:
 * the thread has then written more calls than were seen sent.
 */
INLINE void binder_deliver_failure(struct scratch *s, struct binder_thread *thread, const struct binder_write_read *exchange,
				   __u64 end)
{
	__u32 written = exchange->write_consumed ? binder_calls_written(exchange) : 0;
	__u32 ending;
	__u32 id;

	if (written > thread->sent)
		thread->refused += written - thread->sent;
	ending = binder_failure(exchange, end);
	if (!ending)
		return;
	if (thread->refused) {
		thread->refused--;
		return;
	}
	if (thread->sent && thread->one_way_sent) {
		/* It is remembered until it is received, which it never will be. */
		id = thread->translating;
		map_delete(&binder_calls, &id);
		return;
	}
	/* A thread that is serving does not wait: what failed is nothing that it sent as far as was seen. */
	if (thread->depth <= BINDER_DEPTH_MAX && binder_top(thread) == BINDER_SERVING)
		return;
	id = binder_pop_call(thread);
	if (id)
		binder_deliver_end(s, id, 0, ending, 0);
}

/*
 * A call into the driver ends. It delivers at most one transaction or reply, as the last of its commands; so for all but
 * failures one look at the end of the buffer is enough.
 */
INLINE int binder_deliver(struct binder_thread *thread, __u64 argument, __s32 fd)
{
	struct scratch *s = scratch_of(ENTRY_BINDER);
	__u32 work_index = 0;
	struct binder_work *work = map_lookup(&binder_work, &work_index);
	struct binder_write_read exchange;
	/* A copy: with a pointer into the buffer, whose place depends on the command, the verifier loses its way. */
	struct binder_transaction_data data = {};
	__u32 received = thread->received;
	__u32 command = 0;
	__u64 tail = 0;
	__u64 start;
	__u64 size;
	__u64 end;
	__u32 id;

	thread->received = 0;
	if (!s || !work)
		return 0;
	if (!argument || read_user(&exchange, sizeof(exchange), (void *)argument) != 0) {
		if (received)
			goto unreadable;
		return 0;
	}
	end = exchange.read_consumed;
	if (received) {
		size = end < TAIL_SIZE ? end : TAIL_SIZE;
		/* Masked: the verifier follows no subtraction. */
		start = TAIL_SIZE - size;
		KEEP_BOUND(start);
		KEEP_BOUND(size);
		if (size > TAIL_SIZE || size < COMMAND_SIZE + sizeof(data) ||
		    read_user(work->tail + (start & (TAIL_SIZE - 1)), size, (void *)(exchange.read_buffer + end - size)) != 0)
			goto unreadable;
		command = *(__u32 *)(work->tail + TAIL_SIZE - sizeof(data) - COMMAND_SIZE);
		tail = sizeof(data) + COMMAND_SIZE;
		if (command != BR_TRANSACTION && command != BR_REPLY) {
			if (size < tail + 8)
				goto unreadable;
			/* With the security context of the sender, whose address comes last. */
			command = *(__u32 *)(work->tail + TAIL_SIZE - sizeof(data) - COMMAND_SIZE - 8);
			tail += 8;
			if (command != BR_TRANSACTION_SEC_CTX)
				goto unreadable;
			__builtin_memcpy(&data, work->tail + TAIL_SIZE - sizeof(data) - 8, sizeof(data));
		} else {
			__builtin_memcpy(&data, work->tail + TAIL_SIZE - sizeof(data), sizeof(data));
		}
	}
	/* Before a reply there usually are two words, of nothing and of the call having been sent: no need to look closer. */
	if (thread->depth && (!received || end - tail > COMMAND_SIZE) &&
	    !(received && end - tail == 2 * COMMAND_SIZE && tail == sizeof(data) + COMMAND_SIZE &&
	      *(__u32 *)(work->tail + TAIL_SIZE - sizeof(data) - 2 * COMMAND_SIZE) == BR_TRANSACTION_COMPLETE))
		binder_deliver_failure(s, thread, &exchange, end - tail);
	thread->sent = 0;
	if (!received)
		return 0;
	if (command == BR_REPLY) {
		if (!thread->depth)
			return 0;
		id = binder_pop_call(thread);
		if (id)
			binder_deliver_end(s, id, received, BINDER_ENDING_REPLY, &data);
		return 0;
	}
	binder_deliver_call(s, work, received, &data, fd);
	if (thread->depth && !(data.flags & BINDER_ONE_WAY))
		binder_push(thread, BINDER_SERVING);
	return 0;
unreadable:
	/* The receiver unmapped or changed its own buffers meanwhile, or was in the driver since before the start. */
	COUNT(PROGRAM_BINDER_DELIVERED, seen);
	COUNT(PROGRAM_BINDER_DELIVERED, lost);
	{
		struct binder_call *call = map_lookup(&binder_calls, &received);

		if (call)
			count_session_loss(call->sessions, 1);
	}
	map_delete(&binder_calls, &received);
	return 0;
}

#if CANDOR_KERNEL_OBJECTS
/* The arguments of the call into the driver are in the thread's registers (helper since kernel 5.15). */
SECTION(ON_BINDER("binder_ioctl_done"))
int binder_delivered(void *context)
{
	__u32 tid = current_pid_tgid();
	struct binder_thread *thread = map_lookup(&binder_threads, &tid);
	struct call_registers block;
	void *registers;
	__u64 command;
	__s32 fd;

	(void)context;
	if (!thread || !(thread->received | thread->depth))
		return 0;
	registers = task_registers(current_task_typed());
	block = *(struct call_registers *)(registers + REGISTERS_BLOCK_OFFSET);
#if defined(__TARGET_ARCH_x86)
	/* In 32-bit calls the third argument is in the same register, the first two are not. */
	bool narrow = block.cs == USER_32_BIT_SEGMENT;

	fd = narrow ? *(__u64 *)(registers + REGISTERS_BX_OFFSET) : block.di;
	command = narrow ? block.cx : block.si;
	if ((__u32)command != BINDER_WRITE_READ)
		return 0;
	return binder_deliver(thread, block.dx, fd);
#else
	fd = *(__u64 *)(registers + REGISTERS_ORIGINAL_X0_OFFSET);
	command = block.x1;
	if ((__u32)command != BINDER_WRITE_READ)
		return 0;
	return binder_deliver(thread, block.x2, fd);
#endif
}
#endif

/*
 * Where the registers cannot be asked: the argument is remembered when the call begins. What a thread is given in a call that
 * had begun before the start is lost, once for each thread.
 */
SECTION(ON_BINDER("binder_ioctl"))
int binder_entered(__u64 *context)
{
	__u32 settings_index = 0;
	struct settings *set = map_lookup(&settings, &settings_index);
	struct binder_thread *thread;

	if (!set || !set->selected_by || (__u32)BINDER_ARGUMENT(context, 0) != BINDER_WRITE_READ)
		return 0;
	thread = binder_thread_of(current_pid_tgid());
	if (thread)
		thread->argument = BINDER_ARGUMENT(context, 1);
	return 0;
}

SECTION(ON_BINDER("binder_ioctl_done"))
int binder_delivered_by_map(void *context)
{
	__u32 tid = current_pid_tgid();
	struct binder_thread *thread = map_lookup(&binder_threads, &tid);
	__u64 argument;

	(void)context;
	if (!thread)
		return 0;
	argument = thread->argument;
	thread->argument = 0;
	if (!(thread->received | thread->depth))
		return 0;
	return binder_deliver(thread, argument, -1);
}

#endif
