from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from server.db import create_all, metadata, open_engine
from tests.unit.server.world import World

MakeWorld = Callable[[str], World]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/pool.sqlite3"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = open_engine(url)
    create_all(opened, metadata)
    yield opened
    opened.dispose()


@pytest.fixture
def make_world(engine: Engine, tmp_path: Path) -> MakeWorld:
    """A pool of a preset with 张阿姨 and 刘大爷, on SQLite and on PostgreSQL."""

    def make(preset: str) -> World:
        world = World(engine, tmp_path, preset)
        world.furnish()
        return world

    return make


@pytest.fixture
def town(make_world: MakeWorld) -> World:
    """文化街社区: its rules changed, and two of them pay for the same facts."""
    return make_world("wenhuajie")
