"""The ledger's invariants, checked on the books as they are: for `huidian-server audit`.

Each check reads only, yields nothing when the books are right, and otherwise names the row.
Run them inside one `server.db.reading` snapshot.
"""

from collections.abc import Iterator
from itertools import chain

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql.selectable import Subquery

from server.db.violation import Violation
from server.ledger.tables import account as account_table
from server.ledger.tables import entry as entry_table
from server.ledger.tables import hold as hold_table
from server.ledger.tables import ledger_head
from server.ledger.tables import transfer as transfer_table


def check_ledger(tx: Connection, pool: str) -> Iterator[Violation]:
    """I1, I2, I3 and I6 of one pool's books, and that their numbers have no gap."""
    return chain(
        check_sides(tx, pool),
        check_sums(tx, pool),
        check_floors(tx, pool),
        check_holds(tx, pool),
        check_numbers(tx, pool),
    )


def check_sides(tx: Connection, pool: str) -> Iterator[Violation]:
    """I1: per asset, the accounts' debits equal their credits (hot accounts: folded)."""
    moved = _moved(pool)
    of_account = and_(
        moved.c.account == account_table.c.account, moved.c.asset == account_table.c.asset
    )

    def total(column: str) -> ColumnElement[int]:
        folded = func.coalesce(moved.c[column], 0)
        kept = case((account_table.c.hot, folded), else_=account_table.c[column])
        return cast(func.sum(kept), BigInteger).label(column)

    rows = tx.execute(
        select(account_table.c.asset, total("debits"), total("credits"))
        .select_from(account_table.outerjoin(moved, of_account))
        .where(account_table.c.pool == pool)
        .group_by(account_table.c.asset)
        .order_by(account_table.c.asset)
    )
    for row in rows:
        if row.debits != row.credits:
            yield Violation(
                "I1",
                f"pool {pool}, {row.asset}",
                f"debits {row.debits}, credits {row.credits}",
            )


def check_sums(tx: Connection, pool: str) -> Iterator[Violation]:
    """I2: every account's columns are the sums of its transfers; hot accounts' columns are 0."""
    moved = _moved(pool)
    of_account = and_(
        moved.c.account == account_table.c.account, moved.c.asset == account_table.c.asset
    )
    debits = func.coalesce(moved.c.debits, 0)
    credits_ = func.coalesce(moved.c.credits, 0)
    kept_apart = or_(account_table.c.debits != debits, account_table.c.credits != credits_)
    not_empty = or_(account_table.c.debits != 0, account_table.c.credits != 0)
    rows = tx.execute(
        select(
            account_table,
            cast(debits, BigInteger).label("folded_debits"),
            cast(credits_, BigInteger).label("folded_credits"),
        )
        .select_from(account_table.outerjoin(moved, of_account))
        .where(
            account_table.c.pool == pool,
            or_(
                and_(account_table.c.hot, not_empty),
                and_(~account_table.c.hot, kept_apart),
            ),
        )
        .order_by(account_table.c.account, account_table.c.asset)
    )
    for row in rows:
        wanted = (0, 0) if row.hot else (row.folded_debits, row.folded_credits)
        yield Violation(
            "I2",
            f"pool {pool}, account {row.account}, {row.asset}",
            f"columns say debits {row.debits}, credits {row.credits};"
            f" transfers say {wanted[0]}, {wanted[1]}",
        )


def check_floors(tx: Connection, pool: str) -> Iterator[Violation]:
    """I3: no floored account stood below zero after any transfer of its history."""
    sides = _sides(pool)
    change = case(
        (account_table.c.normal == "credit", sides.c.credit - sides.c.debit),
        else_=sides.c.debit - sides.c.credit,
    )
    running = (
        select(
            sides.c.account,
            sides.c.asset,
            sides.c.transfer_no,
            cast(
                func.sum(change).over(
                    partition_by=(sides.c.account, sides.c.asset), order_by=sides.c.transfer_no
                ),
                BigInteger,
            ).label("standing"),
        )
        .join(
            account_table,
            and_(
                account_table.c.pool == pool,
                account_table.c.account == sides.c.account,
                account_table.c.asset == sides.c.asset,
            ),
        )
        .where(account_table.c.floor_at_zero)
        .subquery()
    )
    rows = tx.execute(select(running).where(running.c.standing < 0).order_by(running.c.transfer_no))
    for row in rows:
        yield Violation(
            "I3",
            f"pool {pool}, account {row.account}, transfer {row.transfer_no}",
            f"stood at {row.standing} {row.asset}",
        )


