"""Summing up merchants' entries ahead of settlement: roll-up by day, with each transfer's place.

Entries are numbered under the lock of the pool's row, which is kept until the commit. So the
last number that stands committed there is one below which everything is committed, and summing
goes as far as that: it neither waits for writers nor keeps them waiting. An entry is summed
once, whoever sums and when: the rows depend on the entries alone, and a replay makes the same.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, and_, func, select

from server.db import dialect, run_writing
from server.db.bulk import Row, insert_each
from server.db.dialect import plan_by_index
from server.ledger.tables import entry, ledger_head, transfer
from server.settlement.day_sums_entries import sums_of
from server.settlement.day_sums_tables import KEY, SUMMED, day_sum, day_sum_head, statement_line
from server.settlement.tables import settlement_run

ENTRIES_AT_ONCE = 40_000
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
    # Transfers are numbered as their entries are, so that theirs are one stretch of numbers.
    first_no, last_no = _first_transfer(tx, pool, after + 1), _first_transfer(tx, pool, last + 1)
    within = and_(within, transfer.c.transfer_no >= first_no)
    if last_no is not None:
        within = and_(within, transfer.c.transfer_no < last_no)
    summed = sums_of(within, after_fact=_opened_before(tx, pool, after, last))
    rows: list[dict[str, Any]] = [dict(row) for row in tx.execute(summed).mappings()]
    transfer_nos = {_key(row): row.pop("transfer_nos") for row in rows}
    placed = dialect.insert_or_change(
        tx, day_sum, rows, key=("pool", *KEY), changed=_added, told=("day_sum", *KEY)
    )
    lines: list[Row] = [
        {"pool": pool, "transfer_no": transfer_nos[_key(row)], "day_sum": row["day_sum"]}
        for row in placed
    ]
    insert_each(tx, statement_line, lines, listed="transfer_no")
    tx.execute(day_sum_head.update().where(day_sum_head.c.pool == pool).values(upto_entry=last))


def _opened_before(tx: Connection, pool: str, after: int, last: int) -> int | None:
    """The fact that opened the last run before all of these entries, 0 where there was none;
    None where one was opened between them.
    """
    # Beside min and max alone PostgreSQL would walk the facts from either end of the whole ledger
    # until it meets one of these entries, the longer the more there is; a count makes it read
    # the stretch of entries.
    numbers = select(func.count(), func.min(entry.c.fact_no), func.max(entry.c.fact_no))
    _, *facts = tx.execute(
        numbers.where(entry.c.pool == pool, entry.c.entry_no > after, entry.c.entry_no <= last)
    ).one()
    newest = select(func.max(settlement_run.c.fact_no)).where(settlement_run.c.pool == pool)
    before, by_the_last = (
        tx.execute(newest.where(settlement_run.c.fact_no < number)).scalar_one() or 0
        for number in facts
    )
    return before if before == by_the_last else None


def _first_transfer(tx: Connection, pool: str, entry_no: int) -> int | None:
    """The number of an entry's first transfer; None where there is no such entry."""
    first_no = select(func.min(transfer.c.transfer_no))
    own = first_no.where(transfer.c.pool == pool, transfer.c.entry_no == entry_no)
    number: int | None = tx.execute(own).scalar_one()
    return number


def _key(row: Mapping[str, Any] | RowMapping) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)


def _added(new: Any) -> dict[str, Any]:
    """What a day sum becomes with further entries."""
    odd_no = func.coalesce(day_sum.c.odd_no, new.odd_no)
    grown = ("entries", "money_points_fen", "lost", *SUMMED)
    return {"odd_no": odd_no} | {name: day_sum.c[name] + new[name] for name in grown}
