"""Summing transfers: whole accounts, and what a roll-up has not taken in yet."""

from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Select, bindparam, cast, func, select

from server.ledger.tables import rollup as rollup_table
from server.ledger.tables import transfer as transfer_table
from server.ledger.values import Asset, Sums

_LAST = 2**63 - 1


def fold(
    tx: Connection,
    pool: str,
    account: str,
    asset: Asset,
    *,
    after: int = 0,
    upto: int | None = None,
) -> Sums:
    """Both sides of the account, summed from its transfers with numbers above `after` and up to
    `upto`, inclusive. An account without transfers, or never opened, folds to zero.
    """
    given = {
        "of_pool": pool,
        "of_account": account,
        "of_asset": asset.value,
        "after": after,
        "upto": _LAST if upto is None else upto,
    }
    row = tx.execute(_BOTH_SIDES, given).one()
    return Sums(row.debits, row.credits)


def hot_sums(tx: Connection, pool: str, account: str, asset: Asset) -> Sums:
    """Both sides of a hot account: its roll-up, if there is one, and its tail."""
    given = {"of_pool": pool, "of_account": account, "of_asset": asset.value}
    row = tx.execute(_ROLLUP, given).one_or_none()
    if row is None:
        return fold(tx, pool, account, asset)
    tail = fold(tx, pool, account, asset, after=row.upto)
    return Sums(row.debits + tail.debits, row.credits + tail.credits)


def _side(column: Column[str]) -> Any:
    summed = select(cast(func.coalesce(func.sum(transfer_table.c.amount), 0), BigInteger))
    return summed.where(
        transfer_table.c.pool == bindparam("of_pool"),
        column == bindparam("of_account"),
        transfer_table.c.asset == bindparam("of_asset"),
        transfer_table.c.transfer_no > bindparam("after"),
        transfer_table.c.transfer_no <= bindparam("upto"),
    ).scalar_subquery()


_BOTH_SIDES: Select[Any] = select(
    _side(transfer_table.c.debit_account).label("debits"),
    _side(transfer_table.c.credit_account).label("credits"),
)
_ROLLUP = select(rollup_table).where(
    rollup_table.c.pool == bindparam("of_pool"),
    rollup_table.c.account == bindparam("of_account"),
    rollup_table.c.asset == bindparam("of_asset"),
)
