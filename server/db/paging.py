"""Reading a table of any size in bounded memory: in pages of its key, or as a stream."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, select

PAGE_ROWS = 1_000

Tick = Callable[[int], None]
"""Told by a long piece of work how many more rows it has looked at."""


def untold(_rows: int) -> None:
    """A :data:`Tick` for whoever does not ask how far the work is."""


@dataclass(frozen=True, slots=True)
class KeyPage:
    """A stretch of keys, both ends inside; ``rows`` is how many there are."""

    column: Column[Any]
    first: Any
    last: Any
    rows: int

    def within(self, column: ColumnElement[Any] | None = None) -> ColumnElement[bool]:
        """That the key (or another column that holds the same keys) is in this stretch."""
        return (self.column if column is None else column).between(self.first, self.last)


def key_pages(
    tx: Connection,
    column: Column[Any],
    pool: str,
    *which: ColumnElement[bool],
    rows: int = PAGE_ROWS,
) -> Iterator[KeyPage]:
    """The pool's rows in stretches of ``column``, which follows ``pool`` in a key or an index.

    Each page is found from the end of the one before, so the last one is as quick as the first.
    The order is the database's own; what is compared with it must be asked of the same database.
    """
    wanted = select(column).where(column.table.c.pool == pool, *which).order_by(column).limit(rows)
    keys = tx.execute(wanted).scalars().all()
    while keys:
        yield KeyPage(column, keys[0], keys[-1], len(keys))
        keys = tx.execute(wanted.where(column > keys[-1])).scalars().all()


def streamed(tx: Connection, statement: Select[Any]) -> Iterator[Row[Any]]:
    """The rows one by one, never all of them in memory: PostgreSQL keeps a cursor for them."""
    with tx.execute(statement, execution_options={"yield_per": PAGE_ROWS}) as rows:
        yield from rows
