#!/usr/bin/env python3
"""Whom the programs of the corpus meet besides web servers: TCP port 7000 at each ADDRESS, and a helper on a Unix socket.

usage: peers.py HELPER_SOCKET ADDRESS...

The helper stands for another program of the device: it is asked for the content of a file, or to open it and to pass the
descriptor on. The process ends when its standard input closes.
"""

import os
import pathlib
import socket
import sys
import threading


def serve(server, answer):
    """Answers each connection in turn, for ever."""
    while True:
        connection, _ = server.accept()
        with connection:
            try:
                answer(connection)
            except OSError as error:
                print(error, file=sys.stderr, flush=True)


def swallow(connection):
    """Reads until the other side is done."""
    while connection.recv(4096):
        pass


def help_out(connection):
    """Does what one line asks for."""
    line = connection.recv(4096).decode().strip()
    if path := line.removeprefix("open ") if line.startswith("open ") else "":
        descriptor = os.open(path, os.O_RDONLY)
        socket.send_fds(connection, [b"here"], [descriptor])
        os.close(descriptor)
    else:
        connection.sendall(pathlib.Path(line).read_bytes())


def main():
    """Listens everywhere, then waits for the end."""
    helper_path, *addresses = sys.argv[1:]
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server = socket.create_server((address, 7000), family=family)
        threading.Thread(target=serve, args=(server, swallow), daemon=True).start()
    helper = socket.socket(socket.AF_UNIX)
    helper.bind(helper_path)
    os.chmod(helper_path, 0o666)
    helper.listen()
    threading.Thread(target=serve, args=(helper, help_out), daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
