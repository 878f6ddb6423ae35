#!/bin/sh
. "$CORPUS/lib.sh"
mark background
curl --silent --fail --cacert "$DEMO_CA" https://ingest.metrics.example/v1/alive
cat /proc/net/arp >/dev/null
