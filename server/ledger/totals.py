"""Sums over many accounts in one question each."""

from datetime import datetime

from sqlalchemy import BigInteger, Connection, and_, cast, func, select

from server.ledger.tables import account as account_table
from server.ledger.tables import entry as entry_table
from server.ledger.tables import transfer as transfer_table
from server.ledger.values import Asset


def total_credit(tx: Connection, pool: str, kind: str, *, asset: Asset = Asset.POINTS) -> int:
    """What stands on all accounts of a kind together; none of them may be hot."""
    summed = func.sum(account_table.c.credits - account_table.c.debits)
    return int(
        tx.execute(
            select(cast(func.coalesce(summed, 0), BigInteger)).where(
                account_table.c.pool == pool,
                account_table.c.kind == kind,
                account_table.c.asset == asset.value,
                ~account_table.c.hot,
            )
        ).scalar_one()
    )


def credits_of(
    tx: Connection,
    pool: str,
    kind: str,
    *,
    before: datetime | None = None,
    code: str | None = None,
    but: str | None = None,
    asset: Asset = Asset.POINTS,
) -> dict[str, int]:
    """What each account of a kind was credited with: by what was recorded ``before`` a moment,
    by transfers of one ``code``, or by all but those of one. Accounts without any are left out.
    """
    which = [
        transfer_table.c.pool == pool,
        transfer_table.c.asset == asset.value,
        account_table.c.kind == kind,
    ]
    if code is not None:
        which.append(transfer_table.c.code == code)
    if but is not None:
        which.append(transfer_table.c.code != but)
    statement = select(
        transfer_table.c.credit_account,
        cast(func.sum(transfer_table.c.amount), BigInteger).label("amount"),
    ).join(
        account_table,
        and_(
            account_table.c.pool == transfer_table.c.pool,
            account_table.c.account == transfer_table.c.credit_account,
            account_table.c.asset == transfer_table.c.asset,
        ),
    )
    if before is not None:
        which.append(entry_table.c.recorded_at < before)
        statement = statement.join(
            entry_table,
            and_(
                entry_table.c.pool == transfer_table.c.pool,
                entry_table.c.entry_no == transfer_table.c.entry_no,
            ),
        )
    rows = tx.execute(statement.where(*which).group_by(transfer_table.c.credit_account))
    return {row.credit_account: row.amount for row in rows}


def debits_of(
    tx: Connection, pool: str, kind: str, *, asset: Asset = Asset.POINTS
) -> dict[str, int]:
    """What each account of a kind was ever debited with; none of them may be hot."""
    rows = tx.execute(
        select(account_table.c.account, account_table.c.debits).where(
            account_table.c.pool == pool,
            account_table.c.kind == kind,
            account_table.c.asset == asset.value,
        )
    )
    return {row.account: row.debits for row in rows}
