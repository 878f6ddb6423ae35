/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The few kernel types that the programs read, each with only the fields read. The loader moves every access to where
 * the running kernel has the field (CO-RE), so order and omissions do not matter. A generated vmlinux.h instead would be
 * 113,000 lines of one machine's kernel.
 */
#ifndef CANDOR_KERNEL_TYPES_H
#define CANDOR_KERNEL_TYPES_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef _Bool bool;

#if CANDOR_KERNEL_OBJECTS

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct qstr {
	__u64 hash_len; /* the length is the upper half on little-endian machines */
	unsigned char *name;
};

/* As qstr: the verifier takes loads of whole fields of the innermost structure only. */
struct qstr___parts {
	__u32 len;
	unsigned char *name;
};

/* Any structure that begins with so many numbers of 64 bits serves to load a name by words. */
struct sysinfo {
	long uptime;
	unsigned long loads[3];
	unsigned long totalram;
};

struct list_head {
	void *next;
};

struct super_block {
	__u32 s_dev;
	unsigned long s_magic;
};

struct inode {
	__u16 i_mode;
	unsigned long i_ino;
	__u32 i_rdev;
	struct super_block *i_sb;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	void *private_data;
	unsigned int f_flags;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct fs_struct {
	struct path root;
	struct path pwd;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
	int group_exit_code;
	unsigned int flags;
};

#if defined(__TARGET_ARCH_x86)
struct thread_info {
	__u32 status;
};
#endif

struct kernel_id {
	__u32 val; /* kuid_t, kgid_t: numbers of the initial user name space, as the helper gives them too */
};

struct cred {
	struct kernel_id uid;
	struct kernel_id gid;
};

struct task_struct {
#if defined(__TARGET_ARCH_x86)
	struct thread_info thread_info;
#endif
	struct mm_struct *mm;
	int exit_code;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	__u64 start_boottime;
	struct cred *cred;
	char comm[16];
	struct fs_struct *fs;
	struct files_struct *files;
	struct signal_struct *signal;
};

struct linux_binprm {
	struct file *file;
	char *filename;
};

struct in6_addr {
	__u8 bytes[16];
};

struct sock_common {
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	int skc_bound_dev_if;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
};

struct socket {
	short type;
	struct sock *sk;
};

struct sockaddr_un {
	__u16 sun_family;
	char sun_path[108];
};

struct unix_address {
	int len;
	struct sockaddr_un name[0];
};

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
};

#pragma clang attribute pop

#endif /* CANDOR_KERNEL_OBJECTS */

/*
 * Registers of a task that made a system call. Read at fixed offsets: the layout of struct pt_regs is as old as the
 * architectures (x86_64: arch/x86/include/asm/ptrace.h; arm64: its first part is user ABI, and orig_x0 and syscallno
 * follow it since 4.14), and tier 2 has no type information to relocate by.
 */
#if defined(__TARGET_ARCH_x86)

#define REGISTERS_NUMBER_OFFSET 120 /* orig_ax */
#define REGISTERS_NUMBER_TYPE __u64
struct call_registers { /* from r10 on */
	__u64 r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs;
};
#define REGISTERS_BLOCK_OFFSET 56
#define REGISTERS_BX_OFFSET 40
#define REGISTERS_PC_OFFSET 128
#define REGISTERS_SP_OFFSET 152
#define REGISTERS_FP_OFFSET 32

#elif defined(__TARGET_ARCH_arm64)

#define REGISTERS_NUMBER_OFFSET 280 /* syscallno, 32 bits; the 32 bits after it are unused */
#define REGISTERS_NUMBER_TYPE __s32
struct call_registers {
	__u64 x0_result, x1, x2, x3, x4, x5;
};
#define REGISTERS_BLOCK_OFFSET 0
#define REGISTERS_PSTATE_OFFSET 264
#define REGISTERS_PC_OFFSET 256
#define REGISTERS_SP_OFFSET 248
#define REGISTERS_FP_OFFSET 232 /* x29 */
#define REGISTERS_LINK_OFFSET 240 /* x30: where the function that made the call returns to */
#define REGISTERS_ORIGINAL_X0_OFFSET 272

#else
#error "the kernel programs know x86_64 and arm64 only"
#endif

#endif
