"""A disk that is full, a database that goes away in the middle of a batch, a clock set back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import psycopg
import pytest
from sqlalchemy import Connection, Engine, event, func, select

from protocol.messages import JournalAnswer, JournalBatch, OutcomeKind, Problem, ProblemKind
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import NoRoom, TryAgain, create_all, metadata, open_engine, reading, run_writing
from server.facts import read
from server.facts.tables import fact
from server.ledger.tables import entry
from server.settlement import Settle, SettleRefused
from tests.conftest import Cluster
from tests.unit.audit.pool_world import PoolWorld, small_history
from tests.unit.server.test_commands import Operator
from tests.unit.server.world import ZHANG, Till, World, money_line, read_answer, sold

NO_LIMIT_PAGES = 1_073_741_823


@dataclass
class Disk:
    """SQLite's file, which grows no further while `full`: a real SQLITE_FULL."""

    full: bool = False

    def checked_out(self, connection: object, _record: object, _proxy: object) -> None:
        pages = 1 if self.full else NO_LIMIT_PAGES  # below what is there means what is there
        execute: Callable[[str], object] = getattr(connection, "execute")  # noqa: B009 - any DBAPI's
        execute(f"PRAGMA max_page_count = {pages}")


@pytest.fixture
def disk(engine: Engine) -> Iterator[Disk]:
    found = Disk()
    event.listen(engine, "checkout", found.checked_out)
    yield found
    event.remove(engine, "checkout", found.checked_out)


def batch_of(world: World, till: Till, count: int) -> bytes:
    """A batch of sales for cash, with enough in them to need room."""
    records = [till.record(sold(world, money_line("套餐" * 30, 100))) for _ in range(count)]
    return msgspec.json.encode(JournalBatch(records=tuple(records)))


def told(till: Till, body: bytes) -> JournalAnswer | Problem:
    return read_answer(till.send(f"/v1/terminals/{till.terminal}/journal", body), JournalAnswer)


def counted(engine: Engine) -> tuple[int, int]:
    """How many facts there are, and how many entries."""
    with reading(engine) as tx:
        facts = tx.execute(select(func.count()).select_from(fact)).scalar_one()
        return facts, tx.execute(select(func.count()).select_from(entry)).scalar_one()


def assert_books_are_clean(engine: Engine, pool: str) -> None:
    with reading(engine) as tx:
        found = run_audit(tx, pool, make_desk)
    assert [each for each in found if not each.clean] == []


def test_a_full_disk_books_nothing_says_try_again_and_works_again_with_room(
    world: World, till: Till, disk: Disk
) -> None:
    body = batch_of(world, till, 40)
    before = counted(world.engine)
    disk.full = True
    answer = told(till, body)
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.TRY_AGAIN
    assert counted(world.engine) == before
    disk.full = False
    answer = told(till, body)
    assert isinstance(answer, JournalAnswer)
    assert {each.outcome for each in answer.outcomes} == {OutcomeKind.POSTED}
    assert counted(world.engine) == (before[0] + 40, before[1] + 40)
    assert_books_are_clean(world.engine, world.pool)


def test_a_command_on_a_full_disk_says_so_in_one_line(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "data")
    operator.do("init", "--pool", "guanghui")
    lines = [
        {
            "kind": "register_resident",
            "account": f"{number:016x}",
            "name": "居民" * 20,
            "household": "1-101",
            "place": "tinghoujie",
        }
        for number in range(200)
    ]
    disk = Disk(full=True)
    event.listen(Engine, "checkout", disk.checked_out)
    try:
        said = operator.refused("import", "-", given=operator.import_lines(*lines))
    finally:
        event.remove(Engine, "checkout", disk.checked_out)
    assert "磁盘已满" in said
    assert len(said.strip().splitlines()) == 1
    operator.do("import", "-", given=operator.import_lines(*lines))


def test_a_full_disk_is_not_asked_again_and_again(world: World, disk: Disk) -> None:
    tries = 0

    def grow(tx: Connection) -> None:
        nonlocal tries
        tries += 1
        tx.exec_driver_sql("CREATE TABLE filler (bytes BLOB)")
        tx.exec_driver_sql("INSERT INTO filler VALUES (zeroblob(1000000))")

    disk.full = True
    with pytest.raises(NoRoom, match="disk is full"):
        run_writing(world.engine, grow)
    assert tries == 1


@dataclass
class Cutter:
    """Ends this database's connections from outside, as the statement that it waits for comes."""

    cluster: Cluster
    database: str
    at: int = 0
    again: bool = False
    statements: int = 0
    cuts: int = 0

    def before_statement(self, connection: Connection, *_: object) -> None:
        if connection.get_execution_options().get("huidian_reading"):
            return
        self.statements += 1
        if self.at and self.statements >= self.at and (self.again or not self.cuts):
            self.cut()

    def before_commit(self, connection: Connection) -> None:
        if self.at < 0 and not self.cuts:
            self.cut()

    def cut(self) -> None:
        self.cuts += 1
        with psycopg.connect(
            host=str(self.cluster.folder), user="postgres", dbname="postgres", autocommit=True
        ) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (self.database,),
            )

    def begin(self, *, at: int, again: bool = False) -> None:
        self.at, self.again, self.statements, self.cuts = at, again, 0, 0


