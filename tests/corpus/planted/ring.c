/* Open and read through an io_uring: neither makes a system call of its own. */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct io_uring_params parameters;
static char *submissions, *completions;
static struct io_uring_sqe *entries;
static int ring;

static int run(const struct io_uring_sqe *entry)
{
	unsigned *tail = (unsigned *)(submissions + parameters.sq_off.tail);
	unsigned *mask = (unsigned *)(submissions + parameters.sq_off.ring_mask);
	unsigned *array = (unsigned *)(submissions + parameters.sq_off.array);
	unsigned *head = (unsigned *)(completions + parameters.cq_off.head);
	struct io_uring_cqe *done = (struct io_uring_cqe *)(completions + parameters.cq_off.cqes);
	unsigned *done_mask = (unsigned *)(completions + parameters.cq_off.ring_mask);
	unsigned slot = *tail & *mask;
	entries[slot] = *entry;
	array[slot] = slot;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) != 1)
		_exit(2);
	int result = done[*head & *done_mask].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}

int main(void)
{
	static char text[64];
	ring = syscall(SYS_io_uring_setup, 4, &parameters);
	if (ring < 0)
		return 3;
	submissions = mmap(0, parameters.sq_off.array + 64, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	completions = mmap(0, parameters.cq_off.cqes + 16 * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE,
			   MAP_SHARED, ring, IORING_OFF_CQ_RING);
	entries = mmap(0, 4 * sizeof(*entries), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	struct io_uring_sqe opening = { .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD,
					.addr = (uintptr_t)"/data/system/users/0/settings_ssaid.xml" };
	int file = run(&opening);
	struct io_uring_sqe reading = { .opcode = IORING_OP_READ, .fd = file, .addr = (uintptr_t)text, .len = sizeof(text) };
	return file >= 0 && run(&reading) > 0 ? 0 : 4;
}
