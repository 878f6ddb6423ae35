#!/usr/bin/env python3
# As after a lookup over HTTPS: no lookup is seen, and the handshake names nobody.
from lib import send_tls

send_tls("198.51.100.4")
