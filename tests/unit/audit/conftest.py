from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from server.db import create_all, metadata, open_engine
from tests.unit.audit.pool_world import PoolWorld


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path}/pool.db")
    create_all(opened, metadata)
    yield opened
    opened.dispose()


@pytest.fixture
def world(engine: Engine) -> PoolWorld:
    return PoolWorld(engine)
