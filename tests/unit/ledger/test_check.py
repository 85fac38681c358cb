"""Each test breaks the books behind the ledger's back and sees the check name the row."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Connection, Engine, text

from server.db import reading, writing
from server.ledger import Asset, EntryDraft, Leg, check_ledger, place_hold, post, take_hold

POOL = "guanghui"
NOON = datetime(2025, 3, 1, 4, 0, tzinfo=UTC)
LATER = datetime(2025, 3, 1, 5, 0, tzinfo=UTC)


@pytest.fixture
def booked(books: Engine) -> Engine:
    rows = [
        ("award:1", Leg(Asset.POINTS, "award", "issued", "resident:a", 100)),
        ("sale:1", Leg(Asset.POINTS, "redeem", "resident:a", "redeemed", 100)),
        ("award:2", Leg(Asset.POINTS, "award", "issued", "resident:a", 40)),
    ]
    with writing(books) as tx:
        for key, leg in rows:
            draft = EntryDraft(key, "entry", NOON, date(2025, 3, 1), (leg,))
            post(tx, POOL, draft, recorded_at=NOON, fact_no=1)
        place_hold(tx, POOL, "s1", "resident:a", 30, placed_at=NOON, expires_at=LATER)
        take_hold(tx, POOL, "s1", 20, at=NOON)
    return books


@contextmanager
def undefended(engine: Engine) -> Iterator[Connection]:
    """A connection for which triggers and checks are off, as after a restored or edited file."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            names = connection.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            ).scalars()
            for name in names.all():
                connection.execute(text(f"DROP TRIGGER {name}"))
            connection.commit()
            for pragma in ("ignore_check_constraints = ON", "foreign_keys = OFF"):
                connection.connection.execute(f"PRAGMA {pragma}")
        else:
            connection.execute(text("SET session_replication_role = replica"))
            for table, sentence in (
                ("account", "a_floored_account_never_goes_below_zero"),
                ("account", "a_hot_account_is_only_folded"),
                ("hold", "a_hold_captures_at_most_what_it_held"),
            ):
                connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {sentence}"))
        yield connection
        connection.commit()
        connection.invalidate()


def found(engine: Engine) -> list[tuple[str, str]]:
    with reading(engine) as tx:
        return [(each.invariant, each.where) for each in check_ledger(tx, POOL)]


def test_right_books_have_no_violation(booked: Engine) -> None:
    assert found(booked) == []


def test_a_pool_without_books_has_no_violation(engine: Engine) -> None:
    assert found(engine) == []


def test_a_changed_balance_is_named_by_account(booked: Engine) -> None:
    with undefended(booked) as tx:
        tx.execute(text("UPDATE account SET credits = 150 WHERE account = 'resident:a'"))
    assert found(booked) == [
        ("I1", "pool guanghui, points"),
        ("I2", "pool guanghui, account resident:a, points"),
    ]


def test_a_hot_account_that_was_written_to_is_named(booked: Engine) -> None:
    with undefended(booked) as tx:
        tx.execute(text("UPDATE account SET debits = 1, credits = 1 WHERE account = 'issued'"))
    assert found(booked) == [("I2", "pool guanghui, account issued, points")]


def test_a_changed_transfer_is_named_by_its_accounts(booked: Engine) -> None:
    with undefended(booked) as tx:
        tx.execute(text("UPDATE transfer SET amount = 90 WHERE transfer_no = 2"))
    assert ("I2", "pool guanghui, account resident:a, points") in found(booked)


def test_a_balance_below_zero_in_the_past_is_named_by_transfer(booked: Engine) -> None:
    with undefended(booked) as tx:
        # 70 + 40 - 100 stands above zero at the end, but not after the sale.
        tx.execute(text("UPDATE transfer SET amount = 70 WHERE transfer_no = 1"))
        tx.execute(text("UPDATE account SET credits = 110 WHERE account = 'resident:a'"))
    assert found(booked) == [("I3", "pool guanghui, account resident:a, transfer 2")]


def test_a_hold_that_took_more_than_it_held_is_named(booked: Engine) -> None:
    with undefended(booked) as tx:
        tx.execute(text("UPDATE hold SET captured_amount = 31"))
    assert found(booked) == [("I6", "pool guanghui, hold s1")]


def test_a_missing_transfer_and_its_empty_entry_are_named(booked: Engine) -> None:
    with undefended(booked) as tx:
        tx.execute(text("DELETE FROM transfer WHERE transfer_no = 3"))
    assert found(booked)[-2:] == [
        ("I2", "pool guanghui, table transfer"),
        ("I2", "pool guanghui, entry 3"),
    ]
