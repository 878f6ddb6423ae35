#!/bin/sh
. "$CORPUS/lib.sh"
# No lookup: the address is built in. The TLS handshake says whom it is for.
printf 'GET / HTTP/1.0\r\n\r\n' |
    openssl s_client -quiet -connect 198.51.100.3:443 -servername quiet.ads.example >/dev/null 2>&1 ||
    true # It minds how the server ends the connection.
