"""The network between the shops and the pool: it loses, repeats, delays and reorders."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3

from simulate.clockwork import WorldClock
from simulate.pool import PoolServer

LATEST_S: Final = 280.0
"""How late a request may still come: the server refuses one that is older than 300 s."""

TIMED_OUT_S: Final = 2.0
"""How long a shop waits for an answer."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How likely each mishap is, for each request."""

    request_lost: float
    request_late: float
    answer_lost: float
    repeated: float

    @classmethod
    def of(cls, chance: Random) -> "Weather":
        """Some run with a good network, some with one that hardly works."""
        worst = chance.choice((0.0, 0.1, 0.2, 0.4))
        return cls(*(chance.uniform(0, worst) for _ in range(4)))


@dataclass(frozen=True, slots=True)
class Late:
    """A request that is still under way."""

    due_s: float
    path: str
    body: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class NetworkCounts:
    """What the network did."""

    requests: int = 0
    lost: int = 0
    late: int = 0
    repeated: int = 0


class Network:
    """Everything that is sent goes through here.

    Attributes:
        cut_off: names of devices without a network.
        calm: nothing goes wrong any more.
    """

    def __init__(self, server: PoolServer, clock: WorldClock, chance: Random) -> None:
        self._server = server
        self._clock = clock
        self._chance = chance
        self._weather = Weather.of(chance)
        self._late: list[Late] = []
        self.cut_off: set[str] = set()
        self.calm = False
        self.counts = NetworkCounts()

    def send(
        self, device: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes] | None:
        """One request; None where no answer came back in time."""
        self.counts.requests += 1
        if self.calm:
            return self._server.post(path, body, headers)
        weather, chance = self._weather, self._chance
        if device in self.cut_off or chance.random() < weather.request_lost:
            self.counts.lost += 1
            return None
        if chance.random() < weather.request_late:
            self._send_later(path, body, headers)
            self._clock.pass_s(TIMED_OUT_S)
            return None
        if chance.random() < weather.repeated:
            self.counts.repeated += 1
            self._send_later(path, body, headers)
        answer = self._server.post(path, body, headers)
        if chance.random() < weather.answer_lost:
            self.counts.lost += 1
            self._clock.pass_s(TIMED_OUT_S)
            return None
        return answer

    def deliver_late(self, *, all_of_them: bool = False) -> None:
        """Let arrive what is due by now, the earliest first; nobody waits for the answers."""
        now_s = self._clock.since_start_s
        due = sorted((x for x in self._late if all_of_them or x.due_s <= now_s), key=_due)
        for each in due:
            self._late.remove(each)
            self._server.post(each.path, each.body, each.headers)

    def _send_later(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        self.counts.late += 1
        due_s = self._clock.since_start_s + self._chance.uniform(0.0, LATEST_S)
        self._late.append(Late(due_s, path, body, headers))


def _due(late: Late) -> float:
    return late.due_s


class Wire(urllib3.PoolManager):
    """One device's end of the network, where its program expects urllib3.

    ``meanwhile`` is called while an answer is waited for.
    """

    def __init__(self, device: str, network: Network, meanwhile: Callable[[str], bool]) -> None:
        super().__init__()
        self._device = device
        self._network = network
        self._meanwhile = meanwhile

    def request(  # type: ignore[override] # the one way in which the terminal calls it
        self,
        method: str,
        url: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        **_how: Any,
    ) -> urllib3.BaseHTTPResponse:
        """See :meth:`urllib3.PoolManager.request`."""
        path = urlsplit(url).path
        answer = self._network.send(self._device, path, body, dict(headers))
        if not self._meanwhile(path) or answer is None:
            raise urllib3.exceptions.ReadTimeoutError(
                urllib3.connectionpool.HTTPConnectionPool("127.0.0.1"), url, "no answer"
            )
        status, content = answer
        return urllib3.HTTPResponse(
            body=io.BytesIO(content), status=status, preload_content=False, request_method=method
        )
