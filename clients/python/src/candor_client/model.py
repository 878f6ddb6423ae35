"""What the daemon tells, in Python's own terms. `message` is always the message as it came, with every field."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.internal import enum_type_wrapper

from .v1 import candor_service_pb2 as service
from .v1 import event_pb2, filter_pb2, session_pb2

_FAMILY_BLOCKS = {1: "file", 2: "socket", 3: "provider", 4: "process", 5: "session", 6: "service", 7: "payload_match"}
_FAMILY_OF_KIND = {
    field.name: _FAMILY_BLOCKS.get(field.number // 16, "unknown")
    for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["body"].fields
}


def name_of(enum: enum_type_wrapper.EnumTypeWrapper, value: int, prefix: str) -> str:
    """A value of an enumeration as a short word. One that this client does not know yet is its number."""
    try:
        return enum.Name(value).removeprefix(prefix).lower()
    except ValueError:
        return str(value)


def value_of(enum: enum_type_wrapper.EnumTypeWrapper, name: str, prefix: str) -> Any:
    """The other way round. Raises ValueError with the names there are."""
    try:
        return enum.Value(prefix + name.upper())
    except ValueError:
        known = ", ".join(one.removeprefix(prefix).lower() for one in enum.keys())
        raise ValueError(f"{name!r} is none of: {known}") from None


@dataclasses.dataclass(frozen=True)
class Clock:
    """Turns the device's boot time into dates."""

    boot_ns: int
    wall_ns: int

    @classmethod
    def of(cls, anchor: session_pb2.ClockAnchor) -> Clock:
        """From two clocks that were read together."""
        return cls(anchor.boot_ns, anchor.wall_ns)

    def date(self, time_ns: int) -> datetime.datetime | None:
        """The date in UTC, to the microsecond; None when it is beyond what a date can be."""
        try:
            epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
            return epoch + datetime.timedelta(microseconds=(self.wall_ns + time_ns - self.boot_ns) // 1000)
        except OverflowError:
            return None


@dataclasses.dataclass(frozen=True)
class Probe:
    """What one probe gives for one family of events; `state` is attached, partial, unsupported, denied or absent."""

    probe: str
    family: str
    state: str
    reason: str

    @classmethod
    def of(cls, message: session_pb2.ProbeStatus) -> Probe:
        """From the message."""
        return cls(
            name_of(event_pb2.ProbeId, message.probe, "PROBE_ID_"),
            name_of(event_pb2.Family, message.family, "FAMILY_"),
            name_of(session_pb2.ProbeState, message.state, "PROBE_STATE_"),
            message.reason,
        )


@dataclasses.dataclass(frozen=True)
class Device:
    """The device, and what can be seen on it."""

    name: str
    kernel: str
    architecture: str
    boot_id: str
    daemon_version: str
    probes: tuple[Probe, ...]
    message: service.GetDeviceResponse = dataclasses.field(repr=False)

    @classmethod
    def of(cls, message: service.GetDeviceResponse) -> Device:
        """From the message."""
        device = message.device
        return cls(
            device.name,
            device.kernel_release,
            device.architecture,
            device.boot_id,
            device.daemon_version,
            tuple(Probe.of(probe) for probe in message.probes),
            message,
        )


@dataclasses.dataclass(frozen=True)
class App:
    """A package of the device."""

    package: str
    user_id: int
    data_directory: str
    version_code: int | None

    @classmethod
    def of(cls, message: session_pb2.PackageEntry) -> App:
        """From the message."""
        version = message.version_code if message.HasField("version_code") else None
        return cls(message.package, message.user_id, message.data_directory, version)


@dataclasses.dataclass(frozen=True)
class Event:
    """One act of a traced process."""

    message: event_pb2.Event = dataclasses.field(repr=False)
    clock: Clock = dataclasses.field(repr=False)

    @property
    def sequence(self) -> int:
        """Position in the session, from 1."""
        return self.message.sequence

    @property
    def time_ns(self) -> int:
        """When, in nanoseconds of boot time."""
        return self.message.time_ns

    @property
    def date(self) -> datetime.datetime | None:
        """When, in UTC."""
        return self.clock.date(self.time_ns)

    @property
    def kind(self) -> str:
        """What was done, such as "file_open"; empty for a kind that this client does not know yet."""
        return self.message.WhichOneof("body") or ""

    @property
    def family(self) -> str:
        """The family of the kind, such as "file"."""
        return _FAMILY_OF_KIND.get(self.kind, "unknown")

    @property
    def body(self) -> Any:
        """The fields of the kind: `event.body.path` for a file_open. None for a kind that this client does not know yet."""
        return getattr(self.message, self.kind) if self.kind else None

    @property
    def phase(self) -> str:
        """The phase that was marked at that moment."""
        return self.message.phase

    @property
    def package(self) -> str:
        """The app it is attributed to; empty when none is known, or more than one could be meant."""
        return self.message.app.package

    @property
    def pid(self) -> int:
        """The process that acted."""
        return self.message.process.key.pid

    @property
    def program(self) -> str:
        """The program it ran; the name of the thread when the program is not known."""
        return self.message.process.executable or self.message.process.name

    @property
    def user_id(self) -> int:
        """Its user id."""
        return self.message.user_id

    @property
    def outcome(self) -> str:
        """How it ended: ok, in_progress, denied or failed; unspecified when not known. A denied act collects nothing."""
        return name_of(event_pb2.OutcomeKind, self.message.outcome.kind, "OUTCOME_KIND_")

    @property
    def hints(self) -> tuple[str, ...]:
        """Why a field may be wrong; empty when all were read from the kernel's own objects."""
        return tuple(name_of(event_pb2.FidelityReason, hint, "FIDELITY_REASON_") for hint in self.message.hints)

    def __str__(self) -> str:
        fields = " ".join(str(self.body).split()) if self.body is not None else "unknown kind"
        return f"#{self.sequence} {self.kind} [{self.outcome}] {self.program}({self.pid}): {fields}"


@dataclasses.dataclass(frozen=True)
class Gap:
    """Events are missing here."""

    stage: str
    reason: str
    count: int
    """How many; 0 when the number is not known."""
    families: tuple[str, ...]
    """The families they can belong to; empty means any."""
    first_sequence: int | None
    last_sequence: int | None
    from_ns: int
    to_ns: int

    @classmethod
    def of(cls, message: session_pb2.Gap) -> Gap:
        """From the message."""
        return cls(
            name_of(session_pb2.Stage, message.stage, "STAGE_"),
            message.reason,
            message.count,
            tuple(name_of(event_pb2.Family, family, "FAMILY_") for family in message.families),
            message.first_sequence if message.HasField("first_sequence") else None,
            message.last_sequence if message.HasField("last_sequence") else None,
            message.from_ns,
            message.to_ns,
        )

    def __str__(self) -> str:
        count = f"{self.count} events" if self.count else "an unknown number of events"
        families = f" of {', '.join(self.families)}" if self.families else ""
        return f"{count}{families} lost at stage {self.stage}: {self.reason}"


@dataclasses.dataclass(frozen=True)
class StageTotals:
    """The account of one stage: produced = delivered + filtered + everything dropped."""

    produced: int
    delivered: int
    filtered: int
    dropped: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Totals:
    """The account of a session so far."""

    time_ns: int
    events: int
    stages: dict[str, StageTotals]
    message: session_pb2.Totals = dataclasses.field(repr=False)

    @classmethod
    def of(cls, message: session_pb2.Totals) -> Totals:
        """From the message."""
        stages = {
            name_of(session_pb2.Stage, stage.stage, "STAGE_"): StageTotals(
                stage.produced, stage.delivered, stage.filtered, dict(stage.dropped)
            )
            for stage in message.stages
        }
        return cls(message.time_ns, message.events, stages, message)

    @property
    def lost(self) -> int:
        """Lost at any stage. Unless it is 0, what was seen is not all that happened."""
        return sum(sum(stage.dropped.values()) for stage in self.stages.values())


@dataclasses.dataclass(frozen=True)
class Header:
    """The first entry of a stream: what the session is, and what can be seen of it."""

    message: session_pb2.SessionHeader


@dataclasses.dataclass(frozen=True)
class End:
    """The last entry of a stream."""

    reason: str
    totals: Totals
    probes: tuple[Probe, ...]

    @classmethod
    def of(cls, message: session_pb2.SessionEnd) -> End:
        """From the message."""
        return cls(
            name_of(session_pb2.SessionEndReason, message.reason, "SESSION_END_REASON_"),
            Totals.of(message.totals),
            tuple(Probe.of(probe) for probe in message.probes),
        )


@dataclasses.dataclass(frozen=True)
class Other:
    """An entry that this version has no class for. It may come again after a reconnection."""

    kind: str
    """The name of its field in StreamEntry; empty when the daemon is newer than the messages of this package."""
    message: Any = dataclasses.field(repr=False)


Entry = Header | Event | Gap | Totals | End | Other
"""What a stream consists of."""


@dataclasses.dataclass(frozen=True)
class SessionInfo:
    """One session in the daemon's list."""

    session_id: str
    label: str
    phase: str
    events: int
    lost: int
    end: End | None
    """How it ended; None while it runs."""
    message: service.SessionSummary = dataclasses.field(repr=False)

    @classmethod
    def of(cls, message: service.SessionSummary) -> SessionInfo:
        """From the message."""
        end = End.of(message.end) if message.HasField("end") else None
        return cls(message.session_id, message.label, message.phase, message.events, message.dropped, end, message)


@dataclasses.dataclass(frozen=True)
class Filter:
    """Which events somebody wants. What is left empty fits everything; phase marks always fit.

    `kinds` are names such as "file_open"; in `paths` and `names` "*" stands for any characters and "?" for one.
    """

    families: Sequence[str] = ()
    kinds: Sequence[str] = ()
    user_ids: Sequence[int] = ()
    packages: Sequence[str] = ()
    phases: Sequence[str] = ()
    outcomes: Sequence[str] = ()
    paths: Sequence[str] = ()
    names: Sequence[str] = ()

    def to_message(self) -> filter_pb2.EventFilter:
        """The message. Raises ValueError for a family or an outcome that there is not."""
        return filter_pb2.EventFilter(
            families=[value_of(event_pb2.Family, name, "FAMILY_") for name in _list(self.families, "families")],
            kinds=_list(self.kinds, "kinds"),
            user_ids=self.user_ids,
            packages=_list(self.packages, "packages"),
            phases=_list(self.phases, "phases"),
            outcomes=[value_of(event_pb2.OutcomeKind, name, "OUTCOME_KIND_") for name in _list(self.outcomes, "outcomes")],
            path_patterns=_list(self.paths, "paths"),
            name_patterns=_list(self.names, "names"),
        )


def _list(value: Iterable[str], name: str) -> list[str]:
    if isinstance(value, str):
        # Else each of its letters would be taken for one.
        raise ValueError(f"{name} is a list: write [{value!r}]")
    return list(value)


@dataclasses.dataclass(frozen=True)
class SummaryRow:
    """One row of a summary."""

    values: dict[str, str]
    """The value of each dimension that was asked for."""
    events: int
    bytes_sent: int
    bytes_received: int
    bytes_read: int
    bytes_written: int
    first_ns: int
    last_ns: int


@dataclasses.dataclass(frozen=True)
class Summary:
    """Counts, the most frequent first."""

    rows: tuple[SummaryRow, ...]
    rows_left_out: int
    """Rows beyond the most that the daemon sends."""
    not_counted: int
    """Events that the daemon no longer holds, and so did not count."""

    @classmethod
    def of(cls, dimensions: Sequence[str], message: service.SummarizeResponse) -> Summary:
        """From the message."""
        rows = tuple(
            SummaryRow(
                dict(zip(dimensions, row.values, strict=True)),
                row.events,
                row.bytes_sent,
                row.bytes_received,
                row.bytes_read,
                row.bytes_written,
                row.first_ns,
                row.last_ns,
            )
            for row in message.rows
        )
        return cls(rows, message.rows_left_out, no_longer_held(message.first_held_sequence, message.last_sequence))


def no_longer_held(first_held: int, last: int) -> int:
    """How many of a session's events the daemon cannot give any more."""
    return first_held - 1 if first_held else last
