"""The limit: plain sqlite3 writing the very rows that the till wrote, in as many commits.

The raw file begins as a copy of the till's, so that schema, indexes and fill are the same;
pragmas are those that the till's own file has. What the till reads, seals, composes and
checks is left out: it is what the ratio is about.
"""

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from bench.figures import BenchError, timed_into
from terminal.domain.sale import SaleState
from terminal.store.disk import PRAGMAS
from terminal.store.sqlite import RECEIPT_COUNTER

TABLES = ("counter", "journal", "outbox", "sale", "print_job")
ASKED = (
    "INSERT INTO sale (sale_id, state, opened_at, points, total_fen, cash_fen, stood_in,"
    " decline_reason) VALUES (?, ?, ?, 0, ?, 0, 0, '')"
)
NUMBERED = (
    "INSERT INTO counter (name, value) VALUES (?, 1)"
    " ON CONFLICT (name) DO UPDATE SET value = value + 1"
)
JOURNALLED = (
    "INSERT INTO journal (epoch, seq, hash, occurred_at, kind, sale_id, body, signature)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
TO_TELL = "INSERT INTO outbox (epoch, seq) VALUES (?, ?)"
CAPTURED = (
    "UPDATE sale SET state = ?, approved_at = ?, captured_at = ?, receipt_no = ?, account = ?, points = ?,"
    " cash_fen = ?, stood_in = ?, balance_points = ?, epoch = ?, seq = ? WHERE sale_id = ?"
)
PRINTED = (
    "INSERT INTO print_job (kind, receipt_no, copy_no, state, trouble, document)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class SaleRows:
    """One sale's rows, ready to be bound."""

    asked: Row
    journalled: Row
    told: Row
    captured: Row
    printed: Row


def rows_since(file: Path, seq: int) -> list[SaleRows]:
    """The rows of every sale that the till journalled after ``seq``, in order."""
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    try:
        found = connection.execute(
            "SELECT j.epoch, j.seq, j.hash, j.occurred_at, j.kind, j.sale_id, j.body, j.signature,"
            " s.opened_at, s.total_fen, s.state, s.approved_at, s.captured_at, s.receipt_no, s.account, s.points,"
            " s.cash_fen, s.stood_in, s.balance_points, p.kind, p.copy_no, p.state, p.trouble,"
            " p.document FROM journal j JOIN sale s ON s.epoch = j.epoch AND s.seq = j.seq"
            " JOIN print_job p ON p.receipt_no = s.receipt_no WHERE j.seq > ? ORDER BY j.seq",
            (seq,),
        ).fetchall()
    finally:
        connection.close()
    return [
        SaleRows(
            asked=(row[5], SaleState.AUTHORISING.value, row[8], row[9]),
            journalled=row[0:8],
            told=row[0:2],
            captured=(*row[10:19], *row[0:2], row[5]),
            printed=(row[19], row[13], *row[20:24]),
        )
        for row in found
    ]


class RawFile:
    """A file beside the till's, written without anything of ours in between.

    ``sync_s``: how long each commit is made to wait before it happens, as with a slow disk.
    """

    def __init__(self, file: Path, copy_of: Path, *, sync_s: float = 0.0) -> None:
        self.file = file
        self._sync_s = sync_s
        source = sqlite3.connect(copy_of)
        self._connection = sqlite3.connect(file, isolation_level=None)
        source.backup(self._connection)
        source.close()
        for name, (asked, _) in PRAGMAS.items():
            self._connection.execute(f"PRAGMA {name}={asked}")
        for name, (_, expected) in PRAGMAS.items():
            found = self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            if found != expected:
                raise BenchError(f"{file}: {name} is {found!r}, not {expected!r}")

    def close(self) -> None:
        self._connection.close()

    def write_timed(self, sales: list[SaleRows], durations_s: list[float]) -> None:
        """Write sales in two commits each and note how long each sale took."""
        for rows in sales:
            with timed_into(durations_s):
                self._write(rows)

    def _write(self, rows: SaleRows) -> None:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        execute(ASKED, rows.asked)
        self._commit()
        execute("BEGIN IMMEDIATE")
        execute(NUMBERED, (RECEIPT_COUNTER,))
        execute(JOURNALLED, rows.journalled)
        execute(TO_TELL, rows.told)
        execute(CAPTURED, rows.captured)
        execute(PRINTED, rows.printed)
        self._commit()

    def _commit(self) -> None:
        if self._sync_s:
            time.sleep(self._sync_s)
        self._connection.execute("COMMIT")


def require_same_rows(one: Path, other: Path) -> int:
    """Check that both files hold the same; returns how many rows were compared.

    Raises:
        BenchError: they differ, so their times must not be compared.
    """
    compared = 0
    for table in TABLES:
        held = [_rows(file, table) for file in (one, other)]
        if held[0] != held[1]:
            raise BenchError(f"{table} differs between {one.name} and {other.name}")
        compared += len(held[0])
    return compared


def _rows(file: Path, table: str) -> list[Row]:
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
    finally:
        connection.close()
