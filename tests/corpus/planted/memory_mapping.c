/* No read call: the file is mapped, and the descriptor is closed before the bytes are looked at. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
	int file = open("/data/data/com.android.providers.telephony/databases/mmssms.db", O_RDONLY);
	volatile char *page = mmap(0, 4096, PROT_READ, MAP_PRIVATE, file, 0);
	close(file);
	return page[0] == 'S' ? 0 : 1;
}
