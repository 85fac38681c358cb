"""A pool of merchants with contracts of several shapes, and a month of their sales.

Merchants, shops, contracts and terminals are facts. The sales are rows made inside the database,
consistent with each other and with the balances, as those of `ledger_history` are: entries,
transfers, sales with a line, refunds with theirs; they are no facts.
"""

import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
from psycopg.types.numeric import Int8

from bench.figures import BenchError
from bench.ledger_pool import PLACE, POOL
from bench.postgres import Cluster
from config.pool import load_pool
from config.server import ServerSettings
from server.bootstrap.desk import make_desk
from server.bootstrap.opening import create_pool
from server.commands.context import OpenedPool
from server.db import writing
from server.directory.commands import AgreeTerms, InviteTerminal, OpenShop, RegisterMerchant
from server.directory.contract_terms import Basis, ContractTerms, Cycle, ShareRule
from server.directory.enrolment import code_hash, code_name, make_code
from server.facts import FactDesk, Failed, Refusal, Submission

FIRST_DAY, CHANGE_DAY, LAST_DAY = date(2026, 3, 1), date(2026, 3, 16), date(2026, 3, 31)
OPENED_AT = datetime(2026, 2, 28, 17, 0, tzinfo=UTC)  # 1 March in Shanghai
SHOP_KIND = "store"
RESIDENTS = 1_000
MERCHANTS_A_COMMIT = 50
CASH_FEN = 2_500
"""What a sale takes on average."""
WITHIN_MS = 3_600_000

_PLAIN_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE tablename IN ('entry', 'transfer', 'sale', 'sale_line', 'refund', 'refund_line')
    AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""
