"""How many wrong codes strangers may bring: few from one address, and not many in all."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

PEER_TRIES = 20
PEER_REST = timedelta(seconds=10)
ALL_TRIES = 200
ALL_REST = timedelta(seconds=1)
PEERS_MAX = 10_000


@dataclass(slots=True)
class _Allowance:
    """So many tries at once, and one more for each ``rest``."""

    most: int
    rest: timedelta
    full_at: datetime | None = None
    """When all of its tries are there again; None: now."""

    def has_none(self, now: datetime) -> bool:
        return self.full_at is not None and self.full_at - now > self.rest * (self.most - 1)

    def spend(self, now: datetime) -> None:
        self.full_at = max(self.full_at or now, now) + self.rest


class WrongTries:
    """Counts wrong one-time codes by the address that they came from, and all together.

    Who has none left waits seconds, not for ever: behind one address there may be a street, and
    a stranger's tries must not shut the door on it. A front end on this machine hides who asks;
    for loopback addresses only the count of all holds. Kept in memory: a restart forgets it, and
    each process counts for itself; of several ``workers`` each allows its part, so that all of
    them together allow no more than one would. At most 10,000 addresses, the one longest idle
    goes first. Thread-safe.
    """

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        self._all = self._part(ALL_TRIES, ALL_REST)
        self._peers: OrderedDict[str, _Allowance] = OrderedDict()

    def must_wait(self, peer: str | None, now: datetime) -> bool:
        """Whether ``peer``, an address as the socket has it, may not try again yet."""
        with self._lock:
            own = self._peers.get(peer or "")
            return self._all.has_none(now) or (own is not None and own.has_none(now))

    def failed(self, peer: str | None, now: datetime) -> None:
        """A code that ``peer`` brought was wrong."""
        with self._lock:
            self._all.spend(now)
            if peer is None or _is_loopback(peer):
                return
            self._peers.setdefault(peer, self._part(PEER_TRIES, PEER_REST)).spend(now)
            self._peers.move_to_end(peer)
            while len(self._peers) > PEERS_MAX:
                self._peers.popitem(last=False)

    def _part(self, most: int, rest: timedelta) -> _Allowance:
        return _Allowance(max(1, most // self._workers), rest * self._workers)


def _is_loopback(peer: str) -> bool:
    try:
        return ip_address(peer).is_loopback
    except ValueError:
        return False
