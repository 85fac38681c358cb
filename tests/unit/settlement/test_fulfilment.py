"""Vouchers and work orders: points at once, money when they are done; E2 and E4 to the point."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import Engine

from protocol.messages import OutcomeKind
from protocol.sales import Fulfilment, OrderFulfilled, RefundLine, SaleCaptured, SaleLine
from server.awards import OpenBalance
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import create_all, metadata, open_engine
from server.directory.commands import AddItem, AgreeTerms, OpenShop, RegisterMerchant
from server.directory.contract_terms import ContractTerms
from server.facts.refused import Refused
from server.redemption import CancelOrder, FulfilOrder
from server.redemption.order_states import OrderState
from server.redemption.order_values import OrderMoved
from server.redemption.orders import order_id_of, order_of
from server.redemption.stock import stock_units
from server.settlement import runs
from server.settlement.document import StatementDocument, document_of
from server.settlement.values import CloseRun, OpenRun, RunClosed
from tests.unit.server.bookkeeping import codes
from tests.unit.server.world import (
    TODAY,
    ZHANG,
    Till,
    World,
    asked_and_sold,
    points_line,
    refunded,
)

CENTRE, SHOP = "bangban", "shop-a"
CLEANING_FEN, VISIT_FEN = 8_000, 3_000
PARKED, POSTED = OutcomeKind.PARKED, OutcomeKind.POSTED


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if postgres else f"sqlite:///{tmp_path}/p.db"
    opened = open_engine(url)
    create_all(opened, metadata)
    yield opened
    opened.dispose()


@pytest.fixture
def street(engine: Engine, tmp_path: Path) -> World:
    """文化街: a shop that sells, and a service centre with a fee of 80.00 for a cleaning."""
    world = World(engine, tmp_path, "wenhuajie")
    world.furnish()
    world.do(RegisterMerchant(merchant=CENTRE, name="饮马帮办中心"))
    world.do(
        OpenShop(
            shop=CENTRE,
            merchant=CENTRE,
            shop_kind=world.preset.shop_kinds[0].id,
            name="饮马帮办中心",
            place=world.preset.places[0].id,
        )
    )
    agree(world, "c-centre", CENTRE, {"house-cleaning": CLEANING_FEN, "category:上门": VISIT_FEN})
    return world


@pytest.fixture
def shop(street: World) -> Till:
    return street.till()


@pytest.fixture
def centre(street: World) -> Till:
    return street.till(CENTRE, "t-9")


def agree(world: World, contract: str, merchant: str, fees: dict[str, int]) -> None:
    terms = ContractTerms(fees=fees)
    world.do(
        AgreeTerms(contract=contract, merchant=merchant, valid_from=date(2026, 1, 1), terms=terms)
    )


def give(world: World, points: int) -> None:
    world.do(
        OpenBalance(opening_id="o-1", account=ZHANG, points=points, as_of=TODAY, opened_by="办公室")
    )


def line(world: World, item: str, *, units: int = 1, line_no: int = 1) -> SaleLine:
    """A line of the preset's catalogue, as a till sells it."""
    found = next(each for each in world.preset.catalogue if each.id == item)
    assert found.price_points is not None
    made = points_line(
        item, found.price_points, found.reimbursement_fen or 0, units * 1_000, line_no
    )
    changes = {"category": found.category, "fulfilment": Fulfilment(found.fulfilment)}
    return msgspec.structs.replace(made, **changes)


def visits(world: World, units: int) -> SaleLine:
    """A service that costs 10 points, for which the catalogue names no cost."""
    world.do(
        AddItem(
            item_id="visit",
            name="上门探访",
            name_en="A visit at home",
            category="上门",
            unit="次",
            price_points=10,
            fulfilment=Fulfilment.WORK_ORDER,
        )
    )
    made = points_line("visit", 10, 0, units * 1_000)
    work_order = Fulfilment.WORK_ORDER
    return msgspec.structs.replace(made, category="上门", fulfilment=work_order)


def sell(world: World, till: Till, *lines: SaleLine) -> SaleCaptured:
    points = sum(each.amount_points for each in lines)
    sale = asked_and_sold(world, till, *lines, points=points)
    assert till.outcome(sale).outcome is POSTED
    return sale


def left(world: World) -> int:
    return world.points(f"resident:{ZHANG}")


def done(
    world: World, sale: SaleCaptured, *, line_no: int = 1, units: int = 1, day: date = TODAY
) -> OrderFulfilled:
    """The resident shows the code when it is done."""
    return OrderFulfilled(
        fulfilment_id=world.sale_id(),
        order_id=order_id_of(sale.sale_id, line_no),
        business_date=day,
        units_milli=units * 1_000,
        confirmation=world.slot(),
    )


def fulfil(sale: SaleCaptured, name: str = "f-1", **changes: object) -> FulfilOrder:
    command = FulfilOrder(
        fulfilment_id=name,
        order_id=order_id_of(sale.sale_id, 1),
        provider=CENTRE,
        business_date=TODAY,
        confirmed_by="电话回访",
    )
    return msgspec.structs.replace(command, **changes)


