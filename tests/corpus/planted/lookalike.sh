#!/bin/sh
. "$CORPUS/lib.sh"
# Not a subdomain of own.example, nor of metrics.example, however much they look like it.
curl --silent --fail http://notown.example/
curl --silent --fail http://own.example.unlisted.example/
