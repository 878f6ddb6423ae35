#!/usr/bin/env python3
from lib import send

send("2001:db8::9", 7000)
