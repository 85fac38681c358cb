"""How far points may pay: the rule that terminal and server run."""

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.documents import Policy
from protocol.money import BASIS_POINTS_WHOLE, Fen, Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import (
    Due,
    FenRemainder,
    LimitKind,
    LimitPeriod,
    Limits,
    PointsWanted,
    RedemptionTerms,
    Tender,
    TenderProblem,
    Used,
    capped,
    due_of,
    is_enough,
    is_excluded,
    period_start,
    points_wanted,
    refusal,
    tender,
    units_left,
)
from tests.support.shop import policy


@dataclass(frozen=True)
class Line:
    category: str
    amount_fen: int = 0
    amount_points: int = 0


TOBACCO = Line("烟", 2500)
BUNS = Line("食品", 718)
FREE = Line("烟")
RICE = Line("礼品", amount_points=15)


def terms(
    limits: Limits, remainder: FenRemainder = FenRemainder.WAIVE, rate: int | None = 10
) -> RedemptionTerms:
    return RedemptionTerms(rate, remainder, limits)


NO_TOBACCO = Limits(excluded_categories=("烟", "酒"))


def test_a_mixed_baskets_excluded_goods_are_money_and_the_rest_is_points() -> None:
    due = due_of((TOBACCO, BUNS, FREE), NO_TOBACCO)
    assert due == Due(Fen(3218), Points(0), excluded_fen=Fen(2500))
    for remainder in FenRemainder:
        wanted = points_wanted(due, terms(NO_TOBACCO, remainder))
        assert wanted == PointsWanted(Points(0), Points(71), LimitKind.EXCLUDED)
        paid = tender(due, terms(NO_TOBACCO, remainder), Points(71))
        # Money is paid in any case, so the 0.08 go with it: nothing is waived or rounded up.
        assert paid == Tender(Points(0), Points(71), Fen(2508), Fen(0), Fen(0))
    assert tender(due, terms(NO_TOBACCO), Points(72)) is TenderProblem.MORE_THAN_DUE


def test_what_is_free_is_never_excluded_and_never_limited() -> None:
    tight = Limits(excluded_categories=("烟",), per_sale_points=1, minimum_points=1)
    due = due_of((FREE,), tight)
    assert not is_excluded(FREE, tight)
    assert due == Due(Fen(0), Points(0))
    assert points_wanted(due, terms(tight)) == PointsWanted(Points(0), Points(0))
    assert tender(due, terms(tight), Points(0)) == Tender(
        Points(0), Points(0), Fen(0), Fen(0), Fen(0)
    )


def test_goods_priced_in_points_of_an_excluded_category_cannot_be_sold() -> None:
    excluded = Limits(excluded_categories=("礼品",))
    due = due_of((RICE, BUNS), excluded)
    wanted = points_wanted(due, terms(excluded))
    assert wanted.refused_by is LimitKind.EXCLUDED
    assert wanted.most == 0
    assert tender(due, terms(excluded), Points(15)) is TenderProblem.EXCLUDED_GOODS


@pytest.mark.parametrize(
    ("limits", "points", "rule", "figure"),
    [
        (Limits(), 71, None, 0),
        (Limits(bill_share_bp=5000), 35, LimitKind.BILL_SHARE, 0),
        (Limits(bill_share_bp=0), 0, LimitKind.BILL_SHARE, 0),
        (Limits(per_sale_points=50), 50, LimitKind.PER_SALE, 50),
        (Limits(per_sale_points=71), 71, None, 0),
        (Limits(per_day_points=60), 40, LimitKind.PER_DAY, 40),
        (Limits(per_day_points=20), 0, LimitKind.PER_DAY, 0),
        (Limits(per_household_day_points=70), 40, LimitKind.PER_HOUSEHOLD_DAY, 40),
        (Limits(per_sale_points=50, per_day_points=60), 40, LimitKind.PER_DAY, 40),
        (Limits(per_sale_points=30, per_day_points=60), 30, LimitKind.PER_SALE, 30),
        (Limits(minimum_points=71), 71, None, 0),
        (Limits(minimum_points=72), 0, LimitKind.MINIMUM, 72),
        # The day has too few left for a sale at all: the day is what the cashier is told.
        (Limits(minimum_points=50, per_day_points=60), 0, LimitKind.PER_DAY, 40),
    ],
)
def test_each_limit_with_20_points_used_today_and_30_by_the_household(
    limits: Limits, points: int, rule: LimitKind | None, figure: int
) -> None:
    due = due_of((BUNS,), limits)
    wanted = points_wanted(due, terms(limits), Used(20, 30))
    assert (wanted.optional, wanted.limited_by, wanted.limit_points) == (points, rule, figure)
    assert wanted.refused_by is None


@pytest.mark.parametrize(
    ("limits", "rule", "reason", "figure"),
    [
        (Limits(per_sale_points=14), LimitKind.PER_SALE, DeclineReason.OVER_SALE_LIMIT, 14),
        (Limits(per_day_points=20), LimitKind.PER_DAY, DeclineReason.OVER_DAY_LIMIT, 10),
        (
            Limits(per_household_day_points=20),
            LimitKind.PER_HOUSEHOLD_DAY,
            DeclineReason.OVER_HOUSEHOLD_LIMIT,
            0,
        ),
        (Limits(minimum_points=16), LimitKind.MINIMUM, DeclineReason.BELOW_MINIMUM, 16),
    ],
)
def test_goods_priced_in_points_are_all_or_nothing_within_every_limit(
    limits: Limits, rule: LimitKind, reason: DeclineReason, figure: int
) -> None:
    due = due_of((RICE,), limits)
    wanted = points_wanted(due, terms(limits, rate=None), Used(10, 25))
    assert wanted.refused_by is rule
    assert refusal(wanted) == Declined(reason, limit_points=Points(figure))


