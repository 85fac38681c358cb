"""What is known to be missing of a terminal's records, and what the server knows of it at all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, func, literal, select

from protocol.journal import GENESIS
from protocol.messages import Approved, AuthoriseAnswer
from protocol.reasons import Declined
from protocol.recovery import MAX_OPEN_ASKS, MAX_RANGES, EpochKnown, OpenAsk, SeqRange
from server.facts.tables import fact
from server.redemption.chain_tables import chain_gap, terminal_recovery
from server.redemption.states import SaleState
from server.redemption.tables import declared_takings, journal_record, refund, sale

LISTED_MAX = 200
NUMBERS_LOOKED_AT = 2_000
"""Numbers rise, but for what an old card sold before it heard of the higher ones."""

RECEIPT_DIGITS_MAX = 12

UNFINISHED: Final = "unfinished"
"""The source where records were handed over and nobody said that these were all."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """A dead terminal's records were handed over. ``missing``: what is still not here."""

    terminal: str
    by_terminal: str
    source: str
    records: int
    noted_at: datetime
    missing: tuple[SeqRange, ...]
    missing_records: int
    open_asks: int


def is_noted_gap(tx: Connection, pool: str, terminal: str, epoch: int, seq: int) -> bool:
    """Whether this place is known to be lost, so that a record found later may fill it."""
    gap = chain_gap.c
    found = select(gap.fact_no).where(
        gap.pool == pool,
        gap.terminal == terminal,
        gap.epoch == epoch,
        gap.first_seq <= seq,
        gap.last_seq >= seq,
    )
    return tx.execute(found).first() is not None


def first_missing(tx: Connection, pool: str, terminal: str, epoch: int) -> int:
    """The first place of an epoch that has no record here."""
    gaps = (each for each in _lost(tx, pool, terminal) if each.epoch == epoch)
    return min((each.first for each in gaps), default=1)


def missing_of(tx: Connection, pool: str, terminal: str) -> tuple[list[SeqRange], int]:
    """Ranges of records that are known to have been and are not here, oldest first, at most
    :data:`MAX_RANGES`; and how many records all of them are.
    """
    ranges: list[SeqRange] = []
    count = 0
    for lost in _lost(tx, pool, terminal):
        count += lost.last - lost.first + 1
        if len(ranges) < MAX_RANGES:
            ranges.append(lost)
    return ranges, count


def _lost(tx: Connection, pool: str, terminal: str) -> Iterator[SeqRange]:
    gaps = tx.execute(
        select(chain_gap)
        .where(chain_gap.c.pool == pool, chain_gap.c.terminal == terminal)
        .order_by(chain_gap.c.epoch, chain_gap.c.first_seq)
    ).all()
    heads = {each.epoch: each.head_seq for each in epochs_of(tx, pool, terminal)}
    for gap in gaps:
        yield from _holes(
            tx, pool, terminal, SeqRange(epoch=gap.epoch, first=gap.first_seq, last=gap.last_seq)
        )
    ends = tx.execute(
        select(terminal_recovery.c.epoch, func.max(terminal_recovery.c.end_seq).label("end"))
        .where(terminal_recovery.c.pool == pool, terminal_recovery.c.terminal == terminal)
        .group_by(terminal_recovery.c.epoch)
        .order_by(terminal_recovery.c.epoch)
    ).all()
    for row in ends:
        if row.end > heads.get(row.epoch, 0):
            yield SeqRange(epoch=row.epoch, first=heads.get(row.epoch, 0) + 1, last=row.end)


def _holes(tx: Connection, pool: str, terminal: str, gap: SeqRange) -> Iterator[SeqRange]:
    """What of a gap was not found since."""
    here = journal_record.c
    found = tx.execute(
        select(here.seq)
        .where(
            here.pool == pool,
            here.terminal == terminal,
            here.epoch == gap.epoch,
            here.seq >= gap.first,
            here.seq <= gap.last,
        )
        .order_by(here.seq)
    ).scalars()
    at = gap.first
    for seq in found:
        if seq > at:
            yield SeqRange(epoch=gap.epoch, first=at, last=seq - 1)
        at = seq + 1
    if at <= gap.last:
        yield SeqRange(epoch=gap.epoch, first=at, last=gap.last)


def epochs_of(tx: Connection, pool: str, terminal: str) -> list[EpochKnown]:
    """How far each epoch of a terminal goes here, in order."""
    here = journal_record.c
    newest = (
        select(here.epoch, func.max(here.seq).label("seq"))
        .where(here.pool == pool, here.terminal == terminal)
        .group_by(here.epoch)
        .subquery()
    )
    rows = tx.execute(
        select(here.epoch, here.seq, here.hash)
        .join(newest, (newest.c.epoch == here.epoch) & (newest.c.seq == here.seq))
        .where(here.pool == pool, here.terminal == terminal)
        .order_by(here.epoch)
    )
    return [EpochKnown(epoch=x.epoch, head_seq=x.seq, head_hash=x.hash or GENESIS) for x in rows]


def records_of(tx: Connection, pool: str, terminal: str) -> int:
    """How many records of a terminal are here."""
    here = journal_record.c
    counted = select(func.count()).where(here.pool == pool, here.terminal == terminal)
    return int(tx.execute(counted).scalar_one())


