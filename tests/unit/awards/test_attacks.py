"""What somebody who wants points that are not his would try, and what broke a server before."""

import io
import re
import threading
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import click
import msgspec
import openpyxl
import pytest

from protocol.messages import Approved, ProblemKind
from server.awards import (
    AwarderRole,
    AwardPoints,
    ClaimAward,
    ClawBackAward,
    ReviewAward,
)
from server.awards.batch import EventList, EventRefused, award_event
from server.awards.claims import unnamed_fact
from server.awards.files import AWARD_COLUMNS
from server.awards.sheet import SheetRefused, read_sheet
from server.commands.context import CommandRefused
from server.commands.importing import import_commands
from server.db import reading, writing
from server.facts import Outcome
from tests.unit.awards.deeds import amended, assert_audit_is_clean, award, points, reason, staff
from tests.unit.awards.running import command_context
from tests.unit.awards.test_partner_api import DEED, Mini, mini, problem
from tests.unit.server.world import LIU, TODAY, ZHANG, World

__all__ = ["mini"]

_INLINE = 't="inlineStr"><is>.*?</is>'
CLAIM = ClaimAward(
    claim_id="c-1", account=ZHANG, rule_id="clean-up", performed_on=TODAY, claimed_by=ZHANG
)


def as_actor(world: World, actor: str, command: msgspec.Struct) -> Outcome:
    with writing(world.engine) as tx:
        return world.desk.submit(tx, world.pool, command, actor=actor, recorded_at=world.clock())


def run_import(world: World, *commands: msgspec.Struct) -> None:
    lines = b"".join(msgspec.json.encode(each) + b"\n" for each in commands)
    callback = import_commands.callback
    assert callback is not None
    context = command_context(world)
    with click.Context(import_commands, obj=context):
        callback(file=io.BytesIO(lines))


def at_once(*works: Callable[[], object]) -> list[object]:
    """Runs all works at the same moment; their answers in order."""
    start = threading.Barrier(len(works))
    answers: list[object] = [None] * len(works)

    def run(number: int, work: Callable[[], object]) -> None:
        start.wait()
        answers[number] = work()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_nobody_awards_himself_under_the_name_of_his_own_account(town: World) -> None:
    assert reason(town.submit(award("a-1", "clean-up", awarded_by=ZHANG))) == "self"
    assert reason(town.submit(award("a-1", "clean-up", awarded_by=f"resident:{ZHANG}"))) == "self"
    town.do(staff("wang", account=ZHANG))
    assert reason(town.submit(award("a-1", "clean-up", awarded_by="wang"))) == "self"
    assert points(town).issued == 0


def test_nobody_speaks_for_a_partner_but_the_partner(mini: Mini) -> None:
    world = mini.world
    world.do(amended("clean-up", 12, may_award=(AwarderRole.PARTNER,)))
    by_mini = award("a-1", "clean-up", awarded_by="partner:mini")
    assert reason(world.submit(by_mini)) == "not_allowed"
    world.do(amended("patrol", 12, review=True))
    for claimed_by, reviewer in (("partner:mini", "shen"), ("shen", "partner:mini")):
        claim = msgspec.structs.replace(
            CLAIM, rule_id="patrol", claim_id=claimed_by, claimed_by=claimed_by
        )
        world.submit(claim)
        review = ReviewAward(claim_id=claimed_by, approve=True, reviewed_by=reviewer)
        assert reason(world.submit(review)) in {"unknown_claim", "not_allowed"}
    assert points(world).issued == 0
    answer = mini.ask(DEED)
    assert answer.award_id == DEED.award_id
    assert points(world).balance == 12
    assert_audit_is_clean(world)


