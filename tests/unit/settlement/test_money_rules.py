"""The rules of money as tables: what a person can work out on paper."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.directory.contract_terms import (
    Basis,
    ContractTerms,
    Cycle,
    ShareRule,
    simple_terms,
    terms_problem,
)
from server.directory.values import Contract
from server.settlement.categories import Goods, Part, divide, taken_away
from server.settlement.periods import periods_ended
from server.settlement.rent import MonthDays, cost_of_days, months_between
from server.settlement.share import share_of_month, share_parts, share_parts_of_lines

ONE_RATE = ((0, 500),)
THREE_TIERS = ((0, 300), (1_000_000, 500), (3_000_000, 800))


@pytest.mark.parametrize(
    ("tiers", "takings_fen", "share_fen"),
    [
        (ONE_RATE, 0, 0),
        (ONE_RATE, 3_000_000, 150_000),
        (ONE_RATE, 9, 0),
        (ONE_RATE, 10, 1),
        (ONE_RATE, 29, 1),
        (ONE_RATE, 30, 2),
        (ONE_RATE, -10, -1),
        (((0, 0),), 123_456, 0),
        (((0, 10_000),), 123_456, 123_456),
        (THREE_TIERS, 1_000_000, 30_000),
        (THREE_TIERS, 1_000_001, 30_000),
        (THREE_TIERS, 1_000_010, 30_001),
        (THREE_TIERS, 3_000_000, 130_000),
        (THREE_TIERS, 3_500_000, 170_000),
        (THREE_TIERS, -100, -3),
    ],
)
def test_a_months_share(
    tiers: tuple[tuple[int, int], ...], takings_fen: int, share_fen: int
) -> None:
    assert share_of_month(tiers, takings_fen) == share_fen


def test_takings_that_cross_two_tiers_are_told_tier_by_tier() -> None:
    found = share_parts(THREE_TIERS, 900_000, 2_200_000)
    assert [(each.from_fen, each.bp, each.takings_fen, each.share_fen) for each in found] == [
        (0, 300, 100_000, 3_000),
        (1_000_000, 500, 2_000_000, 100_000),
        (3_000_000, 800, 100_000, 8_000),
    ]


def test_a_refund_gives_back_at_the_tier_in_which_the_month_stands() -> None:
    found = share_parts(THREE_TIERS, 3_100_000, -200_000)
    assert [(each.takings_fen, each.share_fen) for each in found] == [
        (0, 0),
        (-100_000, -5_000),
        (-100_000, -8_000),
    ]


tiers = st.lists(
    st.tuples(st.integers(1, 10_000), st.integers(0, 10_000)), min_size=1, max_size=4
).map(
    lambda steps: tuple(
        (0 if i == 0 else sum(step for step, _ in steps[:i]), bp) for i, (_, bp) in enumerate(steps)
    )
)
moves = st.lists(st.integers(-3_000, 5_000), min_size=1, max_size=12)


@given(tiers, st.integers(-2_000, 20_000), moves)
def test_statements_of_a_month_add_up_to_the_month_however_it_is_cut(
    steps: tuple[tuple[int, int], ...], before_fen: int, amounts: list[int]
) -> None:
    paid = 0
    so_far = before_fen
    for amount in amounts:
        parts = share_parts(steps, so_far, amount)
        assert sum(each.takings_fen for each in parts) == amount
        paid += sum(each.share_fen for each in parts)
        so_far += amount
    assert paid == share_of_month(steps, so_far) - share_of_month(steps, before_fen)


@given(tiers, st.integers(-2_000, 20_000), moves)
def test_lines_add_up_to_their_statement_and_none_is_off_by_more_than_a_fen(
    steps: tuple[tuple[int, int], ...], before_fen: int, amounts: list[int]
) -> None:
    parts = share_parts_of_lines(steps, before_fen, amounts)
    after_fen = before_fen + sum(amounts)
    assert sum(parts) == share_of_month(steps, after_fen) - share_of_month(steps, before_fen)
    so_far = before_fen
    for amount, part in zip(amounts, parts, strict=True):
        exact = share_of_month(steps, so_far + amount) - share_of_month(steps, so_far)
        assert abs(part - exact) <= 2
        so_far += amount


@pytest.mark.parametrize(
    ("first", "last", "rent_fen"),
    [
        (date(2026, 3, 1), date(2026, 3, 31), 120_000),
        (date(2026, 3, 1), date(2026, 3, 1), 3_870),
        (date(2026, 3, 2), date(2026, 3, 2), 3_871),
        (date(2026, 3, 31), date(2026, 3, 31), 3_871),
        (date(2026, 3, 1), date(2026, 3, 10), 38_709),
        (date(2026, 3, 11), date(2026, 3, 31), 81_291),
        (date(2026, 2, 1), date(2026, 2, 14), 60_000),
        (date(2028, 2, 29), date(2028, 2, 29), 4_138),
    ],
)
def test_rent_by_the_day(first: date, last: date, rent_fen: int) -> None:
    assert cost_of_days(120_000, MonthDays(first, last)) == rent_fen


@given(
    st.integers(0, 10_000_000),
    st.dates(date(2024, 1, 1), date(2028, 12, 31)),
    st.lists(st.integers(1, 20), min_size=1, max_size=8),
)
def test_rent_of_days_weeks_and_months_is_the_same_fen(
    month_fen: int, first: date, lengths: list[int]
) -> None:
    last = first + timedelta(days=sum(lengths) - 1)
    whole = sum(cost_of_days(month_fen, each) for each in months_between(first, last))
    pieces, begin = 0, first
    for length in lengths:
        end = begin + timedelta(days=length - 1)
        pieces += sum(cost_of_days(month_fen, each) for each in months_between(begin, end))
        begin = end + timedelta(days=1)
    assert pieces == whole


def contract(
    cycle: Cycle, first: date, last: date | None = None, *, shop: str | None = None, name: str = "c"
) -> Contract:
    terms = ContractTerms(cycle=cycle)
    return Contract(name, "m", 0, 10_000, first, last, shop, terms)


def ended(contracts: list[Contract], first: date, through: date) -> list[tuple[str, str, str]]:
    return [
        (f"{each.first:%m-%d}", f"{each.last:%m-%d}", each.cycle.value)
        for each in periods_ended(contracts, first, through)
    ]


MARCH = [date(2026, 3, day) for day in range(1, 32)]


def test_a_day_a_week_and_a_month_end_with_the_calendar() -> None:
    days = [contract(Cycle.DAY, MARCH[0])]
    assert ended(days, MARCH[0], MARCH[1]) == [("03-01", "03-01", "day"), ("03-02", "03-02", "day")]
    weeks = [contract(Cycle.WEEK, MARCH[0])]
    assert ended(weeks, MARCH[0], MARCH[13]) == [
        ("03-01", "03-01", "week"),
        ("03-02", "03-08", "week"),
    ]
    months = [contract(Cycle.MONTH, MARCH[0])]
    assert ended(months, MARCH[4], MARCH[29]) == []
    assert ended(months, MARCH[4], MARCH[30]) == [("03-05", "03-31", "month")]


def test_whoever_is_settled_when_the_operator_settles_ends_with_the_run() -> None:
    assert ended([contract(Cycle.RUN, MARCH[0])], MARCH[2], MARCH[8]) == [("03-03", "03-09", "run")]
    assert ended([], MARCH[2], MARCH[8]) == [("03-03", "03-09", "run")]


def test_a_period_is_cut_where_another_cycle_begins_and_none_is_left_between() -> None:
    both = [
        contract(Cycle.MONTH, MARCH[0], MARCH[9]),
        contract(Cycle.WEEK, MARCH[10], name="d"),
    ]
    assert ended(both, MARCH[0], MARCH[15]) == [
        ("03-01", "03-10", "month"),
        ("03-11", "03-15", "week"),
    ]
    ends = [contract(Cycle.MONTH, MARCH[0], MARCH[14])]
    assert ended(ends, MARCH[0], MARCH[19]) == [
        ("03-01", "03-15", "month"),
        ("03-16", "03-20", "run"),
    ]


def test_the_merchants_contract_decides_the_cycle_before_a_shops_own() -> None:
    both = [
        contract(Cycle.DAY, MARCH[0], shop="a", name="a"),
        contract(Cycle.MONTH, MARCH[0], name="z"),
    ]
    assert ended(both, MARCH[0], MARCH[3]) == []


def test_takings_are_divided_by_the_amounts_of_the_goods() -> None:
    goods = Goods({"食品": 1_000, "药品": 500}, cash_fen=1_001, points_fen=499)
    assert divide(goods) == {"食品": Part(667, 333), "药品": Part(334, 166)}
    assert divide(Goods({}, 5, 0)) == {"": Part(5, 0)}


def test_goods_that_all_came_back_leave_nothing_in_any_category() -> None:
    sold = Goods({"食品": 5_000, "烟酒": 5_000}, cash_fen=5_000, points_fen=5_000)
    half = Goods({"食品": 0, "烟酒": 5_000}, cash_fen=5_000, points_fen=0)
    first = taken_away(sold, half)
    assert first == {"食品": Part(-2_500, -2_500), "烟酒": Part(2_500, -2_500)}
    second = taken_away(half, Goods({"食品": 0, "烟酒": 0}, 0, 0))
    for name in ("食品", "烟酒"):
        parts = (divide(sold)[name], first[name], second[name])
        assert sum(each.cash_fen for each in parts) == 0
        assert sum(each.points_fen for each in parts) == 0


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (simple_terms(10_001, 10_000), "100%"),
        (simple_terms(0, 10_001), "100%"),
        (simple_terms(-1, 0), "100%"),
        (ContractTerms(share=(ShareRule(tiers=()),)), "档"),
        (ContractTerms(share=(ShareRule(tiers=((5, 100),)),)), "从 0 开始"),
        (ContractTerms(share=(ShareRule(tiers=((0, 1), (9, 2), (9, 3))),)), "逐档升高"),
        (ContractTerms(share=(ShareRule(tiers=ONE_RATE), ShareRule(tiers=ONE_RATE))), "两次"),
        (ContractTerms(rent_fen=-1), "rent"),
        (ContractTerms(fees={"x": -5}), "x"),
    ],
)
def test_terms_that_no_contract_can_have_are_refused_in_words(
    terms: ContractTerms, says: str
) -> None:
    problem = terms_problem(terms)
    assert problem is not None
    assert says in problem


def test_good_terms_have_no_problem() -> None:
    rules = (
        ShareRule(category="药品", basis=Basis.ALL, tiers=THREE_TIERS),
        ShareRule(tiers=((0, 10_000),)),
    )
    assert terms_problem(ContractTerms(share=rules, share_min_fen=1, rent_fen=2)) is None
