"""Two awards at once where one is too many, and two imports of one file: shown, then stopped.

With the lock off, on PostgreSQL, both are paid and the books are wrong by one award; the log's
head is what stops it. On SQLite the writer is alone since BEGIN IMMEDIATE.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import click
import msgspec
import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

import server.awards.award as award_room
import server.commands.award_lists as lists
from server.awards import (
    Awarded,
    ClaimAward,
    Claimed,
    PublishTask,
    Split,
    checks,
    tasks,
)
from server.commands.context import CommandRefused
from server.directory.commands import RegisterResident
from tests.concurrency.racing import (
    WITH_LOCK_S,
    WITHOUT_LOCK_S,
    both,
    make_meet,
    take_the_lock_off,
)
from tests.unit.awards.deeds import amended, assert_audit_is_clean, award, points, reason
from tests.unit.awards.running import command_context
from tests.unit.server.world import LIU, TODAY, ZHANG, World

WANG = "00000000000000c3"
EVENT = "三月大扫除"
PATROL = "贾鲁河巡查"
ROWS = 20

Pair = tuple[msgspec.Struct, msgspec.Struct]


def limited(limit: str) -> Callable[[World], Pair]:
    """Two awards of a rule that allows one."""

    def prepare(town: World) -> Pair:
        town.do(msgspec.structs.replace(amended("clean-up", 7), **{limit: 1}))
        of_one = limit.startswith("per_person")
        event = EVENT if limit == "per_event" else None
        second = award("a-2", "clean-up", account=ZHANG if of_one else LIU, event=event)
        return award("a-1", "clean-up", event=event), second

    return prepare


def told_twice(_town: World) -> Pair:
    """One hazard, by two channels whose rules pay for the same facts."""
    return (
        award("a-1", "hazard", fact_ref="T-9"),
        award("b-1", "quick-report", account=LIU, fact_ref="t-9"),
    )


def last_seat(town: World) -> Pair:
    """A task for two, one of whom is there, and two who want the other seat."""
    place = town.preset.places[0].id
    town.do(RegisterResident(account=WANG, name="老王", household="9-901", place=place))
    task = PublishTask(
        event=PATROL,
        rule_id="clean-up",
        performed_on=TODAY,
        headcount=2,
        split=Split.EACH,
        published_by="office",
    )
    town.do(task)

    def claim(account: str) -> ClaimAward:
        return ClaimAward(
            claim_id=f"c-{account}",
            account=account,
            rule_id="clean-up",
            performed_on=TODAY,
            claimed_by=account,
            event=PATROL,
        )

    town.do(claim(WANG))
    return claim(ZHANG), claim(LIU)


RACES = {
    "per_person_a_day": (limited("per_person_a_day"), checks, "_count", "over_limit"),
    "per_person_a_month": (limited("per_person_a_month"), checks, "_count", "over_limit"),
    "per_day": (limited("per_day"), checks, "_count", "over_limit"),
    "per_event": (limited("per_event"), checks, "_count", "over_limit"),
    "same_fact": (told_twice, checks, "_paid_already", "paid_already"),
    "headcount": (last_seat, tasks, "seats_of", "full"),
}
EACH_RACE = pytest.mark.parametrize("race", RACES)


@pytest.fixture
def town(engine: Engine, tmp_path: Path) -> World:
    return furnished(engine, tmp_path)


@pytest.fixture
def on_postgres(postgres_engine: Engine, tmp_path: Path) -> World:
    return furnished(postgres_engine, tmp_path)


def furnished(engine: Engine, folder: Path) -> World:
    world = World(engine, folder, "wenhuajie")
    world.furnish()
    return world


def run_race(world: World, pair: Pair) -> list[object]:
    return both(*(functools.partial(world.submit, each) for each in pair))


def is_given(answer: object) -> bool:
    return isinstance(answer, Awarded | Claimed)


@EACH_RACE
def test_one_of_two_is_given(town: World, monkeypatch: pytest.MonkeyPatch, race: str) -> None:
    prepare, room, read, says = RACES[race]
    pair = prepare(town)
    make_meet(monkeypatch, room, read, wait_s=WITH_LOCK_S)
    answers = run_race(town, pair)
    (lost,) = [each for each in answers if not is_given(each)]
    assert reason(lost) == says
    assert sum(map(is_given, answers)) == 1
    assert_audit_is_clean(town)


@pytest.mark.postgres
@EACH_RACE
def test_with_the_lock_off_both_are_given_on_postgresql(
    on_postgres: World, monkeypatch: pytest.MonkeyPatch, race: str
) -> None:
    prepare, room, read, _ = RACES[race]
    pair = prepare(on_postgres)
    take_the_lock_off(monkeypatch)
    make_meet(monkeypatch, room, read, wait_s=WITHOUT_LOCK_S)
    answers = run_race(on_postgres, pair)
    assert [is_given(each) for each in answers] == [True, True], answers


@pytest.mark.postgres
def test_with_the_lock_off_only_the_constraint_stops_the_same_fact_under_one_rule(
    on_postgres: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_the_lock_off(monkeypatch)
    make_meet(monkeypatch, checks, "_paid_already", wait_s=WITHOUT_LOCK_S)
    pair = tuple(award(f"a-{each}", "hazard", fact_ref="T-9") for each in (ZHANG, LIU))
    answers = run_race(on_postgres, (pair[0], pair[1]))
    (lost,) = [each for each in answers if not is_given(each)]
    assert isinstance(lost, IntegrityError)
    assert "one_fact_is_paid_once" in str(lost)
    assert points(on_postgres).issued == 10


def award_rows(folder: Path) -> tuple[Path, int]:
    """A list of awards, and what they come to."""
    file = folder / "awards.csv"
    rows = [f"{ZHANG},clean-up,{TODAY},第{number}次\n" for number in range(ROWS)]
    file.write_text("账号,标准,日期,事项\n" + "".join(rows), encoding="utf-8")
    return file, 10 * ROWS


def opening_rows(folder: Path) -> tuple[Path, int]:
    """A list of paper cards, and the points on them."""
    file = folder / "cards.csv"
    rows = [f"p-{number},{LIU},{number + 1},{TODAY}\n" for number in range(ROWS)]
    file.write_text("卡号,账号,积分,日期\n" + "".join(rows), encoding="utf-8")
    return file, sum(range(1, ROWS + 1))


def handing_in(world: World, command: click.Command, file: Path) -> Callable[[], object]:
    """One import of a file, as its command does it; what it said where it stopped."""

    def hand_in() -> object:
        assert command.callback is not None
        try:
            with click.Context(command, obj=command_context(world)):
                return command.callback(file=file, dry_run=False, by="网格员")
        except CommandRefused as refused:
            return refused

    return hand_in


@pytest.mark.parametrize(
    ("make_file", "command", "plan"),
    [
        (award_rows, lists.award_file, "plan_awards"),
        (opening_rows, lists.open_balances, "plan_openings"),
    ],
)
def test_two_imports_of_one_file_at_once_book_each_row_once_and_both_succeed(
    town: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_file: Callable[[Path], tuple[Path, int]],
    command: click.Command,
    plan: str,
) -> None:
    file, total = make_file(tmp_path)
    monkeypatch.setattr(lists, "ROWS_A_COMMIT", 3)  # so that they overtake each other often
    # Both have found that nothing was booked before either books a row.
    make_meet(monkeypatch, lists, plan, wait_s=WITHOUT_LOCK_S)
    answers = both(*[handing_in(town, command, file)] * 2)
    assert answers == [None, None]
    stands = points(town)
    assert stands.issued + stands.opened == total
    assert_audit_is_clean(town)


@pytest.mark.postgres
def test_with_the_lock_off_only_the_key_stops_the_second_import(
    on_postgres: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, total = award_rows(tmp_path)
    take_the_lock_off(monkeypatch)
    make_meet(monkeypatch, lists, "plan_awards", wait_s=WITHOUT_LOCK_S)
    # After that both meet once more, where each asks whether the first row's id is taken.
    make_meet(monkeypatch, award_room, "award_of", wait_s=WITHOUT_LOCK_S)
    answers = both(*[handing_in(on_postgres, lists.award_file, file)] * 2)
    (lost,) = [each for each in answers if each is not None]
    assert isinstance(lost, CommandRefused | IntegrityError), lost
    assert points(on_postgres).issued == total


def test_two_imports_that_say_different_things_of_one_id_end_with_one_of_them(
    town: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for number, account in enumerate((ZHANG, LIU)):
        file = tmp_path / f"list-{number}.csv"
        file.write_text(f"编号,账号,标准,日期\nr-1,{account},clean-up,{TODAY}\n", encoding="utf-8")
        files.append(file)
    make_meet(monkeypatch, lists, "plan_awards", wait_s=WITHOUT_LOCK_S)
    answers = both(*(handing_in(town, lists.award_file, file) for file in files))
    (lost,) = [each for each in answers if each is not None]
    assert isinstance(lost, CommandRefused)
    assert "r-1" in str(lost)
    assert all(each in str(lost) for each in (ZHANG, LIU))
    assert points(town).issued == 10
    assert_audit_is_clean(town)
