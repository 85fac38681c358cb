"""The sale on the page, and what its receipt says beside it."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from protocol.codes import ResidentCode
from protocol.documents import Policy
from protocol.messages import Approved
from protocol.money import Points
from protocol.redemption import Tender, TenderProblem, tender
from protocol.sales import AnsweredBy, SaleCaptured
from terminal.checkout.asking import terms_of
from terminal.domain.basket import Basket
from terminal.domain.ports import ReceiptFacts, TerminalIdentity
from terminal.domain.sale import SaleState


@dataclass(frozen=True, slots=True)
class CurrentSale:
    """The sale on the page. ``code`` lives in memory only, and only until the sale ends."""

    sale_id: UUID
    opened_at: datetime
    state: SaleState = SaleState.OPEN
    basket: Basket = field(default_factory=Basket)
    code: ResidentCode | None = None
    approval: Approved | None = None
    answered_by: AnsweredBy = AnsweredBy.NOBODY
    points_chosen: int = 0
    captured: SaleCaptured | None = None


def tender_of(sale: CurrentSale, policy: Policy) -> Tender | None:
    """How the basket is paid with the points chosen; None where they are too few for its goods."""
    answer = tender(sale.basket.due(), terms_of(policy), Points(sale.points_chosen))
    return None if isinstance(answer, TenderProblem) else answer


def receipt_facts(
    identity: TerminalIdentity,
    policy: Policy,
    *,
    occurred_at: datetime,
    balance_before_points: int | None,
    copy_no: int = 0,
) -> ReceiptFacts:
    """What a receipt says beside the sale."""
    return ReceiptFacts(
        occurred_at=occurred_at,
        shop_name=identity.shop_name,
        merchant_name=identity.merchant_name,
        pool_name=policy.pool_name,
        unit_name=policy.unit_name,
        unit_name_en=policy.unit_name_en,
        fen_per_point=policy.fen_per_point,
        balance_before_points=balance_before_points,
        copy_no=copy_no,
    )
