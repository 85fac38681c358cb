"""What chance and time are in a simulation: one seed, one clock, nobody else's."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

from protocol.ids import uuid7

START: Final = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
"""09:00 in Shanghai."""


class WorldClock:
    """True time. It stands still until it is moved."""

    def __init__(self, at: datetime = START) -> None:
        self._at = at

    def __call__(self) -> datetime:
        return self._at

    def pass_s(self, seconds: float) -> None:
        """Let time go by."""
        self._at += timedelta(seconds=seconds)

    @property
    def since_start_s(self) -> float:
        """Seconds since the simulation began."""
        return (self._at - START).total_seconds()


class SeededIds:
    """UUIDs version 7 from the seed's randomness."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def new(self, at: datetime) -> UUID:
        """See :class:`terminal.domain.ports.Ids`."""
        return uuid7(at, self._chance.randbytes(10))
