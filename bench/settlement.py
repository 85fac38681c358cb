"""``settlement``: a month's statements for many merchants against DuckDB summing the same rows.

The server sums sales ahead, as they come (`roll-up`): by day, with each transfer's place. The run
then reads day sums, books what is charged, freezes statements, and waits for the disk. So three
are told: what was done ahead for the whole month, the sums of the run alone (a preview, which
writes nothing), and the run; and how the run and the work ahead compare together.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct
from sqlalchemy.engine.default import DefaultDialect

from bench.attribution import Part, Share, Stopwatch, watching
from bench.figures import BenchError, Held, Spread, spread, timed_into
from bench.ledger_pool import POOL
from bench.postgres import Cluster, cluster, find_programs
from bench.settlement_checks import Equal, require_equal
from bench.settlement_duckdb import Duck, export
from bench.settlement_took import Took, taking
from bench.settlement_world import LAST_DAY, load_month, make_pool
from server.bootstrap.desk import make_desk
from server.commands.context import OpenedPool
from server.db import reading, run_writing, writing
from server.directory.queries import merchants
from server.facts import Outcome
from server.settlement import drafts as drafts_module
from server.settlement import issue as issue_module
from server.settlement import lines_of, shares_of, statement_of, statements_of
from server.settlement import runs as runs_module
from server.settlement.day_sums import sum_some, sum_up
from server.settlement.runs import drive, merchants_due, preview
from server.settlement.values import (
    CloseRun,
    MerchantSettled,
    OpenRun,
    RunClosed,
    RunOpened,
)

TIMES_DUCKDB_AT_MOST, LINEAR_AT_MOST = 3.0, 4.4
QUERY_AT_MOST_MS = 10.0
FEWER = 4
"""How many times fewer lines the smaller month has."""
RUN = "bench-march"
SETTLED_AT = datetime(2026, 4, 1, 4, 0, tzinfo=UTC)
PARTS = (
    Part(drafts_module, "buckets", "加总 · reading day sums"),
    Part(issue_module, "place", "归入对账单 · placing day sums on the statement"),
    Part(issue_module, "write_rows", "写结算单 · writing the frozen statement"),
    Part(issue_module, "post_many", "记分成租金 · booking share and rent"),
    Part(runs_module, "drafts_of", "期间、合同、分成 · periods, contracts, shares"),
    Part(runs_module, "issue", "成文 · making the rows of statements"),
    Part(DefaultDialect, "do_commit", "提交和落盘 · commits, with their syncs"),
)


FOLDED_LINES = 1_000_000
"""Lines that are added up once more one by one; of a larger month, every so many merchants'."""


class Size(Struct, frozen=True, kw_only=True):
    """How much is settled. ``lines`` are sales and refunds, in the larger month; each has one
    transfer or three. ``times``: how often DuckDB is asked; ``looked_at``: merchants whose
    queries are timed.
    """

    merchants: int
    lines: int
    times: int
    looked_at: int


FULL = Size(merchants=1_000, lines=1_000_000, times=5, looked_at=100)
QUICK = Size(merchants=20, lines=20_000, times=2, looked_at=5)


class MonthReport(Struct, frozen=True, kw_only=True):
    """One month: what it took to load it, to preview it (sums alone), and to open, settle, close.

    Attributes:
        ahead: summing all of it up, which a timer does all month.
        sums: the preview of one merchant alone.
        attributed: the run's time by part, mean ms a merchant.
    """

    lines: int
    transfers: int
    load_s: float
    ahead: Took
    preview: Took
    run: Took
    sums: Spread
    attributed: list[Share]


class SettlementReport(Struct, frozen=True, kw_only=True):
    """Everything of one run.

    Attributes:
        duckdb: the best of several, with as many threads as it chooses; `duckdb_single` with
            one, as PostgreSQL has here.
        sums_held, run_held: preview and run / DuckDB, by the clock; `run_cpu_held` by processors;
            `all_held`, `all_cpu_held`: the run and what was done ahead / DuckDB.
        linear_held: the larger month's run / the smaller's; `ahead_linear_held`: what was done
            ahead, by processors.
        folded_statements: how many were added up once more from their transfers, one by one.
        frozen: reading one merchant's statement with its shares; `lines_read`: with all its lines.
        queries_asked_ms: what `sums` and `frozen` should take at most.
    """

    database: str
    merchants: int
    months: list[MonthReport]
    duckdb: Took
    duckdb_single: Took
    sums_held: Held
    run_held: Held
    run_cpu_held: Held
    all_held: float
    all_cpu_held: float
    linear_held: Held
    ahead_linear_held: Held
    sums_linear_held: Held
    frozen: Spread
    lines_read: Spread
    queries_asked_ms: float
    equal_statements: int
    folded_statements: int


