#!/bin/sh
. "$CORPUS/lib.sh"
curl --silent --fail --cacert "$DEMO_CA" --data n=1 https://deep.below.api.own.example/v1/notes
curl --silent --fail http://own.example/
