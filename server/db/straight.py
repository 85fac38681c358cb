"""On PostgreSQL: the statements of every redemption, handed straight to the database's driver.

SQLAlchemy makes a context, a result and a description of columns for each statement, and psycopg
looks for the parameters in its text; for the same few statements again and again that takes
longer than the driver's own work. Listeners see these statements like any other (the working set
is one of them), and a fault looks as it does there.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import RawCursor
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

Rows = Sequence[tuple[Any, ...]]

_PARAMETER = re.compile(r"%\((\w+)\)s")


def ask(tx: Connection, statement: str, given: Mapping[str, Any]) -> Rows:
    """The rows that a statement answers. `statement` names its parameters as psycopg does, and
    is one of few: each is prepared and stays.

    Raises:
        DBAPIError: as SQLAlchemy would; a connection that is gone is dropped as it would be.
    """
    rows: Rows = _run(tx, statement, given).fetchall()
    return rows


def do(tx: Connection, statement: str, given: Mapping[str, Any] | None = None) -> int:
    """As `ask`, for a statement that answers nothing but how many rows it touched."""
    return _run(tx, statement, given or {}).rowcount


def _run(tx: Connection, statement: str, given: Mapping[str, Any]) -> RawCursor[Any]:
    for listener in tx.dispatch.before_cursor_execute:
        listener(tx, None, statement, given, None, False)
    driver: psycopg.Connection[Any] | None = tx.connection.driver_connection
    assert driver is not None
    text, names = _numbered(statement)
    cursor = RawCursor(driver)
    try:
        cursor.execute(text, [given[name] for name in names], prepare=True)
    except psycopg.Error as fault:
        if tx.dialect.is_disconnect(fault, tx.connection.dbapi_connection, None):  # type: ignore[arg-type] # is never looked at
            # It finds out for itself, and drops this connection and all that are as old.
            tx.exec_driver_sql(statement, dict(given))
        raise DBAPIError.instance(
            statement, None, fault, psycopg.Error, hide_parameters=True, dialect=tx.dialect
        ) from fault
    return cursor


@lru_cache(maxsize=512)
def _numbered(statement: str) -> tuple[bytes, tuple[str, ...]]:
    """The statement with its parameters counted, as the server wants them, and their names."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    text = _PARAMETER.sub(number, statement)
    assert "%" not in text, "a sign that psycopg would have to be told twice"
    return text.encode(), tuple(names)
