"""Who guesses passwords is slowed down by all server processes together, on both databases."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

import server.portal.throttle as throttle_module
from server.db import create_all, metadata, open_engine, reading
from server.portal.tables import sign_in_try
from server.portal.throttle import FORGOTTEN_AFTER, FREE_TRIES, LONGEST_WAIT, Throttle
from tests.unit.portal.portal_world import MERCHANT, PortalWorld, sign_in

POOL = "guanghui"
NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Engine]]:
    """Two server processes' ways to one database."""
    on_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/pool.db" if on_sqlite else request.getfixturevalue("postgres_url")
    engines = [open_engine(url) for _ in range(2)]
    create_all(engines[0], metadata)
    yield engines
    for engine in engines:
        engine.dispose()


def names_kept(engine: Engine) -> int:
    with reading(engine) as tx:
        return tx.execute(select(func.count()).select_from(sign_in_try)).scalar_one()


def test_both_processes_count_together_and_each_failure_doubles_the_wait(
    processes: list[Engine],
) -> None:
    one, other = (Throttle(engine, POOL) for engine in processes)
    now, waits = NOON, []
    assert [each.try_now("m", now) for each in (one, other, one, other, one)] == [0] * FREE_TRIES
    for each in (other, one) * 5:
        waits.append(each.try_now("m", now))
        now += timedelta(seconds=waits[-1])
        assert each.try_now("m", now) == 0  # the wait is over: a try, which fails again
    assert waits[:3] == [30, 60, 120]
    assert waits[-1] == LONGEST_WAIT.total_seconds()
    assert other.try_now("someone else", now) == 0
    other.succeeded("m")
    assert [one.try_now("m", now) for _ in range(FREE_TRIES)] == [0] * FREE_TRIES
    assert Throttle(processes[0], "another pool").try_now("m", now) == 0


def test_tries_at_once_in_two_processes_are_no_more_than_tries_one_by_one(
    processes: list[Engine],
) -> None:
    doors = [Throttle(engine, POOL) for engine in processes] * 10
    with ThreadPoolExecutor(len(doors)) as hands:
        waits = hands.map(lambda door: door.try_now("m", NOON), doors)
    assert Counter(waits) == {0: FREE_TRIES, 30: len(doors) - FREE_TRIES}


def test_names_are_forgotten_after_a_day_and_when_there_are_too_many(
    processes: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle_module, "NAMES_MAX", 20)
    throttle = Throttle(processes[0], POOL)
    for _ in range(FREE_TRIES):
        throttle.try_now("first", NOON)
    assert throttle.try_now("first", NOON) > 0
    for number in range(20):
        throttle.try_now(f"name-{number}", NOON + timedelta(seconds=1 + number % 3))
    assert names_kept(processes[0]) <= 20
    assert throttle.try_now("first", NOON) == 0
    throttle.try_now("the next day", NOON + FORGOTTEN_AFTER + timedelta(minutes=1))
    assert names_kept(processes[0]) == 1


def test_a_clock_that_is_set_back_shuts_nobody_out_for_long(processes: list[Engine]) -> None:
    throttle = Throttle(processes[0], POOL)
    for _ in range(FREE_TRIES):
        throttle.try_now("m", NOON)
    assert throttle.try_now("m", NOON - timedelta(days=30)) == 0
    assert throttle.try_now("m", NOON - timedelta(days=30)) == 60


def test_no_name_that_was_typed_is_kept(processes: list[Engine]) -> None:
    """People type their password where the name belongs."""
    Throttle(processes[0], POOL).try_now("mi-ma-12345", NOON)
    with reading(processes[0]) as tx:
        (row,) = tx.execute(select(sign_in_try)).mappings()
    assert "mi-ma" not in str(dict(row))


def test_wrong_passwords_at_one_process_make_the_other_wait_after_a_restart_as_well(
    portal: PortalWorld,
) -> None:
    for number in range(FREE_TRIES):
        process = portal if number % 2 else PortalWorld.of(portal.pool)
        assert sign_in(process.browser(), MERCHANT, "wrong").status_code == 403
    answer = sign_in(PortalWorld.of(portal.pool).browser(), MERCHANT)
    assert answer.status_code == 429
    assert "请等 30 秒" in answer.text
