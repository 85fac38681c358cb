"""Scenario A2: a task for exactly two people, 每人 and 合计, and nobody slips in or reviews himself."""

import threading

import msgspec
import pytest

from server.awards import (
    AwarderRole,
    ClaimAward,
    Claimed,
    ClawBackAward,
    Noted,
    PublishTask,
    ReviewAward,
    Reviewed,
    Split,
)
from server.awards.batch import TaskRefused, TaskVerdict, review_task
from server.db import writing
from server.directory import commands as c
from tests.unit.awards.conftest import MakeWorld
from tests.unit.awards.deeds import amended, assert_audit_is_clean, award, points, reason, staff
from tests.unit.awards.running import run
from tests.unit.server.world import LIU, TODAY, ZHANG, World, money_line, sold

WANG = "00000000000000c3"
PATROL = "贾鲁河未成年人防溺水巡查"
TASK = PublishTask(
    event=PATROL,
    rule_id="river-patrol",
    performed_on=TODAY,
    headcount=2,
    split=Split.EACH,
    published_by="binhe",
)


def claim(claim_id: str, account: str, **other: object) -> ClaimAward:
    command = ClaimAward(
        claim_id=claim_id,
        account=account,
        rule_id="river-patrol",
        performed_on=TODAY,
        claimed_by=account,
        event=PATROL,
    )
    return msgspec.structs.replace(command, **other)


def review(claim_id: str, by: str = "shen", **other: object) -> ReviewAward:
    command = ReviewAward(claim_id=claim_id, approve=True, reviewed_by=by)
    return msgspec.structs.replace(command, **other)


def review_all(
    world: World, by: str = "shen", *, approve: bool = True
) -> tuple[Reviewed, ...] | TaskRefused:
    verdict = TaskVerdict(PATROL, approve, by, "" if approve else "照片不清楚")
    with writing(world.engine) as tx:
        outcome = review_task(tx, world.desk, world.pool, verdict, actor="t", at=world.clock())
        if isinstance(outcome, TaskRefused):
            tx.rollback()
    return outcome


@pytest.fixture
def river(make_world: MakeWorld) -> World:
    world = make_world("guanghui")
    place = world.preset.places[0].id
    world.do(c.RegisterResident(account=WANG, name="老王", household="9-901", place=place))
    world.do(staff("xiao-zhang", account=ZHANG))
    world.do(staff("colleague", account=LIU))
    world.do(staff("shen", AwarderRole.COMMUNITY))
    return world


def test_two_get_it_the_third_is_told_it_is_full_and_each_gets_a_hundred(river: World) -> None:
    assert river.do(TASK) == Noted(PATROL)
    assert river.do(TASK) == Noted(PATROL, again=True)
    river.do(claim("c-1", ZHANG))
    short = review_all(river)
    assert isinstance(short, TaskRefused)
    assert short.refusal.reason == "short_of_people"
    assert points(river).issued == 0
    river.do(claim("c-2", LIU))
    assert river.do(claim("c-2", LIU)) == Claimed("c-2", again=True)
    third = river.submit(claim("c-3", WANG))
    assert reason(third) == "full"
    assert "名额已满" in str(third)
    for member in ("xiao-zhang", "colleague"):
        by_member = review_all(river, member)
        assert isinstance(by_member, TaskRefused)
        assert by_member.refusal.reason == "self"
    first = review_all(river)
    assert first == (Reviewed("c-1", True, 100), Reviewed("c-2", True, 100))
    again = review_all(river)
    assert isinstance(again, tuple)
    assert [(each.points, each.again) for each in again] == [(100, True), (100, True)]
    assert (points(river).balance, points(river, LIU).balance) == (100, 100)
    assert points(river).issued == 200
    sale = sold(river, money_line("套餐", 1_260), points=100)
    assert (sale.payment.points_for_money, sale.payment.cash_fen) == (100, 260)
    assert_audit_is_clean(river)


@pytest.mark.parametrize(("worth", "shares"), [(100, (50, 50)), (101, (51, 50)), (3, (2, 1))])
def test_together_they_share_it_and_the_odd_point_goes_to_the_first_seat(
    river: World, worth: int, shares: tuple[int, int]
) -> None:
    river.do(amended("river-patrol", worth))
    river.do(msgspec.structs.replace(TASK, split=Split.TOGETHER))
    river.do(claim("c-1", ZHANG))
    river.do(claim("c-2", LIU))
    review_all(river)
    assert (points(river).balance, points(river, LIU).balance) == shares
    assert points(river).issued == worth
    assert_audit_is_clean(river)


