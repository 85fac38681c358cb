"""A till with a million past sales, against one that begins: they sell in turns."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from bench.figures import BenchError, Held, Spread, spread
from bench.shop import SellingShop, selling_shop

PAST_AT_MOST = 1.2
BLOCK_SALES = 10
_COPIES = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
"""
_PAST = (
    (
        "INSERT INTO journal (epoch, seq, hash, occurred_at, kind, sale_id, body, signature, told_at,"
        " outcome) {copies} SELECT epoch, ? + i, hash, occurred_at, kind, 'past-' || i, body, signature,"
        " occurred_at, 'posted' FROM journal, n WHERE seq = ? AND epoch = ?"
    ),
    (
        "INSERT INTO sale (sale_id, state, opened_at, captured_at, receipt_no, account, points,"
        " total_fen, cash_fen, stood_in, decline_reason, epoch, seq) {copies} SELECT 'past-' || i, state,"
        " opened_at, captured_at, 'past-' || i, account, points, total_fen, cash_fen, stood_in,"
        " decline_reason, epoch, ? + i FROM sale, n WHERE seq = ? AND epoch = ?"
    ),
)


class Past(Struct, frozen=True, kw_only=True):
    """How long a sale takes with and without a past."""

    past_sales: int
    with_past: Spread
    empty: Spread
    held: Held


def measure_past(folder: Path, *, past_sales: int, sales: int, say: Callable[[str], None]) -> Past:
    """Sell in turns at both tills.

    Raises:
        BenchError: the past could not be written.
    """
    with selling_shop(folder / "old") as old, selling_shop(folder / "new") as new:
        old.sell()
        say(f"写入过往销售 · writing past sales: {past_sales}")
        _live(old, past_sales)
        for shop in (old, new):
            shop.sell_timed(BLOCK_SALES, [])
        old_s, new_s = list[float](), list[float]()
        for _ in range(0, sales, BLOCK_SALES):
            old.sell_timed(BLOCK_SALES, old_s)
            new.sell_timed(BLOCK_SALES, new_s)
    with_past, empty = spread(old_s), spread(new_s)
    ratio = round(with_past.p50_ms / empty.p50_ms, 3)
    return Past(
        past_sales=past_sales,
        with_past=with_past,
        empty=empty,
        held=Held(ratio=ratio, at_most=PAST_AT_MOST),
    )


def _live(shop: SellingShop, past_sales: int) -> None:
    """Give the shop a past: copies of its newest sale, all of them told."""
    with closing(sqlite3.connect(shop.file, isolation_level=None)) as file:
        newest = "SELECT epoch, seq FROM sale WHERE state = 'captured' ORDER BY seq DESC LIMIT 1"
        epoch, seq = file.execute(newest).fetchone()
        file.execute("BEGIN IMMEDIATE")
        file.execute("DELETE FROM outbox")
        for text in _PAST:
            file.execute(text.format(copies=_COPIES), (past_sales, seq, seq, epoch))
        file.execute("COMMIT")
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (found,) = file.execute("SELECT count(*) FROM sale").fetchone()
    if found <= past_sales:
        raise BenchError(f"{found} sales instead of {past_sales}")
