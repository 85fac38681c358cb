"""I10: the fact log, replayed into an empty database, gives the same books."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    String,
    Table,
    func,
    select,
)

from server.db import create_all, metadata, open_engine, reading, writing
from server.db.paging import PAGE_ROWS, Tick, untold
from server.db.violation import Violation
from server.facts import FactDesk, FactFault, ReplayDiverged, Replayed, check_facts, replay
from server.settlement.day_sums import sum_all, summed_upto

LEFT_OUT = {
    "fact": "what is replayed",
    "fact_head": "checked with the facts themselves",
    "ledger_head": "checked with I2",
    "rollup": "worked out from the transfers, checked with I2",
    "day_sum_head": "how far entries are summed, which is nobody's fact",
    "published_document": "an announcement, made when terminals ask",
    "directory_entry": "what was announced of the residents, made when terminals ask",
    "directory_version": "the numbers of those announcements",
    "used_nonce": "the memory of one server, a few minutes long",
    "sign_in_try": "who guesses passwords just now, a day long",
}
"""Tables that a replay does not make again, and why. Every other table is compared."""

_TOLD_A_TABLE = 20


def compared_tables() -> tuple[Table, ...]:
    """Everything that the books are made of, tables before those that refer to them."""
    return tuple(table for table in metadata.sorted_tables if table.name not in LEFT_OUT)


def check_replay(
    tx: Connection, pool: str, make_desk: Callable[[], FactDesk], tick: Tick = untold
) -> Iterator[Violation]:
    """I10: the log has no gap, and its replay makes the same rows in every table of the books."""
    yield from check_facts(tx, pool)
    with tempfile.TemporaryDirectory(prefix="huidian-audit-") as folder:
        target = open_engine(f"sqlite:///{Path(folder) / 'replayed.sqlite3'}")
        try:
            create_all(target, metadata)
            yield from replay_and_compare(tx, pool, target, make_desk(), tick)
        finally:
            target.dispose()


def replay_and_compare(
    tx: Connection, pool: str, target: Engine, desk: FactDesk, tick: Tick = untold
) -> Iterator[Violation]:
    """Replays the facts that ``tx`` sees into ``target``, which has tables and no rows of the
    pool, and yields every row in which the books then differ. ``tick`` counts facts.
    """
    applied = 0

    def told(done: Replayed) -> None:
        nonlocal applied
        tick(done.facts - applied)
        applied = done.facts

    try:
        replay(tx, target, desk, pool, told)
    except (ReplayDiverged, FactFault) as fault:
        yield Violation("I10", f"pool {pool}, table fact", str(fault))
        return
    # Day sums depend on the entries alone, but here they may have been taken further by now.
    upto = summed_upto(tx, pool)
    with writing(target) as target_tx:
        sum_all(target_tx, pool, upto=upto)
    with reading(target) as replayed_tx:
        for table in compared_tables():
            yield from differences(tx, replayed_tx, pool, table)


def differences(
    here_tx: Connection, replayed_tx: Connection, pool: str, table: Table
) -> Iterator[Violation]:
    """Rows of a table that the replay made otherwise, or not, or made anew; at most 20 are told.

    Both sides are read in the order of the key, row beside row, so that a row too many is told
    as that one row.
    """
    names = [column.name for column in list(table.primary_key)[1:]]
    here_rows, replayed_rows = _rows(here_tx, table, pool), _rows(replayed_tx, table, pool)
    here, replayed = next(here_rows, None), next(replayed_rows, None)
    told = 0
    while (here is not None or replayed is not None) and told < _TOLD_A_TABLE:
        if replayed is None or (here is not None and _key(here, names) < _key(replayed, names)):
            assert here is not None
            yield _told(pool, table, names, here, "is not made by the replay")
            here, told = next(here_rows, None), told + 1
        elif here is None or _key(replayed, names) < _key(here, names):
            yield _told(pool, table, names, replayed, "is missing here")
            replayed, told = next(replayed_rows, None), told + 1
        else:
            if here != replayed:
                yield _told(pool, table, names, here, _differing(here, replayed))
                told += 1
            here, replayed = next(here_rows, None), next(replayed_rows, None)


def _key(row: RowMapping, names: list[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def _told(pool: str, table: Table, names: list[str], row: RowMapping, says: str) -> Violation:
    key = ", ".join(str(row[name]) for name in names)
    return Violation("I10", f"pool {pool}, table {table.name}, row {key}", says)


def _differing(here: RowMapping, replayed: RowMapping) -> str:
    return ", ".join(
        f"{name} is {value!s}, replayed {replayed[name]!s}"
        for name, value in here.items()
        if value != replayed[name]
    )


def _bytewise(tx: Connection, column: Column[Any]) -> ColumnElement[Any]:
    """The same order in both databases: PostgreSQL sorts text by its locale unless told."""
    if tx.dialect.name == "postgresql" and isinstance(column.type, String):
        return column.collate("C")
    return column


def _rows(tx: Connection, table: Table, pool: str) -> Iterator[RowMapping]:
    keys = [_bytewise(tx, column) for column in table.primary_key]
    ordered = select(table).where(table.c.pool == pool).order_by(*keys)
    with tx.execute(ordered, execution_options={"yield_per": PAGE_ROWS}) as rows:
        yield from rows.mappings()


def count_rows(tx: Connection, table: Table, pool: str) -> int:
    """How many rows of the pool a table has."""
    counted = select(func.count()).select_from(table).where(table.c.pool == pool)
    return int(tx.execute(counted).scalar_one())
