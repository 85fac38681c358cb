"""Busy, deadlocked and lost databases: asked again inside the deadline, then a clear answer."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

import server.db.engine as engine_module
from server.db import TryAgain, create_all, metadata, open_engine, run_writing, writing
from server.ledger import Asset, Normal, lock_pool, open_account


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def impatient(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """Waits 20 ms for a lock instead of 5 s."""
    pragmas = [
        (name, "20", 20) if name == "busy_timeout" else (name, wanted, answer)
        for name, wanted, answer in engine_module._SQLITE_PRAGMAS
    ]
    monkeypatch.setattr(engine_module, "_SQLITE_PRAGMAS", tuple(pragmas))
    monkeypatch.setattr(engine_module, "LOCK_WAIT_MS", 20)
    url = f"sqlite:///{tmp_path}/books.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = open_engine(url)
    create_all(opened, metadata)
    with writing(opened) as tx:
        for pool in ("guanghui", "yamen"):
            open_account(tx, pool, "issued", Asset.POINTS, "issued", normal=Normal.DEBIT)
    yield opened
    opened.dispose()


def lock_guanghui(tx: Connection) -> str:
    lock_pool(tx, "guanghui")
    return "locked"


def test_a_database_that_stays_busy_answers_try_again_at_the_deadline(impatient: Engine) -> None:
    pauses: list[float] = []
    now_s = 100.0

    def clock() -> float:
        return now_s + sum(pauses)

    with writing(impatient) as holder:
        lock_guanghui(holder)
        with pytest.raises(TryAgain, match=r"busy for 0\.1 s"):
            run_writing(impatient, lock_guanghui, deadline_s=0.1, clock=clock, pause=pauses.append)
    assert pauses == [0.005, 0.01, 0.02, 0.04]
    assert run_writing(impatient, lock_guanghui) == "locked"


def test_a_database_that_becomes_free_is_asked_again(impatient: Engine) -> None:
    holder = writing(impatient)
    lock_guanghui(holder.__enter__())
    pauses: list[float] = []

    def pause_and_free(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 2:
            holder.__exit__(None, None, None)

    assert run_writing(impatient, lock_guanghui, pause=pause_and_free) == "locked"
    assert len(pauses) == 2


def test_a_server_that_is_away_is_asked_until_the_deadline(tmp_path: Path) -> None:
    away = open_engine(f"postgresql+psycopg://postgres@/books?host={tmp_path}")
    pauses: list[float] = []
    with pytest.raises(TryAgain, match="busy"):
        run_writing(
            away, lock_guanghui, deadline_s=0.1, clock=lambda: sum(pauses), pause=pauses.append
        )
    assert len(pauses) == 4


def test_when_every_connection_is_taken_the_answer_is_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, value in (("POOL_SIZE", 1), ("POOL_OVERFLOW", 0), ("CONNECTION_WAIT_S", 0.02)):
        monkeypatch.setattr(engine_module, limit, value)
    narrow = open_engine(f"sqlite:///{tmp_path}/narrow.db")
    with writing(narrow), pytest.raises(TryAgain, match="no connection was free"):
        run_writing(narrow, lock_guanghui)
    narrow.dispose()


def test_a_refused_change_is_not_asked_again(impatient: Engine) -> None:
    tries = []

    def break_a_rule(tx: Connection) -> None:
        tries.append(1)
        tx.execute(text("INSERT INTO ledger_head VALUES ('guanghui', 0, 0)"))

    with pytest.raises(IntegrityError):
        run_writing(impatient, break_a_rule)
    assert len(tries) == 1


@pytest.mark.postgres
def test_a_deadlock_is_resolved_by_asking_again(postgres_engine: Engine) -> None:
    with writing(postgres_engine) as tx:
        for pool in ("guanghui", "yamen"):
            open_account(tx, pool, "issued", Asset.POINTS, "issued", normal=Normal.DEBIT)
    barrier = Barrier(2)
    tries = []

    def lock_both(first: str, second: str) -> str:
        def work(tx: Connection) -> str:
            tries.append(first)
            lock_pool(tx, first)
            if len(tries) <= 2:
                # Both hold their first lock before either asks for its second.
                barrier.wait(10)
            lock_pool(tx, second)
            return first

        return run_writing(postgres_engine, work)

    with ThreadPoolExecutor(2) as threads:
        done = threads.map(lock_both, ("guanghui", "yamen"), ("yamen", "guanghui"))
        assert list(done) == ["guanghui", "yamen"]
    assert len(tries) == 3


@pytest.mark.postgres
def test_a_serialization_failure_is_asked_again(postgres_engine: Engine) -> None:
    """No writer of ours is that strict; a database may be set so, and then this happens."""
    with writing(postgres_engine) as tx:
        open_account(tx, "guanghui", "issued", Asset.POINTS, "issued", normal=Normal.DEBIT)
    add_one = text("UPDATE account SET debits = debits + 1")
    tries, codes = [], []

    def work(tx: Connection) -> int:
        tx.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
        seen: int = tx.execute(text("SELECT debits FROM account")).scalar_one()
        tries.append(seen)
        if len(tries) == 1:  # somebody else is faster
            with writing(postgres_engine) as other:
                other.execute(add_one)
        try:
            tx.execute(add_one)
        except DBAPIError as fault:
            codes.append(getattr(fault.orig, "sqlstate", None))
            raise
        return seen

    assert run_writing(postgres_engine, work) == 1
    assert (tries, codes) == ([0, 1], ["40001"])


@pytest.mark.postgres
def test_a_connection_lost_before_the_commit_is_asked_again(postgres_engine: Engine) -> None:
    tries = []

    def die_once(tx: Connection) -> str:
        tries.append(1)
        if len(tries) == 1:
            kill_session_of(tx, postgres_engine)
        open_account(tx, "guanghui", "issued", Asset.POINTS, "issued", normal=Normal.DEBIT)
        return "opened"

    assert run_writing(postgres_engine, die_once) == "opened"
    assert len(tries) == 2


@pytest.mark.postgres
def test_a_connection_lost_while_committing_leaves_the_asking_to_the_caller(
    postgres_engine: Engine,
) -> None:
    tries = []

    def die_at_the_end(tx: Connection) -> None:
        tries.append(1)
        open_account(tx, "guanghui", "issued", Asset.POINTS, "issued", normal=Normal.DEBIT)
        kill_session_of(tx, postgres_engine)

    with pytest.raises(TryAgain, match="lost while committing"):
        run_writing(postgres_engine, die_at_the_end)
    assert len(tries) == 1


def kill_session_of(tx: Connection, engine: Engine) -> None:
    pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with engine.connect() as other:
        # Waits until the session is really gone, at most 5 s.
        gone = other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        assert gone.scalar_one() is True