def measure(folder: Path, size: Size, say: Callable[[str], None]) -> SettlementReport | None:
    """Run the benchmark in an empty folder; None where PostgreSQL is not installed.

    Raises:
        BenchError: a month could not be loaded or settled, or a statement is not what DuckDB
            or its own transfers come to.
    """
    programs = find_programs()
    if programs is None:
        say("没有 PostgreSQL，测不了 · PostgreSQL is not installed: not measured")
        return None
    lines = size.lines // (FEWER * size.merchants) * size.merchants
    if lines == 0:
        raise BenchError(f"too few lines for {size.merchants} merchants")
    with cluster(programs) as postgres:
        fewer, _ = _month(
            postgres, folder / "fewer", msgspec.structs.replace(size, lines=lines), say
        )
        whole = msgspec.structs.replace(size, lines=FEWER * lines)
        more, found = _month(postgres, folder / "more", whole, say)
    duckdb, ahead, run = found.duckdb, more.ahead, more.run
    return SettlementReport(
        database=postgres.version,
        merchants=size.merchants,
        months=[fewer, more],
        duckdb=duckdb,
        duckdb_single=found.duckdb_single,
        sums_held=_held(more.preview.wall_s, duckdb.wall_s, TIMES_DUCKDB_AT_MOST),
        run_held=_held(run.wall_s, duckdb.wall_s, TIMES_DUCKDB_AT_MOST),
        run_cpu_held=_held(run.cpu_s, duckdb.cpu_s, TIMES_DUCKDB_AT_MOST),
        all_held=round((ahead.wall_s + run.wall_s) / duckdb.wall_s, 2),
        all_cpu_held=round((ahead.cpu_s + run.cpu_s) / duckdb.cpu_s, 2),
        linear_held=_held(run.wall_s, fewer.run.wall_s, LINEAR_AT_MOST),
        ahead_linear_held=_held(ahead.cpu_s, fewer.ahead.cpu_s, LINEAR_AT_MOST),
        sums_linear_held=_held(more.preview.wall_s, fewer.preview.wall_s, LINEAR_AT_MOST),
        frozen=found.frozen,
        lines_read=found.lines_read,
        queries_asked_ms=QUERY_AT_MOST_MS,
        equal_statements=found.equal.statements,
        folded_statements=found.equal.folded,
    )


class _Found(Struct, frozen=True, kw_only=True):
    """What is beside the month itself."""

    duckdb: Took
    duckdb_single: Took
    frozen: Spread
    lines_read: Spread
    equal: Equal


