from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from server.db import create_all, metadata, open_engine
from tests.unit.portal.portal_world import PortalWorld


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path}/pool.db")
    create_all(opened, metadata)
    yield opened
    opened.dispose()


@pytest.fixture
def portal(engine: Engine) -> PortalWorld:
    """The pages of a pool with two merchants and two settled days."""
    return PortalWorld.with_history(engine)
