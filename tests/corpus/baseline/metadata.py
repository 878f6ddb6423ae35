#!/usr/bin/env python3
import os

os.stat("/data/data/com.android.providers.contacts/databases/contacts2.db")
os.access("/data/data/com.android.providers.contacts/databases/calllog.db", os.R_OK)
