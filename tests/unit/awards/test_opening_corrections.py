"""A paper was taken over with wrong points: two people correct it, in an entry of its own."""

import msgspec
import pytest

from server.awards import (
    ApproveOpeningCorrection,
    Noted,
    OpenBalance,
    ProposeOpeningCorrection,
)
from server.db import writing
from server.facts import Outcome
from server.facts.refused import Refused
from tests.unit.awards.deeds import Points, assert_audit_is_clean, award, points, reason
from tests.unit.awards.running import run
from tests.unit.server.bookkeeping import codes
from tests.unit.server.world import TODAY, ZHANG, World, points_line, sold

PAPER = OpenBalance(opening_id="p-1", account=ZHANG, points=150, as_of=TODAY, opened_by="office")


def by(world: World, actor: str, command: msgspec.Struct) -> Outcome:
    with writing(world.engine) as tx:
        return world.desk.submit(tx, world.pool, command, actor=actor, recorded_at=world.clock())


def correct(world: World, right: int, correction: str = "k-1") -> Outcome:
    proposed = by(world, "a", proposal(right, correction))
    assert proposed == Noted(correction)
    return by(world, "b", ApproveOpeningCorrection(correction=correction))


def proposal(right: int, correction: str = "k-1") -> ProposeOpeningCorrection:
    return ProposeOpeningCorrection(
        correction=correction, opening_id="p-1", right_points=right, reason="多打了一个 0"
    )


@pytest.mark.parametrize("right", [15, 0, 200])
def test_two_people_set_a_paper_right(town: World, right: int) -> None:
    town.do(PAPER)
    assert correct(town, right) == Noted("k-1")
    assert points(town) == Points(balance=right, opened=right)
    assert by(town, "b", ApproveOpeningCorrection(correction="k-1")) == Noted("k-1", again=True)
    assert points(town) == Points(balance=right, opened=right)
    assert town.do(PAPER) is not None  # the paper itself is told again, and changes nothing
    assert points(town) == Points(balance=right, opened=right)
    assert_audit_is_clean(town)


def test_one_person_alone_corrects_nothing(town: World) -> None:
    town.do(PAPER)
    by(town, "a", proposal(15))
    assert reason(by(town, "a", ApproveOpeningCorrection(correction="k-1"))) == "same_person"
    assert points(town) == Points(balance=150, opened=150)
    assert by(town, "a", proposal(15)) == Noted("k-1", again=True)
    assert reason(by(town, "b", proposal(15))) == "conflict"
    other = by(town, "a", proposal(16))
    assert reason(other) == "conflict"
    assert isinstance(other, Refused)
    assert "（p-1, 15, 多打了一个 0, a）" in other.says
    assert "（p-1, 16, 多打了一个 0, a）" in other.says


def test_what_is_spent_already_is_owed_and_what_is_owed_comes_back(town: World) -> None:
    town.do(PAPER)
    till, sale_id = town.till(), town.sale_id()
    till.authorise(sale_id, required=20)
    till.tell(sold(town, points_line("flour", 20, 0), points=20, sale_id=sale_id))
    correct(town, 15)
    assert points(town) == Points(balance=0, owed=5, opened=15)
    assert codes(town, "opening_correction:k-1") == [
        ("opening_taken_back", 130),
        ("opening_owed", 5),
    ]
    town.do(award("a-1", "clean-up"))
    assert points(town) == Points(balance=5, issued=10, opened=15)
    correct(town, 150, "k-2")
    assert points(town) == Points(balance=140, issued=10, opened=150)
    assert_audit_is_clean(town)


def test_a_proposal_that_another_one_overtook_is_not_booked(town: World) -> None:
    town.do(PAPER)
    by(town, "a", proposal(15))
    correct(town, 20, "k-2")
    assert reason(by(town, "b", ApproveOpeningCorrection(correction="k-1"))) == "conflict"
    assert points(town) == Points(balance=20, opened=20)


def test_what_there_is_nothing_of_is_not_corrected(town: World) -> None:
    assert reason(by(town, "a", proposal(15))) == "unknown_opening"
    town.do(PAPER)
    assert reason(by(town, "a", proposal(150))) == "nothing_to_correct"
    blank = msgspec.structs.replace(proposal(15), reason="  ")
    assert reason(by(town, "a", blank)) == "needs_reason"
    nobody = ApproveOpeningCorrection(correction="k-9")
    assert reason(by(town, "b", nobody)) == "unknown_correction"


def test_the_command_proposes_and_wants_another_user(town: World) -> None:
    town.do(PAPER)
    done = run(town, "correct-opening", "propose", "p-1", "15", "--reason", "手误", "--id", "k-1")
    assert done.exit_code == 0, done.output
    assert "k-1  p-1  150 → 15" in run(town, "correct-opening", "waiting").output
    alone = run(town, "correct-opening", "approve", "k-1")
    assert (alone.exit_code, "另一个人" in alone.output) == (1, True)
    by(town, "somebody else", ApproveOpeningCorrection(correction="k-1"))
    assert run(town, "correct-opening", "waiting").output == ""
    assert points(town).balance == 15
