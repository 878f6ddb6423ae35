"""The client for asyncio, and what becomes of a stream whose daemon goes away."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading

import candor_client
import pytest
from candor_client import Event, Filter, aio


def test_events_come_while_the_program_runs(daemon):
    async def run():
        async with await aio.connect(daemon.address) as client:
            assert (await client.device()).boot_id and await client.apps() == []
            async with await client.start_session(pids=[os.getpid()], label="asyncio") as session:
                seen = []

                async def watch():
                    async for event in session.events(only=Filter(kinds=["process_exec", "phase_mark"])):
                        seen.append(event)

                watching = asyncio.create_task(watch())
                async with session.phase("foreground"):
                    program = await asyncio.create_subprocess_exec("curl", "--version", stdout=asyncio.subprocess.DEVNULL)
                    await program.wait()
                while not any(event.kind == "process_exec" and event.body.path.endswith("/curl") for event in seen):
                    await asyncio.sleep(0.05)
            await asyncio.wait_for(watching, 30)
            assert [event.body.phase for event in seen if event.kind == "phase_mark"] == ["foreground", "unmarked"]
            assert session.end.reason == "stopped"
            held = [event async for event in session.query(only=Filter(kinds=["process_exec", "phase_mark"]))]
            assert held == seen
            assert [event async for event in session.query(newest_first=True, limit=1)][0].sequence >= held[-1].sequence
            assert (await session.summarize("kind")).rows[0].events > 0
            with pytest.raises(candor_client.NotFound):
                await client.attach("nonsense")

    asyncio.run(asyncio.wait_for(run(), 120))


class Relay:
    """Stands between a client and the daemon's socket, and can break every connection at once."""

    def __init__(self, path: str, daemon: str) -> None:
        self.daemon, self.pairs = daemon, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.bytes_left = None
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.daemon)
            self.pairs.append((near, far))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=pair, daemon=True).start()

    def carry(self, source, target):
        try:
            while data := source.recv(4096):
                target.sendall(data)
        except OSError:
            pass
        self.shut(source, target)

    def shut(self, *ends):
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def break_all(self):
        for pair in self.pairs:
            self.shut(*pair)


@pytest.mark.parametrize("waiting", [False, True])
def test_a_broken_connection_costs_nothing(daemon, tmp_path, waiting):
    """The connection is broken twice under way; no event is missing and none comes twice."""
    relay = Relay(f"{daemon.directory}/relay-{waiting}.sock", f"{daemon.directory}/candord.sock")
    address = f"unix:{daemon.directory}/relay-{waiting}.sock"
    breaks = iter((40, 90))

    async def work(count):
        for _ in range(count):
            program = await asyncio.create_subprocess_exec("true")
            await program.wait()

    async def with_asyncio():
        async with await aio.connect(address) as client:
            session = await client.start_session(pids=[os.getpid()])
            working = asyncio.create_task(work(40))
            events, stream, at = [], session.entries(), next(breaks)
            async with stream:
                async for entry in stream:
                    if isinstance(entry, Event):
                        events.append(entry)
                        if len(events) == at:
                            relay.break_all()
                            at = next(breaks, 0)
                    if working.done() and not at and session.end is None:
                        await (await (await aio.connect(daemon.address)).attach(session.session_id)).stop()
                        session.end = True
            return events, stream

    def with_threads():
        with candor_client.connect(address) as client:
            session = client.start_session(pids=[os.getpid()])
            working = threading.Thread(target=lambda: asyncio.run(work(40)))
            working.start()
            events, stream, at = [], session.entries(), next(breaks)
            with stream:
                for entry in stream:
                    if isinstance(entry, Event):
                        events.append(entry)
                        if len(events) == at:
                            relay.break_all()
                            at = next(breaks, 0)
                    if not working.is_alive() and not at and session.end is None:
                        with candor_client.connect(daemon.address) as other:
                            session.end = other.attach(session.session_id).stop()
            return events, stream

    events, stream = with_threads() if waiting else asyncio.run(asyncio.wait_for(with_asyncio(), 120))
    assert stream.reconnections == 2
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert stream.end.totals.events == len(events) and stream.end.totals.lost == 0


@pytest.mark.parametrize("waiting", [False, True])
def test_a_daemon_that_does_not_come_back_is_told_of(own_daemon, waiting):
    async def with_asyncio():
        async with await aio.connect(own_daemon.address) as client:
            session = await client.start_session(uids=[4_000_000])
            async for _ in session.entries(reconnect=1.0):
                own_daemon.kill(signal.SIGKILL)

    def with_threads():
        with candor_client.connect(own_daemon.address) as client:
            for _ in client.start_session(uids=[4_000_000]).entries(reconnect=1.0):
                own_daemon.kill(signal.SIGKILL)

    with pytest.raises(candor_client.Unavailable):
        with_threads() if waiting else asyncio.run(asyncio.wait_for(with_asyncio(), 60))
