"""The limits of a redemption: bare commits beside the server's database, and bare round trips."""

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
import urllib3

from bench.figures import BenchError
from bench.postgres import DATABASE, RAW_DATABASE, Cluster

SMALLEST_COMMIT_BYTES = 256
HTTP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class SqliteDisk:
    """The server's SQLite file, and a plain one in the same folder."""

    database: Path

    @property
    def name(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    def size_bytes(self) -> int:
        """How large the server's database is, its log included."""
        connection = sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True)
        try:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        finally:
            connection.close()
        return int(pages) * int(page_bytes)

    def commit(self, commits: int, row_bytes: int) -> float:
        """Commit rows one by one, WAL and synchronous=FULL; returns the seconds it took."""
        connection = sqlite3.connect(self.database.with_name("raw.sqlite3"), isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("CREATE TABLE IF NOT EXISTS raw (body BLOB NOT NULL)")
            body, began_s = b"\0" * row_bytes, time.perf_counter()
            for _ in range(commits):
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO raw (body) VALUES (?)", (body,))
                connection.execute("COMMIT")
            return time.perf_counter() - began_s
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class PostgresDisk:
    """The server's PostgreSQL database, and a plain one in the same cluster."""

    cluster: Cluster

    @property
    def name(self) -> str:
        return self.cluster.version

    def size_bytes(self) -> int:
        """How large the server's database is, without the cluster's log."""
        with self.cluster.connect(DATABASE) as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        assert row is not None
        assert isinstance(row[0], int)
        return row[0]

    def commit(self, commits: int, row_bytes: int) -> float:
        """Commit rows one by one on one connection; returns the seconds it took."""
        with self.cluster.connect(RAW_DATABASE) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS raw (body bytea NOT NULL)")
            body, began_s = b"\0" * row_bytes, time.perf_counter()
            for _ in range(commits):
                self._insert(connection, body)
            return time.perf_counter() - began_s

    @staticmethod
    def _insert(connection: psycopg.Connection[tuple[object, ...]], body: bytes) -> None:
        with connection.transaction():
            connection.execute("INSERT INTO raw (body) VALUES (%s)", (body,))


Disk = SqliteDisk | PostgresDisk


def call_health(url: str, trips: int) -> None:
    """Ask for the server's health, unsigned, one time after the other.

    Raises:
        BenchError: it is not well.
    """
    http = urllib3.PoolManager(maxsize=1, retries=False)  # one kept connection, as a terminal's
    try:
        for _ in range(trips):
            answer = http.request("GET", f"{url}/v1/health", timeout=HTTP_TIMEOUT_S)
            if answer.status != 200:
                raise BenchError(f"the server's health is {answer.status}")
    finally:
        http.clear()
