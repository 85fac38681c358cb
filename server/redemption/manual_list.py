"""What was redeemed for residents who showed nothing (人工核对), for the office to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, select

from protocol.evidence import ManualEvidence, ProofGrade
from server.directory import resident_of
from server.redemption import tables as t
from server.redemption.on_paper import sale_as_told

LISTED_MAX = 500


@dataclass(frozen=True, slots=True)
class ManualSale:
    """Points that somebody used who showed nothing, as the office looks at them."""

    sale_id: str
    receipt_no: str
    terminal: str
    merchant: str
    account: str
    name: str
    business_date: date
    points: int
    allowed_by: str
    reason: str


def manual_sales(
    tx: Connection, pool: str, first: date, last: date, limit: int = LISTED_MAX
) -> Sequence[ManualSale]:
    """What was redeemed so on these business dates, the newest first."""
    rows = tx.execute(
        select(t.sale)
        .where(
            t.sale.c.pool == pool,
            t.sale.c.business_date.between(first, last),
            t.sale.c.proof_grade == ProofGrade.MANUAL.value,
        )
        .order_by(t.sale.c.occurred_at.desc(), t.sale.c.sale_id)
        .limit(limit)
    ).all()
    found = []
    for row in rows:
        told = sale_as_told(tx, pool, row.terminal, row.epoch, row.seq)
        shown = told.evidence if told is not None else None
        resident = resident_of(tx, pool, row.account)
        by_hand = shown if isinstance(shown, ManualEvidence) else None
        found.append(
            ManualSale(
                sale_id=row.sale_id,
                receipt_no=row.receipt_no,
                terminal=row.terminal,
                merchant=row.merchant,
                account=row.account,
                name=resident.name if resident is not None else "",
                business_date=row.business_date,
                points=row.points_for_goods + row.points_for_money,
                allowed_by=by_hand.allowed_by if by_hand else "",
                reason=by_hand.reason if by_hand else "",
            )
        )
    return found
