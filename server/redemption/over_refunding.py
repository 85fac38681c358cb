"""What came back beyond what was sold: noted on the merchant's own account, for a person to see.

Neither the resident nor the fund is touched by it: the goods came back once, and their points and
money with them. What the shop gave back twice is the shop's, until people agree otherwise.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from protocol.sales import SaleRefunded
from server.directory.accounts import OVER_REFUNDS, over_refund_account, over_refund_accounts
from server.ledger import Asset, EntryDraft, Leg, Normal, open_account, post
from server.redemption.capture import Told

OVER_REFUND_KEY = "over_refund:"
OVER_REFUND_KIND = "over_refund"


@dataclass(frozen=True, slots=True)
class Excess:
    """What a refund gave back beyond what was there to come back."""

    points: int
    fen: int


def post_excess(tx: Connection, told: Told, refund: SaleRefunded, excess: Excess) -> None:
    """Book an excess once; telling the same refund again books nothing more."""
    pool, merchant = told.terms.pool, told.terminal.merchant
    own = over_refund_account(merchant)
    legs = [
        Leg(asset, OVER_REFUND_KIND, own, OVER_REFUNDS, amount)
        for asset, amount in ((Asset.POINTS, excess.points), (Asset.FEN, excess.fen))
        if amount
    ]
    if not legs:
        return
    for plan in over_refund_accounts(merchant):
        open_account(
            tx, pool, plan.account, Asset(plan.asset), plan.kind, normal=Normal(plan.normal)
        )
    draft = EntryDraft(
        key=f"{OVER_REFUND_KEY}{refund.refund_id}",
        kind=OVER_REFUND_KIND,
        occurred_at=told.envelope.occurred_at,
        business_date=refund.business_date,
        legs=tuple(legs),
        memo=str(refund.sale_id),
    )
    stamp = told.stamp
    post(tx, pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
