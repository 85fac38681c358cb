"""Opening accounts, and the order in which books are locked: the pool's row, then its accounts."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select, tuple_

from server.db import dialect
from server.ledger.tables import account as account_table
from server.ledger.tables import ledger_head
from server.ledger.values import Asset, LedgerFault, Normal, Sums, UnknownAccount


@dataclass(frozen=True, slots=True)
class Head:
    """The last numbers given out in a pool's books."""

    last_entry_no: int
    last_transfer_no: int


@dataclass(frozen=True, slots=True)
class LockedAccount:
    """An account as it stands while nobody else can change it; hot accounts show no sums."""

    account: str
    asset: Asset
    normal: Normal
    floor_at_zero: bool
    hot: bool
    sums: Sums


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
    row = tx.execute(
        dialect.locked(
            select(ledger_head.c.last_entry_no, ledger_head.c.last_transfer_no).where(
                ledger_head.c.pool == pool
            )
        )
    ).one_or_none()
    if row is None:
        raise UnknownAccount(f"{pool}: no account was ever opened in this pool")
    return Head(row.last_entry_no, row.last_transfer_no)


def lock_accounts(
    tx: Connection, pool: str, wanted: Iterable[tuple[str, Asset]]
) -> dict[tuple[str, Asset], LockedAccount]:
    """The accounts as they stand; all but hot ones are locked, in the order of their keys.

    Raises:
        UnknownAccount: one of them was never opened; names all of those.
    """
    keys = sorted({(account, asset.value) for account, asset in wanted})
    of_these = (
        account_table.c.pool == pool,
        tuple_(account_table.c.account, account_table.c.asset).in_(keys),
    )
    in_order = (account_table.c.account, account_table.c.asset)
    cold = dialect.locked(
        select(account_table).where(*of_these, ~account_table.c.hot).order_by(*in_order)
    )
    found = {(each.account, each.asset): each for each in map(_parse, tx.execute(cold))}
    if len(found) < len(keys):
        hot = select(account_table).where(*of_these, account_table.c.hot)
        found |= {(each.account, each.asset): each for each in map(_parse, tx.execute(hot))}
    missing = [f"{account} ({asset})" for account, asset in keys if (account, asset) not in found]
    if missing:
        raise UnknownAccount(f"{pool}: never opened: {', '.join(missing)}")
    return found


def _parse(row: Row[tuple[object, ...]]) -> LockedAccount:
    return LockedAccount(
        account=row.account,
        asset=Asset(row.asset),
        normal=Normal(row.normal),
        floor_at_zero=row.floor_at_zero,
        hot=row.hot,
        sums=Sums(row.debits, row.credits),
    )
