#!/bin/sh
. "$CORPUS/lib.sh"
# Four programs deep, and the last one is left behind by its parent.
sh -c 'sh -c "sh -c \"exec cat /data/system/users/0/settings_ssaid.xml\" & wait"'
