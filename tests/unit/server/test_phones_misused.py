"""What a phone's code does not pay for: a second thing, another approval, what a dead key signs."""

from uuid import UUID

import msgspec
import pytest

from protocol.evidence import Evidence
from protocol.messages import Approved, OrdersAnswer, OrdersRequest, OutcomeKind
from protocol.reasons import Declined, DeclineReason
from protocol.sales import AnsweredBy
from server.bootstrap.desk import make_desk
from server.commands.audit_replay import check_replay
from server.db import reading
from server.directory.phones import EndPhone, PhoneState
from server.redemption.parked import BookParked, ParkedBooked
from tests.support.phones import PhoneInHand, challenge_of, phone_in_hand
from tests.unit.server.test_phones import bought, reason_of, state_of
from tests.unit.server.world import ZHANG, Till, World


@pytest.fixture
def rich(world: World) -> World:
    """Zhang has 1,000 points."""
    for _ in range(10):
        world.award(ZHANG, "river-patrol")
    return world


def _code(phone: PhoneInHand, till: Till, sale_id: UUID, *, confirms: bool) -> Evidence:
    return phone.confirm(challenge_of(till, sale_id, 10)) if confirms else phone.show()


@pytest.mark.parametrize("by", list(AnsweredBy))
def test_an_approval_proves_the_code_that_was_asked_with_and_no_other(
    rich: World, till: Till, by: AnsweredBy
) -> None:
    """One live code held for five sales, told with one old code, or with an old slot."""
    phone = phone_in_hand(rich)
    old, slot = phone.show(), rich.slot()
    rich.clock.move(hours=30)
    live = phone.show()
    sales = [rich.sale_id() for _ in range(5)]
    for sale_id in sales:
        assert isinstance(till.authorise(sale_id, live, optional=100), Approved)
    others: tuple[Evidence, ...] = (old, old, slot, slot)
    for sale_id, evidence in zip(sales[:4], others, strict=True):
        outcome = till.outcome(bought(rich, evidence, 100, sale_id, by=by))
        assert outcome.outcome is OutcomeKind.PARKED
    assert till.outcome(bought(rich, live, 100, sales[4])).outcome is OutcomeKind.POSTED
    assert rich.points(f"resident:{ZHANG}") == 900


def test_another_code_than_the_one_asked_with_pays_once(rich: World, till: Till) -> None:
    """The answer was lost, and the resident showed again: fine, and then that code is used."""
    phone = phone_in_hand(rich)
    asked, shown = phone.show(), phone.show()
    sales = [rich.sale_id() for _ in range(3)]
    for sale_id in sales:
        assert isinstance(till.authorise(sale_id, asked, optional=100), Approved)
    stood_in = [bought(rich, shown, 100, each, by=AnsweredBy.STAND_IN) for each in sales]
    outcomes = [each.outcome for each in till.tell(*stood_in)]
    assert outcomes == [OutcomeKind.POSTED, OutcomeKind.PARKED, OutcomeKind.PARKED]
    used = rich.till(terminal="t-2").authorise(rich.sale_id(), shown, optional=10)
    assert reason_of(used) is DeclineReason.CODE_USED
    with reading(rich.engine) as tx:
        assert list(check_replay(tx, rich.pool, make_desk)) == []


@pytest.mark.parametrize("confirms", [False, True])
def test_a_phone_that_is_long_dead_pays_nothing(rich: World, till: Till, confirms: bool) -> None:
    phone = phone_in_hand(rich)

    def outcome() -> OutcomeKind:
        sale_id = rich.sale_id()
        evidence = _code(phone, till, sale_id, confirms=confirms)
        sale = bought(rich, evidence, 10, sale_id, by=AnsweredBy.STAND_IN)
        day = msgspec.structs.replace(sale, business_date=rich.clock().date())
        return till.outcome(day).outcome

    rich.do(EndPhone(account=ZHANG, reason="遗失"))
    hours = rich.preset.standin.directory_max_age_h
    rich.clock.move(hours=hours)
    assert outcome() is OutcomeKind.POSTED, "a till that was cut off cannot know"
    rich.clock.move(hours=1)
    assert outcome() is OutcomeKind.PARKED


@pytest.mark.parametrize("confirms", [False, True])
def test_a_certificate_that_ran_out_pays_nothing(rich: World, till: Till, confirms: bool) -> None:
    phone = phone_in_hand(rich)
    rich.clock.move(days=200)
    sale_id = rich.sale_id()
    evidence = _code(phone, till, sale_id, confirms=confirms)
    sale = bought(rich, evidence, 10, sale_id, by=AnsweredBy.STAND_IN)
    sale = msgspec.structs.replace(sale, business_date=rich.clock().date())
    assert till.outcome(sale).outcome is OutcomeKind.PARKED


def test_a_sale_of_an_ended_phone_that_comes_very_late_waits_for_a_person(
    rich: World, till: Till
) -> None:
    """Whoever has the dead key may write any time into what it signs; a person asks."""
    sale = bought(rich, phone_in_hand(rich).show(), 10, by=AnsweredBy.STAND_IN)
    till.record(sale)
    rich.do(EndPhone(account=ZHANG, reason="遗失"))
    rich.clock.move(days=30)
    assert till.tell()[-1].outcome is OutcomeKind.PARKED
    booked = rich.do(BookParked(terminal="t-1", epoch=1, seq=1, reason="问过本人"))
    assert isinstance(booked, ParkedBooked)
    assert booked.outcome is OutcomeKind.POSTED


def test_looking_up_orders_with_a_copied_code_leaves_the_books_replayable(
    rich: World, till: Till
) -> None:
    phone = phone_in_hand(rich)
    assert isinstance(till.authorise(rich.sale_id(), phone.show(counter=7), optional=10), Approved)
    rich.clock.move(seconds=3)
    copied = phone.show(counter=7)
    request = OrdersRequest(lookup_id=rich.sale_id(), evidence=copied, occurred_at=rich.clock())
    path = f"/v1/terminals/{till.terminal}/orders"
    response = till.send(path, msgspec.json.encode(request))
    answer = msgspec.json.decode(response.data, type=OrdersAnswer)
    assert isinstance(answer, Declined)
    assert answer.reason is DeclineReason.CODE_COPIED
    assert state_of(rich) is PhoneState.LIVE, "a question that is no fact changes nothing"
    with reading(rich.engine) as tx:
        assert list(check_replay(tx, rich.pool, make_desk)) == []
    noticed = till.authorise(rich.sale_id(), copied, optional=10)
    assert reason_of(noticed) is DeclineReason.CODE_COPIED
    assert state_of(rich) is PhoneState.COPIED
