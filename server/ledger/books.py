"""Reading the books: balances, what is spendable, entries and their transfers."""

from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    func,
    or_,
    select,
)

from server.db.bulk import Row
from server.db.working_set import working
from server.ledger.accounts import account_row, lock_pool, sums_of
from server.ledger.folding import hot_sums
from server.ledger.live import hold_in, live_holds_sum
from server.ledger.tables import account as account_table
from server.ledger.tables import entry as entry_table
from server.ledger.tables import transfer as transfer_table
from server.ledger.values import (
    AccountBalance,
    Asset,
    EntryRecord,
    HoldRecord,
    Normal,
    TransferRecord,
)

PAGE_MAX = 5_000


def balance(tx: Connection, pool: str, account: str, asset: Asset) -> int:
    """What stands on the account, seen from its normal side.

    Raises:
        UnknownAccount: it was never opened.
    """
    with working(tx, pool) as books:
        return _balance(tx, pool, account_row(books, account, asset)).balance


def balances(
    tx: Connection, pool: str, *, kind: str | None = None, asset: Asset | None = None
) -> list[AccountBalance]:
    """Every account of the pool (of one kind, of one asset), in the order of its keys."""
    which = [account_table.c.pool == pool]
    if kind is not None:
        which.append(account_table.c.kind == kind)
    if asset is not None:
        which.append(account_table.c.asset == asset.value)
    rows = (
        tx.execute(
            select(account_table)
            .where(*which)
            .order_by(account_table.c.account, account_table.c.asset)
        )
        .mappings()
        .all()
    )
    return [_balance(tx, pool, dict(row)) for row in rows]


def spendable(
    tx: Connection, pool: str, account: str, at: datetime, *, asset: Asset = Asset.POINTS
) -> int:
    """Balance less the holds that are live at `at`; never below 0.

    Raises:
        UnknownAccount: it was never opened.
    """
    live = live_holds_sum(tx, pool, account, asset, at)
    return max(0, balance(tx, pool, account, asset) - live)


def cover(
    tx: Connection,
    pool: str,
    account: str,
    amount: int,
    *,
    own_held: int,
    at: datetime,
    asset: Asset = Asset.POINTS,
) -> int:
    """How much of a capture of `amount` the account bears; the rest is an overdraft.

    Called after `take_hold`, with what that hold held (0 if there was none). The sale's own
    hold comes first, even an expired one; beyond it only what nobody else has reserved counts.
    Locks the pool, so that the answer still holds when the entry is posted.

    Raises:
        UnknownAccount: it was never opened.
    """
    lock_pool(tx, pool)
    standing = balance(tx, pool, account, asset)
    free = max(0, standing - live_holds_sum(tx, pool, account, asset, at))
    return min(amount, max(min(own_held, standing), free))


def hold_of(tx: Connection, pool: str, hold_key: str) -> HoldRecord | None:
    """The hold under this key, a tombstone included, or None."""
    with working(tx, pool) as books:
        return hold_in(books, hold_key)


def entry_of(tx: Connection, pool: str, key: str) -> EntryRecord | None:
    """The entry booked under this natural key, or None."""
    row = tx.execute(
        select(entry_table).where(entry_table.c.pool == pool, entry_table.c.key == key)
    ).one_or_none()
    if row is None:
        return None
    return EntryRecord(
        entry_no=row.entry_no,
        key=row.key,
        kind=row.kind,
        input_hash=bytes(row.input_hash),
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        business_date=row.business_date,
        fact_no=row.fact_no,
        memo=row.memo,
    )


def transfers_of_entry(tx: Connection, pool: str, entry_no: int) -> list[TransferRecord]:
    """The entry's transfers in the order of its legs; none if there is no such entry."""
    return _transfers(tx, pool, transfer_table.c.entry_no == entry_no, limit=None)


def transfers_of(
    tx: Connection,
    pool: str,
    account: str,
    asset: Asset,
    *,
    after: int = 0,
    limit: int = PAGE_MAX,
) -> list[TransferRecord]:
    """Transfers on either side of the account with numbers above `after`, lowest first,
    at most `limit` (and never more than 5 000) of them.
    """
    either_side = and_(
        transfer_table.c.asset == asset.value,
        or_(
            transfer_table.c.debit_account == account,
            transfer_table.c.credit_account == account,
        ),
        transfer_table.c.transfer_no > after,
    )
    return _transfers(tx, pool, either_side, limit=min(limit, PAGE_MAX))


def last_debit(tx: Connection, pool: str, account: str, asset: Asset) -> TransferRecord | None:
    """The newest transfer that took something from an account that grows on its credit side."""
    newest = (
        select(func.max(transfer_table.c.transfer_no))
        .where(
            transfer_table.c.pool == pool,
            transfer_table.c.debit_account == account,
            transfer_table.c.asset == asset.value,
        )
        .scalar_subquery()
    )
    found = _transfers(tx, pool, transfer_table.c.transfer_no == newest, limit=1)
    return found[0] if found else None


def _transfers(
    tx: Connection, pool: str, which: ColumnElement[bool], *, limit: int | None
) -> list[TransferRecord]:
    rows = tx.execute(
        select(
            transfer_table,
            entry_table.c.key,
            entry_table.c.kind,
            entry_table.c.occurred_at,
            entry_table.c.recorded_at,
            entry_table.c.business_date,
            entry_table.c.fact_no,
            entry_table.c.memo,
        )
        .join(
            entry_table,
            and_(
                entry_table.c.pool == transfer_table.c.pool,
                entry_table.c.entry_no == transfer_table.c.entry_no,
            ),
        )
        .where(transfer_table.c.pool == pool, which)
        .order_by(transfer_table.c.transfer_no)
        .limit(limit)
    )
    return [
        TransferRecord(
            transfer_no=row.transfer_no,
            entry_no=row.entry_no,
            key=row.key,
            kind=row.kind,
            asset=Asset(row.asset),
            code=row.code,
            debit=row.debit_account,
            credit=row.credit_account,
            amount=row.amount,
            occurred_at=row.occurred_at,
            recorded_at=row.recorded_at,
            business_date=row.business_date,
            fact_no=row.fact_no,
            memo=row.memo,
        )
        for row in rows
    ]


def _balance(tx: Connection, pool: str, row: Row) -> AccountBalance:
    account, asset, normal = row["account"], Asset(row["asset"]), Normal(row["normal"])
    sums = hot_sums(tx, pool, account, asset) if row["hot"] else sums_of(row)
    return AccountBalance(account, asset, row["kind"], normal, sums.on(normal))
