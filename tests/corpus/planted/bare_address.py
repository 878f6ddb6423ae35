#!/usr/bin/env python3
from lib import send

send("198.51.100.9", 7000)
