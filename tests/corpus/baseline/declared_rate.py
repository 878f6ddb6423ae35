#!/usr/bin/env python3
for _ in range(4):
    open("/data/data/com.android.providers.calendar/databases/calendar.db", "rb").read(16)
