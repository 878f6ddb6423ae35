#!/usr/bin/env python3
import socket

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.connect(("telemetry.unlisted.example", 5001))
    sender.send(b"some data")
