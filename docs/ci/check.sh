#!/bin/sh
# Checks one recording of a build against its terms, and against the last release, and writes every form of the report.
#
# usage: check.sh RECORDING.candor [DIRECTORY]
#
# The reports go to DIRECTORY, candor-reports unless given. Read from the environment:
#   CANDOR            the program (candor)
#   CANDOR_TERMS      the terms (app.toml)
#   CANDOR_PROFILES   profiles to hold it against, with spaces between (none)
#   CANDOR_BASELINE   the JSON report of the last release; used when the file exists (release.json)
#   CANDOR_ACCEPTED   the list of reviews; used when the file exists (accepted.toml)
#   CANDOR_UNTOLD     what "cannot tell" means for the build: fail (fail) or pass
# Exit status: that of `candor check`.
set -eu

[ $# -ge 1 ] && [ $# -le 2 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 64; }
recording=$1 reports=${2:-candor-reports}
candor=${CANDOR:-candor}
baseline=${CANDOR_BASELINE:-release.json} accepted=${CANDOR_ACCEPTED:-accepted.toml}
mkdir -p "$reports"

set -- --terms "${CANDOR_TERMS:-app.toml}" --junit "$reports/junit.xml" --sarif "$reports/candor.sarif" \
    --html "$reports/report.html" --markdown "$reports/summary.md" --format json
for profile in ${CANDOR_PROFILES:-}; do set -- "$@" --profile "$profile"; done
if [ -f "$baseline" ]; then set -- "$@" --baseline "$baseline"; fi
if [ -f "$accepted" ]; then set -- "$@" --accepted "$accepted"; fi

status=0
"$candor" check "$recording" "$@" >"$reports/verdict.json" || status=$?
case $status in
0) echo "candor: nothing to complain about" ;;
1) echo "candor: violations, or something new since the release; see $reports/report.html" >&2 ;;
2)
    echo "candor: not everything was seen, so nobody can tell; see $reports/report.html" >&2
    if [ "${CANDOR_UNTOLD:-fail}" = pass ]; then status=0; fi
    ;;
*) echo "candor: the check itself failed" >&2 ;;
esac
exit $status
