"""What can go wrong, by what to do about it. Every exception of this package is a CandorError."""

from __future__ import annotations

import grpc

_START = "is candord running there? (sudo candord serve)"


class CandorError(Exception):
    """Anything that the client could not do. `code` is the gRPC status by name, or empty when there was none."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class AddressError(CandorError, ValueError):
    """The address is not one of unix:PATH, unix-abstract:NAME and tcp+tls:HOST:PORT."""


class CredentialsError(CandorError, ValueError):
    """A file to prove who we are is missing, unreadable, or readable by others."""


class Unavailable(CandorError):
    """Nothing answers at the address, or the daemon went away and did not come back in time."""


class NotTrusted(CandorError):
    """Whatever answers does not prove that it is the daemon, or it does not accept our certificate."""


class NotPermitted(CandorError):
    """The daemon does not let this client do that."""


class NotFound(CandorError):
    """There is no such session."""


class InvalidRequest(CandorError, ValueError):
    """The daemon does not accept a value that was given."""


class NotPossible(CandorError):
    """Not in the present state: the session has ended, no probe works on the device, ..."""


class LimitReached(CandorError):
    """Too many sessions, connections, or requests."""


class TimedOut(CandorError):
    """The daemon did not answer in time."""


class Unsupported(CandorError):
    """The daemon is older than this client and has no such method."""


class EventsMissing(CandorError):
    """Events were lost or are no longer held. What was seen is then not all that happened. `gap` tells which."""

    def __init__(self, message: str, gap: object = None) -> None:
        super().__init__(message)
        self.gap = gap


_BY_CODE: dict[grpc.StatusCode, type[CandorError]] = {
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.UNAUTHENTICATED: NotPermitted,
    grpc.StatusCode.PERMISSION_DENIED: NotPermitted,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.FAILED_PRECONDITION: NotPossible,
    grpc.StatusCode.RESOURCE_EXHAUSTED: LimitReached,
    grpc.StatusCode.DEADLINE_EXCEEDED: TimedOut,
    grpc.StatusCode.UNIMPLEMENTED: Unsupported,
}


def translate(error: grpc.RpcError, address: str) -> CandorError:
    """The exception of this package for one of gRPC's."""
    code, details = error.code(), error.details() or "no reason given"
    kind = _BY_CODE.get(code, CandorError)
    if kind is Unavailable and ("CERTIFICATE_VERIFY_FAILED" in details or "Peer name" in details):
        message = (
            f"{address} does not prove that it is your daemon: its certificate must come from the authority given with "
            f"`ca` and be for this name; nothing was sent to it ({details})"
        )
        return NotTrusted(message, code.name)
    if kind is Unavailable:
        # A daemon that refuses our certificate says so after the handshake, where gRPC sees a broken connection only.
        hint = "a wrong client certificate looks like this too" if address.startswith("tcp+tls:") else _START
        return Unavailable(f"{address} is not reachable: {details}; {hint}", code.name)
    return kind(f"{address}: {details}", code.name)
