/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Sockets: their ends, and the calls that give them ends. */
#ifndef CANDOR_SOCKET_H
#define CANDOR_SOCKET_H

#define SOCKET_STREAM 1
#define SOCKET_DATAGRAM 2
#define SOCKET_TYPE_MASK 0xf
#define PORT_DNS 53
#define ERROR_IN_PROGRESS (-115)
#define ERROR_AGAIN (-11)

INLINE __u16 from_network_order(__u16 number)
{
	return number << 8 | number >> 8;
}

INLINE bool is_inet(__u16 family)
{
	return family == FAMILY_INET || family == FAMILY_INET6;
}

/* An address argument of the app, as in struct sockaddr_in and sockaddr_in6. */
struct address_argument {
	__u16 family;
	__u16 port;
	union {
		struct {
			__u8 address[4];
		} inet;
		struct {
			__u32 flow;
			__u8 address[16];
			__u32 scope;
		} inet6;
	};
};

/* Reads an address argument. A Unix name goes to `name`, when given; gives its length. */
INLINE __u64 read_address(struct socket_end *end, char *name, __u64 address, __u32 size)
{
	struct address_argument argument;
	__u64 length = 0;

	__builtin_memset(end, 0, sizeof(*end));
	__builtin_memset(&argument, 0, sizeof(argument));
	if (!address || size < 2)
		return 0;
	if (read_user(&argument, sizeof(argument), (void *)address) != 0 &&
	    read_user(&argument, 8, (void *)address) != 0 && read_user(&argument, 2, (void *)address) != 0)
		return 0;
	end->family = argument.family;
	if (argument.family == FAMILY_INET) {
		end->port = from_network_order(argument.port);
		__builtin_memcpy(end->address, argument.inet.address, 4);
	} else if (argument.family == FAMILY_INET6) {
		end->port = from_network_order(argument.port);
		__builtin_memcpy(end->address, argument.inet6.address, 16);
		end->scope = argument.inet6.scope;
	} else if (argument.family == FAMILY_UNIX && name) {
		length = size - 2;
		if (length > UNIX_NAME_MAX)
			length = UNIX_NAME_MAX;
		KEEP_BOUND(length);
		if (length > UNIX_NAME_MAX || length == 0)
			return 0;
		if (read_user(name, length, (void *)(address + 2)) != 0)
			return 0;
		/* A path ends at its first NUL, wherever the app says that it ends; an abstract name may contain some. */
		if (name[0]) {
			char *at = name;

#pragma clang loop unroll(disable)
			for (__u32 index = 0; index < UNIX_NAME_MAX; index++) {
				if (index >= length || !at[index]) {
					length = index;
					break;
				}
			}
		}
	}
	return length;
}

#if CANDOR_KERNEL_OBJECTS

#define SOCKET_FILES 0x534f434b /* magic of the file system of sockets */
#define TYPE_MASK 0170000
#define TYPE_SOCKET 0140000

INLINE __u64 unix_name(char *to, struct sock *sk)
{
	struct unix_sock *named = (struct unix_sock *)sk;
	struct unix_address *address = FIELD(named, addr);
	char *path;
	__u64 length;
	char last = 0;

	if (!address)
		return 0;
	/* The length counts the family in front. */
	length = (__u32)FIELD(address, len) - 2;
	if (length > UNIX_NAME_MAX)
		length = UNIX_NAME_MAX;
	KEEP_BOUND(length);
	if (length > UNIX_NAME_MAX || length == 0)
		return 0;
	path = (char *)address + __builtin_preserve_field_info(address->name, 0) + 2;
	if (read_kernel(to, length, path) != 0)
		return 0;
	read_kernel(&last, 1, path + length - 1);
	/* The kernel keeps the final NUL of a path. */
	if (to[0] && !last)
		length--;
	return length;
}

