#!/usr/bin/env python3
"""Runs the programs of the corpus under `candor record`, checks each, and compares the verdicts with the truths.

Called by scripts/corpus inside its world. The form of a truth is in docs/CORPUS.md.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import tomllib

LEAST_RECALL = 0.95
DEADLINE = 60
STARTED = re.compile(r"session (\S+), recording to ")
KEYS = {"about", "phase", "planted", "denied", "cannot_tell", "replay", "terms"}
FLOW_KEYS = {"rule", "subject", "phase", "place", "blind_spot"}


@dataclasses.dataclass(frozen=True)
class Flow:
    """One finding: planted, or found. A subject is a data type or a host."""

    rule: str
    subject: str
    phase: str


@dataclasses.dataclass
class Program:
    """One program and its truth, and then what came of it."""

    name: str
    path: pathlib.Path
    planted: bool
    truth: dict
    seconds: float = 0.0
    error: str = ""
    found: list = dataclasses.field(default_factory=list)
    missed: list = dataclasses.field(default_factory=list)
    unplanted: list = dataclasses.field(default_factory=list)
    wrong: list = dataclasses.field(default_factory=list)


def read(corpus, wanted):
    """The programs and their truths. Ends with a message when a truth is not understood."""
    programs = []
    blind_spots = tomllib.loads((corpus / "blind_spots.toml").read_text())
    for truth_file in sorted(corpus.glob("planted/*.toml")) + sorted(corpus.glob("baseline/*.toml")):
        name, planted = truth_file.stem, truth_file.parent.name == "planted"
        truth = tomllib.loads(truth_file.read_text())
        sources = [path for path in truth_file.parent.glob(f"{name}.*") if path.suffix in (".sh", ".py", ".c")]
        problems = [f"unknown key {key}" for key in set(truth) - KEYS]
        for flow in truth.get("planted", []):
            problems += [f"unknown key planted.{key}" for key in set(flow) - FLOW_KEYS]
            if flow.get("blind_spot", "io_uring") not in blind_spots:
                problems.append(f"blind_spots.toml does not explain {flow['blind_spot']}")
            problems += [f"planted.{key} is missing" for key in ("rule", "subject", "phase") if key not in flow]
        if len(sources) + ("replay" in truth) != 1:
            problems.append("there must be one program of this name: .sh, .py or .c; or the key replay")
        if planted != bool(truth.get("planted")):
            problems.append("a planted program has [[planted]] flows, one of the baseline has none")
        if problems:
            sys.exit(f"{truth_file}: {'; '.join(problems)}")
        path = pathlib.Path(os.environ["CORPUS"])
        if sources:
            path /= name if sources[0].suffix == ".c" else sources[0].name
        programs.append(Program(name, path, planted, truth))
    strays = {path.stem for path in corpus.glob("*/*.[spc]*")} - {program.name for program in programs}
    if strays:
        sys.exit(f"programs without a truth: {', '.join(sorted(strays))}")
    if unknown := set(wanted) - {program.name for program in programs}:
        sys.exit(f"there is no program {', '.join(sorted(unknown))} in {corpus}")
    return [program for program in programs if not wanted or program.name in wanted]


def replay(program, options):
    """What the probes delivered in the test device, through the whole pipeline once more. Gives the recording."""
    recording = options.work / f"{program.name}.candor"
    capture = options.repository / program.truth["replay"]
    command = [options.candor, "replay", capture, "--force", "--output", recording]
    result = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    if result.returncode != 0:
        raise RuntimeError(f"candor replay failed with status {result.returncode}: {result.stderr}")
    return recording


def record(program, options):
    """Runs the program as a lab does: phases are marked when it says so. Gives the recording."""
    home = pathlib.Path("/data/data/com.example.corpus") / program.name
    home.mkdir()
    os.chown(home, options.user, options.user)
    recording = options.work / f"{program.name}.candor"
    environment = os.environ | {"PYTHONPATH": os.environ["CORPUS"], "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(home)}
    command = [options.candor, "record", "--user", str(options.user), "--label", program.name, "--force"]
    command += ["--phase", program.truth.get("phase", "foreground"), "--output", recording, "--", program.path]
    log = options.work / f"{program.name}.log"
    with open(log, "wb") as errors:
        recorder = subprocess.Popen(
            command, cwd=home, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    # Whatever happens, the program does not go on for ever.
    limit = options.timers.submit(end_late, recorder)
    try:
        for line in recorder.stdout:
            if line.startswith("mark "):
                session = STARTED.match(log.read_text())[1]
                subprocess.run([options.candor, "mark", "--session", session, line.split()[1]], check=True, capture_output=True)
                recorder.stdin.write("\n")
                recorder.stdin.flush()
        recorder.stdin.close()
        status = recorder.wait()
    finally:
        recorder.kill()
        limit.cancel()
    said = log.read_text()
    if status != 0 or "COMMAND ended with exit status 0" not in said:
        raise RuntimeError(f"it did not run to its good end: {said.strip()}")
    return recording


def end_late(recorder):
    """Ends a recorder that is still there after the deadline."""
    try:
        recorder.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        recorder.terminate()


def check(program, recording, options):
    """The verdict."""
    terms = options.repository / program.truth.get("terms", "tests/corpus/terms.toml")
    command = [options.candor, "check", recording, "--terms", terms, "--format", "json"]
    result = subprocess.run([*command, "--recipients", options.recipients], capture_output=True, text=True)
    if result.returncode not in (0, 1, 2):
        raise RuntimeError(f"candor check failed with status {result.returncode}: {result.stderr}")
    recording.with_suffix(".json").write_text(result.stdout)
    return json.loads(result.stdout)


def compare(program, report):
    """Sets what was found against what was planted, both ways, and what was not told against what it should be."""
    found = {}
    for rule in report["rules"]:
        for finding in rule["findings"]:
            subject = finding["subject"].get("id") or finding["subject"]["host"]
            for phase in finding["phases"]:
                places = [place["place"] for place in finding["places"]]
                found.setdefault(Flow(rule["id"], subject, phase["phase"]), []).extend(places)
    known = set()
    for plant in program.truth.get("planted", []):
        flow = Flow(plant["rule"], plant["subject"], plant["phase"])
        if any(plant.get("place", "") in place for place in found.get(flow, [])):
            program.found.append(plant)
            if "blind_spot" in plant:
                program.wrong.append(f"{flow} was found although it has a blind spot: {plant['blind_spot']}")
        else:
            program.missed.append(plant)
        known.add(flow)
    program.unplanted = [(flow, places) for flow, places in found.items() if flow not in known]
    for attempt in program.truth.get("denied", []):
        if not any(row["data_type"]["id"] == attempt["subject"] and row["effect"] == "denied" for row in report["data"]):
            program.wrong.append(f"no denied attempt at {attempt['subject']} is listed")
    never = [f"phase {phase} was never marked" for phase in report["phases_not_exercised"]]
    doubts = [
        reason
        for rule in report["rules"]
        if rule["outcome"] == "cannot_tell"
        for reason in rule["reasons"]
        if not any(text in reason for text in never)
    ]
    expected = program.truth.get("cannot_tell")
    if expected and not any(expected in doubt for doubt in doubts):
        program.wrong.append(f"the verdict does not say that it cannot tell because of {expected}")
    if doubts and not expected:
        program.wrong.append(f"the verdict has a doubt: {doubts[0]}")


def work_on(program, options):
    """One program from its start to its comparison."""
    begun = time.monotonic()
    try:
        recording = replay(program, options) if "replay" in program.truth else record(program, options)
        compare(program, check(program, recording, options))
    except (RuntimeError, OSError, subprocess.SubprocessError, KeyError, TypeError) as error:
        program.error = f"{type(error).__name__}: {error}"
    program.seconds = time.monotonic() - begun


def evidence(program, options):
    """The end of what was seen, when a finding is there or is missing without a reason: it does not happen again at will."""
    if not program.unplanted and all("blind_spot" in plant for plant in program.missed):
        return
    subjects = [flow.subject for flow, _ in program.unplanted] + [plant["subject"] for plant in program.missed]
    family = "socket" if any(kind(subject) == "(recipient)" for subject in subjects) else "file"
    recording = options.work / f"{program.name}.candor"
    command = [options.candor, "events", recording, "--family", family]
    result = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    for line in result.stdout.splitlines()[-25:]:
        print(f"        {line}")


def tell(program):
    """One line for each program, and one for everything that is not as it should be."""
    count = len(program.truth.get("planted", []))
    state = "ERROR" if program.error else "ok" if not (program.missed or program.unplanted or program.wrong) else "  "
    print(f"{state:<5} {program.name:<24} {len(program.found)}/{count} found  {program.truth['about']}", flush=True)
    if program.error:
        print(f"      {program.error}")
    for plant in program.missed:
        blind = plant.get("blind_spot")
        why = f"blind spot: {blind}" if blind else "NO BLIND SPOT IS NAMED"
        print(f"      missed {plant['rule']} {plant['subject']} in {plant['phase']} {plant.get('place', '')}: {why}")
    for flow, places in program.unplanted:
        print(f"      NOT PLANTED {flow.rule} {flow.subject} in {flow.phase}: {', '.join(sorted(set(places))[:3])}")
    for wrong in program.wrong:
        print(f"      WRONG {wrong}")


def kind(subject):
    """The data type, or that it is a host: those have a dot or a colon, and of the data types only some have one."""
    return subject if re.fullmatch(r"[a-z_]+|(id|location|audio|files)\.[a-z_]+", subject) else "(recipient)"


def tables(programs):
    """Counts of found, missed and not planted, by rule and by data type."""
    by_rule, by_subject = collections.defaultdict(lambda: [0, 0, 0]), collections.defaultdict(lambda: [0, 0, 0])

    for program in programs:
        rows = [(plant["rule"], plant["subject"], 0) for plant in program.found]
        rows += [(plant["rule"], plant["subject"], 1) for plant in program.missed]
        rows += [(flow.rule, flow.subject, 2) for flow, _ in program.unplanted]
        for rule, subject, column in rows:
            by_rule[rule][column] += 1
            by_subject[kind(subject)][column] += 1
    return {"rule": by_rule, "data type": by_subject}


def ratio(part, other):
    """Part of the whole; 1 of nothing."""
    return part / (part + other) if part + other else 1.0


def main():
    """Runs all, prints the tables, and fails when the bars are not reached."""
    parser = argparse.ArgumentParser()
    for name in ("candor", "corpus", "work", "recipients"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--user", type=int, required=True)
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("programs", nargs="*")
    options = parser.parse_args()
    options.repository = options.corpus.parent.parent
    programs = read(options.corpus, options.programs)
    jobs = 2 * (os.cpu_count() or 1)
    options.timers = concurrent.futures.ThreadPoolExecutor(jobs)
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for _ in pool.map(lambda program: work_on(program, options), programs):
            pass
    seconds = time.monotonic() - begun
    for program in programs:
        tell(program)
        if not program.error:
            evidence(program, options)

    lines = []
    for name, table in tables(programs).items():
        lines += ["", f"| {name} | planted | found | not planted | precision | recall |", "|---|---|---|---|---|---|"]
        for key, (found, missed, unplanted) in sorted(table.items()):
            lines.append(
                f"| {key} | {found + missed} | {found} | {unplanted} "
                f"| {ratio(found, unplanted):.2f} | {ratio(found, missed):.2f} |"
            )
    found = sum(len(program.found) for program in programs)
    missed = [(program, plant) for program in programs for plant in program.missed]
    unplanted = sum(len(program.unplanted) for program in programs)
    silent = [program for program in programs if not program.planted]
    noisy = sum(len(program.unplanted) for program in silent)
    print("\n".join(lines))
    precision, recall = ratio(found, unplanted), ratio(found, len(missed))
    summary = (
        f"{len(programs)} programs in {seconds:.0f} s; {found + len(missed)} flows planted, {found} found, {unplanted} not "
        f"planted: precision {precision:.3f}, recall {recall:.3f}; baseline: {len(silent)} programs, {noisy} findings"
    )
    print(f"\n{summary}")
    if options.markdown:
        about = ["| program | what | planted | missed, and why |", "|---|---|---|---|"]
        for program in programs:
            planted = "<br>".join(f"{flow['rule']}: {flow['subject']} ({flow['phase']})" for flow in program.truth.get("planted", []))
            why = "<br>".join(f"{plant['subject']}: {plant.get('blind_spot', 'not named')}" for plant in program.missed)
            about.append(f"| `{program.name}` | {program.truth['about']} | {planted or 'nothing'} | {why} |")
        options.markdown.write_text("\n".join([*about, *lines, ""]))

    problems = []
    if errors := [program.name for program in programs if program.error]:
        problems.append(f"could not be run: {', '.join(errors)}")
    if noisy:
        problems.append(f"precision on the baseline is below 1: {noisy} findings")
    if unplanted - noisy:
        problems.append(f"{unplanted - noisy} findings that nobody planted")
    if recall < LEAST_RECALL and not options.programs:
        problems.append(f"recall is {recall:.3f}, below {LEAST_RECALL}")
    if unnamed := sum("blind_spot" not in plant for _, plant in missed):
        problems.append(f"{unnamed} misses without a named blind spot")
    if wrong := sum(len(program.wrong) for program in programs):
        problems.append(f"{wrong} verdicts say something wrong")
    if problems:
        sys.exit("the corpus FAILS: " + "; ".join(problems))


if __name__ == "__main__":
    main()
