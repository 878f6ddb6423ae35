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

/* The name of a directory entry: where it is, and its size with the final NUL. */
struct path_name {
	__u64 address;
	__u64 size;
};

#if CANDOR_CASTS

/* Turns to a directory entry; gives its parent. */
INLINE struct dentry *entry_begin(struct scratch *s, struct dentry *entry)
{
	(void)s;
	return UNTYPED(TYPED(entry)->d_parent);
}

/* The mount that `mount` is mounted on, and where. */
INLINE struct mount *mount_above(struct scratch *s, struct mount *mount, struct dentry **where)
{
	struct mount *typed = TYPED(mount);

	(void)s;
	*where = UNTYPED(typed->mnt_mountpoint);
	return UNTYPED(typed->mnt_parent);
}

INLINE struct path_name entry_name(struct scratch *s, struct dentry *entry)
{
	struct qstr___parts *name = TYPED((struct qstr___parts *)&entry->d_name);

	(void)s;
	return (struct path_name){ .address = (__u64)name->name, .size = (__u64)name->len + 1 };
}

/* Copies a name that is short and thus inside of its entry; says whether it was. */
INLINE bool short_name_copy(struct scratch *s, __u64 end, struct dentry *entry, struct path_name name)
{
	struct short_name_words {
		__u64 word[SHORT_NAME_SIZE / 8];
	} *to;
	struct sysinfo *from;

	(void)entry;
	/* Longer names are read by a call, which stops at the NUL. */
	if (name.size > SHORT_NAME_SIZE)
		return 0;
	from = TYPED((struct sysinfo *)name.address);
	to = (struct short_name_words *)(s->record + end);
	to->word[0] = from->uptime;
	to->word[1] = from->loads[0];
	to->word[2] = from->loads[1];
	to->word[3] = from->loads[2];
	to->word[4] = from->totalram;
	return 1;
}

#else

INLINE struct dentry *entry_begin(struct scratch *s, struct dentry *entry)
{
	__u8 *block = __builtin_assume_aligned(s->entry_block, 8);

	/* With its short name, which the kernel keeps inside the entry: one call for each component, not two. */
	read_kernel(block, ENTRY_BLOCK_SIZE, entry);
	return BLOCK_FIELD(block, entry, d_parent);
}

INLINE struct mount *mount_above(struct scratch *s, struct mount *mount, struct dentry **where)
{
	__u8 *block = __builtin_assume_aligned(s->entry_block, 8);

	read_kernel(block, BLOCK_SIZE, mount);
	*where = BLOCK_FIELD(block, mount, mnt_mountpoint);
	return BLOCK_FIELD(block, mount, mnt_parent);
}

INLINE struct path_name entry_name(struct scratch *s, struct dentry *entry)
{
	__u8 *block = __builtin_assume_aligned(s->entry_block, 8);
	struct qstr name = BLOCK_FIELD(block, entry, d_name);

	return (struct path_name){ .address = (__u64)name.name, .size = (name.hash_len >> 32) + 1 };
}

INLINE bool short_name_copy(struct scratch *s, __u64 end, struct dentry *entry, struct path_name name)
{
	__u64 inside = name.address - (__u64)entry;
	const struct short_name *from;

	KEEP_BOUND(inside);
	if (inside > ENTRY_BLOCK_SIZE - SHORT_NAME_SIZE || name.size > SHORT_NAME_SIZE)
		return 0;
	from = (void *)(s->entry_block + inside);
	*(struct short_name *)(s->record + end) = *from;
	return 1;
}

#endif

INLINE struct path file_path(struct file *file)
{
#if CANDOR_CASTS
	struct file *typed = TYPED(file);

	return (struct path){ .mnt = UNTYPED(typed->f_path.mnt), .dentry = UNTYPED(typed->f_path.dentry) };
#else
	return FIELD(file, f_path);
#endif
}

/*
 * Appends the components of `path`, leaf first, up to the root of the process, or, when the path is outside of it, to
 * the root of its mount name space. At most `most` bytes.
 */
INLINE void segment_kernel_path(struct scratch *s, __u8 tag, struct path path, __u64 most)
{
	struct task_struct *task = task_of(s);
	struct fs_struct *fs = CHAINED(task, fs);
	struct dentry *root_entry;
	struct dentry *entry = path.dentry;
	struct mount *mount = mount_of(path.mnt);
	struct mount *root_mount;
	struct dentry *mount_root = LOADED(path.mnt, mnt_root);
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
		struct path_name name;

		if (entry == root_entry && mount == root_mount)
			break;
		parent = entry_begin(s, entry);
		if (entry == mount_root || entry == parent) {
			struct mount *above = mount_above(s, mount, &entry);

			if (above == mount || !above)
				break;
			mount = above;
			mount_root = LOADED(mount, mnt.mnt_root);
			continue;
		}
		if (end > limit || end > RECORD_MAX - COMPONENT_MAX) {
			flags |= SEGMENT_FLAG_CUT;
			break;
		}
		name = entry_name(s, entry);
		KEEP_BOUND(end);
		if (end > RECORD_MAX - COMPONENT_MAX)
			break;
		if (short_name_copy(s, end, entry, name)) {
			/* The entry can be renamed while it is read: the name ends here whatever it holds. */
			__u64 size = name.size;

			KEEP_BOUND(size);
			if (size > SHORT_NAME_SIZE)
				break;
			end += size;
			KEEP_BOUND(end);
			if (end > RECORD_MAX)
				break;
			s->record[end - 1] = 0;
		} else {
			long read = read_kernel_string(s->record + end, COMPONENT_MAX, (void *)name.address);

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

/* The open file behind a descriptor of a task; 0 when there is none. */
INLINE struct file *task_file(struct task_struct *task, __s32 fd)
{
	struct files_struct *files = CHAINED(task, files);
	struct fdtable *table = CHAINED(files, fdt);
	struct file **array;

	if (fd < 0 || (__u32)fd >= CHAINED(table, max_fds))
		return 0;
	array = CHAINED(table, fd);
#if CANDOR_CASTS
	/* A structure that begins with a pointer: the verifier has no type for an element of an array of pointers. */
	return UNTYPED(TYPED((struct list_head *)(array + fd))->next);
#else
	struct file *file = 0;

	read_kernel(&file, sizeof(file), array + fd);
	return file;
#endif
}

INLINE struct file *file_of(__s32 fd)
{
	return task_file(CURRENT_TASK(), fd);
}

#define AT_CURRENT_DIRECTORY (-100)

/* Appends the directory that a relative path argument starts at. */
INLINE void segment_base(struct scratch *s, __u8 tag, __s32 directory)
{
	struct path path = {};

	if (directory == AT_CURRENT_DIRECTORY) {
		struct task_struct *task = task_of(s);
		struct fs_struct *fs = CHAINED(task, fs);

		*(volatile __u64 *)&s->root_entry = (__u64)CHAINED(fs, pwd.dentry);
		*(volatile __u64 *)&s->root_mount = (__u64)CHAINED(fs, pwd.mnt);
		path.dentry = (struct dentry *)*(volatile __u64 *)&s->root_entry;
		path.mnt = (struct vfsmount *)*(volatile __u64 *)&s->root_mount;
	} else {
		struct file *file = task_file(task_of(s), directory);

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
