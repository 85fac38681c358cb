"""What a shop takes off its prices, and what of it comes back: never below zero, never too much."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from protocol.discounts import (
    ROUNDING_STEPS_FEN,
    Discount,
    DiscountKind,
    discounts_hold,
    take_off,
)
from protocol.money import QUANTITY_ONE_MILLI, Points, price_of
from protocol.redemption import (
    FenRemainder,
    RedemptionTerms,
    Tender,
    due_of,
    points_wanted,
    tender,
)
from protocol.refunds import NOTHING_RETURNED, left_of, refund_for, with_refund
from protocol.sales import Payment, SaleLine

LINE, BASKET, ROUNDING = DiscountKind.LINE, DiscountKind.BASKET, DiscountKind.ROUNDING


def off_line(line_no: int, fen: int) -> Discount:
    return Discount(kind=LINE, line_no=line_no, amount_fen=fen)


@pytest.mark.parametrize(
    ("prices", "discounts", "by_line", "amounts"),
    [
        ({1: 1000}, [off_line(1, 100)], {1: 100}, (100,)),
        ({1: 1000, 2: 500}, [Discount(kind=BASKET, amount_fen=0, rate_bp=1000)],
         {1: 100, 2: 50}, (150,)),
        ({1: 333, 2: 333, 3: 333}, [Discount(kind=BASKET, amount_fen=100)],
         {1: 34, 2: 33, 3: 33}, (100,)),  # largest remainder, the earlier line first
        ({1: 250, 2: 468}, [Discount(kind=ROUNDING, amount_fen=0, step_fen=10)],
         {1: 3, 2: 5}, (8,)),
        ({1: 718}, [Discount(kind=ROUNDING, amount_fen=0, step_fen=100)], {1: 18}, (18,)),
        ({1: 700}, [Discount(kind=ROUNDING, amount_fen=0, step_fen=100)], {}, (0,)),
        ({1: 300}, [off_line(1, 900)], {1: 300}, (300,)),  # no line below zero
        ({1: 300, 2: 700}, [off_line(1, 300), Discount(kind=BASKET, amount_fen=70)],
         {1: 300, 2: 70}, (300, 70)),  # what costs nothing any more takes no part
        ({1: 300}, [off_line(7, 50)], {}, (0,)),  # goods in points have no price to take off
        ({1: 1000}, [off_line(1, 100), Discount(kind=BASKET, amount_fen=0, rate_bp=1000)],
         {1: 190}, (100, 90)),  # a tenth of what is left
    ],
)  # fmt: skip
def test_a_discount_is_divided_over_what_the_goods_cost(
    prices: Mapping[int, int],
    discounts: list[Discount],
    by_line: dict[int, int],
    amounts: tuple[int, ...],
) -> None:
    taken = take_off(prices, discounts)
    assert (dict(taken.by_line), taken.amounts_fen) == (by_line, amounts)


SOUND = Discount(kind=BASKET, amount_fen=150, rate_bp=1000)


@pytest.mark.parametrize(
    "given_discount",
    [
        replace(SOUND, amount_fen=149),
        replace(SOUND, rate_bp=990),
        replace(SOUND, rate_bp=10_001),
        replace(SOUND, rate_bp=-1000, amount_fen=-150),
        replace(SOUND, line_no=1),
        replace(SOUND, kind=LINE, line_no=3),
        replace(SOUND, kind=ROUNDING),
        replace(SOUND, kind=ROUNDING, rate_bp=UNSET, step_fen=7),
        replace(SOUND, reason="x" * 81),
        replace(SOUND, step_fen=10),
    ],
)
def test_what_does_not_come_to_what_it_says_does_not_hold(given_discount: Discount) -> None:
    prices = {1: 1000, 2: 500}
    assert discounts_hold(prices, {1: 100, 2: 50}, [SOUND])
    assert not discounts_hold(prices, {1: 101, 2: 49}, [SOUND])
    assert not discounts_hold(prices, {1: 100, 2: 50}, [])
    assert not discounts_hold(prices, {1: 100, 2: 50}, [given_discount])


wishes = st.one_of(
    st.builds(
        Discount, kind=st.just(LINE), line_no=st.integers(1, 5), amount_fen=st.integers(1, 9_000)
    ),
    st.builds(
        Discount,
        kind=st.just(LINE),
        line_no=st.integers(1, 5),
        amount_fen=st.just(0),
        rate_bp=st.integers(1, 10_000),
    ),
    st.builds(Discount, kind=st.just(BASKET), amount_fen=st.integers(1, 20_000)),
    st.builds(
        Discount, kind=st.just(BASKET), amount_fen=st.just(0), rate_bp=st.integers(1, 10_000)
    ),
    st.builds(
        Discount,
        kind=st.just(ROUNDING),
        amount_fen=st.just(0),
        step_fen=st.sampled_from(ROUNDING_STEPS_FEN),
    ),
)
goods = st.lists(
    st.tuples(st.integers(0, 5_000), st.sampled_from([1000, 2000, 3000, 7000, 333, 1300])),
    min_size=1,
    max_size=5,
)


@given(priced=goods, wanted=st.lists(wishes, max_size=5))
def test_no_line_is_ever_below_zero_and_the_rule_agrees_with_itself(
    priced: list[tuple[int, int]], wanted: list[Discount]
) -> None:
    prices = {no: price_of(price, milli) for no, (price, milli) in enumerate(priced, 1)}
    taken = take_off(prices, wanted)
    assert all(0 < off <= prices[no] for no, off in taken.by_line.items())
    assert sum(taken.by_line.values()) == sum(taken.amounts_fen)
    frozen = [
        replace(each, amount_fen=fen)
        for each, fen in zip(wanted, taken.amounts_fen, strict=True)
        if fen
    ]
    assert discounts_hold(prices, taken.by_line, frozen)


@given(
    priced=goods,
    wanted=st.lists(wishes, max_size=3),
    rate=st.sampled_from([None, 1, 7, 10, 100]),
    remainder=st.sampled_from(FenRemainder),
    chosen=st.integers(0, 3_000),
    steps=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 7)), max_size=12),
)
def test_whatever_of_a_discounted_sale_comes_back_is_never_more_than_it_was_sold_for(
    priced: list[tuple[int, int]],
    wanted: list[Discount],
    rate: int | None,
    remainder: FenRemainder,
    chosen: int,
    steps: list[tuple[int, int]],
) -> None:
    prices = {no: price_of(price, milli) for no, (price, milli) in enumerate(priced, 1)}
    off = take_off(prices, wanted).by_line
    lines = tuple(
        SaleLine(
            line_no=no,
            item_id=None,
            barcode=None,
            name=str(no),
            category="食品",
            quantity_milli=milli,
            unit="个",
            unit_price_fen=price,
            amount_fen=prices[no] - off.get(no, 0),
            discount_fen=off.get(no) or UNSET,
        )
        for no, (price, milli) in enumerate(priced, 1)
    )
    terms = RedemptionTerms(rate, remainder)
    due = due_of(lines)
    paid = tender(due, terms, Points(min(chosen, points_wanted(due, terms).most)))
    assert isinstance(paid, Tender)
    payment = Payment(
        points_for_money=paid.points_for_money,
        cash_fen=paid.cash_fen,
        waived_fen=paid.waived_fen,
        rounded_up_fen=paid.rounded_up_fen,
    )
    back = NOTHING_RETURNED
    everything = [(line.line_no, line.quantity_milli) for line in lines]
    for line_no, units in [*steps, *everything]:
        milli = min(units * QUANTITY_ONE_MILLI, left_of(lines, back).get(line_no, 0))
        if line_no <= len(lines) and lines[line_no - 1].quantity_milli % QUANTITY_ONE_MILLI:
            milli = min(units * 100, left_of(lines, back).get(line_no, 0))
        if (line_no, units) in everything:
            milli = left_of(lines, back).get(line_no, 0)
        if milli == 0:
            continue
        found = refund_for(lines, payment, back, {line_no: milli})
        assert isinstance(found, tuple), found
        returned, given_back = found
        assert all(x.amount_fen >= 0 for x in returned)
        assert (
            min(
                given_back.points_for_money,
                given_back.cash_fen,
                given_back.waived_fen,
                given_back.rounded_up_fen,
            )
            >= 0
        )
        back = with_refund(back, returned, given_back)
        for line in lines:
            assert back.amount_fen.get(line.line_no, 0) <= line.amount_fen
        assert back.payment.points_for_money <= payment.points_for_money
        assert back.payment.cash_fen <= payment.cash_fen
    assert back.payment == payment  # all is back: nothing is left over, nothing was made up
    assert all(back.amount_fen[x.line_no] == x.amount_fen for x in lines)
