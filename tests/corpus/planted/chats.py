#!/usr/bin/env python3
import pathlib

for path in pathlib.Path("/storage/emulated/0/WhatsApp").glob("*.crypt"):
    path.read_bytes()
