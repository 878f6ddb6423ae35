"""The client that waits for each answer. `candor_client.aio` has the same for asyncio."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import grpc

from . import _requests as requests
from .address import Address
from .errors import CandorError, NotFound, NotPossible, Unavailable, translate
from .model import App, Clock, Device, End, Entry, Event, Filter, SessionInfo, Summary, Totals
from .v1 import candor_service_pb2 as service
from .v1.candor_service_pb2_grpc import CandorServiceStub

_LOG = logging.getLogger("candor_client")


def connect(
    address: str | None = None,
    *,
    ca: str | os.PathLike[str] | None = None,
    cert: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
    token_file: str | os.PathLike[str] | None = None,
    timeout: float = 30.0,
) -> Client:
    """Connects to a daemon and asks it who it is, so that a wrong address or a refusal shows at once.

    Addresses are those of the program `candor`: unix:PATH, unix-abstract:NAME, tcp+tls:HOST:PORT. What is left out is taken
    from CANDOR_DAEMON, CANDOR_CA, CANDOR_CERT, CANDOR_KEY and CANDOR_TOKEN_FILE. `timeout` is for each call, in seconds.
    """
    parsed = Address.parse(address, ca=ca, cert=cert, key=key, token_file=token_file)
    client = Client(parsed, timeout)
    try:
        client.device()
    except BaseException:
        client.close()
        raise
    return client


class Client:
    """A connection to a daemon. Use it as a context manager, or close it."""

    def __init__(self, address: Address, timeout: float = 30.0) -> None:
        self.address = address
        self.timeout = timeout
        credentials = address.credentials()
        if credentials is None:
            self._channel = grpc.insecure_channel(address.target, options=address.options())
        else:
            self._channel = grpc.secure_channel(address.target, credentials, options=address.options())
        self._stub: Any = CandorServiceStub(self._channel)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection. Sessions go on."""
        self._channel.close()

    def call(self, method: Callable[..., Any], request: Any) -> Any:
        """One call, its failure told as an exception of this package."""
        try:
            return method(request, timeout=self.timeout)
        except grpc.RpcError as error:
            raise translate(error, self.address.text) from error

    def device(self) -> Device:
        """The device, and what can be seen on it."""
        return Device.of(self.call(self._stub.GetDevice, service.GetDeviceRequest()))

    def apps(self) -> list[App]:
        """The device's packages. Raises NotPossible when the device has a list that could not be read."""
        packages = self.call(self._stub.ListPackages, service.ListPackagesRequest()).packages
        if packages.read_error:
            raise NotPossible(f"the device's list of packages cannot be read: {packages.read_error}")
        return [App.of(package) for package in packages.packages]

    def status(self) -> service.GetStatusResponse:
        """How the daemon is: who was let in, and what was refused."""
        status: service.GetStatusResponse = self.call(self._stub.GetStatus, service.GetStatusRequest())
        return status

    def sessions(self) -> list[SessionInfo]:
        """The sessions that the daemon holds, oldest first."""
        return [
            SessionInfo.of(summary)
            for summary in self.call(self._stub.ListSessions, service.ListSessionsRequest()).sessions
        ]

    def start_session(
        self,
        *,
        uids: list[int] | tuple[int, ...] = (),
        pids: list[int] | tuple[int, ...] = (),
        packages: list[str] | tuple[str, ...] = (),
        label: str = "",
        phase: str = "",
        duration: float | None = None,
        max_events: int = 0,
        unread_limit: float | None = None,
        await_packages: bool = False,
    ) -> Session:
        """Starts a session; tracing is under way when this returns. As a context manager it stops at the end of the block.

        `pids` are traced with whatever they start from now on. `phase` is the phase at the beginning. The session ends by
        itself after `duration` seconds, after `max_events`, or when nobody has read its stream for `unread_limit` seconds;
        without these it goes on, also when this program dies, until somebody stops it. With `await_packages` the packages
        need not be installed yet: each is traced from the moment it is.
        """
        wish = requests.Wish(uids, pids, packages, label, phase, duration, max_events, unread_limit, await_packages)
        header = self.call(self._stub.StartSession, wish.to_message()).header
        return Session(self, header.session_id, Clock.of(header.started), header.initial_phase)

    def attach(self, session_id: str) -> Session:
        """A session that somebody started. Leaving its block stops it too; without a block it is left alone."""
        for info in self.sessions():
            if info.session_id == session_id:
                return Session(self, session_id, Clock.of(info.message.started), info.phase)
        raise NotFound(f"{self.address.text}: there is no session {session_id}")


