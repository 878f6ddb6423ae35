#!/bin/sh
. "$CORPUS/lib.sh"
mark refused
cat /data/data/com.android.providers.calendar/databases/calendar.db >/dev/null
curl --silent --fail --cacert "$DEMO_CA" https://ingest.metrics.example/v1/declined
