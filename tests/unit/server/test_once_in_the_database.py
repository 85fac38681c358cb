"""The database itself keeps a record and a sale from being there twice, whoever holds it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, insert, select
from sqlalchemy.exc import IntegrityError

from server.db import create_all, metadata, open_engine, reading, writing
from server.redemption.tables import journal_record, sale
from tests.unit.server.world import World, money_line, sold


@pytest.fixture(params=["sqlite", "postgresql"])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Two sales, told and booked."""
    sqlite = f"sqlite:///{tmp_path}/pool.sqlite3"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    engine = open_engine(url)
    create_all(engine, metadata)
    world = World(engine, tmp_path, "guanghui")
    world.furnish()
    world.till().tell(*(sold(world, money_line("馒头", 200)) for _ in range(2)))
    yield world
    engine.dispose()


def one_like_the_other(tx: Connection, table: Table, *key: str) -> dict[str, Any]:
    """The second row with the key of the first: everything else about it is lawful."""
    first, second = tx.execute(select(table).order_by(table.c[key[-1]])).mappings().all()[-2:]
    return {**second, **{name: first[name] for name in key}}


@pytest.mark.parametrize(
    ("table", "key", "own"),
    [
        (journal_record, ("terminal", "epoch", "seq"), {"fact_no": 1}),  # a fact without a record
        (sale, ("sale_id",), {"seq": 99}),
        (sale, ("terminal", "epoch", "seq"), {"sale_id": "another"}),
    ],
    ids=["record", "sale", "sale's record"],
)
def test_nothing_is_there_twice(
    told: World, table: Table, key: tuple[str, ...], own: dict[str, Any]
) -> None:
    with reading(told.engine) as tx:
        row = one_like_the_other(tx, table, *key) | own
    names = "a_record_has_one_place|a_sale_has_one_outcome|a_record_tells_one_sale"
    says = rf"{names}|{table.name}\.{key[-1]}"
    with pytest.raises(IntegrityError, match=says), writing(told.engine) as tx:
        tx.execute(insert(table).values(row))
