"""Client of the Candor daemon.

    import candor_client

    with candor_client.connect() as client, client.start_session(uids=[10123]) as session:
        with session.phase("pre_consent"):
            start_the_app()
        for event in session.events(): ...

`candor_client.aio.connect` is the same for asyncio; `candor_client.v1` has the messages as the daemon speaks them; the
pytest fixture `candor_session` is in `candor_client.pytest_plugin`. The README has more.
"""

from .address import DEFAULT_ADDRESS, Address
from .client import Client, Session, Stream, connect
from .errors import (
    AddressError,
    CandorError,
    CredentialsError,
    EventsMissing,
    InvalidRequest,
    LimitReached,
    NotFound,
    NotPermitted,
    NotPossible,
    NotTrusted,
    TimedOut,
    Unavailable,
    Unsupported,
)
from .model import (
    App,
    Clock,
    Device,
    End,
    Entry,
    Event,
    Filter,
    Gap,
    Header,
    Other,
    Probe,
    SessionInfo,
    StageTotals,
    Summary,
    SummaryRow,
    Totals,
)

__all__ = [
    "DEFAULT_ADDRESS",
    "Address",
    "AddressError",
    "App",
    "CandorError",
    "Client",
    "Clock",
    "CredentialsError",
    "Device",
    "End",
    "Entry",
    "Event",
    "EventsMissing",
    "Filter",
    "Gap",
    "Header",
    "InvalidRequest",
    "LimitReached",
    "NotFound",
    "NotPermitted",
    "NotPossible",
    "NotTrusted",
    "Other",
    "Probe",
    "Session",
    "SessionInfo",
    "StageTotals",
    "Stream",
    "Summary",
    "SummaryRow",
    "TimedOut",
    "Totals",
    "Unavailable",
    "Unsupported",
    "connect",
]