def _month(
    postgres: Cluster, folder: Path, size: Size, say: Callable[[str], None]
) -> tuple[MonthReport, _Found]:
    database = folder.name
    say(f"准备 · loading: {size.lines} 行 lines, {size.merchants} 家 merchants")
    opened = make_pool(folder, postgres, database, size.merchants, size.lines)
    try:
        load_s = load_month(postgres, database, size.merchants, size.lines)
        export(postgres, database, folder / "parquet")
        say("DuckDB，试算，结算 · DuckDB, preview, run")
        duck, single = Duck(folder / "parquet"), Duck(folder / "parquet", threads=1)
        try:
            duckdb, duckdb_single = (_best(each, size.times) for each in (duck, single))
            say("按日汇总 · summing up ahead")
            with taking(postgres) as ahead:
                _sum_up(opened, postgres, database, size.lines)
            with taking(postgres) as previewed:
                _preview(opened, size.merchants)
            sums = _sums_of_one(opened, size.looked_at)
            watch = Stopwatch()
            with taking(postgres) as run:
                _settle(opened, watch, size.merchants)
            say("核对 · checking every statement")
            fold_each = -(-size.lines // FOLDED_LINES)
            equal = require_equal(opened, postgres, database, duck.sums(), fold_each=fold_each)
        finally:
            duck.close()
            single.close()
        frozen, lines_read = _queries(opened, size.looked_at)
        with postgres.connect(database) as connection:
            counted = connection.execute("SELECT count(*) FROM transfer").fetchone()
        assert counted is not None
        report = MonthReport(
            lines=size.lines,
            transfers=int(str(counted[0])),
            load_s=round(load_s, 1),
            ahead=ahead,
            preview=previewed,
            run=run,
            sums=sums,
            attributed=watch.shares(size.merchants),
        )
        found = _Found(
            duckdb=duckdb,
            duckdb_single=duckdb_single,
            frozen=frozen,
            lines_read=lines_read,
            equal=equal,
        )
        return report, found
    finally:
        opened.engine.dispose()


def _best(duck: Duck, times: int) -> Took:
    took: list[Took] = []
    for _ in range(times):
        with taking() as once:
            duck.sum_up()
        took.append(once)
    return min(took, key=lambda each: each.wall_s)


def _sum_up(opened: OpenedPool, postgres: Cluster, database: str, lines: int) -> None:
    """What the roll-up does for the month, all of it at once."""
    entries = run_writing(opened.engine, lambda tx: sum_some(tx, POOL))
    postgres.analyse(database, "day_sum")
    entries += sum_up(opened.engine, POOL)
    if entries < lines:
        raise BenchError(f"{entries} entries were summed up, of {lines} lines")


def _preview(opened: OpenedPool, merchants: int) -> None:
    """The sums of every merchant, and nothing written."""
    with reading(opened.engine) as tx:
        seen = list(preview(tx, POOL, LAST_DAY))
    if any(each.left is not None for each in seen) or len(seen) != merchants:
        raise BenchError(f"{len(seen)} of {merchants} merchants have something to settle")


def _sums_of_one(opened: OpenedPool, looked_at: int) -> Spread:
    """What it takes to add up one merchant's month, and nothing written."""
    sums: list[float] = []
    with reading(opened.engine) as tx:
        for each in merchants(tx, POOL)[:looked_at]:
            with timed_into(sums):
                (seen,) = preview(tx, POOL, LAST_DAY, merchant=each.merchant)
            assert len(seen.drafts) == 1, seen
    return spread(sums)


def _settle(opened: OpenedPool, watch: Stopwatch, merchants: int) -> None:
    """Opens, settles some merchants by each fact, closes, each fact in a transaction of its own."""
    desk = make_desk()

    def submit(command: Struct) -> Outcome:
        with writing(opened.engine) as tx:
            return desk.submit(tx, POOL, command, actor="operator:bench", recorded_at=SETTLED_AT)

    with watching(watch, PARTS):
        watch.start()
        run = submit(OpenRun(run=RUN, through=LAST_DAY, opened_by="bench"))
        if not isinstance(run, RunOpened):
            raise BenchError(f"the run was not opened: {run}")
        with reading(opened.engine) as tx:
            due = merchants_due(tx, POOL, RUN)
        for each in drive(submit, RUN, due):
            if not isinstance(each.outcome, MerchantSettled) or len(each.outcome.statements) != 1:
                raise BenchError(f"{each.merchant}: {each.outcome}")
        closed = submit(CloseRun(run=RUN, closed_by="bench"))
        watch.stop()
    if not isinstance(closed, RunClosed) or closed.left_open or len(due) != merchants:
        raise BenchError(f"the run was not closed: {closed}, {len(due)} due")


def _queries(opened: OpenedPool, looked_at: int) -> tuple[Spread, Spread]:
    """What a merchant's page asks: his statement with its shares, and all of its lines."""
    frozen: list[float] = []
    lines: list[float] = []
    with reading(opened.engine) as tx:
        for each in statements_of(tx, POOL)[:looked_at]:
            with timed_into(frozen):
                found = statement_of(tx, POOL, each.statement, merchant=each.merchant)
                shares_of(tx, POOL, each.statement)
            assert found == each
            with timed_into(lines):
                lines_of(tx, POOL, each)
    return spread(frozen), spread(lines)


def _held(part: float, of: float, at_most: float) -> Held:
    return Held(ratio=round(part / of, 4), at_most=at_most)