def cancel(sale: SaleCaptured, name: str = "x-1", **changes: object) -> CancelOrder:
    command = CancelOrder(
        cancel_id=name,
        order_id=order_id_of(sale.sale_id, 1),
        business_date=TODAY,
        reason="修不了",
    )
    return msgspec.structs.replace(command, **changes)


def state(world: World, sale_id: UUID, line_no: int = 1) -> OrderState:
    found = world.read(lambda tx: order_of(tx, world.pool, order_id_of(sale_id, line_no)))
    assert found is not None
    return found.state


def statement(world: World, merchant: str, *, days: float = 1) -> StatementDocument:
    """Settles through today, and reads the merchant's statement."""
    through = world.clock().date()
    world.clock.move(days=days)
    world.do(OpenRun(run=f"run-{through}", through=through, opened_by="财务"))
    due = world.read(lambda tx: runs.merchants_due(tx, world.pool, f"run-{through}"))
    for _ in runs.drive(world.do, f"run-{through}", due):
        pass
    closed = world.do(CloseRun(run=f"run-{through}", closed_by="财务"))
    assert isinstance(closed, RunClosed)
    assert closed.left_open == ()
    name = f"{merchant}-{through:%Y%m%d}"
    found = world.read(lambda tx: document_of(tx, world.pool, name))
    assert found is not None, name
    return found


def assert_clean(world: World) -> None:
    found = world.read(lambda tx: run_audit(tx, world.pool, make_desk))
    broken = {each.invariant: (each.violations, each.stopped) for each in found if not each.clean}
    assert broken == {}


def test_e2_three_things_and_the_cleaning_is_paid_when_she_confirms(
    street: World, shop: Till, centre: Till
) -> None:
    give(street, 68)
    balances = [left(street)]
    cleaning = sell(street, shop, line(street, "house-cleaning"))
    balances.append(left(street))
    for item in ("blood-pressure", "salt"):
        sell(street, shop, line(street, item))
        balances.append(left(street))
    assert balances == [68, 18, 8, 3]
    assert codes(street, f"sale:{cleaning.sale_id}") == [("redemption", 50)]
    assert (street.fen(f"merchant:{SHOP}"), street.fen(f"merchant:{CENTRE}")) == (0, 0)
    assert state(street, cleaning.sale_id) is OrderState.OPEN
    assert centre.outcome(done(street, cleaning)).outcome is POSTED
    assert state(street, cleaning.sale_id) is OrderState.FULFILLED
    key = f"fulfil:{order_id_of(cleaning.sale_id, 1)}:1"
    assert codes(street, key) == [("fee", CLEANING_FEN)]
    made = statement(street, CENTRE)
    assert (made.fee_fen, made.net_fen) == (8_000, 8_000)
    (row,) = made.goods
    assert (row.item_id, row.kind, row.units_milli, row.points, row.fee_fen) == (
        "house-cleaning",
        "service",
        1_000,
        0,
        8_000,
    )
    assert_clean(street)


def test_e2_cancelled_gives_50_back_and_moves_no_money(street: World, shop: Till) -> None:
    give(street, 68)
    cleaning = sell(street, shop, line(street, "house-cleaning"))
    for item in ("blood-pressure", "salt"):
        sell(street, shop, line(street, item))
    outcome = street.do(cancel(cleaning))
    assert isinstance(outcome, OrderMoved)
    assert (outcome.state, outcome.points, outcome.amount_fen) == (OrderState.CANCELLED, 50, 0)
    assert left(street) == 53
    again = street.do(cancel(cleaning))
    assert isinstance(again, OrderMoved)
    assert (again.again, left(street)) == (True, 53)
    key = f"cancel:{order_id_of(cleaning.sale_id, 1)}:1"
    assert codes(street, key) == [("points_returned", 50)]
    made = statement(street, SHOP)
    assert (made.redeemed_points, made.returned_points, made.net_fen) == (65, 50, 0)
    assert {row.item_id: row.points for row in made.goods}["house-cleaning"] == 0
    assert_clean(street)


def test_e4_rice_now_and_the_pipe_cannot_be_mended(street: World, shop: Till) -> None:
    give(street, 40)
    rice = line(street, "rice")
    sale = sell(street, shop, rice, line(street, "pipe-repair", line_no=2))
    assert (left(street), sale.payment.cash_fen) == (0, 0)
    pipe = RefundLine(line_no=2, quantity_milli=1_000, amount_fen=0, amount_points=20)
    assert shop.outcome(refunded(street, sale, pipe, points_for_goods=20)).outcome is POSTED
    assert left(street) == 20
    assert state(street, sale.sale_id, 2) is OrderState.CANCELLED
    assert street.read(lambda tx: stock_units(tx, street.pool))["rice"] == 39
    made = statement(street, SHOP)
    assert (made.redeemed_points, made.returned_points) == (40, 20)
    assert (made.fee_fen, made.reimbursement_fen, made.net_fen) == (0, 0, 0)
    assert {row.item_id: (row.kind, row.units_milli, row.points) for row in made.goods} == {
        "rice": ("goods", 1_000, 20),
        "pipe-repair": ("service", 0, 0),
    }
    assert_clean(street)


