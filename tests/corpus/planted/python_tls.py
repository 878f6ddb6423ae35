#!/usr/bin/env python3
import os
import ssl
import urllib.request

context = ssl.create_default_context(cafile=os.environ["DEMO_CA"])
urllib.request.urlopen("https://cdn-7.unlisted.example/upload", data=b"n=2", context=context).read()
