#!/usr/bin/env python3
import socket

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.sendto(b"some data", ("198.51.100.9", 5000))
