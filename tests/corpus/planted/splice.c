/* From file to pipe inside the kernel. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

int main(void)
{
	int ends[2];
	int file = open("/data/data/com.android.providers.userdictionary/databases/user_dict.db", O_RDONLY);
	if (pipe(ends) != 0)
		return 1;
	return splice(file, 0, ends[1], 0, 1000, 0) == 1000 ? 0 : 1;
}
