"""Holds: points that a sale has reserved and not yet taken, right in any order of arrival.

A hold is captured once or voided once. A reversal that comes before its hold leaves a tombstone,
and a capture that comes before its hold uses the key up, so that a late authorise holds nothing.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from server.db.working_set import WorkingSet, working
from server.ledger.accounts import locked_accounts, locked_head, sums_of
from server.ledger.live import HOLD, hold_in, live_holds_sum, note_live
from server.ledger.values import (
    MAX_AMOUNT,
    Absent,
    AlreadyCaptured,
    AlreadyVoided,
    Asset,
    Held,
    HoldExists,
    HoldRecord,
    HoldState,
    Insufficient,
    LedgerFault,
    Normal,
    PlaceOutcome,
    Taken,
    TakeOutcome,
    Tombstoned,
    Voided,
    VoidOutcome,
)


class HoldMove(StrEnum):
    """What can be asked of a hold."""

    PLACE = "place"
    TAKE = "take"
    VOID = "void"


_MOVES: dict[tuple[HoldState | None, HoldMove], HoldState] = {
    (None, HoldMove.PLACE): HoldState.HELD,
    (None, HoldMove.TAKE): HoldState.CAPTURED,
    (None, HoldMove.VOID): HoldState.TOMBSTONE,
    (HoldState.HELD, HoldMove.TAKE): HoldState.CAPTURED,
    (HoldState.HELD, HoldMove.VOID): HoldState.VOIDED,
}


def advance(state: HoldState | None, move: HoldMove) -> HoldState | None:
    """The state after the move, or None if the hold stays as it is. No hold yet is None as well;
    every hold leaves `HELD` at most once and no resolved hold moves again.
    """
    return _MOVES.get((state, move))


def place_hold(
    tx: Connection,
    pool: str,
    hold_key: str,
    account: str,
    amount: int,
    *,
    placed_at: datetime,
    expires_at: datetime,
    asset: Asset = Asset.POINTS,
) -> PlaceOutcome:
    """Reserves `amount` on a floored account until `expires_at`, once for its key.

    A key that is in use answers `HoldExists` with what stands there, and changes nothing.

    Raises:
        UnknownAccount: the account was never opened.
        LedgerFault: the account has no floor, so nothing on it is scarce; an amount outside
            1..10^15; a hold that expires before it is placed.
    """
    if type(amount) is not int or not 1 <= amount <= MAX_AMOUNT:
        raise LedgerFault(f"{hold_key}: cannot hold {amount!r}")
    if expires_at <= placed_at:
        raise LedgerFault(f"{hold_key}: expires before it is placed")
    with working(tx, pool) as books:
        locked = locked_accounts(books, [(account, asset)])[account, asset]
        if not locked["floor_at_zero"]:
            raise LedgerFault(f"{hold_key}: {account} has no floor, nothing to hold")
        found = hold_in(books, hold_key)
        state = advance(found.state if found else None, HoldMove.PLACE)
        if state is None:
            assert found is not None
            return _in_the_way(found)
        live = live_holds_sum(tx, pool, account, asset, placed_at)
        available = max(0, sums_of(locked).on(Normal(locked["normal"])) - live)
        if amount > available:
            return Insufficient(available)
        _insert(
            books,
            hold_key,
            account=account,
            asset=asset.value,
            amount=amount,
            state=state.value,
            placed_at=placed_at,
            expires_at=expires_at,
        )
        note_live(books, account, asset, hold_key, amount=amount, expires_at=expires_at)
        return Held(amount)


def take_hold(
    tx: Connection, pool: str, hold_key: str, amount: int, *, at: datetime
) -> TakeOutcome:
    """Captures the sale's own hold, also when it has expired, for up to `amount` (0 or more).

    The hold records at most what it held; what goes beyond is for the caller to `cover`.
    Nothing is posted here: the caller posts the entry in the same transaction.

    Raises:
        LedgerFault: a negative amount.
    """
    if type(amount) is not int or not 0 <= amount <= MAX_AMOUNT:
        raise LedgerFault(f"{hold_key}: cannot take {amount!r}")
    with working(tx, pool) as books:
        locked_head(books)
        found = hold_in(books, hold_key)
        state = advance(found.state if found else None, HoldMove.TAKE)
        if found is None:
            assert state is not None
            _use_up(books, hold_key, state, at)
            return Absent()
        if state is None:
            return _resolved(found)
        captured = min(amount, found.amount)
        _resolve(books, found, state, captured=captured, at=at)
        return Taken(held=found.amount, captured=captured, in_time=at < found.expires_at)


def void_hold(tx: Connection, pool: str, hold_key: str, *, at: datetime) -> VoidOutcome:
    """Gives the sale's hold back; where there is none, leaves a tombstone.

    A captured hold stays captured: undoing a sale that was taken is a new entry.
    """
    with working(tx, pool) as books:
        locked_head(books)
        found = hold_in(books, hold_key)
        state = advance(found.state if found else None, HoldMove.VOID)
        if found is None:
            assert state is not None
            _use_up(books, hold_key, state, at)
            return Tombstoned()
        if state is None:
            return _resolved(found)
        _resolve(books, found, state, captured=0, at=at)
        return Voided(found.amount)


def _in_the_way(found: HoldRecord) -> HoldExists | Tombstoned:
    if found.state is HoldState.TOMBSTONE:
        return Tombstoned()
    return HoldExists(found.state, found.account, found.amount, found.expires_at)


def _resolved(found: HoldRecord) -> AlreadyCaptured | AlreadyVoided | Tombstoned:
    if found.state is HoldState.CAPTURED:
        return AlreadyCaptured(found.captured)
    if found.state is HoldState.VOIDED:
        return AlreadyVoided(found.amount)
    assert found.state is HoldState.TOMBSTONE
    return Tombstoned()


def _insert(books: WorkingSet, hold_key: str, **values: object) -> None:
    row = {
        "pool": books.pool,
        "hold_key": hold_key,
        "account": None,
        "asset": None,
        "amount": 0,
        "captured_amount": 0,
        "resolved_at": None,
    }
    books.insert(HOLD, row | values)


def _use_up(books: WorkingSet, hold_key: str, state: HoldState, at: datetime) -> None:
    """A key that nobody held, and that nobody can hold from now on."""
    _insert(books, hold_key, state=state.value, placed_at=at, expires_at=at, resolved_at=at)


def _resolve(
    books: WorkingSet, found: HoldRecord, state: HoldState, *, captured: int, at: datetime
) -> None:
    key = found.hold_key
    books.update(HOLD, (key,), state=state.value, captured_amount=captured, resolved_at=at)
    assert found.account is not None
    assert found.asset is not None
    note_live(books, found.account, found.asset, key, amount=0, expires_at=found.expires_at)
