"""Opening a database, and the only two ways of using it: `writing` and `reading`.

SQLite: the driver's implicit BEGIN is off; a writer says BEGIN IMMEDIATE, so two writers queue
instead of failing on upgrade; a reader says BEGIN and may not write. PostgreSQL: a writer is
READ COMMITTED with explicit row locks (the pool's row first, then accounts in key order). Writers
of one pool meet at that row anyway; under SERIALIZABLE or REPEATABLE READ each waiter would be
aborted after its wait, while READ COMMITTED lets it go on with what the first one committed. A
reader is a REPEATABLE READ snapshot, read only.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from server.db import dialect, working_set

T = TypeVar("T")

LOCK_WAIT_MS = 5_000
POOL_SIZE = 8
POOL_OVERFLOW = 24
CONNECTION_WAIT_S = 5
_PAUSE_FIRST_S = 0.005
_PAUSE_LAST_S = 0.2
_READING_OPTION = "huidian_reading"

# What SQLite must answer after it was told; a file that cannot be opened so is refused.
_SQLITE_PRAGMAS: tuple[tuple[str, str, object], ...] = (
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", 2),
    ("foreign_keys", "ON", 1),
    ("busy_timeout", str(LOCK_WAIT_MS), LOCK_WAIT_MS),
    # INSERT OR REPLACE then fires the triggers that refuse deletion.
    ("recursive_triggers", "ON", 1),
    ("trusted_schema", "OFF", 0),
)


class EngineRefused(Exception):  # noqa: N818 - named as the sentence it states
    """The database cannot be opened with the durability and checks that the books need."""


class TryAgain(Exception):  # noqa: N818 - named as what the caller is told
    """The database was busy, or was lost, until the deadline. Asking again is safe:
    what has a natural key is booked once, however often it is asked.
    """


class NoRoom(TryAgain):
    """The disk is full: nothing was booked. Asking again helps once somebody has made room."""


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///FILE` or `postgresql+psycopg://...`; nothing is created in it.

    Raises:
        EngineRefused: another kind of database, or SQLite did not take a pragma
            (an in-memory database has no WAL and is refused).
    """
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        engine = create_engine(
            parsed,
            poolclass=QueuePool,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=CONNECTION_WAIT_S,
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        working_set.listen(engine)
        with engine.connect():
            return engine
    if backend == "postgresql" and parsed.get_driver_name() == "psycopg":
        options = f"-c lock_timeout={LOCK_WAIT_MS} -c timezone=UTC"
        engine = create_engine(
            parsed,
            isolation_level="READ COMMITTED",
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=CONNECTION_WAIT_S,
            connect_args={"options": options},
        )
        working_set.listen(engine)
        return engine
    raise EngineRefused(f"only sqlite and postgresql+psycopg are known, not {parsed.drivername}")


def create_all(engine: Engine, tables: MetaData) -> None:
    """Creates every table of `tables` with its triggers, for tests and for scratch databases.
    A database that stays is made by `server.db.migrate.upgrade`.
    """
    with engine.begin() as tx:
        tables.create_all(tx)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One writing transaction: commits on leaving, rolls back when an exception passes through.

    Raises:
        sqlalchemy.exc.DBAPIError: among others when a lock was not had within 5 s;
            `run_writing` is the one that asks again.
    """
    with engine.connect() as tx, tx.begin():
        yield tx


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One snapshot: every statement inside sees the same state; writing inside is a fault.

    Raises:
        TryAgain: the database is away or busy.
    """
    options: dict[str, Any] = {_READING_OPTION: True}
    if engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    try:
        with engine.connect() as connection:
            snapshot = connection.execution_options(**options)
            with snapshot.begin() as transaction:
                yield snapshot
                transaction.rollback()
    except DBAPIError as fault:
        if not dialect.may_pass_by_waiting(fault):
            raise
        raise TryAgain("the database is away or busy") from fault
    except PoolTimeoutError as fault:
        raise TryAgain(f"no connection was free for {CONNECTION_WAIT_S} s") from fault


def run_writing(
    engine: Engine,
    work: Callable[[Connection], T],
    *,
    deadline_s: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> T:
    """Runs `work` in a writing transaction and answers what it answered, once committed.

    Deadlocks, serialization failures, `database is locked` and connections lost before the
    commit are asked again with growing pauses; `work` must therefore do nothing outside the
    database. A call may outlast `deadline_s` by one lock wait (5 s).

    Raises:
        TryAgain: the deadline passed, or the connection was lost while committing, so that
            nobody knows whether it took.
        NoRoom: the disk is full; nothing was booked.
    """
    started_s = clock()
    pause_s = _PAUSE_FIRST_S
    while True:
        committing = False
        try:
            with writing(engine) as tx:
                answer = work(tx)
                committing = True
        except DBAPIError as fault:
            if dialect.has_no_room(fault):
                raise NoRoom("数据库磁盘已满 / the database's disk is full") from fault
            if not dialect.may_pass_by_waiting(fault):
                raise
            if committing and fault.connection_invalidated:
                raise TryAgain("the connection was lost while committing") from fault
            if clock() - started_s + pause_s > deadline_s:
                raise TryAgain(f"the database stayed busy for {deadline_s} s") from fault
        except PoolTimeoutError as fault:
            raise TryAgain(f"no connection was free for {CONNECTION_WAIT_S} s") from fault
        else:
            return answer
        pause(pause_s)
        pause_s = min(pause_s * 2, _PAUSE_LAST_S)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    for name, wanted, answer in _SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {name} = {wanted}")
        (found,) = connection.execute(f"PRAGMA {name}").fetchone()
        if found != answer:
            raise EngineRefused(f"SQLite keeps {name} at {found!r} where {answer!r} is needed")


def _begin_sqlite(connection: Connection) -> None:
    is_reading = connection.get_execution_options().get(_READING_OPTION, False)
    connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if is_reading else 'OFF'}")
    connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")
