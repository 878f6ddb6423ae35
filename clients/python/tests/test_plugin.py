"""The fixture `candor_session`, in runs of pytest of its own over real programs."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from conftest import BIN, TERMS

HONEST = """
    import sqlite3, subprocess
    def test_honest(candor_session, tmp_path):
        with candor_session.phase("background"):
            subprocess.run(["sqlite3", str(tmp_path / "own.db"), "create table t (x);"], check=True)
        assert sqlite3.connect(tmp_path / "own.db").execute("select count(*) from t").fetchone() == (0,)
        assert candor_session.session.summarize("family").rows
"""
LEAKY = """
    import subprocess
    def test_leaky(candor_session):
        subprocess.run(["cat", "/sys/class/net/lo/address"], check=True)
"""


@pytest.fixture
def run(pytester, daemon):
    """Runs pytest with the plugin over a file; the terms and a recordings directory are beside it."""
    (pytester.path / "terms.toml").write_text(TERMS)
    pytester.makeini(
        f"[pytest]\ncandor_terms = terms.toml\ncandor_daemon = {daemon.address}\n"
        f"candor_program = {BIN / 'candor'}\ncandor_recordings = recordings\n"
    )

    def run(source, *arguments):
        pytester.makepyfile(source)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)

    return run


def test_an_honest_program_passes(run, pytester):
    result = run(HONEST, "-rA")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["no undeclared flow was observed; recording: *recordings/*honest.candor"])
    result.stdout.fnmatch_lines(["*before-consent: phase pre_consent was never marked*"])


def test_an_undeclared_flow_fails_the_test_and_is_explained(run, pytester):
    result = run(LEAKY)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "1 undeclared flow: Fetch contradicts *terms.toml",
            "1. undeclared-collection: * read id.mac, and no ??collect?? covers it",
            "   what:  id.mac (MAC address of a network interface)",
            "   where: /sys/devices/virtual/net/lo/address",
            "   when:  *s after the start (20*Z), in phase foreground (1x)",
            "   who:   /usr/bin/cat, user id *",
            "   proof: event #* of process *",
            "   terms: would be covered by",
            "            ??collect??",
            '            data_types = ?"id.mac"?',
            "recording:   *recordings/*leaky.candor",
            "check again: *candor check *leaky.candor --terms *terms.toml",
            "run again:   pytest *::test_leaky",
            "FAILED *::test_leaky*",
        ]
    )
    # What it tells to do does what it says.
    check = re.search(r"^check again: (.*)$", str(result.stdout), re.MULTILINE)[1]
    again = subprocess.run(["sh", "-c", check], capture_output=True, text=True)
    assert again.returncode == 1 and "read id.mac" in again.stdout
    # And with the statement it names, the test passes.
    with open(pytester.path / "terms.toml", "a") as terms:
        terms.write('\n[[collect]]\ndata_types = ["id.mac"]\npurposes = ["licensing"]\n')
    run(LEAKY).assert_outcomes(passed=1)


def test_before_consent_no_statement_helps(run):
    result = run(LEAKY.replace("def test", "import pytest\n    @pytest.mark.candor(phase='pre_consent')\n    def test"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["2 undeclared flows:*", "*before-consent:*", "   terms: no statement allows this in phase pre_consent*"])


def test_a_recipient_is_told_with_the_statement_that_is_missing(run, pytester):
    """In a network namespace, so that nothing leaves the machine."""
    (pytester.path / "contact.py").write_text(
        """\
import socket, subprocess
for what in (["link", "set", "lo", "up"], ["addr", "add", "198.51.100.7/32", "dev", "lo"]):
    subprocess.run(["ip", *what], check=True)
server = socket.create_server(("198.51.100.7", 8443))
with socket.create_connection(("198.51.100.7", 8443)) as client:
    client.sendall(b"some data")
