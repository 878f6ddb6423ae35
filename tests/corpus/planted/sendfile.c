/* From file to socket inside the kernel. */
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	int ends[2];
	int file = open("/data/data/com.android.providers.contacts/databases/contacts2.db", O_RDONLY);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return 1;
	return sendfile(ends[0], file, 0, 1000) == 1000 ? 0 : 1;
}
