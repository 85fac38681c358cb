"""Fills a pool's books with millions of transfers, as years of redemptions would.

The rows are consistent: every entry has its two transfers, every resident was given what he
spent, numbers have no gap, and the balances are the sums. They are made inside the database, with
foreign keys off and the plain indexes built afterwards, and are no facts: replay knows nothing of
them, and the audit is not run over them.
"""

import time

from bench.figures import BenchError
from bench.ledger_pool import POOL
from bench.postgres import Cluster

ACCOUNTS = 10_000
LEAST_TRANSFERS = 2 * ACCOUNTS
POINTS = 2
FIRST_POINTS = 1_000_000
WITHIN_MS = 1_200_000

_PLAIN_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE tablename IN ('entry', 'transfer') AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""
_STRANGERS = f"""
INSERT INTO account (pool, account, asset, kind, normal, floor_at_zero, hot, debits, credits)
SELECT '{POOL}', 'resident:be' || lpad(to_hex(n), 14, '0'), 'points', 'resident', 'credit', true,
    false, 0, 0
FROM generate_series(1, %(accounts)s) n
ON CONFLICT DO NOTHING
"""
_ENTRIES = f"""
INSERT INTO entry (pool, entry_no, key, kind, input_hash, occurred_at, recorded_at, business_date,
    fact_no, memo)
SELECT '{POOL}', %(entry)s + g, 'history:' || g,
    CASE WHEN g <= %(accounts)s THEN 'opening' ELSE 'sale' END, sha256(int8send(g)),
    at, at, (at AT TIME ZONE 'Asia/Shanghai')::date, 1, 'history'
FROM generate_series(1::bigint, %(entries)s) g,
    LATERAL (SELECT timestamptz '2025-01-01' + g * interval '3 seconds' AS at) moment
"""
# Entry g gives account g its first points; behind them every entry is a sale with two legs.
_TRANSFERS = f"""
INSERT INTO transfer (pool, transfer_no, entry_no, position, asset, code, debit_account,
    credit_account, amount)
SELECT '{POOL}',
    %(transfer)s + CASE WHEN opening THEN g ELSE %(accounts)s + 2 * (g - %(accounts)s) - 2 + leg END,
    %(entry)s + g, leg, CASE leg WHEN 1 THEN 'points' ELSE 'fen' END,
    CASE WHEN opening THEN 'opening' WHEN leg = 1 THEN 'redemption' ELSE 'reimbursement' END,
    CASE WHEN opening THEN 'points_issued' WHEN leg = 1 THEN who ELSE 'pool_fund' END,
    CASE WHEN opening THEN who WHEN leg = 1 THEN 'redeemed:' || shop ELSE 'merchant:' || shop END,
    CASE WHEN opening THEN {FIRST_POINTS} WHEN leg = 1 THEN {POINTS} ELSE {POINTS} * 10 END
FROM generate_series(1::bigint, %(entries)s) g, (VALUES (1), (2)) legs (leg),
    LATERAL (SELECT g <= %(accounts)s AS opening,
        'resident:be' || lpad(to_hex(1 + (g * 7919) %% %(accounts)s), 14, '0') AS who,
        (%(merchants)s::text[])[(1 + g %% cardinality(%(merchants)s::text[]))::integer] AS shop) it
WHERE leg = 1 OR NOT opening
"""
_SUMS = """
UPDATE account SET debits = debits + coalesce(d, 0), credits = credits + coalesce(c, 0)
FROM (
    SELECT name, of_asset, sum(d)::bigint AS d, sum(c)::bigint AS c FROM (
        SELECT debit_account AS name, asset AS of_asset, sum(amount) AS d, 0 AS c
        FROM transfer WHERE transfer_no > %(transfer)s GROUP BY 1, 2
        UNION ALL
        SELECT credit_account, asset, 0, sum(amount)
        FROM transfer WHERE transfer_no > %(transfer)s GROUP BY 1, 2
    ) sides GROUP BY 1, 2
) moved
WHERE account.account = name AND account.asset = of_asset AND NOT hot
"""
_WRONG = """
SELECT
    (SELECT count(*) FROM account WHERE floor_at_zero AND credits < debits AND normal = 'credit')
    + (SELECT abs(count(*) - max(transfer_no)) FROM transfer)
    + (SELECT abs(last_transfer_no - (SELECT count(*) FROM transfer)) FROM ledger_head)
    + (SELECT abs(last_entry_no - (SELECT count(*) FROM entry)) FROM ledger_head)
"""


def entries_for(transfers: int) -> int:
    """How many entries it takes: one transfer for each account's first points, two for a sale."""
    return ACCOUNTS + (transfers - ACCOUNTS) // 2


def load_history(cluster: Cluster, database: str, transfers: int) -> float:
    """Put so many transfers (at least :data:`LEAST_TRANSFERS`) into the books; returns the seconds it took.

    Raises:
        BenchError: too few were asked for, or the books are not whole afterwards.
    """
    if transfers < LEAST_TRANSFERS:
        raise BenchError(f"a history has at least {LEAST_TRANSFERS} transfers")
    began_s = time.perf_counter()
    with cluster.connect(database) as connection, connection.transaction():
        connection.execute(f"SET LOCAL statement_timeout = {WITHIN_MS}".encode())
        # Triggers of foreign keys and guards: the rows are right by the way they are made.
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
        head = connection.execute(
            "SELECT last_entry_no, last_transfer_no FROM ledger_head"
        ).fetchone()
        merchants = connection.execute(
            "SELECT array_agg(merchant ORDER BY merchant) FROM merchant"
        ).fetchone()
        assert head is not None
        assert merchants is not None
        values = {
            "entry": head[0],
            "transfer": head[1],
            "entries": entries_for(transfers),
            "accounts": ACCOUNTS,
            "merchants": merchants[0],
        }
        indexes = connection.execute(_PLAIN_INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}".encode())
        for statement in (_STRANGERS, _ENTRIES, _TRANSFERS, _SUMS):
            connection.execute(statement.encode(), values)
        connection.execute(
            "UPDATE ledger_head SET last_entry_no = (SELECT max(entry_no) FROM entry),"
            " last_transfer_no = (SELECT max(transfer_no) FROM transfer)"
        )
        for _, made_by in indexes:
            connection.execute(str(made_by).encode())
    with cluster.connect(database) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
        wrong = connection.execute(_WRONG).fetchone()
    if wrong != (0,):
        raise BenchError(f"the history is not whole: {wrong}")
    return time.perf_counter() - began_s
