"""The pytest fixture `candor_session`: traces what a test does, and fails it on flows that the terms do not declare.

The trace is recorded by `candor record` and judged by `candor check`. Neither the rules nor the recording's format are
written a second time in Python: a verdict of a test is the verdict that anybody gets who checks its recording again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import warnings
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from ._verdict import Verdict

if TYPE_CHECKING:
    from .client import Session

_STARTED = re.compile(r"session (\S+), recording to ")
_START_DEADLINE, _STOP_DEADLINE, _CHECK_DEADLINE = 60, 120, 120
_TRACED = pytest.StashKey["CandorSession"]()

_OPTIONS = {
    "daemon": ("ADDRESS", "Address of the daemon (default: CANDOR_DAEMON, else unix:/run/candor/candord.sock)"),
    "terms": ("FILE", "The declared terms that the tests are held to"),
    "program": ("FILE", "The program `candor` (default: the one in PATH)"),
    "phase": ("PHASE", "The phase at the beginning of each test (default: foreground)"),
    "recordings": ("DIRECTORY", "Where recordings are kept (default: pytest's temporary directory, the last three runs)"),
    "cannot_tell": ("fail|warn", "What becomes of a test of which nobody can tell (default: fail)"),
}
_LISTS = {
    "recipients": ("FILE", "Owners of further domains, for candor check"),
    "data_types": ("FILE", "Further data types, for candor check"),
    "profile": ("NAME", "A profile of rules that counts as well, for candor check"),
    "package": ("PACKAGE", "Trace this package of the device"),
    "uid": ("N", "Trace every process of this user id"),
    "pid": ("N", "Trace this process and what it starts (default: the test's own process, when nothing is selected)"),
}
_FILES = {"terms", "recipients", "data_types", "recordings"}


class FixtureError(Exception):
    """The fixture cannot do its work. A test is then neither passed nor failed: it is an error."""


class CannotTell(Exception):
    """Nothing was found, and not everything was seen."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Each setting is an option of the command line and a key of the configuration file."""
    group = parser.getgroup("candor", "holding tests to declared privacy terms")
    for name, (metavar, about) in _OPTIONS.items():
        group.addoption(f"--candor-{name.replace('_', '-')}", dest=f"candor_{name}", metavar=metavar, help=about)
        parser.addini(f"candor_{name}", about, default="")
    for name, (metavar, about) in _LISTS.items():
        about += "; may be given several times"
        group.addoption(
            f"--candor-{name.replace('_', '-')}", dest=f"candor_{name}", metavar=metavar, help=about, action="append"
        )
        parser.addini(f"candor_{name}", about, type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker known."""
    config.addinivalue_line(
        "markers",
        "candor(terms, phase, package, uid, pid, cannot_tell, recipients, data_types, profile): other settings of the "
        "fixture candor_session for this test; lists replace what is set elsewhere",
    )


@dataclasses.dataclass(frozen=True)
class Settings:
    """What one test is traced and judged by."""

    program: str
    daemon: str
    terms: pathlib.Path
    phase: str
    recordings: pathlib.Path | None
    cannot_tell: str
    recipients: list[str]
    data_types: list[str]
    profile: list[str]
    package: list[str]
    uid: list[str]
    pid: list[str]

    @classmethod
    def of(cls, item: pytest.Item) -> Settings:
        """From the marker, else the command line, else the configuration file."""
        marker = item.get_closest_marker("candor")
        marked = dict(marker.kwargs) if marker else {}
        if marker and (marker.args or (unknown := set(marked) - set(_OPTIONS) - set(_LISTS))):
            raise FixtureError(f"the marker candor of {item.nodeid} has {list(marker.args) or sorted(unknown)}, see --markers")

        def value(name: str) -> Any:
            if name in marked:
                return _resolved(name, marked[name], item.path.parent)
            if given := item.config.getoption(f"candor_{name}"):
                return _resolved(name, given, item.config.invocation_params.dir)
            inipath = item.config.inipath
            return _resolved(name, item.config.getini(f"candor_{name}"), inipath.parent if inipath else item.config.rootpath)

        def several(name: str) -> list[str]:
            given = value(name)
            return [str(one) for one in (given if isinstance(given, (list, tuple)) else [given])]

        program = value("program") or shutil.which("candor")
        if not program:
            raise FixtureError("the program `candor` is not in PATH; name it with --candor-program or candor_program")
        terms = value("terms")
        if not terms:
            raise FixtureError("candor_session needs declared terms: --candor-terms FILE, candor_terms, or the marker candor")
        cannot_tell = value("cannot_tell") or "fail"
        if cannot_tell not in ("fail", "warn"):
            raise FixtureError(f"candor_cannot_tell is {cannot_tell!r}; it can be fail or warn")
        recordings = value("recordings")
        return cls(
            program=str(program),
            daemon=value("daemon") or "",
            terms=pathlib.Path(terms),
            phase=value("phase") or "foreground",
            recordings=pathlib.Path(recordings) if recordings else None,
            cannot_tell=cannot_tell,
            **{name: several(name) for name in _LISTS},
        )

    def environment(self) -> dict[str, str]:
        """For the program, so that it talks to the same daemon as this process."""
        return os.environ | ({"CANDOR_DAEMON": self.daemon} if self.daemon else {})

    def selection(self) -> list[str]:
        """Options of `candor record`."""
        chosen = [("--app", self.package), ("--uid", self.uid), ("--pid", self.pid)]
        options = [word for option, values in chosen for value in values for word in (option, value)]
        return options or ["--pid", str(os.getpid())]


def _resolved(name: str, value: Any, base: pathlib.Path) -> Any:
    """Files are looked for beside whatever named them."""
    if name not in _FILES or not value:
        return value
    if isinstance(value, (list, tuple)):
        return [str(base / one) for one in value]
    return str(base / value)


class CandorSession:
    """What the fixture gives to a test: the session that is recorded, to mark phases in and to ask."""

    def __init__(self, settings: Settings, node: str, recording: pathlib.Path) -> None:
        self.recording = recording
        """The file that the trace is recorded to."""
        self.verdict: Verdict | None = None
        """What came of it, after the test."""
        self.session_id = ""
        self._settings, self._node = settings, node
        self._session: Session | None = None
        self._said: list[str] = []
        self._marks = 0
        command = [settings.program, "record", *settings.selection(), "--phase", settings.phase, "--label", node]
        self._recorder = subprocess.Popen(
            [*command, "--force", "--output", str(recording)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=settings.environment(),
            # An interrupt from the terminal is for the tests; they end the recording then.
            start_new_session=True,
        )
        self._started = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._started.wait(_START_DEADLINE)
        if not self.session_id:
            self.close()
            raise FixtureError(f"the trace could not be started: {self._words() or 'candor record said nothing'}")

    def _read(self) -> None:
        assert self._recorder.stderr is not None
        for line in self._recorder.stderr:
            self._said.append(line)
            if started := _STARTED.match(line):
                self.session_id = started[1]
                self._started.set()
        self._started.set()

    def _words(self) -> str:
        return "".join(self._said).strip().removeprefix("error: ")

    @property
    def session(self) -> Session:
        """The running session, for queries and summaries. The first use connects to the daemon from the test's process."""
        if self._session is None:
            # Not before: with gRPC come threads and descriptors, which a test that needs none should not have.
            from . import client

            self._session = client.connect(self._settings.daemon or None).attach(self.session_id)
        return self._session

    def mark(self, phase: str, note: str = "") -> None:
        """Marks the beginning of a phase, such as pre_consent, refused, foreground or background."""
        self.session.mark(phase, note)
        self._marks += 1

    @contextlib.contextmanager
    def phase(self, phase: str, note: str = "") -> Iterator[None]:
        """A phase for the length of a block."""
        with self.session.phase(phase, note):
            yield
        self._marks += 2

    def finish(self) -> Verdict:
        """Ends the trace and judges it. Called behind the test; called again it gives the same."""
        if self.verdict is not None:
            return self.verdict
        self._disconnect()
        self._recorder.send_signal(signal.SIGINT)
        try:
            status = self._recorder.wait(_STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            self.close()
            raise FixtureError(f"candor record did not end in {_STOP_DEADLINE} s; it said: {self._words()}") from None
        self._reader.join(_STOP_DEADLINE)
        if status != 0:
            raise FixtureError(f"candor record failed with exit status {status}: {self._words()}")
        settings = self._settings
        check = [settings.program, "check", str(self.recording), "--terms", str(settings.terms)]
        for option, values in (
            ("--recipients", settings.recipients),
            ("--data-types", settings.data_types),
            ("--profile", settings.profile),
        ):
            check += [word for value in values for word in (option, value)]
        result = subprocess.run(
            [*check, "--format", "json"], capture_output=True, text=True, timeout=_CHECK_DEADLINE, check=False
        )
        if result.returncode not in (0, 1, 2):
            raise FixtureError(f"candor check failed with exit status {result.returncode}: {result.stderr.strip()}")
        verdict = Verdict.read(result.stdout, self.recording, check)
        # A mark is an event, and is not one of the traced program.
        verdict.report["session"]["events"] = max(0, verdict.report["session"]["events"] - self._marks)
        self.verdict = verdict
        return verdict

    def _disconnect(self) -> None:
        if self._session is not None:
            self._session.client.close()
            self._session = None

    def close(self) -> None:
        """Ends the recorder, should it still run."""
        self._disconnect()
        if self._recorder.poll() is None:
            self._recorder.kill()
            self._recorder.wait()
        self._reader.join(_STOP_DEADLINE)
        if self._recorder.stderr is not None:
            self._recorder.stderr.close()


@pytest.fixture
def candor_session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[CandorSession, None, None]:
    """Traces from here to the end of the test, which then fails when something was done that the terms do not declare."""
    item = request.node
    settings = Settings.of(item)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", item.nodeid)[-150:]
    directory = settings.recordings or tmp_path_factory.mktemp("candor")
    directory.mkdir(parents=True, exist_ok=True)
    traced = CandorSession(settings, item.nodeid, directory / f"{name}.candor")
    item.stash[_TRACED] = traced
    try:
        yield traced
    finally:
        traced.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Judges when the test function is through, and before fixtures are taken down: what those do is not the test's."""
    failure: BaseException | None = None
    try:
        result = yield
    except BaseException as error:
        failure = error
        raise
    finally:
        if (traced := item.stash.get(_TRACED, None)) is not None:
            _judge(item, traced, failure)
    return result


def _judge(item: pytest.Item, traced: CandorSession, failure: BaseException | None) -> None:
    """Raises what the trace comes to; when the test has failed by itself, only tells it beside."""
    try:
        verdict = traced.finish()
    except FixtureError as error:
        if failure is None:
            raise
        item.add_report_section("call", "candor", f"no verdict: {error}")
        return
    doubts = verdict.doubts()
    if verdict.findings:
        text = verdict.undeclared(item.nodeid)
        if failure is None:
            pytest.fail(text, pytrace=False)
    elif doubts:
        text = verdict.cannot_tell(item.nodeid)
        if failure is None and traced._settings.cannot_tell == "fail":
            raise CannotTell(text)
        if failure is None:
            warnings.warn(pytest.PytestWarning(text), stacklevel=1)
    else:
        told = [f"  * {note}" for note in verdict.not_exercised()]
        text = "\n".join([f"no undeclared flow was observed; recording: {verdict.recording}", *told])
    item.add_report_section("call", "candor", text)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Notes in the report that nobody can tell, so that it is shown as an outcome of its own. What the fixture says is said
    in words: where in this file it was raised helps nobody."""
    report = yield
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, CannotTell):
        report.candor_cannot_tell = True  # type: ignore[attr-defined] # reports carry whatever plugins put there
    if isinstance(error, (CannotTell, FixtureError)):
        report.longrepr = str(error)
    return report


def pytest_report_teststatus(report: pytest.TestReport | pytest.CollectReport) -> Any:
    """A third outcome beside passed and failed. It makes the run fail."""
    if getattr(report, "candor_cannot_tell", False):
        return "cannot tell", "?", ("CANNOT TELL", {"red": True})
    return None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tells of each test of which nobody can tell; pytest itself prints failures only."""
    reports = terminalreporter.getreports("cannot tell")
    if reports:
        terminalreporter.section("CANNOT TELL", sep="=")
    for report in reports:
        terminalreporter.section(report.nodeid, sep="_")
        terminalreporter.write_line(report.longreprtext)
