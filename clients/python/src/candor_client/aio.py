"""The client for asyncio: as `candor_client.client`, with `await` and `async for`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any

import grpc
import grpc.aio

from . import _requests as requests
from .address import Address
from .errors import CandorError, NotFound, NotPossible, Unavailable, translate
from .model import App, Clock, Device, End, Entry, Event, Filter, SessionInfo, Summary, Totals
from .v1 import candor_service_pb2 as service
from .v1.candor_service_pb2_grpc import CandorServiceStub

_LOG = logging.getLogger("candor_client")


async def connect(
    address: str | None = None,
    *,
    ca: str | os.PathLike[str] | None = None,
    cert: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
    token_file: str | os.PathLike[str] | None = None,
    timeout: float = 30.0,
) -> AsyncClient:
    """Connects to a daemon and asks it who it is; see `candor_client.connect`."""
    parsed = Address.parse(address, ca=ca, cert=cert, key=key, token_file=token_file)
    client = AsyncClient(parsed, timeout)
    try:
        await client.device()
    except BaseException:
        await client.close()
        raise
    return client


class AsyncClient:
    """A connection to a daemon. Use it as a context manager (`async with`), or close it."""

    def __init__(self, address: Address, timeout: float = 30.0) -> None:
        self.address = address
        self.timeout = timeout
        credentials = address.credentials()
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(address.target, options=address.options())
        else:
            self._channel = grpc.aio.secure_channel(address.target, credentials, options=address.options())
        self._stub: Any = CandorServiceStub(self._channel)  # type: ignore[no-untyped-call]

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection. Sessions go on."""
        await self._channel.close()

    async def call(self, method: Callable[..., Any], request: Any) -> Any:
        """One call, its failure told as an exception of this package."""
        try:
            return await method(request, timeout=self.timeout)
        except grpc.RpcError as error:
            raise translate(error, self.address.text) from error

    async def device(self) -> Device:
        """The device, and what can be seen on it."""
        return Device.of(await self.call(self._stub.GetDevice, service.GetDeviceRequest()))

    async def apps(self) -> list[App]:
        """The device's packages. Raises NotPossible when the device has a list that could not be read."""
        packages = (await self.call(self._stub.ListPackages, service.ListPackagesRequest())).packages
        if packages.read_error:
            raise NotPossible(f"the device's list of packages cannot be read: {packages.read_error}")
        return [App.of(package) for package in packages.packages]

    async def status(self) -> service.GetStatusResponse:
        """How the daemon is: who was let in, and what was refused."""
        status: service.GetStatusResponse = await self.call(self._stub.GetStatus, service.GetStatusRequest())
        return status

    async def sessions(self) -> list[SessionInfo]:
        """The sessions that the daemon holds, oldest first."""
        answer = await self.call(self._stub.ListSessions, service.ListSessionsRequest())
        return [SessionInfo.of(summary) for summary in answer.sessions]

    async def start_session(
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
    ) -> AsyncSession:
        """Starts a session; see `Client.start_session`. Use it as `async with await client.start_session(...)`."""
        wish = requests.Wish(uids, pids, packages, label, phase, duration, max_events, unread_limit, await_packages)
        header = (await self.call(self._stub.StartSession, wish.to_message())).header
        return AsyncSession(self, header.session_id, Clock.of(header.started), header.initial_phase)

    async def attach(self, session_id: str) -> AsyncSession:
        """A session that somebody started; see `Client.attach`."""
        for info in await self.sessions():
            if info.session_id == session_id:
                return AsyncSession(self, session_id, Clock.of(info.message.started), info.phase)
        raise NotFound(f"{self.address.text}: there is no session {session_id}")


