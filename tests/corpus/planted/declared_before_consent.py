#!/usr/bin/env python3
# What is declared is not allowed before consent either.
from lib import mark

open("/storage/emulated/0/DCIM/Camera/IMG_0001.jpg", "rb").read(100)
mark("foreground")
open("/storage/emulated/0/DCIM/Camera/IMG_0001.jpg", "rb").read(100)
