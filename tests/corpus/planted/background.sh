#!/bin/sh
. "$CORPUS/lib.sh"
cat /storage/emulated/0/DCIM/Camera/IMG_0001.jpg >/dev/null
mark background
cat /storage/emulated/0/DCIM/Camera/IMG_0002.jpg >/dev/null
cat /storage/emulated/0/Music/song.mp3 >/dev/null
