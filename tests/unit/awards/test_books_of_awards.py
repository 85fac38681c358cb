"""The audit knows every table and account of the awards, and two at once are paid once."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from server.awards import tables
from server.awards.tables import paid_once
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.commands.audit_replay import compared_tables
from server.db import metadata
from server.facts import Outcome
from server.facts.refused import Refused
from tests.unit.audit.breaking import break_books
from tests.unit.awards.deeds import amended, assert_audit_is_clean, award, points, staff
from tests.unit.awards.test_clawback import back
from tests.unit.awards.test_review import CLAIM, review
from tests.unit.awards.test_scenarios import opened
from tests.unit.server.world import LIU, World

ON_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def told(town: World, tmp_path: Path) -> Path:
    """A pool to which every command about awards was told, and its file."""
    town.do(amended("patrol-2", 100, review=True))
    town.do(staff("shen"))
    town.do(CLAIM)
    town.do(review())
    town.do(opened("p-1", 10))
    town.do(award("a-1", "hazard", fact_ref="T-1"))
    town.do(award("a-2", "patrol"))
    town.do(back("a-2"))
    assert_audit_is_clean(town)
    return tmp_path / "pool.sqlite3"


def test_every_table_of_the_awards_is_compared_by_the_replay() -> None:
    of_awards = {
        table.name for table in metadata.sorted_tables if getattr(tables, table.name, None) is table
    }
    assert paid_once.name in of_awards
    assert of_awards <= {table.name for table in compared_tables()}


@ON_SQLITE
@pytest.mark.parametrize(
    ("statement", "invariant", "says"),
    [
        ("DELETE FROM award_clawback", "I11", "points_issued"),
        ("DELETE FROM award_clawback", "I10", "table award_clawback, row a-2"),
        ("UPDATE opening_balance SET points = 11", "I11", "opening_points"),
        ("UPDATE opening_balance SET points = 11", "I10", "table opening_balance, row p-1"),
        ("UPDATE award_review SET approved = 0", "I10", "table award_review, row c-1"),
        ("UPDATE award_claim SET claimed_by = 'x'", "I10", "table award_claim, row c-1"),
        ("UPDATE award_rule_terms SET points = 1", "I10", "table award_rule_terms, row patrol-2"),
        ("DELETE FROM paid_once", "I10", "table paid_once, row fact:hazard:t-1"),
        ("UPDATE award_origin SET fact_ref = NULL", "I10", "table award_origin, row a-1"),
        ("UPDATE awarder SET role = 'office'", "I10", "table awarder, row shen"),
    ],
)
def test_awards_that_were_changed_behind_the_books_are_named(
    town: World, told: Path, statement: str, invariant: str, says: str
) -> None:
    town.engine.dispose()
    break_books(town.engine, statement)
    found = town.read(lambda tx: run_audit(tx, town.pool, make_desk))
    (broken,) = [each for each in found if each.invariant == invariant]
    assert any(says in violation.where for violation in broken.violations), broken.violations


def at_once(*works: Callable[[], Outcome]) -> list[Outcome]:
    start = threading.Barrier(len(works))
    answers: list[Outcome] = [None] * len(works)

    def run(number: int, work: Callable[[], Outcome]) -> None:
        start.wait()
        answers[number] = work()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_x7_two_channels_that_tell_a_fact_at_the_same_moment_are_paid_once(town: World) -> None:
    answers = at_once(
        lambda: town.submit(award("a-1", "hazard", fact_ref="T-1")),
        lambda: town.submit(award("b-1", "quick-report", account=LIU, fact_ref="T-1")),
    )
    refused = [each for each in answers if isinstance(each, Refused)]
    assert [each.reason for each in refused] == ["paid_already"]
    assert points(town).issued in {5, 10}
    assert_audit_is_clean(town)


def test_a_review_that_comes_twice_at_the_same_moment_awards_once(town: World) -> None:
    town.do(amended("patrol-2", 100, review=True))
    town.do(staff("shen"))
    town.do(CLAIM)
    answers = at_once(lambda: town.submit(review()), lambda: town.submit(review()))
    assert not [each for each in answers if isinstance(each, Refused)]
    assert points(town).balance == 100
