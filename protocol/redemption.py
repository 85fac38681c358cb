"""How many points a basket may take, and what is then left to pay.

This file holds that rule and nothing else; both sides run it. A basket's due has two
parts: goods priced in points, which only points can pay, and goods priced in money, of
which points pay as much as the resident likes and the pool's limits let them. Fen that
whole points cannot pay (7.18 yuan at 10 fen a point leaves 0.08) follow the pool's policy.
"""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from protocol.money import BASIS_POINTS_WHOLE, Fen, Points
from protocol.reasons import Declined, DeclineReason


class FenRemainder(StrEnum):
    """What happens to fen that whole points cannot pay."""

    CASH = "cash"
    """They are paid in money."""
    WAIVE = "waive"
    """The shop lets them go (抹零); the pool reimburses the points only."""
    ROUND_UP = "round_up"
    """One more point is taken, and the receipt says so."""


class Limits(Struct, frozen=True, kw_only=True):
    """How far points may pay; None is no limit.

    Attributes:
        bill_share_bp: most of a bill in money that points may pay, in basis points of it.
        excluded_categories: goods that only money pays, by their category.
        per_sale_points: most points a sale.
        per_day_points, per_household_day_points: most points a business date, by one
            resident and by everybody of one household.
        minimum_points: a sale takes at least so many, or none.
        card_no_pin_day_points: most points a business date by a resident's card without its PIN;
            None: no PIN is ever asked for.
        manual_day_points: most points a business date by a resident who has neither phone nor card
            at hand and is looked up by hand; 0: nobody is.
    """

    bill_share_bp: int = BASIS_POINTS_WHOLE
    excluded_categories: tuple[str, ...] = ()
    per_sale_points: int | None = None
    per_day_points: int | None = None
    per_household_day_points: int | None = None
    minimum_points: int | None = None
    card_no_pin_day_points: int | None = None
    manual_day_points: int = 0


NO_LIMITS = Limits()
_NO_FEN = Fen(0)
_NO_POINTS = Points(0)


class LimitKind(StrEnum):
    """The rule by which points do not pay as much as they could."""

    EXCLUDED = "excluded"
    BILL_SHARE = "bill_share"
    PER_SALE = "per_sale"
    PER_DAY = "per_day"
    PER_HOUSEHOLD_DAY = "per_household_day"
    MINIMUM = "minimum"


class LimitPeriod(StrEnum):
    """What an item's own limit counts over: business dates or calendar months of them."""

    DAY = "day"
    MONTH = "month"


class RedemptionTerms(Struct, frozen=True):
    """A pool's terms. ``fen_per_point`` is None where points have no value in money."""

    fen_per_point: int | None
    fen_remainder: FenRemainder = FenRemainder.CASH
    limits: Limits = NO_LIMITS


class Due(Struct, frozen=True):
    """What a basket costs: fen for goods priced in money, points for goods priced in points.

    ``excluded_fen`` of the money points may not pay: it is for goods that only money pays, or is
    due together with points. ``excluded_points`` of the points are for goods that only money pays.
    """

    money_fen: Fen
    goods_points: Points
    excluded_fen: Fen = _NO_FEN
    excluded_points: Points = _NO_POINTS


class PricedLine(Protocol):
    """A line of a basket or of a sale, as far as the rule looks at it."""

    @property
    def category(self) -> str: ...

    @property
    def amount_fen(self) -> int: ...

    @property
    def amount_points(self) -> int: ...


class Used(Struct, frozen=True):
    """Points that count towards a day's limits already."""

    day_points: int = 0
    household_day_points: int = 0


NOTHING_USED = Used()


class PointsWanted(Struct, frozen=True):
    """``required``: without them there is no sale. ``optional``: as many as there are.

    ``limited_by`` is the rule that keeps points from paying more, and ``refused_by`` the one
    by which no points can be taken for this basket at all; ``limit_points`` is its figure.
    """

    required: Points
    optional: Points
    limited_by: LimitKind | None = None
    refused_by: LimitKind | None = None
    limit_points: Points = _NO_POINTS

    @property
    def most(self) -> Points:
        """The most points that can be taken."""
        return Points(0 if self.refused_by else self.required + self.optional)


class Tender(Struct, frozen=True):
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


class Granted(Struct, frozen=True):
    """So many points; fewer than were asked for and are there, by the rule ``limited_by``."""

    points: Points
    limited_by: LimitKind | None


