"""What came back beyond what was sold, by merchant, each with its sale: for a person to settle."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import Connection, and_, select

from server.directory.accounts import over_refund_account
from server.directory.tables import merchant
from server.ledger import Asset
from server.ledger.tables import entry, transfer
from server.redemption.over_refunding import OVER_REFUND_KEY, OVER_REFUND_KIND
from server.redemption.tables import sale

LISTED_MAX = 500


@dataclass(frozen=True, slots=True)
class OverRefund:
    """One refund's excess over the books. Below zero: the shop gave less than was booked.

    ``receipt_no`` is the sale's, of ``sold_by`` on ``sold_on``.
    """

    merchant: str
    merchant_name: str
    refund_id: str
    sale_id: str
    receipt_no: str
    sold_by: str
    sold_on: date | None
    occurred_at: datetime
    points: int
    fen: int


@dataclass(frozen=True, slots=True)
class MerchantsExcess:
    """All of one merchant, the newest first, and what they come to."""

    merchant: str
    merchant_name: str
    points: int
    fen: int
    refunds: Sequence[OverRefund]


def over_refunds(tx: Connection, pool: str, limit: int = LISTED_MAX) -> Sequence[MerchantsExcess]:
    """By merchant; the newest ``limit`` refunds of all of them."""
    own = entry.c
    newest = (
        select(own.pool, own.entry_no, own.key, own.memo, own.occurred_at)
        .where(own.pool == pool, own.kind == OVER_REFUND_KIND)
        .order_by(own.entry_no.desc())
        .limit(limit)
        .subquery()
    )
    legs = and_(transfer.c.pool == newest.c.pool, transfer.c.entry_no == newest.c.entry_no)
    sold = and_(sale.c.pool == newest.c.pool, sale.c.sale_id == newest.c.memo)
    rows = tx.execute(
        select(
            newest,
            transfer.c.asset,
            transfer.c.debit_account,
            transfer.c.credit_account,
            transfer.c.amount,
            sale.c.receipt_no,
            sale.c.terminal,
            sale.c.merchant,
            sale.c.business_date,
        )
        .select_from(newest.join(transfer, legs).join(sale, sold))
        .order_by(newest.c.entry_no.desc())
    ).all()
    known = select(merchant.c.merchant, merchant.c.name).where(merchant.c.pool == pool)
    names = {row.merchant: row.name for row in tx.execute(known)}
    found: dict[str, OverRefund] = {}
    for row in rows:
        # The sale is always of the merchant who took it back, or nothing would be booked.
        owner = row.merchant
        amount = row.amount if row.debit_account == over_refund_account(owner) else -row.amount
        here = found.get(row.key) or OverRefund(
            merchant=owner,
            merchant_name=names.get(owner, owner),
            refund_id=row.key.removeprefix(OVER_REFUND_KEY),
            sale_id=row.memo,
            receipt_no=row.receipt_no or "",
            sold_by=row.terminal,
            sold_on=row.business_date,
            occurred_at=row.occurred_at,
            points=0,
            fen=0,
        )
        if row.asset == Asset.POINTS.value:
            found[row.key] = replace(here, points=here.points + amount)
        else:
            found[row.key] = replace(here, fen=here.fen + amount)
    return _by_merchant(list(found.values()))


def _by_merchant(found: Sequence[OverRefund]) -> list[MerchantsExcess]:
    by_merchant: dict[str, list[OverRefund]] = defaultdict(list)
    for each in found:
        by_merchant[each.merchant].append(each)
    return [
        MerchantsExcess(
            merchant=name,
            merchant_name=refunds[0].merchant_name,
            points=sum(each.points for each in refunds),
            fen=sum(each.fen for each in refunds),
            refunds=refunds,
        )
        for name, refunds in sorted(by_merchant.items())
    ]
