"""What stands on the papers beside a sale's receipt, as values: shifts, orders, cards, statements.

Money is fen, points are points. A name of a resident never comes here: papers lie about.
"""

from datetime import datetime

from msgspec import Struct


class TenderTotal(Struct, frozen=True):
    """What came in by one tender in a shift: cash, wechat, alipay, other.

    ``count`` is how often, None where nobody counted.
    """

    tender: str
    count: int | None
    amount_fen: int


class ShiftReport(Struct, frozen=True):
    """An X report (``z_no`` None: the shift goes on) or a Z report.

    ``tenders`` are net of refunds. ``counted_fen`` is the cash that was counted, None where
    nobody counted; ``expected_cash_fen`` is float + cash taken - cash given back.
    ``parked`` sales wait for a person at the server, with their points and their cash.
    ``record_hash`` is the hash of the shift's journal record, empty for an X.
    """

    z_no: int | None
    opened_at: datetime
    cashier: str
    sales: int
    refunds: int
    voids: int
    sold_fen: int
    refunded_fen: int
    tenders: tuple[TenderTotal, ...]
    points_used: int
    points_returned: int
    waived_fen: int
    rounded_up_fen: int
    float_fen: int
    expected_cash_fen: int
    counted_fen: int | None
    drawer_openings: int
    untold: int
    first_receipt: str = ""
    last_receipt: str = ""
    record_hash: str = ""
    discount_fen: int = 0
    parked: int = 0
    parked_points: int = 0
    parked_fen: int = 0

    @property
    def difference_fen(self) -> int | None:
        """Counted minus expected: below zero, money is missing."""
        return None if self.counted_fen is None else self.counted_fen - self.expected_cash_fen


class VoidedSale(Struct, frozen=True):
    """A sale undone in its own shift: what goes back, and why."""

    receipt_no: str
    voided_receipt_no: str
    points: int
    cash_fen: int
    account: str | None
    reason: str
    cashier: str


class StatementFigures(Struct, frozen=True):
    """A statement in figures, for a shopkeeper without a computer. ``net_fen`` below zero: owed."""

    statement_no: str
    period: str
    sales: int
    redeemed_points: int
    returned_points: int
    redeemed_fen: int
    share_fen: int
    rent_fen: int
    other_fen: int
    net_fen: int


class AwardGiven(Struct, frozen=True):
    """Points registered at the counter. ``balance_before_points`` None: not known offline."""

    slip_no: str
    rule: str
    points: int
    account: str
    worker: str
    balance_before_points: int | None = None
    offline: bool = False


class CardHandedOver(Struct, frozen=True):
    """A card that changes hands. ``points`` is what a denominated card is worth, None if personal.

    ``replaces`` is the number of the card that stops working, empty for a first one.
    """

    card_no: str
    account: str | None
    points: int | None
    replaces: str
    worker: str


class ServiceOrder(Struct, frozen=True):
    """A service sold and still to be done: for whoever does it."""

    order_no: str
    receipt_no: str
    service: str
    quantity: str
    points: int
    place: str
    when: str
    provider: str
    note: str = ""


class Delivery(Struct, frozen=True):
    """Goods to a door. ``presented_by`` is who asked for them, where it was somebody else."""

    order_no: str
    receipt_no: str
    goods: tuple[tuple[str, str], ...]
    place: str
    account: str | None
    presented_by: str = ""
    to_pay_fen: int = 0


Paper = (
    ShiftReport
    | VoidedSale
    | StatementFigures
    | AwardGiven
    | CardHandedOver
    | ServiceOrder
    | Delivery
)
