"""DuckDB as the reference: the same sums from the same rows, all merchants in one question.

The rows are copied out of PostgreSQL once, before anything is settled, into Parquet files. The
question says with its own words what settlement says with its own: it shares no code with it.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from bench.postgres import Cluster
from bench.settlement_world import LAST_DAY

_TABLES = {
    "transfer": (
        "SELECT entry_no, code, debit_account, credit_account, amount FROM transfer",
        (
            "entry_no BIGINT, code VARCHAR, debit_account VARCHAR, credit_account VARCHAR,"
            " amount BIGINT"
        ),
    ),
    "entry": (
        "SELECT entry_no, key, kind, business_date, memo FROM entry",
        "entry_no BIGINT, key VARCHAR, kind VARCHAR, business_date DATE, memo VARCHAR",
    ),
    "sale": (
        "SELECT sale_id, terminal, business_date, points_for_money * fen_per_point FROM sale",
        "sale_id VARCHAR, terminal VARCHAR, business_date DATE, points_fen BIGINT",
    ),
    "refund": (
        (
            "SELECT refund_id, refund.points_for_money * fen_per_point FROM refund"
            " JOIN sale USING (pool, sale_id)"
        ),
        "refund_id VARCHAR, points_fen BIGINT",
    ),
    "shop": (
        "SELECT terminal, shop, merchant FROM shop JOIN terminal USING (pool, shop)",
        "terminal VARCHAR, shop VARCHAR, merchant VARCHAR",
    ),
    "contract": (
        (
            "SELECT contract, merchant, shop, valid_from, coalesce(valid_until, 'infinity')"
            " FROM contract"
        ),
        "contract VARCHAR, merchant VARCHAR, shop VARCHAR, valid_from DATE, valid_until DATE",
    ),
    "tier": (
        (
            "SELECT contract, rule ->> 'basis', (tier ->> 0)::bigint, (tier ->> 1)::bigint"
            " FROM contract, json_array_elements(coalesce(terms::json -> 'share',"
            ' format(\'[{"basis":"cash","tiers":[[0,%s]]}]\', share_bp)::json)) rule,'
            " json_array_elements(rule -> 'tiers') tier"
        ),
        "contract VARCHAR, basis VARCHAR, from_fen BIGINT, bp BIGINT",
    ),
}
# What each merchant's accounts moved, and under which contract and in which month.
_SUMS = f"""
CREATE OR REPLACE TEMP TABLE summed AS
WITH traded AS (
    SELECT entry_no, trade.merchant, month, points_fen,
        coalesce(own.contract, any_shop.contract) AS name
    FROM (
        SELECT entry_no, shop.shop, merchant, sale.business_date AS day,
            strftime(sale.business_date, '%Y-%m') AS month,
            CASE WHEN kind = 'sale' THEN sale.points_fen ELSE -refund.points_fen END AS points_fen
        FROM entry
        LEFT JOIN refund ON kind = 'refund' AND refund_id = substr(key, 8)
        JOIN sale ON sale_id = CASE WHEN kind = 'refund' THEN memo ELSE substr(key, 6) END
        JOIN shop USING (terminal)
        WHERE kind IN ('sale', 'refund') AND entry.business_date <= DATE '{LAST_DAY}'
    ) trade
    LEFT JOIN contract own ON own.merchant = trade.merchant AND own.shop = trade.shop
        AND day BETWEEN own.valid_from AND own.valid_until
    LEFT JOIN contract any_shop ON any_shop.merchant = trade.merchant AND any_shop.shop IS NULL
        AND day BETWEEN any_shop.valid_from AND any_shop.valid_until
), moved AS (
    SELECT entry_no,
        sum(CASE WHEN credit_account LIKE 'takings:%' THEN amount ELSE 0 END) AS takings,
        sum(CASE WHEN debit_account LIKE 'takings:%' THEN amount ELSE 0 END) AS taken_back,
        sum(CASE WHEN credit_account LIKE 'redeemed:%' THEN amount ELSE 0 END) AS redeemed,
        sum(CASE WHEN debit_account LIKE 'returned:%' THEN amount ELSE 0 END) AS returned,
        sum(CASE WHEN code = 'reimbursement' THEN amount ELSE 0 END) AS reimbursed,
        sum(CASE WHEN code = 'reimbursement_returned' THEN amount ELSE 0 END) AS reimbursed_back
    FROM transfer GROUP BY entry_no
)
SELECT merchant, name AS contract, month,
    count(*) FILTER (takings > 0)::BIGINT AS sales_count,
    count(*) FILTER (taken_back > 0)::BIGINT AS refunds_count,
    sum(takings)::BIGINT AS takings_fen, sum(taken_back)::BIGINT AS takings_returned_fen,
    sum(redeemed)::BIGINT AS redeemed_points, sum(returned)::BIGINT AS returned_points,
    sum(reimbursed)::BIGINT AS reimbursement_fen,
    sum(reimbursed_back)::BIGINT AS reimbursement_returned_fen,
    sum(takings - taken_back)::BIGINT AS cash_fen, sum(points_fen)::BIGINT AS points_fen
