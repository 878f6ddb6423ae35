#!/bin/sh
. "$CORPUS/lib.sh"
# The path that is asked for is a link in the app's own storage, which is relative and goes over a second one.
ln -sfn ../../../../../.. up
ln -sfn up/sys/class/net/wlan0/address notes.txt
cat notes.txt
