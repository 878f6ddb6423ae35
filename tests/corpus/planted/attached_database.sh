#!/bin/sh
. "$CORPUS/lib.sh"
# sqlite3 opens its own database; the other one is attached.
sqlite3 own.db "attach 'file:/data/data/com.android.providers.contacts/databases/contacts2.db?mode=ro' as other; create table mine as select * from other.contacts;"