def test_a_refused_claim_gives_its_seat_away_and_no_point_is_lost(river: World) -> None:
    river.do(amended("river-patrol", 101))
    river.do(msgspec.structs.replace(TASK, split=Split.TOGETHER))
    river.do(claim("c-1", ZHANG))
    river.do(claim("c-2", LIU))
    river.do(review("c-1", approve=False, reason="没有到场"))
    river.do(claim("c-3", WANG))
    review_all(river)
    assert (points(river, WANG).balance, points(river, LIU).balance) == (51, 50)
    assert points(river).balance == 0
    assert points(river).issued == 101
    assert_audit_is_clean(river)


def test_once_one_is_approved_the_other_is_not_refused_any_more(river: World) -> None:
    river.do(TASK)
    river.do(claim("c-1", ZHANG))
    river.do(claim("c-2", LIU))
    river.do(review("c-1"))
    refusal = review("c-2", approve=False, reason="没有到场")
    assert reason(river.submit(refusal)) == "short_of_people"
    river.do(review("c-2"))
    river.do(ClawBackAward(award_id="c-2", clawed_back_by="office", reason="没有到场"))
    assert reason(river.submit(claim("c-3", WANG))) == "full"
    assert (points(river).balance, points(river, LIU).balance) == (100, 0)


def test_a_task_is_not_gone_round(river: World) -> None:
    river.do(TASK)
    assert reason(river.submit(award("a-1", "river-patrol", event=PATROL))) == "needs_review"
    other_day = claim("c-1", ZHANG, performed_on=TODAY.replace(day=1))
    assert reason(river.submit(other_day)) == "other_task"
    assert reason(river.submit(claim("c-1", ZHANG, rule_id="tidying"))) == "other_task"
    river.do(claim("c-1", ZHANG))
    assert reason(river.submit(claim("c-2", ZHANG))) == "other_task"
    for other in ({"headcount": 3}, {"split": Split.TOGETHER}, {"rule_id": "tidying"}):
        refused = river.submit(msgspec.structs.replace(TASK, **other))
        assert reason(refused) == "conflict"
        ((field, asked),) = other.items()
        assert f"{getattr(TASK, field)}, " in str(refused)
        assert f"{asked}, " in str(refused)
    river.do(award("a-2", "tidying", event="大扫除"))
    used = msgspec.structs.replace(TASK, event="大扫除")
    assert reason(river.submit(used)) == "conflict"
    nobody = msgspec.structs.replace(TASK, event="x", rule_id="napping")
    assert reason(river.submit(nobody)) == "no_rule"
    crowd = msgspec.structs.replace(
        TASK, event="y", rule_id="tidying", headcount=100, split=Split.TOGETHER
    )
    assert reason(river.submit(crowd)) == "short_of_people"


def test_of_three_who_tap_at_once_two_get_it(river: World) -> None:
    river.do(TASK)
    start, answers = threading.Barrier(3), []

    def tap(claim_id: str, account: str) -> None:
        start.wait()
        answers.append(river.submit(claim(claim_id, account)))

    taps = [
        threading.Thread(target=tap, args=(f"c-{account}", account))
        for account in (ZHANG, LIU, WANG)
    ]
    for each in taps:
        each.start()
    for each in taps:
        each.join()
    assert sum(isinstance(each, Claimed) for each in answers) == 2
    (late,) = [each for each in answers if not isinstance(each, Claimed)]
    assert reason(late) == "full"
    assert isinstance(review_all(river), tuple)
    assert points(river).issued == 200


def test_the_command_publishes_shows_and_reviews(river: World) -> None:
    day = TODAY.isoformat()
    told = run(
        river, "task", "publish", PATROL, "--rule", "river-patrol", "--people", "2", "--on", day
    )
    assert told.exit_code == 0, told.output
    for claim_id, account in (("c-1", ZHANG), ("c-2", LIU)):
        made = run(
            river,
            "claim",
            "--account",
            account,
            "--rule",
            "river-patrol",
            "--id",
            claim_id,
            "--by",
            account,
            "--event",
            PATROL,
            "--on",
            day,
        )
        assert made.exit_code == 0, made.output
        shown = run(river, "task", "show", PATROL)
        assert f"{claim_id[2]}/2" in shown.output
    refused = run(river, "task", "review", PATROL, "--approve", "--by", "colleague")
    assert (refused.exit_code, "请换一位" in refused.output) == (1, True)
    passed = run(river, "task", "review", PATROL, "--approve", "--by", "shen")
    assert (passed.exit_code, "+200" in passed.output) == (0, True), passed.output
    assert points(river).issued == 200
