"""What settlement is asked and what it answers; whole fen and whole points."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from msgspec import Struct

from server.facts import Refusal

ID_MAX = 64
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


class SettleRefused(Struct, Refusal, frozen=True, kw_only=True):
    """Nothing was settled. `merchant` and `day` say where a contract is missing."""

    reason: SettleProblem
    says: str
    merchant: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """What a statement adds up to. Everything is counted as it is named, so 0 or more, except
    `share_fen`, which is below 0 where more was returned than taken, and the properties.
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

    @property
    def cash_fen(self) -> int:
        """Cash that stayed with the merchant: what the share is taken of."""
        return self.takings_fen - self.takings_returned_fen

    @property
    def net_fen(self) -> int:
        """What the pool owes the merchant for the period; below 0, the merchant the pool."""
        return self.reimbursement_fen - self.reimbursement_returned_fen - self.share_fen


@dataclass(frozen=True, slots=True)
class Share:
    """Revenue share under one contract: net cash takings at its rate, in basis points."""

    contract: str
    share_bp: int
    takings_fen: int
    share_fen: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One merchant's statement of one period, as frozen."""

    statement: str
    merchant: str
    period_from: date
    period_through: date
    run: str
    totals: Totals
    settled_below: int


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One sale or refund on a statement; amounts are the line's part of the totals, so a
    refund's are below 0. Lines add up to the statement, the share to the fen.
    """

    entry_no: int
    key: str
    kind: str
    occurred_at: datetime
    business_date: date
    late: bool
    memo: str
    contract: str
    takings_fen: int
    points: int
    reimbursement_fen: int
    share_fen: int
