"""Worlds for property tests, of which there are many: made of copied files, without a disk."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from server.db import open_engine
from tests.unit.settlement.world import World

MEMORY = Path("/dev/shm")
OPENED_AT = datetime(2026, 5, 1, 1, tzinfo=UTC)


@contextmanager
def fresh_world(books: Path) -> Iterator[World]:
    """A world on a copy of these books, in memory where the machine has such a place: what a sync
    costs is not the point.
    """
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        copy = shutil.copy(books, Path(folder) / "pool.db")
        engine = open_engine(f"sqlite:///{copy}")
        yield World(engine, now=OPENED_AT)
        engine.dispose()
