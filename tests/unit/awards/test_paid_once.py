"""One fact is paid once, whatever channel tells it; one event pays each person once."""

from server.awards import Awarded, ClawBackAward
from server.awards.batch import EventAwarded, EventList, EventRefused, award_event
from server.db import writing
from tests.unit.awards.deeds import amended, assert_audit_is_clean, award, points, reason
from tests.unit.server.world import LIU, TODAY, ZHANG, World

NOBODY = "f" * 16


def people(world: World, *accounts: str, rule_id: str = "clean-up") -> EventAwarded | EventRefused:
    listed = EventList(
        event="三月大扫除",
        rule_id=rule_id,
        performed_on=TODAY,
        awarded_by="网格员",
        accounts=accounts,
    )
    with writing(world.engine) as tx:
        outcome = award_event(tx, world.desk, world.pool, listed, actor="test", at=world.clock())
        if isinstance(outcome, EventRefused):
            tx.rollback()
    return outcome


def test_x7_a_hazard_that_comes_in_by_two_channels_is_paid_once(town: World) -> None:
    first = town.do(award("a-1", "hazard", fact_ref="速事速办2026-017"))
    assert isinstance(first, Awarded)
    assert first.points == 10
    second = award("b-1", "quick-report", fact_ref="速事速办2026-017")
    assert reason(town.submit(second)) == "paid_already"
    # Nor to somebody else, nor in other capitals.
    other = award("b-2", "quick-report", account=LIU, fact_ref="速事速办2026-017")
    assert reason(town.submit(other)) == "paid_already"
    town.do(award("c-1", "hazard", fact_ref="SS-1a"))
    assert reason(town.submit(award("c-2", "hazard", fact_ref="ss-1A"))) == "paid_already"
    assert points(town).balance == 20
    assert_audit_is_clean(town)


def test_a_rule_that_shares_no_facts_pays_its_own_award_for_the_same_reference(
    town: World,
) -> None:
    town.do(award("a-1", "hazard", fact_ref="T-1"))
    outcome = town.do(award("a-2", "groceries", fact_ref="T-1"))
    assert isinstance(outcome, Awarded)
    assert outcome.points == 5


def test_rules_that_are_linked_later_pay_a_fact_once_as_well(town: World) -> None:
    town.do(award("a-1", "groceries", fact_ref="T-1"))
    town.do(amended("errand", 5, same_fact_as="groceries"))
    assert reason(town.submit(award("a-2", "errand", fact_ref="T-1"))) == "paid_already"


def test_what_was_clawed_back_may_be_paid_to_whom_it_belongs(town: World) -> None:
    town.do(award("a-1", "hazard", fact_ref="T-1"))
    town.do(ClawBackAward(award_id="a-1", clawed_back_by="office", reason="是刘大爷报的"))
    town.do(award("a-2", "hazard", account=LIU, fact_ref="T-1"))
    assert (points(town).balance, points(town, LIU).balance) == (0, 10)
    assert_audit_is_clean(town)


def test_everybody_at_an_event_is_awarded_once_however_often_he_is_listed(town: World) -> None:
    first = people(town, ZHANG, LIU, ZHANG)
    assert isinstance(first, EventAwarded)
    assert ([each.points for each in first.awarded], first.already, first.twice) == ([10, 10], 0, 1)
    again = people(town, LIU, ZHANG)
    assert again == EventAwarded((), 2, 0)
    # By another list, or by hand under another id, it is still the same event.
    by_hand = award("x-1", "clean-up", event="三月大扫除")
    assert reason(town.submit(by_hand)) == "paid_already"
    assert points(town).balance == points(town, LIU).balance == 10
    assert_audit_is_clean(town)


def test_one_who_cannot_be_awarded_takes_the_whole_list_back_and_all_are_named(
    town: World,
) -> None:
    outcome = people(town, ZHANG, NOBODY, "e" * 16)
    assert isinstance(outcome, EventRefused)
    assert [(who, why.reason) for who, why in outcome.refusals] == [
        (NOBODY, "unknown_resident"),
        ("e" * 16, "unknown_resident"),
    ]
    assert points(town).balance == 0
