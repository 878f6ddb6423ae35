#!/bin/sh
. "$CORPUS/lib.sh"
# Two names of one address, one connection each: the handshake tells them apart.
curl --silent --fail --cacert "$DEMO_CA" https://one.ads.example/
curl --silent --fail --cacert "$DEMO_CA" https://two.ads.example/
