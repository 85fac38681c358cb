"""Two tills, one resident, 100 points, 60 wanted at each: first the race is shown, then won.

Both threads stop between reading the balance and writing, until the other one got there or half
a second has passed: what a scheduler would do once in a million sales happens here every time.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier, BrokenBarrierError, current_thread, main_thread
from typing import Any

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

import server.db.engine as engine_module
import server.ledger.holds as holds_module
import server.ledger.posting as post_module
from server.db import create_all, dialect, metadata, open_engine, reading, run_writing, writing
from server.ledger import (
    Asset,
    EntryDraft,
    Held,
    Insufficient,
    InsufficientBalance,
    Leg,
    Normal,
    Posted,
    balance,
    check_ledger,
    open_account,
    place_hold,
    post,
)
from server.ledger.live import live_holds_sum

POOL = "guanghui"
NOON = datetime(2025, 3, 1, 4, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=10)


def make_tills_meet(monkeypatch: pytest.MonkeyPatch, *, wait_s: float) -> None:
    """Makes both tills' threads meet after reading and before writing, or give up waiting."""
    barrier = Barrier(2)

    def after(read: Callable[..., Any]) -> Callable[..., Any]:
        def read_and_meet(*args: Any, **options: Any) -> Any:
            found = read(*args, **options)
            if current_thread() is not main_thread():
                with suppress(BrokenBarrierError):
                    barrier.wait(wait_s)
            return found

        return read_and_meet

    monkeypatch.setattr(holds_module, "live_holds_sum", after(live_holds_sum))
    monkeypatch.setattr(post_module, "_move", after(post_module._move))


@pytest.fixture
def try_to_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is on: the second never comes while the first is waiting for it."""
    make_tills_meet(monkeypatch, wait_s=0.5)


@pytest.fixture
def meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is off: both come, however slow the machine is."""
    make_tills_meet(monkeypatch, wait_s=20)


@pytest.fixture
def lock_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "locked", lambda statement: statement)


def give_100_points(engine: Engine) -> None:
    with writing(engine) as tx:
        open_account(
            tx,
            POOL,
            "resident:a",
            Asset.POINTS,
            "resident",
            normal=Normal.CREDIT,
            floor_at_zero=True,
        )
        for name, normal in (("issued", Normal.DEBIT), ("redeemed", Normal.CREDIT)):
            open_account(tx, POOL, name, Asset.POINTS, name, normal=normal, hot=True)
        leg = Leg(Asset.POINTS, "award", "issued", "resident:a", 100)
        draft = EntryDraft("award:1", "award", NOON, date(2025, 3, 1), (leg,))
        post(tx, POOL, draft, recorded_at=NOON, fact_no=1)


def hold_60(tx: Connection, till: int) -> object:
    key = f"sale:{till}"
    return place_hold(tx, POOL, key, "resident:a", 60, placed_at=NOON, expires_at=LATER)


def spend_60(tx: Connection, till: int) -> object:
    leg = Leg(Asset.POINTS, "redeem", "resident:a", "redeemed", 60)
    draft = EntryDraft(f"sale:{till}", "sale", NOON, date(2025, 3, 1), (leg,))
    return post(tx, POOL, draft, recorded_at=NOON, fact_no=till)


def at_both_tills(sell: Callable[[int], object]) -> list[object]:
    def or_fault(till: int) -> object:
        try:
            return sell(till)
        except DBAPIError as fault:
            return fault

    with ThreadPoolExecutor(2) as tills:
        return list(tills.map(or_fault, (1, 2)))


def once(engine: Engine, sell: Callable[[Connection, int], object]) -> Callable[[int], object]:
    def in_one_try(till: int) -> object:
        with writing(engine) as tx:
            return sell(tx, till)

    return in_one_try


def held(engine: Engine) -> int:
    with reading(engine) as tx:
        return live_holds_sum(tx, POOL, "resident:a", Asset.POINTS, NOON)


@pytest.mark.usefixtures("try_to_meet")
def test_one_of_two_holds_wins(engine: Engine) -> None:
    give_100_points(engine)
    answers = at_both_tills(lambda till: run_writing(engine, lambda tx: hold_60(tx, till)))
    assert sorted(map(repr, answers)) == [repr(Held(60)), repr(Insufficient(40))]
    assert held(engine) == 60


@pytest.mark.usefixtures("try_to_meet")
def test_one_of_two_entries_wins(engine: Engine) -> None:
    give_100_points(engine)
    answers = at_both_tills(lambda till: run_writing(engine, lambda tx: spend_60(tx, till)))
    loser = InsufficientBalance("resident:a", Asset.POINTS, 20)
    assert sorted(answers, key=repr) == [loser, Posted(2)]
    with reading(engine) as tx:
        assert balance(tx, POOL, "resident:a", Asset.POINTS) == 40
        assert list(check_ledger(tx, POOL)) == []


@pytest.mark.postgres
@pytest.mark.usefixtures("meet", "lock_off")
def test_with_the_lock_off_both_holds_win_on_postgresql(postgres_engine: Engine) -> None:
    give_100_points(postgres_engine)
    answers = at_both_tills(once(postgres_engine, hold_60))
    assert answers == [Held(60), Held(60)]
    assert held(postgres_engine) == 120


@pytest.mark.postgres
@pytest.mark.usefixtures("meet", "lock_off")
def test_with_the_lock_off_only_the_constraints_stop_the_second_entry(
    postgres_engine: Engine,
) -> None:
    give_100_points(postgres_engine)
    answers = at_both_tills(once(postgres_engine, spend_60))
    assert sorted(type(answer).__name__ for answer in answers) == ["IntegrityError", "Posted"]
    (fault,) = [answer for answer in answers if isinstance(answer, IntegrityError)]
    assert "_of_a_pool_are_counted" in str(fault)
    with reading(postgres_engine) as tx:
        assert balance(tx, POOL, "resident:a", Asset.POINTS) == 40


@pytest.mark.usefixtures("meet")
def test_without_begin_immediate_the_second_writer_fails_on_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        engine_module, "_begin_sqlite", lambda connection: connection.exec_driver_sql("BEGIN")
    )
    deferred = open_engine(f"sqlite:///{tmp_path}/deferred.db")
    create_all(deferred, metadata)
    give_100_points(deferred)
    answers = at_both_tills(once(deferred, hold_60))
    faults = [answer for answer in answers if isinstance(answer, DBAPIError)]
    # Both had read 100; the one that lost is thrown out instead of waiting for its turn.
    assert [dialect.may_pass_by_waiting(fault) for fault in faults] == [True]
    assert Held(60) in answers
    assert held(deferred) == 60
    deferred.dispose()
