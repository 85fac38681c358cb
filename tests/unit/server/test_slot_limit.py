"""A slot code that a terminal read once is no purse: what it gives by itself for it has an end."""

import msgspec
import pytest

from protocol.evidence import Evidence, SlotEvidence
from protocol.messages import Approved, OutcomeKind
from protocol.sales import AnsweredBy, SaleCaptured
from server.bootstrap.desk import make_desk
from server.commands.audit_replay import check_replay
from server.db import reading
from server.redemption.parked import BookParked, ParkedBooked
from tests.unit.server.world import ZHANG, Till, World, money_line, sold

POSTED, PARKED = OutcomeKind.POSTED, OutcomeKind.PARKED


@pytest.fixture
def rich(world: World) -> World:
    """Zhang has 2,000 points."""
    for _ in range(20):
        world.award(ZHANG, "river-patrol")
    return world


def _stood_in(world: World, slot: Evidence, points: int = 100) -> SaleCaptured:
    sale = sold(world, money_line("米", points * 10), points=points, evidence=slot)
    return msgspec.structs.replace(sale, answered_by=AnsweredBy.STAND_IN)


@pytest.fixture
def slot(rich: World) -> SlotEvidence:
    return rich.slot()


@pytest.mark.parametrize("in_one_batch", [False, True])
@pytest.mark.parametrize("answered_by", list(AnsweredBy))
def test_one_slot_is_good_for_the_limit_a_resident(
    rich: World, till: Till, slot: SlotEvidence, in_one_batch: bool, answered_by: AnsweredBy
) -> None:
    sales = [
        msgspec.structs.replace(_stood_in(rich, slot), answered_by=answered_by) for _ in range(12)
    ]
    told = till.tell(*sales) if in_one_batch else [till.outcome(each) for each in sales]
    most = rich.preset.standin.per_resident_points // 100
    assert [each.outcome for each in told] == [POSTED] * most + [PARKED] * (12 - most)
    assert rich.points(f"resident:{ZHANG}") == 2_000 - most * 100
    with reading(rich.engine) as tx:
        assert list(check_replay(tx, rich.pool, make_desk)) == []


def test_whatever_list_a_terminal_says_it_has_there_is_an_end(
    rich: World, till: Till, slot: SlotEvidence
) -> None:
    booked = 0
    for number in range(12):
        till.directory_version = number + 1
        booked += till.outcome(_stood_in(rich, slot)).outcome is POSTED
    assert booked * 100 == 2 * rich.preset.standin.per_resident_points


def test_a_newer_list_that_knows_of_what_was_told_begins_anew(
    rich: World, till: Till, slot: SlotEvidence
) -> None:
    """Cut off, told, a new list, cut off again: the terminal kept its rules."""
    limit = rich.preset.standin.per_resident_points
    first = [_stood_in(rich, slot) for _ in range(limit // 100)]
    assert {each.outcome for each in till.tell(*first)} == {POSTED}
    rich.clock.move(minutes=5)
    till.directory_version = 2
    second = [_stood_in(rich, slot) for _ in range(limit // 100)]
    assert {each.outcome for each in till.tell(*second)} == {POSTED}


def test_what_the_server_approved_is_no_part_of_it_nor_another_terminal(
    rich: World, till: Till, slot: SlotEvidence
) -> None:
    limit = rich.preset.standin.per_resident_points
    for _ in range(3):
        sale_id = rich.sale_id()
        assert isinstance(till.authorise(sale_id, slot, optional=200), Approved)
        sale = sold(rich, money_line("米", 2_000), points=200, sale_id=sale_id, evidence=slot)
        assert till.outcome(sale).outcome is POSTED
    for each in (till, rich.till(terminal="t-2")):
        sales = [_stood_in(rich, slot) for _ in range(limit // 100)]
        assert {told.outcome for told in each.tell(*sales)} == {POSTED}


def test_the_next_slot_is_another_code_and_a_person_may_book_beyond(
    rich: World, till: Till, slot: SlotEvidence
) -> None:
    limit = rich.preset.standin.per_resident_points
    till.tell(*[_stood_in(rich, slot) for _ in range(limit // 100)])
    assert till.outcome(_stood_in(rich, slot)).outcome is PARKED
    booked = rich.do(BookParked(terminal="t-1", epoch=1, seq=limit // 100 + 1, reason="问过"))
    assert isinstance(booked, ParkedBooked)
    rich.clock.move(hours=1)
    assert till.outcome(_stood_in(rich, rich.slot())).outcome is POSTED
