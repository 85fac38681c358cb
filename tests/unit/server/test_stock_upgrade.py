"""A pool that sold before goods were counted gets the stock that a replay of its facts makes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Engine, select

from protocol.redemption import LimitPeriod
from protocol.sales import RefundLine
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import metadata, open_engine, reading
from server.db.migrate import MIGRATIONS, _config, upgrade
from server.directory.commands import AdoptPool
from server.facts import Outcome
from server.redemption.tables import stock_level, stock_movement
from tests.unit.server.world import (
    ZHANG,
    World,
    asked_and_sold,
    first_limits,
    points_line,
    refunded,
    sold,
)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/pool.sqlite3"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = open_engine(url)
    upgrade(opened, metadata)
    yield opened
    opened.dispose()


class OldWorld(World):
    """A pool that was opened when goods had no limits: going back to its schema loses none."""

    def do(self, command: Struct) -> Outcome:
        if isinstance(command, AdoptPool):
            items = (
                replace(
                    item,
                    limit_per_resident=None,
                    limit_per_household=None,
                    limit_period=LimitPeriod.DAY,
                )
                for item in command.items
            )
            stand_in = first_limits(command.stand_in)
            command = replace(command, items=tuple(items), limits=None, stand_in=stand_in)
        return super().do(command)


@pytest.fixture
def counter(engine: Engine, tmp_path: Path) -> World:
    counter = OldWorld(engine, tmp_path, "yamen")
    counter.furnish()
    return counter


def stock_rows(world: World) -> list[tuple[object, ...]]:
    with reading(world.engine) as tx:
        levels = sorted(tuple(row) for row in tx.execute(select(stock_level)))
        return levels + sorted(tuple(row) for row in tx.execute(select(stock_movement)))


def before_goods_were_counted() -> str:
    """The migration that came before the one which makes the stock's tables."""
    for path in sorted((MIGRATIONS / "versions").glob("0*.py")):
        text = path.read_text(encoding="utf-8")
        if "create_table('stock_movement'" in text:
            return text.partition("down_revision = '")[2].partition("'")[0]
    pytest.fail("no migration makes the stock's tables")


def test_old_sales_and_refunds_move_the_stock_when_the_database_is_upgraded(
    counter: World,
) -> None:
    counter.award(ZHANG, *["early-fire"] * 8)
    till = counter.till()
    bought = asked_and_sold(
        counter,
        till,
        points_line("soy-sauce", 3, 700, quantity_milli=2_000),
        points_line("soy-sauce", 3, 700, line_no=2),
        points_line("rice", 15, 2_800, line_no=3),
        points=24,
    )
    back = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=0, amount_points=3)
    till.tell(bought, bought, refunded(counter, bought, back, points_for_goods=3))
    till.tell(sold(counter, points_line("rice", 15, 2_800), points=15))
    written = stock_rows(counter)
    assert len(written) == 2 + 4
    with counter.engine.begin() as tx:
        command.downgrade(_config(tx, metadata, MIGRATIONS), before_goods_were_counted())
    upgrade(counter.engine, metadata)
    assert stock_rows(counter) == written
    with reading(counter.engine) as tx:
        found = {each.invariant: each.violations for each in run_audit(tx, counter.pool, make_desk)}
    assert found["I2"] == ()
    assert found["I10"] == ()