FROM traded JOIN moved USING (entry_no)
GROUP BY merchant, name, month
"""
# Rounded up to each tier, halves up, so that the tiers add up to the month.
_SHARES = """
CREATE OR REPLACE TEMP TABLE shared AS
SELECT contract, month, from_fen, bp, part AS takings_fen,
    ((upto_bp * 2 + 10000) // 20000 - ((upto_bp - part * bp) * 2 + 10000) // 20000)::BIGINT
        AS share_fen
FROM (
    SELECT *, (sum(part * bp) OVER (PARTITION BY contract, month ORDER BY from_fen))::BIGINT
        AS upto_bp
    FROM (
        SELECT contract, month, from_fen, bp, greatest(0, least(
            basis_fen, coalesce(lead(from_fen) OVER tiers, basis_fen)) - from_fen) AS part
        FROM (
            SELECT contract, month, from_fen, bp,
                cash_fen + CASE WHEN basis = 'all' THEN points_fen ELSE 0 END AS basis_fen
            FROM summed JOIN tier USING (contract)
        ) based WINDOW tiers AS (PARTITION BY contract, month ORDER BY from_fen)
    ) parted
) added
"""


@dataclass(frozen=True, slots=True)
class Sums:
    """By merchant, in the order of `FIELDS`; and by contract, month and start of the tier, the
    rate, takings and share.
    """

    merchants: dict[str, tuple[int, ...]]
    tiers: dict[tuple[str, str, int], tuple[int, int, int]]


FIELDS = (
    "sales_count",
    "refunds_count",
    "takings_fen",
    "takings_returned_fen",
    "redeemed_points",
    "returned_points",
    "reimbursement_fen",
    "reimbursement_returned_fen",
)


def export(cluster: Cluster, database: str, folder: Path) -> None:
    """The rows that the sums need as Parquet files in an empty folder."""
    folder.mkdir(parents=True)
    with cluster.connect(database) as connection, duckdb.connect() as duck:
        for name, (wanted, columns) in _TABLES.items():
            text = folder / f"{name}.csv"
            with (
                text.open("wb") as out,
                connection.cursor().copy(
                    f"COPY ({wanted}) TO STDOUT (FORMAT csv)".encode()
                ) as rows,
            ):
                for data in rows:
                    out.write(data)
            typed = ", ".join(
                f"'{column.split()[0]}': '{column.split()[1]}'" for column in columns.split(", ")
            )
            duck.execute(
                f"COPY (SELECT * FROM read_csv('{text}', header = false, columns = {{{typed}}}))"
                f" TO '{folder / name}.parquet' (FORMAT parquet)"
            )
            text.unlink()


class Duck:
    """DuckDB over the files of :func:`export`; ``threads`` of its own, or as it chooses."""

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self._duck = duckdb.connect()
        if threads is not None:
            self._duck.execute(f"SET threads = {threads}")
        for name in _TABLES:
            self._duck.execute(
                f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{folder / name}.parquet')"
            )

    def sum_up(self) -> None:
        """The question that is measured: read everything, sum and share."""
        self._duck.execute(_SUMS)
        self._duck.execute(_SHARES)

    def sums(self) -> Sums:
        """What the last :meth:`sum_up` found; tiers that nothing touches are left out."""
        wanted = ", ".join(f"sum({name})::BIGINT" for name in FIELDS)
        merchants = self._duck.execute(
            f"SELECT merchant, {wanted} FROM summed GROUP BY merchant"
        ).fetchall()
        tiers = self._duck.execute(
            "SELECT contract, month, from_fen, bp, takings_fen, share_fen FROM shared"
            " WHERE takings_fen <> 0 OR share_fen <> 0"
        ).fetchall()
        return Sums(
            merchants={row[0]: tuple(row[1:]) for row in merchants},
            tiers={(row[0], row[1], row[2]): (row[3], row[4], row[5]) for row in tiers},
        )

    def close(self) -> None:
        self._duck.close()