class TenderProblem(StrEnum):
    """Why a number of points cannot pay a basket."""

    FEWER_THAN_GOODS = "fewer_than_goods"
    MORE_THAN_DUE = "more_than_due"
    OVER_LIMIT = "over_limit"
    BELOW_MINIMUM = "below_minimum"
    EXCLUDED_GOODS = "excluded_goods"


def is_excluded(line: PricedLine, limits: Limits) -> bool:
    """Whether only money pays for a line. What is free costs nobody anything."""
    return line.category in limits.excluded_categories and (
        line.amount_fen > 0 or line.amount_points > 0
    )


def due_of(lines: Iterable[PricedLine], limits: Limits = NO_LIMITS) -> Due:
    """What lines cost, and how much of it points may not pay."""
    fen = points = excluded_fen = excluded_points = 0
    for line in lines:
        fen += line.amount_fen
        points += line.amount_points
        if is_excluded(line, limits):
            excluded_fen += line.amount_fen
            excluded_points += line.amount_points
        elif line.amount_points > 0:  # money that is due together with points is due in money
            excluded_fen += line.amount_fen
    return Due(
        money_fen=Fen(fen),
        goods_points=Points(points),
        excluded_fen=Fen(excluded_fen),
        excluded_points=Points(excluded_points),
    )


