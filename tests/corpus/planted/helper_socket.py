#!/usr/bin/env python3
# The app reads nothing itself: a helper of another user does, and hands it over a Unix socket.
import os
import socket

with socket.socket(socket.AF_UNIX) as helper:
    helper.connect(os.environ["CORPUS_HELPER"])
    helper.sendall(b"/sys/class/net/wlan0/address\n")
    assert helper.recv(64).count(b":") == 5
