from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from server.db import open_engine


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database."""
    url = f"sqlite:///{tmp_path}/empty.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = open_engine(url)
    yield opened
    opened.dispose()
