"""The second medium's state, as the till and its page need it: a copy of each record on a stick."""

from enum import StrEnum
from typing import Protocol


class CopyState(StrEnum):
    """How the copies on the second medium are."""

    OFF = "off"
    """None is configured: the terminal relies on its own storage alone."""
    GOOD = "good"
    """Everything that is in the journal is on it."""
    BEHIND = "behind"
    """It works, and earlier records are still being copied."""
    MISSING = "missing"
    FULL = "full"
    READ_ONLY = "read_only"
    STUCK = "stuck"
    """It did not take a record in time: hanging, or too slow to sell with."""
    FOREIGN = "foreign"
    """It holds another terminal's records; nothing of ours is written on it."""
    DAMAGED = "damaged"
    """What it holds cannot be read, or it fails in a way of its own."""
    DIFFERS = "differs"
    """It holds other records than the journal in the same places: one of the two is wrong."""

    @property
    def is_failing(self) -> bool:
        """Whether what was just journalled may not be on it."""
        return self not in {CopyState.OFF, CopyState.GOOD}


class SecondCopy(Protocol):
    """The second medium, as the store tells it."""

    def copy(self) -> CopyState:
        """Have everything journalled so far copied; returns within a bounded time, always."""

    @property
    def state(self) -> CopyState:
        """How it was when last seen."""


class NoSecondCopy:
    """A terminal without a second medium."""

    def copy(self) -> CopyState:
        return CopyState.OFF

    @property
    def state(self) -> CopyState:
        return CopyState.OFF
