#!/bin/sh
. "$CORPUS/lib.sh"
# A whole tree in one go.
tar --create --file backup.tar --directory /storage/emulated/0 Documents Recordings 2>/dev/null
