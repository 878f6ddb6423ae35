"""Prints a report with the first finding of its rules under another fingerprint: a baseline that lacks the one finding and has another."""

import json
import sys
from pathlib import Path

report = json.loads(Path(sys.argv[1]).read_text("utf-8"))
finding = next(finding for rule in report["rules"] for finding in rule["findings"])
finding["fingerprint"] = finding["fingerprint"][::-1]
print(json.dumps(report))
