#!/bin/sh
. "$CORPUS/lib.sh"
cat /usr/share/common-licenses/Apache-2.0 >/dev/null
mark foreground
cat /storage/emulated/0/DCIM/Camera/IMG_0001.jpg >/dev/null
