"""I10: the fact log, replayed into an empty database, gives the same books."""

import tempfile
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Engine, String, Table, func, select

from server.awards import tables as awards
from server.db import create_all, metadata, open_engine, reading
from server.db.violation import Violation
from server.directory import tables as directory
from server.facts import FactDesk, FactFault, ReplayDiverged, check_facts, replay
from server.ledger.tables import account, entry, hold, transfer
from server.redemption.tables import (
    journal_record,
    refund,
    refund_line,
    sale,
    sale_line,
    stock_level,
    stock_movement,
)
from server.settlement.tables import (
    settlement_run,
    sponsor,
    statement,
    statement_line,
    statement_share,
    write_off,
    write_off_approval,
)

COMPARED = (
    directory.pool,
    directory.issuer_key,
    directory.place,
    directory.shop_kind,
    directory.award_rule,
    directory.item,
    directory.item_period,
    directory.item_retirement,
    directory.resident,
    directory.card,
    directory.bearer_card,
    directory.merchant,
    directory.shop,
    directory.contract,
    directory.terminal,
    directory.sign_in,
    account,
    entry,
    transfer,
    hold,
    awards.award,
    awards.award_rule_terms,
    awards.awarder,
    awards.partner,
    awards.award_origin,
    awards.paid_once,
    awards.award_claim,
    awards.award_review,
    awards.award_clawback,
    awards.opening_balance,
    sale,
    sale_line,
    refund,
    refund_line,
    journal_record,
    stock_level,
    stock_movement,
    settlement_run,
    statement,
    statement_share,
    statement_line,
    sponsor,
    write_off,
    write_off_approval,
)
"""Everything that the books are made of. What only serves the traffic (nonces, published
documents) is no fact and is not compared.
"""

_TOLD_A_TABLE = 20
_Row = dict[str, object]


def check_replay(
    tx: Connection, pool: str, make_desk: Callable[[], FactDesk]
) -> Iterator[Violation]:
    """I10: the log has no gap, and its replay makes the same rows in every table of the books."""
    yield from check_facts(tx, pool)
    with tempfile.TemporaryDirectory(prefix="huidian-audit-") as folder:
        target = open_engine(f"sqlite:///{Path(folder) / 'replayed.sqlite3'}")
        try:
            create_all(target, metadata)
            yield from _replay_and_compare(tx, pool, target, make_desk())
        finally:
            target.dispose()


def _replay_and_compare(
    tx: Connection, pool: str, target: Engine, desk: FactDesk
) -> Iterator[Violation]:
    try:
        replay(tx, target, desk, pool)
    except (ReplayDiverged, FactFault) as fault:
        yield Violation("I10", f"pool {pool}, table fact", str(fault))
        return
    with reading(target) as replayed_tx:
        for table in COMPARED:
            yield from differences(tx, replayed_tx, pool, table)


def differences(
    here_tx: Connection, replayed_tx: Connection, pool: str, table: Table
) -> Iterator[Violation]:
    """Rows of a table that the replay made otherwise; at most 20 are told."""
    told = 0
    for here, replayed in zip_longest(_rows(here_tx, table, pool), _rows(replayed_tx, table, pool)):
        if here == replayed:
            continue
        yield _told(pool, table, here, replayed)
        told += 1
        # One row more or less shifts every row behind it: the first ones say enough.
        if told == _TOLD_A_TABLE or here is None or replayed is None:
            return


def _told(pool: str, table: Table, here: _Row | None, replayed: _Row | None) -> Violation:
    row = here or replayed or {}
    key = ", ".join(str(row[column.name]) for column in list(table.primary_key)[1:])
    where = f"pool {pool}, table {table.name}, row {key}"
    if here is None or replayed is None:
        missing = "is missing here" if here is None else "is not made by the replay"
        return Violation("I10", where, missing)
    differing = ", ".join(
        f"{name} is {value!s}, replayed {replayed[name]!s}"
        for name, value in here.items()
        if value != replayed[name]
    )
    return Violation("I10", where, differing)


def _bytewise(tx: Connection, column: Column[Any]) -> ColumnElement[Any]:
    """The same order in both databases: PostgreSQL sorts text by its locale unless told."""
    if tx.dialect.name == "postgresql" and isinstance(column.type, String):
        return column.collate("C")
    return column


def _rows(tx: Connection, table: Table, pool: str) -> Iterator[_Row]:
    keys = [_bytewise(tx, column) for column in table.primary_key]
    ordered = select(table).where(table.c.pool == pool).order_by(*keys)
    for row in tx.execute(ordered).mappings():
        yield dict(row)


def count_rows(tx: Connection, table: Table, pool: str) -> int:
    """How many rows of the pool a table has."""
    counted = select(func.count()).select_from(table).where(table.c.pool == pool)
    return int(tx.execute(counted).scalar_one())
