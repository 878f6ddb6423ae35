#!/bin/sh
. "$CORPUS/lib.sh"
sqlite3 notes.db "create table if not exists notes (text); insert into notes values ('lunch'); select count(*) from notes;"