# Round k is one line of every merchant: cash alone, cash and points, or of each 25 the last is a
# refund of the round before. Lines of one round have equally many legs, so that transfers can be
# counted without a gap; `before` is how many legs of one merchant stand in earlier rounds.
_ROUNDS = f"""
CREATE TEMP TABLE round AS
SELECT k, is_refund, pays, 1 + 2 * pays::int AS legs,
    sum(1 + 2 * pays::int) OVER (ORDER BY k) - (1 + 2 * pays::int) AS before,
    date '{FIRST_DAY}' + (k * 31 / %(rounds)s)::int AS day
FROM generate_series(0, %(rounds)s::bigint - 1) k,
    LATERAL (SELECT k %% 25 = 24 AS is_refund) what,
    LATERAL (SELECT (CASE WHEN is_refund THEN k - 1 ELSE k END) %% 2 = 1 AS pays) how
"""
_SELLERS = """
CREATE TEMP TABLE seller AS
SELECT dense_rank() OVER (ORDER BY merchant) - 1 AS m, merchant, terminal, contract,
    contract.valid_from, coalesce(contract.valid_until, 'infinity') AS valid_until
FROM shop JOIN terminal USING (pool, shop) JOIN contract USING (pool, merchant)
"""
# g counts lines; `of` is the sale, the refund's own included; amounts are the line's own.
_LINES = f"""
CREATE TEMP TABLE line AS
SELECT g, k, m, merchant, terminal, is_refund, pays, legs, day, contract, of,
    CASE WHEN is_refund THEN (500 + of * 7919 %% 4000) / 2 ELSE 500 + g * 7919 %% 4000 END AS cash,
    CASE WHEN pays THEN 1 + of %% 20 ELSE 0 END AS points,
    day + time '02:00' + k %% 600 * interval '1 minute' AS at,
    'be' || lpad(to_hex(1 + of %% {RESIDENTS}), 14, '0') AS who,
    '01900000-0000-7000-8000-' || lpad(to_hex(of), 12, '0') AS sale_id,
    '01900000-0000-7000-9000-' || lpad(to_hex(g), 12, '0') AS refund_id,
    %(transfer)s + before * %(merchants)s + m * legs AS legs_before
FROM round JOIN seller ON day BETWEEN seller.valid_from AND seller.valid_until,
    LATERAL (SELECT k * %(merchants)s + m AS g) numbered,
    LATERAL (SELECT CASE WHEN is_refund THEN g - %(merchants)s ELSE g END AS of) whose
"""
_OPENING = f"""
INSERT INTO account (pool, account, asset, kind, normal, floor_at_zero, hot, debits, credits)
SELECT '{POOL}', 'resident:be' || lpad(to_hex(n), 14, '0'), 'points', 'resident', 'credit', true,
    false, 0, 0
FROM generate_series(1, {RESIDENTS}) n
"""
_FIRST_ENTRIES = f"""
INSERT INTO entry (pool, entry_no, key, kind, input_hash, occurred_at, recorded_at, business_date,
    fact_no, memo)
SELECT '{POOL}', %(entry)s + n, 'opening:' || n, 'opening', sha256(int8send(n)),
    timestamptz '{OPENED_AT}', timestamptz '{OPENED_AT}', date '{FIRST_DAY}', 1, ''
FROM generate_series(1, {RESIDENTS}) n
"""
_FIRST_TRANSFERS = f"""
INSERT INTO transfer (pool, transfer_no, entry_no, position, asset, code, debit_account,
    credit_account, amount)
SELECT '{POOL}', %(transfer)s - {RESIDENTS} + n, %(entry)s + n, 1, 'points', 'opening',
    'points_issued', 'resident:be' || lpad(to_hex(n), 14, '0'),
    %(rounds)s * %(merchants)s * 21
FROM generate_series(1, {RESIDENTS}) n
"""
_ENTRIES = f"""
INSERT INTO entry (pool, entry_no, key, kind, input_hash, occurred_at, recorded_at, business_date,
    fact_no, memo)
SELECT '{POOL}', %(entry)s + {RESIDENTS} + 1 + g,
    CASE WHEN is_refund THEN 'refund:' || refund_id ELSE 'sale:' || sale_id END,
    CASE WHEN is_refund THEN 'refund' ELSE 'sale' END, sha256(int8send(g)), at, at, day, 1,
    CASE WHEN is_refund THEN sale_id ELSE '' END
FROM line ORDER BY g
"""
_TRANSFERS = f"""
INSERT INTO transfer (pool, transfer_no, entry_no, position, asset, code, debit_account,
    credit_account, amount)
SELECT '{POOL}', legs_before + leg, %(entry)s + {RESIDENTS} + 1 + g, leg, asset,
    CASE WHEN is_refund THEN back_code ELSE code END,
    CASE WHEN is_refund THEN back_from ELSE paid_by END,
    CASE WHEN is_refund THEN paid_by ELSE paid_to END, amount
FROM line, LATERAL (
    SELECT 1 AS leg, 'fen' AS asset, 'takings' AS code, 'takings_returned' AS back_code,
        'takings_contra' AS paid_by, 'takings:' || merchant AS paid_to,
        'takings:' || merchant AS back_from, cash AS amount
    UNION ALL
    SELECT 2, 'points', 'redemption', 'points_returned', 'resident:' || who,
        'redeemed:' || merchant, 'returned:' || merchant, points WHERE pays
    UNION ALL
    SELECT 3, 'fen', 'reimbursement', 'reimbursement_returned', 'pool_fund',
        'merchant:' || merchant, 'merchant:' || merchant, points * 10 WHERE pays
) moved ORDER BY g, leg
"""
_SALES = f"""
INSERT INTO sale (pool, sale_id, state, terminal, merchant, account, content_hash, receipt_no,
    occurred_at, business_date, answered_by, proof_grade, amounts_source, points_for_goods,
    points_for_money, cash_fen, waived_fen, rounded_up_fen, overdraft_points, reimbursement_fen,
    fen_per_point, contract, reimbursement_bp, epoch, seq)
SELECT '{POOL}', sale_id, 'captured', terminal, merchant, who, encode(sha256(int8send(g)), 'hex'),
    terminal || '-' || k, at, day, 'server', 'A', 'basket', 0, points, cash, 0, 0, 0, points * 10,
    10, contract, 10000, 1, k + 1
FROM line WHERE NOT is_refund ORDER BY g
"""
_SALE_LINES = f"""
INSERT INTO sale_line (pool, sale_id, line_no, barcode, name, category, quantity_milli, unit,
    unit_price_fen, amount_fen, amount_points, reimbursement_fen, fulfilment, catalogue_version)
SELECT '{POOL}', sale_id, 1, '6999990000012', '食盐', '粮油调味', 1000, '袋', cash + points * 10,
    cash + points * 10, 0, 0, 'at_once', 1
FROM line WHERE NOT is_refund ORDER BY g
"""
_REFUNDS = f"""
INSERT INTO refund (pool, refund_id, sale_id, terminal, merchant, content_hash, receipt_no,
    occurred_at, business_date, points_for_goods, points_for_money, cash_fen, waived_fen,
    rounded_up_fen, reimbursement_fen, epoch, seq)
SELECT '{POOL}', refund_id, sale_id, terminal, merchant, encode(sha256(int8send(g)), 'hex'),
    terminal || '-' || k, at, day, 0, points, cash, 0, 0, points * 10, 1, k + 1
FROM line WHERE is_refund ORDER BY g
"""
_REFUND_LINES = f"""
INSERT INTO refund_line (pool, refund_id, sale_id, line_no, quantity_milli, amount_fen,
    amount_points)
SELECT '{POOL}', refund_id, sale_id, 1, 500, cash + points * 10, 0
FROM line WHERE is_refund ORDER BY g
"""
_SUMS = """
UPDATE account SET debits = debits + d, credits = credits + c
FROM (
    SELECT name, of_asset, sum(d)::bigint AS d, sum(c)::bigint AS c FROM (
        SELECT debit_account AS name, asset AS of_asset, sum(amount) AS d, 0 AS c
        FROM transfer GROUP BY 1, 2
        UNION ALL
        SELECT credit_account, asset, 0, sum(amount) FROM transfer GROUP BY 1, 2
    ) sides GROUP BY 1, 2
) moved
WHERE account.account = name AND account.asset = of_asset AND NOT hot
"""
_WRONG = """
SELECT
    (SELECT count(*) FROM account WHERE floor_at_zero AND credits < debits)
    + (SELECT abs(count(*) - max(transfer_no)) FROM transfer)
    + (SELECT abs(last_transfer_no - (SELECT count(*) FROM transfer)) FROM ledger_head)
    + (SELECT abs(last_entry_no - (SELECT count(*) FROM entry)) FROM ledger_head)
    + (SELECT count(*) FROM entry WHERE kind = 'sale' AND NOT EXISTS (
        SELECT FROM sale WHERE sale.pool = entry.pool AND 'sale:' || sale_id = key))
"""


