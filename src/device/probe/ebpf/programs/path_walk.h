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

#define BLOCK_FIELD(block, pointer, field)                                     \
	({                                                                     \
		typeof((pointer)->field) value_of_field;                       \
		__u32 place = __builtin_preserve_field_info((pointer)->field, 0); \
		if (place <= BLOCK_SIZE - sizeof(value_of_field))              \
			__builtin_memcpy(&value_of_field, (block) + place, sizeof(value_of_field)); \
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
	struct task_struct *task = (struct task_struct *)current_task();
	struct fs_struct *fs = FIELD(task, fs);
	struct path root = FIELD(fs, root);
	struct dentry *entry = path.dentry;
	struct mount *mount = mount_of(path.mnt);
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
	end = at + sizeof(struct segment_header);
	limit = end + most - COMPONENT_MAX;
	if (!entry)
		flags = SEGMENT_FLAG_UNREADABLE;
#pragma clang loop unroll(disable)
	for (depth = 0; depth < PATH_DEPTH_MAX && entry; depth++) {
		struct dentry *parent;
		struct qstr name;
		char block[BLOCK_SIZE] __attribute__((aligned(8)));
		long size;

		if (entry == root.dentry && &mount->mnt == root.mnt)
			break;
		read_kernel(block, sizeof(block), entry);
		parent = BLOCK_FIELD(block, entry, d_parent);
		if (entry == mount_root || entry == parent) {
			struct mount *above;

			read_kernel(block, sizeof(block), mount);
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
		size = read_kernel_string(s->record + end, COMPONENT_MAX, name.name);
		if (size <= 0 || size > COMPONENT_MAX) {
			flags |= SEGMENT_FLAG_CUT;
			break;
		}
		end += size;
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
	struct task_struct *task = (struct task_struct *)current_task();
	struct files_struct *files = FIELD(task, files);
	struct fdtable *table = FIELD(files, fdt);
	char block[BLOCK_SIZE] __attribute__((aligned(8)));
	struct file **array;
	struct file *file = 0;

	/* The table is a little smaller than the block; what lies after it is not used. */
	read_kernel(block, sizeof(block), table);
	if (fd < 0 || (__u32)fd >= BLOCK_FIELD(block, table, max_fds))
		return 0;
	array = BLOCK_FIELD(block, table, fd);
	read_kernel(&file, sizeof(file), array + fd);
	return file;
}

#define AT_CURRENT_DIRECTORY (-100)

/* Appends the directory that a relative path argument starts at. */
INLINE void segment_base(struct scratch *s, __u8 tag, __s32 directory)
{
	struct path path = {};

	if (directory == AT_CURRENT_DIRECTORY) {
		struct task_struct *task = (struct task_struct *)current_task();
		struct fs_struct *fs = FIELD(task, fs);

		path = FIELD(fs, pwd);
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
