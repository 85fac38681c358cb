"""Booking what a shop declares at its Z report: the difference to its sales, never in silence.

A shop whose till is elsewhere takes money that the terminal never sees. It declares its takings,
and pays its share on what it declared: the difference to what the terminal's own sales come to
is noted as takings, above or below zero, and stands on the statement as a line of its own.

What the terminal's own sales come to is the terminal's own figure. Where the books say another,
a record is parked or missing: its money comes with that record, and would be there twice if it
were declared here as well. The Z report in front of a declaration says how the books differ.
"""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, and_, func, insert, or_, select, true

from protocol.money import format_yuan
from protocol.sales import TakingsDeclared
from server.directory.accounts import TAKINGS_CONTRA, takings_account
from server.facts.refused import stands_for_another
from server.ledger import Asset, EntryDraft, Leg, Posted, post
from server.redemption import tables as t
from server.redemption.booked import Booked, Booking, Duplicate, Parked
from server.redemption.capture import Told
from server.redemption.told_before import short

DECLARED_KEY = "declared:"
DECLARED_KIND = "declared"
DECLARED_CODE = "takings_declared"
TENDERS_MAX = 16
TENDER_NAME_MAX = 32
TAKINGS_MAX_FEN = 10**10
Z_NO_MAX = 10**9


def book_declared(tx: Connection, told: Told, declared: TakingsDeclared) -> Booking:
    """Book a declaration once; what cannot be booked is parked and changes nothing."""
    pool, terminal = told.terms.pool, told.terminal
    problem = _problem(declared)
    if problem is not None:  # before the database is asked about a number that it cannot hold
        return Parked(problem)
    before = tx.execute(
        select(t.declared_takings).where(
            t.declared_takings.c.pool == pool,
            t.declared_takings.c.terminal == terminal.terminal,
            t.declared_takings.c.z_no == declared.z_no,
        )
    ).one_or_none()
    if before is not None:
        if before.content_hash == told.content_hash:
            return Duplicate()
        return Parked(_told_otherwise(before, declared, told.content_hash))
    problem = told.time_problem(declared.business_date)
    if problem is not None:
        return Parked(problem)
    declared_fen = sum(declared.takings_fen.values())
    counted_fen = declared.counted_fen
    if declared.against_counted is not True:
        # Told before the field was: booked as it was then, so that a replay gives the same books.
        counted_fen = _counted_fen(tx, told)
    difference_fen = declared_fen - counted_fen
    key = f"{DECLARED_KEY}{terminal.terminal}:{declared.z_no}"
    tx.execute(
        insert(t.declared_takings).values(
            pool=pool,
            terminal=terminal.terminal,
            z_no=declared.z_no,
            key=key,
            shop=terminal.shop,
            merchant=terminal.merchant,
            business_date=declared.business_date,
            occurred_at=told.envelope.occurred_at,
            takings=msgspec.json.encode(declared.takings_fen, order="deterministic").decode(),
            declared_fen=declared_fen,
            told_fen=declared.counted_fen,
            counted_fen=counted_fen,
            difference_fen=difference_fen,
            content_hash=told.content_hash,
            epoch=told.envelope.epoch,
            seq=told.envelope.seq,
            fact_no=told.stamp.fact_no,
        )
    )
    if difference_fen:
        _post(tx, told, declared, key, difference_fen)
    return Booked()


def _told_otherwise(before: Row[Any], declared: TakingsDeclared, content_hash: str) -> str:
    declared_fen = sum(declared.takings_fen.values())
    return stands_for_another(
        ("Z 报表", "Z report"),
        declared.z_no,
        stands=(before.business_date, _yuan(before.declared_fen), short(before.content_hash)),
        asked=(declared.business_date, _yuan(declared_fen), short(content_hash)),
    )


def _yuan(fen: int) -> str:
    return f"{format_yuan(fen)} 元"


def _problem(declared: TakingsDeclared) -> str | None:
    if not 1 <= declared.z_no <= Z_NO_MAX:
        return f"Z 报表编号不对：{declared.z_no} / no number of a Z report: {declared.z_no}"
    if len(declared.takings_fen) > TENDERS_MAX:
        return f"支付方式太多，最多 {TENDERS_MAX} 种 / at most {TENDERS_MAX} tenders"
    if any(not 1 <= len(tender) <= TENDER_NAME_MAX for tender in declared.takings_fen):
        return "支付方式的名称不对 / a tender's name is empty or too long"
    amounts = (*declared.takings_fen.values(), declared.counted_fen)
    if any(not -TAKINGS_MAX_FEN <= each <= TAKINGS_MAX_FEN for each in amounts):
        return "申报金额超过上限 / more is declared than a shop can take"
    return None


def last_declared(
    tx: Connection, pool: str, terminal: str, before: tuple[int, int] | None = None
) -> tuple[int, int]:
    """Epoch and number of the record that told a terminal's last Z report; zeros before it.

    With ``before``, a record's own place: of the last one that stands in front of it. A record
    that was parked is booked when others, later ones, are in the books already.
    """
    place = t.declared_takings.c
    earlier = (
        or_(place.epoch < before[0], and_(place.epoch == before[0], place.seq < before[1]))
        if before is not None
        else true()
    )
    last = tx.execute(
        select(place.epoch, place.seq)
        .where(place.pool == pool, place.terminal == terminal, earlier)
        .order_by(place.epoch.desc(), place.seq.desc())
        .limit(1)
    ).one_or_none()
    return (last.epoch, last.seq) if last is not None else (0, 0)


def _counted_fen(tx: Connection, told: Told) -> int:
    """Cash of the terminal's sales less refunds, of its records since its last declaration.

    A terminal's records come in their order, so that nothing of it can come late here.
    """
    pool, terminal = told.terms.pool, told.terminal.terminal
    epoch, seq = last_declared(tx, pool, terminal)

    def cash_fen(table: Table) -> int:
        since = or_(table.c.epoch > epoch, and_(table.c.epoch == epoch, table.c.seq > seq))
        summed = select(func.coalesce(func.sum(table.c.cash_fen), 0)).where(
            table.c.pool == pool, table.c.terminal == terminal, since
        )
        return int(tx.execute(summed).scalar_one())

    return cash_fen(t.sale) - cash_fen(t.refund)


def _post(
    tx: Connection, told: Told, declared: TakingsDeclared, key: str, difference_fen: int
) -> None:
    took, contra = takings_account(told.terminal.merchant), TAKINGS_CONTRA
    leg = (
        Leg(Asset.FEN, DECLARED_CODE, contra, took, difference_fen)
        if difference_fen > 0
        else Leg(Asset.FEN, DECLARED_CODE, took, contra, -difference_fen)
    )
    draft = EntryDraft(
        key=key,
        kind=DECLARED_KIND,
        occurred_at=told.envelope.occurred_at,
        business_date=declared.business_date,
        legs=(leg,),
        memo=f"Z{declared.z_no}",
    )
    stamp = told.stamp
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted), f"{key}: {posted}"
