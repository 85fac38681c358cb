"""What the API is given."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from server.api.known_terminals import KnownTerminals
from server.api.writer import PoolWriter
from server.directory.keys import PoolKeys
from server.facts import FactDesk


@dataclass(frozen=True, slots=True)
class ApiServices:
    """One pool's API.

    Attributes:
        clock: the server's time, aware UTC.
        request_age_s: how far a terminal's clock may be off in a signed request.
        workers: processes that answer for the pool; what each allows strangers, and what it works
            ahead by itself, is its part of the whole.
        writer: where requests that need the books wait for their common commit.
        terminals: whose key a request must be signed with.
    """

    engine: Engine
    pool: str
    desk: FactDesk
    keys: PoolKeys
    clock: Callable[[], datetime]
    request_age_s: int = 300
    workers: int = 1
    writer: PoolWriter = field(init=False)
    terminals: KnownTerminals = field(init=False)

    def __post_init__(self) -> None:
        """Make what all threads share."""
        writer = PoolWriter(self.engine, self.pool, self.desk, request_age_s=self.request_age_s)
        object.__setattr__(self, "writer", writer)
        object.__setattr__(self, "terminals", KnownTerminals(self.engine, self.pool))
