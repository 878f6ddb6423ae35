/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The kernel's helper functions, by number (include/uapi/linux/bpf.h, numbers are ABI), and what clang needs to know. */
#ifndef CANDOR_KERNEL_HELPERS_H
#define CANDOR_KERNEL_HELPERS_H

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define UNUSED __attribute__((unused))

/* Map attributes are encoded in types, which the loader reads from the object's BTF. */
#define MAP_NUMBER(name, value) int (*name)[value]
#define MAP_TYPE(name, value) typeof(value) *name

#define MAP_HASH 1
#define MAP_ARRAY 2
#define MAP_PROGRAM_ARRAY 3
#define MAP_PER_CPU_ARRAY 6
#define MAP_LRU_HASH 9
#define MAP_RING_BUFFER 27

#define MAP_FLAG_SHARED_MEMORY 1024 /* user space can map the values */

#define UPDATE_ANY 0
#define UPDATE_NEW_ONLY 1

#define STACK_OF_USER 256 /* to get_stack: the frames of the program, not those of the kernel */

#define RING_NO_WAKEUP 1
#define RING_UNREAD 0 /* to query: bytes that were not read yet */
#define RING_FORCE_WAKEUP 2

static void *(*map_lookup)(void *map, const void *key) UNUSED = (void *)1;
static long (*map_update)(void *map, const void *key, const void *value, __u64 flags) UNUSED = (void *)2;
static long (*map_delete)(void *map, const void *key) UNUSED = (void *)3;
static void (*tail_call)(void *context, void *map, __u32 index) UNUSED = (void *)12;
static __u64 (*current_pid_tgid)(void) UNUSED = (void *)14;
static __u64 (*current_uid_gid)(void) UNUSED = (void *)15;
static long (*current_comm)(void *buffer, __u32 size) UNUSED = (void *)16;
static __u64 (*current_task_address)(void) UNUSED = (void *)35;
static long (*get_stack)(void *context, void *to, __u32 size, __u64 flags) UNUSED = (void *)67;
static void *(*current_task_typed)(void) UNUSED = (void *)158;
static void *(*task_registers)(void *task) UNUSED = (void *)175;
static long (*read_user)(void *to, __u32 size, const void *from) UNUSED = (void *)112;
static long (*read_kernel)(void *to, __u32 size, const void *from) UNUSED = (void *)113;
static long (*read_user_string)(void *to, __u32 size, const void *from) UNUSED = (void *)114;
static long (*read_kernel_string)(void *to, __u32 size, const void *from) UNUSED = (void *)115;
static __u64 (*boot_time_ns)(void) UNUSED = (void *)125;
static long (*ring_output)(void *ring, void *data, __u64 size, __u64 flags) UNUSED = (void *)130;
static __u64 (*ring_query)(void *ring, __u64 what) UNUSED = (void *)134;

/* The value of a kernel field; zeros when it cannot be read (the helper clears the destination then). */
#define FIELD(pointer, field)                                                  \
	({                                                                     \
		typeof((pointer)->field) value_of_field;                       \
		read_kernel(&value_of_field, sizeof(value_of_field), &(pointer)->field); \
		value_of_field;                                                \
	})

/*
 * The current task, and the value of a field on a chain of pointers that starts at it. From kernel 5.11 on the verifier
 * knows the type of the current task and lets a program load from it without a call, which costs a tenth of the helper
 * (on processors that must guard each return, less). Older kernels refuse that form: the loader then takes the object
 * compiled without it.
 */
#if CANDOR_TYPED_POINTERS
#define CURRENT_TASK() ((struct task_struct *)current_task_typed())
#define CHAINED(pointer, field) ((pointer)->field)
#else
#define CURRENT_TASK() ((struct task_struct *)current_task_address())
#define CHAINED(pointer, field) FIELD(pointer, field)
#endif

/*
 * Where the dispatcher is attached, and the registers and the result of the call that it finds there. Handlers are of the
 * same type as the dispatcher, or it could not call them.
 *
 * From kernel 7.0 on a program on a raw tracepoint can be interrupted by another thread of the same processor, and whatever
 * that thread calls meanwhile is left out: the kernel runs no program inside itself. The same tracepoint in the form with
 * fields costs more, and is not interrupted.
 */
#if CANDOR_SYSTEM_CALL_EVENT
#define ON_SYSTEM_CALL "tracepoint/raw_syscalls/sys_exit"
#define CALL_REGISTERS(context) ((__u64)task_registers(current_task_typed()))
#define CALL_RESULT(context) ((context)[2]) /* behind what all events have, and the number of the call */
/* Other tracepoints that much hangs on, likewise. */
#define ON_BINDER(event) "tracepoint/binder/" event
#define BINDER_ARGUMENT(context, index) ((context)[1 + (index)]) /* each has 64 bits, after its gap */
#define ON_PROCESS_EXIT "tracepoint/sched/sched_process_exit"
#define ENDING_TASK(context) ((void)(context), CURRENT_TASK())
#else
#if CANDOR_TYPED_POINTERS
#define ON_SYSTEM_CALL "tp_btf/sys_exit"
#else
#define ON_SYSTEM_CALL "raw_tp/sys_exit"
#endif
#define CALL_REGISTERS(context) ((context)[0])
#define CALL_RESULT(context) ((context)[1])
#define ON_BINDER(event) "raw_tp/" event
#define BINDER_ARGUMENT(context, index) ((context)[index])
#define ON_PROCESS_EXIT "raw_tp/sched_process_exit"
#define ENDING_TASK(context) ((struct task_struct *)(context)[0])
#endif

/*
 * The pointer, with a type that the verifier believes; loads through it need no call, and give zeros where there is no
 * memory. From kernel 6.2 on bpf_rdonly_cast does it, which the verifier replaces by a move of one register. The number
 * of that function differs between kernels: the loader replaces this mark by it (loader/casts.rs has the mark again).
 */
#if CANDOR_CASTS
static void *(*cast_address)(__u64 address, __u64 type) UNUSED = (void *)0x2ca57ca5;
#define TYPED(pointer) ((typeof(pointer))cast_address((__u64)(pointer), __builtin_btf_type_id(*(pointer), 1)))
#define LOADED(pointer, field) (TYPED(pointer)->field)
/* The address without the type: with it the verifier follows far too many states in a loop. Negated it is just a number. */
#define UNTYPED(pointer)                                                       \
	({                                                                     \
		typeof(pointer) address_of_pointer = (pointer);                \
		asm volatile("%0 = -%0; %0 = -%0" : "+r"(address_of_pointer));  \
		address_of_pointer;                                            \
	})
#else
#define LOADED(pointer, field) FIELD(pointer, field)
#endif

/*
 * Keeps clang from forgetting that a number was bounded: without it clang 14 may check one copy of the number and use
 * another, and the verifier refuses the program.
 */
#define KEEP_BOUND(number) asm volatile("" : "+r"(number))

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#endif
