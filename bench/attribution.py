"""Where a sale's time goes: each moment is charged to the innermost part that runs.

Functions are wrapped for as long as the measurement lasts, from outside, so that the
product carries no measuring of its own. Single-threaded.
"""

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import Transaction
from sqlalchemy.engine.default import DefaultDialect

from terminal.checkout import till as till_module
from terminal.checkout.asking import Asking
from terminal.receipts.composer import ReceiptComposer
from terminal.store import sqlite as store_module
from terminal.store.sealer import Sealer
from terminal.store.sqlite import SqliteWork
from terminal.store.texts import Text

SEALING = "封印和签名 · sealing and signing"
CODE = "读码验签 · reading and verifying the code"
RECEIPT = "小票 · receipt"
SQL_LAYER = "SQL：SQLAlchemy · SQL: SQLAlchemy"
SQL_STATEMENTS = "SQL：语句 · SQL: statements in SQLite"
SQL_COMMITS = "SQL：提交和落盘 · SQL: commits, with their syncs"
REST = "其余 · rest"


@dataclass(frozen=True, slots=True)
class Part:
    """A function whose time belongs under ``label``."""

    owner: object
    name: str
    label: str


PARTS = (
    Part(Sealer, "seal_next", SEALING),
    Part(till_module, "classify", CODE),
    Part(Asking, "question", CODE),
    Part(ReceiptComposer, "sale", RECEIPT),
    Part(store_module, "document_to_json", RECEIPT),
    Part(SqliteWork, "next_receipt_no", SQL_LAYER),
    Part(SqliteWork, "journal", SQL_LAYER),
    Part(SqliteWork, "save_sale", SQL_LAYER),
    Part(SqliteWork, "queue_print", SQL_LAYER),
    Part(Engine, "connect", SQL_LAYER),
    Part(Connection, "begin", SQL_LAYER),
    Part(Connection, "execute", SQL_LAYER),
    Part(Connection, "close", SQL_LAYER),
    Part(Transaction, "commit", SQL_LAYER),
    Part(DefaultDialect, "do_execute", SQL_STATEMENTS),
    Part(Text, "run", SQL_STATEMENTS),
    Part(DefaultDialect, "do_commit", SQL_COMMITS),
)


class Share(Struct, frozen=True, kw_only=True):
    """One line of the table: mean time a sale."""

    part: str
    mean_ms: float
    share: float


class Stopwatch:
    """Charges time to the label on top of a stack."""

    def __init__(self) -> None:
        self._spent_s: defaultdict[str, float] = defaultdict(float)
        self._stack = [REST]
        self._since_s = 0.0

    def start(self) -> None:
        self._since_s = time.perf_counter()

    def stop(self) -> None:
        self._charge()

    def enter(self, label: str) -> None:
        self._charge()
        self._stack.append(label)

    def leave(self) -> None:
        self._charge()
        self._stack.pop()

    def shares(self, count: int) -> list[Share]:
        """What ``count`` sales spent, the largest part first."""
        total_s = sum(self._spent_s.values())
        return [
            Share(part=label, mean_ms=round(s / count * 1000, 4), share=round(s / total_s, 4))
            for label, s in sorted(self._spent_s.items(), key=lambda item: -item[1])
        ]

    def _charge(self) -> None:
        now_s = time.perf_counter()
        self._spent_s[self._stack[-1]] += now_s - self._since_s
        self._since_s = now_s


@contextmanager
def watching(watch: Stopwatch, parts: Sequence[Part] = PARTS) -> Iterator[None]:
    """Wrap the parts' functions, and put them back afterwards."""
    unwrapped = [(part, vars(part.owner).get(part.name)) for part in parts]
    missing = [part.name for part, function in unwrapped if function is None]
    if missing:
        raise AttributeError(f"no longer where the benchmark looks for them: {missing}")
    try:
        for part, function in unwrapped:
            setattr(part.owner, part.name, _watched(watch, function, part.label))
        yield
    finally:
        for part, function in unwrapped:
            setattr(part.owner, part.name, function)


def _watched(watch: Stopwatch, function: Any, label: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        watch.enter(label)
        try:
            return function(*args, **kwargs)
        finally:
            watch.leave()

    return watched
