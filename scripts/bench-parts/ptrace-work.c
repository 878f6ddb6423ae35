/* The work of scripts/bench-ptrace. Usage: ptrace-work FILE COUNT. Prints nanoseconds a round: by the clock and of the
 * processor, of open+read+close, of read alone, and of a call that no tracer asks for. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

int main(int count_of_arguments, char **arguments)
{
	char buffer[64];
	char line[8];
	long rounds;
	int kept;

	if (count_of_arguments < 3)
		return 64;
	rounds = atol(arguments[2]);
	/* With a third argument it waits: somebody attaches meanwhile. */
	if (count_of_arguments > 3 && !fgets(line, sizeof(line), stdin))
		return 66;
	kept = open(arguments[1], O_RDONLY);
	for (int work = 0; work < 3; work++) {
		double wall = now(CLOCK_MONOTONIC);
		double processor = now(CLOCK_PROCESS_CPUTIME_ID);

		for (long round = 0; round < rounds; round++) {
			if (work == 0) {
				int file = open(arguments[1], O_RDONLY);

				if (file < 0 || read(file, buffer, sizeof(buffer)) != sizeof(buffer))
					return 74;
				close(file);
			} else if (work == 1) {
				if (pread(kept, buffer, sizeof(buffer), 0) != sizeof(buffer))
					return 74;
			} else {
				getppid();
			}
		}
		wall = now(CLOCK_MONOTONIC) - wall;
		processor = now(CLOCK_PROCESS_CPUTIME_ID) - processor;
		printf("%.0f %.0f ", wall / rounds, processor / rounds);
	}
	printf("\n");
	return 0;
}
