"""Reads the reports that Candor wrote with the libraries of others.

usage: check.py REPORTS SARIF-SCHEMA REPORT-SCHEMA

REPORTS holds NAME.json, NAME.sarif and NAME.xml for each recording that was checked. Ends with an error at the first report
that a reader refuses, or that tells something else than the verdict.
"""

import copy
import json
import sys
from pathlib import Path

import jsonschema
import junitparser


def validator(path):
    schema = json.loads(Path(path).read_text("utf-8"))
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def must_refuse(valid, document, what):
    """A check that accepts everything proves nothing: a broken report has to be refused."""
    if valid.is_valid(document):
        sys.exit(f"the schema does not notice {what}")


def states(verdict):
    """What JUnit has to tell: for each rule, and each clause of the profiles that were asked for, how it ended."""
    words = {
        "violation": "failure",
        "cannot_tell": "error",
        "none_observed": "passed",
        "indication": "passed",
        "not_applicable": "skipped",
        "not_decidable": "skipped",
    }
    found = {("rules", rule["id"]): words[rule["outcome"]] for rule in verdict["rules"]}
    for profile in verdict["profiles"]:
        if profile["counts_for_outcome"]:
            found.update({(profile["name"], clause["id"]): words[clause["state"]] for clause in profile["clauses"]})
    return found


def ended(case):
    if not case.result:
        return "passed"
    kinds = {junitparser.Failure: "failure", junitparser.Error: "error", junitparser.Skipped: "skipped"}
    [result] = case.result
    return kinds[type(result)]


def check_junit(path, verdict):
    report = junitparser.JUnitXml.fromfile(str(path))
    told = {}
    for suite in report:
        for case in suite:
            # The name of a clause is its id and what it says.
            told[(suite.name, case.name.split(" ")[0])] = ended(case)
    expected = states(verdict)
    if told != expected:
        sys.exit(f"{path}: JUnit tells {sorted(set(told.items()) ^ set(expected.items()))[:10]} otherwise than the verdict")
    counts = (report.tests, report.failures, report.errors, report.skipped)
    kinds = list(told.values())
    own = (len(kinds), kinds.count("failure"), kinds.count("error"), kinds.count("skipped"))
    if counts != own:
        sys.exit(f"{path}: the totals {counts} are not those of its cases, {own}")
    return len(told)


def main():
    reports, sarif_schema, report_schema = sys.argv[1:]
    sarif, own = validator(sarif_schema), validator(report_schema)
    names = sorted(path.stem for path in Path(reports).glob("*.json"))
    if not names:
        sys.exit(f"there is no report in {reports}")
    for name in names:
        verdict = json.loads(Path(reports, f"{name}.json").read_text("utf-8"))
        own.validate(verdict)
        broken = copy.deepcopy(verdict)
        broken["rules"][0]["outcome"] = "perhaps"
        must_refuse(own, broken, "an outcome that is none")
        broken = copy.deepcopy(verdict)
        del broken["coverage"]
        must_refuse(own, broken, "that the coverage is missing")

        log = json.loads(Path(reports, f"{name}.sarif").read_text("utf-8"))
        sarif.validate(log)
        broken = copy.deepcopy(log)
        broken["runs"][0]["tool"]["driver"].pop("name")
        must_refuse(sarif, broken, "a SARIF tool without a name")

        states = [result.get("baselineState") for result in log["runs"][0]["results"]]
        if name == "against-baseline":
            if set(states) != {"new", "unchanged", "absent"}:
                sys.exit(f"{name}: SARIF tells {sorted(set(map(str, states)))} against the baseline")
        elif set(states) - {None}:
            sys.exit(f"{name}: SARIF compares with a baseline that was not given")

        cases = check_junit(Path(reports, f"{name}.xml"), verdict)
        print(f"{name}: JSON and SARIF ({len(log['runs'][0]['results'])} results) valid, JUnit read ({cases} cases)")


main()
