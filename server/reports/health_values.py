"""How a pool does: what flows in and out, by month and by place. Fen and whole points."""

from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Flow:
    """Money into the fund and out of it, and the points that went round meanwhile.

    Each figure is net of what was taken back of it: a refund's reimbursement lowers
    ``reimbursed_fen``. ``other_fen`` is what has no name here, above zero into the fund.
    """

    share_fen: int = 0
    rent_fen: int = 0
    sponsors_fen: int = 0
    reimbursed_fen: int = 0
    fees_fen: int = 0
    adjustments_fen: int = 0
    other_fen: int = 0
    awarded_points: int = 0
    redeemed_points: int = 0

    @property
    def inflow_fen(self) -> int:
        """What refills the pool."""
        return self.share_fen + self.rent_fen + self.sponsors_fen

    @property
    def outflow_fen(self) -> int:
        """What points, vouchers and services cost it, with what disputes added or took away."""
        return self.reimbursed_fen + self.fees_fen + self.adjustments_fen

    @property
    def net_fen(self) -> int:
        return self.inflow_fen - self.outflow_fen + self.other_fen

    def __add__(self, other: "Flow") -> "Flow":
        return Flow(
            *(getattr(self, each.name) + getattr(other, each.name) for each in fields(Flow))
        )


NO_FLOW = Flow()


@dataclass(frozen=True, slots=True)
class MonthFlow:
    """One calendar month of business dates, ``2026-03``.

    ``covered_points``: how many points the month's inflow pays for; None where a point has
    no value in money.
    """

    month: str
    flow: Flow
    covered_points: int | None


@dataclass(frozen=True, slots=True)
class PlaceFlow:
    """A node of the tree: ``own`` is the node's own, ``total`` with all below it."""

    place: str
    kind: str
    name: str
    parent: str | None
    depth: int
    own: Flow
    total: Flow


class Concern(StrEnum):
    """What somebody should look at."""

    REDEEMED_ABOVE_INFLOW = "redeemed_above_inflow"
    FUND_BELOW_ZERO = "fund_below_zero"
    COVER_LOW = "cover_low"
    COVER_TOO_LOW = "cover_too_low"


@dataclass(frozen=True, slots=True)
class Warned:
    """A concern in words, Chinese and English; ``month`` where it is about one."""

    concern: Concern
    month: str
    says: str
    says_en: str


@dataclass(frozen=True, slots=True)
class Health:
    """A pool from ``first`` to ``last`` (business dates, both included), as of one snapshot.

    ``outstanding_points``: what residents and denominated cards could redeem today.
    ``cover_bp``: the fund in basis points of what they are worth; None where a point has no
    value in money, or nothing is outstanding.
    """

    pool: str
    pool_name: str
    unit_name: str
    fen_per_point: int | None
    first: date
    last: date
    fund_fen: int
    reserve_fen: int
    outstanding_points: int
    outstanding_worth_fen: int | None
    cover_bp: int | None
    total: Flow
    months: tuple[MonthFlow, ...]
    places: tuple[PlaceFlow, ...]
    warnings: tuple[Warned, ...]
