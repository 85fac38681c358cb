import copy
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from server.db import create_all, metadata, open_engine
from tests.unit.audit.pool_world import PoolWorld, small_history
from tests.unit.portal.portal_world import PortalWorld


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path}/pool.db")
    create_all(opened, metadata)
    yield opened
    opened.dispose()


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PoolWorld]:
    """A pool with two merchants and two settled days; tests work on copies of its file."""
    path = tmp_path_factory.mktemp("told") / "pool.db"
    opened = open_engine(f"sqlite:///{path}")
    create_all(opened, metadata)
    world = PoolWorld(opened)
    small_history(world)
    opened.dispose()
    return path, world


@pytest.fixture
def portal(told: tuple[Path, PoolWorld], tmp_path: Path) -> Iterator[PortalWorld]:
    """The pages of a pool with two merchants and two settled days."""
    path, told_world = told
    source, target = sqlite3.connect(path), sqlite3.connect(tmp_path / "copy.db")
    source.backup(target)
    source.close()
    target.close()
    world = copy.copy(told_world)
    # What this test's terminals record is of its own copy alone.
    world.tills = {name: replace(till) for name, till in told_world.tills.items()}
    world.engine = open_engine(f"sqlite:///{tmp_path}/copy.db")
    yield PortalWorld.of(world)
    world.engine.dispose()