def heard_at(tx: Connection, pool: str, terminal: str) -> datetime | None:
    """When its newest record came."""
    at = (fact.c.pool == journal_record.c.pool) & (fact.c.fact_no == journal_record.c.fact_no)
    found: datetime | None = tx.execute(
        select(fact.c.recorded_at)
        .select_from(journal_record.join(fact, at))
        .where(journal_record.c.pool == pool, journal_record.c.terminal == terminal)
        .order_by(journal_record.c.epoch.desc(), journal_record.c.seq.desc())
        .limit(1)
    ).scalar()
    return found


def numbers_of(tx: Connection, pool: str, terminal: str) -> tuple[int, int]:
    """The highest receipt number and the highest Z number that a terminal is known to have given;
    0 where there is none.
    """
    highest = 0
    for table in (sale, refund):
        newest = tx.execute(
            select(table.c.receipt_no)
            .where(
                table.c.pool == pool,
                table.c.terminal == terminal,
                table.c.epoch.is_not(None),
            )
            .order_by(table.c.epoch.desc(), table.c.seq.desc())
            .limit(NUMBERS_LOOKED_AT)
        ).scalars()
        for receipt_no in newest:
            owner, _, digits = (receipt_no or "").rpartition("-")
            if owner == terminal and digits.isascii() and digits.isdigit():
                highest = max(highest, int(digits[:RECEIPT_DIGITS_MAX]))
    z_no = tx.execute(
        select(func.max(declared_takings.c.z_no)).where(
            declared_takings.c.pool == pool, declared_takings.c.terminal == terminal
        )
    ).scalar()
    return highest, int(z_no or 0)


def open_asks(tx: Connection, pool: str, terminal: str) -> list[OpenAsk]:
    """Sales that asked for points and of which nothing was heard since, the newest first."""
    rows = tx.execute(
        select(sale.c.sale_id, sale.c.account, sale.c.answer)
        .where(
            sale.c.pool == pool,
            sale.c.terminal == terminal,
            sale.c.state == SaleState.AUTHORISED.value,
        )
        .order_by(sale.c.sale_id.desc())
        .limit(MAX_OPEN_ASKS)
    ).all()
    asks = []
    for row in rows:
        answer: Approved | Declined = msgspec.json.decode(row.answer, type=AuthoriseAnswer)
        points = answer.points if isinstance(answer, Approved) else 0
        asks.append(OpenAsk(sale_id=row.sale_id, points=points, account=row.account or ""))
    return asks


def recoveries(tx: Connection, pool: str, limit: int = LISTED_MAX) -> Sequence[Recovery]:
    """Each terminal whose records were handed over, by its newest recovery, the newest first.

    Then those of whose records something is missing though nobody said that all was handed over:
    it was broken off, or somebody left a part out.
    """
    newest = (
        select(terminal_recovery.c.terminal, func.max(terminal_recovery.c.fact_no).label("no"))
        .where(terminal_recovery.c.pool == pool)
        .group_by(terminal_recovery.c.terminal)
        .subquery()
    )
    rows = tx.execute(
        select(
            terminal_recovery.c.terminal,
            terminal_recovery.c.by_terminal,
            terminal_recovery.c.source,
            func.max(terminal_recovery.c.records).label("records"),
            fact.c.recorded_at,
        )
        .join(
            newest,
            (newest.c.terminal == terminal_recovery.c.terminal)
            & (newest.c.no == terminal_recovery.c.fact_no),
        )
        .join(
            fact,
            (fact.c.pool == terminal_recovery.c.pool)
            & (fact.c.fact_no == terminal_recovery.c.fact_no),
        )
        .where(terminal_recovery.c.pool == pool)
        .group_by(
            terminal_recovery.c.terminal,
            terminal_recovery.c.by_terminal,
            terminal_recovery.c.source,
            terminal_recovery.c.fact_no,
            fact.c.recorded_at,
        )
        .order_by(terminal_recovery.c.fact_no.desc())
        .limit(limit)
    ).all()
    told = {row.terminal for row in rows}
    unfinished = [row for row in _broken_off(tx, pool) if row.terminal not in told]
    found = [_recovery(tx, pool, row) for row in (*rows, *unfinished)]
    return [each for each in found if each.source != UNFINISHED or each.missing_records][:limit]


def _recovery(tx: Connection, pool: str, row: Row[Any]) -> Recovery:
    ranges, count = missing_of(tx, pool, row.terminal)
    return Recovery(
        terminal=row.terminal,
        by_terminal=row.by_terminal,
        source=row.source,
        records=row.records,
        noted_at=row.recorded_at,
        missing=tuple(ranges),
        missing_records=count,
        open_asks=len(open_asks(tx, pool, row.terminal)),
    )


def _broken_off(tx: Connection, pool: str) -> Sequence[Row[Any]]:
    """Terminals with a gap, as a recovery's row; a gap is noted only where another hand brings."""
    newest = (
        select(chain_gap.c.terminal, func.max(chain_gap.c.fact_no).label("no"))
        .where(chain_gap.c.pool == pool)
        .group_by(chain_gap.c.terminal)
        .subquery()
    )
    return tx.execute(
        select(
            newest.c.terminal,
            newest.c.terminal.label("by_terminal"),
            literal(UNFINISHED).label("source"),
            literal(0).label("records"),
            fact.c.recorded_at,
        )
        .join(fact, (fact.c.pool == pool) & (fact.c.fact_no == newest.c.no))
        .order_by(newest.c.no.desc())
        .limit(LISTED_MAX)
    ).all()
