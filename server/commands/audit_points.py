"""I11: the points that were ever issued are all somewhere, once."""

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from server.awards.tables import award
from server.db.violation import Violation
from server.ledger import Asset, balances

_SIGNS = {
    "points_issued": 1,
    "opening_points": 1,
    "redeemed": -1,
    "returned": 1,
    "resident": -1,
    "offline_overdraft": 1,
}
"""Issued − redeemed + returned = residents' balances − overdrafts, brought to one side."""


def check_points(tx: Connection, pool: str) -> Iterator[Violation]:
    """I11, and that the ledger issued what the awards say."""
    by_kind: dict[str, int] = defaultdict(int)
    for account in balances(tx, pool, asset=Asset.POINTS):
        kind, _, _ = account.account.partition(":")
        if kind not in _SIGNS:
            yield _violation(pool, f"account {account.account}", "counts points, but not here")
        by_kind[kind] += account.balance
    difference = sum(sign * by_kind[kind] for kind, sign in _SIGNS.items())
    if difference:
        sums = ", ".join(f"{kind} {by_kind[kind]}" for kind in _SIGNS)
        yield _violation(pool, "points", f"{difference} points are nowhere: {sums}")
    summed = select(func.coalesce(func.sum(award.c.points), 0)).where(award.c.pool == pool)
    awarded = int(tx.execute(summed).scalar_one())
    if awarded != by_kind["points_issued"]:
        issued = by_kind["points_issued"]
        yield _violation(pool, "points_issued", f"{issued} were issued, awards add up to {awarded}")


def _violation(pool: str, where: str, says: str) -> Violation:
    return Violation("I11", f"pool {pool}, {where}", says)
