"""The shop's clock: how far it is to be believed, and never behind the journal."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from protocol.journal import ClockState
from terminal.domain.ports import Moment

AGREES_WITHIN = timedelta(seconds=120)
GOOD_FOR_MS = 24 * 3600 * 1000


class ShopClock:
    """Judges the machine's clock by what is known: the journal, signed documents, the server.

    UNKNOWN: behind something that has already happened, or the server's time is another.
    GOOD: the server's time agreed within the last day. HELD: neither. Thread-safe.

    Args:
        wall: the machine's time, aware UTC.
        monotonic_ms: milliseconds since the machine started.
    """

    def __init__(self, wall: Callable[[], datetime], monotonic_ms: Callable[[], int]) -> None:
        self._wall = wall
        self._monotonic_ms = monotonic_ms
        self._lock = threading.Lock()
        self._floor: datetime | None = None
        self._agreed_ms: int | None = None
        self._disagrees = False

    def not_before(self, at: datetime) -> None:
        """Something is known to have happened at ``at``; time cannot be earlier."""
        with self._lock:
            self._floor = at if self._floor is None else max(self._floor, at)

    def note_server_time(self, server_time: datetime) -> None:
        """The server told its time just now."""
        with self._lock:
            self._disagrees = abs(self._wall() - server_time) > AGREES_WITHIN
            self._agreed_ms = None if self._disagrees else self._monotonic_ms()

    def moment(self) -> Moment:
        """Both clocks, read together. ``at`` never falls behind what has happened."""
        with self._lock:
            wall, monotonic_ms = self._wall(), self._monotonic_ms()
            behind = self._floor is not None and wall < self._floor
            at = self._floor if behind and self._floor is not None else wall
            if behind or self._disagrees:
                state = ClockState.UNKNOWN
            elif self._agreed_ms is not None and monotonic_ms - self._agreed_ms < GOOD_FOR_MS:
                state = ClockState.GOOD
            else:
                state = ClockState.HELD
            return Moment(at=at, monotonic_ms=monotonic_ms, clock_state=state)