def make_pool(
    folder: Path, cluster: Cluster, database: str, merchants: int, lines: int
) -> OpenedPool:
    """A pool in an empty database, with everything but the sales: tiers so high that a merchant's
    part of ``lines`` reaches them.

    Raises:
        BenchError: a command was refused.
    """
    cluster.create(database)
    settings = ServerSettings(data_dir=folder, database_url=cluster.url_of(database))
    opened = create_pool(settings, load_pool(POOL), clock=lambda: OPENED_AT, randomness=os.urandom)
    desk = make_desk()
    month_fen = lines // merchants * CASH_FEN
    for first in range(0, merchants, MERCHANTS_A_COMMIT):
        numbers = range(first, min(first + MERCHANTS_A_COMMIT, merchants))
        _apply(opened, desk, [each for number in numbers for each in _merchant(number, month_fen)])
    return opened


def load_month(cluster: Cluster, database: str, merchants: int, lines: int) -> float:
    """A month of sales and refunds; returns the seconds it took.

    Raises:
        BenchError: lines do not share out evenly, or the books are not whole afterwards.
    """
    if lines % merchants:
        raise BenchError(f"{lines} lines do not share out over {merchants} merchants")
    began_s = time.perf_counter()
    with cluster.connect(database) as connection, connection.transaction():
        connection.execute(f"SET LOCAL statement_timeout = {WITHIN_MS}".encode())
        # Triggers of foreign keys and guards: the rows are right by the way they are made.
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
        connection.execute("SET LOCAL work_mem = '256MB'")
        head = connection.execute(
            "SELECT last_entry_no, last_transfer_no FROM ledger_head"
        ).fetchone()
        assert head is not None
        counts = {
            "entry": int(str(head[0])),
            "transfer": int(str(head[1])) + RESIDENTS,
            "merchants": merchants,
            "rounds": lines // merchants,
        }
        # The driver would make small numbers so small that their products do not fit.
        values = {name: Int8(count) for name, count in counts.items()}
        indexes = connection.execute(_PLAIN_INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}".encode())
        made = (_ROUNDS, _SELLERS, _LINES, _OPENING, _FIRST_ENTRIES, _FIRST_TRANSFERS, _ENTRIES)
        booked = (_TRANSFERS, _SALES, _SALE_LINES, _REFUNDS, _REFUND_LINES, _SUMS)
        for statement in made + booked:
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
        raise BenchError(f"the month is not whole: {wrong}")
    return time.perf_counter() - began_s