def test_a_fact_is_named_at_every_door_that_could_pay_it_twice(town: World) -> None:
    unnamed = award("a-1", "hazard")
    with reading(town.engine) as tx:
        refusal = unnamed_fact(tx, town.pool, unnamed)
    assert reason(refusal) == "needs_fact"
    listed = EventList("排查", "hazard", TODAY, "网格员", (ZHANG, LIU))
    with pytest.raises(CommandRefused) as refused:
        run_import(town, unnamed)
    assert "第 1 行" in str(refused.value)
    with writing(town.engine) as tx:
        outcome = award_event(tx, town.desk, town.pool, listed, actor="test", at=town.clock())
    assert isinstance(outcome, EventRefused)
    assert {refusal.reason for _, refusal in outcome.refusals} == {"needs_fact"}
    assert points(town).issued == 0
    run_import(town, award("a-2", "hazard", fact_ref="T-1"))
    assert points(town).balance == 10
    assert reason(town.submit(award("a-3", "quick-report", fact_ref="t-1"))) == "paid_already"


@pytest.mark.parametrize("field", ["memo", "rule_id"])
def test_a_nul_in_a_request_is_a_bad_request_on_both_databases(mini: Mini, field: str) -> None:
    body = msgspec.json.encode(msgspec.to_builtins(DEED) | {field: "a\0b"})
    assert problem(mini.send(body)) == (400, "bad_request")
    command = msgspec.to_builtins(award("a-1", "clean-up")) | {field: "a\0b"}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(command, AwardPoints)
    assert points(mini.world).issued == 0


def test_a_conflict_names_what_stands_and_what_was_asked(mini: Mini) -> None:
    mini.ask(DEED)
    other = msgspec.structs.replace(DEED, rule_id="patrol", account=LIU)
    answer = mini.send(msgspec.json.encode(other))
    assert problem(answer) == (409, ProblemKind.CONFLICT.value)
    for named in ("clean-up", "patrol", ZHANG, LIU):
        assert named in answer.text, named
    mini.world.do(award("a-1", "clean-up"))
    outcome = mini.world.submit(award("a-1", "clean-up", TODAY - timedelta(days=1)))
    assert reason(outcome) == "conflict"
    assert str(TODAY) in str(outcome)
    assert str(TODAY - timedelta(days=1)) in str(outcome)


def test_a_blank_reason_is_no_reason_to_take_points_back(town: World) -> None:
    town.do(award("a-1", "clean-up"))
    blank = ClawBackAward(award_id="a-1", clawed_back_by="office", reason=" \t")
    assert reason(town.submit(blank)) == "needs_reason"
    assert points(town).balance == 10


def damaged(file: Path, part: str, old: str, new: str) -> Path:
    """A workbook that no spreadsheet wrote so."""
    book = openpyxl.Workbook()
    assert book.active is not None
    for line in (["居民账号", "积分标准", "日期"], [ZHANG, "clean-up", "2026-03-02"]):
        book.active.append(line)
    whole, broken = file.with_name("whole.xlsx"), file
    book.save(whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(broken, "w") as target:
        for name in source.namelist():
            text = source.read(name)
            if name == part:
                assert re.search(old.encode(), text), text
                text = re.sub(old.encode(), new.encode(), text, count=1)
            target.writestr(name, text)
    return broken


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("xl/worksheets/sheet1.xml", _INLINE, 't="s"><v>99</v>'),
        ("xl/worksheets/sheet1.xml", _INLINE, 't="s"><v>-99</v>'),
        ("xl/worksheets/sheet1.xml", _INLINE, 't="s"><v>x</v>'),
        ("xl/worksheets/sheet1.xml", 'r="A2"', 'r="2"'),
        ("xl/worksheets/sheet1.xml", 'r="A2"', 'r="AAAAA2"'),
        ("xl/worksheets/sheet1.xml", '<row r="2"', '<row r="x"'),
        ("xl/worksheets/sheet1.xml", _INLINE, 't="d"><v>x</v>'),
        ("xl/workbook.xml", "<sheets>.*</sheets>", "<sheets></sheets>"),
        ("xl/workbook.xml", "<workbook", "<notebook"),
        ("xl/_rels/workbook.xml.rels", "worksheets/sheet1.xml", "worksheets/none.xml"),
        ("xl/styles.xml", "<cellXfs.*</cellXfs>", "<cellXfs></cellXfs>"),
        ("[Content_Types].xml", "<Types", "<Tapes"),
    ],
)
def test_a_workbook_that_is_damaged_is_read_or_refused_and_never_a_fault(
    tmp_path: Path, part: str, old: str, new: str
) -> None:
    file = damaged(tmp_path / "broken.xlsx", part, old, new)
    says, rows = "", []
    try:
        rows = list(read_sheet(file, AWARD_COLUMNS))
    except SheetRefused as refused:
        says = str(refused)
    assert " / " in says or len(rows) == 1


