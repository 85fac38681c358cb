"""Where a stretch of time went: processors, commits, and syncs of the write-ahead log."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from bench.postgres import Cluster
from bench.processes import cpu_s, family_cpu_s

_COUNTED = (
    "SELECT (SELECT coalesce(sum(xact_commit), 0) FROM pg_stat_database)::bigint,"
    " (SELECT wal_sync FROM pg_stat_wal), (SELECT wal_sync_time FROM pg_stat_wal)"
)


class Spent(Struct, frozen=True, kw_only=True):
    """What one redemption took, in milliseconds and in counts.

    Attributes:
        wall_ms: elapsed time; with several clients at once, their common time / redemptions.
        caller_cpu_ms: processor of the benchmark itself (in the service layer, the service).
        server_cpu_ms: processor of the server processes.
        database_cpu_ms: processor of all of PostgreSQL.
        syncing_ms: time that PostgreSQL waited for the disk to sync its log.
        commits, syncs: of PostgreSQL.
    """

    wall_ms: float
    caller_cpu_ms: float
    server_cpu_ms: float
    database_cpu_ms: float
    syncing_ms: float
    commits: float
    syncs: float


class Meter:
    """Adds up what stretches of work took; ``server`` is the process number of one, with its
    children.
    """

    def __init__(self, cluster: Cluster, server: int | None = None) -> None:
        self._cluster = cluster
        self._server = server
        self._sums = [0.0] * 7
        self.redemptions = 0

    @property
    def wall_s(self) -> float:
        """Elapsed time of all stretches."""
        return self._sums[0]

    @property
    def redemptions_a_s(self) -> float:
        """Over all stretches."""
        return self.redemptions / self.wall_s

    @contextmanager
    def running(self, redemptions: int) -> Iterator[None]:
        """A stretch in which so many redemptions are done."""
        before = self._read()
        yield
        after = self._read()
        for place, (then, now) in enumerate(zip(before, after, strict=True)):
            self._sums[place] += now - then
        self.redemptions += redemptions

    def spent(self) -> Spent:
        """For each redemption."""
        each = [total / self.redemptions for total in self._sums]
        wall, caller, server, database, syncing, commits, syncs = each
        return Spent(
            wall_ms=round(wall * 1000, 4),
            caller_cpu_ms=round(caller * 1000, 4),
            server_cpu_ms=round(server * 1000, 4),
            database_cpu_ms=round(database * 1000, 4),
            syncing_ms=round(syncing * 1000, 4),
            commits=round(commits, 3),
            syncs=round(syncs, 3),
        )

    def _read(self) -> tuple[float, ...]:
        with self._cluster.connect("postgres") as connection:
            row = connection.execute(_COUNTED).fetchone()
        assert row is not None
        commits, syncs, sync_ms = (float(str(each)) for each in row)
        return (
            time.perf_counter(),
            cpu_s(os.getpid()),
            0.0 if self._server is None else family_cpu_s(self._server),
            family_cpu_s(self._cluster.pid),
            sync_ms / 1000,
            commits,
            syncs,
        )