def _merchant(number: int, month_fen: int) -> list[msgspec.Struct]:
    name = f"m{number:05d}"
    code = make_code(os.urandom)
    terminal = f"t{number:05d}"
    return [
        RegisterMerchant(merchant=name, name=f"商户{number}"),
        OpenShop(
            shop=f"s{number:05d}",
            merchant=name,
            shop_kind=SHOP_KIND,
            name=f"小店{number}",
            place=PLACE,
        ),
        *_contracts(number, name, month_fen),
        InviteTerminal(
            terminal=terminal,
            shop=f"s{number:05d}",
            code_name=code_name(code),
            code_hash=code_hash(POOL, terminal, code),
            expires_at=OPENED_AT + timedelta(minutes=10),
            tries=5,
        ),
    ]


def _contracts(number: int, merchant: str, month_fen: int) -> list[AgreeTerms]:
    """One rate; tiers of cash; tiers of everything; or tiers and rent, and other terms from the
    middle of the month on.
    """
    half, most = max(month_fen // 2, 1), max(month_fen * 4 // 5, 2)
    shapes = (
        [(FIRST_DAY, None, ContractTerms(share=_rule((0, 500)), cycle=Cycle.MONTH))],
        [(FIRST_DAY, None, ContractTerms(share=_rule((0, 800), (half, 533)), cycle=Cycle.MONTH))],
        [
            (
                FIRST_DAY,
                None,
                ContractTerms(
                    share=_rule((0, 1000), (half, 700), (most, 333), basis=Basis.ALL),
                    cycle=Cycle.MONTH,
                ),
            )
        ],
        [
            (
                FIRST_DAY,
                CHANGE_DAY - timedelta(days=1),
                ContractTerms(
                    share=_rule((0, 900), (half // 2, 600)), rent_fen=300_000, cycle=Cycle.MONTH
                ),
            ),
            (
                CHANGE_DAY,
                None,
                ContractTerms(
                    share=_rule((0, 700)),
                    share_min_fen=2 * month_fen,
                    rent_fen=350_000,
                    cycle=Cycle.MONTH,
                ),
            ),
        ],
    )
    return [
        AgreeTerms(
            contract=f"{merchant}-{no}",
            merchant=merchant,
            valid_from=first,
            valid_until=last,
            terms=terms,
        )
        for no, (first, last, terms) in enumerate(shapes[number % len(shapes)], 1)
    ]


def _rule(*tiers: tuple[int, int], basis: Basis = Basis.CASH) -> tuple[ShareRule, ...]:
    return (ShareRule(basis=basis, tiers=tiers),)


def _apply(opened: OpenedPool, desk: FactDesk, commands: list[msgspec.Struct]) -> None:
    submissions = [Submission(command, "operator:bench", OPENED_AT) for command in commands]
    with writing(opened.engine) as tx:
        outcomes = desk.submit_many(tx, POOL, submissions)
    for command, outcome in zip(commands, outcomes, strict=True):
        if isinstance(outcome, Refusal | Failed):
            raise BenchError(f"{type(command).__name__} was refused: {outcome}")
