"""Opening accounts, and the order in which books are locked: the pool's row, then its accounts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from server.db import dialect
from server.db.bulk import Row, kept_locked
from server.db.working_set import Stored, Wish, WorkingSet, working
from server.ledger.tables import account as account_table
from server.ledger.tables import ledger_head
from server.ledger.values import Asset, LedgerFault, Normal, Sums, UnknownAccount

LEDGER_HEAD = Stored(ledger_head, changes=("last_entry_no", "last_transfer_no"))
ACCOUNT = Stored(account_table, changes=("debits", "credits"))

_COLD = ACCOUNT.by_keys.where(~account_table.c.hot).order_by(
    account_table.c.account, account_table.c.asset
)
_HOT = ACCOUNT.by_keys.where(account_table.c.hot)
_KNOWN_HOT = "a hot account"
_IS_LOCKED = "the pool's books are locked"


@dataclass(frozen=True, slots=True)
class Head:
    """The last numbers given out in a pool's books."""

    last_entry_no: int
    last_transfer_no: int


def open_account(
    tx: Connection,
    pool: str,
    account: str,
    asset: Asset,
    kind: str,
    *,
    normal: Normal,
    floor_at_zero: bool = False,
    hot: bool = False,
) -> None:
    """Opens an account with nothing on it; opening the same again changes nothing.

    `floor_at_zero`: no transfer may take it below zero on its `normal` side. `hot`: very many
    transfers touch it, so its row is never updated and its balance is folded on demand.

    Raises:
        LedgerFault: it exists as something else, or would be hot and floored at once.
    """
    if hot and floor_at_zero:
        raise LedgerFault(f"{account}: a hot account has no floor")
    dialect.insert_or_ignore(
        tx, ledger_head, {"pool": pool, "last_entry_no": 0, "last_transfer_no": 0}
    )
    as_asked = {
        "pool": pool,
        "account": account,
        "asset": asset.value,
        "kind": kind,
        "normal": normal.value,
        "floor_at_zero": floor_at_zero,
        "hot": hot,
    }
    if dialect.insert_or_ignore(tx, account_table, as_asked | {"debits": 0, "credits": 0}):
        return
    found = tx.execute(
        select(account_table).where(
            account_table.c.pool == pool,
            account_table.c.account == account,
            account_table.c.asset == asset.value,
        )
    ).one()
    differing = [name for name, wanted in as_asked.items() if getattr(found, name) != wanted]
    if differing:
        raise LedgerFault(f"{pool}: {account} is already open with other {', '.join(differing)}")


def lock_pool(tx: Connection, pool: str) -> Head:
    """Waits until no other transaction is changing the pool's books, and keeps others waiting.

    Whatever writes to the books calls this first, so there is one order of locks and no
    deadlock. Calling it again in the same transaction costs nothing but the question.

    Raises:
        UnknownAccount: no account was ever opened in this pool.
    """
    with working(tx, pool) as books:
        head = locked_head(books)
        return Head(head["last_entry_no"], head["last_transfer_no"])


def locked_head(books: WorkingSet) -> Row:
    """The pool's row, locked. What was read before that may have changed, and is forgotten.

    Raises:
        UnknownAccount: no account was ever opened in this pool.
    """
    books.fulfil(head_wish(books))
    head = books.row(LEDGER_HEAD, ())
    if head is None:
        raise UnknownAccount(f"{books.pool}: no account was ever opened in this pool")
    return head


def head_wish(books: WorkingSet) -> Wish | None:
    """To lock the pool's row; None where it is. What was read before is forgotten at once."""
    if books.noted(_IS_LOCKED) is not None:
        return None
    books.refresh()

    def take(rows: Sequence[Row]) -> None:
        for row in rows:
            books.keep(LEDGER_HEAD, row)
        books.note(_IS_LOCKED, value=True)

    return Wish(kept_locked(LEDGER_HEAD.by_keys), {"pool": books.pool}, take)


def locked_accounts(
    books: WorkingSet, wanted: Iterable[tuple[str, Asset]]
) -> dict[tuple[str, Asset], Row]:
    """The accounts as they stand; all but hot ones are locked, in the order of their keys.

    Raises:
        UnknownAccount: one of them was never opened; names all of those.
    """
    locked_head(books)
    names = set(wanted)
    load_accounts(books, names)
    found = {name: row for name in names if (row := books.row(ACCOUNT, name)) is not None}
    missing = [f"{account} ({asset})" for account, asset in sorted(names - found.keys())]
    if missing:
        raise UnknownAccount(f"{books.pool}: never opened: {', '.join(missing)}")
    return found


def load_accounts(books: WorkingSet, keys: Iterable[tuple[str, Asset]]) -> None:
    """Reads and locks accounts, also such as may not exist. The pool's row is locked already."""
    wanted = list(keys)
    books.fulfil(accounts_wish(books, wanted))
    load_hot_accounts(books, wanted)


def accounts_wish(books: WorkingSet, keys: Iterable[tuple[str, Asset]]) -> Wish | None:
    """To read and lock those accounts that are not hot; `load_hot_accounts` comes after it."""
    unknown = [key for key in keys if not books.holds(ACCOUNT, key)]
    for key in unknown:  # what a hot account is, never changes, and its row says nothing else
        hot = books.standing.get((_KNOWN_HOT, key))
        if hot is not None:
            books.keep(ACCOUNT, hot)
    return books.wish(ACCOUNT, unknown, by_keys=kept_locked(_COLD))


def load_hot_accounts(books: WorkingSet, keys: Iterable[tuple[str, Asset]]) -> None:
    """Reads those accounts that were not found among the others."""
    perhaps = sorted({key for key in keys if books.row(ACCOUNT, key) is None})
    if not perhaps:
        return
    given = {
        "pool": books.pool,
        "keys_0": [account for account, _ in perhaps],
        "keys_1": [asset.value for _, asset in perhaps],
    }
    for row in books.ask(_HOT, given):
        books.keep(ACCOUNT, row)
        books.standing[_KNOWN_HOT, ACCOUNT.key_of(row)] = row


def account_row(books: WorkingSet, account: str, asset: Asset) -> Row:
    """An account, locked only where the pool's books are.

    Raises:
        UnknownAccount: it was never opened.
    """
    if books.noted(_IS_LOCKED):
        load_accounts(books, [(account, asset)])
    row = books.row(ACCOUNT, (account, asset))
    if row is None:
        raise UnknownAccount(f"{books.pool}: never opened: {account} ({asset})")
    return row


def sums_of(row: Row) -> Sums:
    """Both sides of an account that is not hot."""
    return Sums(row["debits"], row["credits"])
