/* From file to file inside the kernel, then the copy is read. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

int main(void)
{
	char text[64];
	int from = open("/data/data/com.android.chrome/app_chrome/Default/History", O_RDONLY);
	int to = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (copy_file_range(from, 0, to, 0, 1000, 0) <= 0 && sizeof(text))
		return 1;
	return pread(to, text, sizeof(text), 0) > 0 ? 0 : 1;
}
