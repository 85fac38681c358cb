"""``redemption``: asking and telling over HTTP against bare round trips and bare commits."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from bench.figures import BenchError, Held, Spread, spread
from bench.pool import Client, Latencies, RunningPool, running_pool
from bench.postgres import cluster, find_programs
from bench.processes import cpu_s
from bench.raw_commits import (
    SMALLEST_COMMIT_BYTES,
    Disk,
    PostgresDisk,
    SqliteDisk,
    call_health,
)

TRIPS_A_REDEMPTION = 2
"""Authorise and journal; each is one commit as well."""

ROUND_WITHIN_S = 60.0
SQLITE_FILE = "huidian.sqlite3"


class Size(Struct, frozen=True, kw_only=True):
    """How much is measured; rounds take turns with their limits. Counts are for each client."""

    clients: int
    rounds: int
    redemptions: int
    health_trips: int
    commits: int
    alone: int
    warm_up: int
    with_postgres: bool

    @property
    def redemptions_each(self) -> int:
        return self.warm_up + self.alone + self.rounds * self.redemptions


FULL = Size(
    clients=4,
    rounds=4,
    redemptions=25,
    health_trips=100,
    commits=200,
    alone=50,
    warm_up=10,
    with_postgres=True,
)
QUICK = Size(
    clients=2,
    rounds=1,
    redemptions=5,
    health_trips=10,
    commits=20,
    alone=3,
    warm_up=2,
    with_postgres=False,
)


class RedemptionReport(Struct, frozen=True, kw_only=True):
    """One database behind one server process. There is no report whose books fail the audit.

    Attributes:
        held: redemptions a second / ``limit_a_s``.
        limit_a_s: what bare round trips or bare commits allow, whichever allows less.
        authorise, tell: with all clients at once; ``authorise_alone`` with one.
        server_cpu_ms: processor time of the server process a redemption.
        commit_bytes: what the database grew by a commit; a bare commit writes as much.
    """

    database: str
    clients: int
    redemptions: int
    redemptions_a_s: float
    authorise: Spread
    tell: Spread
    authorise_alone: Spread
    tell_alone: Spread
    held: Held
    limit_a_s: float
    health_trips_a_s: float
    commits_a_s: float
    commit_bytes: int
    server_cpu_ms: float


def measure(folder: Path, size: Size, say: Callable[[str], None]) -> list[RedemptionReport]:
    """Run the benchmark on SQLite, and at full size on PostgreSQL where it is installed.

    Raises:
        BenchError: something did not start, or the server did not post a redemption.
    """
    reports = []
    say(f"在线兑换 · online redemption: SQLite, {size.clients} 台终端 · terminals")
    disk = SqliteDisk(folder / "sqlite" / "server" / SQLITE_FILE)
    with running_pool(
        folder / "sqlite", clients=size.clients, redemptions_each=size.redemptions_each
    ) as pool:
        reports.append(measure_pool(pool, disk, size))
    if not size.with_postgres:
        return reports
    programs = find_programs()
    if programs is None:
        say("没有 PostgreSQL，跳过 · PostgreSQL is not installed: skipped")
        return reports
    say(f"在线兑换 · online redemption: PostgreSQL, {size.clients} 台终端 · terminals")
    with (
        cluster(programs) as postgres,
        running_pool(
            folder / "postgres",
            clients=size.clients,
            redemptions_each=size.redemptions_each,
            database_url=postgres.url,
        ) as pool,
    ):
        reports.append(measure_pool(pool, PostgresDisk(postgres), size))
    return reports


def measure_pool(pool: RunningPool, disk: Disk, size: Size) -> RedemptionReport:
    """Redemptions and their limits in turns, then the audit of what was booked."""
    before_bytes = disk.size_bytes()
    _redeem_together(pool.clients, size.warm_up)
    grown = disk.size_bytes() - before_bytes
    commits = size.warm_up * len(pool.clients) * TRIPS_A_REDEMPTION
    commit_bytes = max(SMALLEST_COMMIT_BYTES, grown // commits)
    alone = Latencies([], [])
    for _ in range(size.alone):
        pool.clients[0].redeem(alone)
    seen = Latencies([], [])
    redeem_s = health_s = commit_s = server_s = 0.0
    for _ in range(size.rounds):
        health_s += _call_together(pool, size.health_trips)
        commit_s += disk.commit(size.commits, commit_bytes)
        used_s = cpu_s(pool.pid)
        took_s, latencies = _redeem_together(pool.clients, size.redemptions)
        server_s += cpu_s(pool.pid) - used_s
        redeem_s += took_s
        seen.authorise_s.extend(latencies.authorise_s)
        seen.tell_s.extend(latencies.tell_s)
    pool.audit()
    redemptions = len(seen.tell_s)
    a_s = redemptions / redeem_s
    health_a_s = size.rounds * size.health_trips * len(pool.clients) / health_s
    commits_a_s = size.rounds * size.commits / commit_s
    limit_a_s = min(health_a_s, commits_a_s) / TRIPS_A_REDEMPTION
    return RedemptionReport(
        database=disk.name,
        clients=len(pool.clients),
        redemptions=redemptions,
        redemptions_a_s=round(a_s, 2),
        authorise=spread(seen.authorise_s),
        tell=spread(seen.tell_s),
        authorise_alone=spread(alone.authorise_s),
        tell_alone=spread(alone.tell_s),
        held=Held(ratio=round(a_s / limit_a_s, 4)),
        limit_a_s=round(limit_a_s, 2),
        health_trips_a_s=round(health_a_s, 2),
        commits_a_s=round(commits_a_s, 2),
        commit_bytes=commit_bytes,
        server_cpu_ms=round(server_s / redemptions * 1000, 3),
    )


def _redeem_together(clients: tuple[Client, ...], times: int) -> tuple[float, Latencies]:
    """Every client redeems ``times`` times, all at once; the seconds until the last is done."""

    def redeem(client: Client) -> Latencies:
        latencies = Latencies([], [])
        for _ in range(times):
            if time.perf_counter() - began_s > ROUND_WITHIN_S:
                raise BenchError(f"a round took longer than {ROUND_WITHIN_S:.0f} s")
            client.redeem(latencies)
        return latencies

    seen = Latencies([], [])
    with ThreadPoolExecutor(len(clients)) as threads:
        began_s = time.perf_counter()
        for latencies in list(threads.map(redeem, clients)):
            seen.authorise_s.extend(latencies.authorise_s)
            seen.tell_s.extend(latencies.tell_s)
        return time.perf_counter() - began_s, seen


def _call_together(pool: RunningPool, trips: int) -> float:
    """As many callers as clients ask for the server's health, all at once; the seconds."""
    with ThreadPoolExecutor(len(pool.clients)) as threads:
        began_s = time.perf_counter()
        for called in [threads.submit(call_health, pool.url, trips) for _ in pool.clients]:
            called.result()
        return time.perf_counter() - began_s
