"""Award rules: amended from a day on, never into history; limits, roles, nobody for himself."""

from datetime import date, timedelta

import pytest

from server.awards import (
    Awarded,
    AwarderRole,
    AwardPoints,
    ClawBackAward,
    Noted,
    RetireAwarder,
    rule_on,
    rules_on,
)
from server.facts import Outcome
from tests.unit.awards.conftest import MakeWorld
from tests.unit.awards.deeds import (
    Points,
    amended,
    assert_audit_is_clean,
    award,
    points,
    reason,
    staff,
)
from tests.unit.server.world import LIU, TODAY, ZHANG, World

TOMORROW = TODAY + timedelta(days=1)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world("guanghui")


def given(outcome: Outcome) -> int:
    assert isinstance(outcome, Awarded), outcome
    return outcome.points


def test_an_amendment_counts_from_its_day_and_the_days_before_keep_their_points(
    world: World,
) -> None:
    assert given(world.do(award("a-1", "tidying"))) == 60
    assert world.do(amended("tidying", 70, TOMORROW)) == Noted("tidying")
    assert given(world.do(award("a-2", "tidying"))) == 60
    world.clock.move(days=1)
    assert given(world.do(award("a-3", "tidying", TOMORROW))) == 70
    assert given(world.do(award("a-4", "tidying", TODAY))) == 60
    assert points(world) == Points(balance=250, issued=250)
    assert_audit_is_clean(world)


def test_no_amendment_reaches_into_days_that_were_awarded(world: World) -> None:
    world.do(award("a-1", "tidying"))
    assert reason(world.submit(amended("tidying", 70, TODAY))) == "backdated"
    assert reason(world.submit(amended("tidying", 70, date(2025, 1, 1)))) == "backdated"
    found = world.read(lambda tx: rule_on(tx, world.pool, "tidying", TODAY))
    assert found is not None
    assert found.points == 60


def test_an_amendment_that_nobody_used_may_be_replaced_and_repeated(world: World) -> None:
    world.do(amended("tidying", 70, TOMORROW))
    assert world.do(amended("tidying", 70, TOMORROW)) == Noted("tidying", again=True)
    assert world.do(amended("tidying", 75, TOMORROW)) == Noted("tidying")
    world.clock.move(days=1)
    assert given(world.do(award("a-1", "tidying", TOMORROW))) == 75


def test_a_rule_is_added_and_ends_on_its_last_day(world: World) -> None:
    assert reason(world.submit(award("a-1", "flood-watch"))) == "no_rule"
    world.do(amended("flood-watch", 30, last_day=TODAY))
    assert given(world.do(award("a-1", "flood-watch"))) == 30
    world.clock.move(days=1)
    assert reason(world.submit(award("a-2", "flood-watch", TOMORROW))) == "no_rule"
    ids = world.read(lambda tx: [rule.rule_id for rule in rules_on(tx, world.pool, TODAY)])
    assert "flood-watch" in ids
    assert ids == sorted(ids)


def test_a_rule_that_ends_before_it_starts_or_is_its_own_twin_is_refused(world: World) -> None:
    assert reason(world.submit(amended("x", 1, TOMORROW, last_day=TODAY))) == "bad_period"
    assert reason(world.submit(amended("x", 1, same_fact_as="x"))) == "bad_period"


def test_limits_hold_a_person_a_day_and_a_month(world: World) -> None:
    world.do(amended("visit", 5, per_person_a_day=1, per_person_a_month=2))
    assert given(world.do(award("a-1", "visit"))) == 5
    assert reason(world.submit(award("a-2", "visit"))) == "over_limit"
    assert given(world.do(award("a-3", "visit", account=LIU))) == 5
    world.clock.move(days=40)
    days = [TODAY + timedelta(days=number) for number in (1, 2)]
    assert given(world.do(award("a-4", "visit", days[0]))) == 5
    assert reason(world.submit(award("a-5", "visit", days[1]))) == "over_limit"
    assert given(world.do(award("a-6", "visit", date(2026, 4, 1)))) == 5
    # What was clawed back no longer counts.
    world.do(ClawBackAward(award_id="a-4", clawed_back_by="office", reason="记错人"))
    assert given(world.do(award("a-5", "visit", days[1]))) == 5
    assert_audit_is_clean(world)


def test_limits_hold_a_day_and_an_event_for_everybody_together(world: World) -> None:
    world.do(amended("visit", 5, per_day=2))
    world.do(award("a-1", "visit"))
    world.do(award("a-2", "visit", account=LIU))
    assert reason(world.submit(award("a-3", "visit"))) == "over_limit"
    world.do(amended("sports", 5, per_event=1))
    # By another rule somebody earned at the same event: that is none of this rule's.
    world.do(award("b-0", "tidying", account=LIU, event="春季运动会"))
    world.do(award("b-1", "sports", event="春季运动会"))
    refused = world.submit(award("b-2", "sports", account=LIU, event="春季运动会"))
    assert reason(refused) == "over_limit"
    assert given(world.do(award("b-3", "sports", account=LIU, event="夏季运动会"))) == 5


def test_only_the_roles_that_a_rule_names_award_by_it(world: World) -> None:
    world.do(amended("visit", 5, may_award=(AwarderRole.GRID_WORKER,)))
    world.do(staff("wang"))
    world.do(staff("li", AwarderRole.OFFICE))
    assert reason(world.submit(award("a-1", "visit"))) == "not_allowed"
    assert reason(world.submit(award("a-1", "visit", awarded_by="li"))) == "not_allowed"
    assert given(world.do(award("a-1", "visit", awarded_by="wang"))) == 5
    world.do(RetireAwarder(awarder="wang", reason="调离"))
    assert reason(world.submit(award("a-2", "visit", awarded_by="wang"))) == "not_allowed"
    assert given(world.do(award("a-1", "visit", awarded_by="wang"))) == 5


def test_a_grid_worker_earns_but_never_awards_himself(world: World) -> None:
    world.do(staff("wang", account=ZHANG))
    world.do(staff("li"))
    own = award("a-1", "tidying", awarded_by="wang")
    assert reason(world.submit(own)) == "self"
    assert given(world.do(award("a-1", "tidying", awarded_by="li"))) == 60
    assert given(world.do(award("a-2", "tidying", account=LIU, awarded_by="wang"))) == 60


def test_an_awarders_id_never_passes_to_somebody_else(world: World) -> None:
    world.do(staff("wang", account=ZHANG))
    assert world.do(staff("wang", account=ZHANG)) == Noted("wang", again=True)
    assert reason(world.submit(staff("wang"))) == "conflict"
    assert reason(world.submit(staff("partner:x"))) == "conflict"
    assert reason(world.submit(staff("li", account="f" * 16))) == "unknown_resident"
    assert reason(world.submit(RetireAwarder(awarder="nobody", reason="x"))) == "unknown_awarder"


def test_an_award_of_the_first_sale_reads_as_it_always_did(world: World) -> None:
    old = (
        b'{"kind":"award_points","award_id":"w-1","account":"00000000000000a1",'
        b'"rule_id":"tidying","performed_on":"2026-03-02","awarded_by":"operator","memo":""}'
    )
    with world.engine.begin() as tx:
        outcome = world.desk.submit_bytes(
            tx, world.pool, "award_points", old, actor="old", recorded_at=world.clock()
        )
    assert given(outcome) == 60
    assert isinstance(award("w-1", "tidying", awarded_by="operator"), AwardPoints)
    assert given(world.do(award("w-1", "tidying", awarded_by="operator"))) == 60
    assert points(world).balance == 60
