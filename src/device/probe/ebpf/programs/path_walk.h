/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* From a kernel path (a mount and a directory entry) to the names of its components. */
#ifndef CANDOR_PATH_WALK_H
#define CANDOR_PATH_WALK_H

#if CANDOR_KERNEL_OBJECTS

/*
 * Reading costs a call each, whatever the size. What lies close together at the beginning of a kernel structure is read
 * at once, and the fields are taken out of the copy. Should a kernel keep a field further back, the branch for that
 * kernel reads it by itself; on all others the verifier drops the branch, because offsets are constants by then.
 */
#define BLOCK_SIZE 64

/* DNAME_INLINE_LEN of include/linux/dcache.h is 40 on the 64-bit kernels we know, or less. */
#define SHORT_NAME_SIZE 40
struct short_name {
	__u8 bytes[SHORT_NAME_SIZE];
};

#define BLOCK_FIELD(block, pointer, field) FIELD_OF_BLOCK(block, BLOCK_SIZE, pointer, field)
#define LONG_BLOCK_FIELD(block, pointer, field) FIELD_OF_BLOCK(block, ENTRY_BLOCK_SIZE, pointer, field)

#define FIELD_OF_BLOCK(block, block_size, pointer, field)                      \
	({                                                                     \
		typeof((pointer)->field) value_of_field;                       \
		__u64 place = __builtin_preserve_field_info((pointer)->field, 0); \
		if (place <= (block_size) - sizeof(value_of_field))              \
			value_of_field = *(typeof((pointer)->field) *)((block) + place); \
		else                                                           \
			read_kernel(&value_of_field, sizeof(value_of_field), &(pointer)->field); \
		value_of_field;                                                \
	})

INLINE struct mount *mount_of(struct vfsmount *part)
{
	return (struct mount *)((char *)part - __builtin_preserve_field_info(((struct mount *)0)->mnt, 0));
}

/*
 * Appends the components of `path`, leaf first, up to the root of the process, or, when the path is outside of it, to
 * the root of its mount name space. At most `most` bytes.
 */
