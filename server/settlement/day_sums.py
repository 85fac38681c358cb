"""Summing up merchants' entries ahead of settlement: roll-up by day, with each transfer's place.

Entries are numbered under the lock of the pool's row, which is kept until the commit. So the
last number that stands committed there is one below which everything is committed, and summing
goes as far as that: it neither waits for writers nor keeps them waiting. An entry is summed
once, whoever sums and when: the rows depend on the entries alone, and a replay makes the same.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, insert, select

from server.db import dialect, run_writing
from server.db.dialect import plan_by_index
from server.ledger.tables import entry, ledger_head
from server.settlement.day_sums_entries import keys_of, legs_of, sums_of, with_sources
from server.settlement.day_sums_tables import KEY, SUMMED, day_sum, day_sum_head, statement_line

ENTRIES_AT_ONCE = 10_000
"""Entries in one transaction of :func:`sum_up`."""


def sum_up(engine: Engine, pool: str) -> int:
    """Takes every committed entry into day sums, in transactions of bounded size; answers how
    many. Safe at any time, also twice at once: who comes second waits for the first.
    """
    summed = 0
    while done := run_writing(engine, lambda tx: sum_some(tx, pool)):
        summed += done
    return summed


def sum_some(tx: Connection, pool: str, *, at_most: int = ENTRIES_AT_ONCE) -> int:
    """Takes the next committed entries into day sums; answers how many, 0 when none is left."""
    upto = _last_entry(tx, pool)
    after = _locked_head(tx, pool)
    last = min(upto, after + at_most)
    if last <= after:
        return 0
    _sum(tx, pool, after, last)
    return last - after


def sum_all(tx: Connection, pool: str, *, upto: int | None = None) -> None:
    """Takes every entry (up to a number) into day sums in this transaction.

    In the transaction of a fact, that is every fact before it.
    """
    last = _last_entry(tx, pool) if upto is None else upto
    after = _locked_head(tx, pool)
    while after < last:
        until = min(last, after + ENTRIES_AT_ONCE)
        _sum(tx, pool, after, until)
        after = until


def sum_before(tx: Connection, pool: str, fact_no: int) -> None:
    """Takes every entry of the facts before this one into day sums, if one is not summed yet."""
    upto = summed_upto(tx, pool)
    waits = select(entry.c.entry_no).where(
        entry.c.pool == pool, entry.c.entry_no == upto + 1, entry.c.fact_no < fact_no
    )
    if tx.execute(waits).first() is not None:
        sum_all(tx, pool)


def summed_upto(tx: Connection, pool: str) -> int:
    """The number of the last entry that is summed; 0 before the first."""
    found = select(day_sum_head.c.upto_entry).where(day_sum_head.c.pool == pool)
    return int(tx.execute(found).scalar_one_or_none() or 0)


def _last_entry(tx: Connection, pool: str) -> int:
    found = select(ledger_head.c.last_entry_no).where(ledger_head.c.pool == pool)
    return int(tx.execute(found).scalar_one_or_none() or 0)


def _locked_head(tx: Connection, pool: str) -> int:
    dialect.insert_or_ignore(tx, day_sum_head, {"pool": pool, "upto_entry": 0})
    own = select(day_sum_head.c.upto_entry).where(day_sum_head.c.pool == pool)
    return int(tx.execute(dialect.locked(own)).scalar_one())


def _sum(tx: Connection, pool: str, after: int, last: int) -> None:
    plan_by_index(tx)
    within = and_(entry.c.pool == pool, entry.c.entry_no > after, entry.c.entry_no <= last)
    _add_sums(tx, within)
    _add_lines(tx, within)
    tx.execute(day_sum_head.update().where(day_sum_head.c.pool == pool).values(upto_entry=last))


def _add_sums(tx: Connection, within: ColumnElement[bool]) -> None:
    grown = ("entries", "money_points_fen", "lost", *SUMMED)

    def added(new: Any) -> dict[str, Any]:
        odd_no = func.coalesce(day_sum.c.odd_no, new.odd_no)
        return {"odd_no": odd_no} | {name: day_sum.c[name] + new[name] for name in grown}

    dialect.insert_or_change(tx, day_sum, sums_of(within), key=("pool", *KEY), changed=added)


def _add_lines(tx: Connection, within: ColumnElement[bool]) -> None:
    legs = legs_of(within)
    agrees = [day_sum.c[name] == column for name, column in keys_of(legs).items()]
    placed = with_sources(legs).join(day_sum, and_(day_sum.c.pool == legs.c.pool, *agrees))
    rows = select(legs.c.pool, legs.c.transfer_no, day_sum.c.day_sum).select_from(placed)
    tx.execute(insert(statement_line).from_select(["pool", "transfer_no", "day_sum"], rows))
