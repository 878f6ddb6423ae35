/* One of eight threads reads; the others read harmless files at the same time. */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static void *work(void *path)
{
	char text[256];
	for (int round = 0; round < 20; round++) {
		int file = open(path, O_RDONLY);
		if (read(file, text, sizeof(text)) < 0)
			_exit(1);
		close(file);
	}
	return 0;
}

int main(void)
{
	pthread_t threads[8];
	for (int number = 0; number < 8; number++)
		pthread_create(&threads[number], 0, work,
			       number == 5 ? "/data/system/users/0/settings_secure.xml" : "/proc/self/comm");
	for (int number = 0; number < 8; number++)
		pthread_join(threads[number], 0);
	return 0;
}
