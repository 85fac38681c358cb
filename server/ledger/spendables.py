"""What all accounts of a kind may spend, in one question."""

from datetime import datetime

from sqlalchemy import BigInteger, Connection, and_, cast, func, literal, select

from server.ledger.tables import account as account_table
from server.ledger.tables import hold as hold_table
from server.ledger.values import Asset, HoldState


def spendables(
    tx: Connection, pool: str, kind: str, at: datetime, *, asset: Asset = Asset.POINTS
) -> dict[str, int]:
    """Balance less the holds that are live at ``at``, never below 0, by account.

    For accounts with a floor, which are credit-normal and never hot: what :func:`spendable`
    says of each of them, for all of one kind.
    """
    live = (
        select(hold_table.c.account, func.sum(hold_table.c.amount).label("held"))
        .where(
            hold_table.c.pool == pool,
            hold_table.c.asset == asset.value,
            hold_table.c.state == literal(HoldState.HELD.value, literal_execute=True),
            hold_table.c.expires_at > at,
        )
        .group_by(hold_table.c.account)
        .subquery()
    )
    free = (
        account_table.c.credits
        - account_table.c.debits
        - cast(func.coalesce(live.c.held, 0), BigInteger)
    )
    rows = tx.execute(
        select(account_table.c.account, free.label("free"))
        .outerjoin(live, live.c.account == account_table.c.account)
        .where(
            and_(
                account_table.c.pool == pool,
                account_table.c.kind == kind,
                account_table.c.asset == asset.value,
                account_table.c.normal == "credit",
                account_table.c.floor_at_zero,
            )
        )
    )
    return {row.account: max(0, row.free) for row in rows}
