from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from server.db import create_all, metadata, open_engine
from tests.unit.server.world import Till, World


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path}/pool.sqlite3")
    create_all(opened, metadata)
    yield opened
    opened.dispose()


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    """惠积分: 10 fen a point, 抹零."""
    world = World(engine, tmp_path, "guanghui")
    world.furnish()
    return world


@pytest.fixture
def till(world: World) -> Till:
    return world.till()


@pytest.fixture
def counter(engine: Engine, tmp_path: Path) -> World:
    """网格积分超市: goods priced in points, no yuan a point."""
    counter = World(engine, tmp_path, "yamen")
    counter.furnish()
    return counter
