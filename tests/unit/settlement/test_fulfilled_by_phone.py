"""A phone's code stands for one thing: what it paid for, or what was done with it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine

from protocol.evidence import SlotEvidence
from protocol.messages import Approved, OrdersAnswer, OrdersFound, OrdersRequest
from protocol.reasons import Declined, DeclineReason
from protocol.sales import AnsweredBy
from server.bootstrap.desk import make_desk
from server.commands.audit_replay import check_replay
from server.db import create_all, metadata, open_engine, reading
from tests.support.phones import PhoneInHand, challenge_of, phone_in_hand
from tests.unit.server.world import Till, World, sold
from tests.unit.settlement.orders_world import (
    CENTRE,
    CLEANING_FEN,
    PARKED,
    POSTED,
    SHOP,
    done,
    give,
    line,
    open_street,
    sell,
)


@pytest.fixture
def street(tmp_path: Path) -> Iterator[World]:
    engine: Engine = open_engine(f"sqlite:///{tmp_path}/pool.sqlite3")
    create_all(engine, metadata)
    world = open_street(engine, tmp_path)
    give(world, 400)
    yield world
    engine.dispose()


@pytest.fixture
def shop(street: World) -> Till:
    return street.till()


@pytest.fixture
def centre(street: World) -> Till:
    return street.till(CENTRE, "t-9")


@pytest.fixture
def phone(street: World) -> PhoneInHand:
    return phone_in_hand(street)


def looked_up(till: Till, shown: SlotEvidence) -> OrdersAnswer:
    world = till.world
    request = OrdersRequest(lookup_id=world.sale_id(), evidence=shown, occurred_at=world.clock())
    path = f"/v1/terminals/{till.terminal}/orders"
    body = till.send(path, msgspec.json.encode(request)).data
    answer: OrdersAnswer = msgspec.json.decode(body, type=OrdersAnswer)
    return answer


def test_a_code_that_paid_for_a_sale_does_no_service(
    street: World, shop: Till, centre: Till, phone: PhoneInHand
) -> None:
    cleaned = sell(street, shop, line(street, "house-cleaning"))
    haircut = line(street, "haircut-voucher")
    shown, sale_id = phone.show(), street.sale_id()
    assert isinstance(centre.authorise(sale_id, shown, required=haircut.amount_points), Approved)
    sale = sold(street, haircut, points=haircut.amount_points, sale_id=sale_id, evidence=shown)
    assert centre.outcome(sale).outcome is POSTED
    told = msgspec.structs.replace(done(street, cleaned), confirmation=shown)
    as_the_sale = msgspec.structs.replace(told, fulfilment_id=sale_id)
    assert [each.outcome for each in centre.tell(told, as_the_sale)] == [PARKED, PARKED]
    assert street.fen(f"merchant:{CENTRE}") == 0


def test_one_code_does_one_service_and_buys_nothing_then(
    street: World, shop: Till, centre: Till, phone: PhoneInHand
) -> None:
    first, second = (sell(street, shop, line(street, "house-cleaning")) for _ in range(2))
    shown = phone.show()
    told = msgspec.structs.replace(done(street, first), confirmation=shown)
    again = msgspec.structs.replace(done(street, second), confirmation=shown)
    outcomes = [each.outcome for each in centre.tell(told, again)]
    assert outcomes == [POSTED, PARKED]
    assert centre.outcome(told).outcome.value == "duplicate"
    assert street.fen(f"merchant:{CENTRE}") == CLEANING_FEN
    haircut = line(street, "haircut-voucher")
    for till in (shop, centre):
        answer = till.authorise(street.sale_id(), shown, required=haircut.amount_points)
        assert isinstance(answer, Declined)
        assert answer.reason is DeclineReason.CODE_USED
    sale = sold(
        street,
        haircut,
        points=haircut.amount_points,
        sale_id=told.fulfilment_id,
        evidence=shown,
    )
    stood_in = msgspec.structs.replace(sale, answered_by=AnsweredBy.STAND_IN)
    assert centre.outcome(stood_in).outcome is PARKED
    with reading(street.engine) as tx:
        assert list(check_replay(tx, street.pool, make_desk)) == []


def test_a_confirmation_is_of_a_sale_and_does_no_service(
    street: World, shop: Till, centre: Till, phone: PhoneInHand
) -> None:
    cleaned = sell(street, shop, line(street, "house-cleaning"))
    told = done(street, cleaned)
    yes = phone.confirm(challenge_of(centre, told.fulfilment_id, 100))
    assert centre.outcome(msgspec.structs.replace(told, confirmation=yes)).outcome is PARKED


def test_a_slot_that_stands_in_a_sale_or_a_service_of_the_terminal_does_no_other(
    street: World, shop: Till, centre: Till
) -> None:
    first, second = (sell(street, shop, line(street, "house-cleaning")) for _ in range(2))
    street.clock.move(minutes=1)
    haircut, slot, sale_id = line(street, "haircut-voucher"), street.slot(), street.sale_id()
    assert isinstance(centre.authorise(sale_id, slot, required=haircut.amount_points), Approved)
    bought = sold(street, haircut, points=haircut.amount_points, sale_id=sale_id, evidence=slot)
    assert centre.outcome(bought).outcome is POSTED
    told = msgspec.structs.replace(done(street, first), confirmation=slot)
    assert centre.outcome(told).outcome is PARKED
    street.clock.move(minutes=1)
    fresh = street.slot()
    outcomes = [
        each.outcome
        for each in centre.tell(
            msgspec.structs.replace(told, confirmation=fresh),
            msgspec.structs.replace(done(street, second), confirmation=fresh),
        )
    ]
    assert outcomes == [POSTED, PARKED]
    assert street.fen(f"merchant:{CENTRE}") == CLEANING_FEN
    with reading(street.engine) as tx:
        assert list(check_replay(tx, street.pool, make_desk)) == []


def test_a_slot_that_was_photographed_at_one_till_confirms_nothing_at_another(
    street: World, shop: Till, centre: Till
) -> None:
    """Whoever saw the code of a phone without a key could otherwise be paid for a second order
    at a friend's till while the slot lasts.
    """
    first, second = (sell(street, shop, line(street, "house-cleaning")) for _ in range(2))
    street.clock.move(minutes=1)
    slot = street.slot()
    used_at = street.clock()
    told = msgspec.structs.replace(done(street, first), confirmation=slot)
    assert centre.outcome(told).outcome is POSTED
    assert centre.outcome(told).outcome.value == "duplicate"
    elsewhere = shop.outcome(msgspec.structs.replace(done(street, second), confirmation=slot))
    assert (elsewhere.outcome, "一个码只能确认一件事" in elsewhere.says) == (PARKED, True)
    assert street.fen(f"merchant:{SHOP}") == 0
    for till in (shop, centre):
        said = looked_up(till, slot)
        assert isinstance(said, Declined)
        assert said.reason is DeclineReason.CODE_USED
        assert (said.used_at, said.used_where) == (used_at, "饮马帮办中心")
        assert said.expired_at == used_at + timedelta(minutes=30)
    street.clock.move(minutes=31)
    fresh = street.slot()
    assert isinstance(looked_up(shop, fresh), OrdersFound)
    again = msgspec.structs.replace(done(street, second), confirmation=fresh)
    assert shop.outcome(again).outcome is POSTED
    with reading(street.engine) as tx:
        assert list(check_replay(tx, street.pool, make_desk)) == []


def test_a_slot_that_paid_in_one_shop_has_a_haircut_next_door(
    street: World, shop: Till, centre: Till
) -> None:
    cleaned = sell(street, shop, line(street, "house-cleaning"))
    street.clock.move(minutes=1)
    haircut, slot, sale_id = line(street, "haircut-voucher"), street.slot(), street.sale_id()
    assert isinstance(shop.authorise(sale_id, slot, required=haircut.amount_points), Approved)
    bought = sold(street, haircut, points=haircut.amount_points, sale_id=sale_id, evidence=slot)
    assert shop.outcome(bought).outcome is POSTED
    here = looked_up(shop, slot)
    assert isinstance(here, Declined)
    assert isinstance(looked_up(centre, slot), OrdersFound)
    told = msgspec.structs.replace(done(street, cleaned), confirmation=slot)
    assert centre.outcome(told).outcome is POSTED
