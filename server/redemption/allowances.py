"""What residents may spend right now, all at once: for the directory that terminals get."""

from datetime import datetime

from sqlalchemy import Connection

from server.directory.accounts import resident_account
from server.ledger.spendables import spendables

_PREFIX = resident_account("")


def spendable_points(tx: Connection, pool: str, at: datetime) -> dict[str, int]:
    """Points less live holds, by pseudonym."""
    free = spendables(tx, pool, "resident", at)
    return {account.removeprefix(_PREFIX): points for account, points in free.items()}
