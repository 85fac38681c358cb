"""Statements as SQLite takes them: text and order of values, made once when the program starts.

SQLAlchemy writes them; a sale then hands them to the driver as they are. What it would do anew
for each row costs more than SQLite takes to run it.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ClauseElement, Connection
from sqlalchemy.dialects import sqlite

_DIALECT = sqlite.dialect()


class Text:
    """One statement. ``columns`` are those that an INSERT gives values for, all where empty."""

    def __init__(self, statement: ClauseElement, columns: tuple[str, ...] = ()) -> None:
        compiled = statement.compile(dialect=_DIALECT, column_keys=columns or None)
        self._text = str(compiled)
        self._fixed = dict(compiled.params)
        order = getattr(compiled, "positiontup", None)
        assert order is not None, self._text
        self._order: tuple[str, ...] = tuple(order)

    def run(
        self, connection: Connection, values: Mapping[str, Any] | None = None
    ) -> sqlite3.Cursor:
        """Run it in the transaction that is open there.

        Raises:
            sqlite3.Error: whatever the driver says.
        """
        given = self._fixed if values is None else {**self._fixed, **values}
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        return driver.execute(self._text, [given[name] for name in self._order])
