"""Goods at "5 yuan and 20 points": both are due together, at the till, in the books and back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine

from protocol.messages import OutcomeKind
from protocol.sales import Fulfilment, RefundLine, SaleCaptured, SaleLine, SaleRefunded
from server.awards import OpenBalance
from server.db import create_all, metadata, open_engine
from server.directory import commands as c
from server.facts.refused import Refused
from tests.support.pool_till import PoolTill, till_of
from tests.unit.awards.deeds import assert_audit_is_clean
from tests.unit.server.world import TODAY, ZHANG, World, asked_and_sold, points_line, refunded

MERCHANT = "shop-a"
PLENTY = 500
KETTLE = c.AddItem(
    item_id="kettle",
    name="保温壶",
    name_en="Flask",
    category="礼品",
    unit="个",
    price_fen=500,
    price_points=20,
    reimbursement_fen=1_200,
    both_due=True,
)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/pool.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = open_engine(url)
    create_all(opened, metadata)
    yield opened
    opened.dispose()


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    made = World(engine, tmp_path, "guanghui")
    made.furnish()
    made.do(KETTLE)
    made.do(
        OpenBalance(opening_id="o-1", account=ZHANG, points=PLENTY, as_of=TODAY, opened_by="办公室")
    )
    return made


@pytest.fixture
def till(world: World, tmp_path: Path) -> Iterator[PoolTill]:
    with till_of(world, tmp_path) as opened:
        yield opened


def books(world: World) -> dict[str, int]:
    """Points that the merchant took and gave back, and his money."""
    return {
        "redeemed": world.points(f"redeemed:{MERCHANT}"),
        "returned": world.points(f"returned:{MERCHANT}"),
        "takings": world.fen(f"takings:{MERCHANT}"),
        "fund": world.fen(f"merchant:{MERCHANT}"),
        "resident": world.points(f"resident:{ZHANG}"),
    }


def test_both_are_asked_for_and_booked_and_come_back_by_quantity(
    world: World, till: PoolTill
) -> None:
    for _ in range(3):
        till.till.add_item("kettle")
    basket = till.till.snapshot()[0].basket
    assert (basket.due().money_fen, basket.due().goods_points) == (1_500, 60)
    sale_id = till.till.snapshot()[0].sale_id
    till.till.complete(sale_id)
    sold = [x for x in till.records() if isinstance(x, SaleCaptured)]
    assert not sold, "money alone does not pay it"
    till.show_slot()
    payment = till.page.view().payment
    assert payment is not None
    assert payment.points_max == 60, "points pay nothing of its money"
    till.till.complete(sale_id)
    sale = till.records()[-1]
    assert isinstance(sale, SaleCaptured)
    paid = sale.payment
    assert (paid.points_for_goods, paid.points_for_money, paid.cash_fen) == (60, 0, 1_500)
    till.sync()
    assert books(world) == {
        "redeemed": 60,
        "returned": 0,
        "takings": 1_500,
        "fund": 3_600,
        "resident": PLENTY - 60,
    }
    till.returns.refund(sale.receipt_no, "一个坏了", {1: 1_000})
    back = till.records()[-1]
    assert isinstance(back, SaleRefunded)
    assert (back.payment.points_for_goods, back.payment.cash_fen) == (20, 500)
    till.returns.refund(sale.receipt_no, "都不要了", None)
    till.returns.refund(sale.receipt_no, "再退一次", None)
    till.sync()
    assert sum(isinstance(x, SaleRefunded) for x in till.records()) == 2
    assert books(world) == {
        "redeemed": 60,
        "returned": 60,
        "takings": 0,
        "fund": 0,
        "resident": PLENTY,
    }
    assert_audit_is_clean(world)


def line(**changes: Any) -> SaleLine:
    both = points_line("kettle", 20, 1_200)
    return replace(both, category="礼品", unit_price_fen=500, amount_fen=500, **changes)


NOT_ITS_PRICE, NO_SUM = "价格不同", "金额不对"


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (replace(line(), unit_price_fen=None, amount_fen=0), NOT_ITS_PRICE),
        (replace(line(), unit_price_fen=100, amount_fen=100), NOT_ITS_PRICE),
        (replace(line(), unit_price_points=10, amount_points=10), NOT_ITS_PRICE),
        (replace(line(), reimbursement_fen=9_000), NOT_ITS_PRICE),
        (replace(line(), amount_points=10), NO_SUM),
        (replace(line(), amount_fen=100), NO_SUM),
        (replace(line(), unit_price_points=None), NO_SUM),
    ],
    ids=["no money", "less money", "fewer points", "dearer", "points", "fen", "points unpriced"],
)
def test_a_record_with_another_price_than_the_pools_is_parked(
    world: World, bad: SaleLine, says: str
) -> None:
    """Paid as the line says, so that nothing but the line is wrong."""
    till = world.till()
    told = till.outcome(asked_and_sold(world, till, bad, points=bad.amount_points))
    assert told.outcome is OutcomeKind.PARKED
    assert says in told.says
    whole = asked_and_sold(world, till, line(), points=20)
    assert till.outcome(whole).outcome is OutcomeKind.POSTED


def test_neither_part_is_given_back_beyond_what_was_paid(world: World) -> None:
    till = world.till()
    two = replace(line(), quantity_milli=2_000, amount_fen=1_000, amount_points=40)
    sale = asked_and_sold(world, till, two, points=40)
    assert till.outcome(sale).outcome is OutcomeKind.POSTED
    for fen, points in ((600, 20), (500, 21), (0, 40), (1_000, 0)):
        wrong = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=fen, amount_points=points)
        told = refunded(world, sale, wrong, points_for_goods=points, cash_fen=fen)
        assert till.outcome(told).outcome is OutcomeKind.PARKED, (fen, points)
    assert (books(world)["returned"], books(world)["takings"]) == (0, 1_000)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(KETTLE, price_points=None, reimbursement_fen=0),
        replace(KETTLE, price_fen=None),
        replace(KETTLE, price_fen=0),
        replace(KETTLE, price_points=0),
        replace(KETTLE, fulfilment=Fulfilment.VOUCHER),
        replace(KETTLE, fulfilment=Fulfilment.WORK_ORDER),
    ],
)
def test_what_cannot_be_due_together_is_refused(world: World, wrong: c.AddItem) -> None:
    outcome = world.submit(replace(wrong, item_id="other"))
    assert isinstance(outcome, Refused)
    assert " / " in outcome.says
