"""Where a daemon listens, and how to show it who we are: the same words as for the program `candor`."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import stat
from typing import Any

import grpc

from .errors import AddressError, CredentialsError

DEFAULT_ADDRESS = "unix:/run/candor/candord.sock"

_OPTIONS: list[tuple[str, Any]] = [
    # A daemon that is started again is found soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.max_receive_message_length", 64 << 20),
    # What a proxy of the environment would see is nobody's business.
    ("grpc.enable_http_proxy", 0),
]
# The path of a socket is no name of a host, and gRPC would send it as one.
_UNIX_OPTIONS: list[tuple[str, Any]] = [("grpc.default_authority", "localhost")]

_HOST_AND_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\[\]:/]+):(?P<port>[0-9]{1,5})")


@dataclasses.dataclass(frozen=True)
class Address:
    """A daemon's address, and the files that go with it when it is reached over TCP."""

    text: str
    target: str
    secure: bool
    ca: pathlib.Path | None = None
    cert: pathlib.Path | None = None
    key: pathlib.Path | None = None
    token_file: pathlib.Path | None = None

    @classmethod
    def parse(
        cls,
        text: str | None = None,
        *,
        ca: str | os.PathLike[str] | None = None,
        cert: str | os.PathLike[str] | None = None,
        key: str | os.PathLike[str] | None = None,
        token_file: str | os.PathLike[str] | None = None,
    ) -> Address:
        """Reads `unix:PATH`, `unix-abstract:NAME`, `tcp+tls:HOST:PORT` or an absolute path. What is not given is taken from
        CANDOR_DAEMON, CANDOR_CA, CANDOR_CERT, CANDOR_KEY and CANDOR_TOKEN_FILE.

        Raises AddressError when the address is none of these.
        """
        text = text or os.environ.get("CANDOR_DAEMON") or DEFAULT_ADDRESS
        bad = AddressError(
            f"{text!r} is no daemon address; give unix:/path/to/socket, unix-abstract:NAME or tcp+tls:HOST:PORT"
        )
        if name := text.removeprefix("unix-abstract:"):
            if name != text:
                return cls(text, f"unix-abstract:{name}", secure=False)
        if text.startswith("tcp+tls:"):
            place = _HOST_AND_PORT.fullmatch(text.removeprefix("tcp+tls:"))
            if place is None or not 0 < int(place["port"]) < 65536:
                raise bad
            given = {"ca": ca, "cert": cert, "key": key, "token_file": token_file}
            files = {name: value or os.environ.get(f"CANDOR_{name.upper()}") or None for name, value in given.items()}
            if not given["cert"] and not given["key"] and given["token_file"]:
                # A token that was asked for is not joined by a certificate that happens to be in the environment.
                files["cert"] = files["key"] = None
            elif given["cert"] and not given["token_file"]:
                files["token_file"] = None
            paths = {name: pathlib.Path(value) if value else None for name, value in files.items()}
            return cls(text, place.group(), secure=True, **paths)
        path = text.removeprefix("unix:")
        if not path or (path == text and not path.startswith("/")):
            raise bad
        return cls(text, f"unix:{os.path.abspath(path)}", secure=False)

    def options(self) -> list[tuple[str, Any]]:
        """Options of the channel."""
        return _OPTIONS if self.secure else _OPTIONS + _UNIX_OPTIONS

    def credentials(self) -> grpc.ChannelCredentials | None:
        """What a channel over TCP needs; None for a Unix socket, where the kernel tells the daemon who we are.

        Raises CredentialsError when a file is missing or is not private.
        """
        if not self.secure:
            return None
        if self.ca is None:
            raise CredentialsError(
                "tcp+tls needs `ca` (or CANDOR_CA): the ca.pem that `candord keys` made together with the daemon's "
                "certificate; without it anybody could pose as the daemon"
            )
        if (self.cert is None) != (self.key is None):
            raise CredentialsError("a certificate needs its key, and a key its certificate: give both `cert` and `key`")
        certificate = _read(self.cert) if self.cert else None
        key = _read_secret(self.key) if self.key else None
        channel = grpc.ssl_channel_credentials(_read(self.ca), key, certificate)
        if self.token_file is None:
            return channel
        token = _read_secret(self.token_file).decode("ascii", "replace").strip()
        return grpc.composite_channel_credentials(channel, grpc.access_token_call_credentials(token))


def _read(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read_secret(path: pathlib.Path) -> bytes:
    content = _read(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise CredentialsError(f"{path}: mode {mode:04o} lets other users read this secret; run: chmod 600 {path}")
    return content
