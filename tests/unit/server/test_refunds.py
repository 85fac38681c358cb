"""Goods that come back: the sale mirrored, at its own frozen rates, never more than was sold."""

import re

import msgspec

from protocol.messages import (
    NoSale,
    OutcomeKind,
    SaleAnswer,
    SaleFound,
    SaleNotFound,
    SaleRequest,
)
from protocol.refunds import NOTHING_RETURNED, Returned, refund_for, with_refund
from protocol.sales import Payment, RefundLine, SaleCaptured, SaleRefunded, TakingsDeclared
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import reading
from tests.unit.server.bookkeeping import Books, books, codes
from tests.unit.server.world import (
    LIU,
    ZHANG,
    Till,
    World,
    money_line,
    points_line,
    refunded,
    sold,
)

BUNS = money_line("馒头", 50, 5_000, line_no=1)
GREENS = money_line("普通青菜", 460, 1_000, line_no=2)
POSTED = OutcomeKind.POSTED


def test_a_refund_mirrors_the_sale_points_first(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    sale = sold(world, money_line("套餐", 1_260), points=100)
    refund = refunded(
        world,
        sale,
        RefundLine(line_no=1, quantity_milli=1_000, amount_fen=1_260, amount_points=0),
        points_for_money=100,
        cash_fen=260,
    )
    outcomes = till.tell(sale, refund, refund)
    assert [each.outcome for each in outcomes] == [POSTED, POSTED, OutcomeKind.DUPLICATE]
    assert books(world) == Books(100, 0, 100, 0, 0)
    assert world.points("returned:shop-a") == 100
    assert codes(world, f"refund:{refund.refund_id}") == [
        ("points_returned", 100),
        ("reimbursement_returned", 1_000),
        ("takings_returned", 260),
    ]


def test_part_refunds_give_back_no_more_than_the_sale_cost_the_pool(world: World) -> None:
    world.add_merchant("shop-b", reimbursement_bp=3_333)
    till = world.till("shop-b", "t-2")
    world.award(ZHANG, "river-patrol")
    sale = sold(world, money_line("馒头", 50, 3_000), points=15)
    till.tell(sale)
    assert world.fen("merchant:shop-b") == 50
    one_bun = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=50, amount_points=0)
    left = []
    for _ in range(3):
        till.tell(refunded(world, sale, one_bun, points_for_money=5))
        left.append(world.fen("merchant:shop-b"))
    assert left == [33, 17, 0]
    assert world.points(f"resident:{ZHANG}") == 100


def test_goods_priced_in_points_come_back_at_their_own_cost(counter: World) -> None:
    till = counter.till()
    counter.award(ZHANG, "early-fire", "haircut")
    sale = sold(counter, points_line("rice", 15, 2_800), points=15)
    back = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=0, amount_points=15)
    till.tell(sale, refunded(counter, sale, back, points_for_goods=15))
    assert books(counter) == Books(15, 0, 15, 0, 0)


def test_parts_of_a_weighed_line_come_back_to_the_fen(world: World, till: Till) -> None:
    sale = sold(world, money_line("时令青菜", 333, 1_000))
    half = RefundLine(line_no=1, quantity_milli=500, amount_fen=167, amount_points=0)
    rest = RefundLine(line_no=1, quantity_milli=500, amount_fen=166, amount_points=0)
    parts = (refunded(world, sale, half, cash_fen=167), refunded(world, sale, rest, cash_fen=166))
    assert [each.outcome for each in till.tell(sale, *parts)] == [POSTED, POSTED, POSTED]
    assert books(world).takings_fen == 0


def test_points_that_come_back_clear_an_overdraft_first(world: World, till: Till) -> None:
    world.award(ZHANG, "tidying")
    sale = sold(world, money_line("套餐", 800), points=80)
    back = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=800, amount_points=0)
    refund = refunded(world, sale, back, points_for_money=80)
    till.tell(sale, refund)
    assert books(world) == Books(60, 0, 80, 0, 0)
    assert ("overdraft_cleared", 20) in codes(world, f"refund:{refund.refund_id}")


