from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, insert, select, text
from sqlalchemy.exc import DBAPIError, StatementError

from server.db import EngineRefused, UtcDateTime, create_all, open_engine, reading, writing
from server.db.dialect import insert_or_ignore

NOON = datetime(2025, 3, 1, 4, 0, tzinfo=UTC)

SCRATCH = MetaData()
moment = Table(
    "moment", SCRATCH, Column("no", Integer, primary_key=True), Column("at", UtcDateTime)
)


@pytest.fixture
def moments(engine: Engine) -> Engine:
    create_all(engine, SCRATCH)
    return engine


def test_sqlite_is_opened_durable_and_strict(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/a.db")
    with writing(engine) as tx:
        found = {
            name: tx.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }


def test_a_database_that_cannot_be_durable_is_refused() -> None:
    with pytest.raises(EngineRefused, match="keeps journal_mode at 'memory'"):
        open_engine("sqlite://")
    with pytest.raises(EngineRefused, match="mysql"):
        open_engine("mysql://localhost/x")


def test_a_file_that_is_no_database_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"not a database, but long enough to be read as one" * 40)
    with pytest.raises(DBAPIError, match="not a database"):
        open_engine(f"sqlite:///{tmp_path}/a.db")


def test_a_moment_comes_back_as_aware_utc(moments: Engine) -> None:
    in_zhengzhou = datetime(2025, 3, 1, 12, 0, 0, 7, tzinfo=timezone(timedelta(hours=8)))
    with writing(moments) as tx:
        tx.execute(insert(moment).values(no=1, at=in_zhengzhou))
        tx.execute(insert(moment).values(no=2, at=None))
        found = tx.execute(select(moment.c.at).order_by(moment.c.no)).scalars().all()
    assert found == [NOON.replace(microsecond=7), None]
    assert found[0].tzinfo is UTC


def test_moments_sort_and_compare_as_time_does(moments: Engine) -> None:
    times = [NOON, NOON.replace(microsecond=1), NOON.replace(year=2024), NOON.replace(year=999)]
    with writing(moments) as tx:
        tx.execute(insert(moment), [{"no": n, "at": at} for n, at in enumerate(times)])
        found = tx.execute(select(moment.c.at).order_by(moment.c.at)).scalars().all()
        after = tx.execute(select(moment.c.no).where(moment.c.at > NOON)).scalars().all()
    assert found == sorted(times)
    assert after == [1]


def test_a_moment_without_a_time_zone_is_refused(moments: Engine) -> None:
    with pytest.raises(StatementError, match="time zone"), writing(moments) as tx:
        tx.execute(insert(moment).values(no=1, at=NOON.replace(tzinfo=None)))


def test_writing_commits_on_leaving_and_rolls_back_on_a_fault(moments: Engine) -> None:
    with writing(moments) as tx:
        tx.execute(insert(moment).values(no=1, at=NOON))

    def write_and_fail() -> None:
        with writing(moments) as tx:
            tx.execute(insert(moment).values(no=2, at=NOON))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with reading(moments) as tx:
        assert tx.execute(select(moment.c.no)).scalars().all() == [1]


def test_reading_is_one_snapshot_and_does_not_stop_a_writer(moments: Engine) -> None:
    with reading(moments) as snapshot:
        assert snapshot.execute(select(moment.c.no)).scalars().all() == []
        with writing(moments) as tx:
            tx.execute(insert(moment).values(no=1, at=NOON))
        assert snapshot.execute(select(moment.c.no)).scalars().all() == []
    with reading(moments) as later:
        assert later.execute(select(moment.c.no)).scalars().all() == [1]


def test_a_reader_cannot_write_and_the_next_writer_can(moments: Engine) -> None:
    with pytest.raises(DBAPIError, match=r"readonly|read-only"), reading(moments) as tx:
        tx.execute(insert(moment).values(no=1, at=NOON))
    with writing(moments) as tx:
        tx.execute(insert(moment).values(no=1, at=NOON))
        assert tx.execute(text("SELECT count(*) FROM moment")).scalar_one() == 1


def test_a_key_that_is_taken_is_not_inserted_again(moments: Engine) -> None:
    with writing(moments) as tx:
        assert insert_or_ignore(tx, moment, {"no": 1, "at": NOON}) is True
        assert insert_or_ignore(tx, moment, {"no": 1, "at": None}) is False
        assert tx.execute(select(moment.c.at)).scalars().all() == [NOON]