def points_wanted(due: Due, terms: RedemptionTerms, used: Used = NOTHING_USED) -> PointsWanted:
    """The most points that a basket can take, and the rule that allows no more."""
    payable_fen, rule = _payable(due, terms)
    rate = terms.fen_per_point
    optional = payable_fen // rate if rate else 0
    if rate and rule is None and terms.fen_remainder is FenRemainder.ROUND_UP:
        optional = -(-payable_fen // rate)
    wanted = PointsWanted(due.goods_points, Points(optional), rule if rate else None)
    if due.excluded_points:
        return replace(wanted, optional=Points(0), refused_by=LimitKind.EXCLUDED)
    return capped(wanted, terms.limits, used)


def capped(wanted: PointsWanted, limits: Limits, used: Used = NOTHING_USED) -> PointsWanted:
    """The same question within the limits of a sale, a day and a household, and the minimum."""
    for kind, cap in (
        (LimitKind.PER_SALE, limits.per_sale_points),
        (LimitKind.PER_DAY, _left(limits.per_day_points, used.day_points)),
        (
            LimitKind.PER_HOUSEHOLD_DAY,
            _left(limits.per_household_day_points, used.household_day_points),
        ),
    ):
        if cap is None or wanted.refused_by is not None:
            continue
        if wanted.required > cap:
            wanted = replace(wanted, optional=Points(0), refused_by=kind, limit_points=Points(cap))
        elif wanted.required + wanted.optional > cap:
            wanted = replace(
                wanted,
                optional=Points(cap - wanted.required),
                limited_by=kind,
                limit_points=Points(cap),
            )
    return _with_minimum(wanted, limits)


def refusal(wanted: PointsWanted) -> Declined | None:
    """Why no points can be taken at all, for the screen; None where some can."""
    if wanted.most > 0:
        return None
    kind = wanted.refused_by or wanted.limited_by
    reason = _REASONS[kind] if kind is not None else DeclineReason.NOTHING_TO_REDEEM
    return Declined(reason, limit_points=wanted.limit_points)


def is_enough(points: int, limits: Limits) -> bool:
    """Whether a sale may take so few points: none, or the minimum at least."""
    return points == 0 or points >= (limits.minimum_points or 0)


def granted(
    asked: PointsWanted,
    limits: Limits,
    used: Used,
    *,
    available: int,
    cap_points: int,
    gives_limited: bool,
) -> Granted | Declined:
    """How many points a question may have, or why none.

    The least of what is asked, what is ``available``, what this kind of code may take
    (``cap_points``) and what the limits leave. ``gives_limited``: there are goods with a limit of
    their own, which are given for money, or for nothing, also where no points are left.
    """
    required = asked.required
    if required > cap_points:
        return Declined(DeclineReason.CODE_CAP_EXCEEDED, limit_points=Points(cap_points))
    allowed = capped(asked, limits, used)
    refused = refusal(allowed)
    if refused is not None and (allowed.refused_by is not None or not gives_limited):
        return refused
    if required > available:
        missing = Points(required - available)
        return Declined(DeclineReason.INSUFFICIENT_POINTS, missing_points=missing)
    points = required + min(allowed.optional, available - required, cap_points - required)
    if points and not is_enough(points, limits):
        if required or not gives_limited:
            minimum = Points(limits.minimum_points or 0)
            return Declined(DeclineReason.BELOW_MINIMUM, limit_points=minimum)
        points = 0
    if points == 0 and not gives_limited:  # nothing but optional points, and none of them is there
        return Declined(DeclineReason.INSUFFICIENT_POINTS, missing_points=Points(1))
    shortened = allowed.limited_by is not None and points == allowed.most < asked.most
    return Granted(Points(points), allowed.limited_by if shortened else None)


def tender(due: Due, terms: RedemptionTerms, points: Points) -> Tender | TenderProblem:
    """Pay a basket with ``points``; goods priced in points come first, money takes the rest.

    Fen are waived, or rounded up to a point, only where points may and do pay everything
    else: who runs out of points, keeps some, or pays money for other goods in any case, pays
    what is left in money.
    """
    for_money = points - due.goods_points
    if for_money < 0:
        return TenderProblem.FEWER_THAN_GOODS
    problem = _tender_problem(due, terms, points)
    if problem is not None:
        return problem
    rate = terms.fen_per_point or 0
    left = due.money_fen - for_money * rate
    all_payable = _payable(due, terms)[1] is None
    waived = rounded_up = 0
    if left < 0:
        rounded_up, left = -left, 0
    elif terms.fen_remainder is FenRemainder.WAIVE and all_payable and for_money > 0:
        waived, left = (left, 0) if left < rate else (0, left)
    return Tender(
        points_for_goods=due.goods_points,
        points_for_money=Points(for_money),
        cash_fen=Fen(left),
        waived_fen=Fen(waived),
        rounded_up_fen=Fen(rounded_up),
    )


def period_start(day: date, period: LimitPeriod) -> date:
    """The first business date that counts towards an item's limit on ``day``."""
    return day if period is LimitPeriod.DAY else day.replace(day=1)


def units_left(limit: int | None, used_milli: int) -> int | None:
    """Whole units that a limit still allows, 0 or more; None where there is no limit."""
    return None if limit is None else max(0, (limit * 1000 - used_milli) // 1000)


_REASONS = {
    LimitKind.EXCLUDED: DeclineReason.NOTHING_TO_REDEEM,
    LimitKind.BILL_SHARE: DeclineReason.NOTHING_TO_REDEEM,
    LimitKind.PER_SALE: DeclineReason.OVER_SALE_LIMIT,
    LimitKind.PER_DAY: DeclineReason.OVER_DAY_LIMIT,
    LimitKind.PER_HOUSEHOLD_DAY: DeclineReason.OVER_HOUSEHOLD_LIMIT,
    LimitKind.MINIMUM: DeclineReason.BELOW_MINIMUM,
}

_PROBLEMS = {
    LimitKind.EXCLUDED: TenderProblem.EXCLUDED_GOODS,
    LimitKind.MINIMUM: TenderProblem.BELOW_MINIMUM,
}


def _payable(due: Due, terms: RedemptionTerms) -> tuple[int, LimitKind | None]:
    """Fen that points may pay, and the rule that makes it less than the bill."""
    open_fen = due.money_fen - due.excluded_fen
    share_fen = due.money_fen * terms.limits.bill_share_bp // BASIS_POINTS_WHOLE
    if share_fen < open_fen:
        return share_fen, LimitKind.BILL_SHARE
    return open_fen, LimitKind.EXCLUDED if due.excluded_fen else None


def _left(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(0, limit - used)


def _with_minimum(wanted: PointsWanted, limits: Limits) -> PointsWanted:
    if wanted.refused_by is not None or is_enough(wanted.most, limits):
        return wanted
    minimum = Points(limits.minimum_points or 0)
    if wanted.required:
        return replace(
            wanted, optional=Points(0), refused_by=LimitKind.MINIMUM, limit_points=minimum
        )
    if wanted.limited_by in {None, LimitKind.EXCLUDED, LimitKind.BILL_SHARE}:
        return replace(
            wanted, optional=Points(0), limited_by=LimitKind.MINIMUM, limit_points=minimum
        )
    return replace(wanted, optional=Points(0))


def _tender_problem(due: Due, terms: RedemptionTerms, points: int) -> TenderProblem | None:
    wanted = points_wanted(due, terms)
    if points == 0:
        return None
    if wanted.refused_by is not None:
        return _PROBLEMS.get(wanted.refused_by, TenderProblem.OVER_LIMIT)
    if not is_enough(points, terms.limits):
        return TenderProblem.BELOW_MINIMUM
    if points <= wanted.most:
        return None
    over = wanted.limited_by in {LimitKind.PER_SALE, LimitKind.PER_DAY, LimitKind.PER_HOUSEHOLD_DAY}
    return TenderProblem.OVER_LIMIT if over else TenderProblem.MORE_THAN_DUE
