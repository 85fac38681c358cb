"""Single look-ups on a connection that is kept.

A scan asks the disk about the shop's own goods twice or three times. To take a connection out of
the pool for it and put it back costs several times what SQLite takes to answer.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, Engine

from terminal.store.faults import disk_faults
from terminal.store.texts import Text

KEPT_MOST: Final = 1
"""One till has one cashier; who asks at the same moment gets a connection of the pool."""


class LookUps:
    """Any thread may ask at any time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept = deque[Connection]()

    def rows(self, text: Text, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """All rows of one statement, as they are at this moment. No transaction is opened.

        Raises:
            StoreFaultError: the disk did not answer; the next one asks on another connection.
        """
        with disk_faults():
            try:
                connection = self._kept.pop()
            except IndexError:
                connection = self._engine.connect()
            try:
                found = text.run(connection, values).fetchall()
            except BaseException:
                connection.close()
                raise
            if len(self._kept) < KEPT_MOST:
                self._kept.append(connection)
            else:
                connection.close()
            return found

    def close(self) -> None:
        while self._kept:
            self._kept.pop().close()
