"""Why a terminal sells nothing until somebody has looked, as it is kept over a restart."""

from enum import StrEnum
from typing import Final

from msgspec import Struct


class StopCause(StrEnum):
    """What was found. Each has its words for the cashier and the technician."""

    STORAGE_DAMAGED = "storage_damaged"
    """The file cannot be opened or read as a whole."""
    DISK_FULL = "disk_full"
    """There is no room, so that the file cannot even be opened. Nothing is damaged by it."""
    CHAIN_BROKEN = "chain_broken"
    """A record is missing, was altered, or does not follow the one before it."""
    FORKED = "forked"
    """The server has another record in the same place, or more of them: the storage was
    rolled back to an older image, or copied."""
    COPY_DIFFERS = "copy_differs"
    """The second medium holds what this journal does not."""


FOUND_ANEW: Final = frozenset({StopCause.STORAGE_DAMAGED, StopCause.DISK_FULL})
"""What every start finds by itself while it lasts: no note is kept of it."""


class Stop(Struct, frozen=True):
    """``detail`` is for the technician: a place in the chain, a message of the system."""

    cause: StopCause
    detail: str