"""
    )
    source = """
        import subprocess, sys
        def test_contact(candor_session):
            subprocess.run(["unshare", "--net", sys.executable, "contact.py"], check=True)
    """
    result = run(source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*unknown-recipient:*", "   where: 198.51.100.7:8443*", '            domains = ?"198.51.100.7"?']
    )


def test_a_failure_of_the_test_itself_is_not_hidden(run):
    result = run(LEAKY + "        assert 1 == 2\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *assert 1 == 2", "*1 undeclared flow:*"])


BLIND = """
    import ctypes, ctypes.util
    def test_blind(candor_session):
        libc, parameters = ctypes.CDLL(None, use_errno=True), (ctypes.c_char * 120)()
        ring = libc.syscall(425, 4, parameters)  # io_uring_setup: what goes through it makes no system call.
        assert ring >= 0, ctypes.get_errno()
"""


def test_a_blind_spot_is_an_outcome_of_its_own(run):
    result = run(BLIND)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*test_a_blind*.py ?*", "*= CANNOT TELL =*", "CANNOT TELL whether all flows are declared*", "*io_uring*"])
    assert "1 cannot tell" in result.stdout.lines[-1]
    warned = run(BLIND, "--candor-cannot-tell", "warn")
    warned.assert_outcomes(passed=1, warnings=1)
    warned.stdout.fnmatch_lines(["*PytestWarning: CANNOT TELL whether*", "*io_uring*"])


def test_loss_is_an_outcome_of_its_own(make_daemon, run):
    """The recorder is held up while more happens than the daemon keeps."""
    small = make_daemon()
    small.start("--spool-megabytes", "1")
    source = """
        import os, signal
        def test_much(candor_session, tmp_path):
            os.kill(candor_session._recorder.pid, signal.SIGSTOP)
            for n in range(10000):
                os.close(os.open(tmp_path / ("x" * 200 + str(n)), os.O_CREAT | os.O_WRONLY))
            os.kill(candor_session._recorder.pid, signal.SIGCONT)
    """
    result = run(source, "--candor-daemon", small.address)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*= CANNOT TELL =*", "CANNOT TELL whether all flows are declared*", "  [*] undeclared-collection:*"])


def test_a_selection_that_nobody_fits_is_no_pass(run):
    result = run("def test_nobody(candor_session): open('/etc/passwd').close()", "--candor-uid", "4000000")
    result.stdout.fnmatch_lines(["*nothing was traced*"])
    assert result.ret == 1


def test_another_user_is_traced_by_its_id(run):
    source = """
        import os, subprocess
        def test_other(candor_session):
            subprocess.run(["setpriv", "--reuid=41234", "--clear-groups", "cat", "/sys/class/net/lo/address"], check=True)
            open("/sys/class/net/lo/address").close()  # Of this process, which is not selected.
    """
    result = run(source, "--candor-uid", "41234")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["   who:   /usr/bin/cat, user id 41234"])
    assert "user id 0" not in str(result.stdout)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--candor-daemon", "unix:/nonexistent/candord.sock"], "*the trace could not be started:*nonexistent*"),
        (["--candor-terms", "none.toml"], "*candor check failed with exit status 66*none.toml*"),
        (["--candor-cannot-tell", "ignore"], "*can be fail or warn*"),
        (["--candor-program", "/nonexistent/candor"], "*nonexistent/candor*"),
    ],
)
def test_a_wrong_setting_is_an_error_and_never_a_pass(run, arguments, said):
    result = run(HONEST, *arguments)
    assert result.ret == 1 and result.parseoutcomes().get("passed", 0) == 0
    result.stdout.fnmatch_lines([said])


def test_a_marker_with_an_unknown_setting_is_an_error(run):
    result = run(LEAKY.replace("def test", "import pytest\n    @pytest.mark.candor(term='x')\n    def test"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the marker candor of*term*"])


def test_tests_that_do_not_use_it_are_left_alone(run):
    assert shutil.which("true")
    run("def test_plain(): pass").assert_outcomes(passed=1)
