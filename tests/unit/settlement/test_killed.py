"""Killed before any write of a payout, a bounce or a statement: nothing happened, and it is done
again as if nothing had been.
"""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from protocol.business_day import closes_at
from server.db import open_engine
from server.directory.contract_terms import ContractTerms, ShareRule
from server.settlement.values import OpenRun, SettleMerchants
from tests.unit.settlement.memory_world import fresh_world
from tests.unit.settlement.run_reading import FIVE, D, statement_rows
from tests.unit.settlement.states_world import (
    DAY_1,
    DAY_2,
    LI,
    PAY,
    SETTLED,
    WU,
    Peopled,
    approve,
    bounce,
    propose,
    record,
)
from tests.unit.settlement.world import World

MOST_WRITES = 90
"""Far more than any of these commands makes."""
ENDED, KILLED = 0, -signal.SIGKILL


@pytest.fixture
def world(engine: Engine) -> Peopled:
    peopled = Peopled(engine)
    peopled.open("m", "n")
    peopled.people()
    return peopled


def in_a_process(world: World, before_write: int, work: Callable[[Peopled], object]) -> int:
    """Exit status of a process that does this and is killed before its nth write (from 1)."""
    url = world.engine.url.render_as_string(hide_password=False)
    child = os.fork()
    if child == 0:
        engine = open_engine(url)
        writes = 0

        def count(*args: Any) -> None:
            nonlocal writes
            if args[2].lstrip().upper().startswith(("INSERT", "UPDATE", "WITH", "COMMIT")):
                writes += 1
                if writes == before_write:
                    os.kill(os.getpid(), signal.SIGKILL)

        def kill_at_commit(_connection: object) -> None:
            count(None, None, "COMMIT")

        event.listen(engine, "before_cursor_execute", count)
        event.listen(engine, "commit", kill_at_commit)
        mine = Peopled(engine)
        mine.now = world.now
        work(mine)
        os._exit(ENDED)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_everywhere(
    world: Peopled, work: Callable[[Peopled], object], unchanged: Callable[[], object]
) -> int:
    """Kills the work before each of its writes and its commit, until it comes to its end; answers
    how often it was killed.
    """
    before = unchanged()
    for number in range(1, MOST_WRITES):
        status = in_a_process(world, number, work)
        if status == ENDED:
            assert unchanged() != before
            return number - 1
        assert status == KILLED, number
        assert unchanged() == before, f"killed before write {number}"
    raise AssertionError("it never came to its end")


def test_a_payout_killed_anywhere_moves_the_books_once(world: Peopled) -> None:
    first = world.confirmed(DAY_1, points_fen=10_000)
    world.do(LI, propose("p-1", first, PAY, 10_000))
    world.do(WU, approve("p-1"))

    def books() -> tuple[object, ...]:
        return world.standing(first), world.fen("merchant:m")

    def pay(mine: Peopled) -> None:
        mine.do(LI, record("p-1", mine))

    # The entry, its transfer, the payment's move, the statement's move, the commit at least.
    assert killed_everywhere(world, pay, books) >= 5
    assert (world.fen("bank"), world.fen("merchant:m")) == (-10_000, 0)
    assert world.standing(first).state is SETTLED
    assert world.do(LI, record("p-1", world)).again
    assert killed_everywhere(world, lambda mine: mine.do(LI, bounce("p-1")), books) >= 5
    assert (world.fen("bank"), world.fen("merchant:m")) == (0, 10_000)


def test_a_statement_killed_anywhere_is_made_once(world: Peopled) -> None:
    world.confirmed(DAY_1, points_fen=10_000)
    world.sell("m", "next", DAY_2, cash_fen=5_000)

    def books() -> tuple[object, ...]:
        return world.fen("merchant:m"), world.fen("pool_fund")

    assert killed_everywhere(world, lambda mine: mine.settle(DAY_2), books) >= 8
    assert world.fen("merchant:m") == 10_000 - 500


def test_a_run_of_some_merchants_killed_anywhere_makes_each_statement_once(world: Peopled) -> None:
    world.confirmed(DAY_1, points_fen=10_000)
    world.sell("m", "next", DAY_2, cash_fen=5_000)
    world.sell("n", "next-n", DAY_2, cash_fen=7_000)
    world.now = closes_at(DAY_2, 3)
    world.tell(OpenRun(run="r", through=DAY_2, opened_by="test"))

    def books() -> tuple[object, ...]:
        return world.fen("merchant:m"), world.fen("merchant:n"), world.fen("pool_fund")

    def settle(mine: Peopled) -> None:
        mine.tell(SettleMerchants(run="r", merchants=("m", "n")))

    # Entries, statements with what they charge, places, the commit at least.
    assert killed_everywhere(world, settle, books) >= 4
    assert books() == (10_000 - 500, -700, 10_000 - 500 - 700)


def traded_for_a_month(books: Path) -> None:
    """One with tiers, a minimum and rent, and one under another contract, who traded till the 20th."""
    engine = open_engine(f"sqlite:///{books}")
    world = World(engine)
    world.open("m", "n", contracts=False)
    tiers = (ShareRule(tiers=((0, 300), (4_000, 500))),)
    terms = ContractTerms(share=tiers, share_min_fen=900, rent_fen=3_100)
    world.contract("m", "c-m", terms, D[0], D[14])
    world.contract("m", "c-m2", FIVE, D[15])
    world.contract("n", "c-n", FIVE, D[0])
    for number in range(0, 20, 4):
        world.sell("m", f"m-{number}", D[number], cash_fen=1_777, points=9, reimbursement_fen=90)
        world.sell("n", f"n-{number}", D[number], cash_fen=1_001)
    engine.dispose()


def test_a_whole_run_killed_at_any_write_and_begun_again_makes_the_very_same_rows(
    empty_books: Path, tmp_path: Path
) -> None:
    books = Path(shutil.copy(empty_books, tmp_path / "traded.db"))
    traded_for_a_month(books)
    with fresh_world(books) as whole:
        whole.run(D[30])
        wanted = statement_rows(whole.engine)
    assert [len(wanted[name]) for name in ("statement", "statement_rent")] == [2, 1]
    for number in range(1, MOST_WRITES):
        with fresh_world(books) as world:
            status = in_a_process(world, number, lambda mine: mine.run(D[30]))
            if status == KILLED:
                world.run(D[30])
            assert statement_rows(world.engine) == wanted, f"killed before write {number}"
        if status == ENDED:
            break
    # Opened, summed, both settled, closed, and each with its commit.
    assert number > 15
