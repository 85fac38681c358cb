"""After a failure, stop asking for a while: a dead server costs the queue one time-out."""

import threading
from collections.abc import Callable


class Breaker:
    """Closed: ask. Open: do not. After ``open_s`` seconds one caller may try.

    Args:
        monotonic_s: seconds that only grow.
    """

    def __init__(self, open_s: float, monotonic_s: Callable[[], float]) -> None:
        self._open_s = open_s
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._opened_at_s: float | None = None

    def may_ask(self) -> bool:
        """Whether to ask now. While open, one caller each ``open_s`` gets a yes."""
        with self._lock:
            if self._opened_at_s is None:
                return True
            now_s = self._monotonic_s()
            if now_s - self._opened_at_s < self._open_s:
                return False
            self._opened_at_s = now_s
            return True

    def note(self, *, answered: bool) -> None:
        """Say how asking went, whoever asked."""
        with self._lock:
            self._opened_at_s = None if answered else self._monotonic_s()
