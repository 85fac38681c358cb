"""I11: the points that were ever issued are all somewhere, once."""

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import Connection, select

from server.awards import points_awarded, points_corrected, points_opened
from server.awards.bearer_cards import points_on_cards
from server.db.paging import Tick, key_pages, untold
from server.db.violation import Violation
from server.ledger import Asset, Normal, Sums, balance
from server.ledger.tables import account as account_table

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
    "expired_points": -1,
    "over_refund": 1,
    "over_refunds": -1,
}
"""Issued − redeemed + returned − lapsed − expired = residents' and cards' balances − overdrafts − owed −
written off, brought to one side.
"""


def check_points(tx: Connection, pool: str, tick: Tick = untold) -> Iterator[Violation]:
    """I11, and that the ledger issued what the awards say."""
    by_kind: dict[str, int] = defaultdict(int)
    for account, standing in _standing(tx, pool, tick):
        kind, _, _ = account.partition(":")
        if kind not in _SIGNS:
            yield _violation(pool, f"account {account}", "counts points, but not here")
        by_kind[kind] += standing
    difference = sum(sign * by_kind[kind] for kind, sign in _SIGNS.items())
    if difference:
        sums = ", ".join(f"{kind} {by_kind[kind]}" for kind in _SIGNS)
        yield _violation(pool, "points", f"{difference} points are nowhere: {sums}")
    for kind, told in (
        ("points_issued", points_awarded(tx, pool) + points_on_cards(tx, pool)),
        ("opening_points", points_opened(tx, pool) + points_corrected(tx, pool)),
    ):
        if told != by_kind[kind]:
            says = f"{by_kind[kind]} were issued, awards and cards add up to {told}"
            yield _violation(pool, kind, says)


def _standing(tx: Connection, pool: str, tick: Tick) -> Iterator[tuple[str, int]]:
    """Every account of points with its balance, a page at a time."""
    own = account_table.c
    for page in key_pages(tx, own.account, pool):
        rows = tx.execute(select(account_table).where(own.pool == pool, page.within())).all()
        for row in rows:
            if row.asset != Asset.POINTS.value:
                continue
            if row.hot:
                yield row.account, balance(tx, pool, row.account, Asset.POINTS)
            else:
                sums = Sums(row.debits, row.credits)
                yield row.account, sums.on(Normal(row.normal))
        tick(len(rows))


def _violation(pool: str, where: str, says: str) -> Violation:
    return Violation("I11", f"pool {pool}, {where}", says)
