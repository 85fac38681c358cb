"""Claw-back, as bookkeeping tables: what is spent is owed, and comes out of later awards."""

import msgspec
import pytest

from protocol.messages import Approved, OutcomeKind
from server.awards import Awarded, ClawBackAward, ClawedBack, OpenBalance
from server.facts.refused import Refused
from tests.support.phones import phone_in_hand
from tests.unit.awards.conftest import MakeWorld
from tests.unit.awards.deeds import Points, amended, assert_audit_is_clean, award, points, reason
from tests.unit.server.bookkeeping import codes
from tests.unit.server.world import TODAY, ZHANG, World, money_line, sold


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """Rules worth 100, 60 and 30."""
    world = make_world("guanghui")
    for rule, worth in (("hundred", 100), ("sixty", 60), ("thirty", 30)):
        world.do(amended(rule, worth))
    return world


def back(award_id: str, reason: str = "活动未参加") -> ClawBackAward:
    return ClawBackAward(award_id=award_id, clawed_back_by="office", reason=reason)


def spend(world: World, *paid: int) -> list[OutcomeKind]:
    """Meals at 10 fen a point that the terminal sold by itself."""
    till = world.till()
    meals = [sold(world, money_line("套餐", 10 * each), points=each) for each in paid]
    return [each.outcome for each in till.tell(*meals)]


def test_an_award_that_is_still_there_is_taken_from_the_balance(world: World) -> None:
    world.do(award("a-1", "hundred"))
    assert world.do(back("a-1")) == ClawedBack("a-1", 100, 100, 0)
    assert codes(world, "clawback:a-1") == [("award_clawed_back", 100)]
    assert points(world) == Points(balance=0, issued=0)
    assert_audit_is_clean(world)


def test_an_award_that_was_spent_is_owed_and_comes_out_of_the_next_ones(world: World) -> None:
    world.do(award("a-1", "hundred"))
    assert spend(world, 70) == [OutcomeKind.POSTED]
    #                                              taken  owed
    assert world.do(back("a-1")) == ClawedBack("a-1", 100, 30, 70)
    assert points(world) == Points(balance=0, owed=70, issued=0)
    outcome = world.do(award("a-2", "sixty"))
    assert outcome == Awarded("a-2", 60, 0, again=False, owed_cleared_points=60)
    assert points(world) == Points(balance=0, owed=10, issued=60)
    outcome = world.do(award("a-3", "thirty"))
    assert outcome == Awarded("a-3", 30, 0, again=False, owed_cleared_points=10)
    assert points(world) == Points(balance=20, owed=0, issued=90)
    assert_audit_is_clean(world)


def test_an_overdraft_is_cleared_before_what_is_owed(world: World) -> None:
    world.do(award("a-1", "hundred"))
    assert spend(world, 90, 40) == [OutcomeKind.POSTED, OutcomeKind.OVERDRAFT]
    assert world.do(back("a-1")) == ClawedBack("a-1", 100, 0, 100)
    assert points(world) == Points(balance=0, overdraft=30, owed=100, issued=0)
    outcome = world.do(award("a-2", "sixty"))
    assert outcome == Awarded("a-2", 60, 30, again=False, owed_cleared_points=30)
    assert codes(world, "award:a-2") == [
        ("award", 60),
        ("overdraft_cleared", 30),
        ("owed_cleared", 30),
    ]
    assert points(world) == Points(balance=0, overdraft=0, owed=70, issued=60)
    assert_audit_is_clean(world)


def test_a_resident_reads_on_the_phone_what_the_next_points_make_up(world: World) -> None:
    world.do(award("a-1", "hundred"))
    spend(world, 90, 40)
    world.do(back("a-1"))
    phone = phone_in_hand(world)

    def told() -> tuple[int, int, int]:
        phone.refresh()
        return phone.known.balance_points, phone.known.overdraft_points, phone.known.owed_points

    assert told() == (0, 30, 100)
    world.do(award("a-2", "sixty"))
    assert told() == (0, 0, 70)
    world.do(award("a-3", "hundred"))
    assert told() == (30, 0, 0)


def test_what_a_till_has_reserved_is_left_to_it(world: World) -> None:
    world.do(award("a-1", "hundred"))
    till, sale_id = world.till(), world.sale_id()
    assert isinstance(till.authorise(sale_id, optional=40), Approved)
    assert world.do(back("a-1")) == ClawedBack("a-1", 100, 60, 40)
    meal = sold(world, money_line("套餐", 400), points=40, sale_id=sale_id)
    assert till.outcome(meal).outcome is OutcomeKind.POSTED
    assert points(world) == Points(balance=0, owed=40, issued=0)
    assert_audit_is_clean(world)


def test_an_opening_balance_clears_what_is_owed_too(world: World) -> None:
    world.do(award("a-1", "thirty"))
    assert spend(world, 30) == [OutcomeKind.POSTED]
    world.do(back("a-1"))
    world.do(
        OpenBalance(opening_id="p-1", account=ZHANG, points=50, as_of=TODAY, opened_by="office")
    )
    assert points(world) == Points(balance=20, owed=0, issued=0, opened=50)
    assert_audit_is_clean(world)


def test_a_clawback_happens_once_and_keeps_its_reason(world: World) -> None:
    world.do(award("a-1", "hundred"))
    world.do(award("a-2", "sixty"))
    world.do(back("a-1"))
    assert world.do(back("a-1")) == ClawedBack("a-1", 100, 100, 0, again=True)
    other = world.submit(back("a-1", "别的原因"))
    assert reason(other) == "conflict"
    assert isinstance(other, Refused)
    assert "已撤回（活动未参加），与这次（别的原因）" in other.says
    assert reason(world.submit(back("a-9"))) == "unknown_award"
    assert points(world) == Points(balance=60, issued=60)


def test_an_award_that_was_clawed_back_is_not_given_again_under_its_id(world: World) -> None:
    world.do(award("a-1", "hundred"))
    world.do(back("a-1"))
    again = world.do(award("a-1", "hundred"))
    assert again == Awarded("a-1", 100, 0, again=True)
    assert points(world).balance == 0


def test_a_paper_is_taken_over_once_into_an_account_of_its_own(world: World) -> None:
    paper = OpenBalance(opening_id="p-1", account=ZHANG, points=35, as_of=TODAY, opened_by="office")
    world.do(paper)
    world.do(msgspec.structs.replace(paper, opened_by="somebody else"))
    assert points(world) == Points(balance=35, opened=35)
    conflict = world.submit(msgspec.structs.replace(paper, points=36))
    assert reason(conflict) == "conflict"
    assert isinstance(conflict, Refused)
    assert "35" in conflict.says
    assert "36" in conflict.says
    other = msgspec.structs.replace(paper, opening_id="p-2", account="f" * 16)
    assert reason(world.submit(other)) == "unknown_resident"
    world.clock.move(days=-2)
    late = msgspec.structs.replace(paper, opening_id="p-3", as_of=TODAY.replace(day=9))
    assert reason(world.submit(late)) == "future"
    assert_audit_is_clean(world)
