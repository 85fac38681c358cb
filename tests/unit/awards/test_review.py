"""Claim and review: four eyes, once, and never those of the performer."""

import msgspec
import pytest

from server.awards import (
    AwarderRole,
    ClaimAward,
    Claimed,
    ReviewAward,
    Reviewed,
    waiting_claims,
)
from server.facts.refused import Refused
from tests.unit.awards.conftest import MakeWorld
from tests.unit.awards.deeds import amended, assert_audit_is_clean, award, points, reason, staff
from tests.unit.server.world import LIU, TODAY, ZHANG, World

CLAIM = ClaimAward(
    claim_id="c-1", account=ZHANG, rule_id="patrol-2", performed_on=TODAY, claimed_by="xiao-zhang"
)


def review(approve: bool = True, by: str = "shen", **other: object) -> ReviewAward:
    command = ReviewAward(claim_id="c-1", approve=approve, reviewed_by=by, reason="")
    return msgspec.structs.replace(command, **other)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    world = make_world("guanghui")
    world.do(amended("patrol-2", 100, review=True))
    world.do(staff("xiao-zhang", account=ZHANG))
    world.do(staff("colleague", account=LIU))
    world.do(staff("shen", AwarderRole.COMMUNITY))
    return world


def test_a_claim_gives_nothing_until_somebody_else_approves_it_once(world: World) -> None:
    assert world.do(CLAIM) == Claimed("c-1")
    assert world.do(CLAIM) == Claimed("c-1", again=True)
    assert points(world).balance == 0
    waiting = world.read(lambda tx: waiting_claims(tx, world.pool))
    assert [each.claim_id for each in waiting] == ["c-1"]
    assert world.do(review()) == Reviewed("c-1", approved=True, points=100)
    assert world.do(review()) == Reviewed("c-1", approved=True, points=100, again=True)
    assert points(world).balance == 100
    assert world.read(lambda tx: waiting_claims(tx, world.pool)) == []
    assert_audit_is_clean(world)


def test_a_rule_with_review_is_not_awarded_past_it(world: World) -> None:
    assert reason(world.submit(award("a-1", "patrol-2"))) == "needs_review"
    world.do(CLAIM)
    assert reason(world.submit(award("c-1", "tidying"))) == "conflict"
    plain = msgspec.structs.replace(CLAIM, claim_id="c-2", rule_id="tidying")
    assert reason(world.submit(plain)) == "no_review"


def test_neither_performer_nor_claimer_nor_a_stranger_reviews(world: World) -> None:
    world.do(CLAIM)
    assert reason(world.submit(review(by="xiao-zhang"))) == "self"
    assert reason(world.submit(review(by="passer-by"))) == "unknown_awarder"
    by_other = msgspec.structs.replace(CLAIM, claim_id="c-2", claimed_by="colleague")
    world.do(by_other)
    for who in ("colleague", "xiao-zhang"):
        assert reason(world.submit(review(by=who, claim_id="c-2"))) == "self"
    assert points(world).balance == 0


def test_a2_of_two_on_patrol_neither_reviews_the_other(world: World) -> None:
    world.do(msgspec.structs.replace(CLAIM, event="贾鲁河巡查"))
    world.do(
        msgspec.structs.replace(
            CLAIM, claim_id="c-2", account=LIU, claimed_by="colleague", event="贾鲁河巡查"
        )
    )
    assert reason(world.submit(review(by="colleague"))) == "self"
    assert reason(world.submit(review(by="xiao-zhang", claim_id="c-2"))) == "self"
    world.do(review())
    world.do(review(claim_id="c-2"))
    assert (points(world).balance, points(world, LIU).balance) == (100, 100)
    assert points(world).issued == 200
    assert_audit_is_clean(world)


def test_who_was_awarded_for_an_event_without_a_claim_reviews_none_of_it(world: World) -> None:
    world.do(award("a-9", "tidying", account=LIU, event="贾鲁河巡查"))
    world.do(msgspec.structs.replace(CLAIM, event="贾鲁河巡查"))
    assert reason(world.submit(review(by="colleague"))) == "self"
    world.do(review())


def test_a_claim_is_refused_with_a_reason_and_stays_refused(world: World) -> None:
    world.do(CLAIM)
    assert reason(world.submit(review(approve=False))) == "needs_reason"
    refusal = review(approve=False, reason="照片不清楚")
    assert world.do(refusal) == Reviewed("c-1", approved=False, points=0, reason="照片不清楚")
    other = world.submit(review())
    assert reason(other) == "conflict"
    assert isinstance(other, Refused)
    assert other.says.index("不通过") < other.says.index("与这次（通过")
    assert points(world).balance == 0
    assert_audit_is_clean(world)


def test_a_reviewer_has_the_role_that_the_rule_names(world: World) -> None:
    world.do(amended("mediation-2", 80, review=True, may_award=(AwarderRole.OFFICE,)))
    world.do(msgspec.structs.replace(CLAIM, rule_id="mediation-2"))
    assert reason(world.submit(review())) == "not_allowed"
    world.do(staff("office-1", AwarderRole.OFFICE))
    assert world.do(review(by="office-1")) == Reviewed("c-1", approved=True, points=80)


def test_two_claims_for_one_fact_are_paid_once(world: World) -> None:
    world.do(msgspec.structs.replace(CLAIM, fact_ref="T-1"))
    world.do(msgspec.structs.replace(CLAIM, claim_id="c-2", fact_ref="T-1"))
    world.do(review())
    assert reason(world.submit(review(claim_id="c-2"))) == "paid_already"
    refusal = review(approve=False, claim_id="c-2", reason="重复")
    assert world.do(refusal) == Reviewed("c-2", approved=False, points=0, reason="重复")
    assert points(world).balance == 100


def test_what_is_no_claim_is_not_reviewed(world: World) -> None:
    assert reason(world.submit(review())) == "unknown_claim"
    world.do(CLAIM)
    other = msgspec.structs.replace(CLAIM, memo="另一件")
    assert reason(world.submit(other)) == "conflict"


def test_a_claim_that_waits_is_not_re_rated_by_an_amendment(world: World) -> None:
    world.do(CLAIM)
    assert reason(world.submit(amended("patrol-2", 50, review=True))) == "backdated"
    world.do(review(approve=False, reason="照片不清楚"))
    world.do(amended("patrol-2", 50, review=True))
