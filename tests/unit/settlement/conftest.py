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


@pytest.fixture(scope="session")
def empty_books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables, made once: each example begins with a copy."""
    path = tmp_path_factory.mktemp("empty") / "pool.db"
    engine = open_engine(f"sqlite:///{path}")
    create_all(engine, metadata)
    engine.dispose()
    return path
