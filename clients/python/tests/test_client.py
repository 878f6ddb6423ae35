"""The waiting client against a real daemon that traces real programs."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading

import candor_client
import pytest
from candor_client import Event, Filter, Gap, Header, Totals
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

CAT = "cat /sys/class/net/lo/address >/dev/null"


def traced(session_factory, command: list[str]) -> None:
    """Runs a program whose whole tree is traced from its first own instruction: it waits for its input to end."""
    program = subprocess.Popen(["sh", "-c", 'read -r _; exec "$@"', "sh", *command], stdin=subprocess.PIPE)
    with session_factory(program.pid):
        program.communicate(b"go\n", timeout=60)
    assert program.returncode == 0


def test_the_device_tells_what_can_be_seen(own_daemon):
    with candor_client.connect(own_daemon.address) as client:
        device = client.device()
        assert device.boot_id == open("/proc/sys/kernel/random/boot_id").read().strip()
        assert device.kernel == os.uname().release
        states = {(probe.probe, probe.family): probe.state for probe in device.probes}
        assert states["ebpf_kernel_objects", "file"] == "attached"
        assert client.status().access.requests_total >= 2
        assert client.apps() == []
        assert client.sessions() == []


def test_a_session_streams_what_a_program_does(own_daemon, tmp_path):
    database = tmp_path / "notes.db"
    sqlite3.connect(database).close()
    with candor_client.connect(own_daemon.address) as client:
        sessions = []

        def start(pid):
            sessions.append(client.start_session(pids=[pid], label="python client", phase="pre_consent"))
            return sessions[0]

        traced(start, ["sqlite3", str(database), "create table notes (text); insert into notes values ('lunch');"])
        session = sessions[0]
        assert session.end.reason in ("stopped", "targets_exited")
        with session.entries() as stream:
            entries = list(stream)
        assert isinstance(entries[0], Header) and entries[0].message.session_id == session.session_id
        assert stream.end is entries[-1] and stream.reconnections == 0
        assert any(isinstance(entry, Totals) for entry in entries) or stream.totals is stream.end.totals
        events = [entry for entry in entries if isinstance(entry, Event)]
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert stream.end.totals.events == len(events) and stream.end.totals.lost == 0
        stage = stream.end.totals.stages["decode"]
        assert stage.produced == stage.delivered + stage.filtered + sum(stage.dropped.values()) > 0
        opened = next(event for event in events if event.kind == "file_open" and event.body.path == str(database))
        assert (opened.family, opened.outcome, opened.phase) == ("file", "ok", "pre_consent")
        assert opened.program.endswith("/sqlite3") and opened.user_id == os.getuid() and opened.hints == ()
        assert abs(opened.date.timestamp() - database.stat().st_mtime) < 60
        assert f"#{opened.sequence} file_open [ok]" in str(opened)
        # The same, asked for in other ways.
        assert list(session.events()) == events
        assert list(session.query()) == events
        assert list(session.query(newest_first=True, limit=3)) == events[:-4:-1]
        assert list(session.query(only=Filter(paths=[f"{tmp_path}/notes.d?"], kinds=["file_open"]))) == [
            event for event in events if event.kind == "file_open" and event.body.path == str(database)
        ]
        assert list(session.events(from_sequence=opened.sequence))[0] == opened
        summary = session.summarize("family", "outcome")
        assert sum(row.events for row in summary.rows) == len(events) and summary.not_counted == 0
        assert {"family", "outcome"} == set(summary.rows[0].values)
        (info,) = client.sessions()
        assert (info.session_id, info.label, info.lost) == (session.session_id, "python client", 0)
        assert info.end is not None and info.events == len(events)


def test_phases_are_marked_by_block_and_by_call(daemon):
    with candor_client.connect(daemon.address) as client:
        with client.start_session(pids=[os.getpid()]) as session:
            with session.phase("pre_consent", "the prompt is shown"):
                subprocess.run(["sh", "-c", CAT], check=True)
            subprocess.run(["sh", "-c", CAT], check=True)
            session.mark("foreground")
            subprocess.run(["sh", "-c", CAT], check=True)
        # A handle of another client's session knows the same.
        events = list(client.attach(session.session_id).events())
    marks = [(event.body.phase, event.body.note) for event in events if event.kind == "phase_mark"]
    assert marks == [("pre_consent", "the prompt is shown"), ("unmarked", ""), ("foreground", "")]
    read = [event.phase for event in events if event.kind == "file_open" and event.body.path.endswith("/lo/address")]
    assert read == ["pre_consent", "unmarked", "foreground"]


def test_a_stream_can_be_left_while_the_session_goes_on(own_daemon):
    with candor_client.connect(own_daemon.address) as client, client.start_session(pids=[os.getpid()]) as session:
        stream = session.entries()
        threading.Timer(0.5, stream.close).start()
        assert isinstance(list(stream)[0], Header)
        assert client.sessions()[0].end is None
        subprocess.run(["true"], check=True)
        for event in session.events(only=Filter(kinds=["process_exec"])):
            if event.body.path.endswith("/true"):
                break


def test_a_limit_ends_a_session(daemon):
    with candor_client.connect(daemon.address) as client:
        session = client.start_session(uids=[4_000_000], duration=0.2)
        *_, end = session.entries()
        assert end.reason == "limit_reached"
        with pytest.raises(candor_client.NotPossible, match="ended"):
            session.mark("foreground")


def test_events_that_are_gone_are_told_of(make_daemon, tmp_path):
    daemon = make_daemon()
    daemon.start("--spool-megabytes", "1")
    program = f"for n in range(10000): open({str(tmp_path)!r} + '/' + 'x' * 150 + str(n), 'w').close()"
    with candor_client.connect(daemon.address) as client:
        program = subprocess.Popen([sys.executable, "-c", f"input(); exec({program!r})"], stdin=subprocess.PIPE)
        with client.start_session(pids=[program.pid]) as session:
            program.communicate(b"\n", timeout=120)
        with pytest.raises(candor_client.EventsMissing, match="lost at stage") as caught:
            list(session.events())
        assert isinstance(caught.value.gap, Gap) and caught.value.gap.first_sequence == 1
        with pytest.raises(candor_client.EventsMissing, match="no longer holds the first"):
            list(session.query())
        held = list(session.query(allow_missing=True))
        assert 0 < len(held) < session.end.totals.events
        assert session.summarize("kind").not_counted == held[0].sequence - 1
        gaps = [entry for entry in session.entries() if isinstance(entry, Gap)]
        assert sum(gap.count for gap in gaps) == held[0].sequence - 1


@pytest.mark.parametrize(
    ("wish", "error", "said"),
    [
        ({}, candor_client.InvalidRequest, "nothing"),
        ({"packages": ["com.example.none"]}, candor_client.InvalidRequest, "com.example.none"),
        ({"uids": [1], "phase": "No Phase"}, candor_client.InvalidRequest, "No Phase"),
        ({"packages": "com.example"}, ValueError, "packages is a list"),
        ({"uids": [1], "duration": 0}, ValueError, "at least 0.001"),
    ],
)
def test_a_wish_that_cannot_be_met_is_explained(daemon, wish, error, said):
    with candor_client.connect(daemon.address) as client, pytest.raises(error, match=said):
        client.start_session(**wish)


def test_what_is_not_there_is_explained(daemon, tmp_path):
    with candor_client.connect(daemon.address) as client:
        with pytest.raises(candor_client.NotFound, match="no session nonsense"):
            client.attach("nonsense")
        session = client.start_session(uids=[4_000_000])
        with pytest.raises(ValueError, match="'color' is none of: .*phase"):
            session.summarize("color")
        with pytest.raises(ValueError, match="'files' is none of: .*file"):
            list(session.query(only=Filter(families=["files"])))
        with pytest.raises(ValueError, match="kinds is a list"):
            list(session.query(only=Filter(kinds="file_open")))
        with pytest.raises(candor_client.InvalidRequest):
            list(session.query(only=Filter(kinds=["file_opened"])))
        session.stop()
        session.session_id = "gone"
        with pytest.raises(candor_client.NotFound):
            list(session.events())
    with pytest.raises(candor_client.Unavailable, match="is candord running there"):
        candor_client.connect(f"unix:{tmp_path}/nobody.sock", timeout=5)


def test_an_entry_that_is_not_known_is_given_too():
    """As a newer daemon may send it: with a number that these messages do not have."""
    from candor_client._requests import Place
    from candor_client.v1 import candor_service_pb2

    unknown = b"\x0a\x04\xf2\x3f\x01x"  # entries { 1022: "x" }
    batch = candor_service_pb2.StreamEventsResponse.FromString(unknown)
    (entry,) = Place(candor_client.Clock(0, 0)).fresh(batch)
    assert isinstance(entry, candor_client.Other) and entry.kind == ""


def without_json_names(message):
    """Compilers differ in whether they write down the names that follow from the others."""
    for field in [*getattr(message, "field", ()), *getattr(message, "extension", ())]:
        field.ClearField("json_name")
    for inner in [*getattr(message, "message_type", ()), *getattr(message, "nested_type", ())]:
        without_json_names(inner)


def test_the_stubs_are_those_of_the_daemon(daemon):
    """Field for field: what the daemon says of itself by reflection, and what this package was generated from."""
    from candor_client.v1 import candor_service_pb2

    with candor_client.connect(daemon.address) as client:
        database = ProtoReflectionDescriptorDatabase(client._channel)
        waiting, seen = [candor_service_pb2.DESCRIPTOR], set()
        while waiting:
            ours = waiting.pop()
            if ours.name in seen:
                continue
            seen.add(ours.name)
            waiting += ours.dependencies
            own = descriptor_pb2.FileDescriptorProto()
            ours.CopyToProto(own)
            theirs = database.FindFileByName(ours.name)
            for one in (own, theirs):
                one.ClearField("source_code_info")
                without_json_names(one)
            assert own == theirs, ours.name
        assert len(seen) >= 12
