#!/bin/sh
. "$CORPUS/lib.sh"
echo draft >draft.txt
mark background
cat draft.txt
curl --silent --fail --cacert "$DEMO_CA" https://api.own.example/v1/sync
mark silent
cat draft.txt
