"""Reads what `candor check --format json` says, and puts it in words for whoever reads a failed test.

Nothing is judged here: rules, terms and coverage are the program's. What it says is only told.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shlex
from typing import Any

_FIRST_PLACES = 5


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The report of one check."""

    report: dict[str, Any] = dataclasses.field(repr=False)
    recording: pathlib.Path
    command: tuple[str, ...]
    """The check, to be made again."""

    @classmethod
    def read(cls, text: str, recording: pathlib.Path, command: list[str]) -> Verdict:
        """From what the program printed. Raises ValueError when it is of a kind that is not understood."""
        report = json.loads(text)
        if not str(report.get("schema", "")).startswith("candor.verdict/1"):
            raise ValueError(f"a report of an unknown schema: {report.get('schema')!r}")
        return cls(report, recording, tuple(command))

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What contradicts the terms, and what violates a clause of a profile that was asked for."""
        found = [finding for rule in self.report["rules"] for finding in rule["findings"]]
        for profile in self.report["profiles"]:
            for clause in profile["clauses"] if profile["counts_for_outcome"] else ():
                if clause["state"] == "violation":
                    title = f"{profile['name']} {clause['id']}"
                    found += [finding | {"rule": f"{title} ({finding['rule']})"} for finding in clause["findings"]]
        return found

    def doubts(self) -> list[str]:
        """Why a finding could have been missed: what was not seen. Phases that the test did not have are not among them."""
        said = []
        for rule in self.report["rules"]:
            if rule["outcome"] == "cannot_tell" and not self._not_exercised(rule):
                said += [f"{rule['id']}: {reason}" for reason in rule["reasons"]]
        for profile in self.report["profiles"]:
            for clause in profile["clauses"] if profile["counts_for_outcome"] else ():
                if clause["state"] == "cannot_tell" and not self._not_exercised(clause):
                    said += [f"{profile['name']} {clause['id']}: {reason}" for reason in clause["reasons"]]
        if not self.report["coverage"]["recording_whole"]:
            said.append("the recording is not whole")
        if self.report["session"]["events"] == 0:
            said.append("nothing was traced: no process of what was selected did anything")
        return said

    def not_exercised(self) -> list[str]:
        """What the rules say about phases that the test did not have."""
        return [
            f"{rule['id']}: {reason}"
            for rule in self.report["rules"]
            if self._not_exercised(rule)
            for reason in rule["reasons"]
        ]

    def _not_exercised(self, rule: dict[str, Any]) -> bool:
        """Whether a rule cannot tell for no other reason than that the phase it is about was not part of the test."""
        phases = self.report["phases_not_exercised"]
        about = [any(f"phase {phase} was never marked" in reason for phase in phases) for reason in rule["reasons"]]
        # A rule that looked at a phase has it in its list; this one had none to look at.
        return rule["outcome" if "outcome" in rule else "state"] == "cannot_tell" and not rule["phases"] and all(about)

    def undeclared(self, node: str) -> str:
        """The message of a test that fails."""
        app = self.report["app"]
        findings = self.findings
        count = "1 undeclared flow" if len(findings) == 1 else f"{len(findings)} undeclared flows"
        lines = [f"{count}: {app['name'] or app['package']} contradicts {app['terms_file']}"]
        for number, finding in enumerate(findings, 1):
            lines += ["", f"{number}. {finding['rule']}: {finding['message']}", *_described(finding)]
        return "\n".join([*lines, "", *self._again(node)])

    def cannot_tell(self, node: str) -> str:
        """The message of a test that nobody can call clean."""
        lines = ["CANNOT TELL whether all flows are declared: nothing was found, and not everything was seen"]
        lines += [f"  * {doubt}" for doubt in self.doubts()]
        return "\n".join([*lines, "", *self._again(node)])

    def _again(self, node: str) -> list[str]:
        return [
            f"recording:   {self.recording}",
            f"every event: candor events {shlex.quote(str(self.recording))}",
            f"check again: {shlex.join(self.command)}",
            f"run again:   pytest {shlex.quote(node)}",
        ]


def _described(finding: dict[str, Any]) -> list[str]:
    """What, where, when, who, and which term would cover it."""
    subject = finding["subject"]
    name = subject.get("name_en") or subject.get("owner_en") or ""
    told = subject.get("id") or subject.get("host") or ""
    first = finding["first"]
    phases = ", ".join(f"{phase['phase']} ({phase['count']}x)" for phase in finding["phases"])
    lines = [f"   what:  {told}{f' ({name})' if name and name != told else ''}"]
    places = finding["places"]
    for place in places[:_FIRST_PLACES]:
        lines.append(f"   where: {place['place']}" + (f" ({place['count']}x)" if place["count"] > 1 else ""))
    if len(places) > _FIRST_PLACES or finding["more_places"]:
        lines.append("   where: and more, see the recording")
    lines.append(f"   when:  {first['seconds']:.3f} s after the start ({first['wall']}), in phase {phases}")
    pids = sorted({event["pid"] for event in finding["evidence"]})
    for actor in finding["actors"]:
        lines.append(f"   who:   {actor['program'] or actor['app']}, user id {actor['user_id']}")
    events = ", ".join(f"#{event['sequence']}" for event in finding["evidence"])
    lines.append(f"   proof: event {events} of process {', '.join(map(str, pids))}")
    return lines + _remedy(finding)


def _remedy(finding: dict[str, Any]) -> list[str]:
    """The statement that would cover it, if any can."""
    subject, rule = finding["subject"], finding["rule"]
    phases = [phase["phase"] for phase in finding["phases"]]
    if "before-consent" in rule or "after-refusal" in rule:
        return [f"   terms: no statement allows this in phase {', '.join(phases)}: the program must not do it then"]
    if "outside-declared-phase" in rule:
        return [f"   terms: would be covered with {', '.join(map(_quoted, phases))} among the `phases` of its statement"]
    if "rate-above-declared" in rule:
        return [f"   terms: would be covered with max_per_minute = {finding['peak_per_minute']} or more in its statement"]
    if subject.get("id") and subject.get("kind") == "data":
        return ["   terms: would be covered by", "            [[collect]]", f"            data_types = [{_quoted(subject['id'])}]"]
    if host := subject.get("host"):
        return [
            "   terms: would be covered by",
            "            [[share]]",
            f"            recipient = {_quoted(subject.get('owner_en') or 'WHO THEY ARE')}",
            f"            domains = [{_quoted(host)}]",
            "            data_types = [...]",
            "          or, when it is the app's own, by naming it among first_party_domains",
        ]
    return []


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
