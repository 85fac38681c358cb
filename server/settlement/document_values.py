"""What a statement shows, as frozen values: money in fen, points whole, days Asia/Shanghai.

Amounts are seen from the merchant where they have a sign: `net_fen` and `closing_fen` above zero
are what the pool pays the merchant, below zero what the merchant pays the pool.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from server.settlement.values import DOCUMENT_VERSION

LINE_FIELDS_SINCE: Final[Mapping[str, int]] = {
    "proof": 2,
    "of_business_date": 3,
    "of_terminal": 3,
    "of_receipt_no": 3,
}
"""Fields of a line that statements of earlier versions do not have, by the first that does."""
ORDERS_NAME_SALE_SINCE: Final = 4
"""The first version in which a voucher's or a work order's line names the sale behind it."""


@dataclass(frozen=True, slots=True)
class TakingsRow:
    """Takings of one source and category. `cash_fen` is net of refunds, `points_fen` what points
    paid for goods that are priced in money, net as well; a sale is counted in its first category.
    """

    source: str
    category: str
    cash_fen: int
    points_fen: int
    sales_count: int
    refunds_count: int


@dataclass(frozen=True, slots=True)
class ShareRow:
    """Share under one contract, rule and tier, in one calendar month (`2026-03`).

    `category` "" is every category that no other rule names. `basis` is `cash` (cash takings) or
    `all` (with what points paid). `takings_fen` is what of this statement falls into the tier
    that begins at `from_fen` of the month's takings.
    """

    contract: str
    month: str
    category: str
    basis: str
    from_fen: int
    bp: int
    takings_fen: int
    share_fen: int


@dataclass(frozen=True, slots=True)
class MinimumRow:
    """What is added to the month's share to make up its minimum, for the days in force.

    `minimum_fen` is due for the month, `share_fen` the share of the month so far, and `added_fen`
    what this statement adds: below zero where a late fact made up for what was added before.
    """

    contract: str
    month: str
    days: int
    minimum_fen: int
    share_fen: int
    added_fen: int


@dataclass(frozen=True, slots=True)
class RentRow:
    """Rent under one contract for days of one calendar month, both days included."""

    contract: str
    from_day: date
    through_day: date
    days: int
    rent_fen: int


@dataclass(frozen=True, slots=True)
class GoodsRow:
    """What went out of one item, net of what came back. `kind` is goods, voucher or service;
    `reimbursement_fen` is what the pool paid for it, `fee_fen` the fee under the contract.
    """

    item_id: str
    name: str
    kind: str
    units_milli: int
    points: int
    reimbursement_fen: int
    fee_fen: int


@dataclass(frozen=True, slots=True)
class DeclaredRow:
    """What a shop declared at a Z report against what its sales count up to; `difference_fen`
    is declared less counted, and is takings as well.
    """

    shop: str
    z_no: int
    business_date: date
    declared_fen: int
    counted_fen: int
    difference_fen: int


@dataclass(frozen=True, slots=True)
class AdjustmentRow:
    """An answer to a dispute about an earlier statement; above zero for the merchant."""

    key: str
    reason: str
    amount_fen: int
    of_statement: str


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """Money that moved since the statement before. `direction` is `pay` (to the merchant) or
    `receive` (from him); `amount_fen` is above zero, a bounced payment stands twice.
    """

    payment: str
    direction: str
    amount_fen: int
    bank_ref: str
    paid_at: date
    state: str


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """Which records of a terminal the statement rests on: those that came since the statement
    before. `missing` are ranges of numbers (both included) that are not there.
    """

    terminal: str
    shop: str
    epoch: int
    first_seq: int
    last_seq: int
    missing: tuple[tuple[int, int], ...]
    parked_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One thing that happened, from the sale to the ledger; amounts are its part of the totals,
    so a refund's are below zero. All lines together are the statement's totals, to the fen. A
    sale or refund that moved neither points nor money is a line as well, in no entry (0).

    `kind` is sale, refund, declared, adjustment, fulfilment or cancellation. `terminal`, `epoch`, `seq` are the place
    of its journal record, `entry_no` and `transfer_nos` those in the ledger; what has no such
    place has "" and 0. `source` says where the amounts come from (basket, api, ...), `proof` how
    strong the proof of a redemption is: A, B, C, D or M; "" where no points were redeemed.
    A refund says which sale it gives back of, as its receipt does: `of_business_date`,
    `of_terminal` and `of_receipt_no`, None and "" elsewhere. In versions 1 and 2 its memo is
    that sale's id instead. From version 4 on, a voucher or a work order (fulfilment,
    cancellation) says the same of the sale that it was sold with, where the merchant sold it.
    """

    line_no: int
    key: str
    kind: str
    source: str
    shop: str
    terminal: str
    epoch: int
    seq: int
    receipt_no: str
    proof: str = ""
    entry_no: int
    transfer_nos: tuple[int, ...]
    occurred_at: datetime
    business_date: date
    late: bool
    contract: str
    takings_fen: int
    points: int
    reimbursement_fen: int
    share_fen: int
    fee_fen: int
    adjustment_fen: int
    of_business_date: date | None = None
    of_terminal: str = ""
    of_receipt_no: str = ""
    memo: str


@dataclass(frozen=True, slots=True)
class StatementDocument:
    """Everything that a statement shows; every page, file and check of one reads only this.

    `closing_fen` = `opening_fen` + `net_fen` - `paid_fen` + `received_fen`, and `net_fen` =
    `reimbursement_fen` - `reimbursement_returned_fen` + `fee_fen` + `adjustment_fen` -
    `share_fen` - `minimum_fen` - `rent_fen`. `takings_fen` is cash: sales, less refunds, plus
    what was declared beyond them. `sales_count` and `refunds_count` are of those that moved
    points or money; the others are lines, and `free_count` of them sales.
    `version` is the one it was issued in.
    """

    pool: str
    pool_name: str
    unit_name: str
    statement: str
    merchant: str
    merchant_name: str
    period_from: date
    period_through: date
    cycle: str
    issued_at: datetime
    opening_fen: int
    takings: tuple[TakingsRow, ...]
    takings_fen: int
    sales_count: int
    refunds_count: int
    shares: tuple[ShareRow, ...]
    share_fen: int
    minimum: tuple[MinimumRow, ...]
    minimum_fen: int
    rents: tuple[RentRow, ...]
    rent_fen: int
    redeemed_points: int
    returned_points: int
    reimbursement_fen: int
    reimbursement_returned_fen: int
    goods: tuple[GoodsRow, ...]
    fee_fen: int
    declared: tuple[DeclaredRow, ...]
    adjustments: tuple[AdjustmentRow, ...]
    adjustment_fen: int
    payments: tuple[PaymentRow, ...]
    paid_fen: int
    received_fen: int
    net_fen: int
    closing_fen: int
    coverage: tuple[CoverageRow, ...]
    lines: tuple[StatementLine, ...]
    version: int = DOCUMENT_VERSION

    @property
    def free_count(self) -> int:
        """Sales that moved neither points nor money."""
        return sum(each.kind == "sale" and not each.entry_no for each in self.lines)