def test_refunds_that_cannot_be_are_parked_and_move_nothing(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    world.add_merchant("shop-b")
    sale = sold(world, BUNS, GREENS, points=71)
    till.tell(sale)
    before = books(world)
    replace = msgspec.structs.replace
    buns = RefundLine(line_no=1, quantity_milli=5_000, amount_fen=250, amount_points=0)
    good = refunded(world, sale, buns, points_for_money=25)
    wrong = {
        "more than was sold": refunded(
            world,
            sale,
            replace(buns, quantity_milli=6_000, amount_fen=300),
            points_for_money=30,
        ),
        "more weight for the same money": refunded(
            world, sale, replace(buns, quantity_milli=5_001), points_for_money=25
        ),
        "the money of five for one": refunded(
            world, sale, replace(buns, quantity_milli=1_000), points_for_money=25
        ),
        "money for points": refunded(world, sale, buns, cash_fen=250),
        "sums that differ": refunded(world, sale, buns, points_for_money=24),
        "no such line": refunded(world, sale, replace(buns, line_no=9), points_for_money=25),
        "nothing": refunded(world, sale),
        "another resident": replace(good, account=LIU),
        "nobody": replace(good, account=None),
        "unknown sale": replace(good, sale_id=world.sale_id()),
    }
    outcomes = till.tell(*wrong.values())
    kinds = dict(zip(wrong, (each.outcome for each in outcomes), strict=True))
    assert set(kinds.values()) == {OutcomeKind.PARKED}, kinds
    other_merchant = world.till("shop-b", "t-2").outcome(good)
    assert other_merchant.outcome is OutcomeKind.PARKED
    assert books(world) == before
    assert till.outcome(good).outcome is POSTED
    again = refunded(world, sale, buns, points_for_money=25)
    assert till.outcome(again).outcome is OutcomeKind.PARKED
    assert books(world) == Books(54, 0, 71, 460, 0)


def test_a_refund_id_with_other_content_is_parked(world: World, till: Till) -> None:
    sale = sold(world, BUNS)
    one = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=50, amount_points=0)
    refund = refunded(world, sale, one, cash_fen=50)
    changed = msgspec.structs.replace(refund, reason="改了")
    outcomes = till.tell(sale, refund, changed)
    assert outcomes[-1].outcome is OutcomeKind.PARKED
    assert outcomes[-1].says.count(refund.receipt_no) >= 2
    assert len(set(re.findall(r", ([0-9a-f]{12})[）)]", outcomes[-1].says))) == 2
    assert books(world).takings_fen == 200


def test_the_same_goods_back_at_two_terminals_are_given_back_once_and_the_excess_is_shown(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "river-patrol")
    other = world.till("shop-a", "t-2")
    sale = sold(world, BUNS, GREENS, points=20)
    three = RefundLine(line_no=1, quantity_milli=3_000, amount_fen=150, amount_points=0)
    first = refunded(world, sale, three, points_for_money=15)
    till.tell(sale, first)
    again = refunded(world, sale, three, points_for_money=5, cash_fen=100)
    outcome = other.outcome(again)
    assert (outcome.outcome, "多退" in outcome.says) == (POSTED, True)
    # Two buns more came back; of the third bun nothing is given by the pool.
    assert world.points(f"resident:{ZHANG}") == 100
    assert books(world).takings_fen == 510 - 50
    assert world.fen("over_refund:shop-a") == 50
    assert world.points("over_refund:shop-a") == 0
    rest = other.outcome(refunded(world, sale, three, points_for_money=15))
    assert (rest.outcome, "多退" in rest.says) == (OutcomeKind.PARKED, True)
    assert world.points("over_refund:shop-a") == 15
    assert world.points(f"resident:{ZHANG}") == 100
    assert other.outcome(again).outcome is OutcomeKind.DUPLICATE
    assert_clean(world)


def test_an_excess_is_noted_also_where_a_part_of_a_weighed_line_is_priced_by_difference(
    world: World, till: Till
) -> None:
    other = world.till("shop-a", "t-2")
    sale = sold(world, money_line("菜心", 333, 1_000))
    half = RefundLine(line_no=1, quantity_milli=500, amount_fen=167, amount_points=0)
    rest = RefundLine(line_no=1, quantity_milli=500, amount_fen=166, amount_points=0)
    first, second, third = (
        refunded(world, sale, part, cash_fen=part.amount_fen) for part in (half, rest, rest)
    )
    assert [each.outcome for each in till.tell(sale, first, second)] == [POSTED] * 3
    outcome = other.outcome(third)
    assert "多退 0 积分、多退 1.66 元" in outcome.says
    assert world.fen("over_refund:shop-a") == 166
    assert books(world).takings_fen == 0
    assert_clean(world)


