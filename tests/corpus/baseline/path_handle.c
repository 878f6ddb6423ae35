/* A file can be named with O_PATH, not read. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
	struct stat about;
	char page[16];
	int handle = open("/data/data/com.android.providers.contacts/databases/contacts2.db", O_PATH);
	return fstat(handle, &about) == 0 && read(handle, page, sizeof(page)) < 0 ? 0 : 1;
}
