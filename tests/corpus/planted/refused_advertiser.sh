#!/bin/sh
. "$CORPUS/lib.sh"
mark refused
curl --silent --fail --data n=1 http://late.ads.example/
