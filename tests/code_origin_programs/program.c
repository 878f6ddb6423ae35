// An app: connects by itself, or has a library do it. `program MODE LIBRARY PORT`; it does so when it reads a line, and ends
// with its input, so that it is still there when it is looked at.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int connector(int port);

static connector *connects;
static int port;

static __attribute__((noinline)) int own_connect(int number)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(number) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int result;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	result = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return result;
}

static void *in_a_thread(void *nothing)
{
	printf("connected %d\n", connects(port));
	return nothing;
}

static connector *from_library(const char *library, const char *name)
{
	void *loaded = dlopen(library, RTLD_NOW);

	if (!loaded) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	return (connector *)dlsym(loaded, name);
}

int main(int count, char **arguments)
{
	char line[16];
	const char *mode;

	if (count < 4 || !fgets(line, sizeof(line), stdin))
		return 1;
	mode = arguments[1];
	port = atoi(arguments[3]);
	if (!strcmp(mode, "own") || !strcmp(mode, "own-beside-library")) {
		connects = own_connect;
		if (strcmp(mode, "own"))
			from_library(arguments[2], "tracker_connect");
	} else if (!strcmp(mode, "system-call")) {
		connects = from_library(arguments[2], "tracker_system_call");
	} else {
		connects = from_library(arguments[2], "tracker_connect");
	}
	if (!strcmp(mode, "thread")) {
		pthread_t thread;

		pthread_create(&thread, 0, in_a_thread, 0);
		pthread_join(thread, 0);
	} else {
		in_a_thread(0);
	}
	while (fgets(line, sizeof(line), stdin))
		;
	return 0;
}
