#!/bin/sh
. "$CORPUS/lib.sh"
# An identifier that apps share through the common storage, where one of them has put it.
cat /storage/emulated/0/backups/.SystemConfig/.cuid
