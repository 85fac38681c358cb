"""What settlement is asked and what it answers; whole fen and whole points."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from msgspec import Struct

from server.facts import Refusal

ID_MAX = 64
FIRST_VERSION, DOCUMENT_VERSION = 1, 4
"""How statements are written as documents (docs/statements.md): first, and if issued now. Those of
a run stay in the version that it was opened with, so that what was signed and printed stays true.
The first: lines without `proof`, and no lines for what moved neither points nor money. Up to the
second, a refund named its sale by the sale's id alone; up to the third, a voucher or a work order
named none.
"""
STATEMENT_ID_MAX = 80


class Settle(Struct, frozen=True, kw_only=True):
    """The command: close the books through a business date and make every merchant's statement.

    Attributes:
        run: id of this run, made by whoever asks.
        through: the last business date that is settled; it must be over.
        settled_by: who asked, as it shall stand in the books.
    """

    run: str
    through: date
    settled_by: str


class OpenRun(Struct, frozen=True, kw_only=True):
    """The command: begin to close the books through a business date.

    What facts before this one booked is in the run; what comes later is late for it.

    Attributes:
        document_version: how its statements are written; facts from before there were versions
            say nothing, and theirs is the first.
    """

    run: str
    through: date
    opened_by: str
    document_version: int = FIRST_VERSION


class SettleMerchant(Struct, frozen=True, kw_only=True):
    """The command: make the statements of one merchant's periods that a run closes."""

    run: str
    merchant: str


class SettleMerchants(Struct, frozen=True, kw_only=True):
    """The command: as :class:`SettleMerchant`, for several merchants one after the other."""

    run: str
    merchants: tuple[str, ...]


class CloseRun(Struct, frozen=True, kw_only=True):
    """The command: every merchant of the run is settled, or lacks a contract."""

    run: str
    closed_by: str


@dataclass(frozen=True, slots=True)
class RunOpened:
    """The run for this day; `again`: somebody opened it before. `is_closed`: and closed it."""

    run: str
    through: date
    again: bool
    is_closed: bool


@dataclass(frozen=True, slots=True)
class MerchantSettled:
    """A merchant's statements of the run, oldest first; `again`: they were there already."""

    run: str
    merchant: str
    statements: tuple[str, ...]
    again: bool


@dataclass(frozen=True, slots=True)
class LeftOpen:
    """A merchant who traded on `day` without a contract; ask again once he has one."""

    merchant: str
    day: date


@dataclass(frozen=True, slots=True)
class RunClosed:
    """Everybody is settled but `left_open`."""

    run: str
    left_open: tuple[LeftOpen, ...]
    again: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """The books are closed through `through`.

    `statements` are the ids made by the run, in the order of merchants. `again` says that they
    were made by an earlier command for the same day: nothing was written now.
    """

    run: str
    through: date
    statements: tuple[str, ...]
    again: bool


class SettleProblem(StrEnum):
    """Why a period cannot be settled."""

    PERIOD_OPEN = "period_open"
    SETTLED_FURTHER = "settled_further"
    NO_CONTRACT = "no_contract"
    RUN_OPEN = "run_open"
    """An earlier run is not closed yet."""
    RUN_TAKEN = "run_taken"
    """The id of the run stands for another day."""
    UNKNOWN_RUN = "unknown_run"
    UNKNOWN_MERCHANT = "unknown_merchant"
    MERCHANT_LACKS = "merchant_lacks"
    """A run cannot be closed before everybody is settled."""
    NEEDS_A_RUN = "needs_a_run"
    """There are contracts that only a run by merchants can settle."""
    TOO_MANY = "too_many"
    """More merchants at once than one command settles."""


class SettleRefused(Struct, Refusal, frozen=True, kw_only=True):
    """Nothing was settled. `merchant` and `day` say where a contract is missing."""

    reason: SettleProblem
    says: str
    merchant: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class MerchantsSettled:
    """What became of each merchant, in the order in which they were asked for."""

    run: str
    outcomes: tuple[MerchantSettled | SettleRefused, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """What a statement adds up to. Everything is counted as it is named, so 0 or more, except
    `share_fen` and `minimum_fen`, which are below 0 where more was returned than taken,
    `declared_fen` (declared less counted), `adjustment_fen` (above 0 for the merchant), what
    bounced of `paid_fen` and `received_fen`, and the properties.
    """

    sales_count: int
    refunds_count: int
    takings_fen: int
    takings_returned_fen: int
    redeemed_points: int
    returned_points: int
    reimbursement_fen: int
    reimbursement_returned_fen: int
    share_fen: int
    declared_fen: int = 0
    minimum_fen: int = 0
    rent_fen: int = 0
    fee_fen: int = 0
    adjustment_fen: int = 0
    paid_fen: int = 0
    received_fen: int = 0

    @property
    def cash_fen(self) -> int:
        """Cash that stayed with the merchant: what the share is taken of."""
        return self.takings_fen - self.takings_returned_fen + self.declared_fen

    @property
    def net_fen(self) -> int:
        """What the pool owes the merchant for the period; below 0, the merchant the pool."""
        return (
            self.reimbursement_fen
            - self.reimbursement_returned_fen
            + self.fee_fen
            + self.adjustment_fen
            - self.share_fen
            - self.minimum_fen
            - self.rent_fen
        )


@dataclass(frozen=True, slots=True)
class Share:
    """Revenue share under one contract, rule and tier, in one calendar month (`2026-03`).

    `category` "" is every category that no other rule names, `basis` what the rule takes the
    share of, `from_fen` where the tier begins. A run that settled all at once has the month "".
    """

    contract: str
    share_bp: int
    takings_fen: int
    share_fen: int
    month: str = ""
    category: str = ""
    basis: str = "cash"
    from_fen: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """One merchant's statement of one period, as frozen.

    `is_by_months`: its shares are those of calendar months; those of runs that settled all at
    once stand by themselves. `document_version`: the one it was issued in (`DOCUMENT_VERSION`).
    """

    statement: str
    merchant: str
    period_from: date
    period_through: date
    run: str
    totals: Totals
    cycle: str
    issued_at: datetime
    opening_fen: int
    closing_fen: int
    is_by_months: bool
    document_version: int
