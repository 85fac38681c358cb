"""Two at once, on real databases: the books come out as if one had come after the other."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from protocol.messages import (
    Approved,
    EnrolAnswer,
    JournalAnswer,
    OutcomeKind,
    Problem,
    ProblemKind,
)
from server.db import create_all, metadata, open_engine, reading
from server.ledger import Asset, balances, spendable
from server.ledger.spendables import spendables
from tests.unit.server.world import ZHANG, Till, World, money_line, sold


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if postgres else f"sqlite:///{tmp_path}/p.db"
    opened: Engine = open_engine(url)
    create_all(opened, metadata)
    world = World(opened, tmp_path, "guanghui")
    world.furnish()
    yield world
    opened.dispose()


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


def test_two_terminals_never_hold_more_than_the_balance_together(shared: World) -> None:
    first, second = shared.till(), shared.till(terminal="t-2")
    shared.award(ZHANG, "river-patrol")
    ids, slot = [shared.sale_id() for _ in range(2)], shared.slot()
    answers = at_once(
        lambda: first.authorise(ids[0], slot, optional=80),
        lambda: second.authorise(ids[1], slot, optional=80),
    )
    held = [answer.points for answer in answers if isinstance(answer, Approved)]
    assert sorted(held) == [20, 80]
    assert shared.free(ZHANG) == 0


def test_the_same_records_sent_twice_at_once_are_booked_once(shared: World) -> None:
    till = shared.till()
    shared.award(ZHANG, "river-patrol")
    for _ in range(3):
        till.record(sold(shared, money_line("馒头", 50), points=5))
    first, second = at_once(*[lambda: till.send_records(*till.unsent)] * 2)
    assert isinstance(first, JournalAnswer)
    assert first == second
    assert {each.outcome for each in first.outcomes} == {OutcomeKind.POSTED}
    assert shared.points(f"resident:{ZHANG}") == 85


def test_one_code_enrols_one_of_two_who_come_at_once(shared: World) -> None:
    code = shared.invite("shop-a", "t-7")
    rivals = [Till(shared, "t-7"), Till(shared, "t-7")]
    answers = at_once(lambda: rivals[0].enrol(code), lambda: rivals[1].enrol(code))
    won = [answer for answer in answers if isinstance(answer, EnrolAnswer)]
    lost = [answer for answer in answers if isinstance(answer, Problem)]
    assert (len(won), [each.problem for each in lost]) == (1, [ProblemKind.WRONG_CODE])


def test_spendables_says_of_all_what_spendable_says_of_each(shared: World) -> None:
    till = shared.till()
    shared.award(ZHANG, "river-patrol")
    till.authorise(shared.sale_id(), optional=30)
    till.tell(sold(shared, money_line("馒头", 50), points=5))
    at, pool = shared.clock(), shared.pool
    together = shared.read(lambda tx: spendables(tx, pool, "resident", at))
    accounts = shared.read(lambda tx: balances(tx, pool, kind="resident", asset=Asset.POINTS))
    with reading(shared.engine) as tx:
        one_by_one = {each.account: spendable(tx, pool, each.account, at) for each in accounts}
    assert together == one_by_one
    assert together[f"resident:{ZHANG}"] == 65
    assert len(together) == 2
