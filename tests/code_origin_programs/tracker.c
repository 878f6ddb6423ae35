// A library with code that connects by itself: what an SDK's native part does.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int server(struct sockaddr_in *address, int port)
{
	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_port = htons(port);
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return socket(AF_INET, SOCK_STREAM, 0);
}

// What comes after the call keeps the compiler from leaving the function with it: then it would have no frame.
__attribute__((noinline, visibility("default"))) int tracker_connect(int port)
{
	struct sockaddr_in address;
	int fd = server(&address, port);
	int result = connect(fd, (struct sockaddr *)&address, sizeof(address));

	close(fd);
	return result;
}

// Without the C library.
__attribute__((noinline, visibility("default"))) int tracker_system_call(int port)
{
	struct sockaddr_in address;
	int fd = server(&address, port);
	int result = syscall(SYS_connect, fd, &address, sizeof(address));

	close(fd);
	return result;
}
