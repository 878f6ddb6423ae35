#!/bin/sh
. "$CORPUS/lib.sh"
curl --silent --fail --cacert "$DEMO_CA" --data slot=banner https://bid.ads.example/v2/auction
