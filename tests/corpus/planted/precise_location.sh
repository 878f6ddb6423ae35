#!/bin/sh
. "$CORPUS/lib.sh"
# Only the coarse place is declared.
cat /data/misc/gps/last_fix
