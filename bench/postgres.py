"""A PostgreSQL of our own for as long as a benchmark needs it, with every durability on."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.processes import COMMAND_WITHIN_S, serving

DATABASE, RAW_DATABASE = "huidian", "raw"
OWNER = "postgres"
PROGRAMS = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class Cluster:
    """Reached through a socket in its folder: no port, no password."""

    folder: Path
    version: str

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the database for the server."""
        return self.url_of(DATABASE)

    @property
    def pid(self) -> int:
        """The number of the cluster's first process; all others are its children."""
        return int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])

    def url_of(self, database: str) -> str:
        """SQLAlchemy URL of one of its databases."""
        return f"postgresql+psycopg://{OWNER}@/{database}?host={self.folder}"

    def analyse(self, database: str, table: str = "") -> None:
        """What the cluster does by itself a minute after tables (or this one) have grown: until
        then its plans are those for empty tables.
        """
        with self.connect(database) as connection:
            connection.execute(f"ANALYZE {table}".encode())

    def create(self, database: str) -> None:
        """An empty database."""
        with self.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())

    def connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        """A plain connection; each statement is a transaction unless one is opened."""
        return psycopg.connect(host=str(self.folder), user=OWNER, dbname=database, autocommit=True)


def find_programs() -> Path | None:
    """The folder of the newest PostgreSQL server's programs; None where there is none."""
    found = [
        folder
        for folder in PROGRAMS.glob("*/bin")
        if (folder / "initdb").exists() and (folder / "postgres").exists()
    ]
    if found:
        return max(found, key=lambda folder: float(folder.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def cluster(programs: Path) -> Iterator[Cluster]:
    """A fresh cluster with two empty databases; stopped and removed afterwards.

    Raises:
        BenchError: it did not start.
    """
    # PostgreSQL refuses to run as root, and its folder must then be another user's.
    user = OWNER if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="huidian-bench-pg-"))
    try:
        if user is not None:
            shutil.chown(folder, user, user)
        _initialise(programs, folder, user)
        version = subprocess.run(
            [programs / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout.strip()
        up = Cluster(folder, version)
        command = [str(programs / "postgres"), "-D", str(folder / "data"), "-k", str(folder)]
        with serving(
            [*command, "--listen_addresses=", "--timezone=UTC", "--track_wal_io_timing=on"],
            is_up=lambda: _answers(up),
            log=folder / "log",
            user=user,
            stop_signal=signal.SIGINT,  # "fast": does not wait for clients
        ):
            with up.connect("postgres") as connection:
                connection.execute(f"CREATE DATABASE {DATABASE}")
                connection.execute(f"CREATE DATABASE {RAW_DATABASE}")
            yield up
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(programs: Path, folder: Path, user: str | None) -> None:
    options = ["-U", OWNER, "-A", "trust", "--locale=C.UTF-8", "--encoding=UTF8"]
    subprocess.run(
        [programs / "initdb", "-D", "data", *options],
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=COMMAND_WITHIN_S,
        check=True,
    )


def _answers(up: Cluster) -> bool:
    try:
        with up.connect("postgres") as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True