class Session:
    """One session of a daemon."""

    def __init__(self, client: Client, session_id: str, clock: Clock, phase: str) -> None:
        self.client = client
        self.session_id = session_id
        self.clock = clock
        self.end: End | None = None
        """How it ended, once it was stopped here."""
        self._phase = phase

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.stop()
        except CandorError:
            if error is None:
                raise
            _LOG.warning("session %s could not be stopped", self.session_id, exc_info=True)

    def stop(self) -> End:
        """Stops it. Its events stay readable for a while. Stopping it again is no error."""
        request = service.StopSessionRequest(session_id=self.session_id)
        self.end = End.of(self.client.call(self.client._stub.StopSession, request).end)
        return self.end

    def mark(self, phase: str, note: str = "") -> int:
        """Marks the beginning of a phase; the time of the mark in nanoseconds of boot time."""
        request = service.MarkPhaseRequest(session_id=self.session_id, phase=phase, note=note)
        time_ns: int = self.client.call(self.client._stub.MarkPhase, request).time_ns
        self._phase = phase
        return time_ns

    @contextlib.contextmanager
    def phase(self, phase: str, note: str = "") -> Iterator[Session]:
        """A phase for the length of a block. Behind it the phase is again the one before, as far as this object knows."""
        before = self._phase or "unmarked"
        self.mark(phase, note)
        try:
            yield self
        finally:
            self.mark(before)

    def entries(self, *, only: Filter | None = None, from_sequence: int = 0, reconnect: float = 30.0) -> Stream:
        """Everything the daemon tells, as it happens: header, events, gaps, totals, and the end last.

        A lost connection is tried again for `reconnect` seconds, and then nothing comes twice and nothing is left out that
        the daemon still holds. Raises Unavailable when it does not come back.
        """
        return Stream(self, only, from_sequence, reconnect)

    def events(self, *, only: Filter | None = None, from_sequence: int = 0, reconnect: float = 30.0) -> Iterator[Event]:
        """The events alone. Raises EventsMissing where some are missing, so that no loss goes by unseen."""
        with self.entries(only=only, from_sequence=from_sequence, reconnect=reconnect) as stream:
            for entry in stream:
                if (event := requests.only_event(entry)) is not None:
                    yield event
            requests.lost_at_end(stream.end)

    def query(
        self,
        *,
        only: Filter | None = None,
        newest_first: bool = False,
        from_ns: int = 0,
        to_ns: int = 0,
        limit: int | None = None,
        allow_missing: bool = False,
    ) -> Iterator[Event]:
        """Events that the daemon still holds, page by page, between two boot times (0: no bound).

        Raises EventsMissing when it no longer holds the beginning of the session, unless `allow_missing`.
        """
        return requests.first(self._query(only, newest_first, from_ns, to_ns, limit, allow_missing), limit)

    def _query(
        self, only: Filter | None, newest_first: bool, from_ns: int, to_ns: int, limit: int | None, allow_missing: bool
    ) -> Iterator[Event]:
        request = requests.query(self.session_id, only, newest_first, from_ns, to_ns, limit)
        while True:
            page = self.client.call(self.client._stub.QueryEvents, request)
            requests.check_page(page, allow_missing)
            for message in page.events:
                yield Event(message, self.clock)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def summarize(self, *dimensions: str, only: Filter | None = None, from_ns: int = 0, to_ns: int = 0) -> Summary:
        """Counts by app, family, kind, phase, outcome or recipient, in the order given."""
        request = requests.summarize(self.session_id, dimensions, only, from_ns, to_ns)
        return Summary.of(dimensions, self.client.call(self.client._stub.Summarize, request))


class Stream:
    """The entries of a session. Iterate over it; it is a context manager, too, so that it can be left early."""

    def __init__(self, session: Session, only: Filter | None, from_sequence: int, patience: float) -> None:
        self.session = session
        self.reconnections = 0
        """How often the connection was lost and came back."""
        self._only = only
        self._place = requests.Place(session.clock, from_sequence)
        self._patience = patience
        self._call: Any = None
        self._closed = False

    @property
    def end(self) -> End | None:
        """How the session ended; None until the stream came to its end."""
        return self._place.end

    @property
    def totals(self) -> Totals | None:
        """The latest account; None before the first came."""
        return self._place.totals

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the stream; also from another thread. The session goes on."""
        self._closed = True
        if self._call is not None:
            self._call.cancel()

    def __iter__(self) -> Iterator[Entry]:
        client, give_up_at, pause, lost = self.session.client, 0.0, requests.FIRST_PAUSE, False
        while not self._closed:
            try:
                request = self._place.request(self.session.session_id, self._only)
                self._call = client._stub.StreamEvents(request)
                for batch in self._call:
                    if lost:
                        lost, self.reconnections = False, self.reconnections + 1
                        _LOG.warning("session %s: the connection is back", self.session.session_id)
                    pause = requests.FIRST_PAUSE
                    yield from self._place.fresh(batch)
                    if self.end is not None:
                        return
                error: CandorError = Unavailable(f"{client.address.text} closed the stream before its end")
            except grpc.RpcError as rpc_error:
                if self._closed:
                    return
                error = translate(rpc_error, client.address.text)
                if not isinstance(error, Unavailable):
                    raise error from rpc_error
            if not lost:
                lost, give_up_at = True, time.monotonic() + self._patience
                _LOG.warning("session %s: the connection was lost: %s", self.session.session_id, error)
            if time.monotonic() + pause > give_up_at:
                raise error
            time.sleep(pause)
            pause = min(pause * 2, requests.LONGEST_PAUSE)
