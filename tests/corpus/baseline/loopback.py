#!/usr/bin/env python3
import socket
import threading

server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=server.accept, daemon=True).start()
with socket.create_connection(server.getsockname()) as connection:
    connection.sendall(b"to itself")
