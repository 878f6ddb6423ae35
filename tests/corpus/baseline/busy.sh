#!/bin/sh
. "$CORPUS/lib.sh"
# A program that does much, and nothing of interest.
find /usr/share -maxdepth 3 -name '*.txt' >found 2>/dev/null || true
tar --create --file - /usr/share/common-licenses 2>/dev/null | gzip >licences.tgz
python3 -c 'import asyncio, email, http.client, json, sqlite3, ssl, unittest, xml.dom'
seq 2000 | sort -R | sort -n | tail -n 1
