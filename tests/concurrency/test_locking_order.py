"""Two batches that name the same accounts in opposite order: which order are they locked in?

One transaction at a time changes a pool's books, because each locks the pool's row first; so the
order of the accounts is seen only with that lock off. A third hand holds the first account
meanwhile: both batches come to where they wait, and only then is it let go.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import count

import pytest
from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import DBAPIError

import server.ledger.accounts as accounts_module
from server.db import dialect, reading, run_writing, writing
from server.db.working_set import Wish, WorkingSet
from server.ledger import (
    Ahead,
    Asset,
    EntryDraft,
    Leg,
    Normal,
    Posted,
    balance,
    open_account,
    post,
    post_many,
    read_ahead_in_books,
)
from server.ledger.tables import account as account_table

POOL = "guanghui"
NOON = datetime(2025, 3, 1, 4, 0, tzinfo=UTC)
BOTH = ("resident:a", "resident:b")
BATCHES = {1: BOTH, 2: BOTH[::-1]}
"""Which batch names the accounts in which order."""

Book = Callable[[Connection, list[EntryDraft]], list[object]]

pytestmark = pytest.mark.postgres


@pytest.fixture(autouse=True)
def books_without_their_lock(postgres_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the pool's row any more; each question takes numbers that nobody has."""
    numbers = count(1_000, 1_000)
    with writing(postgres_engine) as tx:
        for name in BOTH:
            open_account(
                tx, POOL, name, Asset.POINTS, "resident", normal=Normal.CREDIT, floor_at_zero=True
            )
        open_account(tx, POOL, "issued", Asset.POINTS, "issued", normal=Normal.DEBIT, hot=True)

    def unlocked(books: WorkingSet) -> Wish | None:
        if books.noted(accounts_module._IS_LOCKED) is None:
            first = next(numbers)
            head = {"pool": POOL, "last_entry_no": first, "last_transfer_no": first}
            books.refresh()
            books.keep(accounts_module.LEDGER_HEAD, head)
            books.note(accounts_module._IS_LOCKED, value=True)
        return None

    monkeypatch.setattr(accounts_module, "head_wish", unlocked)


def drafts(batch: int) -> list[EntryDraft]:
    return [
        EntryDraft(
            f"award:{batch}:{name}",
            "award",
            NOON,
            date(2025, 3, 1),
            (Leg(Asset.POINTS, "award", "issued", name, 10),),
        )
        for name in BATCHES[batch]
    ]


def one_after_the_other(tx: Connection, batch: list[EntryDraft]) -> list[object]:
    """The order is off: each entry's account is locked when its turn comes."""
    return [post(tx, POOL, each, recorded_at=NOON, fact_no=1) for each in batch]


def as_a_batch(tx: Connection, batch: list[EntryDraft]) -> list[object]:
    return list(post_many(tx, POOL, batch, recorded_at=NOON, fact_no=1))


def as_intake_does(tx: Connection, batch: list[EntryDraft]) -> list[object]:
    """Records of terminals read ahead what all of them need, then book one after the other."""
    ahead = Ahead({leg.credit for each in batch for leg in each.legs})
    ahead.entry_keys.update(each.key for each in batch)
    read_ahead_in_books(tx, POOL, ahead, NOON)
    return one_after_the_other(tx, batch)


@contextmanager
def somebody_holds(engine: Engine, account: str) -> Iterator[None]:
    own_row = account_table.c.account == account
    with writing(engine) as tx:
        tx.execute(dialect.locked(select(account_table.c.account).where(own_row))).all()
        yield


def wait_for_waiters(engine: Engine, wanted: int) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock'"
    )
    for _ in range(1_000):
        with engine.connect() as looking:
            if looking.execute(waiting).scalar_one() >= wanted:
                return
        time.sleep(0.01)
    raise AssertionError(f"{wanted} batches never came to wait")


def is_free(engine: Engine, account: str) -> bool:
    own_row = account_table.c.account == account
    free = select(account_table.c.account).where(own_row).with_for_update(skip_locked=True)
    with engine.connect() as looking:
        return looking.execute(free).first() is not None


def both_at_once(engine: Engine, book: Book) -> tuple[bool, list[Future[list[object]]]]:
    """Whether the second account was free while both waited for the first; what became of both."""

    def run(batch: int) -> list[object]:
        with writing(engine) as tx:
            return book(tx, drafts(batch))

    with ThreadPoolExecutor(2) as threads:
        with somebody_holds(engine, BOTH[0]):
            answers = []
            for batch in BATCHES:
                answers.append(threads.submit(run, batch))
                wait_for_waiters(engine, batch)
            second_is_free = is_free(engine, BOTH[1])
        return second_is_free, answers


def test_with_the_order_off_two_batches_lock_each_other_out(postgres_engine: Engine) -> None:
    second_is_free, answers = both_at_once(postgres_engine, one_after_the_other)
    assert not second_is_free
    (fault,) = [each.exception() for each in answers if each.exception() is not None]
    assert isinstance(fault, DBAPIError)
    assert getattr(fault.orig, "sqlstate", None) == "40P01"  # deadlock_detected
    assert dialect.may_pass_by_waiting(fault)


@pytest.mark.parametrize("book", [as_a_batch, as_intake_does])
def test_in_the_order_of_their_keys_both_are_booked(postgres_engine: Engine, book: Book) -> None:
    second_is_free, answers = both_at_once(postgres_engine, book)
    assert second_is_free, "the second account was locked before the first"
    for each in answers:
        assert [type(outcome) for outcome in each.result()] == [Posted, Posted]
    with reading(postgres_engine) as tx:
        assert [balance(tx, POOL, name, Asset.POINTS) for name in BOTH] == [20, 20]


def test_a_batch_that_was_locked_out_is_booked_when_it_is_asked_again(
    postgres_engine: Engine,
) -> None:
    """What stands behind the order: a deadlock from elsewhere costs a try and no points."""

    def again(batch: int) -> list[object]:
        return run_writing(postgres_engine, lambda tx: one_after_the_other(tx, drafts(batch)))

    with ThreadPoolExecutor(2) as threads:
        with somebody_holds(postgres_engine, BOTH[0]):
            answers = []
            for batch in BATCHES:
                answers.append(threads.submit(again, batch))
                wait_for_waiters(postgres_engine, batch)
        booked = [each.result() for each in answers]
    assert [[type(outcome) for outcome in each] for each in booked] == [[Posted] * 2] * 2
    with reading(postgres_engine) as tx:
        assert [balance(tx, POOL, name, Asset.POINTS) for name in BOTH] == [20, 20]
