"""Holds as they stand, and what the live ones of an account reserve."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, literal_column, select

from server.db.bulk import Row, among
from server.db.working_set import Stored, Wish, WorkingSet, working
from server.ledger.tables import hold as hold_table
from server.ledger.values import Asset, HoldRecord, HoldState

HOLD = Stored(hold_table, changes=("state", "captured_amount", "resolved_at"))

_LIVE = "live holds of an account"
_LIVE_OF_ACCOUNTS = select(
    hold_table.c.account,
    hold_table.c.asset,
    hold_table.c.hold_key,
    hold_table.c.state,
    hold_table.c.amount,
    hold_table.c.expires_at,
).where(
    hold_table.c.pool == bindparam("pool"),
    among(hold_table.c.account, "accounts"),
    hold_table.c.asset == bindparam("asset"),
    # Written as a literal, so that both databases see that their partial index serves it.
    hold_table.c.state == literal_column("'held'"),
    hold_table.c.expires_at > bindparam("at"),
)


@dataclass(frozen=True, slots=True)
class _Live:
    """What holds reserve that were live at `since`: amount and end, by key."""

    since: datetime
    holds: Mapping[str, tuple[int, datetime]]


def hold_in(books: WorkingSet, hold_key: str) -> HoldRecord | None:
    """The hold under this key, a tombstone included, or None."""
    row = books.row(HOLD, (hold_key,))
    if row is None:
        return None
    return HoldRecord(
        hold_key=row["hold_key"],
        account=row["account"],
        asset=Asset(row["asset"]) if row["asset"] is not None else None,
        amount=row["amount"],
        state=HoldState(row["state"]),
        captured=row["captured_amount"],
        placed_at=row["placed_at"],
        expires_at=row["expires_at"],
        resolved_at=row["resolved_at"],
    )


def live_holds_sum(tx: Connection, pool: str, account: str, asset: Asset, at: datetime) -> int:
    """What unresolved, unexpired holds reserve on the account at `at`."""
    with working(tx, pool) as books:
        books.fulfil(live_wish(books, [account], asset, at))
        live: _Live = books.noted((_LIVE, account, asset))
        return sum(amount for amount, expires_at in live.holds.values() if expires_at > at)


def live_holds(
    tx: Connection, pool: str, account: str, asset: Asset, at: datetime
) -> Mapping[str, int]:
    """What each unresolved, unexpired hold reserves on the account at `at`, by its key."""
    with working(tx, pool) as books:
        books.fulfil(live_wish(books, [account], asset, at))
        live: _Live = books.noted((_LIVE, account, asset))
        return {key: amount for key, (amount, until) in live.holds.items() if until > at}


def live_wish(
    books: WorkingSet, accounts: Iterable[str], asset: Asset, at: datetime
) -> Wish | None:
    """To read the holds of several accounts that are live at `at` or later."""
    unknown = sorted({each for each in accounts if not _reaches_back(books, each, asset, at)})
    if not unknown:
        return None

    def take(rows: Sequence[Row]) -> None:
        holds: dict[str, dict[str, tuple[int, datetime]]] = {each: {} for each in unknown}
        # What is not written yet says more than the database does.
        for row in (*rows, *books.pending(HOLD)):
            of_account = holds.get(row["account"]) if row["asset"] == asset else None
            if of_account is None:
                continue
            if row["state"] == HoldState.HELD:
                of_account[row["hold_key"]] = row["amount"], row["expires_at"]
            else:
                of_account.pop(row["hold_key"], None)
        for account, found in holds.items():
            books.note((_LIVE, account, asset), _Live(at, found))

    given = {"pool": books.pool, "accounts": unknown, "asset": asset.value, "at": at}
    return Wish(_LIVE_OF_ACCOUNTS, given, take)


def note_live(
    books: WorkingSet,
    account: str,
    asset: Asset,
    hold_key: str,
    *,
    amount: int,
    expires_at: datetime,
) -> None:
    """A hold was placed, or with amount 0 resolved; what is known of its account goes with it."""
    live: _Live | None = books.noted((_LIVE, account, asset))
    if live is None:
        return
    holds = dict(live.holds)
    if amount:
        holds[hold_key] = amount, expires_at
    else:
        holds.pop(hold_key, None)
    books.note((_LIVE, account, asset), _Live(live.since, holds))


def _reaches_back(books: WorkingSet, account: str, asset: Asset, at: datetime) -> bool:
    """Whether the account's holds are known from a moment on that is not after `at`."""
    live: _Live | None = books.noted((_LIVE, account, asset))
    return live is not None and live.since <= at