@pytest.fixture
def far_away(
    postgres_url: str, postgres_cluster: Cluster, tmp_path: Path
) -> Iterator[tuple[World, Till, Cutter]]:
    """A shop whose books are on PostgreSQL, and somebody who cuts the line."""
    engine = open_engine(postgres_url)
    create_all(engine, metadata)
    world = World(engine, tmp_path, "guanghui")
    world.furnish()
    till = world.till()
    cutter = Cutter(postgres_cluster, str(engine.url.database))
    event.listen(engine, "before_cursor_execute", cutter.before_statement)
    event.listen(engine, "commit", cutter.before_commit)
    yield world, till, cutter
    engine.dispose()


@pytest.mark.postgres
def test_a_connection_cut_at_any_statement_of_a_batch_books_it_once(
    far_away: tuple[World, Till, Cutter],
) -> None:
    world, till, cutter = far_away
    # The first batch also asks for what stands for a while; the later ones do not.
    for _ in range(2):
        cutter.begin(at=0)
        assert isinstance(told(till, batch_of(world, till, 3)), JournalAnswer)
    statements = cutter.statements
    assert statements >= 3
    for at in range(1, statements + 1, max(1, statements // 12)):
        body, before = batch_of(world, till, 3), counted(world.engine)
        cutter.begin(at=at)
        answer = told(till, body)
        assert cutter.cuts == 1
        cutter.begin(at=0)
        if isinstance(answer, Problem):
            assert answer.problem is ProblemKind.TRY_AGAIN
            answer = told(till, body)
        assert isinstance(answer, JournalAnswer), at
        assert {each.outcome for each in answer.outcomes} == {OutcomeKind.POSTED}
        assert counted(world.engine) == (before[0] + 3, before[1] + 3), at
    assert_books_are_clean(world.engine, world.pool)


@pytest.mark.postgres
def test_a_connection_cut_while_committing_is_told_and_asked_again_books_once(
    far_away: tuple[World, Till, Cutter],
) -> None:
    world, till, cutter = far_away
    body, before = batch_of(world, till, 5), counted(world.engine)
    cutter.begin(at=-1)
    answer = told(till, body)
    assert cutter.cuts == 1
    cutter.begin(at=0)
    if isinstance(answer, Problem):
        assert answer.problem is ProblemKind.TRY_AGAIN
        answer = told(till, body)
    assert isinstance(answer, JournalAnswer)
    assert counted(world.engine) == (before[0] + 5, before[1] + 5)
    assert_books_are_clean(world.engine, world.pool)


@pytest.mark.postgres
def test_a_database_that_stays_away_is_told_in_time_and_nothing_is_half_booked(
    far_away: tuple[World, Till, Cutter],
) -> None:
    world, _, cutter = far_away
    before = counted(world.engine)

    def award(tx: Connection) -> None:
        with_points = select(fact.c.fact_no).limit(1)
        tx.execute(with_points)
        tx.execute(with_points)

    cutter.begin(at=2, again=True)
    with pytest.raises(TryAgain):
        run_writing(world.engine, award, deadline_s=0.2)
    assert cutter.cuts >= 2
    cutter.begin(at=0)
    assert counted(world.engine) == before
    world.award(ZHANG, "tidying")
    assert_books_are_clean(world.engine, world.pool)


def test_a_clock_set_back_leaves_facts_in_order_and_days_as_they_were(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/pool.db")
    create_all(engine, metadata)
    world = PoolWorld(engine)
    small_history(world)
    through = (world.now - timedelta(days=1)).date()
    last = world.now
    world.now -= timedelta(days=5)
    world.award(1)
    # The day that was settled stays settled, and the one that the server has lived through
    # already is not closed anew because its clock says another.
    again = world.settle(through)
    assert again.again
    refused = run_writing(
        engine,
        lambda tx: world.desk.submit(
            tx,
            world.pool,
            Settle(run="r", through=last.date(), settled_by="财务"),
            actor="test",
            recorded_at=world.now,
        ),
    )
    assert isinstance(refused, SettleRefused)
    with reading(engine) as tx:
        times = [each.recorded_at for each in read(tx, world.pool)]
    assert all(before <= after for before, after in pairwise(times))
    assert times[-1] == last
    # When the clock is right again, the day closes with the sale of the time between.
    world.sell("zhan", world.line("massage"), day=last.date())
    world.now = last + timedelta(days=1)
    assert not world.settle(last.date()).again
    assert_books_are_clean(engine, world.pool)
    engine.dispose()
