"""The database itself defends the books, whoever holds the connection."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import CheckConstraint, Engine, text
from sqlalchemy.exc import DBAPIError

from server.db import writing
from server.ledger import Asset, EntryDraft, Leg, place_hold, post, void_hold
from server.ledger import tables as t

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
NOT_THE_BOOKS = {
    "an_asset_is_points_or_fen": "account: pool, 'x', 'gold', kind, normal, false, false, 0, 0",
    "a_normal_side_is_debit_or_credit": "account: pool, 'x', asset, kind, 'left', false, false, 0, 0",
    "an_account_sums_whole_numbers_from_zero": (
        "account: pool, 'x', asset, kind, normal, false, false, -1, 0"
    ),
    "a_floored_account_never_goes_below_zero": (
        "account: pool, 'x', asset, kind, 'credit', true, false, 1, 0"
    ),
    "a_hot_account_has_no_floor": "account: pool, 'x', asset, kind, normal, true, true, 0, 0",
    "a_hot_account_is_only_folded": "account: pool, 'x', asset, kind, normal, false, true, 0, 1",
    "entries_are_counted_from_one": (
        "entry: pool, 0, 'k', kind, input_hash, occurred_at, recorded_at, business_date, 1, ''"
    ),
    "a_transfer_moves_more_than_nothing": (
        "transfer: pool, 9, entry_no, 9, asset, code, debit_account, credit_account, 0"
    ),
    "a_transfer_has_two_accounts": (
        "transfer: pool, 9, entry_no, 9, asset, code, debit_account, debit_account, 1"
    ),
    "a_hold_is_in_a_known_state": (
        "hold: pool, 's2', account, asset, 5, 'lost', 0, placed_at, expires_at, placed_at"
    ),
    "a_hold_captures_at_most_what_it_held": (
        "hold: pool, 's2', account, asset, 5, 'captured', 6, placed_at, expires_at, placed_at"
    ),
    "only_a_captured_hold_has_captured": (
        "hold: pool, 's2', account, asset, 5, 'voided', 1, placed_at, expires_at, placed_at"
    ),
    "a_resolved_hold_says_since_when": (
        "hold: pool, 's2', account, asset, 5, 'held', 0, placed_at, expires_at, placed_at"
    ),
    "an_amount_is_held_on_an_account": (
        "hold: pool, 's2', NULL, NULL, 5, 'voided', 0, placed_at, expires_at, placed_at"
    ),
    "a_live_hold_holds_something": (
        "hold: pool, 's2', NULL, NULL, 0, 'voided', 0, placed_at, expires_at, placed_at"
    ),
    "a_tombstone_holds_nothing": (
        "hold: pool, 's2', account, asset, 5, 'tombstone', 0, placed_at, expires_at, placed_at"
    ),
    "a_roll_up_sums_whole_numbers_from_zero": "rollup: pool, account, asset, -1, 0, 0",
}
"""By sentence, a row that would break it, from one that is there (a roll-up from its account)."""
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


@pytest.mark.parametrize("sentence", NOT_THE_BOOKS)
def test_a_row_that_no_books_have_is_refused_by_its_sentence(booked: Engine, sentence: str) -> None:
    table, _, values = NOT_THE_BOOKS[sentence].partition(": ")
    source = "account" if table == "rollup" else table
    where = " WHERE account = 'bank'" if source == "account" else ""
    statement = f"INSERT INTO {table} SELECT {values} FROM {source}{where}"
    with pytest.raises(DBAPIError, match=sentence), writing(booked) as tx:
        tx.execute(text(statement))


def test_every_sentence_of_the_books_has_its_row() -> None:
    tables = (t.ledger_head, t.account, t.entry, t.transfer, t.rollup, t.hold)
    checks = {
        str(each.name)
        for table in tables
        for each in table.constraints
        if isinstance(each, CheckConstraint)
    }
    assert checks == set(NOT_THE_BOOKS)


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
