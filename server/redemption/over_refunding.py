"""What came back beyond what was sold: noted on the merchant's own account, for a person to see.

Neither the resident nor the fund is touched by it: the goods came back once, and their points and
money with them. What the shop gave back twice is the shop's, until people agree otherwise.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from protocol.money import format_yuan
from protocol.sales import SaleRefunded
from server.directory.accounts import OVER_REFUNDS, over_refund_account, over_refund_accounts
from server.ledger import Asset, EntryDraft, Leg, Normal, open_account, post
from server.redemption.capture import Told

OVER_REFUND_KEY = "over_refund:"
OVER_REFUND_KIND = "over_refund"


@dataclass(frozen=True, slots=True)
class Excess:
    """What a refund gave back beyond what was booked of it; below zero where it gave less.

    A shop that gave points where money was due kept the money: then ``fen`` is below zero, and what
    the books took off its takings is told here.
    """

    points: int
    fen: int

    @property
    def says(self) -> str:
        """In words, Chinese and English."""
        points = f"{'少' if self.points < 0 else '多'}退 {abs(self.points)} 积分"
        money = f"{'少' if self.fen < 0 else '多'}退 {format_yuan(abs(self.fen))} 元"
        return (
            f"退得比能退的多：{points}、{money}，已记在多退科目，请核实"
            f" / more came back than could: {self.points} points and {self.fen} fen beyond the books"
        )


def post_excess(tx: Connection, told: Told, refund: SaleRefunded, excess: Excess) -> None:
    """Book an excess once; telling the same refund again books nothing more."""
    pool, merchant = told.terms.pool, told.terminal.merchant
    own = over_refund_account(merchant)
    legs = []
    for asset, amount in ((Asset.POINTS, excess.points), (Asset.FEN, excess.fen)):
        debit, credit = (own, OVER_REFUNDS) if amount > 0 else (OVER_REFUNDS, own)
        if amount:
            legs.append(Leg(asset, OVER_REFUND_KIND, debit, credit, abs(amount)))
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
