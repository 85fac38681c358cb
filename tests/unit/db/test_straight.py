"""Statements that go straight to PostgreSQL's driver look like any others from outside."""

from collections.abc import Iterator

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    event,
    insert,
    select,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from server.db import TryAgain, open_engine, run_writing, straight, writing
from server.db.bulk import Savepoint, add_new

tables = MetaData()
cup = Table(
    "cup",
    tables,
    Column("pool", String(8), nullable=False),
    Column("cup", String(8), nullable=False),
    Column("full", Integer, nullable=False),
    PrimaryKeyConstraint("pool", "cup", name="a_cup_has_one_name"),
    CheckConstraint('"full" >= 0', name="a_cup_is_never_less_than_empty"),
)
FILL = 'INSERT INTO cup VALUES (%(pool)s, %(cup)s, %(full)s) RETURNING "full" + %(full)s'
CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def far_away(postgres_url: str) -> Iterator[Engine]:
    engine = open_engine(postgres_url)
    tables.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def cups(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    else:
        url = f"sqlite:///{request.getfixturevalue('tmp_path')}/cups.db"
    engine = open_engine(url)
    tables.create_all(engine)
    yield engine
    engine.dispose()


def a_cup(name: str, full: int = 1) -> dict[str, object]:
    return {"pool": "p", "cup": name, "full": full}


@pytest.mark.postgres
def test_it_is_answered_and_every_listener_sees_it_as_it_was_given(far_away: Engine) -> None:
    seen: list[tuple[object, object]] = []
    event.listen(far_away, "before_cursor_execute", lambda *given: seen.append(given[2:4]))
    with writing(far_away) as tx:
        # One parameter that stands twice is one parameter.
        assert list(straight.ask(tx, FILL, a_cup("blue", 3))) == [(6,)]
        assert seen == [(FILL, a_cup("blue", 3))]
    with writing(far_away) as tx:
        assert tx.execute(select(cup.c.full)).scalar_one() == 3


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("given", "says"),
    [
        (a_cup("blue", -1), "a_cup_is_never_less_than_empty"),
        (a_cup("red"), "a_cup_has_one_name"),
    ],
)
def test_what_the_database_refuses_is_raised_as_sqlalchemy_does_and_undone_by_a_savepoint(
    far_away: Engine, given: dict[str, object], says: str
) -> None:
    with writing(far_away) as tx:
        tx.execute(insert(cup), a_cup("red"))
        savepoint = Savepoint(tx, "sip")
        straight.ask(tx, FILL, a_cup("green"))
        with pytest.raises(IntegrityError, match=says) as refused:
            straight.ask(tx, FILL, given)
        assert not refused.value.connection_invalidated
        savepoint.take_back()
    with writing(far_away) as tx:
        assert tx.execute(select(cup.c.cup)).scalars().all() == ["red"]


@pytest.mark.postgres
def test_a_connection_that_was_cut_is_dropped_with_all_that_are_as_old(far_away: Engine) -> None:
    with writing(far_away) as first, writing(far_away) as second:  # two that the pool keeps
        for tx in (first, second):
            straight.ask(tx, "SELECT 1", {})
    with far_away.connect() as judge, judge.begin():
        judge.exec_driver_sql(CUT)
        with pytest.raises(DBAPIError) as cut, writing(far_away) as tx:
            straight.ask(tx, FILL, a_cup("blue"))
        assert cut.value.connection_invalidated
    with writing(far_away) as tx:
        assert list(straight.ask(tx, FILL, a_cup("blue"))) == [(2,)]


@pytest.mark.postgres
def test_whoever_writes_is_asked_again_when_the_line_was_cut(
    far_away: Engine, postgres_url: str
) -> None:
    tries = 0

    def fill_once_cut(tx: Connection) -> None:
        nonlocal tries
        tries += 1
        straight.do(tx, "SELECT 1")
        if tries == 1:
            other = open_engine(postgres_url)
            with writing(other) as cutter:
                cutter.exec_driver_sql(CUT)
            other.dispose()
        straight.ask(tx, FILL, a_cup("blue"))

    try:
        run_writing(far_away, fill_once_cut)
    except TryAgain as gave_up:
        pytest.fail(f"asked {tries} times: {gave_up}")
    assert tries == 2
    with writing(far_away) as tx:
        assert tx.execute(select(cup)).all() == [("p", "blue", 1)]


def test_of_new_rows_and_others_the_new_ones_are_told_and_the_others_stay(cups: Engine) -> None:
    with writing(cups) as tx:
        assert add_new(tx, cup, []) == set()
        assert add_new(tx, cup, [a_cup("blue", 1), a_cup("red", 2)]) == {
            ("p", "blue"),
            ("p", "red"),
        }
        assert add_new(tx, cup, [a_cup("green", 3), a_cup("red", 9)]) == {("p", "green")}
    with writing(cups) as tx:
        found = tx.execute(select(cup.c.cup, cup.c.full).order_by(cup.c.full)).all()
    assert found == [("blue", 1), ("red", 2), ("green", 3)]