@pytest.mark.parametrize(
    ("limits", "points", "problem"),
    [
        (Limits(bill_share_bp=5000), 36, TenderProblem.MORE_THAN_DUE),
        (Limits(per_sale_points=50), 51, TenderProblem.OVER_LIMIT),
        (Limits(per_day_points=50), 51, TenderProblem.OVER_LIMIT),
        (Limits(minimum_points=30), 29, TenderProblem.BELOW_MINIMUM),
        (Limits(), 72, TenderProblem.MORE_THAN_DUE),
    ],
)
def test_a_payment_beyond_what_one_sale_may_take_is_refused(
    limits: Limits, points: int, problem: TenderProblem
) -> None:
    due = due_of((BUNS,), limits)
    assert tender(due, terms(limits), Points(points)) is problem
    assert isinstance(tender(due, terms(limits), Points(0)), Tender)


def test_a_bill_of_which_points_pay_a_share_leaves_its_fen_in_money() -> None:
    half = Limits(bill_share_bp=5000)
    paid = tender(due_of((BUNS,), half), terms(half), Points(35))
    assert paid == Tender(Points(0), Points(35), Fen(368), Fen(0), Fen(0))


def test_periods_and_units() -> None:
    day = policy().made_at.date()
    assert period_start(day, LimitPeriod.DAY) == day
    assert period_start(day, LimitPeriod.MONTH) == day.replace(day=1)
    assert units_left(None, 5_000) is None
    assert (units_left(2, 0), units_left(2, 1_500), units_left(2, 9_000)) == (2, 0, 0)


def test_a_policy_from_before_there_were_limits_reads_as_one_without() -> None:
    told = msgspec.json.decode(msgspec.json.encode(policy()))
    del told["limits"]
    old = msgspec.json.decode(msgspec.json.encode(told), type=Policy)
    assert old.limits == Limits()
    assert old == policy()


def test_answers_without_a_limit_are_written_as_they_always_were() -> None:
    encoded = msgspec.json.encode(Declined(DeclineReason.INSUFFICIENT_POINTS))
    assert b"item" not in encoded
    assert b"left_units" not in encoded


limit = st.none() | st.integers(min_value=1, max_value=400)
categories = st.sampled_from(["烟", "酒", "食品", "礼品"])
lines = st.lists(
    st.builds(Line, categories, st.integers(0, 5_000), st.just(0))
    | st.builds(Line, categories, st.just(0), st.integers(0, 60)),
    max_size=6,
)
every_limits = st.builds(
    Limits,
    bill_share_bp=st.sampled_from([0, 3333, 5000, BASIS_POINTS_WHOLE]),
    excluded_categories=st.sampled_from([(), ("烟",), ("烟", "酒")]),
    per_sale_points=limit,
    per_day_points=limit,
    per_household_day_points=limit,
    minimum_points=st.none() | st.integers(1, 60),
)


@given(
    lines,
    every_limits,
    st.sampled_from(FenRemainder),
    st.none() | st.integers(1, 250),
    st.builds(Used, st.integers(0, 400), st.integers(0, 400)),
    st.integers(0, 600),
)
def test_a_payment_adds_up_and_stays_within_every_limit_on_both_sides(
    basket: list[Line],
    limits: Limits,
    remainder: FenRemainder,
    rate: int | None,
    used: Used,
    available: int,
) -> None:
    rule = terms(limits, remainder, rate)
    due = due_of(basket, limits)
    # The terminal asks within what it knows; the server answers within what it knows besides.
    asked = points_wanted(due, rule)
    granted = capped(PointsWanted(asked.required, asked.optional), limits, used)
    assert points_wanted(due, rule, used).most <= asked.most
    if asked.refused_by is None:
        assert granted.most == points_wanted(due, rule, used).most
    points = min(granted.most, available)
    if asked.most == 0 or points < due.goods_points or not is_enough(points, limits):
        points = 0
    paid = tender(due, rule, Points(points))
    if points == 0 and due.goods_points:
        assert paid is TenderProblem.FEWER_THAN_GOODS
        return
    assert isinstance(paid, Tender)
    covered = paid.points_for_money * (rate or 0)
    assert covered + paid.cash_fen + paid.waived_fen - paid.rounded_up_fen == due.money_fen
    assert min(paid.cash_fen, paid.waived_fen, paid.rounded_up_fen) >= 0
    assert paid.cash_fen >= due.excluded_fen
    open_fen = min(
        due.money_fen - due.excluded_fen,
        due.money_fen * limits.bill_share_bp // BASIS_POINTS_WHOLE,
    )
    assert covered - paid.rounded_up_fen <= open_fen
    for cap, taken in (
        (limits.per_sale_points, 0),
        (limits.per_day_points, used.day_points),
        (limits.per_household_day_points, used.household_day_points),
    ):
        assert cap is None or points == 0 or points + taken <= cap
    assert points == 0 or points >= (limits.minimum_points or 0)
