#!/bin/sh
. "$CORPUS/lib.sh"
mkdir -p /storage/emulated/0/Android/data/com.example.corpus/files
echo cached >/storage/emulated/0/Android/data/com.example.corpus/files/cache
cat /storage/emulated/0/Android/data/com.example.corpus/files/cache
