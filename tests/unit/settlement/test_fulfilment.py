"""Vouchers and work orders: points at once, money when they are done; E2 and E4 to the point."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine, select

from protocol.messages import OrderUnits, SaleAnswer, SaleFound, SaleRequest
from protocol.sales import RefundLine, SaleCaptured, SaleLine
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.directory.commands import RegisterMerchant
from server.facts.refused import Refused
from server.redemption import BookParked, CancelOrder, FulfilOrder
from server.redemption.limit_tables import over_limit
from server.redemption.order_states import OrderState
from server.redemption.order_values import OrderMoved
from server.redemption.orders import order_id_of
from server.redemption.parked import ParkedBooked
from server.redemption.stock import stock_units
from server.redemption.taken import points_taken
from tests.unit.server.bookkeeping import codes
from tests.unit.server.world import (
    TODAY,
    ZHANG,
    Till,
    World,
    asked_and_sold,
    refunded,
)
from tests.unit.settlement.orders_world import (
    CENTRE,
    CLEANING_FEN,
    PARKED,
    POSTED,
    SHOP,
    VISIT_FEN,
    agree,
    assert_clean,
    cancel,
    done,
    fulfil,
    give,
    left,
    line,
    open_street,
    sell,
    state,
    statement,
    visits,
)


@pytest.fixture
def street(engine: Engine, tmp_path: Path) -> World:
    return open_street(engine, tmp_path)


@pytest.fixture
def shop(street: World) -> Till:
    return street.till()


@pytest.fixture
def centre(street: World) -> Till:
    return street.till(CENTRE, "t-9")


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
    # One open unit, then one of those that were done, which is its provider's money: the office
    # books it, and 30.00 go back.
    two = RefundLine(line_no=1, quantity_milli=2_000, amount_fen=0, amount_points=20)
    told = shop.outcome(refunded(street, sale, two, points_for_goods=20))
    assert (told.outcome, "别家兑现" in told.says) == (PARKED, True)
    assert (left(street), street.fen(f"merchant:{CENTRE}")) == (10, 2 * VISIT_FEN)
    office_books(street, shop)
    assert (left(street), street.fen(f"merchant:{CENTRE}")) == (30, VISIT_FEN)
    assert codes(street, f"unfulfil:{order_id}:4") == [("fee", VISIT_FEN)]
    assert state(street, sale.sale_id) is OrderState.FULFILLED
    one = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=0, amount_points=10)
    assert shop.outcome(refunded(street, sale, one, points_for_goods=10)).outcome is PARKED
    office_books(street, shop)
    assert (left(street), street.fen(f"merchant:{CENTRE}")) == (40, 0)
    assert state(street, sale.sale_id) is OrderState.CANCELLED
    made = statement(street, CENTRE)
    assert (made.fee_fen, made.net_fen) == (0, 0)
    assert_clean(street)


def office_books(world: World, till: Till) -> None:
    """The office looked at the till's last record, which was parked."""
    command = BookParked(
        terminal=till.terminal, epoch=till.epoch, seq=till.seq, reason="已与帮办中心核实"
    )
    assert isinstance(world.do(command), ParkedBooked)


def test_a_shop_takes_back_alone_what_is_open_and_what_it_did_itself(
    street: World, shop: Till, centre: Till
) -> None:
    give(street, 40)
    sale = sold_by(shop, 1, line(street, "rice"), line(street, "haircut-voucher", line_no=2))
    back = RefundLine(line_no=2, quantity_milli=1_000, amount_fen=0, amount_points=20)
    assert looked_up(shop, sale) == (OrderUnits(line_no=2, **OPEN),)
    assert shop.outcome(done(street, sale, line_no=2)).outcome is POSTED
    assert looked_up(shop, sale) == (OrderUnits(line_no=2, **DONE, returnable_milli=1_000),)
    assert shop.outcome(refunded(street, sale, back, points_for_goods=20)).outcome is POSTED
    assert (left(street), street.fen(f"merchant:{SHOP}")) == (20, 0)
    (gone,) = looked_up(shop, sale)
    assert (gone.gone_milli, gone.returnable_milli) == (1_000, 0)
    other = sold_by(shop, 2, line(street, "haircut-voucher"))
    assert centre.outcome(done(street, other)).outcome is POSTED
    assert looked_up(shop, other) == (OrderUnits(line_no=1, **DONE, returnable_milli=0),)
    back = msgspec.structs.replace(back, line_no=1)
    assert shop.outcome(refunded(street, other, back, points_for_goods=20)).outcome is PARKED
    assert (left(street), street.fen(f"merchant:{CENTRE}")) == (0, 1_500)
    assert_clean(street)


OPEN = {"open_milli": 1_000, "done_milli": 0, "gone_milli": 0, "returnable_milli": 1_000}
DONE = {"open_milli": 0, "done_milli": 1_000, "gone_milli": 0}


def sold_by(till: Till, number: int, *lines: SaleLine) -> SaleCaptured:
    """A sale under a number of the till's own, by which it can be looked up."""
    points = sum(each.amount_points for each in lines)
    sale = asked_and_sold(till.world, till, *lines, points=points)
    sale = msgspec.structs.replace(sale, receipt_no=f"{till.terminal}-{number:06d}")
    assert till.outcome(sale).outcome is POSTED
    return sale


def looked_up(till: Till, sale: SaleCaptured) -> tuple[OrderUnits, ...]:
    """What the till is told of the units of a sale's orders."""
    question = msgspec.json.encode(SaleRequest(receipt_no=sale.receipt_no))
    answer = till.send(f"/v1/terminals/{till.terminal}/sale", question).data
    found = msgspec.json.decode(answer, type=SaleAnswer)
    assert isinstance(found, SaleFound)
    return found.orders


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


def test_the_audit_names_orders_that_were_tampered_with(street: World, shop: Till) -> None:
    give(street, 50)
    sale = sell(street, shop, line(street, "house-cleaning"))
    street.do(fulfil(sale))
    assert_clean(street)
    with street.engine.begin() as tx:
        for trigger in ("order_move_is_never_updated", "sale_line_is_never_updated"):
            on = " ON " + trigger.removesuffix("_is_never_updated")
            on = on if tx.dialect.name == "postgresql" else ""
            tx.exec_driver_sql(f"DROP TRIGGER {trigger}{on}")
        tx.exec_driver_sql("UPDATE order_move SET rate_fen = 9000, state = 'open'")
    found = street.read(lambda tx: run_audit(tx, street.pool, make_desk, only=("I4", "I7")))
    assert {each.invariant: each.broken for each in found} == {"I4": 1, "I7": 3}


def test_what_was_cancelled_counts_for_no_limit(street: World, shop: Till) -> None:
    give(street, 50)
    visit = visits(street, 1, limit=1)
    first = sell(street, shop, visit)

    def taken_today() -> int:
        return street.read(lambda tx: points_taken(tx, street.pool, [ZHANG], TODAY))

    assert taken_today() == first.payment.points > 0
    street.do(cancel(first))
    assert taken_today() == 0
    beyond: list[int] = []
    for _ in range(2):
        sell(street, shop, visit)
        rows = street.read(lambda tx: tx.execute(select(over_limit)).all())
        beyond.append(len(rows))
    assert beyond == [0, 1]
