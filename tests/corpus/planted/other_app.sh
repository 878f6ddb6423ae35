#!/bin/sh
. "$CORPUS/lib.sh"
# Another app's files, as far as they are open to all.
cat /data/data/com.example.other/files/session.json
