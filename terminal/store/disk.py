"""Opens the terminal's SQLite file so that a completed sale survives the power cut.

WAL with synchronous=FULL is one sync a commit and lost nothing in any measured power cut;
NORMAL lost every sale since the last checkpoint. The pragmas are read back: a terminal
whose disk does not do what was asked must not sell.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text

from terminal.domain.ports import StoreFaultError
from terminal.store.steps import SCHEMA_VERSION, take_steps

PRAGMAS = {
    "journal_mode": ("WAL", "wal"),
    "synchronous": ("FULL", 2),
    "foreign_keys": ("ON", 1),
    "busy_timeout": ("5000", 5000),
    "temp_store": ("MEMORY", 2),
    "wal_autocheckpoint": ("200", 200),
    "cache_size": ("-512", -512),
}
"""What is asked for, and what must come back. ``cache_size``: half a MiB a connection instead of
two; the system keeps the file's pages anyway, and a till is a small computer."""


class UnsafeDiskError(StoreFaultError):
    """The file cannot be opened in the way that keeps sales safe."""


def open_engine(path: Path) -> Engine:
    """Open or make the file; one of an earlier version is brought up to date, whole or not at all.

    Raises:
        UnsafeDiskError: a pragma did not take, or the file is of a newer program.
    """
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": 5.0},
        hide_parameters=True,  # a fault goes into the log; what was being written does not
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's implicit BEGIN is off
        for name, (asked, _) in PRAGMAS.items():
            connection.execute(f"PRAGMA {name}={asked}")
        # Of each connection: most of them are the connection's own, and the one that writes after
        # a fault is not the one that the start looked at.
        for name, (_, expected) in PRAGMAS.items():
            (found,) = connection.execute(f"PRAGMA {name}").fetchone()
            if found != expected:
                connection.close()
                raise UnsafeDiskError(f"{path}: {name} is {found!r}, not {expected!r}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("huidian_writes", False)
        # To the driver itself: on SQLAlchemy's way there it would cost ten times as much.
        connection.connection.driver_connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    with engine.execution_options(huidian_writes=True).begin() as connection:
        version = int(connection.execute(text("PRAGMA user_version")).scalar_one())
        if not 0 <= version <= SCHEMA_VERSION:
            raise UnsafeDiskError(f"{path}: made by a newer program (schema {version})")
        if version < SCHEMA_VERSION:
            take_steps(connection, version)
    return engine
