"""Reading ahead: what several bookings will need of the books, in a few statements."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from server.db.working_set import Wish, working
from server.ledger.accounts import accounts_wish, load_hot_accounts, locked_head
from server.ledger.live import HOLD, live_wish
from server.ledger.posting import entries_wish
from server.ledger.values import Asset, UnknownAccount


@dataclass(frozen=True, slots=True)
class Ahead:
    """Accounts and keys that will be asked for; any of them may not exist.

    `spenders` are accounts in points whose live holds will be asked for as well.
    """

    spenders: set[str] = field(default_factory=set)
    accounts: set[tuple[str, Asset]] = field(default_factory=set)
    hold_keys: set[str] = field(default_factory=set)
    entry_keys: set[str] = field(default_factory=set)


def read_ahead_in_books(
    tx: Connection, pool: str, ahead: Ahead, at: datetime, *others: Wish | None
) -> None:
    """Locks the pool's books and then the accounts, in the order of their keys, and reads all
    that is named, and `others` with it. `at`: no live hold will be asked for at an earlier moment.
    """
    with working(tx, pool) as books:
        try:
            locked_head(books)
        except UnknownAccount:  # whoever books something will say so
            return
        accounts = {(each, Asset.POINTS) for each in ahead.spenders} | ahead.accounts
        books.fulfil(
            accounts_wish(books, accounts),
            books.wish(HOLD, [(each,) for each in ahead.hold_keys]),
            live_wish(books, ahead.spenders, Asset.POINTS, at),
            entries_wish(books, ahead.entry_keys),
            *others,
        )
        load_hot_accounts(books, accounts)
