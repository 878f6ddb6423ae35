"""What both clients, the waiting one and the one for asyncio, do alike: requests, and the place in a stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from .errors import EventsMissing
from .model import Clock, End, Entry, Event, Filter, Gap, Header, Other, Totals, no_longer_held, value_of
from .v1 import candor_service_pb2 as service
from .v1 import filter_pb2, session_pb2

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before a lost stream is tried again: each pause is twice the one before."""

LARGEST_PAGE = 1000


@dataclasses.dataclass(frozen=True)
class Wish:
    """What to trace, and how."""

    uids: Sequence[int] = ()
    pids: Sequence[int] = ()
    packages: Sequence[str] = ()
    label: str = ""
    phase: str = ""
    duration: float | None = None
    max_events: int = 0
    unread_limit: float | None = None
    await_packages: bool = False

    def to_message(self) -> service.StartSessionRequest:
        """The request."""
        if isinstance(self.packages, str):
            raise ValueError(f"packages is a list: write [{self.packages!r}]")
        limits = session_pb2_limits(self.duration, self.max_events, self.unread_limit)
        selection = session_pb2.Selection(user_ids=self.uids, process_trees=self.pids, packages=self.packages)
        return service.StartSessionRequest(
            selection=selection,
            label=self.label,
            initial_phase=self.phase,
            limits=limits,
            await_packages=self.await_packages,
        )


def session_pb2_limits(duration: float | None, events: int, unread: float | None) -> service.SessionLimits | None:
    """Limits, when there are any. Raises ValueError for a time that is not above zero: to the daemon 0 is no limit."""
    for name, value in (("duration", duration), ("unread_limit", unread)):
        if value is not None and value < 0.001:
            raise ValueError(f"{name} is in seconds and must be at least 0.001; leave it out for no limit")
    if duration is None and unread is None and not events:
        return None
    milliseconds = [0 if value is None else round(value * 1000) for value in (duration, unread)]
    return service.SessionLimits(duration_ms=milliseconds[0], events=events, unread_ms=milliseconds[1])


def filter_message(wanted: Filter | None) -> filter_pb2.EventFilter | None:
    """The filter as the daemon takes it."""
    return wanted.to_message() if wanted is not None else None


def query(
    session_id: str, wanted: Filter | None, newest_first: bool, from_ns: int, to_ns: int, limit: int | None
) -> service.QueryEventsRequest:
    """The request of the first page."""
    order = filter_pb2.ORDER_NEWEST_FIRST if newest_first else filter_pb2.ORDER_OLDEST_FIRST
    return service.QueryEventsRequest(
        session_id=session_id,
        filter=filter_message(wanted),
        from_ns=from_ns,
        to_ns=to_ns,
        order=order,
        page_size=LARGEST_PAGE if limit is None else min(limit, LARGEST_PAGE),
    )


def check_page(page: service.QueryEventsResponse, allow_missing: bool) -> None:
    """Raises EventsMissing when the daemon no longer holds the beginning, unless that is allowed."""
    missing = no_longer_held(page.first_held_sequence, page.last_sequence)
    if missing and not allow_missing:
        raise EventsMissing(
            f"the daemon no longer holds the first {missing} of {page.last_sequence} events, so an answer would not be the "
            "whole one; record with `candor record`, or say allow_missing=True"
        )


def summarize(
    session_id: str, dimensions: Sequence[str], wanted: Filter | None, from_ns: int, to_ns: int
) -> service.SummarizeRequest:
    """The request."""
    return service.SummarizeRequest(
        session_id=session_id,
        filter=filter_message(wanted),
        dimensions=[value_of(filter_pb2.Dimension, name, "DIMENSION_") for name in dimensions],
        from_ns=from_ns,
        to_ns=to_ns,
    )


@dataclasses.dataclass
class Place:
    """How far a stream has come, over all its connections."""

    clock: Clock
    from_sequence: int = 0
    header_seen: bool = False
    last_sequence: int = 0
    gaps: list[Gap] = dataclasses.field(default_factory=list)
    """Since the last event: after a reconnection they come again."""
    totals: Totals | None = None
    end: End | None = None

    def request(self, session_id: str, wanted: Filter | None) -> service.StreamEventsRequest:
        """What to ask for to go on where it broke off."""
        start = max(self.from_sequence, self.last_sequence + 1)
        return service.StreamEventsRequest(session_id=session_id, from_sequence=start, filter=filter_message(wanted))

    def fresh(self, batch: service.StreamEventsResponse) -> Iterator[Entry]:
        """The entries that were not delivered before."""
        for message in batch.entries:
            kind = message.WhichOneof("entry")
            if kind == "header" and not self.header_seen:
                self.header_seen = True
                yield Header(message.header)
            elif kind == "event" and message.event.sequence > self.last_sequence:
                self.last_sequence = message.event.sequence
                self.gaps.clear()
                yield Event(message.event, self.clock)
            elif kind == "gap":
                gap = Gap.of(message.gap)
                if gap not in self.gaps:
                    self.gaps.append(gap)
                    self.last_sequence = max(self.last_sequence, gap.last_sequence or 0)
                    yield gap
            elif kind == "totals":
                self.totals = Totals.of(message.totals)
                yield self.totals
            elif kind == "end":
                self.end = End.of(message.end)
                self.totals = self.end.totals
                yield self.end
            elif kind not in ("header", "event", "gap"):
                # Not left out: whoever reads everything is to know that there was something.
                yield Other(kind or "", getattr(message, kind) if kind else message)


def only_event(entry: Entry) -> Event | None:
    """The entry, if it is an event. Raises EventsMissing for a gap."""
    if isinstance(entry, Gap):
        raise EventsMissing(
            f"{entry}; use entries() instead of events() to go on behind a gap", entry
        )
    return entry if isinstance(entry, Event) else None


def lost_at_end(end: End | None) -> None:
    """Raises EventsMissing when the final account of a stream has losses that no gap told of."""
    if end is not None and end.totals.lost:
        raise EventsMissing(f"{end.totals.lost} events of this session were lost", end.totals)


def first(pages: Iterable[Event], limit: int | None) -> Iterator[Event]:
    """At most `limit` events."""
    for index, event in enumerate(pages):
        if limit is not None and index >= limit:
            return
        yield event
