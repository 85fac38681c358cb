"""Holds in every order in which the network may deliver authorise, capture and reversal."""

from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import Connection, Engine

from server.db import writing
from server.db.working_set import working
from server.ledger import (
    Absent,
    AlreadyCaptured,
    AlreadyVoided,
    Asset,
    EntryDraft,
    Held,
    HoldExists,
    HoldState,
    Insufficient,
    LedgerFault,
    Leg,
    Taken,
    Tombstoned,
    UnknownAccount,
    Voided,
    check_ledger,
    cover,
    hold_of,
    place_hold,
    post,
    spendable,
    take_hold,
    void_hold,
)
from server.ledger.holds import HoldMove, advance
from server.ledger.live import live_holds

POOL = "guanghui"
NOON = datetime(2025, 3, 1, 4, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EXPIRES = NOON + 10 * MINUTE


@pytest.fixture
def with_100(books: Engine) -> Engine:
    """Resident a has 100 points."""
    with writing(books) as tx:
        award(tx, 100)
    return books


def award(tx: Connection, amount: int) -> None:
    leg = Leg(Asset.POINTS, "award", "issued", "resident:a", amount)
    draft = EntryDraft(f"award:{amount}", "award", NOON, date(2025, 3, 1), (leg,))
    post(tx, POOL, draft, recorded_at=NOON, fact_no=1)


def spend(tx: Connection, key: str, amount: int) -> object:
    leg = Leg(Asset.POINTS, "redeem", "resident:a", "redeemed", amount)
    draft = EntryDraft(key, "sale", NOON, date(2025, 3, 1), (leg,))
    return post(tx, POOL, draft, recorded_at=NOON, fact_no=1)


def place(tx: Connection, key: str, amount: int, at: datetime = NOON) -> object:
    until = at + 10 * MINUTE
    return place_hold(tx, POOL, key, "resident:a", amount, placed_at=at, expires_at=until)


def take(tx: Connection, key: str, amount: int, at: datetime = NOON) -> object:
    return take_hold(tx, POOL, key, amount, at=at)


def void(tx: Connection, key: str) -> object:
    return void_hold(tx, POOL, key, at=NOON)


def left(tx: Connection, at: datetime = NOON) -> int:
    return spendable(tx, POOL, "resident:a", at)


def test_a_hold_reserves_and_its_capture_takes_it(with_100: Engine) -> None:
    with writing(with_100) as tx:
        assert place(tx, "s1", 60) == Held(60)
        assert left(tx) == 40
        assert place(tx, "s2", 41) == Insufficient(40)
        assert hold_of(tx, POOL, "s2") is None
        assert place(tx, "s2", 40) == Held(40)
        assert take(tx, "s1", 60) == Taken(held=60, captured=60, in_time=True)
        assert left(tx) == 60


def test_a_capture_in_part_releases_the_rest(with_100: Engine) -> None:
    with writing(with_100) as tx:
        place(tx, "s1", 60)
        assert take(tx, "s1", 25) == Taken(held=60, captured=25, in_time=True)
        spend(tx, "capture:s1", 25)
        assert left(tx) == 75


def test_a_capture_above_its_hold_records_what_was_held(with_100: Engine) -> None:
    with writing(with_100) as tx:
        place(tx, "s1", 60)
        assert take(tx, "s1", 70) == Taken(held=60, captured=60, in_time=True)
        assert list(check_ledger(tx, POOL)) == []


def test_a_hold_ends_at_its_moment_also_where_it_was_read_before(with_100: Engine) -> None:
    """A batch reads an account's holds once, for the earliest of its moments."""
    with writing(with_100) as tx:
        place(tx, "s1", 60)
    with writing(with_100) as tx, working(tx, POOL):
        assert left(tx, EXPIRES - timedelta(microseconds=1)) == 40
        assert live_holds(tx, POOL, "resident:a", Asset.POINTS, NOON) == {"s1": 60}
        assert left(tx, EXPIRES) == 100
        assert live_holds(tx, POOL, "resident:a", Asset.POINTS, EXPIRES) == {}


def test_an_expired_hold_reserves_nothing_and_can_still_be_captured(with_100: Engine) -> None:
    with writing(with_100) as tx:
        place(tx, "s1", 60)
        assert left(tx, EXPIRES - timedelta(microseconds=1)) == 40
        assert left(tx, EXPIRES) == 100
        assert take(tx, "s1", 60, EXPIRES) == Taken(held=60, captured=60, in_time=False)


def test_a_second_capture_takes_nothing(with_100: Engine) -> None:
    with writing(with_100) as tx:
        place(tx, "s1", 60)
        take(tx, "s1", 25)
        assert take(tx, "s1", 60) == AlreadyCaptured(25)
        assert void(tx, "s1") == AlreadyCaptured(25)


def test_a_late_authorise_after_its_capture_holds_nothing(with_100: Engine) -> None:
    with writing(with_100) as tx:
        assert take(tx, "s1", 60) == Absent()
        late = place(tx, "s1", 60)
        assert isinstance(late, HoldExists)
        assert (late.state, late.amount, late.account) == (HoldState.CAPTURED, 0, None)
        assert left(tx) == 100
        assert void(tx, "s1") == AlreadyCaptured(0)


def test_a_late_authorise_after_its_reversal_meets_a_tombstone(with_100: Engine) -> None:
    with writing(with_100) as tx:
        assert void(tx, "s1") == Tombstoned()
        assert place(tx, "s1", 60) == Tombstoned()
        assert left(tx) == 100
        assert void(tx, "s1") == Tombstoned()
        assert take(tx, "s1", 60) == Tombstoned()


def test_a_reversal_gives_the_hold_back_once(with_100: Engine) -> None:
    with writing(with_100) as tx:
        place(tx, "s1", 60)
        assert void(tx, "s1") == Voided(60)
        assert left(tx) == 100
        assert void(tx, "s1") == AlreadyVoided(60)
        assert take(tx, "s1", 60) == AlreadyVoided(60)
        again = place(tx, "s1", 60)
        assert again == HoldExists(HoldState.VOIDED, "resident:a", 60, EXPIRES)


def test_an_authorise_asked_again_finds_its_own_hold(with_100: Engine) -> None:
    with writing(with_100) as tx:
        place(tx, "s1", 60)
        again = place(tx, "s1", 60, NOON + MINUTE)
        assert again == HoldExists(HoldState.HELD, "resident:a", 60, EXPIRES)
        assert left(tx) == 40


def test_in_any_order_a_hold_resolves_at_most_once(books: Engine) -> None:
    moves = {
        "place": lambda tx, key: place(tx, key, 60),
        "take": lambda tx, key: take(tx, key, 50),
        "void": void,
    }
    with writing(books) as tx:
        award(tx, 10_000)
        for order in product(moves, repeat=4):
            key = " ".join(order)
            resolved = []
            for move in order:
                before = hold_of(tx, POOL, key)
                moves[move](tx, key)
                after = hold_of(tx, POOL, key)
                assert after is not None
                if before is not None and before.state is not HoldState.HELD:
                    assert after == before, f"{key}: {move} changed a resolved hold"
                if before != after and after.state is not HoldState.HELD:
                    resolved.append(after.state)
            assert len(resolved) <= 1, key
        assert list(check_ledger(tx, POOL)) == []


def test_the_move_table_leaves_no_resolved_state() -> None:
    for state, move in product(HoldState, HoldMove):
        after = advance(state, move)
        assert (after is None) == (state is not HoldState.HELD or move is HoldMove.PLACE)


@pytest.mark.parametrize(
    ("standing", "wanted", "covered"),
    [
        # (balance, own hold, others' live holds), what the capture asks, what it gets
        ((100, 60, 0), 60, 60),
        ((100, 60, 40), 60, 60),  # others' holds do not touch ours
        ((100, 60, 40), 70, 60),  # beyond our hold only what is free
        ((100, 60, 20), 70, 70),
        ((100, 0, 60), 60, 40),  # stand-in without a hold: others' holds come first
        ((100, 60, 100), 60, 60),  # ours expired and the points are held again: ours was first
        ((30, 60, 0), 60, 30),  # ours expired and the points are spent: never more than there is
        ((0, 0, 0), 60, 0),
    ],
)
def test_cover_takes_the_own_hold_first_and_then_what_is_free(
    books: Engine, standing: tuple[int, int, int], wanted: int, covered: int
) -> None:
    balance, own_held, others_held = standing
    with writing(books) as tx:
        if balance:
            award(tx, balance)
        if others_held:
            assert place(tx, "other", others_held) == Held(others_held)
        found = cover(tx, POOL, "resident:a", wanted, own_held=own_held, at=NOON)
    assert found == covered


def test_holding_nonsense_is_a_fault(with_100: Engine) -> None:
    with writing(with_100) as tx:
        for amount in (0, -1, 10**15 + 1):
            with pytest.raises(LedgerFault, match="cannot hold"):
                place(tx, "s1", amount)
        with pytest.raises(LedgerFault, match="cannot take"):
            take(tx, "s1", -1)
        with pytest.raises(LedgerFault, match="expires before"):
            place_hold(tx, POOL, "s1", "resident:a", 1, placed_at=NOON, expires_at=NOON)
        with pytest.raises(LedgerFault, match="no floor"):
            place_hold(tx, POOL, "s1", "overdraft:a", 1, placed_at=NOON, expires_at=EXPIRES)
        with pytest.raises(UnknownAccount, match="resident:z"):
            place_hold(tx, POOL, "s1", "resident:z", 1, placed_at=NOON, expires_at=EXPIRES)
        with pytest.raises(UnknownAccount, match="yamen"):
            void_hold(tx, "yamen", "s1", at=NOON)
        assert hold_of(tx, POOL, "s1") is None