def test_more_came_back_than_was_sold_at_another_price_is_for_a_person(
    world: World, till: Till
) -> None:
    other = world.till("shop-a", "t-2")
    sale = sold(world, BUNS)
    all_back = RefundLine(line_no=1, quantity_milli=5_000, amount_fen=250, amount_points=0)
    dear = msgspec.structs.replace(all_back, amount_fen=252)
    till.tell(sale, refunded(world, sale, all_back, cash_fen=250))
    assert "单价不符" in other.outcome(refunded(world, sale, dear, cash_fen=252)).says
    assert books(world).takings_fen == 0


def test_fen_that_points_cannot_give_back_wait_until_all_is_back(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    sale = sold(
        world, money_line("咸菜", 55, line_no=1), money_line("豆腐", 58, line_no=2), points=11
    )
    assert till.outcome(sale).outcome is POSTED
    lines, payment = given_back(sale, NOTHING_RETURNED, {1: 1_000})
    assert (payment.points_for_money, payment.waived_fen, payment.cash_fen) == (5, 3, 0)
    assert till.outcome(refund_of(world, sale, lines, payment)).outcome is POSTED
    back = with_refund(NOTHING_RETURNED, lines, payment)
    rest, payment = given_back(sale, back, {2: 1_000})
    assert (payment.points_for_money, payment.waived_fen) == (6, 0)
    assert till.outcome(refund_of(world, sale, rest, payment)).outcome is POSTED
    assert world.points(f"resident:{ZHANG}") == 100
    assert_clean(world)


def test_a_void_is_of_the_same_terminal_and_before_its_next_z_report(
    world: World, till: Till
) -> None:
    other = world.till("shop-a", "t-2")
    one, two = sold(world, BUNS), sold(world, BUNS)
    till.tell(one, two)
    back = RefundLine(line_no=1, quantity_milli=5_000, amount_fen=250, amount_points=0)
    void = msgspec.structs.replace(refunded(world, one, back, cash_fen=250), void=True)
    assert other.outcome(void).outcome is OutcomeKind.PARKED
    assert till.outcome(void).outcome is POSTED
    z = TakingsDeclared(
        z_no=1, business_date=one.business_date, takings_fen={"cash": 250}, counted_fen=250
    )
    assert till.outcome(z).outcome is POSTED
    late = msgspec.structs.replace(refunded(world, two, back, cash_fen=250), void=True)
    assert "已交班" in till.outcome(late).says


def assert_clean(world: World) -> None:
    with reading(world.engine) as tx:
        found = {each.invariant: each.violations for each in run_audit(tx, world.pool, make_desk)}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def given_back(
    sale: SaleCaptured, back: Returned, wanted: dict[int, int]
) -> tuple[tuple[RefundLine, ...], Payment]:
    found = refund_for(sale.lines, sale.payment, back, wanted)
    assert isinstance(found, tuple), found
    return found


def refund_of(
    world: World, sale: SaleCaptured, lines: tuple[RefundLine, ...], payment: Payment
) -> SaleRefunded:
    return msgspec.structs.replace(refunded(world, sale, *lines), payment=payment)


def test_a_terminal_looks_up_a_sale_of_its_own_merchant_and_no_other(
    world: World, till: Till
) -> None:
    world.add_merchant("shop-b")
    other, stranger = world.till("shop-a", "t-2"), world.till("shop-b", "t-3")
    sale = msgspec.structs.replace(sold(world, BUNS, GREENS), receipt_no="t-1-000001")
    one = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=50, amount_points=0)
    back = msgspec.structs.replace(refunded(world, sale, one, cash_fen=50), receipt_no="t-1-000002")
    till.tell(sale, back)

    def asked(who: Till, receipt_no: str) -> object:
        question = SaleRequest(receipt_no=receipt_no)
        return msgspec.json.decode(
            who.send(f"/v1/terminals/{who.terminal}/sale", msgspec.json.encode(question)).data,
            type=SaleAnswer,
        )

    for who in (till, other):
        found = asked(who, "t-1-000001")
        assert isinstance(found, SaleFound)
        assert (found.sale_id, found.lines) == (sale.sale_id, sale.lines)
        assert [each.refund_id for each in found.backs] == [back.refund_id]
    assert asked(stranger, "t-1-000001") == SaleNotFound(reason=NoSale.OTHER_MERCHANT)
    assert asked(till, "t-1-000002") == SaleNotFound(reason=NoSale.IS_REFUND)
    assert asked(till, "t-1-000003") == SaleNotFound(reason=NoSale.UNKNOWN)
    assert asked(till, "") == SaleNotFound(reason=NoSale.UNKNOWN)
