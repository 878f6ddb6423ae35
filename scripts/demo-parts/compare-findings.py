#!/usr/bin/env python3
"""Compares what was planted in the leaky app with what `candor check --format json` found: both ways, nothing left over.

usage: compare-findings.py EXPECTED.json REPORT.json
"""

import json
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        planted = json.load(file)
    with open(sys.argv[2], encoding="utf-8") as file:
        report = json.load(file)
    found = []
    for rule in report["rules"]:
        for finding in rule["findings"]:
            subject = finding["subject"]
            found.append(
                {
                    "rule": rule["id"],
                    "subject": subject.get("id") or subject["host"],
                    "phases": [count["phase"] for count in finding["phases"]],
                    "places": [place["place"] for place in finding["places"]],
                    "seconds": finding["first"]["seconds"],
                }
            )
    missed = []
    for plant in planted:
        match = next(
            (
                one
                for one in found
                if one["rule"] == plant["rule"]
                and one["subject"] == plant["subject"]
                and one["phases"] == [plant["phase"]]
                and any(plant["place"] in place for place in one["places"])
            ),
            None,
        )
        if match is None:
            missed.append(plant)
            continue
        found.remove(match)
        print(
            f"found  {plant['rule']:<22} {plant['subject']:<24} {plant['phase']:<12} "
            f"{match['seconds']:8.3f} s  {match['places'][0]}"
        )
    for plant in missed:
        print(f"MISSED {plant}")
    for one in found:
        print(f"NOT PLANTED {one}")
    print(f"{len(planted)} planted, {len(planted) - len(missed)} found, {len(found)} not planted")
    return 1 if missed or found else 0


if __name__ == "__main__":
    sys.exit(main())
