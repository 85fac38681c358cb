from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine

from server.db import reading, writing
from server.ledger import (
    Asset,
    EntryDraft,
    Leg,
    Normal,
    Sums,
    UnknownAccount,
    balance,
    balances,
    entry_of,
    fold,
    place_hold,
    post,
    spendable,
    transfers_of,
)
from server.ledger.spendables import spendables

POOL = "guanghui"
NOON = datetime(2025, 3, 1, 4, 0, 0, 123, tzinfo=UTC)


@pytest.fixture
def booked(books: Engine) -> Engine:
    """Ten awards to a of 1 to 10 points, each followed by a payment of 100 fen to m."""
    with writing(books) as tx:
        for n in range(1, 11):
            legs = (
                Leg(Asset.POINTS, "award", "issued", "resident:a", n),
                Leg(Asset.FEN, "reimburse", "fund", "merchant:m", 100),
            )
            at = NOON + timedelta(hours=n)
            draft = EntryDraft(f"award:{n}", "award", at, date(2025, 3, n), legs)
            post(tx, POOL, draft, recorded_at=at + timedelta(days=1), fact_no=n)
    return books


def test_a_hot_account_is_folded_and_a_cold_one_kept_with_the_same_result(booked: Engine) -> None:
    with reading(booked) as tx:
        assert balance(tx, POOL, "issued", Asset.POINTS) == 55
        assert balance(tx, POOL, "resident:a", Asset.POINTS) == 55
        assert balance(tx, POOL, "fund", Asset.FEN) == -1_000
        assert fold(tx, POOL, "resident:a", Asset.POINTS) == Sums(0, 55)
        assert fold(tx, POOL, "issued", Asset.POINTS, upto=5) == Sums(6, 0)
        assert fold(tx, POOL, "resident:a", Asset.FEN) == Sums(0, 0)


def test_transfers_of_an_account_come_in_pages(booked: Engine) -> None:
    with reading(booked) as tx:
        first = transfers_of(tx, POOL, "resident:a", Asset.POINTS, limit=4)
        rest = transfers_of(tx, POOL, "resident:a", Asset.POINTS, after=first[-1].transfer_no)
        assert transfers_of(tx, "yamen", "resident:a", Asset.POINTS) == []
    assert [each.amount for each in first] == [1, 2, 3, 4]
    assert [each.amount for each in rest] == [5, 6, 7, 8, 9, 10]
    third = first[2]
    assert (third.key, third.fact_no, third.business_date) == ("award:3", 3, date(2025, 3, 3))
    assert third.occurred_at == NOON + timedelta(hours=3)
    assert third.occurred_at.tzinfo is UTC
    assert third.recorded_at == NOON + timedelta(hours=3, days=1)


def test_balances_are_listed_by_kind_and_asset(booked: Engine) -> None:
    with reading(booked) as tx:
        merchants = balances(tx, POOL, kind="merchant")
        fen = balances(tx, POOL, asset=Asset.FEN)
    assert [(each.account, each.balance) for each in merchants] == [
        ("merchant:m", 1_000),
        ("merchant:n", 0),
    ]
    assert [each.account for each in fen] == ["bank", "fund", "merchant:m", "merchant:n"]
    assert sum(e.balance if e.normal is Normal.CREDIT else -e.balance for e in fen) == 0


def test_what_all_residents_may_spend_is_what_each_of_them_may(booked: Engine) -> None:
    later = NOON + timedelta(minutes=5)
    with writing(booked) as tx:
        for key, expires_at in (("live", later + timedelta(minutes=1)), ("expired", later)):
            place_hold(tx, POOL, key, "resident:a", 20, placed_at=NOON, expires_at=expires_at)
        found = spendables(tx, POOL, "resident", later)
        one_by_one = {name: spendable(tx, POOL, name, later) for name in found}
    assert found == one_by_one == {"resident:a": 35, "resident:b": 0}


def test_an_unknown_account_has_no_balance_and_an_unknown_key_no_entry(booked: Engine) -> None:
    with reading(booked) as tx:
        with pytest.raises(UnknownAccount, match="resident:z"):
            balance(tx, POOL, "resident:z", Asset.POINTS)
        with pytest.raises(UnknownAccount, match="resident:z"):
            spendable(tx, POOL, "resident:z", NOON)
        assert entry_of(tx, POOL, "award:99") is None
        booked_entry = entry_of(tx, POOL, "award:7")
    assert booked_entry is not None
    assert (booked_entry.entry_no, booked_entry.kind, booked_entry.memo) == (7, "award", "")
