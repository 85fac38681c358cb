"""Counts the syncs of real sales by watching a selling process with strace.

The process marks the stretch that counts by syncing a file of its own before and after it.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from msgspec import Struct

from bench.shop import selling_shop
from terminal.store.sqlite import DATABASE_FILE

ROOT = Path(__file__).resolve().parent.parent
WITHIN_S = 120
WARM_UP_SALES = 5
BEGIN, END = "begin.mark", "end.mark"
SYNCED = re.compile(r"\b(?:fsync|fdatasync)\(\d+<(?P<file>[^>]*)>\)")


class SyncCount(Struct, frozen=True, kw_only=True):
    """Syncs a sale. ``log``: of the write-ahead log, among them one for each commit;
    ``database``: of the file itself, when a checkpoint moves the log into it.
    """

    sales: int
    log: float
    database: float

    @property
    def all(self) -> float:
        return self.log + self.database


def count_syncs(folder: Path, sales: int) -> SyncCount | str:
    """Syncs a sale, counted; or why they could not be counted, in a sentence."""
    strace = shutil.which("strace")
    if strace is None:
        return "没有数：缺少 strace · not counted: strace is not installed"
    log = folder / "strace.log"
    watched = [sys.executable, "-m", "bench.syncs", str(folder / "counted"), str(sales)]
    command = [strace, "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", str(log), *watched]
    try:
        subprocess.run(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WITHIN_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"没有数：strace 不能用 · not counted: strace failed ({error})"
    return read_log(log.read_text(errors="replace"), sales)


def read_log(text: str, sales: int) -> SyncCount | str:
    """Count what stands between the marks of strace's log."""
    files = [Path(found["file"]).name for found in SYNCED.finditer(text)]
    if BEGIN not in files or END not in files:
        return "没有数：strace 的记录不完整 · not counted: strace's log is incomplete"
    counted = Counter(files[files.index(BEGIN) + 1 : files.index(END)])
    return SyncCount(
        sales=sales,
        log=round(counted[f"{DATABASE_FILE}-wal"] / sales, 3),
        database=round(counted[DATABASE_FILE] / sales, 3),
    )


def _mark(folder: Path, name: str) -> None:
    with (folder / name).open("wb") as file:
        os.fsync(file.fileno())


def sell(folder: Path, sales: int) -> None:
    """What the watched process does."""
    with selling_shop(folder) as shop:
        for _ in range(WARM_UP_SALES):
            shop.sell()
        _mark(folder, BEGIN)
        for _ in range(sales):
            shop.sell()
        _mark(folder, END)


if __name__ == "__main__":
    sell(Path(sys.argv[1]), int(sys.argv[2]))
