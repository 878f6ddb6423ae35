#!/bin/sh
. "$CORPUS/lib.sh"
mac=$(cat /sys/class/net/wlan0/address)
curl --silent --fail --cacert "$DEMO_CA" --data "device=$mac" https://ingest.metrics.example/v1/start
mark foreground
curl --silent --fail --cacert "$DEMO_CA" https://api.own.example/v1/start
