#!/usr/bin/env python3
# The same over TCP, where a length stands before the message.
import socket
import struct

from lib import dns_question, send

question = dns_question("stream.ads.example")
with socket.create_connection(("127.0.0.53", 53)) as resolver:
    resolver.sendall(struct.pack(">H", len(question)) + question)
    answer = resolver.recv(512)
send(socket.inet_ntoa(answer[-4:]), 7000)
