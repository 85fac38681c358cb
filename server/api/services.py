"""What the API is given."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from server.directory.keys import PoolKeys
from server.facts import FactDesk


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
