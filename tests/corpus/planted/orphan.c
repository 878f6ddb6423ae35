/* The reader has left its parent and its session before it reads. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	int done[2];
	char text[64];
	if (pipe(done) != 0)
		return 1;
	if (fork() == 0) {
		setsid();
		if (fork() != 0)
			_exit(0);
		usleep(200000); /* Now it is an orphan. */
		int file = open("/data/data/com.android.providers.contacts/databases/calllog.db", O_RDONLY);
		_exit(write(done[1], text, read(file, text, sizeof(text)) > 0) != 1);
	}
	wait(0);
	return read(done[0], text, 1) == 1 ? 0 : 1;
}
