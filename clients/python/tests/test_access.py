"""Every way to reach a daemon, and what is said when it does not work."""

from __future__ import annotations

import os
import subprocess
import sys

import candor_client
import pytest
from candor_client import Address, aio

from conftest import BIN


@pytest.fixture
def keys(tmp_path):
    """Keys of the daemon, and those of another one."""
    for name in ("ours", "theirs"):
        subprocess.run([BIN / "candord", "keys", "--out", tmp_path / name], check=True, capture_output=True)
    return tmp_path


def test_over_tls_with_each_proof(make_daemon, keys, monkeypatch):
    daemon = make_daemon()
    daemon.start("--keys", str(keys / "ours"), address="tcp:127.0.0.1:0")
    address = f"tcp+tls:localhost:{daemon.port}"
    ours, theirs = keys / "ours", keys / "theirs"

    def ask(**files):
        with candor_client.connect(address, timeout=20, **files) as client:
            return client.device().architecture

    here = os.uname().machine
    assert ask(ca=ours / "ca.pem", cert=ours / "client.pem", key=ours / "client.key") == here
    assert ask(ca=ours / "ca.pem", token_file=ours / "token") == here
    with pytest.raises(candor_client.NotPermitted, match="a client certificate or a token is required"):
        ask(ca=ours / "ca.pem")
    with pytest.raises(candor_client.NotPermitted, match="not the token that candord was started with"):
        ask(ca=ours / "ca.pem", token_file=theirs / "token")
    with pytest.raises(candor_client.Unavailable, match="a wrong client certificate looks like this too"):
        ask(ca=ours / "ca.pem", cert=theirs / "client.pem", key=theirs / "client.key")
    with pytest.raises(candor_client.NotTrusted, match="does not prove that it is your daemon"):
        ask(ca=theirs / "ca.pem", token_file=ours / "token")
    with pytest.raises(candor_client.CredentialsError, match="needs `ca`"):
        ask(token_file=ours / "token")
    with pytest.raises(candor_client.CredentialsError, match="needs its key"):
        ask(ca=ours / "ca.pem", cert=ours / "client.pem")
    (ours / "token").chmod(0o644)
    with pytest.raises(candor_client.CredentialsError, match="chmod 600"):
        ask(ca=ours / "ca.pem", token_file=ours / "token")
    (ours / "token").chmod(0o600)
    # From the environment, as the program `candor` takes it.
    monkeypatch.setenv("CANDOR_DAEMON", address)
    monkeypatch.setenv("CANDOR_CA", str(ours / "ca.pem"))
    monkeypatch.setenv("CANDOR_TOKEN_FILE", str(ours / "token"))
    with candor_client.connect() as client:
        assert client.device().architecture == here


def test_an_abstract_socket(make_daemon):
    daemon = make_daemon()
    name = f"candor-python-{os.getpid()}"
    daemon.start(address=f"unix-abstract:{name}")
    with candor_client.connect(f"unix-abstract:{name}") as client:
        assert client.device().kernel == os.uname().release


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_a_user_who_may_not_connect_is_told_so(make_daemon):
    daemon = make_daemon()
    name = f"candor-python-other-{os.getpid()}"
    daemon.start(address=f"unix-abstract:{name}")
    program = f"""
import os, candor_client
os.setgid(40123); os.setuid(40123)  # Now: the other user may not be able to read the package.
try: candor_client.connect("unix-abstract:{name}")
except candor_client.NotPermitted as error: print(error.code, error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.startswith("PERMISSION_DENIED") and "user id 40123 may not use this daemon" in said


@pytest.mark.parametrize(
    "text", ["candord.sock", "unix:", "unix-abstract:", "tcp:localhost:1", "tcp+tls:localhost", "tcp+tls:a:b:1", "tcp+tls:h:0"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(candor_client.AddressError, match="give unix:/path/to/socket"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("/run/c.sock", "unix:/run/c.sock"),
        ("unix:/run/c.sock", "unix:/run/c.sock"),
        ("unix-abstract:candord", "unix-abstract:candord"),
        ("tcp+tls:lab.example:50051", "lab.example:50051"),
        ("tcp+tls:[::1]:50051", "[::1]:50051"),
    ],
)
def test_addresses_are_those_of_candor(text, target):
    assert Address.parse(text).target == target


def test_asyncio_says_the_same(tmp_path):
    import asyncio

    with pytest.raises(candor_client.Unavailable, match="is candord running there"):
        asyncio.run(aio.connect(f"unix:{tmp_path}/nobody.sock", timeout=5))
