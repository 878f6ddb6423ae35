#!/usr/bin/env python3
# A resolver of its own choice, not the system's.
import socket
import socket as sockets

from lib import dns_question, send

with sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as resolver:
    resolver.sendto(dns_question("other.ads.example"), ("127.0.0.54", 53))
    answer = resolver.recv(512)
send(socket.inet_ntoa(answer[-4:]), 7000)