class AsyncSession:
    """One session of a daemon."""

    def __init__(self, client: AsyncClient, session_id: str, clock: Clock, phase: str) -> None:
        self.client = client
        self.session_id = session_id
        self.clock = clock
        self.end: End | None = None
        """How it ended, once it was stopped here."""
        self._phase = phase

    async def __aenter__(self) -> AsyncSession:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.stop()
        except CandorError:
            if error is None:
                raise
            _LOG.warning("session %s could not be stopped", self.session_id, exc_info=True)

    async def stop(self) -> End:
        """Stops it. Its events stay readable for a while. Stopping it again is no error."""
        request = service.StopSessionRequest(session_id=self.session_id)
        self.end = End.of((await self.client.call(self.client._stub.StopSession, request)).end)
        return self.end

    async def mark(self, phase: str, note: str = "") -> int:
        """Marks the beginning of a phase; the time of the mark in nanoseconds of boot time."""
        request = service.MarkPhaseRequest(session_id=self.session_id, phase=phase, note=note)
        time_ns: int = (await self.client.call(self.client._stub.MarkPhase, request)).time_ns
        self._phase = phase
        return time_ns

    @contextlib.asynccontextmanager
    async def phase(self, phase: str, note: str = "") -> AsyncIterator[AsyncSession]:
        """A phase for the length of a block; see `Session.phase`."""
        before = self._phase or "unmarked"
        await self.mark(phase, note)
        try:
            yield self
        finally:
            await self.mark(before)

    def entries(self, *, only: Filter | None = None, from_sequence: int = 0, reconnect: float = 30.0) -> AsyncStream:
        """Everything the daemon tells, as it happens; see `Session.entries`."""
        return AsyncStream(self, only, from_sequence, reconnect)

    async def events(
        self, *, only: Filter | None = None, from_sequence: int = 0, reconnect: float = 30.0
    ) -> AsyncIterator[Event]:
        """The events alone. Raises EventsMissing where some are missing, so that no loss goes by unseen."""
        async with self.entries(only=only, from_sequence=from_sequence, reconnect=reconnect) as stream:
            async for entry in stream:
                if (event := requests.only_event(entry)) is not None:
                    yield event
            requests.lost_at_end(stream.end)

    async def query(
        self,
        *,
        only: Filter | None = None,
        newest_first: bool = False,
        from_ns: int = 0,
        to_ns: int = 0,
        limit: int | None = None,
        allow_missing: bool = False,
    ) -> AsyncIterator[Event]:
        """Events that the daemon still holds; see `Session.query`."""
        request = requests.query(self.session_id, only, newest_first, from_ns, to_ns, limit)
        given = 0
        while True:
            page = await self.client.call(self.client._stub.QueryEvents, request)
            requests.check_page(page, allow_missing)
            for message in page.events:
                if limit is not None and given >= limit:
                    return
                given += 1
                yield Event(message, self.clock)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def summarize(self, *dimensions: str, only: Filter | None = None, from_ns: int = 0, to_ns: int = 0) -> Summary:
        """Counts by app, family, kind, phase, outcome or recipient, in the order given."""
        request = requests.summarize(self.session_id, dimensions, only, from_ns, to_ns)
        return Summary.of(dimensions, await self.client.call(self.client._stub.Summarize, request))


class AsyncStream:
    """The entries of a session: `async for`, and `async with` to leave it early."""

    def __init__(self, session: AsyncSession, only: Filter | None, from_sequence: int, patience: float) -> None:
        self.session = session
        self.reconnections = 0
        """How often the connection was lost and came back."""
        self._only = only
        self._place = requests.Place(session.clock, from_sequence)
        self._patience = patience
        self._call: Any = None

    @property
    def end(self) -> End | None:
        """How the session ended; None until the stream came to its end."""
        return self._place.end

    @property
    def totals(self) -> Totals | None:
        """The latest account; None before the first came."""
        return self._place.totals

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._call is not None:
            self._call.cancel()

    async def __aiter__(self) -> AsyncIterator[Entry]:
        client, give_up_at, pause, lost = self.session.client, 0.0, requests.FIRST_PAUSE, False
        while True:
            try:
                request = self._place.request(self.session.session_id, self._only)
                self._call = client._stub.StreamEvents(request)
                async for batch in self._call:
                    if lost:
                        lost, self.reconnections = False, self.reconnections + 1
                        _LOG.warning("session %s: the connection is back", self.session.session_id)
                    pause = requests.FIRST_PAUSE
                    for entry in self._place.fresh(batch):
                        yield entry
                    if self.end is not None:
                        return
                error: CandorError = Unavailable(f"{client.address.text} closed the stream before its end")
            except grpc.RpcError as rpc_error:
                error = translate(rpc_error, client.address.text)
                if not isinstance(error, Unavailable):
                    raise error from rpc_error
            if not lost:
                lost, give_up_at = True, time.monotonic() + self._patience
                _LOG.warning("session %s: the connection was lost: %s", self.session.session_id, error)
            if time.monotonic() + pause > give_up_at:
                raise error
            await asyncio.sleep(pause)
            pause = min(pause * 2, requests.LONGEST_PAUSE)
