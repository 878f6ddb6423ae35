/* The work of scripts/bench-ptrace. Usage: ptrace-work FILE COUNT. Prints nanoseconds a round: by the clock and of the
 * processor, of open+read+close, of read alone, of socket+connect+close, of fork+wait, and of a call that no tracer asks
 * for. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OPEN, READ, CONNECT, FORK, OTHER, WORKS };

/* Rounds of a work for each that is asked for: some take longer. */
static const int shares[WORKS] = { 1, 1, 2, 20, 1 };

static char buffer[64];

static double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static int once(int work, const char *name, int kept, const struct sockaddr_in *nobody)
{
	int file;
	pid_t child;

	switch (work) {
	case OPEN:
		file = open(name, O_RDONLY);
		if (file < 0 || read(file, buffer, sizeof(buffer)) != sizeof(buffer))
			return 74;
		close(file);
		return 0;
	case READ:
		return pread(kept, buffer, sizeof(buffer), 0) != sizeof(buffer) ? 74 : 0;
	case CONNECT:
		/* A datagram socket connects without anybody at the other end. */
		file = socket(AF_INET, SOCK_DGRAM, 0);
		if (file < 0 || connect(file, (const struct sockaddr *)nobody, sizeof(*nobody)))
			return 74;
		close(file);
		return 0;
	case FORK:
		child = fork();
		if (child == 0)
			_exit(0);
		return child < 0 || waitpid(child, NULL, 0) != child ? 71 : 0;
	default:
		getppid();
		return 0;
	}
}

int main(int count_of_arguments, char **arguments)
{
	struct sockaddr_in nobody = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	char line[8];
	int kept;

	if (count_of_arguments < 3)
		return 64;
	/* With a third argument it waits: somebody attaches meanwhile. */
	if (count_of_arguments > 3 && !fgets(line, sizeof(line), stdin))
		return 66;
	kept = open(arguments[1], O_RDONLY);
	for (int work = 0; work < WORKS; work++) {
		long rounds = atol(arguments[2]) / shares[work] + 1;
		double wall = now(CLOCK_MONOTONIC);
		double processor = now(CLOCK_PROCESS_CPUTIME_ID);

		for (long round = 0; round < rounds; round++) {
			int failed = once(work, arguments[1], kept, &nobody);

			if (failed)
				return failed;
		}
		wall = now(CLOCK_MONOTONIC) - wall;
		processor = now(CLOCK_PROCESS_CPUTIME_ID) - processor;
		printf("%.0f %.0f ", wall / rounds, processor / rounds);
	}
	printf("\n");
	return 0;
}
