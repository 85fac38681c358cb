"""The database as the server's rooms see it: one metadata, one way to open it, one way to write."""

from server.db.engine import (
    EngineRefused,
    NoRoom,
    TryAgain,
    create_all,
    open_engine,
    reading,
    run_writing,
    writing,
)
from server.db.metadata import POOL_ID_MAX, UtcDateTime, metadata
from server.db.violation import Violation

__all__ = [
    "POOL_ID_MAX",
    "EngineRefused",
    "NoRoom",
    "TryAgain",
    "UtcDateTime",
    "Violation",
    "create_all",
    "metadata",
    "open_engine",
    "reading",
    "run_writing",
    "writing",
]
