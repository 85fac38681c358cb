"""What is kept, for how long, and how long the disk will take more.

A record stays at least 90 days, and as long as it is not told, whatever its age. What the next Z
report has to count stays longer, but not for ever. What goes goes
from the chain's beginning, so that the rest is still one chain: the mark of where it begins
holds the hash that its first record names.
"""

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, RowMapping, Table, and_, delete, func, or_, select

from terminal.store.chain_check import Mark, read_mark, set_mark
from terminal.store.sealer import ChainHead
from terminal.store.shifts import last_z_place
from terminal.store.sqlite import SqliteStore, chain_head, time_text
from terminal.store.tables import journal, outbox, print_job, refund, sale

KEPT: Final = timedelta(days=90)
KEPT_OPEN: Final = timedelta(days=400)
"""How long what no Z report counted yet stays: an owner who closes once a year is still right."""
PIECE_RECORDS: Final = 500
"""Deleted in one step: bounds how long a sale may wait for it."""

MEASURED_RECORDS: Final = 2_000
BYTES_A_RECORD_BYTE: Final = 4
"""What a record takes on the disk for each byte of its own: row, index, sale, print job, log."""

RESERVE_BYTES: Final = 64 * 1024 * 1024
"""Never counted on: the write-ahead log, the system's own logs."""

WARN_DAYS: Final = 120
"""Longer than the 90 days that a terminal may be away, so that somebody can still come."""


class DiskBudget(Struct, frozen=True):
    """``days_left``: how long the disk takes what this shop sells; None where it sold nothing."""

    free_bytes: int
    bytes_a_day: int
    days_left: int | None

    @property
    def is_short(self) -> bool:
        return self.free_bytes <= 0 or (self.days_left is not None and self.days_left < WARN_DAYS)


def prune(store: SqliteStore, now: datetime, limit: int = PIECE_RECORDS) -> int:
    """Delete the oldest records that were told and happened longer ago than :data:`KEPT`, with
    their sales and papers; those of the open shift, longer ago than :data:`KEPT_OPEN`. At most
    ``limit``; returns how many. The newest record stays, however old it is: the next one names
    its place and hash.
    """
    with store.writing() as connection:
        oldest, newest = _oldest(connection, limit), chain_head(connection)
        before, open_before = time_text(now - KEPT), time_text(now - KEPT_OPEN)
        counted = last_z_place(connection)
        gone: list[RowMapping] = []
        for row in oldest:
            if row["untold"] is not None or row["told_at"] is None or row["told_at"] >= before:
                break
            is_counted = (row["epoch"], row["seq"]) <= counted
            if row["occurred_at"] >= (before if is_counted else open_before):
                break
            if newest is None or row["hash"] == newest.hash_hex:
                break
            gone.append(row)
        if not gone:
            return 0
        last = ChainHead(gone[-1]["epoch"], gone[-1]["seq"], gone[-1]["hash"])
        _forget_sales(connection, last)
        connection.execute(delete(journal).where(_up_to(journal, last)))
        set_mark(connection, Mark.PRUNED, last)
        checked = read_mark(connection, Mark.CHECKED)
        if checked is None or (checked.epoch, checked.seq) < (last.epoch, last.seq):
            set_mark(connection, Mark.CHECKED, last)
    return len(gone)


def _oldest(connection: Connection, limit: int) -> Sequence[RowMapping]:
    same = and_(outbox.c.epoch == journal.c.epoch, outbox.c.seq == journal.c.seq)
    return (
        connection.execute(
            select(
                journal.c.epoch,
                journal.c.seq,
                journal.c.hash,
                journal.c.occurred_at,
                journal.c.told_at,
                outbox.c.seq.label("untold"),
            )
            .select_from(journal.outerjoin(outbox, same))
            .order_by(journal.c.epoch, journal.c.seq)
            .limit(limit)
        )
        .mappings()
        .all()
    )


def _up_to(table: Table, last: ChainHead) -> ColumnElement[bool]:
    return or_(
        table.c.epoch < last.epoch, and_(table.c.epoch == last.epoch, table.c.seq <= last.seq)
    )


def _forget_sales(connection: Connection, last: ChainHead) -> None:
    receipts = select(sale.c.receipt_no).where(_up_to(sale, last))
    given = select(refund.c.receipt_no).where(_up_to(refund, last))
    for numbers in (receipts, given):
        connection.execute(delete(print_job).where(print_job.c.receipt_no.in_(numbers)))
    connection.execute(delete(refund).where(_up_to(refund, last)))
    connection.execute(delete(sale).where(_up_to(sale, last)))


def disk_budget(
    store: SqliteStore, data_dir: Path, reserve_bytes: int = RESERVE_BYTES
) -> DiskBudget:
    """How long the disk will do, by what this terminal wrote lately."""
    free = shutil.disk_usage(data_dir).free - reserve_bytes
    newest = (
        select(journal.c.occurred_at, func.length(journal.c.body).label("size"))
        .order_by(journal.c.epoch.desc(), journal.c.seq.desc())
        .limit(MEASURED_RECORDS)
        .subquery()
    )
    with store.reading() as connection:
        row = connection.execute(
            select(
                func.min(newest.c.occurred_at),
                func.max(newest.c.occurred_at),
                func.sum(newest.c.size),
            )
        ).one()
    first, last, size = row
    if size is None:
        return DiskBudget(max(0, free), 0, None)
    span = datetime.fromisoformat(last) - datetime.fromisoformat(first)
    days = max(1.0, span / timedelta(days=1))
    a_day = int(size * BYTES_A_RECORD_BYTE / days)
    return DiskBudget(max(0, free), a_day, max(0, free) // max(1, a_day))
