"""What the API is given."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from server.db import TryAgain
from server.directory.keys import PoolKeys
from server.facts import FactDesk


class Turns:
    """Lets this process's writers into SQLite in the order in which they came.

    SQLite's own busy wait sleeps ever longer and passes a waiter over: with four tills
    asking at once one answer in a hundred took over a second, half of what a sale may wait.
    PostgreSQL queues its writers itself.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()

    @contextmanager
    def taken(self, engine: Engine, wait_s: float) -> Iterator[None]:
        """Hold the turn.

        Raises:
            TryAgain: it did not come within ``wait_s``.
        """
        if engine.dialect.name != "sqlite":
            yield
            return
        if not self._turn.acquire(timeout=wait_s):
            raise TryAgain(f"no turn to write for {wait_s} s")
        try:
            yield
        finally:
            self._turn.release()


@dataclass(frozen=True, slots=True)
class ApiServices:
    """One pool's API.

    Attributes:
        clock: the server's time, aware UTC.
        request_age_s: how far a terminal's clock may be off in a signed request.
    """

    engine: Engine
    pool: str
    desk: FactDesk
    keys: PoolKeys
    clock: Callable[[], datetime]
    request_age_s: int = 300
    turns: Turns = field(default_factory=Turns)
