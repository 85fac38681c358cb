"""Slowing down whoever guesses passwords: five tries, then a wait that doubles."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

FREE_TRIES = 5
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
NAMES_MAX = 10_000


@dataclass(slots=True)
class _Tries:
    failed: int
    blocked_until: datetime | None


class Throttle:
    """Counts failed sign-ins by the name that was typed, known or not, so that the answer
    tells nobody which names exist.

    Kept in memory: a restart forgets it, and each process counts for itself. At most
    10,000 names; the one that was tried longest ago is forgotten first.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def wait_s(self, name: str, now: datetime) -> int:
        """Whole seconds until this name may be tried again; 0 for at once."""
        with self._lock:
            tries = self._tries.get(name)
            if tries is None or tries.blocked_until is None or tries.blocked_until <= now:
                return 0
            return -int((now - tries.blocked_until) // timedelta(seconds=1))

    def try_now(self, name: str, now: datetime) -> int:
        """As :meth:`wait_s`; where it is 0 a try begins, which counts as failed until
        :meth:`succeeded` says otherwise: of a hundred tries at once five are free, not a hundred.
        """
        with self._lock:
            wait_s = self.wait_s(name, now)
            if not wait_s:
                self._failed(name, now)
            return wait_s

    def _failed(self, name: str, now: datetime) -> None:
        """From the fifth on, each doubles the wait: 30 s, 1 min, ... 1 h."""
        with self._lock:
            tries = self._tries.setdefault(name, _Tries(0, None))
            self._tries.move_to_end(name)
            tries.failed += 1
            beyond = tries.failed - FREE_TRIES
            if beyond >= 0:
                # 2**20 waits are far above the longest; the bound keeps the power small.
                wait = min(FIRST_WAIT * 2 ** min(beyond, 20), LONGEST_WAIT)
                tries.blocked_until = now + wait
            while len(self._tries) > NAMES_MAX:
                self._tries.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """The right password came: the name starts afresh."""
        with self._lock:
            self._tries.pop(name, None)
