"""Hot accounts: roll-up and tail are the balance, with transactions still open as well."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Connection, Engine, event, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from server.db import reading, writing
from server.ledger import (
    Asset,
    EntryDraft,
    Leg,
    RolledUp,
    balance,
    check_ledger,
    check_rollups,
    fold,
    post,
    roll_up,
)
from server.ledger.tables import entry, rollup, transfer
from tests.unit.facts.test_desk import wait_until_somebody_waits
from tests.unit.ledger.conftest import POOL

NOON = datetime(2025, 3, 1, 4, 0, tzinfo=UTC)
on_postgres = pytest.mark.parametrize(
    "engine", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


def award(tx: Connection, number: int, amount: int) -> None:
    leg = Leg(Asset.POINTS, "award", "issued", "resident:a", amount)
    draft = EntryDraft(f"award:{number}", "award", NOON, date(2025, 3, 1), (leg,))
    post(tx, POOL, draft, recorded_at=NOON, fact_no=number)


def issued(engine: Engine) -> int:
    with reading(engine) as tx:
        return balance(tx, POOL, "issued", Asset.POINTS)


def rolled(engine: Engine) -> list[tuple[str, int, int, int]]:
    """Roll-ups that took anything in."""
    with reading(engine) as tx:
        rows = tx.execute(select(rollup).order_by(rollup.c.account)).all()
    return [
        (row.account, row.upto, row.debits, row.credits) for row in rows if row.debits + row.credits
    ]


def test_a_balance_is_its_roll_up_and_its_tail(books: Engine) -> None:
    with writing(books) as tx:
        award(tx, 1, 30)
        award(tx, 2, 12)
        assert roll_up(tx, POOL) == RolledUp(accounts=1, upto=2)
    assert rolled(books) == [("issued", 2, 42, 0)]
    assert issued(books) == 42
    with writing(books) as tx:
        award(tx, 3, 5)
    assert issued(books) == 47
    with writing(books) as tx:
        assert roll_up(tx, POOL) == RolledUp(accounts=1, upto=3)
        assert roll_up(tx, POOL) == RolledUp(accounts=0, upto=3)
    assert rolled(books) == [("issued", 3, 47, 0)]
    assert issued(books) == 47
    with reading(books) as tx:
        assert list(check_ledger(tx, POOL)) == []


def test_a_pool_without_books_has_nothing_to_roll_up(engine: Engine) -> None:
    with writing(engine) as tx:
        assert roll_up(tx, "nowhere") == RolledUp(0, 0)


@pytest.fixture
def tail_rows(books: Engine) -> Iterator[list[int]]:
    """How far back each sum over transfers goes: the number after which it begins."""
    seen: list[int] = []

    def see(*given: object) -> None:
        parameters = given[3]
        if "sum(transfer.amount)" in str(given[2]) and isinstance(parameters, dict):
            seen.append(int(parameters.get("after", -1)))

    event.listen(books, "before_cursor_execute", see)
    yield seen
    event.remove(books, "before_cursor_execute", see)


@on_postgres
def test_a_balance_sums_no_more_than_the_tail(books: Engine, tail_rows: list[int]) -> None:
    with writing(books) as tx:
        for number in range(1, 6):
            award(tx, number, 1)
    assert issued(books) == 5
    with writing(books) as tx:
        roll_up(tx, POOL)
    tail_rows.clear()
    assert issued(books) == 5
    assert set(tail_rows) == {5}


def test_the_check_names_a_roll_up_that_is_wrong(books: Engine) -> None:
    with writing(books) as tx:
        award(tx, 1, 30)
        roll_up(tx, POOL)
        tx.execute(rollup.update().where(rollup.c.account == "issued").values(debits=31))
    with reading(books) as tx:
        (violation,) = check_rollups(tx, POOL)
    assert (violation.invariant, violation.where) == (
        "I2",
        "pool guanghui, roll-up of issued, points",
    )


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DELETE FROM rollup", "a roll-up is never deleted"),
        ("UPDATE rollup SET upto = upto - 1", "only takes in more"),
        ("UPDATE rollup SET debits = debits - 1", "only takes in more"),
    ],
)
def test_the_database_lets_no_roll_up_step_back(books: Engine, statement: str, says: str) -> None:
    with writing(books) as tx:
        award(tx, 1, 30)
        roll_up(tx, POOL)
    with pytest.raises(DBAPIError, match=says), writing(books) as tx:
        tx.execute(text(statement + " WHERE account = 'issued'"))


@on_postgres
def test_transfers_of_an_open_transaction_are_not_lost(books: Engine) -> None:
    with writing(books) as tx:
        award(tx, 1, 30)
    with writing(books) as still_open:
        award(still_open, 2, 12)
        with writing(books) as tx:  # and does not wait for it
            assert roll_up(tx, POOL).upto == 1
        assert issued(books) == 30
    assert issued(books) == 42
    with writing(books) as tx:
        assert roll_up(tx, POOL).upto == 2
    assert rolled(books) == [("issued", 2, 42, 0)]


@on_postgres
def test_no_number_is_given_out_while_a_lower_one_is_open(books: Engine) -> None:
    def award_too() -> None:
        with writing(books) as tx:
            award(tx, 2, 5)

    with ThreadPoolExecutor(1) as other_thread:
        with writing(books) as still_open:
            award(still_open, 1, 30)
            other = other_thread.submit(award_too)
            wait_until_somebody_waits(books)
            assert not other.done()
        other.result()
    with reading(books) as tx:
        numbers = tx.execute(
            select(transfer.c.transfer_no, entry.c.key)
            .join(entry, entry.c.entry_no == transfer.c.entry_no)
            .order_by(transfer.c.transfer_no)
        ).all()
    assert [tuple(row) for row in numbers] == [(1, "award:1"), (2, "award:2")]


@on_postgres
def test_a_roll_up_to_the_highest_number_in_sight_would_lose_an_open_one(books: Engine) -> None:
    """With numbers that commit out of order, as a sequence gives them out, instead of the lock."""
    with writing(books) as tx:
        award(tx, 1, 30)
    with writing(books) as still_open:
        by_hand(still_open, 2, 12)
        with writing(books) as tx:
            by_hand(tx, 3, 5)
        with writing(books) as tx:
            naive = tx.execute(select(func.max(transfer.c.transfer_no))).scalar_one()
            sums = fold(tx, POOL, "issued", Asset.POINTS, upto=naive)
            tx.execute(
                insert(rollup).values(
                    pool=POOL,
                    account="issued",
                    asset="points",
                    upto=naive,
                    debits=sums.debits,
                    credits=sums.credits,
                )
            )
    assert naive == 3
    assert issued(books) == 35, "12 of 47 are lost"
    with reading(books) as tx:
        assert [each.invariant for each in check_rollups(tx, POOL)] == ["I2"]


def by_hand(tx: Connection, number: int, amount: int) -> None:
    """An award as somebody would write it who does not use the door."""
    tx.execute(
        insert(entry).values(
            pool=POOL,
            entry_no=number,
            key=f"award:{number}",
            kind="award",
            input_hash=bytes(32),
            occurred_at=NOON,
            recorded_at=NOON,
            business_date=date(2025, 3, 1),
            fact_no=number,
            memo="",
        )
    )
    tx.execute(
        insert(transfer).values(
            pool=POOL,
            transfer_no=number,
            entry_no=number,
            position=1,
            asset="points",
            code="award",
            debit_account="issued",
            credit_account="resident:a",
            amount=amount,
        )
    )
