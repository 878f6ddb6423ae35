#!/usr/bin/env python3
# Over the root directory of the process, and with more slashes and dots than are needed.
open("/proc/self/root/data//data/./com.android.providers.contacts/../com.android.providers.contacts/databases/contacts2.db", "rb").read(16)
