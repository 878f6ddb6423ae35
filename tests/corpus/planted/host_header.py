#!/usr/bin/env python3
# No lookup: the address is built in. The request says whom it is for.
from lib import send

send("198.51.100.4", name="drop.unlisted.example")
