"""A real daemon for each test that asks for one, from the build that CANDOR_BIN names."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator

import pytest

pytest_plugins = ["pytester"]

BIN = pathlib.Path(os.environ.get("CANDOR_BIN", pathlib.Path(__file__).parents[3] / "target" / "debug"))
TERMS = """\
[app]
package = "org.example.fetch"
name = "Fetch"
first_party_domains = ["fetch.example"]
"""


class Daemon:
    """One candord; `start` may be called again after `kill`."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.address = f"unix:{directory}/candord.sock"
        self.log = directory / "candord.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str, address: str | None = None) -> None:
        """Starts it and waits until it listens."""
        self.address = address or self.address
        with open(self.log, "wb") as log:
            command = [BIN / "candord", "serve", "--listen", self.address, "--spool-in-memory", *arguments]
            self.process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while b"listening" not in self.log.read_bytes():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "candord does not begin to listen"
            time.sleep(0.02)

    @property
    def port(self) -> int:
        """The TCP port that was chosen."""
        return int(self.log.read_text().split("listen=tcp", 1)[1].split()[0].rsplit(":", 1)[1])

    def kill(self, with_signal: int = signal.SIGTERM) -> None:
        """Ends it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(with_signal)
            self.process.wait(60)


@contextlib.contextmanager
def daemons() -> Iterator[Callable[[], Daemon]]:
    """Makes daemons that are not started yet, and ends them."""
    made: list[Daemon] = []

    def make() -> Daemon:
        # Not pytest's own directory: the path of a Unix socket may have 107 bytes only.
        made.append(Daemon(pathlib.Path(tempfile.mkdtemp(prefix="candor-"))))
        return made[-1]

    try:
        yield make
    finally:
        for daemon in made:
            daemon.kill()
            shutil.rmtree(daemon.directory)


@pytest.fixture
def make_daemon() -> Iterator[Callable[[], Daemon]]:
    """For tests that need daemons with arguments, or that break them."""
    with daemons() as make:
        yield make


@pytest.fixture
def own_daemon(make_daemon: Callable[[], Daemon]) -> Daemon:
    """A daemon that has seen nobody yet."""
    daemon = make_daemon()
    daemon.start()
    return daemon


@pytest.fixture(scope="session")
def daemon() -> Iterator[Daemon]:
    """A daemon on a Unix socket, shared: starting one costs more than most tests."""
    with daemons() as make:
        daemon = make()
        daemon.start()
        yield daemon


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment decides which daemon is asked."""
    for name in ("DAEMON", "CA", "CERT", "KEY", "TOKEN_FILE"):
        monkeypatch.delenv(f"CANDOR_{name}", raising=False)
