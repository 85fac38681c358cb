"""Baskets that wait, on the terminal's disk."""

import logging
from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from terminal.domain.parked import KeptBasket, ParkedBasket
from terminal.store.reads import Reads
from terminal.store.tables import parked_basket as table

LOG = logging.getLogger(__name__)


def save_parked(connection: Connection, parked: ParkedBasket) -> None:
    values = {
        "number": parked.number,
        "parked_at": parked.parked_at.isoformat(timespec="microseconds"),
        "parked_by": parked.parked_by,
        "is_up": 0,
        "body": msgspec.json.encode(parked.kept),
    }
    inserted = upsert(table).values(**values)
    connection.execute(inserted.on_conflict_do_update(index_elements=[table.c.number], set_=values))


def turn_parked(connection: Connection, number: int | None, *, is_up: bool) -> None:
    """One lies on the desk or waits again; ``number`` None: all of them."""
    statement = update(table).values(is_up=int(is_up))
    if number is not None:
        statement = statement.where(table.c.number == number)
    connection.execute(statement)


def remove_parked(connection: Connection, number: int) -> None:
    connection.execute(delete(table).where(table.c.number == number))


class ParkedReads(Reads):
    """What the store knows of baskets that wait; mixed into the store."""

    def parked(self) -> Sequence[ParkedBasket]:
        with self.reading() as connection:
            rows = connection.execute(
                select(table).where(table.c.is_up == 0).order_by(table.c.parked_at, table.c.number)
            ).all()
        found = []
        for row in rows:
            try:
                kept = msgspec.json.decode(row.body, type=KeptBasket)
            except msgspec.DecodeError:  # one that nobody can read must not stop the till
                LOG.exception("parked basket %d cannot be read", row.number)
                continue
            at = datetime.fromisoformat(row.parked_at)
            found.append(ParkedBasket(row.number, at, row.parked_by, kept))
        return found

    def parked_numbers(self) -> frozenset[int]:
        with self.reading() as connection:
            return frozenset(connection.execute(select(table.c.number)).scalars())
