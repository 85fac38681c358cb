"""What residents may spend right now, all at once: for the directory that terminals get."""

from datetime import datetime

from sqlalchemy import Connection

from server.directory import residents
from server.directory.accounts import resident_account
from server.ledger import balances, spendable


def spendable_points(tx: Connection, pool: str, at: datetime) -> dict[str, int]:
    """Points less live holds, by pseudonym."""
    standing = {each.account: each.balance for each in balances(tx, pool, kind="resident")}
    return {
        each.account: spendable(tx, pool, resident_account(each.account), at)
        for each in residents(tx, pool)
        if standing.get(resident_account(each.account), 0)
    }
