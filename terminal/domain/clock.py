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

    A single witness may be wrong: a server whose clock was a year ahead for an hour signs
    documents of next year. Where the server and the machine agree again, they outvote it.

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
        self._differing: tuple[datetime, int] | None = None

    def not_before(self, at: datetime) -> None:
        """Something is known to have happened at ``at``; time cannot be earlier."""
        with self._lock:
            self._raise_floor(at)

    def note_server_time(self, server_time: datetime) -> None:
        """The server told its time just now."""
        with self._lock:
            wall, monotonic_ms = self._wall(), self._monotonic_ms()
            if abs(wall - server_time) > AGREES_WITHIN:
                self._differing, self._agreed_ms = (server_time, monotonic_ms), None
                return
            self._differing, self._agreed_ms = None, monotonic_ms
            if self._is_behind(wall):
                self._floor = None

    def request_time(self) -> datetime:
        """The time to sign a request with: one that the server will believe.

        Not :meth:`moment`, which a wrong document may hold in the future: with it a terminal
        could never again ask for the right one.
        """
        with self._lock:
            if self._differing is None:
                return self._wall()
            server_time, told_ms = self._differing
            return server_time + timedelta(milliseconds=self._monotonic_ms() - told_ms)

    def moment(self) -> Moment:
        """Both clocks, read together. ``at`` never falls behind what has happened."""
        with self._lock:
            wall, monotonic_ms = self._wall(), self._monotonic_ms()
            if self._is_behind(wall) or self._differing is not None:
                state = ClockState.UNKNOWN
            elif self._agreed_ms is not None and monotonic_ms - self._agreed_ms < GOOD_FOR_MS:
                state = ClockState.GOOD
            else:
                state = ClockState.HELD
            return Moment(at=self._raise_floor(wall), monotonic_ms=monotonic_ms, clock_state=state)

    def _raise_floor(self, at: datetime) -> datetime:
        self._floor = at if self._floor is None else max(self._floor, at)
        return self._floor

    def _is_behind(self, wall: datetime) -> bool:
        """Further than a clock may be that the server agrees with."""
        return self._floor is not None and self._floor - wall > AGREES_WITHIN