def test_a_voucher_is_used_once_and_the_second_time_is_told_where_and_when(
    street: World, shop: Till, centre: Till
) -> None:
    give(street, 40)
    sale = sell(street, shop, line(street, "haircut-voucher"))
    first = done(street, sale)
    assert [each.outcome for each in centre.tell(first, first)] == [POSTED, OutcomeKind.DUPLICATE]
    again = shop.outcome(done(street, sale))
    assert again.outcome is PARKED
    assert "2026-03-02" in again.says
    assert "饮马帮办中心" in again.says
    refused = street.submit(fulfil(sale))
    assert isinstance(refused, Refused)
    assert refused.reason == "used_before"
    # The contract names no fee for it: what the catalogue said when it was sold.
    assert codes(street, f"fulfil:{order_id_of(sale.sale_id, 1)}:1") == [("reimbursement", 1_500)]
    assert (street.fen(f"merchant:{CENTRE}"), street.fen(f"merchant:{SHOP}")) == (1_500, 0)
    assert_clean(street)


def test_parts_are_used_given_up_and_taken_back_to_the_fen(
    street: World, shop: Till, centre: Till
) -> None:
    give(street, 40)
    sale = sell(street, shop, visits(street, 4))
    order_id = order_id_of(sale.sale_id, 1)
    assert centre.outcome(done(street, sale, units=2)).outcome is POSTED
    assert isinstance(street.do(cancel(sale, units_milli=1_000)), OrderMoved)
    assert (state(street, sale.sale_id), left(street)) == (OrderState.OPEN, 10)
    too_many = RefundLine(line_no=1, quantity_milli=4_000, amount_fen=0, amount_points=40)
    assert shop.outcome(refunded(street, sale, too_many, points_for_goods=40)).outcome is PARKED
    # One open unit, then one of those that were done: its provider gives 30.00 back.
    two = RefundLine(line_no=1, quantity_milli=2_000, amount_fen=0, amount_points=20)
    assert shop.outcome(refunded(street, sale, two, points_for_goods=20)).outcome is POSTED
    assert (left(street), street.fen(f"merchant:{CENTRE}")) == (30, VISIT_FEN)
    assert codes(street, f"unfulfil:{order_id}:4") == [("fee", VISIT_FEN)]
    assert state(street, sale.sale_id) is OrderState.FULFILLED
    one = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=0, amount_points=10)
    assert shop.outcome(refunded(street, sale, one, points_for_goods=10)).outcome is POSTED
    assert (left(street), street.fen(f"merchant:{CENTRE}")) == (40, 0)
    assert state(street, sale.sale_id) is OrderState.CANCELLED
    made = statement(street, CENTRE)
    assert (made.fee_fen, made.net_fen) == (0, 0)
    assert_clean(street)


Wrong = Callable[[SaleCaptured], FulfilOrder | CancelOrder]
WRONG: dict[str, Wrong] = {
    "unknown_order": lambda sale: fulfil(sale, order_id=order_id_of(sale.sale_id, 7)),
    "unknown_merchant": lambda sale: fulfil(sale, provider="nobody"),
    "unknown_shop": lambda sale: fulfil(sale, shop=SHOP),
    "no_fee": lambda sale: fulfil(sale, provider="no-fee"),
    "no_contract": lambda sale: fulfil(sale, provider="no-contract"),
    "too_many": lambda sale: fulfil(sale, units_milli=1_001),
    "future_day": lambda sale: fulfil(sale, business_date=date(2026, 3, 3)),
    "before_sale": lambda sale: cancel(sale, business_date=date(2026, 3, 1)),
}


def test_what_cannot_be_done_is_refused_with_what_to_do_and_moves_nothing(
    street: World, shop: Till
) -> None:
    give(street, 10)
    for merchant in ("no-fee", "no-contract"):
        street.do(RegisterMerchant(merchant=merchant, name=merchant))
    agree(street, "c-no-fee", "no-fee", {})
    sale = sell(street, shop, visits(street, 1))
    for reason, wrong in WRONG.items():
        refused = street.submit(wrong(sale))
        assert isinstance(refused, Refused), reason
        assert refused.reason == reason
        assert " / " in refused.says
    assert state(street, sale.sale_id) is OrderState.OPEN
    assert street.fen(f"merchant:{CENTRE}") == 0
    agree(street, "c-no-contract", "no-contract", {"category:上门": 0})
    paid = street.do(fulfil(sale, provider="no-contract"))
    assert isinstance(paid, OrderMoved)
    assert (paid.state, paid.amount_fen) == (OrderState.FULFILLED, 0)
    other = street.submit(fulfil(sale, confirmed_by="别的"))
    assert isinstance(other, Refused)
    assert_clean(street)