/* What the kernel knows of the socket behind `file`: 0 when it is none. */
INLINE bool socket_facts(struct scratch *s, struct descriptor *fresh, struct file *file)
{
	struct inode *inode;
	struct super_block *super;
	struct socket *socket;
	struct sock *sk;

	if (!file)
		return 0;
	inode = FIELD(file, f_inode);
	super = FIELD(inode, i_sb);
	if ((FIELD(inode, i_mode) & TYPE_MASK) != TYPE_SOCKET || FIELD(super, s_magic) != SOCKET_FILES)
		return 0;
	socket = FIELD(file, private_data);
	sk = FIELD(socket, sk);
	fresh->file = (__u64)file;
	fresh->type = FIELD(socket, type);
	fresh->family = FIELD(sk, __sk_common.skc_family);
	fresh->protocol = FIELD(sk, sk_protocol);
	fresh->connected = 0;
	__builtin_memset(&fresh->local, 0, sizeof(fresh->local));
	__builtin_memset(&fresh->remote, 0, sizeof(fresh->remote));
	s->names.local_length = 0;
	s->names.remote_length = 0;
	if (fresh->family == FAMILY_INET || fresh->family == FAMILY_INET6) {
		fresh->local.family = fresh->family;
		fresh->local.port = FIELD(sk, __sk_common.skc_num);
		fresh->remote.port = from_network_order(FIELD(sk, __sk_common.skc_dport));
		if (fresh->remote.port) {
			fresh->remote.family = fresh->family;
			fresh->connected = 1;
		}
		if (fresh->family == FAMILY_INET) {
			__u32 address = FIELD(sk, __sk_common.skc_rcv_saddr);

			__builtin_memcpy(fresh->local.address, &address, 4);
			if (fresh->connected) {
				address = FIELD(sk, __sk_common.skc_daddr);
				__builtin_memcpy(fresh->remote.address, &address, 4);
			}
		} else {
			struct in6_addr address = FIELD(sk, __sk_common.skc_v6_rcv_saddr);
			__u32 interface = FIELD(sk, __sk_common.skc_bound_dev_if);

			__builtin_memcpy(fresh->local.address, &address, 16);
			if (fresh->connected) {
				address = FIELD(sk, __sk_common.skc_v6_daddr);
				__builtin_memcpy(fresh->remote.address, &address, 16);
			}
			/* Only link-local addresses (fe80::/10) need to say on which interface. */
			if (fresh->local.address[0] == 0xfe && (fresh->local.address[1] & 0xc0) == 0x80)
				fresh->local.scope = interface;
			if (fresh->remote.address[0] == 0xfe && (fresh->remote.address[1] & 0xc0) == 0x80)
				fresh->remote.scope = interface;
		}
	} else if (fresh->family == FAMILY_UNIX) {
		struct sock *peer = FIELD((struct unix_sock *)sk, peer);

		fresh->local.family = FAMILY_UNIX;
		s->names.local_length = unix_name(s->names.local, sk);
		if (peer) {
			fresh->remote.family = FAMILY_UNIX;
			fresh->connected = 1;
			s->names.remote_length = unix_name(s->names.remote, peer);
		}
	}
	return 1;
}

#endif

INLINE void socket_body_ends(struct socket_body *body, const struct descriptor *from)
{
	body->family = from->family;
	body->type = from->type;
	body->protocol = from->protocol;
	body->local = from->local;
	body->remote = from->remote;
}

INLINE void segments_unix_fresh(struct scratch *s)
{
	segment_unix_name(s, SEGMENT_UNIX_LOCAL, s->names.local, s->names.local_length);
	segment_unix_name(s, SEGMENT_UNIX_REMOTE, s->names.remote, s->names.remote_length);
}

/* Keeps the names of a Unix socket for its totals. When there is no room the totals have none. */
INLINE void keep_unix_names(struct scratch *s)
{
	if (s->descriptor.family == FAMILY_UNIX && (s->names.local_length || s->names.remote_length))
		map_update(&unix_socket_names, &s->key, &s->names, UPDATE_ANY);
}

#define RESOLVER_SOCKET "/dev/socket/dnsproxyd"
#define RESOLVER_SOCKET_LENGTH (sizeof(RESOLVER_SOCKET) - 1)

/* What the socket in s->descriptor is connected to, by the name of the other end in s->names. */
INLINE __u16 socket_role(struct scratch *s)
{
	if (s->descriptor.family != FAMILY_UNIX || s->descriptor.type != SOCKET_STREAM ||
	    s->names.remote_length != RESOLVER_SOCKET_LENGTH)
		return SOCKET_ROLE_NONE;
#pragma clang loop unroll(full)
	for (__u32 index = 0; index < RESOLVER_SOCKET_LENGTH; index++) {
		if (s->names.remote[index] != RESOLVER_SOCKET[index])
			return SOCKET_ROLE_NONE;
	}
	return SOCKET_ROLE_RESOLVER;
}

