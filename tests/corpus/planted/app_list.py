#!/usr/bin/env python3
import os

os.listdir("/data/app")
with open("/data/system/packages.list") as packages:
    packages.read()
