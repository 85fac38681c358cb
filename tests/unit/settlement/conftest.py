from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from server.db import create_all, metadata, open_engine
from tests.unit.settlement.world import World


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/pool.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = open_engine(url)
    create_all(opened, metadata)
    yield opened
    opened.dispose()


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)
