"""Rolling up hot accounts: their rows are never updated, so their balance is roll-up and tail.

Transfers are numbered under the lock of the pool's row, which is kept until the commit. So the
last number that stands committed in that row is a number below which everything is committed,
and no transaction that is still open can bring a lower one. A roll-up goes as far as that, and
neither waits for writers nor keeps them waiting.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from server.db import dialect
from server.db.violation import Violation
from server.ledger.folding import fold
from server.ledger.tables import account as account_table
from server.ledger.tables import ledger_head
from server.ledger.tables import rollup as rollup_table
from server.ledger.values import Asset, Sums


@dataclass(frozen=True, slots=True)
class RolledUp:
    """How many hot accounts took in new transfers, and up to which number all of them stand."""

    accounts: int
    upto: int


def roll_up(tx: Connection, pool: str) -> RolledUp:
    """Takes the committed transfers of every hot account into its roll-up.

    Safe at any time and any number of times, also twice at once: who comes second waits for the
    account that the first is at. A pool without books has nothing to roll up.
    """
    upto = tx.execute(
        select(ledger_head.c.last_transfer_no).where(ledger_head.c.pool == pool)
    ).scalar_one_or_none()
    if upto is None:
        return RolledUp(0, 0)
    hot = tx.execute(
        select(account_table.c.account, account_table.c.asset)
        .where(account_table.c.pool == pool, account_table.c.hot)
        .order_by(account_table.c.account, account_table.c.asset)
    ).all()
    grown = sum(_roll_up_one(tx, pool, row.account, Asset(row.asset), upto) for row in hot)
    return RolledUp(grown, upto)


def check_rollups(tx: Connection, pool: str) -> Iterator[Violation]:
    """I2 of hot accounts: each roll-up is the sum of the transfers that it has taken in."""
    rows = tx.execute(
        select(rollup_table)
        .where(rollup_table.c.pool == pool)
        .order_by(rollup_table.c.account, rollup_table.c.asset)
    ).all()
    for row in rows:
        folded = fold(tx, pool, row.account, Asset(row.asset), upto=row.upto)
        if folded != Sums(row.debits, row.credits):
            yield Violation(
                "I2",
                f"pool {pool}, roll-up of {row.account}, {row.asset}",
                f"says debits {row.debits}, credits {row.credits} up to transfer {row.upto};"
                f" transfers say {folded.debits}, {folded.credits}",
            )


def _roll_up_one(tx: Connection, pool: str, account: str, asset: Asset, upto: int) -> bool:
    own = {"pool": pool, "account": account, "asset": asset.value}
    dialect.insert_or_ignore(tx, rollup_table, own | {"upto": 0, "debits": 0, "credits": 0})
    own_row = [rollup_table.c[name] == value for name, value in own.items()]
    row = tx.execute(dialect.locked(select(rollup_table).where(*own_row))).one()
    if row.upto >= upto:
        return False
    tail = fold(tx, pool, account, asset, after=row.upto, upto=upto)
    tx.execute(
        rollup_table.update()
        .where(*own_row)
        .values(upto=upto, debits=row.debits + tail.debits, credits=row.credits + tail.credits)
    )
    return tail != Sums(0, 0)
