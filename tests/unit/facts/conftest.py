from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

import server.facts
import server.ledger  # noqa: F401 - puts its tables into `metadata`
from server.db import create_all, metadata, open_engine


@pytest.fixture
def open_scratch(tmp_path: Path) -> Iterator[Callable[[str], Engine]]:
    """Opens an empty SQLite database of the given name, with every table."""
    opened: list[Engine] = []

    def open_named(name: str) -> Engine:
        engine = open_engine(f"sqlite:///{tmp_path}/{name}.db")
        opened.append(engine)
        create_all(engine, metadata)
        return engine

    yield open_named
    for engine in opened:
        engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(
    request: pytest.FixtureRequest, open_scratch: Callable[[str], Engine]
) -> Iterator[Engine]:
    if request.param == "sqlite":
        yield open_scratch("facts")
        return
    in_postgres = open_engine(request.getfixturevalue("postgres_url"))
    create_all(in_postgres, metadata)
    yield in_postgres
    in_postgres.dispose()
