from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

import server.facts
import server.ledger  # noqa: F401 - puts its tables into `metadata`
from server.db import create_all, metadata, open_engine


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path}/books.db")
    create_all(opened, metadata)
    yield opened
    opened.dispose()


@pytest.fixture
def postgres_engine(postgres_url: str) -> Iterator[Engine]:
    opened = open_engine(postgres_url)
    create_all(opened, metadata)
    yield opened
    opened.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest) -> Engine:
    opened: Engine = request.getfixturevalue(f"{request.param}_engine")
    return opened
