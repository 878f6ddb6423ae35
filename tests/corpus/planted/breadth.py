#!/usr/bin/env python3
# One of each: types that no other program reads, each in the file that a device keeps it in.
for path in (
    "/data/data/com.android.providers.telephony/databases/telephony.db",
    "/data/data/com.google.android.gms/shared_prefs/adid_settings.xml",
    "/data/system_ce/0/accounts_ce.db",
    "/data/clipboard/clip",
    "/data/data/com.android.providers.downloads/databases/downloads.db",
    "/data/system/packages.xml",
    "/data/vendor/gps/cache",
):
    open(path, "rb").read()
