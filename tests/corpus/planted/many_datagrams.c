/* Two messages to two addresses in one call. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sys/socket.h>

int main(void)
{
	struct sockaddr_in first = { .sin_family = AF_INET, .sin_port = htons(5002) }, second = first;
	struct iovec data = { "some data", 9 };
	struct mmsghdr messages[2] = {
		{ .msg_hdr = { .msg_name = &first, .msg_namelen = sizeof(first), .msg_iov = &data, .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_name = &second, .msg_namelen = sizeof(second), .msg_iov = &data, .msg_iovlen = 1 } },
	};
	inet_pton(AF_INET, "198.51.100.10", &first.sin_addr);
	inet_pton(AF_INET, "198.51.100.11", &second.sin_addr);
	return sendmmsg(socket(AF_INET, SOCK_DGRAM, 0), messages, 2, 0) == 2 ? 0 : 1;
}
