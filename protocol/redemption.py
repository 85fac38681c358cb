"""How many points a basket may take, and what is then left to pay.

This file holds that rule and nothing else; both sides run it. A basket's due has two
parts: goods priced in points, which only points can pay, and goods priced in money, of
which points pay as much as the resident likes at the pool's rate. Fen that whole points
cannot pay (7.18 yuan at 10 fen a point leaves 0.08) follow the pool's policy.
"""

from dataclasses import dataclass
from enum import StrEnum

from protocol.money import Fen, Points


class FenRemainder(StrEnum):
    """What happens to fen that whole points cannot pay."""

    CASH = "cash"
    """They are paid in money."""
    WAIVE = "waive"
    """The shop lets them go (抹零); the pool reimburses the points only."""
    ROUND_UP = "round_up"
    """One more point is taken, and the receipt says so."""


@dataclass(frozen=True, slots=True)
class RedemptionTerms:
    """A pool's terms. ``fen_per_point`` is None where points have no value in money."""

    fen_per_point: int | None
    fen_remainder: FenRemainder = FenRemainder.CASH


@dataclass(frozen=True, slots=True)
class Due:
    """What a basket costs: fen for goods priced in money, points for goods priced in points."""

    money_fen: Fen
    goods_points: Points


@dataclass(frozen=True, slots=True)
class PointsWanted:
    """``required``: without them there is no sale. ``optional``: as many as there are."""

    required: Points
    optional: Points


@dataclass(frozen=True, slots=True)
class Tender:
    """How a basket is paid.

    ``points_for_money`` × fen per point + ``cash_fen`` + ``waived_fen`` − ``rounded_up_fen``
    is the money due, always.
    """

    points_for_goods: Points
    points_for_money: Points
    cash_fen: Fen
    waived_fen: Fen
    rounded_up_fen: Fen

    @property
    def points(self) -> Points:
        """All points taken."""
        return Points(self.points_for_goods + self.points_for_money)


class TenderProblem(StrEnum):
    """Why a number of points cannot pay a basket."""

    FEWER_THAN_GOODS = "fewer_than_goods"
    MORE_THAN_DUE = "more_than_due"


def points_wanted(due: Due, terms: RedemptionTerms) -> PointsWanted:
    """The most points that a basket can take."""
    optional = 0
    if terms.fen_per_point:
        optional = due.money_fen // terms.fen_per_point
        if terms.fen_remainder is FenRemainder.ROUND_UP:
            optional = -(-due.money_fen // terms.fen_per_point)
    return PointsWanted(required=due.goods_points, optional=Points(optional))


def tender(due: Due, terms: RedemptionTerms, points: Points) -> Tender | TenderProblem:
    """Pay a basket with ``points``; goods priced in points come first, money takes the rest.

    Fen are waived only when points pay everything else: a resident who runs out of
    points, or keeps some, pays what is left in money.
    """
    for_money = points - due.goods_points
    if for_money < 0:
        return TenderProblem.FEWER_THAN_GOODS
    if for_money > points_wanted(due, terms).optional:
        return TenderProblem.MORE_THAN_DUE
    rate = terms.fen_per_point or 0
    left = due.money_fen - for_money * rate
    waived = rounded_up = 0
    if left < 0:
        rounded_up, left = -left, 0
    elif terms.fen_remainder is FenRemainder.WAIVE and for_money > 0 and left < rate:
        waived, left = left, 0
    return Tender(
        points_for_goods=due.goods_points,
        points_for_money=Points(for_money),
        cash_fen=Fen(left),
        waived_fen=Fen(waived),
        rounded_up_fen=Fen(rounded_up),
    )
