/* openat relative to a descriptor of the directory: the name that is passed says nothing. */
#include <fcntl.h>
#include <unistd.h>

int main(void)
{
	char page[512];
	int directory = open("/data/data/com.android.providers.contacts/databases", O_RDONLY | O_DIRECTORY);
	int file = openat(directory, "contacts2.db", O_RDONLY);
	return read(file, page, sizeof(page)) > 0 ? 0 : 1;
}