INLINE void segment_kernel_path(struct scratch *s, __u8 tag, struct path path, __u64 most)
{
	struct task_struct *task = CURRENT_TASK();
	struct fs_struct *fs = CHAINED(task, fs);
	struct dentry *root_entry;
	struct dentry *entry = path.dentry;
	struct mount *mount = mount_of(path.mnt);
	struct mount *root_mount;
	struct dentry *mount_root = FIELD(path.mnt, mnt_root);
	__u64 at = s->length;
	__u64 end;
	__u64 limit;
	__u8 flags = 0;
	int depth;

	KEEP_BOUND(at);
	if (at > RECORD_MAX - COMPONENT_MAX - sizeof(struct segment_header)) {
		header_of(s)->flags |= RECORD_FLAG_CUT;
		return;
	}
	/* By way of memory the addresses lose their type: with it the verifier follows far too many states in the loop. */
	*(volatile __u64 *)&s->root_entry = (__u64)CHAINED(fs, root.dentry);
	*(volatile __u64 *)&s->root_mount = (__u64)CHAINED(fs, root.mnt);
	root_entry = (struct dentry *)*(volatile __u64 *)&s->root_entry;
	root_mount = mount_of((struct vfsmount *)*(volatile __u64 *)&s->root_mount);
	end = at + sizeof(struct segment_header);
	limit = end + most - COMPONENT_MAX;
	if (!entry)
		flags = SEGMENT_FLAG_UNREADABLE;
#pragma clang loop unroll(disable)
	for (depth = 0; depth < PATH_DEPTH_MAX && entry; depth++) {
		struct dentry *parent;
		struct qstr name;
		__u8 *block = __builtin_assume_aligned(s->entry_block, 8);
		__u64 inside;
		__u64 size;

		if (entry == root_entry && mount == root_mount)
			break;
		/* With its short name, which the kernel keeps inside the entry: one call for each component, not two. */
		read_kernel(block, ENTRY_BLOCK_SIZE, entry);
		parent = BLOCK_FIELD(block, entry, d_parent);
		if (entry == mount_root || entry == parent) {
			struct mount *above;

			read_kernel(block, BLOCK_SIZE, mount);
			above = BLOCK_FIELD(block, mount, mnt_parent);
			if (above == mount || !above)
				break;
			entry = BLOCK_FIELD(block, mount, mnt_mountpoint);
			mount = above;
			mount_root = FIELD(mount, mnt.mnt_root);
			continue;
		}
		if (end > limit || end > RECORD_MAX - COMPONENT_MAX) {
			flags |= SEGMENT_FLAG_CUT;
			break;
		}
		name = BLOCK_FIELD(block, entry, d_name);
		KEEP_BOUND(end);
		if (end > RECORD_MAX - COMPONENT_MAX)
			break;
		inside = (__u64)name.name - (__u64)entry;
		size = (name.hash_len >> 32) + 1;
		KEEP_BOUND(inside);
		KEEP_BOUND(size);
		if (inside <= ENTRY_BLOCK_SIZE - SHORT_NAME_SIZE && size <= SHORT_NAME_SIZE) {
			const struct short_name *from = (void *)(s->entry_block + inside);

			*(struct short_name *)(s->record + end) = *from;
			/* The entry can be renamed while it is read: the name ends here whatever it holds. */
			end += size;
			KEEP_BOUND(end);
			if (end > RECORD_MAX)
				break;
			s->record[end - 1] = 0;
		} else {
			long read = read_kernel_string(s->record + end, COMPONENT_MAX, name.name);

			if (read <= 0 || read > COMPONENT_MAX) {
				flags |= SEGMENT_FLAG_CUT;
				break;
			}
			end += read;
		}
		entry = parent;
	}
	if (depth == PATH_DEPTH_MAX)
		flags |= SEGMENT_FLAG_CUT;
	segment_header_write(s, at, tag, flags, end - at - sizeof(struct segment_header));
	s->length = end;
}

/* The open file behind a descriptor of the current process; 0 when there is none. */
INLINE struct file *file_of(__s32 fd)
{
	struct task_struct *task = CURRENT_TASK();
	struct files_struct *files = CHAINED(task, files);
	struct fdtable *table = CHAINED(files, fdt);
	struct file **array;
	struct file *file = 0;

	if (fd < 0 || (__u32)fd >= CHAINED(table, max_fds))
		return 0;
	array = CHAINED(table, fd);
	read_kernel(&file, sizeof(file), array + fd);
	return file;
}

#define AT_CURRENT_DIRECTORY (-100)

/* Appends the directory that a relative path argument starts at. */
INLINE void segment_base(struct scratch *s, __u8 tag, __s32 directory)
{
	struct path path = {};

	if (directory == AT_CURRENT_DIRECTORY) {
		struct task_struct *task = CURRENT_TASK();
		struct fs_struct *fs = CHAINED(task, fs);

		*(volatile __u64 *)&s->root_entry = (__u64)CHAINED(fs, pwd.dentry);
		*(volatile __u64 *)&s->root_mount = (__u64)CHAINED(fs, pwd.mnt);
		path.dentry = (struct dentry *)*(volatile __u64 *)&s->root_entry;
		path.mnt = (struct vfsmount *)*(volatile __u64 *)&s->root_mount;
	} else {
		struct file *file = file_of(directory);

		if (file)
			path = FIELD(file, f_path);
	}
	segment_kernel_path(s, tag, path, BASE_MAX);
}

#else

INLINE void segment_base(struct scratch *s, __u8 tag, __s32 directory)
{
	/* User space adds it as text, from the links in /proc. */
	(void)s;
	(void)tag;
	(void)directory;
}

#endif

#endif