def test_a_locked_zip_is_refused(tmp_path: Path) -> None:
    file = damaged(tmp_path / "locked.xlsx", "xl/workbook.xml", "<sheets>", "<sheets>")
    content = bytearray(file.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(signature, at + 4)
    file.write_bytes(content)
    with pytest.raises(SheetRefused):
        list(read_sheet(file, AWARD_COLUMNS))


def test_two_reviews_at_once_give_the_points_once(town: World) -> None:
    town.do(amended("clean-up", 12, review=True, per_person_a_day=1))
    town.do(staff("shen"))
    town.do(staff("gao"))
    town.do(CLAIM)
    answers = at_once(
        *(
            lambda by=by: town.submit(ReviewAward(claim_id="c-1", approve=True, reviewed_by=by))
            for by in ("shen", "gao")
        )
    )
    refused = [each for each in answers if getattr(each, "reason", "") == "conflict"]
    assert len(refused) == 1
    assert points(town).balance == 12
    assert_audit_is_clean(town)


def test_one_fact_by_two_channels_at_once_is_paid_once(mini: Mini) -> None:
    told = msgspec.structs.replace(DEED, rule_id="quick-report", fact_ref="T-9")
    body = msgspec.json.encode(told)
    headers = mini.headers(body)
    at_once(
        lambda: mini.send(body, headers),
        lambda: mini.world.submit(award("a-1", "hazard", fact_ref="t-9")),
    )
    assert points(mini.world).balance in {5, 10}
    assert_audit_is_clean(mini.world)


@pytest.mark.parametrize("limit", ["per_person_a_day", "per_day", "per_event"])
def test_limits_hold_when_all_come_at_once(town: World, limit: str) -> None:
    limits = {limit: 2}
    town.do(msgspec.structs.replace(amended("clean-up", 7), **limits))
    accounts = (ZHANG,) * 4 if limit == "per_person_a_day" else (ZHANG, LIU, ZHANG, LIU)
    event = "大扫除" if limit == "per_event" else None
    if event:
        accounts = (ZHANG, LIU, "00000000000000c3", "00000000000000d4")
    answers = at_once(
        *(
            lambda n=n, who=who: town.submit(award(f"a-{n}", "clean-up", account=who, event=event))
            for n, who in enumerate(accounts)
        )
    )
    given = [each for each in answers if getattr(each, "points", 0) == 7]
    assert len(given) == 2
    assert points(town).issued == 14


def test_a_claw_back_that_races_a_redemption_loses_no_point(town: World) -> None:
    till, sale_id = town.till(), town.sale_id()
    town.do(award("a-1", "clean-up"))
    slot = town.slot()
    back = ClawBackAward(award_id="a-1", clawed_back_by="office", reason="重复登记")
    answers = at_once(lambda: till.authorise(sale_id, slot, required=10), lambda: town.submit(back))
    stands = points(town)
    if isinstance(answers[0], Approved):
        assert (stands.balance, stands.owed) == (10, 10)
    else:
        assert (stands.balance, stands.owed) == (0, 0)
    assert_audit_is_clean(town)
