"""``ledger``: the pool's books on PostgreSQL against one ideal server-side call, and against COPY.

Rates are compared with what pgbench reaches in the same round, with as many clients.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct

from bench import ledger_batches as batches
from bench.figures import Held, Spread, spread
from bench.ledger_history import load_history
from bench.ledger_http import call_together, ledger_servers
from bench.ledger_meter import Meter, Spent
from bench.ledger_pool import POOL, LedgerPool, Redemption, Seller, ledger_pool
from bench.ledger_reference import THREADS, Reference, make_books, make_reference
from bench.ledger_service import Service, latencies_s, redeem_together
from bench.postgres import Cluster, cluster, find_programs
from bench.processes import run_module
from server.bootstrap.serving import THREADS as SERVER_THREADS
from server.db import open_engine, writing
from server.ledger import roll_up

SERVICE_AT_LEAST, HTTP_AT_LEAST = 0.35, 0.10
CROWD_AT_LEAST, COPY_AT_LEAST = 1.0, 0.5
HISTORY_AT_MOST = 1.2
ONLINE, SHORT, LONG = "online", "short", "long"
BOOKS, COPIED = "books", "copied"
LATENCY_BLOCK = 20
"""Empty and full books take turns this often, so that both see the same weather."""


class Size(Struct, frozen=True, kw_only=True):
    """How much is measured. Redemptions are for each client and round; a batch is entries."""

    rounds: int
    pgbench_s: int
    threads: int
    service: int
    clients: int
    http: int
    crowd: int
    crowd_http: int
    workers: int
    batches: int
    batch: int
    latencies: int
    transfers: int
    warm_up: int

    @property
    def redemptions_each(self) -> int:
        """The most that one seller may be asked for."""
        return 3 * self.warm_up + self.rounds * (self.service + 2 * self.http + self.crowd_http)


FULL = Size(
    rounds=4,
    pgbench_s=5,
    threads=4,
    service=300,
    clients=8,
    http=120,
    crowd=32,
    crowd_http=30,
    workers=2,
    batches=40,
    batch=200,
    latencies=600,
    transfers=10_000_000,
    warm_up=20,
)
QUICK = Size(
    rounds=1,
    pgbench_s=1,
    threads=2,
    service=5,
    clients=2,
    http=5,
    crowd=4,
    crowd_http=3,
    workers=2,
    batches=2,
    batch=20,
    latencies=10,
    transfers=50_000,
    warm_up=2,
)


class OnlineReport(Struct, frozen=True, kw_only=True):
    """Authorise and capture, one after the other, by so many callers at once.

    Attributes:
        reference_a_s: the ideal redemptions of as many pgbench clients.
        held: ``redemptions_a_s / reference_a_s``.
        server_processes, server_threads: of the server; 0 processes in the service layer.
    """

    callers: int
    server_processes: int
    server_threads: int
    redemptions: int
    redemptions_a_s: float
    reference_a_s: float
    held: Held
    spent: Spent


class BatchReport(Struct, frozen=True, kw_only=True):
    """Entries of two transfers through ``post_many``, a batch a commit, and COPY of their rows."""

    batches: int
    entries_a_batch: int
    posted_a_s: float
    copied_a_s: float
    held: Held


class HistoryReport(Struct, frozen=True, kw_only=True):
    """One redemption in the service layer, nobody else about: empty books and full ones.

    ``held`` is full p50 / empty p50.
    """

    transfers: int
    load_s: float
    empty: Spread
    full: Spread
    held: Held


class LedgerReport(Struct, frozen=True, kw_only=True):
    """Everything of one run. ``http_workers`` is ``http`` by a server of several processes;
    ``crowded`` is throughput with many clients / with few, both by one process.
    """

    database: str
    pgbench_threads: int
    service: OnlineReport
    http: OnlineReport
    http_workers: OnlineReport
    crowd: OnlineReport
    crowded: Held
    batches: BatchReport
    history: HistoryReport


def measure(folder: Path, size: Size, say: Callable[[str], None]) -> LedgerReport | None:
    """Run the benchmark in an empty folder; None where PostgreSQL is not installed.

    Raises:
        BenchError: something did not start, or the books said no to a redemption.
    """
    programs = find_programs()
    if programs is None:
        say("没有 PostgreSQL，测不了 · PostgreSQL is not installed: not measured")
        return None
    with cluster(programs) as postgres:
        reference = make_reference(postgres, programs, folder / "reference")
        say(f"在线兑换 · online redemptions: {postgres.version}, {size.rounds} 轮 rounds")
        service, http, several, crowd = measure_online(postgres, reference, folder, size)
        say(f"成批入账 · checked batches: {size.batches} × {size.batch}")
        posted = measure_batches(postgres, size)
        say(f"长账本 · a long ledger: {size.transfers} transfers")
        history = measure_history(postgres, folder, size)
        return LedgerReport(
            database=postgres.version,
            pgbench_threads=THREADS,
            service=service,
            http=http,
            http_workers=several,
            crowd=crowd,
            crowded=Held(
                ratio=round(crowd.redemptions_a_s / http.redemptions_a_s, 4),
                at_least=CROWD_AT_LEAST,
            ),
            batches=posted,
            history=history,
        )


def measure_online(
    postgres: Cluster, reference: Reference, folder: Path, size: Size
) -> tuple[OnlineReport, OnlineReport, OnlineReport, OnlineReport]:
    """Service layer, HTTP by one process and by several, and HTTP with a crowd: round by round
    in turns with pgbench. Every round begins with ANALYZE on both sides.

    Raises:
        BenchError: among others when the audit of what was booked finds something.
    """
    postgres.create(ONLINE)
    with ExitStack() as stack:
        pool = stack.enter_context(
            ledger_pool(
                folder / ONLINE,
                postgres.url_of(ONLINE),
                sellers=max(size.threads, size.clients, size.crowd),
                redemptions_each=size.redemptions_each,
            )
        )
        servers = ledger_servers(pool, folder / "servers", (1, size.workers))
        one, several = stack.enter_context(servers)
        online = _Sellers(postgres, pool)
        online.serve(size.threads, size.warm_up)
        for server in (one, several):
            online.call(server, size.clients, size.warm_up)
        meters = [Meter(postgres), *(Meter(postgres, pid) for pid, _ in (one, several, one))]
        limits = [0.0, 0.0]
        for _ in range(size.rounds):
            for database in (reference.database, ONLINE):
                postgres.analyse(database)
            limits[0] += reference.redemptions_a_s(size.threads, size.pgbench_s)
            online.serve(size.threads, size.service, meters[0])
            limits[1] += reference.redemptions_a_s(size.clients, size.pgbench_s)
            online.call(one, size.clients, size.http, meters[1])
            online.call(several, size.clients, size.http, meters[2])
            online.call(one, size.crowd, size.crowd_http, meters[3])
        config = folder / "servers" / "server-0.toml"
        run_module("server", "--config", str(config), "audit")
    few, many = (total / size.rounds for total in limits)
    return (
        _report(meters[0], size.threads, 0, few, SERVICE_AT_LEAST),
        _report(meters[1], size.clients, 1, many, HTTP_AT_LEAST),
        _report(meters[2], size.clients, size.workers, many, HTTP_AT_LEAST),
        _report(meters[3], size.crowd, 1, many, None),
    )


class _Sellers:
    """One pool, asked in the service layer and over HTTP by the same sellers."""

    def __init__(self, postgres: Cluster, pool: LedgerPool) -> None:
        self._postgres = postgres
        self._pool = pool
        self._service = Service(pool)

    def serve(self, threads: int, redemptions: int, meter: Meter | None = None) -> None:
        """So many threads redeem so often each, through the desk."""
        work = [(seller, seller.prepare(redemptions)) for seller in self._pool.sellers[:threads]]
        with (meter or Meter(self._postgres)).running(threads * redemptions):
            redeem_together(self._service, work)

    def call(
        self, server: tuple[int, int], clients: int, redemptions: int, meter: Meter | None = None
    ) -> None:
        """So many clients redeem so often each, over HTTP from one server, its (process number,
        port); signed before the clock starts.
        """
        pid, port = server
        work = [
            [seller.sign(each, port) for each in seller.prepare(redemptions)]
            for seller in self._pool.sellers[:clients]
        ]
        with (meter or Meter(self._postgres, pid)).running(clients * redemptions):
            call_together([port] * clients, work)


def _report(
    meter: Meter, callers: int, servers: int, reference_a_s: float, at_least: float | None
) -> OnlineReport:
    a_s = meter.redemptions_a_s
    return OnlineReport(
        callers=callers,
        server_processes=servers,
        server_threads=SERVER_THREADS if servers else callers,
        redemptions=meter.redemptions,
        redemptions_a_s=round(a_s, 2),
        reference_a_s=round(reference_a_s, 2),
        held=Held(ratio=round(a_s / reference_a_s, 4), at_least=at_least),
        spent=meter.spent(),
    )


def measure_batches(postgres: Cluster, size: Size) -> BatchReport:
    """Batches through the ledger's door and COPY of what they wrote, in turns.

    Raises:
        BenchError: an entry was not posted.
    """
    for database in (BOOKS, COPIED):
        make_books(postgres, database)
    engine = open_engine(postgres.url_of(BOOKS))
    try:
        batches.open_books(engine)
        floor = batches.CopyFloor(postgres, BOOKS, COPIED)
        try:
            posted_s = copied_s = 0.0
            for number in range(size.batches + 1):
                after = floor.last_entry_no()
                drafts = batches.drafts(number * size.batch, size.batch)
                post_s = batches.post_timed(engine, drafts)
                copy_s = floor.copy_timed(after)
                if number == 0:  # the first warms both up
                    for database in (BOOKS, COPIED):
                        postgres.analyse(database)
                else:
                    posted_s += post_s
                    copied_s += copy_s
        finally:
            floor.close()
    finally:
        engine.dispose()
    entries = size.batches * size.batch
    return BatchReport(
        batches=size.batches,
        entries_a_batch=size.batch,
        posted_a_s=round(entries / posted_s, 2),
        copied_a_s=round(entries / copied_s, 2),
        held=Held(ratio=round(copied_s / posted_s, 4), at_least=COPY_AT_LEAST),
    )


def measure_history(postgres: Cluster, folder: Path, size: Size) -> HistoryReport:
    """The same redemptions in empty books and in full ones, block by block in turns.

    Raises:
        BenchError: the history could not be loaded, or a redemption was refused.
    """
    for database in (SHORT, LONG):
        postgres.create(database)
    each = size.latencies + size.warm_up
    with ExitStack() as stack:
        short, long = (
            stack.enter_context(
                ledger_pool(
                    folder / database,
                    postgres.url_of(database),
                    sellers=1,
                    redemptions_each=each,
                )
            )
            for database in (SHORT, LONG)
        )
        load_s = load_history(postgres, LONG, size.transfers)
        with writing(long.engine) as tx:
            roll_up(tx, POOL)
        tills = [_Till(pool) for pool in (short, long)]
        found: list[list[float]] = [[], []]
        for till in tills:
            till.redeem(size.warm_up)
        for done in range(0, size.latencies, LATENCY_BLOCK):
            block = min(LATENCY_BLOCK, size.latencies - done)
            for till, latencies in zip(tills, found, strict=True):
                latencies.extend(till.redeem(block))
    empty, full = (spread(latencies) for latencies in found)
    return HistoryReport(
        transfers=size.transfers,
        load_s=round(load_s, 1),
        empty=empty,
        full=full,
        held=Held(ratio=round(full.p50_ms / empty.p50_ms, 4), at_most=HISTORY_AT_MOST),
    )


class _Till:
    """One seller of one pool, alone."""

    def __init__(self, pool: LedgerPool) -> None:
        self._service = Service(pool)
        self._seller: Seller = pool.sellers[0]

    def redeem(self, count: int) -> list[float]:
        redemptions: list[Redemption] = self._seller.prepare(count)
        return latencies_s(self._service, self._seller, redemptions)
