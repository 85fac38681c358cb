import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.money import (
    MAX_AMOUNT_FEN,
    AmountProblem,
    allot,
    format_quantity,
    format_yuan,
    parse_yuan,
    price_of,
    rate_of,
)


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("7", 700),
        ("7.1", 710),
        ("7.10", 710),
        (" 7.10 ", 710),
        ("０.０１", 1),
        ("７．１０", 710),
        ("7.", 700),
        ("50000.00", MAX_AMOUNT_FEN),
        ("007.10", 710),
    ],
)
def test_an_amount_is_read_as_people_type_it(text: str, fen: int) -> None:
    assert parse_yuan(text) == fen


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", AmountProblem.NOT_A_NUMBER),
        ("abc", AmountProblem.NOT_A_NUMBER),
        (".50", AmountProblem.NOT_A_NUMBER),
        ("1e5", AmountProblem.NOT_A_NUMBER),
        ("1,000", AmountProblem.NOT_A_NUMBER),
        ("--5", AmountProblem.NOT_A_NUMBER),
        ("٣", AmountProblem.NOT_A_NUMBER),
        ("0", AmountProblem.ZERO),
        ("0.00", AmountProblem.ZERO),
        ("-5", AmountProblem.NEGATIVE),
        ("1.234", AmountProblem.TOO_MANY_DECIMALS),
        ("0.001", AmountProblem.TOO_MANY_DECIMALS),
        ("50000.01", AmountProblem.TOO_LARGE),
        ("9" * 16, AmountProblem.TOO_LARGE),
        ("9" * 10_000, AmountProblem.TOO_LARGE),
    ],
)
def test_a_wrong_amount_is_refused_with_its_reason(text: str, problem: AmountProblem) -> None:
    assert parse_yuan(text) == problem


@given(st.integers(min_value=1, max_value=MAX_AMOUNT_FEN))
def test_every_amount_is_read_back_as_it_is_shown(fen: int) -> None:
    assert parse_yuan(format_yuan(fen)) == fen


@given(st.text(max_size=40))
def test_any_text_is_an_amount_or_a_reason(text: str) -> None:
    answer = parse_yuan(text)
    assert isinstance(answer, AmountProblem) or 1 <= answer <= MAX_AMOUNT_FEN


def test_money_is_shown_with_two_decimals() -> None:
    assert [format_yuan(x) for x in (0, 8, 710, -5, 123456)] == [
        "0.00",
        "0.08",
        "7.10",
        "-0.05",
        "1234.56",
    ]


def test_quantities_are_shown_without_needless_zeros() -> None:
    assert [format_quantity(x) for x in (5000, 1300, 1, 250, 10_000)] == [
        "5",
        "1.3",
        "0.001",
        "0.25",
        "10",
    ]


@pytest.mark.parametrize(
    ("unit_price", "quantity_milli", "price"),
    [(460, 1000, 460), (360, 1300, 468), (50, 5000, 250), (1, 499, 0), (1, 500, 1), (15, 2000, 30)],
)
def test_a_price_is_rounded_half_up(unit_price: int, quantity_milli: int, price: int) -> None:
    assert price_of(unit_price, quantity_milli) == price


@pytest.mark.parametrize(
    ("amount", "rate_bp", "share"),
    [(260, 1000, 26), (6000, 300, 180), (3_000_000, 500, 150_000), (5, 1000, 1), (-5, 1000, -1)],
)
def test_a_rate_is_exact_and_rounds_half_away_from_zero(
    amount: int, rate_bp: int, share: int
) -> None:
    assert rate_of(amount, rate_bp) == share


@given(
    st.integers(min_value=0, max_value=10**9),
    st.lists(st.integers(min_value=0, max_value=10**6), min_size=1, max_size=30),
)
def test_splitting_loses_nothing_and_is_fair_to_a_fen(total: int, weights: list[int]) -> None:
    parts = allot(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    if whole:
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part * whole - total * weight) < whole


def test_equal_remainders_go_to_the_earlier_part() -> None:
    assert allot(100, [1, 1, 1]) == [34, 33, 33]
    assert allot(7, [0, 0]) == [7, 0]


def test_a_split_of_nothing_is_a_mistake_of_the_caller() -> None:
    for total, weights in ((-1, [1]), (1, []), (1, [-1])):
        with pytest.raises(ValueError, match="allot"):
            allot(total, weights)
