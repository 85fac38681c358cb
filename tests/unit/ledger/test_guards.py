"""The database itself defends the books, whoever holds the connection."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from server.db import writing
from server.ledger import Asset, EntryDraft, Leg, place_hold, post, void_hold

POOL = "guanghui"
NOON = datetime(2025, 3, 1, 4, 0, tzinfo=UTC)
LATER = datetime(2025, 3, 1, 5, 0, tzinfo=UTC)

AN_EMPTY_TRANSFER = """
INSERT INTO transfer SELECT pool, 9, entry_no, 9, asset, code, debit_account, credit_account, 0
FROM transfer
"""
A_GREEDY_CAPTURE = """
INSERT INTO hold SELECT pool, 's2', account, asset, 5, 'captured', 6, placed_at, expires_at,
placed_at FROM hold
"""
AN_ENTRY_AGAIN = """
INSERT INTO entry SELECT pool, 2, key, kind, input_hash, occurred_at, recorded_at, business_date,
fact_no, memo FROM entry
"""


@pytest.fixture
def booked(books: Engine) -> Engine:
    leg = Leg(Asset.POINTS, "award", "issued", "resident:a", 100)
    with writing(books) as tx:
        draft = EntryDraft("award:1", "award", NOON, date(2025, 3, 1), (leg,))
        post(tx, POOL, draft, recorded_at=NOON, fact_no=1)
        place_hold(tx, POOL, "s1", "resident:a", 60, placed_at=NOON, expires_at=LATER)
        void_hold(tx, POOL, "s1", at=NOON)
    return books


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE transfer SET amount = 1", "a transfer is never changed"),
        ("DELETE FROM transfer", "a transfer is never changed"),
        ("UPDATE entry SET memo = 'x'", "an entry is never changed"),
        ("DELETE FROM entry", "an entry is never changed"),
        ("DELETE FROM hold", "a hold is never deleted"),
        ("UPDATE hold SET state = 'held', resolved_at = NULL", "a resolved hold is never changed"),
        ("DELETE FROM account WHERE account = 'bank'", "an account is never deleted"),
        ("UPDATE account SET credits = 99 WHERE account = 'resident:a'", "sums only grow"),
        ("UPDATE account SET floor_at_zero = false WHERE floor_at_zero", "stays what it was"),
        (
            "UPDATE account SET debits = 101 WHERE account = 'resident:a'",
            "a_floored_account_never_goes_below_zero",
        ),
        ("UPDATE account SET debits = 1 WHERE account = 'bank'", "a_hot_account_is_only_folded"),
        (AN_EMPTY_TRANSFER, "a_transfer_moves_more_than_nothing"),
        (A_GREEDY_CAPTURE, "a_hold_captures_at_most_what_it_held"),
    ],
)
def test_a_change_that_breaks_the_books_is_refused(
    booked: Engine, statement: str, says: str
) -> None:
    with pytest.raises(DBAPIError, match=says), writing(booked) as tx:
        tx.execute(text(statement))


def test_a_row_cannot_be_replaced_or_its_table_emptied(booked: Engine) -> None:
    statement = "REPLACE INTO transfer SELECT * FROM transfer"
    if booked.dialect.name == "postgresql":
        statement = "TRUNCATE transfer CASCADE"
    with pytest.raises(DBAPIError, match="a transfer is never changed"), writing(booked) as tx:
        tx.execute(text(statement))


def test_a_natural_key_cannot_be_booked_twice(booked: Engine) -> None:
    sentence = pytest.raises(DBAPIError, match=r"entry\.key|a_natural_key_is_booked_once")
    with sentence, writing(booked) as tx:
        tx.execute(text(AN_ENTRY_AGAIN))
