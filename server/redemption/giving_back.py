"""Points that go back to a resident: to the account that they came from, an overdraft first."""

from sqlalchemy import Connection

from server.directory.accounts import overdraft_account, returned_account
from server.directory.bearer import holder_account
from server.ledger import Asset, Leg, balance

POINTS_RETURNED_CODE = "points_returned"
OVERDRAFT_CLEARED_CODE = "overdraft_cleared"


def points_back(tx: Connection, pool: str, account: str, merchant: str, points: int) -> list[Leg]:
    """The legs by which a merchant gives points back; ``account`` is the resident's or a card's."""
    resident = holder_account(tx, pool, account)
    assert resident is not None, f"{pool}: nobody holds {account}"
    owed = overdraft_account(account)
    legs = [Leg(Asset.POINTS, POINTS_RETURNED_CODE, returned_account(merchant), resident, points)]
    cleared = min(points, balance(tx, pool, owed, Asset.POINTS))
    if cleared:
        legs.append(Leg(Asset.POINTS, OVERDRAFT_CLEARED_CODE, resident, owed, cleared))
    return legs
