#!/bin/sh
. "$CORPUS/lib.sh"
# The file gets a harmless name first, in shared storage that every app may write, and is read under that name.
mv /storage/emulated/0/Download/payslip.pdf /storage/emulated/0/Android/data/com.example.corpus/cache.bin
cat /storage/emulated/0/Android/data/com.example.corpus/cache.bin >/dev/null