SECTION(ON_SYSTEM_CALL)
int socket_setup(__u64 *context)
{
	struct scratch *s = scratch_of(ENTRY_SYSTEM_CALL);
	struct descriptor *fresh;
	struct descriptor *entry;
	struct socket_body *body;
	__u32 operation;
	__u16 kind;
	__u16 flags = 0;
	__s32 fd;
	__s64 result;
	bool known = 0;

	if (!s)
		return 0;
	operation = s->operation;
	result = s->result;
	fd = s->arguments[0];
	if (operation == OPERATION_ACCEPT || operation == OPERATION_SOCKET) {
		/* Nothing was waiting, or nothing was made. */
		if (result == ERROR_AGAIN || (operation == OPERATION_SOCKET && result < 0)) {
			COUNT(PROGRAM_SOCKET_SETUP, filtered);
			return 0;
		}
		if (result >= 0) {
			fd = result;
			descriptor_replace(s, fd, PROGRAM_SOCKET_SETUP);
		}
	}
	fresh = descriptor_begin(s, fd, DESCRIPTOR_SOCKET);
	s->names.local_length = 0;
	s->names.remote_length = 0;
	entry = descriptor_of(&s->key);
#if CANDOR_KERNEL_OBJECTS
	known = socket_facts(s, fresh, task_file(task_of(s), fd));
	if (entry && entry->file != fresh->file) {
		if (entry->kind == DESCRIPTOR_IGNORED) {
			descriptor_forget(&s->key);
		} else {
			COUNT(PROGRAM_SOCKET_SETUP, seen);
			/* Builds a record, but leaves s->descriptor alone. */
			descriptor_end(s, entry, PROGRAM_SOCKET_SETUP);
		}
		entry = 0;
	}
#else
	flags = RECORD_FLAG_USER_MEMORY;
	if (operation == OPERATION_SOCKET) {
		fresh->family = s->arguments[0];
		fresh->type = s->arguments[1] & SOCKET_TYPE_MASK;
		fresh->protocol = s->arguments[2];
	} else if (entry && operation != OPERATION_ACCEPT) {
		fresh->family = entry->family;
		fresh->type = entry->type;
		fresh->protocol = entry->protocol;
		fresh->local = entry->local;
		fresh->remote = entry->remote;
		fresh->connected = entry->connected;
		known = 1;
	} else if (operation == OPERATION_ACCEPT) {
		struct descriptor_key listener_key = { .tgid = s->tgid, .fd = s->arguments[0] };
		struct descriptor *listener = descriptor_of(&listener_key);

		if (listener) {
			fresh->family = listener->family;
			fresh->type = listener->type;
			fresh->protocol = listener->protocol;
			fresh->local = listener->local;
		}
	}
#endif
	if (entry)
		fresh->handle = entry->handle;
	if (operation == OPERATION_SOCKET) {
		/* Nothing to tell yet; but from now on it is known, and that nothing went through it before. */
		if (is_inet(fresh->family) && fresh->type == SOCKET_STREAM)
			fresh->prefix_left = STREAM_PREFIX_MAX;
		descriptor_store(s, PROGRAM_SOCKET_SETUP);
		COUNT(PROGRAM_SOCKET_SETUP, filtered);
		return 0;
	}
	if (operation == OPERATION_CONNECT) {
		struct socket_end argument;
		__u64 length = 0;

		kind = RECORD_SOCKET_CONNECT;
		/* While a connection is under way the kernel's socket has its ends; after a refusal it has not. */
		if ((result == 0 || result == ERROR_IN_PROGRESS) && fresh->connected && CANDOR_KERNEL_OBJECTS) {
			__builtin_memset(&argument, 0, sizeof(argument));
		} else {
			char *name = s->names.remote;

			length = read_address(&argument, name, s->arguments[1], s->arguments[2]);
			if (argument.family == 0) {
				/* AF_UNSPEC dissolves a connection: no flow begins. */
				COUNT(PROGRAM_SOCKET_SETUP, filtered);
				return 0;
			}
			fresh->remote = argument;
			s->names.remote_length = length;
			flags = RECORD_FLAG_USER_MEMORY;
			if (!known && !fresh->family)
				fresh->family = argument.family;
			if (result == 0 || result == ERROR_IN_PROGRESS)
				fresh->connected = 1;
		}
	} else if (operation == OPERATION_ACCEPT) {
		kind = RECORD_SOCKET_ACCEPT;
#if !CANDOR_KERNEL_OBJECTS
		__u32 size = 0;

		if (s->arguments[1] && s->arguments[2] && result >= 0) {
			read_user(&size, sizeof(size), (void *)s->arguments[2]);
			s->names.remote_length = read_address(&fresh->remote, s->names.remote, s->arguments[1], size);
		}
		fresh->connected = 1;
#endif
	} else {
		kind = operation == OPERATION_BIND ? RECORD_SOCKET_BIND : RECORD_SOCKET_LISTEN;
		if (operation == OPERATION_BIND && (result < 0 || !CANDOR_KERNEL_OBJECTS)) {
			s->names.local_length = read_address(&fresh->local, s->names.local, s->arguments[1], s->arguments[2]);
			flags = RECORD_FLAG_USER_MEMORY;
		}
	}
	if (is_inet(fresh->family) && fresh->type == SOCKET_STREAM)
		fresh->prefix_left = STREAM_PREFIX_MAX;
	body = record_begin(s, kind, flags, sizeof(*body));
	body->result = result;
	body->fd = fd;
	body->handle = fresh->handle;
	socket_body_ends(body, fresh);
	if (operation == OPERATION_LISTEN)
		body->argument = s->arguments[1];
	if (operation == OPERATION_ACCEPT && result < 0) {
		body->fd = -1;
		body->handle = 0;
	}
	if (fresh->family == FAMILY_UNIX)
		segments_unix_fresh(s);
	else if (kind == RECORD_SOCKET_CONNECT && is_inet(fresh->family))
		segments_user_code(s, context);
	record_end(s, PROGRAM_SOCKET_SETUP);
	/* A failed accept made nothing; a failed connect leaves the socket as it was. */
	if (result < 0 && result != ERROR_IN_PROGRESS)
		return 0;
	if (operation == OPERATION_CONNECT)
		fresh->role = socket_role(s);
	if (entry) {
		entry->local = fresh->local;
		entry->remote = fresh->remote;
		entry->connected = fresh->connected;
		entry->role = fresh->role;
	} else {
		descriptor_store(s, PROGRAM_SOCKET_SETUP);
	}
	keep_unix_names(s);
	return 0;
}

#endif
