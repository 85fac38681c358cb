import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.money import Fen, Points
from protocol.redemption import (
    Due,
    FenRemainder,
    PointsWanted,
    RedemptionTerms,
    Tender,
    TenderProblem,
    points_wanted,
    tender,
)

TEN_FEN = {remainder: RedemptionTerms(10, remainder) for remainder in FenRemainder}
NO_VALUE = RedemptionTerms(None)


def due(money_fen: int = 0, goods_points: int = 0) -> Due:
    return Due(Fen(money_fen), Points(goods_points))


@pytest.mark.parametrize(
    ("money_fen", "remainder", "points", "cash_fen", "waived_fen", "rounded_up_fen"),
    [
        # scenario A1: 7.10 yuan, all with points
        (710, FenRemainder.CASH, 71, 0, 0, 0),
        (710, FenRemainder.WAIVE, 71, 0, 0, 0),
        # scenario A1b: 7.18 yuan leaves 0.08
        (718, FenRemainder.CASH, 71, 8, 0, 0),
        (718, FenRemainder.WAIVE, 71, 0, 8, 0),
        (718, FenRemainder.ROUND_UP, 72, 0, 0, 2),
        # scenario A2: 12.60 yuan, 100 points in hand
        (1260, FenRemainder.WAIVE, 100, 260, 0, 0),
        # keeping some points: the fen are paid, not waived
        (718, FenRemainder.WAIVE, 50, 218, 0, 0),
        # what one more point could pay is never waived
        (720, FenRemainder.WAIVE, 71, 10, 0, 0),
        (718, FenRemainder.ROUND_UP, 71, 8, 0, 0),
        # no points at all: an ordinary sale
        (718, FenRemainder.WAIVE, 0, 718, 0, 0),
        (8, FenRemainder.WAIVE, 0, 8, 0, 0),
    ],
)
def test_money_is_paid_by_points_and_the_rest_follows_the_policy(
    money_fen: int,
    remainder: FenRemainder,
    points: int,
    cash_fen: int,
    waived_fen: int,
    rounded_up_fen: int,
) -> None:
    assert tender(due(money_fen), TEN_FEN[remainder], Points(points)) == Tender(
        points_for_goods=Points(0),
        points_for_money=Points(points),
        cash_fen=Fen(cash_fen),
        waived_fen=Fen(waived_fen),
        rounded_up_fen=Fen(rounded_up_fen),
    )


def test_fen_of_goods_that_only_money_pays_are_not_waived() -> None:
    basket = Due(Fen(1_005), Points(0), excluded_fen=Fen(5))
    paid = tender(basket, TEN_FEN[FenRemainder.WAIVE], Points(100))
    assert isinstance(paid, Tender)
    assert (paid.cash_fen, paid.waived_fen) == (5, 0)


def test_goods_priced_in_points_are_all_or_nothing() -> None:
    basket = due(goods_points=24)
    assert points_wanted(basket, NO_VALUE) == PointsWanted(Points(24), Points(0))
    assert tender(basket, NO_VALUE, Points(23)) is TenderProblem.FEWER_THAN_GOODS
    paid = tender(basket, NO_VALUE, Points(24))
    assert isinstance(paid, Tender)
    assert (paid.points, paid.cash_fen) == (24, 0)


def test_more_points_than_due_are_never_taken() -> None:
    assert tender(due(710), TEN_FEN[FenRemainder.WAIVE], Points(72)) is TenderProblem.MORE_THAN_DUE
    assert tender(due(710), NO_VALUE, Points(1)) is TenderProblem.MORE_THAN_DUE


def test_where_points_have_no_value_money_stays_money() -> None:
    assert points_wanted(due(710, 5), NO_VALUE) == PointsWanted(Points(5), Points(0))


@given(
    st.integers(min_value=0, max_value=100_000),
    st.integers(min_value=0, max_value=1_000),
    st.integers(min_value=1, max_value=250),
    st.sampled_from(FenRemainder),
    st.data(),
)
def test_a_payment_always_adds_up_to_what_is_due(
    money_fen: int,
    goods_points: int,
    fen_per_point: int,
    remainder: FenRemainder,
    data: st.DataObject,
) -> None:
    terms = RedemptionTerms(fen_per_point, remainder)
    basket = due(money_fen, goods_points)
    wanted = points_wanted(basket, terms)
    assert wanted.required == goods_points
    extra = data.draw(st.integers(min_value=0, max_value=wanted.optional))
    paid = tender(basket, terms, Points(goods_points + extra))
    assert isinstance(paid, Tender)
    covered = paid.points_for_money * fen_per_point
    assert covered + paid.cash_fen + paid.waived_fen - paid.rounded_up_fen == money_fen
    assert min(paid.cash_fen, paid.waived_fen, paid.rounded_up_fen) >= 0
    assert paid.waived_fen < fen_per_point
    assert paid.rounded_up_fen < fen_per_point
    assert paid.points == goods_points + extra
