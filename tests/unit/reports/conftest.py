from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from server.db import create_all, metadata, open_engine
from tests.unit.server.world import World


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
def world(engine: Engine, tmp_path: Path) -> World:
    """惠积分: 10 fen a point; its stores pay share and rent."""
    world = World(engine, tmp_path, "guanghui")
    world.furnish()
    return world


@pytest.fixture
def counter(engine: Engine, tmp_path: Path) -> World:
    """网格积分超市: goods priced in points, no share and no rent."""
    counter = World(engine, tmp_path, "yamen")
    counter.furnish()
    return counter
