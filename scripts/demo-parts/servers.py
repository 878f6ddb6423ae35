#!/usr/bin/env python3
"""Local servers: each name of the world's DNS has its own address, IPv4 or IPv6, with HTTPS on 443 and HTTP on 80.

usage: servers.py CERTIFICATE KEY READY_FILE ADDRESS...

Every request is answered with 200 and a few bytes; what was posted is read and forgotten. The process ends when its
standard input closes, so that it cannot outlive the script.
"""

import http.server
import socket
import ssl
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers anything."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b"ok\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


class Server6(http.server.ThreadingHTTPServer):
    """The same over IPv6."""

    address_family = socket.AF_INET6


def main():
    certificate, key, ready_file, *addresses = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    for address in addresses:
        kind = Server6 if ":" in address else http.server.ThreadingHTTPServer
        plain, secure = kind((address, 80), Handler), kind((address, 443), Handler)
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        for server in (plain, secure):
            threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(ready_file, "w", encoding="ascii") as ready:
        ready.write("ready\n")
    sys.stdin.read()


if __name__ == "__main__":
    main()
