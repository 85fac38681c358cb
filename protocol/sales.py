"""A sale as both sides write it down: lines with their frozen prices, and how it was paid."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from protocol.acts import PersonActed
from protocol.card_tries import CardPinWrong
from protocol.counter import CounterAwarded, EventEntered
from protocol.discounts import Discount
from protocol.drawer import DrawerOpened
from protocol.evidence import Evidence, ProofGrade
from protocol.prices import PriceChanged, PricesImported
from protocol.proxy import Proxy, ProxyDelivered
from protocol.shifts import ShiftClosed, ShiftOpened


class Fulfilment(StrEnum):
    """When the resident gets what a line sells."""

    AT_ONCE = "at_once"
    VOUCHER = "voucher"
    WORK_ORDER = "work_order"


class AmountsSource(StrEnum):
    """Where a sale's amounts come from; a statement's line says it."""

    BASKET = "basket"
    API = "api"
    DISPLAY_TAP = "display_tap"
    RECEIPT_TAP = "receipt_tap"
    DECLARED = "declared"


class AnsweredBy(StrEnum):
    """Who said yes to taking the points."""

    NOBODY = "nobody"
    """No points were taken, so nobody was asked."""
    SERVER = "server"
    STAND_IN = "stand_in"


class SaleLine(Struct, frozen=True, kw_only=True):
    """One line of a basket, frozen as sold.

    A line is priced in fen, in points, or in both where both are due. ``reimbursement_fen`` is what one
    unit priced in points costs the pool (0: donated), as the pool's catalogue said it.
    ``money_only`` stands, as True, where points were not allowed to pay: the receipt says so.
    ``amount_fen`` is what it costs after ``discount_fen``, which is not there where it is 0.
    """

    line_no: int
    item_id: str | None
    barcode: str | None
    name: str
    category: str
    quantity_milli: int
    unit: str
    unit_price_fen: int | None = None
    unit_price_points: int | None = None
    amount_fen: int = 0
    amount_points: int = 0
    reimbursement_fen: int = 0
    fulfilment: Fulfilment = Fulfilment.AT_ONCE
    catalogue_version: int = 0
    money_only: bool | UnsetType = UNSET
    discount_fen: int | UnsetType = UNSET


class Payment(Struct, frozen=True, kw_only=True):
    """How a sale was paid, or what of it a refund gives back. Fen and points, 0 or more."""

    points_for_goods: int = 0
    points_for_money: int = 0
    cash_fen: int = 0
    waived_fen: int = 0
    rounded_up_fen: int = 0

    @property
    def points(self) -> int:
        return self.points_for_goods + self.points_for_money


class SaleCaptured(Struct, frozen=True, kw_only=True, tag="sale_captured"):
    """A sale that happened: goods handed over, points taken, money received.

    ``account`` is the resident's pseudonym (16 hex digits), None for a sale without a
    resident. ``answered_by`` says whether the server held the points or the terminal
    stood in within its limits. ``discounts`` are what the shop took off, in the order in which it
    was taken; not there where there are none. ``proxy`` where a worker redeemed for the resident;
    then ``presented_by`` is his id, and ``beneficiary`` whose goods they are, if not the payer's.
    """

    sale_id: UUID
    receipt_no: str
    business_date: date
    lines: tuple[SaleLine, ...]
    payment: Payment
    answered_by: AnsweredBy
    account: str | None = None
    evidence: Evidence | None = None
    proof_grade: ProofGrade | None = None
    presented_by: str | None = None
    beneficiary: str | None = None
    amounts_source: AmountsSource = AmountsSource.BASKET
    cashier: str | None = None
    practice: bool = False
    discounts: tuple[Discount, ...] | UnsetType = UNSET
    proxy: Proxy | UnsetType = UNSET


class ReversalReason(StrEnum):
    """Why a sale that had asked for points did not happen."""

    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The terminal lost power or was stopped between asking and completing."""


class SaleReversed(Struct, frozen=True, kw_only=True, tag="sale_reversed"):
    """A sale that asked for points and did not happen: whatever is held must be let go."""

    sale_id: UUID
    reason: ReversalReason


class RefundLine(Struct, frozen=True, kw_only=True):
    """What of one sold line comes back, at the line's own prices."""

    line_no: int
    quantity_milli: int
    amount_fen: int
    amount_points: int


class SaleRefunded(Struct, frozen=True, kw_only=True, tag="sale_refunded"):
    """Goods that came back: points first to the same resident, then money.

    ``payment`` is what is given back, part by part, of the original sale's payment. ``void``
    stands, as True, where the sale was undone in the terminal's own open shift (撤销): the same
    mirrored entry, and only before the next Z report. ``approved_by`` is the owner who allowed it.
    """

    refund_id: UUID
    sale_id: UUID
    receipt_no: str
    business_date: date
    lines: tuple[RefundLine, ...]
    payment: Payment
    account: str | None = None
    reason: str = ""
    cashier: str | None = None
    void: bool | UnsetType = UNSET
    approved_by: str | UnsetType = UNSET


class TerminalStarted(Struct, frozen=True, kw_only=True, tag="terminal_started"):
    """The terminal's program came up: a mark in the chain for whoever reads it later."""

    version: str


class TakingsDeclared(Struct, frozen=True, kw_only=True, tag="takings_declared"):
    """What a shop says it took since its last Z report: a claim, which the server compares.

    ``z_no`` counts the terminal's Z reports from 1. ``takings_fen`` is money taken, by tender
    (``cash``, ``wechat``, ...), points not among it; ``counted_fen`` what the terminal's own
    sales and refunds since then come to. ``against_counted`` stands, as True, where what is taken
    beyond ``counted_fen`` is to be booked; records of before are held against the server's books.
    """

    z_no: int
    business_date: date
    takings_fen: dict[str, int]
    counted_fen: int
    cashier: str | None = None
    against_counted: bool | UnsetType = UNSET


class OrderFulfilled(Struct, frozen=True, kw_only=True, tag="order_fulfilled"):
    """A voucher was used, or a service done, at this terminal or by its shop.

    ``order_id`` is the sale's id, a hyphen and the line's number; ``units_milli`` thousandths.
    ``confirmation`` is the resident's own code, shown when it was done; a card's proof is made
    for ``fulfilment_id`` and 0 points.
    """

    fulfilment_id: UUID
    order_id: str
    business_date: date
    units_milli: int
    confirmation: Evidence
    cashier: str | None = None


Happening = (
    SaleCaptured
    | SaleReversed
    | SaleRefunded
    | TerminalStarted
    | TakingsDeclared
    | OrderFulfilled
    | DrawerOpened
    | ShiftOpened
    | ShiftClosed
    | PersonActed
    | CounterAwarded
    | EventEntered
    | CardPinWrong
    | PricesImported
    | PriceChanged
    | ProxyDelivered
)
