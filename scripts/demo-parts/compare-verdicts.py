#!/usr/bin/env python3
"""Compares two reports of one recording: the same findings, but for those that are named, and the outcome that follows.

usage: compare-verdicts.py NATIVE.json IMPORTED.json NAME ["RULE SUBJECT" ...]
"""

import json
import sys


def findings(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    found = set()
    for rule in report["rules"]:
        for finding in rule["findings"]:
            subject = finding["subject"]
            phases = ",".join(count["phase"] for count in finding["phases"])
            found.add((f"{rule['id']} {subject.get('id') or subject['host']}", phases))
    return report["outcome"], found


def main():
    native, imported, name, extra = sys.argv[1], sys.argv[2], sys.argv[3], set(sys.argv[4:])
    (outcome, wanted), (got, found) = findings(native), findings(imported)
    more = {title for title, _ in found - wanted}
    missed = wanted - found
    if extra:
        outcome = "violation"
    if missed or more != extra or got != outcome:
        print(f"{name}: MISSED {sorted(missed)}, MORE {sorted(more)} (expected {sorted(extra)}), outcome {got} (expected {outcome})")
        return 1
    print(f"{name:<26} {got}, {len(found)} findings" + (f", {len(extra)} of them for what this form does not say" if extra else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
