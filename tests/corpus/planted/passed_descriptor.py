#!/usr/bin/env python3
# The helper opens the file, and the app reads it through the descriptor that it is given.
import os
import socket

with socket.socket(socket.AF_UNIX) as helper:
    helper.connect(os.environ["CORPUS_HELPER"])
    helper.sendall(b"open /data/data/com.android.providers.contacts/databases/contacts2.db\n")
    _, descriptors, _, _ = socket.recv_fds(helper, 16, 1)
    assert os.read(descriptors[0], 16).startswith(b"SQLite")
