"""Checked batches of entries through the ledger's one door, against COPY of the same rows."""

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime

import psycopg
from sqlalchemy import Engine

from bench.figures import BenchError
from bench.ledger_pool import POOL, account_of
from bench.postgres import Cluster
from server.db import writing
from server.ledger import (
    Asset,
    EntryDraft,
    Leg,
    Normal,
    Posted,
    open_account,
    post_many,
)

RESIDENTS, MERCHANTS = 200, 20
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
DAY = date(2026, 3, 2)
POINTS = 7
TABLES = ("entry", "transfer")


def open_books(engine: Engine) -> None:
    """Residents with points and merchants, in an empty set of books."""
    with writing(engine) as tx:
        for name, asset in (("points_issued", Asset.POINTS), ("pool_fund", Asset.FEN)):
            open_account(tx, POOL, name, asset, name, normal=Normal.DEBIT, hot=True)
        for number in range(RESIDENTS):
            open_account(
                tx,
                POOL,
                _resident(number),
                Asset.POINTS,
                "resident",
                normal=Normal.CREDIT,
                floor_at_zero=True,
            )
        for number in range(MERCHANTS):
            for kind, asset in (("redeemed", Asset.POINTS), ("merchant", Asset.FEN)):
                name = f"{kind}:m{number}"
                open_account(tx, POOL, name, asset, kind, normal=Normal.CREDIT, hot=True)
        given = [
            EntryDraft(
                f"open:{number}",
                "opening",
                NOON,
                DAY,
                (Leg(Asset.POINTS, "opening", "points_issued", _resident(number), 10**9),),
            )
            for number in range(RESIDENTS)
        ]
        post_many(tx, POOL, given, recorded_at=NOON, fact_no=1)


def drafts(first: int, count: int) -> list[EntryDraft]:
    """Redemptions as a capture books them: points to the merchant, money from the fund."""
    return [_draft(number) for number in range(first, first + count)]


def post_timed(engine: Engine, batch: Sequence[EntryDraft]) -> float:
    """Post a batch in one transaction; returns the seconds.

    Raises:
        BenchError: one was not posted.
    """
    began_s = time.perf_counter()
    with writing(engine) as tx:
        outcomes = post_many(tx, POOL, batch, recorded_at=NOON, fact_no=1)
    took_s = time.perf_counter() - began_s
    if not all(isinstance(each, Posted) for each in outcomes):
        raise BenchError("a draft was not posted")
    return took_s


class CopyFloor:
    """A second database with the same tables, indexes, constraints and triggers, and the same
    accounts; rows go from the first into it by COPY, as many to a commit.
    """

    def __init__(self, cluster: Cluster, source: str, target: str) -> None:
        self._source = cluster.connect(source)
        self._target = cluster.connect(target)
        for table in ("ledger_head", "account", *TABLES):
            self._pour(table, self._rows(table, 0))

    def close(self) -> None:
        self._source.close()
        self._target.close()

    def last_entry_no(self) -> int:
        """The newest entry of the first database."""
        row = self._source.execute("SELECT max(entry_no) FROM entry").fetchone()
        assert row is not None
        return int(str(row[0]))

    def copy_timed(self, after: int) -> float:
        """Copy the entries after this one with their transfers; the seconds, one commit included."""
        rows = {table: self._rows(table, after) for table in TABLES}
        began_s = time.perf_counter()
        with self._target.transaction():
            for table in TABLES:
                self._pour(table, rows[table])
        return time.perf_counter() - began_s

    def _rows(self, table: str, after: int) -> bytes:
        which = f" WHERE entry_no > {after}" if table in TABLES else ""
        asked = f"COPY (SELECT * FROM {table}{which}) TO STDOUT (FORMAT binary)"
        with self._source.cursor() as cursor, cursor.copy(asked.encode()) as copied:
            return b"".join(bytes(each) for each in copied)

    def _pour(self, table: str, rows: bytes) -> None:
        asked = f"COPY {table} FROM STDIN (FORMAT binary)"
        with _cursor(self._target) as cursor, cursor.copy(asked.encode()) as copying:
            copying.write(rows)


def _cursor(
    connection: psycopg.Connection[tuple[object, ...]],
) -> psycopg.Cursor[tuple[object, ...]]:
    return connection.cursor()


def _resident(number: int) -> str:
    return f"resident:{account_of(number + 1)}"


def _draft(number: int) -> EntryDraft:
    merchant = f"m{number % MERCHANTS}"
    return EntryDraft(
        key=f"sale:{number:036d}",
        kind="sale",
        occurred_at=NOON,
        business_date=DAY,
        legs=(
            Leg(
                Asset.POINTS,
                "redemption",
                _resident(number % RESIDENTS),
                f"redeemed:{merchant}",
                POINTS,
            ),
            Leg(Asset.FEN, "reimbursement", "pool_fund", f"merchant:{merchant}", POINTS * 10),
        ),
        memo=f"t001-{number:06d}",
    )
