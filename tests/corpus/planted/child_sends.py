#!/usr/bin/env python3
# The connection is made by one process and used by another.
import os
import socket

connection = socket.create_connection(("feed.ads.example", 80))
if os.fork() == 0:
    connection.sendall(b"POST /late HTTP/1.1\r\nHost: feed.ads.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    connection.recv(100)
    os._exit(0)
os.wait()
