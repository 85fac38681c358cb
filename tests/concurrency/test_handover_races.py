"""A temporary card handed on by two people at once: the lock lets one of them, and without it the
database's own rules are all that is left.
"""

import functools
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from server.awards import temporary_cards as room
from server.awards.temporary_cards import HandedOver, IssueTemporaryCard
from tests.concurrency.racing import (
    WITH_LOCK_S,
    WITHOUT_LOCK_S,
    both,
    make_meet,
    take_the_lock_off,
)
from tests.unit.awards.deeds import assert_audit_is_clean, reason
from tests.unit.awards.test_temporary_cards import (
    OLD,
    OTHER_MOVE,
    THIRD,
    hand_over,
    household,
    place,
    points,
)
from tests.unit.server.world import World


def furnished(engine: Engine, folder: Path) -> World:
    world = World(engine, folder, "guanghui")
    world.furnish()
    world.do(IssueTemporaryCard(to=household(OLD, place(world))))
    world.award(OLD, "river-patrol", "river-patrol")
    return world


def race(world: World) -> list[object]:
    pair = (hand_over(world), hand_over(world, THIRD, OTHER_MOVE))
    return both(*(functools.partial(world.submit, each) for each in pair))


def test_one_of_two_hands_it_on(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = furnished(engine, tmp_path)
    make_meet(monkeypatch, room, "temporary_card_of", wait_s=WITH_LOCK_S)
    answers = race(world)
    (lost,) = [each for each in answers if not isinstance(each, HandedOver)]
    assert reason(lost) == "handed_on"
    (won,) = [each for each in answers if isinstance(each, HandedOver)]
    assert (won.points, points(world, won.to_account), points(world, OLD)) == (200, 200, 0)
    assert_audit_is_clean(world)


@pytest.mark.postgres
def test_with_the_lock_off_both_begin_and_only_the_database_stops_one(
    postgres_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both read that nobody has handed it on, and both settle a household in. What stops one of
    them is no answer that somebody could read: its rows deadlock with the other's, or the key
    that a card is handed on once is taken.
    """
    world = furnished(postgres_engine, tmp_path)
    take_the_lock_off(monkeypatch)
    make_meet(monkeypatch, room, "temporary_card_of", wait_s=WITHOUT_LOCK_S)
    answers = race(world)
    faults = [each for each in answers if isinstance(each, DBAPIError)]
    assert len(faults) == 1, answers
    assert "deadlock detected" in str(faults[0]) or "is_handed_on_once" in str(faults[0])
