#!/bin/sh
. "$CORPUS/lib.sh"
curl --silent --fail --ipv6 --data n=1 http://six.unlisted.example/upload
