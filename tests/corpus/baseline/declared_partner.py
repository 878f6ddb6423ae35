#!/usr/bin/env python3
import os
import ssl
import urllib.request

context = ssl.create_default_context(cafile=os.environ["DEMO_CA"])
urllib.request.urlopen("https://ingest.metrics.example/v1/events", data=b"e=1", context=context).read()
