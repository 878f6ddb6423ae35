#!/bin/sh
. "$CORPUS/lib.sh"
cat /storage/emulated/0/DCIM/Camera/IMG_0001.jpg /storage/emulated/0/Music/song.mp3 >/dev/null
cat /proc/net/arp >/dev/null
