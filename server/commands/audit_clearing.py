"""I9: what is only passed through comes out even, and what a merchant is owed is what the
statements say.

Takings are a memo: what a merchant took stands on his account and, mirrored, on the contra
account. What the pool owes a merchant is moved by the lines of his statements, by payments, and by
what no statement has yet; nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, case, cast, func, or_, select

from server.db.paging import Tick, key_pages, untold
from server.db.violation import Violation
from server.directory.accounts import TAKINGS_CONTRA, merchant_account, takings_account
from server.directory.queries import merchants
from server.ledger import Asset, UnknownAccount, balance
from server.ledger.tables import transfer as t
from server.settlement.day_sums_tables import placed_line
from server.settlement.tables import statement

_TAKINGS = takings_account("")


def check_clearing(tx: Connection, pool: str, tick: Tick = untold) -> Iterator[Violation]:
    """I9: takings mirror their contra account, transfer by transfer and in sum; every statement
    closes with what the lines so far moved on the merchant's account, payments among them, and the
    account stands at the last of these and what is on no statement yet.
    """
    yield from _check_mirror(tx, pool, tick)
    for merchant in merchants(tx, pool):
        yield from _check_merchant(tx, pool, merchant.merchant)


def _violation(pool: str, where: str, says: str) -> Violation:
    return Violation("I9", f"pool {pool}, {where}", says)


def _check_mirror(tx: Connection, pool: str, tick: Tick) -> Iterator[Violation]:
    debits, credits_ = t.c.debit_account, t.c.credit_account
    takings = or_(debits.startswith(_TAKINGS), credits_.startswith(_TAKINGS))
    contra = or_(debits == TAKINGS_CONTRA, credits_ == TAKINGS_CONTRA)
    one_sided = or_(and_(takings, ~contra), and_(contra, ~takings))
    for page in key_pages(tx, t.c.transfer_no, pool):
        lonely = select(t).where(t.c.pool == pool, page.within(), one_sided)
        for row in tx.execute(lonely.order_by(t.c.transfer_no)):
            says = f"{row.amount} {row.asset} went from {row.debit_account} to {row.credit_account}"
            yield _violation(pool, f"transfer {row.transfer_no}", f"{says}: takings face takings")
        tick(page.rows)
    taken_fen = sum(
        _standing(tx, pool, takings_account(each.merchant)) for each in merchants(tx, pool)
    )
    contra_fen = _standing(tx, pool, TAKINGS_CONTRA)
    if taken_fen != contra_fen:
        says = f"stands at {contra_fen} fen, the merchants' takings at {taken_fen}"
        yield _violation(pool, f"account {TAKINGS_CONTRA}", says)


def _standing(tx: Connection, pool: str, account: str) -> int:
    try:
        return balance(tx, pool, account, Asset.FEN)
    except UnknownAccount:
        return 0


@dataclass(frozen=True, slots=True)
class _Settled:
    """One statement: what it closes with (fen), and what its lines moved on the account."""

    statement: str
    closing_fen: int
    moved_fen: int


def _check_merchant(tx: Connection, pool: str, merchant: str) -> Iterator[Violation]:
    account = merchant_account(merchant)
    said_fen = folded_fen = 0
    for each in _settled(tx, pool, merchant):
        said_fen = each.closing_fen
        folded_fen += each.moved_fen
        if said_fen != folded_fen:
            yield _violation(
                pool,
                f"statement {each.statement}",
                f"{account} folds to {folded_fen} fen through its lines,"
                f" the statement closes with {said_fen}",
            )
            # From here on every later statement is off by as much.
            folded_fen = said_fen
    standing_fen = _standing(tx, pool, account)
    open_fen = _unplaced(tx, pool, account)
    if standing_fen != said_fen + open_fen:
        yield _violation(
            pool,
            f"account {account}",
            f"stands at {standing_fen} fen; statements say {said_fen},"
            f" and {open_fen} stand on none",
        )


def _moved(account: str) -> ColumnElement[int]:
    """What transfers moved on the account, on its credit side (what the pool owes)."""
    side = case((t.c.credit_account == account, t.c.amount), else_=-t.c.amount)
    return cast(func.coalesce(func.sum(side), 0), BigInteger)


def _on(account: str) -> ColumnElement[bool]:
    return or_(t.c.credit_account == account, t.c.debit_account == account)


def _settled(tx: Connection, pool: str, merchant: str) -> list[_Settled]:
    account = merchant_account(merchant)
    moved = (
        select(placed_line.c.statement, _moved(account).label("moved_fen"))
        .join(
            t,
            and_(t.c.pool == placed_line.c.pool, t.c.transfer_no == placed_line.c.transfer_no),
        )
        .where(placed_line.c.pool == pool, _on(account), t.c.asset == Asset.FEN.value)
        .group_by(placed_line.c.statement)
        .subquery()
    )
    rows = tx.execute(
        select(statement.c.statement, statement.c.closing_fen, func.coalesce(moved.c.moved_fen, 0))
        .outerjoin(moved, moved.c.statement == statement.c.statement)
        .where(statement.c.pool == pool, statement.c.merchant == merchant)
        .order_by(statement.c.period_through)
    )
    return [_Settled(*row) for row in rows]


def _unplaced(tx: Connection, pool: str, account: str) -> int:
    """Fen of the account's transfers that stand on no statement: payments, and what is to come."""
    rows = (
        select(_moved(account))
        .outerjoin(
            placed_line,
            and_(placed_line.c.pool == t.c.pool, placed_line.c.transfer_no == t.c.transfer_no),
        )
        .where(
            t.c.pool == pool,
            _on(account),
            t.c.asset == Asset.FEN.value,
            placed_line.c.transfer_no.is_(None),
        )
    )
    return int(tx.execute(rows).scalar_one())