def check_holds(tx: Connection, pool: str) -> Iterator[Violation]:
    """I6: a hold resolves at most once and captures at most what it held."""
    is_held = hold_table.c.state == "held"
    is_captured = hold_table.c.state == "captured"
    wrong = or_(
        hold_table.c.captured_amount > hold_table.c.amount,
        hold_table.c.captured_amount < 0,
        and_(~is_captured, hold_table.c.captured_amount != 0),
        and_(is_held, hold_table.c.resolved_at.is_not(None)),
        and_(~is_held, hold_table.c.resolved_at.is_(None)),
    )
    rows = tx.execute(
        select(hold_table).where(hold_table.c.pool == pool, wrong).order_by(hold_table.c.hold_key)
    )
    for row in rows:
        resolved = "resolved" if row.resolved_at is not None else "unresolved"
        yield Violation(
            "I6",
            f"pool {pool}, hold {row.hold_key}",
            f"{row.state}, {resolved}, captured {row.captured_amount} of {row.amount}",
        )


def check_numbers(tx: Connection, pool: str) -> Iterator[Violation]:
    """I2, its other half: no entry and no transfer is missing, and none is empty."""
    head = tx.execute(select(ledger_head).where(ledger_head.c.pool == pool)).one_or_none()
    if head is None:
        return
    for name, table, number, last in (
        ("entry", entry_table, entry_table.c.entry_no, head.last_entry_no),
        ("transfer", transfer_table, transfer_table.c.transfer_no, head.last_transfer_no),
    ):
        found = tx.execute(
            select(func.count().label("rows"), func.coalesce(func.max(number), 0).label("last"))
            .select_from(table)
            .where(table.c.pool == pool)
        ).one()
        if (found.rows, found.last) != (last, last):
            yield Violation(
                "I2",
                f"pool {pool}, table {name}",
                f"{last} numbers were given out; {found.rows} rows up to {found.last} are there",
            )
    legless = select(entry_table.c.entry_no, entry_table.c.key).where(
        entry_table.c.pool == pool,
        ~select(literal(1))
        .where(
            transfer_table.c.pool == entry_table.c.pool,
            transfer_table.c.entry_no == entry_table.c.entry_no,
        )
        .exists(),
    )
    for row in tx.execute(legless.order_by(entry_table.c.entry_no)):
        yield Violation("I2", f"pool {pool}, entry {row.entry_no}", f"{row.key} has no transfer")


def _sides(pool: str) -> Subquery:
    """Each transfer twice, once for each account that it touches."""
    zero = literal(0, BigInteger)
    return union_all(
        select(
            transfer_table.c.debit_account.label("account"),
            transfer_table.c.asset,
            transfer_table.c.transfer_no,
            transfer_table.c.amount.label("debit"),
            zero.label("credit"),
        ).where(transfer_table.c.pool == pool),
        select(
            transfer_table.c.credit_account.label("account"),
            transfer_table.c.asset,
            transfer_table.c.transfer_no,
            zero.label("debit"),
            transfer_table.c.amount.label("credit"),
        ).where(transfer_table.c.pool == pool),
    ).subquery()


def _moved(pool: str) -> Subquery:
    """Both sides of every account that has transfers, folded."""
    sides = _sides(pool)
    return (
        select(
            sides.c.account,
            sides.c.asset,
            func.sum(sides.c.debit).label("debits"),
            func.sum(sides.c.credit).label("credits"),
        )
        .group_by(sides.c.account, sides.c.asset)
        .subquery()
    )
