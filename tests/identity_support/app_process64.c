/* Stands for the process that Android forks apps from. Its file is called app_process64, as on a device, and it does what
 * its arguments say, in order:
 *
 *   fork            goes on in a child; the parent waits for it and then goes on behind the next "end"
 *   end             a child ends here; others pass
 *   uid N           becomes user and group N
 *   name TEXT       takes a name, as android.os.Process.setArgV0 does: its command line, and the thread's name
 *   open PATH       opens and closes a file
 *   until PATH      waits until PATH exists
 *   again N PATH M OTHER   twice the same process id: a child with user id N opens PATH, and when it is gone another with
 *                   user id M opens OTHER
 *
 * Its command line must be long enough for the longest name. It prints nothing but what went wrong. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	_exit(70);
}

static void open_once(const char *path)
{
	int file = open(path, O_RDONLY);

	if (file < 0)
		fail(path);
	close(file);
}

static void become(long id)
{
	if (setresgid(id, id, id) || setresuid(id, id, id))
		fail("become another user");
}

static void wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child || status != 0) {
		fprintf(stderr, "a child ended with status %#x\n", status);
		_exit(70);
	}
}

static void act(long id, const char *path)
{
	become(id);
	open_once(path);
	_exit(0);
}

static int again(char **words)
{
	for (int attempt = 0; attempt < 100; attempt++) {
		pid_t first = fork();
		pid_t wanted;
		struct clone_args how;
		long second;

		if (first == 0)
			act(atol(words[0]), words[1]);
		wait_for(first);
		wanted = first;
		memset(&how, 0, sizeof(how));
		how.exit_signal = SIGCHLD;
		how.set_tid = (uintptr_t)&wanted;
		how.set_tid_size = 1;
		second = syscall(SYS_clone3, &how, sizeof(how));
		if (second == 0)
			act(atol(words[2]), words[3]);
		if (second > 0) {
			wait_for(second);
			return 0;
		}
		/* Somebody else got the number meanwhile. */
		if (errno != EEXIST)
			fail("take a process id again");
	}
	fail("take a process id again, in 100 attempts");
	return 70;
}

int main(int count, char **arguments)
{
	char *start = arguments[0];
	char *end = arguments[count - 1] + strlen(arguments[count - 1]);
	char **words = calloc(count + 1, sizeof(char *));
	int child = 0;

	for (int index = 0; index < count; index++)
		words[index] = strdup(arguments[index]);
	for (int at = 1; at < count; at++) {
		const char *word = words[at];

		if (!strcmp(word, "fork")) {
			pid_t made = fork();

			if (made == 0) {
				child = 1;
				continue;
			}
			wait_for(made);
			for (int depth = 1; depth > 0;) {
				at++;
				depth += !strcmp(words[at], "fork") - !strcmp(words[at], "end");
			}
		} else if (!strcmp(word, "end")) {
			if (child)
				_exit(0);
		} else if (!strcmp(word, "uid")) {
			become(atol(words[++at]));
		} else if (!strcmp(word, "name")) {
			const char *name = words[++at];
			size_t length = strlen(name);

			prctl(PR_SET_NAME, length > 15 ? name + length - 15 : name);
			memset(start, 0, end - start);
			strncpy(start, name, end - start);
		} else if (!strcmp(word, "open")) {
			open_once(words[++at]);
		} else if (!strcmp(word, "until")) {
			at++;
			for (int round = 0; access(words[at], F_OK); round++) {
				if (round > 30000)
					fail(words[at]);
				usleep(2000);
			}
		} else if (!strcmp(word, "again")) {
			again(words + at + 1);
			at += 4;
		} else if (strncmp(word, "zygote", 6)) {
			fprintf(stderr, "no such word: %s\n", word);
			return 64;
		}
	}
	return 0;
}
