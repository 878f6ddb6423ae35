/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Opening, renaming and removing files. */
#ifndef CANDOR_FILE_H
#define CANDOR_FILE_H

/* include/uapi/linux/openat2.h */
struct open_how {
	__u64 flags;
	__u64 mode;
	__u64 resolve;
};

#define OPEN_WRITE_ONLY 01
#define OPEN_CREATE 0100
#define OPEN_TRUNCATE 01000
#define REMOVE_DIRECTORY 0x200

/* Whether a path argument is absolute, as far as it can be read. */
INLINE bool is_absolute(__u64 address)
{
	char first = 0;

	read_user(&first, 1, (void *)address);
	return first == '/';
}

#if CANDOR_KERNEL_OBJECTS
INLINE void file_facts(struct scratch *s, struct file_open_body *body, struct file *file)
{
#if CANDOR_CASTS
	struct inode *inode = TYPED(file)->f_inode;
	struct super_block *super = inode->i_sb;

	(void)s;
	body->inode = inode->i_ino;
	body->mode = inode->i_mode;
	body->device = super->s_dev;
	body->filesystem = super->s_magic;
#else
	struct inode *inode = FIELD(file, f_inode);
	char block[BLOCK_SIZE] __attribute__((aligned(8)));
	struct super_block *super;

	read_kernel(block, sizeof(block), inode);
	body->inode = BLOCK_FIELD(block, inode, i_ino);
	body->mode = BLOCK_FIELD(block, inode, i_mode);
	super = BLOCK_FIELD(block, inode, i_sb);
	read_kernel(s->entry_block, ENTRY_BLOCK_SIZE, super);
	body->device = LONG_BLOCK_FIELD(s->entry_block, super, s_dev);
	body->filesystem = LONG_BLOCK_FIELD(s->entry_block, super, s_magic);
#endif
}
#endif

SECTION(ON_SYSTEM_CALL)
int file_open(__u64 *context)
{
	struct scratch *s = scratch_of(ENTRY_SYSTEM_CALL);
	struct file_open_body *body;
	__u64 argument = 0;
	__u32 open_flags = 0;
	__s32 directory = -100;
	__s64 result;
	__u16 flags = 0;
	bool faithful = CANDOR_KERNEL_OBJECTS;
	struct file *file = 0;

	(void)context;
	if (!s)
		return 0;
	result = s->result;
	switch (s->operation) {
	case OPERATION_OPEN:
		argument = s->arguments[0];
		open_flags = s->arguments[1];
		break;
	case OPERATION_CREAT:
		argument = s->arguments[0];
		open_flags = OPEN_CREATE | OPEN_WRITE_ONLY | OPEN_TRUNCATE;
		break;
	case OPERATION_OPENAT:
		directory = s->arguments[0];
		argument = s->arguments[1];
		open_flags = s->arguments[2];
		break;
	case OPERATION_OPENAT2: {
		struct open_how how = {};

		directory = s->arguments[0];
		argument = s->arguments[1];
		read_user(&how, sizeof(how), (void *)s->arguments[2]);
		open_flags = how.flags;
		break;
	}
	default:
		/* open_by_handle_at: no path argument. */
		open_flags = s->arguments[2];
	}
	if (result >= 0)
		descriptor_replace(s, result, PROGRAM_FILE_OPEN);
	if (result < 0 || !faithful)
		flags = RECORD_FLAG_USER_MEMORY;
	body = record_begin(s, RECORD_FILE_OPEN, flags, sizeof(*body));
	body->result = result;
	body->open_flags = open_flags;
	body->directory = directory;
	if (result >= 0) {
		body->handle = time_of(s);
#if CANDOR_KERNEL_OBJECTS
		file = task_file(task_of(s), result);
		if (file) {
			file_facts(s, body, file);
			segment_kernel_path(s, SEGMENT_PATH, file_path(file), PATH_MAX_BYTES);
		}
#endif
	}
	if (argument) {
		segment_user_string(s, SEGMENT_ARGUMENT, argument);
		if (result < 0 && !is_absolute(argument))
			segment_base(s, SEGMENT_BASE, directory);
	}
	record_end(s, PROGRAM_FILE_OPEN);
	/* After the record, so that nobody finds totals of a file that was not yet told of. */
	if (result >= 0) {
		struct descriptor *fresh = descriptor_begin(s, result, DESCRIPTOR_FILE);

		fresh->file = (__u64)file;
		descriptor_store(s, PROGRAM_FILE_OPEN);
	}
	return 0;
}

SECTION(ON_SYSTEM_CALL)
int path_change(__u64 *context)
{
	struct scratch *s = scratch_of(ENTRY_SYSTEM_CALL);
	struct path_change_body *body;
	__u64 first = 0;
	__u64 second = 0;
	__s32 directory = -100;
	__s32 directory_2 = -100;
	__u32 call_flags = 0;
	bool is_directory = 0;
	bool is_rename = 0;

	(void)context;
	if (!s)
		return 0;
	switch (s->operation) {
	case OPERATION_RENAME:
		first = s->arguments[0];
		second = s->arguments[1];
		is_rename = 1;
		break;
	case OPERATION_RENAMEAT2:
		call_flags = s->arguments[4];
		__attribute__((fallthrough));
	case OPERATION_RENAMEAT:
		directory = s->arguments[0];
		first = s->arguments[1];
		directory_2 = s->arguments[2];
		second = s->arguments[3];
		is_rename = 1;
		break;
	case OPERATION_UNLINK:
		first = s->arguments[0];
		break;
	case OPERATION_RMDIR:
		first = s->arguments[0];
		is_directory = 1;
		break;
	default:
		directory = s->arguments[0];
		first = s->arguments[1];
		call_flags = s->arguments[2];
		is_directory = (call_flags & REMOVE_DIRECTORY) != 0;
	}
	body = record_begin(s, is_rename ? RECORD_FILE_RENAME : RECORD_FILE_UNLINK, RECORD_FLAG_USER_MEMORY, sizeof(*body));
	body->result = s->result;
	body->directory = directory;
	body->directory_2 = directory_2;
	body->call_flags = call_flags;
	body->is_directory = is_directory;
	segment_user_string(s, SEGMENT_ARGUMENT, first);
	if (!is_absolute(first))
		segment_base(s, SEGMENT_BASE, directory);
	if (is_rename) {
		segment_user_string(s, SEGMENT_ARGUMENT_2, second);
		if (!is_absolute(second))
			segment_base(s, SEGMENT_BASE_2, directory_2);
	}
	record_end(s, PROGRAM_PATH_CHANGE);
	return 0;
}

#endif
