#!/usr/bin/env python3
import contextlib

for path in ("/data/data/com.android.providers.contacts/databases/none.db", "/storage/emulated/0/DCIM/none.jpg"):
    with contextlib.suppress(FileNotFoundError):
        open(path, "rb")
