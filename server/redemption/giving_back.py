"""Points that go back to a resident: to the account that they came from, an overdraft first."""

from sqlalchemy import Connection

from server.directory.accounts import LAPSED_POINTS, overdraft_account, returned_account
from server.directory.bearer import holder_account
from server.ledger import Asset, Leg, balance, entry_of, transfers_of_entry
from server.redemption.capture import SALE_KEY
from server.redemption.queries import Sale

POINTS_RETURNED_CODE = "points_returned"
OVERDRAFT_CLEARED_CODE = "overdraft_cleared"
LAPSE_UNDONE_CODE = "lapse_undone"


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


def lapsed_of_sale(tx: Connection, pool: str, sale: Sale) -> int:
    """Points that lapsed with a sale, on a card that is spent in one go."""
    entry = entry_of(tx, pool, f"{SALE_KEY}{sale.sale_id}")
    legs = transfers_of_entry(tx, pool, entry.entry_no) if entry is not None else []
    return sum(leg.amount for leg in legs if leg.credit == LAPSED_POINTS)


def lapsed_back(tx: Connection, pool: str, account: str, points: int) -> Leg:
    """The leg by which the points come back that lapsed with a sale, once all of it is undone."""
    holder = holder_account(tx, pool, account)
    assert holder is not None, f"{pool}: nobody holds {account}"
    return Leg(Asset.POINTS, LAPSE_UNDONE_CODE, LAPSED_POINTS, holder, points)
