"""A voucher is used once, in time, by its resident; and what the office does with orders."""

import json
import threading
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from protocol.evidence import SlotEvidence
from protocol.messages import (
    OrdersAnswer,
    OrdersFound,
    OrdersRequest,
    OutcomeKind,
    RecordOutcome,
)
from protocol.sales import Fulfilment, RefundLine
from server.db import create_all, metadata, open_engine, writing
from server.facts import FactStamp
from server.facts.refused import Refused
from server.redemption import ExpireOrders, SetVoucherDays, fulfilling, orders_shown
from server.redemption.fulfilling import fulfil_order
from server.redemption.order_states import OrderState
from server.redemption.order_values import OrderMoved, OrdersExpired
from server.redemption.orders import order_id_of
from server.redemption.parked import BookParked, parked_records
from tests.unit.server.bookkeeping import codes
from tests.unit.server.test_catalogue import run
from tests.unit.server.test_races import at_once
from tests.unit.server.world import (
    LIU,
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


def test_a_code_that_a_till_photographed_when_one_voucher_was_used_uses_no_other_there(
    street: World, shop: Till, centre: Till
) -> None:
    give(street, 40)
    first, second = (sell(street, shop, line(street, "haircut-voucher")) for _ in range(2))
    used = done(street, first)
    assert centre.outcome(used).outcome is POSTED
    photographed = msgspec.structs.replace(done(street, second), confirmation=used.confirmation)
    assert centre.outcome(photographed).outcome is PARKED
    assert state(street, second.sale_id) is OrderState.OPEN
    assert (street.fen(f"merchant:{CENTRE}"), street.fen(f"merchant:{SHOP}")) == (1_500, 0)
    assert centre.outcome(done(street, second)).outcome is POSTED  # the resident's own, fresh
    assert_clean(street)


def test_a_voucher_that_nobody_brought_in_time_expires_and_pays_nobody(
    street: World, shop: Till, centre: Till
) -> None:
    give(street, 40)
    forever = sell(street, shop, line(street, "haircut-voucher"))
    street.do(SetVoucherDays(item_id="haircut-voucher", days=10, reason="通知"))
    sale = sell(street, shop, line(street, "haircut-voucher"))
    street.clock.move(days=10)
    assert street.do(ExpireOrders(today=date(2026, 3, 12))) == OrdersExpired(0, more=False)
    street.clock.move(days=1)
    late = centre.outcome(done(street, sale, day=date(2026, 3, 13)))
    assert (late.outcome, "2026-03-12" in late.says) == (PARKED, True)
    early = street.submit(ExpireOrders(today=date(2026, 3, 14)))
    assert isinstance(early, Refused)
    assert street.do(ExpireOrders(today=date(2026, 3, 13))) == OrdersExpired(1, more=False)
    assert state(street, sale.sale_id) is OrderState.EXPIRED
    for command in (cancel(sale, business_date=date(2026, 3, 13)), fulfil(sale)):
        refused = street.submit(command)
        assert isinstance(refused, Refused)
        assert refused.reason == "expired"
    back = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=0, amount_points=20)
    assert shop.outcome(refunded(street, sale, back, points_for_goods=20)).outcome is PARKED
    assert (left(street), street.fen(f"merchant:{CENTRE}")) == (0, 0)
    assert state(street, forever.sale_id) is OrderState.OPEN
    assert_clean(street)


def test_a_providers_word_alone_pays_nobody(street: World, shop: Till, centre: Till) -> None:
    give(street, 50)
    sale = sell(street, shop, line(street, "house-cleaning"))
    right = done(street, sale)
    wrong = {
        "another resident's code": msgspec.structs.replace(right, confirmation=street.slot(LIU)),
        "a forged code": msgspec.structs.replace(
            right, confirmation=SlotEvidence(payload_hex="00" * 20)
        ),
        "an unknown order": msgspec.structs.replace(right, order_id="0-1"),
        "more than was sold": msgspec.structs.replace(right, units_milli=2_000),
        "nothing": msgspec.structs.replace(right, units_milli=0),
    }
    outcomes = {name: centre.outcome(told).outcome for name, told in wrong.items()}
    assert set(outcomes.values()) == {PARKED}, outcomes
    assert street.fen(f"merchant:{CENTRE}") == 0
    assert centre.outcome(right).outcome is POSTED
    assert street.fen(f"merchant:{CENTRE}") == CLEANING_FEN


