"""The ledger's invariants, checked on the books as they are: for `huidian-server audit`.

Each check reads only, yields nothing when the books are right, and otherwise names the row.
Run them inside one `server.db.reading` snapshot.
"""

from collections.abc import Iterator
from itertools import chain

from sqlalchemy import (
    BigInteger,
    Column,
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

from server.db.paging import KeyPage, Tick, key_pages, streamed, untold
from server.db.violation import Violation
from server.ledger.rolling import check_rollups
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
        check_rollups(tx, pool),
    )


def check_sides(tx: Connection, pool: str, tick: Tick = untold) -> Iterator[Violation]:
    """I1: per asset, the accounts' debits equal their credits (hot accounts: folded)."""
    totals: dict[str, tuple[int, int]] = {}
    for page in key_pages(tx, account_table.c.account, pool):
        rows = tx.execute(
            select(
                account_table.c.asset,
                func.count().label("rows"),
                _total(_kept(account_table.c.debits, transfer_table.c.debit_account)),
                _total(_kept(account_table.c.credits, transfer_table.c.credit_account)),
            )
            .where(account_table.c.pool == pool, page.within())
            .group_by(account_table.c.asset)
        )
        for asset, count, debits, credits_ in rows:
            before = totals.get(asset, (0, 0))
            totals[asset] = (before[0] + debits, before[1] + credits_)
            tick(count)
    for asset, (debits, credits_) in sorted(totals.items()):
        if debits != credits_:
            yield Violation("I1", f"pool {pool}, {asset}", f"debits {debits}, credits {credits_}")


def check_sums(tx: Connection, pool: str, tick: Tick = untold) -> Iterator[Violation]:
    """I2: every account's columns are the sums of its transfers; hot accounts' columns are 0."""
    for page in key_pages(tx, account_table.c.account, pool):
        rows = tx.execute(
            select(
                account_table,
                _unless_hot(transfer_table.c.debit_account).label("folded_debits"),
                _unless_hot(transfer_table.c.credit_account).label("folded_credits"),
            )
            .where(account_table.c.pool == pool, page.within())
            .order_by(account_table.c.account, account_table.c.asset)
        ).all()
        tick(len(rows))
        for row in rows:
            wanted = (row.folded_debits, row.folded_credits)
            if (row.debits, row.credits) != wanted:
                yield Violation(
                    "I2",
                    f"pool {pool}, account {row.account}, {row.asset}",
                    f"columns say debits {row.debits}, credits {row.credits};"
                    f" transfers say {wanted[0]}, {wanted[1]}",
                )


def check_floors(tx: Connection, pool: str, tick: Tick = untold) -> Iterator[Violation]:
    """I3: no floored account stood below zero after any transfer of its history."""
    floored = account_table.c.floor_at_zero
    for page in key_pages(tx, account_table.c.account, pool):
        sides = _sides(pool, page)
        change = case(
            (account_table.c.normal == "credit", sides.c.credit - sides.c.debit),
            else_=sides.c.debit - sides.c.credit,
        )
        standing = func.sum(change).over(
            partition_by=(sides.c.account, sides.c.asset), order_by=sides.c.transfer_no
        )
        running = (
            select(
                sides.c.account,
                sides.c.asset,
                sides.c.transfer_no,
                cast(standing, BigInteger).label("standing"),
            )
            .join(
                account_table,
                and_(
                    account_table.c.pool == pool,
                    account_table.c.account == sides.c.account,
                    account_table.c.asset == sides.c.asset,
                ),
            )
            .where(floored)
            .subquery()
        )
        below = select(running).where(running.c.standing < 0).order_by(running.c.transfer_no)
        for row in tx.execute(below):
            yield Violation(
                "I3",
                f"pool {pool}, account {row.account}, transfer {row.transfer_no}",
                f"stood at {row.standing} {row.asset}",
            )
        tick(page.rows)


def check_holds(tx: Connection, pool: str, tick: Tick = untold) -> Iterator[Violation]:
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
    for page in key_pages(tx, hold_table.c.hold_key, pool):
        found = select(hold_table).where(hold_table.c.pool == pool, page.within(), wrong)
        for row in tx.execute(found.order_by(hold_table.c.hold_key)):
            resolved = "resolved" if row.resolved_at is not None else "unresolved"
            yield Violation(
                "I6",
                f"pool {pool}, hold {row.hold_key}",
                f"{row.state}, {resolved}, captured {row.captured_amount} of {row.amount}",
            )
        tick(page.rows)


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
    for row in streamed(tx, legless.order_by(entry_table.c.entry_no)):
        yield Violation("I2", f"pool {pool}, entry {row.entry_no}", f"{row.key} has no transfer")


def _sides(pool: str, page: KeyPage) -> Subquery:
    """Each transfer of the page's accounts, once for each of them that it touches."""
    zero = literal(0, BigInteger)
    return union_all(
        select(
            transfer_table.c.debit_account.label("account"),
            transfer_table.c.asset,
            transfer_table.c.transfer_no,
            transfer_table.c.amount.label("debit"),
            zero.label("credit"),
        ).where(transfer_table.c.pool == pool, page.within(transfer_table.c.debit_account)),
        select(
            transfer_table.c.credit_account.label("account"),
            transfer_table.c.asset,
            transfer_table.c.transfer_no,
            zero.label("debit"),
            transfer_table.c.amount.label("credit"),
        ).where(transfer_table.c.pool == pool, page.within(transfer_table.c.credit_account)),
    ).subquery()


def _folded(side: Column[str]) -> ColumnElement[int]:
    """What the account's transfers on this side add up to: one stretch of the side's index."""
    return (
        select(cast(func.coalesce(func.sum(transfer_table.c.amount), 0), BigInteger))
        .where(
            transfer_table.c.pool == account_table.c.pool,
            side == account_table.c.account,
            transfer_table.c.asset == account_table.c.asset,
        )
        .correlate(account_table)
        .scalar_subquery()
    )


def _kept(column: Column[int], side: Column[str]) -> ColumnElement[int]:
    return case((account_table.c.hot, _folded(side)), else_=column)


def _unless_hot(side: Column[str]) -> ColumnElement[int]:
    return case((account_table.c.hot, 0), else_=_folded(side))


def _total(column: ColumnElement[int]) -> ColumnElement[int]:
    return cast(func.sum(column), BigInteger)
