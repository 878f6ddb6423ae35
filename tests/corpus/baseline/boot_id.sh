#!/bin/sh
. "$CORPUS/lib.sh"
# Libraries of the system read it by themselves: a notice, no finding.
cat /proc/sys/kernel/random/boot_id
