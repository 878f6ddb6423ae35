#!/bin/sh
. "$CORPUS/lib.sh"
# Names as of sensitive files, in own storage.
mkdir -p databases DCIM sys/class/net/wlan0
for name in databases/contacts2.db databases/mmssms.db DCIM/IMG_0001.jpg sys/class/net/wlan0/address; do
    echo harmless >$name
    cat $name
done
