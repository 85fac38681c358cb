"""Two at once, made to meet where a scheduler would let them meet once in a million times."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from threading import Barrier, BrokenBarrierError, current_thread, main_thread
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from server.db.bulk import Row
from server.db.working_set import Stored, WorkingSet
from server.facts import applying

WITH_LOCK_S, WITHOUT_LOCK_S = 0.5, 20.0
"""How long the first waits for the second: in vain with the lock on; with it off, both come."""

_FACTS_BEFORE = 1_000_000
"""Numbers that the lock did not give out begin far above those that it did."""


def make_meet(patch: pytest.MonkeyPatch, owner: object, name: str, *, wait_s: float) -> None:
    """Makes two threads meet when both have come back from a function, and before either goes on;
    each once. The main thread passes.
    """
    read: Callable[..., Any] = getattr(owner, name)
    barrier = Barrier(2)

    def read_and_meet(*args: Any, **options: Any) -> Any:
        found = read(*args, **options)
        if current_thread() is not main_thread():
            with suppress(BrokenBarrierError):
                barrier.wait(wait_s)
        return found

    patch.setattr(owner, name, read_and_meet)


def take_the_lock_off(patch: pytest.MonkeyPatch, *, first: int = _FACTS_BEFORE) -> None:
    """Facts of one pool no longer wait for each other: each gets a number without anybody's
    lock, from ``first`` on, and nobody writes the log's head. The ledger's own locks stay.
    """
    numbers = count(first)
    replace = WorkingSet.replace

    def counted(books: WorkingSet, *_: object) -> Row:
        head = {"last_fact_no": next(numbers), "last_recorded_at": None, "standing_no": 0}
        return {"pool": books.pool} | head

    def replace_but_the_head(books: WorkingSet, stored: Stored, row: Row) -> None:
        if stored is not applying._HEAD:
            replace(books, stored, row)

    patch.setattr(applying, "_locked_head", counted)
    patch.setattr(WorkingSet, "replace", replace_but_the_head)


def both(*works: Callable[[], object]) -> list[object]:
    """What each answered, or the database's refusal, in order."""

    def or_fault(work: Callable[[], object]) -> object:
        try:
            return work()
        except DBAPIError as fault:
            return fault

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(or_fault, works))
