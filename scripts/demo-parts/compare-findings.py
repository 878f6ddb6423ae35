#!/usr/bin/env python3
"""Compares what was planted in the leaky app with what `candor check --format json` found: both ways, nothing left over.

usage: compare-findings.py [--sampled] EXPECTED.json REPORT.json

With --sampled the report is of a trace that saw what it happened to see: nothing may be found that was not planted, and no
rule may say that there is nothing to be found.
"""

import json
import sys


def main():
    sampled = sys.argv[1] == "--sampled"
    expected, report = sys.argv[2 if sampled else 1 :]
    with open(expected, encoding="utf-8") as file:
        planted = json.load(file)
    with open(report, encoding="utf-8") as file:
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
    if sampled:
        states = {rule["id"]: rule["outcome"] for rule in report["rules"]}
        print(f"results: {states}")
        return 1 if found or "none_observed" in states.values() or "cannot_tell" not in states.values() else 0
    return 1 if missed or found else 0


if __name__ == "__main__":
    sys.exit(main())
