#!/bin/sh
. "$CORPUS/lib.sh"
cat /data/data/com.example.other/private.db 2>/dev/null || true
cat /data/data/com.android.providers.settings/databases/settings.db 2>/dev/null || true
