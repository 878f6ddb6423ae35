/* No connect call: the data go with the first packet. */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

int main(void)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: fast.ads.example\r\nConnection: close\r\n\r\n";
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80) };
	char answer[256];
	int connection = socket(AF_INET, SOCK_STREAM, 0);
	inet_pton(AF_INET, "198.51.100.3", &to.sin_addr);
	if (sendto(connection, request, strlen(request), MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to)) < 0)
		return 1;
	return recv(connection, answer, sizeof(answer), 0) > 0 ? 0 : 1;
}
