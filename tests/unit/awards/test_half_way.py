"""An import that is stopped half way is finished by handing the same file in again."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Connection, Engine, event, text

from config.server import ServerSettings
from server.commands.award_lists import ROWS_A_COMMIT, award_file
from server.commands.context import CommandContext, OpenedPool
from server.db import open_engine
from server.facts import FactDesk, Outcome
from tests.unit.awards.deeds import Points, assert_audit_is_clean, award, points
from tests.unit.server.world import LIU, TODAY, ZHANG, World

ROWS = 4 * ROWS_A_COMMIT + 10

Import = Callable[..., Result]

ON_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
ON_POSTGRES = pytest.mark.parametrize(
    "engine", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


class InterruptedDesk(FactDesk):
    """Somebody else comes between, once, before a certain fact."""

    def __init__(
        self, desk: FactDesk, before: int, interrupt: Callable[[Connection], None]
    ) -> None:
        super().__init__()
        self._desk = desk
        self._left = before
        self._interrupt = interrupt

    def submit(self, tx: Connection, pool: str, command: msgspec.Struct, **of: Any) -> Outcome:
        self._left -= 1
        if self._left == 0:
            self._interrupt(tx)
        return self._desk.submit(tx, pool, command, **of)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "many.csv"
    rows = [f"r-{number},{ZHANG},clean-up,{TODAY},第{number}次\n" for number in range(ROWS)]
    file.write_text("编号,账号,标准,日期,事项\n" + "".join(rows), encoding="utf-8")
    return file


@pytest.fixture
def hand_in(town: World, tmp_path: Path, file: Path) -> Import:
    def hand_in(engine: Engine | None = None, desk: FactDesk | None = None) -> Result:
        opened = OpenedPool(town.pool, engine or town.engine, town.keys)

        def nothing(*_: object) -> Any:
            raise AssertionError("not asked for here")

        context = CommandContext(
            settings=ServerSettings(data_dir=tmp_path),
            clock=town.clock,
            randomness=town.random.randbytes,
            make_desk=lambda: desk or town.desk,
            open_pool=lambda: opened,
            create_pool=nothing,
            serve=nothing,
        )
        return CliRunner().invoke(award_file, [str(file)], obj=context)

    return hand_in


@ON_POSTGRES
def test_a_connection_that_is_lost_in_the_middle_is_asked_for_again(
    town: World, hand_in: Import
) -> None:
    def lose(tx: Connection) -> None:
        own = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with town.engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:own)"), {"own": own})

    done = hand_in(desk=InterruptedDesk(town.desk, ROWS_A_COMMIT + 50, lose))
    assert done.exit_code == 0, done.output
    assert points(town) == Points(balance=10 * ROWS, issued=10 * ROWS)
    assert_audit_is_clean(town)


@pytest.fixture
def small_disk(town: World) -> Iterator[Engine]:
    """The same database through a connection that has room for some of the rows."""
    opened = open_engine(str(town.engine.url))
    with opened.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def keep_small(connection: Any, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 20}")

    event.listen(opened, "connect", keep_small)
    opened.dispose()
    yield opened
    opened.dispose()


@ON_SQLITE
def test_a_full_disk_says_how_far_it_came_and_the_rest_is_booked_later(
    town: World, hand_in: Import, small_disk: Engine
) -> None:
    stopped = hand_in(engine=small_disk)
    assert stopped.exit_code == 1, stopped.output
    assert "数据库写不进去" in stopped.output
    booked = points(town).balance // 10
    assert booked % ROWS_A_COMMIT == 0
    assert 0 < booked < ROWS
    assert f"已登记 {booked} 行" in stopped.output
    done = hand_in()
    assert f"以前登记过 {booked} 行" in done.output
    assert points(town) == Points(balance=10 * ROWS, issued=10 * ROWS)
    assert_audit_is_clean(town)


@ON_SQLITE
def test_what_comes_between_check_and_row_stops_there_and_says_so(
    town: World, hand_in: Import
) -> None:
    def take_an_id(tx: Connection) -> None:
        other = award("r-80", "patrol", account=LIU)
        town.desk.submit(tx, town.pool, other, actor="test", recorded_at=town.clock())

    stopped = hand_in(desk=InterruptedDesk(town.desk, ROWS_A_COMMIT + 10, take_an_id))
    assert stopped.exit_code == 1
    assert "第 82 行" in stopped.output
    assert f"已登记 {ROWS_A_COMMIT} 行" in stopped.output
    assert points(town).balance == 10 * ROWS_A_COMMIT
    assert hand_in().exit_code == 0
    assert points(town).balance == 10 * ROWS
