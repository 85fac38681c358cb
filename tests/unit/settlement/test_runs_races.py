"""Two people settle the same period at once, on PostgreSQL: first with nobody's turn kept, where
the database itself lets one through and the other fails; then with the desk's, where both are
answered, and the second one is told what the first has made.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from server.db import create_all, metadata, open_engine, writing
from server.facts import FactStamp
from server.settlement import runs
from server.settlement import tables as t
from server.settlement.figures import SettlementFault
from server.settlement.issue import issue
from server.settlement.runs import open_run, settle_merchants
from server.settlement.settle import write_run
from server.settlement.values import (
    CloseRun,
    MerchantSettled,
    MerchantsSettled,
    OpenRun,
    RunClosed,
    RunOpened,
    SettleMerchants,
)
from tests.unit.settlement.run_reading import POOL, D, count, made, owed_fen
from tests.unit.settlement.world import World

pytestmark = pytest.mark.postgres
MEET_S = 10.0
"""Both get there, when nothing keeps them apart; else this is not waited for (`TURN_S`)."""
TURN_S = 0.5


@pytest.fixture
def world(postgres_url: str) -> Iterator[World]:
    engine = open_engine(postgres_url)
    create_all(engine, metadata)
    world = World(engine)
    world.open("m", "n", share_bp=1_000)
    for merchant in ("m", "n"):
        world.sell(merchant, f"s-{merchant}", D[0], cash_fen=1_000)
    world.now = datetime(2026, 3, 2, tzinfo=UTC)
    yield world
    engine.dispose()


def meeting(act: Callable[..., Any], wait_s: float) -> Callable[..., Any]:
    """Each of two waits for the other before it does what it has made up its mind to do."""
    barrier = threading.Barrier(2)

    def meet_and_act(*args: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            barrier.wait(wait_s)
        return act(*args)

    return meet_and_act


def at_once(work: Callable[[int], object]) -> list[object]:
    """What two answer, or the faults that they meet."""
    answers: list[object] = [None, None]

    def one(number: int) -> None:
        try:
            answers[number] = work(number)
        except Exception as fault:  # noqa: BLE001 - the test looks at what came
            answers[number] = fault

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


BOTH = SettleMerchants(run="r", merchants=("m", "n"))


def past_the_desk(world: World, number: int) -> object:
    """The handler in a transaction of its own, without the pool's turn."""
    with writing(world.engine) as tx:
        return settle_merchants(tx, FactStamp(POOL, number + 1, world.now, "test"), BOTH)


def test_without_a_turn_one_of_two_who_settle_fails_and_nothing_is_doubled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tell(OpenRun(run="r", through=D[0], opened_by="甲"))
    monkeypatch.setattr(runs, "issue", meeting(issue, MEET_S))
    answers = at_once(lambda number: past_the_desk(world, number))
    settled = [each for each in answers if isinstance(each, MerchantsSettled)]
    failed = [each for each in answers if isinstance(each, SettlementFault | IntegrityError)]
    assert (len(settled), len(failed)) == (1, 1), answers
    assert [owed_fen(world, merchant) for merchant in ("m", "n")] == [-100, -100]
    assert count(world, t.statement) == 2


def test_in_their_turn_both_are_answered_and_the_second_is_told_what_is_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tell(OpenRun(run="r", through=D[0], opened_by="甲"))
    monkeypatch.setattr(runs, "issue", meeting(issue, TURN_S))
    answers = at_once(lambda _: world.tell(BOTH))
    assert all(isinstance(each, MerchantsSettled) for each in answers), answers
    again = [
        [isinstance(one, MerchantSettled) and one.again for one in each.outcomes]
        for each in answers
        if isinstance(each, MerchantsSettled)
    ]
    assert sorted(again) == [[False, False], [True, True]]
    assert [len(made(world, merchant)) for merchant in ("m", "n")] == [1, 1]
    assert [owed_fen(world, merchant) for merchant in ("m", "n")] == [-100, -100]
    assert world.tell(CloseRun(run="r", closed_by="乙")) == RunClosed("r", (), again=False)


def test_two_who_open_the_same_day_get_one_run_and_without_a_turn_an_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = [OpenRun(run=f"r{number}", through=D[0], opened_by="甲") for number in range(2)]
    monkeypatch.setattr(runs, "write_run", meeting(write_run, MEET_S))

    def past(number: int) -> object:
        with writing(world.engine) as tx:
            return open_run(tx, FactStamp(POOL, number + 1, world.now, "test"), commands[number])

    # Summing up takes its own turn, and would keep the two apart by chance.
    with monkeypatch.context() as patched:
        patched.setattr(runs, "sum_all", lambda *_: None)
        answers = at_once(past)
    assert {type(each) for each in answers} == {RunOpened, IntegrityError}, answers
    assert count(world, t.settlement_run) == 1
    world.run(D[0])
    world.now = datetime(2026, 3, 3, tzinfo=UTC)
    monkeypatch.setattr(runs, "write_run", meeting(write_run, TURN_S))
    later = [OpenRun(run=f"q{number}", through=D[1], opened_by="乙") for number in range(2)]
    in_turn = at_once(lambda number: world.tell(later[number]))
    opened = [each for each in in_turn if isinstance(each, RunOpened)]
    assert sorted(each.again for each in opened) == [False, True], in_turn
    assert len({each.run for each in opened}) == 1
    assert count(world, t.settlement_run) == 2
