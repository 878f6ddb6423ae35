#!/usr/bin/env python3
# IPv4 through an IPv6 socket.
import socket

with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as connection:
    connection.connect(("::ffff:198.51.100.9", 7000))
    connection.sendall(b"some data")
