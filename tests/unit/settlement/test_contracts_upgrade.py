"""Books that were settled before there were terms, months and runs are the same after the upgrade."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, select

from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import metadata, open_engine, reading
from server.db.migrate import MIGRATIONS, _config, upgrade
from server.directory.tables import contract
from server.settlement import tables as t
from server.settlement.day_sums_tables import day_sum, day_sum_head, placement, statement_line
from tests.unit.audit.pool_world import PoolWorld, small_history

FIRST_SALE, BEFORE_CONTRACTS, BEFORE_PLACEMENTS = "0001", "0005", "0026"
TABLES = (
    contract,
    t.settlement_run,
    t.statement,
    t.statement_share,
    day_sum_head,
    day_sum,
    statement_line,
    placement,
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


def rows(engine: Engine) -> list[tuple[object, ...]]:
    with reading(engine) as tx:
        return [
            (table.name, *row)
            for table in TABLES
            for row in tx.execute(select(table).order_by(*table.primary_key))
        ]


@pytest.mark.parametrize("before", [FIRST_SALE, BEFORE_CONTRACTS, BEFORE_PLACEMENTS])
def test_old_statements_keep_their_figures_and_open_with_what_was_owed(
    engine: Engine, before: str
) -> None:
    world = PoolWorld(engine)
    small_history(world)
    written = rows(engine)
    assert sum(row[0] == "statement" for row in written) == 4
    assert sum(row[0] == "placement" for row in written) > 4
    with engine.begin() as tx:
        command.downgrade(_config(tx, metadata, MIGRATIONS), before)
    upgrade(engine, metadata)
    assert rows(engine) == written
    with reading(engine) as tx:
        found = {each.invariant: each.violations for each in run_audit(tx, world.pool, make_desk)}
    assert (found["I8"], found["I9"]) == ((), ())
    # A downgrade forgets limits that the pool of before did not have; its settlement it keeps.
    limits = ("table pool,", "table redemption_terms,")
    assert [each for each in found["I10"] if not any(name in each.where for name in limits)] == []
    with reading(engine) as tx:
        ordered = select(t.statement).order_by(t.statement.c.merchant, t.statement.c.period_through)
        first, second, *_ = tx.execute(ordered).all()
    assert first.merchant == second.merchant
    assert (first.opening_fen, second.opening_fen) == (0, first.closing_fen)
    assert first.closing_fen == first.net_fen != 0
