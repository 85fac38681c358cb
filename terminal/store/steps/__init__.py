"""How the terminal's SQLite file came to its present tables: one file a step, never edited.

A new file takes every step, so that an upgraded file and a new one are the same; a file of an
earlier version takes those that it lacks, in one transaction with its version: the power may
go at any moment. A step says in SQL of its own what it changes, not by ``tables.py``, which
is what there is after the last one. New steps go to the end of :data:`STEPS`.
"""

from collections.abc import Callable

from sqlalchemy import Connection

from terminal.store.steps import (
    s0001_first_sale,
    s0002_refunds,
    s0003_chain_marks,
    s0004_sales_by_record,
    s0005_shifts,
    s0006_people,
    s0007_counter_events,
    s0008_card_tries,
    s0009_parked_baskets,
    s0010_own_goods,
    s0011_directory,
)

STEPS: tuple[Callable[[Connection], None], ...] = (
    s0001_first_sale.take,
    s0002_refunds.take,
    s0003_chain_marks.take,
    s0004_sales_by_record.take,
    s0005_shifts.take,
    s0006_people.take,
    s0007_counter_events.take,
    s0008_card_tries.take,
    s0009_parked_baskets.take,
    s0010_own_goods.take,
    s0011_directory.take,
)

SCHEMA_VERSION = len(STEPS)
"""``PRAGMA user_version`` of a file that took all of them."""


def take_steps(connection: Connection, from_version: int) -> None:
    """Bring a file of ``from_version`` (0: empty) to the present; the caller commits."""
    for step in STEPS[from_version:]:
        step(connection)
    connection.exec_driver_sql(f"PRAGMA user_version={SCHEMA_VERSION}")
