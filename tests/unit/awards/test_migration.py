"""A pool of the first sale's schema is brought to this one with everything in it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Engine, insert, inspect, select

from server.db import create_all, metadata, open_engine, reading, writing
from server.db.migrate import MIGRATIONS, upgrade
from server.directory.commands import AdoptPool
from server.facts import Outcome
from tests.unit.awards.deeds import Points, assert_audit_is_clean, award, points
from tests.unit.awards.test_clawback import back
from tests.unit.awards.test_opening_corrections import PAPER, correct
from tests.unit.server.world import ZHANG, World, first_limits, money_line, sold


@pytest.fixture
def first_sales(tmp_path: Path) -> Path:
    """The migrations as they were when only the first sale's schema was there."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for newer in folder.glob("versions/0*.py"):
        if not newer.name.startswith("0001_"):
            newer.unlink()
    return folder


class OldWorld(World):
    """A pool that was opened by a command which said nothing of limits."""

    def do(self, command: Struct) -> Outcome:
        if isinstance(command, AdoptPool):
            command = replace(command, limits=None, stand_in=first_limits(command.stand_in))
        return super().do(command)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A pool in which nothing happened that the first sale did not know."""
    opened = open_engine(f"sqlite:///{tmp_path}/history.sqlite3")
    create_all(opened, metadata)
    world = OldWorld(opened, tmp_path, "guanghui")
    world.furnish()
    world.award(ZHANG, "tidying")
    world.do(award("a-1", "river-patrol"))
    meals = [sold(world, money_line("套餐", 600), points=60) for _ in range(2)]
    world.till().tell(*meals)
    yield world
    opened.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def old(request: pytest.FixtureRequest, tmp_path: Path, first_sales: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/old.sqlite3"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = open_engine(url)
    upgrade(opened, metadata, migrations=first_sales)
    yield opened
    opened.dispose()


def copy_what_fits(source: Engine, target: Engine) -> None:
    """Every row, in the tables and columns that the target has."""
    with reading(source) as here, writing(target) as there:
        inspector = inspect(there)
        for table in metadata.sorted_tables:
            if not inspector.has_table(table.name):
                continue
            known = {column["name"] for column in inspector.get_columns(table.name)}
            columns = [column for column in table.c if column.name in known]
            rows = [dict(row) for row in here.execute(select(*columns)).mappings()]
            if rows:
                there.execute(insert(table), rows)


def test_old_books_stand_and_new_things_happen_in_them(world: World, old: Engine) -> None:
    copy_what_fits(world.engine, old)
    upgrade(old, metadata)
    before = points(world)
    world.engine = old
    assert points(world) == before == Points(balance=40, issued=160)
    world.do(award("a-1", "river-patrol"))
    assert points(world) == before
    world.do(back("a-1"))
    assert points(world) == Points(balance=0, owed=60, issued=60)
    world.do(PAPER)
    correct(world, 70)
    assert points(world) == Points(balance=10, issued=60, opened=70)
    assert_audit_is_clean(world)
