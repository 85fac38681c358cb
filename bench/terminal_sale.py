"""``terminal``: a sale at the till against plain sqlite3 writing the same rows."""

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct
from sqlalchemy import event

from bench.attribution import Share, Stopwatch, watching
from bench.figures import BenchError, Held, Spread, spread
from bench.raw_sqlite import RawFile, require_same_rows, rows_since
from bench.shop import SellingShop, selling_shop
from bench.syncs import SyncCount, count_syncs
from bench.terminal_approval import Approval, measure_approval
from bench.terminal_footprint import Footprint, measure_footprint
from bench.terminal_past import Past, measure_past

RAW_AT_LEAST = 0.30
SLOW_AT_LEAST = 0.90
SLOW_SYNC_S = 0.008
"""A sync on an SD card."""

BLOCK_SALES = 10
"""Till and raw file take turns this often, so that both see the same weather."""

WARM_UP_SALES = 20


class Size(Struct, frozen=True, kw_only=True):
    """How much is measured."""

    sales: int
    slow_sales: int
    attributed_sales: int
    counted_sales: int
    footprint_sales: int
    starts: int
    approvals: int
    past_sales: int
    sales_with_past: int


FULL = Size(
    sales=1000,
    slow_sales=150,
    attributed_sales=300,
    counted_sales=100,
    footprint_sales=1000,
    starts=5,
    approvals=500,
    past_sales=1_000_000,
    sales_with_past=300,
)
QUICK = Size(
    sales=30,
    slow_sales=10,
    attributed_sales=10,
    counted_sales=20,
    footprint_sales=10,
    starts=1,
    approvals=5,
    past_sales=2_000,
    sales_with_past=20,
)


class Comparison(Struct, frozen=True, kw_only=True):
    """Till and raw file side by side; ``held`` is raw p50 / till p50.

    ``till_cpu_ms``, ``raw_cpu_ms``: processor time a sale, which other programs on the
    machine and the disk's syncs do not add to.
    """

    till: Spread
    raw: Spread
    till_cpu_ms: float
    raw_cpu_ms: float
    held: Held
    commits_a_sale: float
    same_rows: int


class TerminalReport(Struct, frozen=True, kw_only=True):
    """``slow``: the same, with each commit made to wait 8 ms on both sides (simulated)."""

    plain: Comparison
    slow: Comparison
    slow_sync_ms: float
    syncs: SyncCount | None
    syncs_say: str
    attributed: list[Share]
    footprint: Footprint
    approval: Approval
    past: Past


def measure(folder: Path, size: Size, say: Callable[[str], None]) -> TerminalReport:
    """Run the benchmark in an empty folder.

    Raises:
        BenchError: till and raw file did not write the same.
    """
    say(f"终端销售 · sales at the till: {size.sales}")
    plain = compare(folder / "plain", size.sales, at_least=RAW_AT_LEAST)
    say(f"每次提交加 8 ms · the same, each commit 8 ms slower: {size.slow_sales}")
    slow = compare(folder / "slow", size.slow_sales, at_least=SLOW_AT_LEAST, sync_s=SLOW_SYNC_S)
    say(f"时间去向 · where the time goes: {size.attributed_sales}")
    attributed = attribute(folder / "attributed", size.attributed_sales)
    say(f"数 fdatasync · counting syncs: {size.counted_sales}")
    counted = count_syncs(folder, size.counted_sales)
    say(f"内存和启动 · memory and start, after sales: {size.footprint_sales}")
    footprint = measure_footprint(folder / "footprint", size.footprint_sales, size.starts)
    approval = measure_approval(folder / "approval", size.approvals, say)
    past = measure_past(
        folder / "past", past_sales=size.past_sales, sales=size.sales_with_past, say=say
    )
    return TerminalReport(
        plain=plain,
        slow=slow,
        slow_sync_ms=SLOW_SYNC_S * 1000,
        syncs=counted if isinstance(counted, SyncCount) else None,
        syncs_say=counted if isinstance(counted, str) else "",
        attributed=attributed,
        footprint=footprint,
        approval=approval,
        past=past,
    )


def compare(folder: Path, sales: int, *, at_least: float, sync_s: float = 0.0) -> Comparison:
    """Sell and write in turns, a block at a time, and check that both wrote the same.

    Raises:
        BenchError: they did not, so their times must not be compared.
    """
    till_s, raw_s = list[float](), list[float]()
    till_cpu_s = raw_cpu_s = 0.0
    with selling_shop(folder) as shop:
        warm_up(shop)
        raw = RawFile(folder / "raw.db", shop.file, sync_s=sync_s)
        commits = _count_commits(shop, sync_s)
        seq = _last_seq(shop)
        gc.collect()
        for done in range(0, sales, BLOCK_SALES):
            block = min(BLOCK_SALES, sales - done)
            used_s = time.thread_time()
            shop.sell_timed(block, till_s)
            till_cpu_s += time.thread_time() - used_s
            rows = rows_since(shop.file, seq)
            if len(rows) != block:
                raise BenchError(f"{block} sales left the rows of {len(rows)}")
            used_s = time.thread_time()
            raw.write_timed(rows, raw_s)
            raw_cpu_s += time.thread_time() - used_s
            seq += block
        raw.close()
        same_rows = require_same_rows(shop.file, raw.file)
    till, limit = spread(till_s), spread(raw_s)
    return Comparison(
        till=till,
        raw=limit,
        till_cpu_ms=round(till_cpu_s / sales * 1000, 4),
        raw_cpu_ms=round(raw_cpu_s / sales * 1000, 4),
        held=Held(ratio=round(limit.p50_ms / till.p50_ms, 4), at_least=at_least),
        commits_a_sale=round(len(commits) / sales, 3),
        same_rows=same_rows,
    )


def attribute(folder: Path, sales: int) -> list[Share]:
    """Where the time of ``sales`` sales went; measuring makes them a little slower."""
    watch = Stopwatch()
    with selling_shop(folder) as shop:
        warm_up(shop)
        with watching(watch):
            watch.start()
            for _ in range(sales):
                shop.sell()
            watch.stop()
    return watch.shares(sales)


def warm_up(shop: SellingShop) -> None:
    """The first sales fill caches; a shop sells all day."""
    for _ in range(WARM_UP_SALES):
        shop.sell()


def _count_commits(shop: SellingShop, sync_s: float) -> list[None]:
    """Grows by one with each commit of the till's file from now on, which waits ``sync_s``."""
    commits = list[None]()

    def note(_connection: Any) -> None:
        commits.append(None)
        if sync_s:
            time.sleep(sync_s)

    event.listen(shop.store.engine, "commit", note)
    return commits


def _last_seq(shop: SellingShop) -> int:
    with shop.store.reading() as connection:
        seq: int = connection.exec_driver_sql("SELECT max(seq) FROM journal").scalar_one()
    return seq
