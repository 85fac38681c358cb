"""I11: the points that were ever issued are all somewhere, once."""

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import Connection

from server.awards import points_awarded, points_opened
from server.awards.bearer_cards import points_on_cards
from server.db.violation import Violation
from server.ledger import Asset, balances

_SIGNS = {
    "points_issued": 1,
    "opening_points": 1,
    "redeemed": -1,
    "returned": 1,
    "resident": -1,
    "offline_overdraft": 1,
    "owed": 1,
    "risk_reserve": 1,
    "card": -1,
    "lapsed_points": -1,
}
"""Issued − redeemed + returned − lapsed = residents' and cards' balances − overdrafts − owed −
written off, brought to one side.
"""


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
    for kind, told in (
        ("points_issued", points_awarded(tx, pool) + points_on_cards(tx, pool)),
        ("opening_points", points_opened(tx, pool)),
    ):
        if told != by_kind[kind]:
            says = f"{by_kind[kind]} were issued, awards and cards add up to {told}"
            yield _violation(pool, kind, says)


def _violation(pool: str, where: str, says: str) -> Violation:
    return Violation("I11", f"pool {pool}, {where}", says)