def test_a_voucher_is_sold_as_the_catalogue_says_for_points_alone(
    street: World, shop: Till
) -> None:
    give(street, 50)
    cleaning = line(street, "house-cleaning")
    at_once = msgspec.structs.replace(cleaning, fulfilment=Fulfilment.AT_ONCE)
    told = shop.outcome(asked_and_sold(street, shop, at_once, points=50))
    assert told.outcome is PARKED
    assert (left(street), street.fen(f"merchant:{SHOP}")) == (50, 0)


@pytest.mark.postgres
def test_without_the_desks_turn_two_tills_both_take_a_voucher_for_unused(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race itself, past the desk: both read that it is open, and only its key stops one."""
    opened = open_engine(postgres_url)
    create_all(opened, metadata)
    world = open_street(opened, tmp_path)
    give(world, 20)
    sale = sell(world, world.till(), line(world, "haircut-voucher"))
    decided = threading.Barrier(2)
    write = fulfilling.write_move

    def meet_and_write(*args: Any) -> Any:
        decided.wait(20)
        return write(*args)

    monkeypatch.setattr(fulfilling, "write_move", meet_and_write)

    def past_the_desk(number: int) -> object:
        stamp = FactStamp(world.pool, number, world.clock(), "test")
        try:
            with writing(opened) as tx:
                return fulfil_order(tx, stamp, fulfil(sale, f"f-{number}"))
        except IntegrityError as fault:
            return str(fault.orig)

    answers = at_once(lambda: past_the_desk(1), lambda: past_the_desk(2))
    opened.dispose()
    paid = [each for each in answers if isinstance(each, OrderMoved)]
    stopped = [each for each in answers if isinstance(each, str)]
    assert (len(paid), len(stopped)) == (1, 1), answers
    assert "moves_of_an_order_are_counted" in stopped[0]


def test_a_voucher_at_two_tills_at_once_is_used_at_one(
    street: World, shop: Till, centre: Till
) -> None:
    give(street, 20)
    sale = sell(street, shop, line(street, "haircut-voucher"))
    used = [done(street, sale), done(street, sale)]
    answers = at_once(lambda: shop.outcome(used[0]), lambda: centre.outcome(used[1]))
    told = {each.outcome: each.says for each in answers if isinstance(each, RecordOutcome)}
    assert set(told) == {POSTED, PARKED}
    assert "2026-03-02" in told[PARKED]
    paid = [street.fen(f"merchant:{each}") for each in (SHOP, CENTRE)]
    assert sorted(paid) == [0, 1_500]
    assert_clean(street)


def test_the_office_lists_does_and_gives_up(street: World, shop: Till) -> None:
    give(street, 50)
    sale = sell(street, shop, visits(street, 3))
    order_id = order_id_of(sale.sale_id, 1)
    (listed,) = json.loads(run(street, "order", "list", "--json").stdout)
    assert (listed["order"], listed["open"], listed["state"]) == (order_id, "3", "open")
    did = ("order", "fulfil", order_id, "--by", CENTRE, "--confirmed", "电话回访", "--id", "f-1")
    first = run(street, *did, "--units", "1")
    assert (first.exit_code, "30.00" in first.stdout) == (0, True), first.output
    assert "已记过" in run(street, *did, "--units", "1").stdout
    gave = run(street, "order", "cancel", order_id, "--reason", "不需要了")
    assert "points back 20" in gave.stdout, gave.output
    assert "没有未兑现" in run(street, "order", "list").stdout
    assert "fulfilled" in run(street, "order", "list", "--all", "--csv").stdout
    late = run(street, "order", "cancel", order_id, "--reason", "不需要了")
    assert (late.exit_code, "兑现过" in late.output) == (1, True)
    assert run(street, "order", "validity", "visit", "30", "--reason", "通知").exit_code == 0
    assert "0 expired" in run(street, "order", "expire").stdout
    assert (left(street), street.fen(f"merchant:{CENTRE}")) == (40, 3_000)


def test_a_resident_who_shows_a_code_sees_his_orders_and_where_a_used_one_went(
    street: World, shop: Till, centre: Till
) -> None:
    give(street, 100)
    used = sell(street, shop, line(street, "haircut-voucher"))
    cleaning = sell(street, shop, line(street, "house-cleaning"))
    assert [each.outcome for each in centre.tell(done(street, used))] == [POSTED]

    found = asked(centre, ZHANG)
    assert isinstance(found, OrdersFound)
    open_one, used_one = found.orders
    assert (open_one.order_id, open_one.open_milli) == (order_id_of(cleaning.sale_id, 1), 1_000)
    assert (used_one.open_milli, used_one.last_where) == (0, "饮马帮办中心")
    assert used_one.last_on == used.business_date
    others = asked(centre, LIU)
    assert isinstance(others, OrdersFound)
    assert others.orders == ()


def asked(till: Till, account: str) -> OrdersAnswer:
    """What a till is told when the resident shows a code."""
    world = till.world
    evidence = world.slot(account)
    lookup = OrdersRequest(
        lookup_id=world.sale_id(), evidence=evidence, occurred_at=world.clock.now
    )
    path = f"/v1/terminals/{till.terminal}/orders"
    body = till.send(path, msgspec.json.encode(lookup)).data
    answer: OrdersAnswer = msgspec.json.decode(body, type=OrdersAnswer)
    return answer


def test_a_voucher_past_its_day_is_shown_with_nothing_open_before_it_is_expired(
    street: World, shop: Till
) -> None:
    give(street, 40)
    street.do(SetVoucherDays(item_id="haircut-voucher", days=10, reason="通知"))
    sell(street, shop, line(street, "haircut-voucher"))
    for days, open_milli, state_shown in ((10, 1_000, "open"), (1, 0, "expired")):
        street.clock.move(days=days)
        found = asked(shop, ZHANG)
        assert isinstance(found, OrdersFound)
        (voucher,) = found.orders
        assert (voucher.open_milli, voucher.state) == (open_milli, state_shown)
        assert voucher.valid_until == date(2026, 3, 12)


def test_an_old_open_voucher_is_shown_before_newer_ones_that_are_used(
    street: World, shop: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest of the list are cut off where it is full; an open one is never among them."""
    monkeypatch.setattr(orders_shown, "SHOWN", 3)
    give(street, 100)
    old = sell(street, shop, line(street, "haircut-voucher"))
    street.clock.move(days=1)
    day = date(2026, 3, 3)
    for number in range(3):
        sale = asked_and_sold(street, shop, line(street, "haircut-voucher"), points=20)
        sale = msgspec.structs.replace(sale, business_date=day)
        assert shop.outcome(sale).outcome is POSTED
        done_by_office = fulfil(sale, f"f-{number}", business_date=day)
        assert isinstance(street.do(done_by_office), OrderMoved)
    street.clock.move(minutes=1)  # another slot than the one that paid here
    found = asked(shop, ZHANG)
    assert isinstance(found, OrdersFound)
    assert len(found.orders) == 3
    assert found.orders[0].order_id == order_id_of(old.sale_id, 1)
    assert [each.open_milli for each in found.orders] == [1_000, 0, 0]


def test_an_offline_refund_of_an_order_cancelled_in_part_books_what_is_left(
    street: World, shop: Till
) -> None:
    """Three visits; the office cancelled one while the till, cut off, gave all three back."""
    give(street, 40)
    sale = sell(street, shop, visits(street, 3))
    street.do(cancel(sale, units_milli=1_000))
    assert left(street) == 20
    all_back = RefundLine(line_no=1, quantity_milli=3_000, amount_fen=0, amount_points=30)
    told = shop.outcome(refunded(street, sale, all_back, points_for_goods=30))
    assert told.outcome is POSTED
    assert "多退 10 积分" in told.says
    assert left(street) == 40, "each point came back once"
    assert state(street, sale.sale_id) is OrderState.CANCELLED
    assert street.points(f"over_refund:{SHOP}") == 10
    assert_clean(street)


def test_an_offline_refund_of_an_order_cancelled_whole_is_noted_and_waits_for_a_look(
    street: World, shop: Till
) -> None:
    give(street, 40)
    sale = sell(street, shop, visits(street, 2))
    street.do(cancel(sale))
    all_back = RefundLine(line_no=1, quantity_milli=2_000, amount_fen=0, amount_points=20)
    told = shop.outcome(refunded(street, sale, all_back, points_for_goods=20))
    assert told.outcome is PARKED
    assert street.points(f"over_refund:{SHOP}") == 20
    street.do(BookParked(terminal="t-1", epoch=1, seq=shop.seq, reason="已核实"))
    assert street.read(lambda tx: parked_records(tx, street.pool)) == []
    assert left(street) == 40
    assert_clean(street)
