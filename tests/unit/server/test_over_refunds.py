"""What two tills give back twice: every fen of it stands somewhere, by merchant and sale."""

import pytest

from protocol.messages import OutcomeKind
from protocol.sales import RefundLine
from server.redemption.parked import BookParked, parked_records
from server.reports.over_refunds import over_refunds
from tests.unit.server.bookkeeping import books
from tests.unit.server.test_refunds import assert_clean
from tests.unit.server.world import ZHANG, World, money_line, refunded, sold

POSTED = OutcomeKind.POSTED
TWO_BUNS = money_line("馒头", 50, 2_000, line_no=1)
ONE = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=50, amount_points=0)


@pytest.fixture
def paid_half(world: World) -> World:
    """张阿姨 has 100 points."""
    world.award(ZHANG, "river-patrol")
    return world


def excess(world: World) -> tuple[int, int]:
    """What the account says, and that the office's list says the same."""
    account = world.points("over_refund:shop-a"), world.fen("over_refund:shop-a")
    (listed,) = world.read(lambda tx: over_refunds(tx, world.pool))
    assert (listed.points, listed.fen) == account
    return account


def test_points_given_where_money_was_due_leave_the_money_with_the_shop_and_it_is_told(
    paid_half: World,
) -> None:
    """Two buns, half by points. Each till gave 5 points for a bun, and neither knew of the other.

    Of the second bun 0.50 in money was due: the books take it off the takings, and the shop has
    it still.
    """
    world = paid_half
    first, second = world.till(), world.till(terminal="t-2")
    sale = sold(world, TWO_BUNS, points=5)
    assert sale.payment.cash_fen == 50
    first.tell(sale, refunded(world, sale, ONE, points_for_money=5))
    outcome = second.outcome(refunded(world, sale, ONE, points_for_money=5))
    assert outcome.outcome is POSTED
    assert "多退 5 积分、少退 0.50 元" in outcome.says
    assert world.points(f"resident:{ZHANG}") == 100
    assert books(world).takings_fen == 0
    assert excess(world) == (5, -50)
    (listed,) = world.read(lambda tx: over_refunds(tx, world.pool))
    (one,) = listed.refunds
    assert (one.receipt_no, one.sold_by, listed.merchant_name) == (
        sale.receipt_no,
        "t-1",
        "商户shop-a",
    )
    assert_clean(world)


def test_one_bun_twice_and_points_for_its_money(paid_half: World) -> None:
    """Three buns back of two: two are booked, and of the third nothing but the note."""
    world = paid_half
    first, second = world.till(), world.till(terminal="t-2")
    sale = sold(world, TWO_BUNS, points=5)
    both = RefundLine(line_no=1, quantity_milli=2_000, amount_fen=100, amount_points=0)
    first.tell(sale, refunded(world, sale, ONE, points_for_money=5))
    outcome = second.outcome(refunded(world, sale, both, points_for_money=5, cash_fen=50))
    assert outcome.outcome is POSTED
    assert excess(world) == (5, 0)
    assert world.points(f"resident:{ZHANG}") == 100
    assert books(world).takings_fen == 0
    assert_clean(world)


def test_what_is_all_excess_waits_for_one_look_and_no_longer(paid_half: World) -> None:
    world = paid_half
    first, second = world.till(), world.till(terminal="t-2")
    sale = sold(world, TWO_BUNS, points=5)
    both = RefundLine(line_no=1, quantity_milli=2_000, amount_fen=100, amount_points=0)
    given = refunded(world, sale, both, points_for_money=5, cash_fen=50)
    first.tell(sale, given)
    again = refunded(world, sale, both, points_for_money=5, cash_fen=50)
    assert second.outcome(again).outcome is OutcomeKind.PARKED
    assert excess(world) == (5, 50)
    (waits,) = world.read(lambda tx: parked_records(tx, world.pool))
    world.do(BookParked(terminal="t-2", epoch=1, seq=waits.seq, reason="与商户核实"))
    assert world.read(lambda tx: parked_records(tx, world.pool)) == []
    assert excess(world) == (5, 50), "looked at, not booked twice"
    assert world.points(f"resident:{ZHANG}") == 100
    assert_clean(world)
