#!/usr/bin/env python3
# The connect call has not succeeded when it returns.
import select
import socket

connection = socket.socket()
connection.setblocking(False)
connection.connect_ex(("198.51.100.9", 7000))
select.select([], [connection], [], 10)
connection.send(b"some data")
