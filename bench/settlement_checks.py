"""What makes the figures worth something: the statements are right, to the fen."""

from msgspec import Struct

from bench.figures import BenchError
from bench.ledger_pool import POOL
from bench.postgres import Cluster
from bench.settlement_duckdb import FIELDS, Sums
from server.commands.context import OpenedPool
from server.db import reading
from server.settlement import members_of, shares_of, statements_of
from server.settlement.figures import totals_of

_OUTSIDE = """
SELECT count(*) FROM transfer
WHERE (split_part(credit_account, ':', 1) IN ('merchant', 'takings', 'redeemed', 'returned')
    OR split_part(debit_account, ':', 1) IN ('merchant', 'takings', 'redeemed', 'returned'))
    AND NOT EXISTS (SELECT FROM statement_line JOIN placement USING (pool, day_sum)
        WHERE statement_line.pool = transfer.pool
        AND statement_line.transfer_no = transfer.transfer_no)
"""


class Equal(Struct, frozen=True, kw_only=True):
    """How many statements there are, and of how many the transfers were folded one by one."""

    statements: int
    folded: int


def require_equal(
    opened: OpenedPool, cluster: Cluster, database: str, sums: Sums, *, fold_each: int = 1
) -> Equal:
    """Every statement equals DuckDB's sums of all rows, totals and shares; every transfer of a
    merchant is on one; and every ``fold_each``-th equals the fold of its transfers, one by one.

    Raises:
        BenchError: something differs; it says what.
    """
    with cluster.connect(database) as connection:
        outside = connection.execute(_OUTSIDE).fetchone()
    if outside != (0,):
        raise BenchError(f"transfers on no statement: {outside}")
    with reading(opened.engine) as tx:
        made = statements_of(tx, POOL)
        if len({each.merchant for each in made}) != len(made) or {
            each.merchant for each in made
        } != set(sums.merchants):
            raise BenchError(f"{len(made)} statements for {len(sums.merchants)} merchants")
        tiers: dict[tuple[str, str, int], tuple[int, int, int]] = {}
        for number, each in enumerate(made):
            if number % fold_each == 0:
                # The membership is the statement's own; that it is whole was asked above.
                transfers = (member.transfer for member in members_of(tx, POOL, each))
                folded = totals_of(each.merchant, transfers)
                if folded != each.totals:
                    raise BenchError(f"{each.statement}: {each.totals}, its transfers {folded}")
            own = tuple(getattr(each.totals, name) for name in FIELDS)
            if own != sums.merchants[each.merchant]:
                raise BenchError(f"{each.statement}: {own}, DuckDB {sums.merchants[each.merchant]}")
            shares = shares_of(tx, POOL, each.statement)
            if sum(share.share_fen for share in shares) != each.totals.share_fen:
                raise BenchError(f"{each.statement}: its shares do not add up")
            for share in shares:
                place = (share.contract, share.month, share.from_fen)
                tiers[place] = (share.share_bp, share.takings_fen, share.share_fen)
    if tiers != sums.tiers:
        odd = sorted(set(tiers.items()) ^ set(sums.tiers.items()))[:4]
        raise BenchError(f"shares differ from DuckDB's: {odd}")
    return Equal(statements=len(made), folded=-(-len(made) // fold_each))
