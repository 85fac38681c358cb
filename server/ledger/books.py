"""Reading the books: balances, what is spendable, entries and their transfers."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
)

from server.ledger.accounts import lock_pool
from server.ledger.tables import account as account_table
from server.ledger.tables import entry as entry_table
from server.ledger.tables import hold as hold_table
from server.ledger.tables import transfer as transfer_table
from server.ledger.values import (
    AccountBalance,
    Asset,
    EntryRecord,
    HoldRecord,
    HoldState,
    Normal,
    Sums,
    TransferRecord,
    UnknownAccount,
)

PAGE_MAX = 5_000


def fold(tx: Connection, pool: str, account: str, asset: Asset, *, upto: int | None = None) -> Sums:
    """Both sides of the account, summed from its transfers (up to transfer number `upto`,
    inclusive). An account without transfers, or never opened, folds to zero.
    """

    def side(column: ColumnElement[str]) -> ColumnElement[int]:
        which = [
            transfer_table.c.pool == pool,
            column == account,
            transfer_table.c.asset == asset.value,
        ]
        if upto is not None:
            which.append(transfer_table.c.transfer_no <= upto)
        summed = select(cast(func.coalesce(func.sum(transfer_table.c.amount), 0), BigInteger))
        return summed.where(*which).scalar_subquery()

    row = tx.execute(
        select(
            side(transfer_table.c.debit_account).label("debits"),
            side(transfer_table.c.credit_account).label("credits"),
        )
    ).one()
    return Sums(row.debits, row.credits)


def balance(tx: Connection, pool: str, account: str, asset: Asset) -> int:
    """What stands on the account, seen from its normal side.

    Raises:
        UnknownAccount: it was never opened.
    """
    row = tx.execute(
        select(account_table).where(
            account_table.c.pool == pool,
            account_table.c.account == account,
            account_table.c.asset == asset.value,
        )
    ).one_or_none()
    if row is None:
        raise UnknownAccount(f"{pool}: never opened: {account} ({asset})")
    return _balance(tx, pool, row).balance


def balances(
    tx: Connection, pool: str, *, kind: str | None = None, asset: Asset | None = None
) -> list[AccountBalance]:
    """Every account of the pool (of one kind, of one asset), in the order of its keys."""
    which = [account_table.c.pool == pool]
    if kind is not None:
        which.append(account_table.c.kind == kind)
    if asset is not None:
        which.append(account_table.c.asset == asset.value)
    rows = tx.execute(
        select(account_table).where(*which).order_by(account_table.c.account, account_table.c.asset)
    ).all()
    return [_balance(tx, pool, row) for row in rows]


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


def live_holds_sum(tx: Connection, pool: str, account: str, asset: Asset, at: datetime) -> int:
    """What unresolved, unexpired holds reserve on the account at `at`."""
    summed = select(cast(func.coalesce(func.sum(hold_table.c.amount), 0), BigInteger)).where(
        hold_table.c.pool == pool,
        hold_table.c.account == account,
        hold_table.c.asset == asset.value,
        # Written as a literal, so that both databases see that their partial index serves it.
        hold_table.c.state == literal(HoldState.HELD.value, literal_execute=True),
        hold_table.c.expires_at > at,
    )
    return int(tx.execute(summed).scalar_one())


def hold_of(tx: Connection, pool: str, hold_key: str) -> HoldRecord | None:
    """The hold under this key, a tombstone included, or None."""
    row = tx.execute(
        select(hold_table).where(hold_table.c.pool == pool, hold_table.c.hold_key == hold_key)
    ).one_or_none()
    if row is None:
        return None
    return HoldRecord(
        hold_key=row.hold_key,
        account=row.account,
        asset=Asset(row.asset) if row.asset is not None else None,
        amount=row.amount,
        state=HoldState(row.state),
        captured=row.captured_amount,
        placed_at=row.placed_at,
        expires_at=row.expires_at,
        resolved_at=row.resolved_at,
    )


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


def _balance(tx: Connection, pool: str, row: Row[tuple[object, ...]]) -> AccountBalance:
    asset, normal = Asset(row.asset), Normal(row.normal)
    sums = fold(tx, pool, row.account, asset) if row.hot else Sums(row.debits, row.credits)
    return AccountBalance(row.account, asset, row.kind, normal, sums.on(normal))
