"""The limits of the ledger: one ideal redemption as one server-side call, and bare COPY.

The ideal redemption writes what a capture with points writes into the books: an entry and two
transfers (four postings), and the resident's balance, which it checks. Same tables, indexes,
constraints, triggers and durability. It touches no row that many redemptions share, takes its
numbers from sequences, and knows no rules, no holds, no journal and no signatures.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.figures import BenchError
from bench.ledger_pool import POOL
from bench.postgres import OWNER, Cluster
from server.db import metadata, open_engine
from server.ledger import tables as ledger

RESIDENTS, MERCHANTS = 1_000, 50
THREADS = 2
RUN_WITHIN_S = 120
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)

_SETUP = f"""
INSERT INTO ledger_head VALUES ('{POOL}', 0, 0);
INSERT INTO account (pool, account, asset, kind, normal, floor_at_zero, hot, debits, credits)
    SELECT '{POOL}', 'resident:be' || lpad(to_hex(n), 14, '0'), 'points', 'resident', 'credit',
        true, false, 0, 1000000000000 FROM generate_series(1, {RESIDENTS}) n;
INSERT INTO account (pool, account, asset, kind, normal, floor_at_zero, hot, debits, credits)
    SELECT '{POOL}', what || n, asset, what, 'credit', false, true, 0, 0
    FROM generate_series(1, {MERCHANTS}) n,
        (VALUES ('redeemed:store-', 'points'), ('merchant:store-', 'fen')) AS shops (what, asset);
INSERT INTO account (pool, account, asset, kind, normal, floor_at_zero, hot, debits, credits)
    VALUES ('{POOL}', 'pool_fund', 'fen', 'pool_fund', 'debit', false, true, 0, 0);
CREATE SEQUENCE entries;
CREATE SEQUENCE transfers INCREMENT 2;
CREATE FUNCTION redeem(who integer, shop integer, points bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    resident text := 'resident:be' || lpad(to_hex(who), 14, '0');
    entry_no_ bigint := nextval('entries');
    transfer_no_ bigint := nextval('transfers');
BEGIN
    UPDATE account SET debits = debits + points
        WHERE pool = '{POOL}' AND account = resident AND asset = 'points'
            AND credits - debits >= points;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'not enough points';
    END IF;
    INSERT INTO entry (pool, entry_no, key, kind, input_hash, occurred_at, recorded_at,
            business_date, fact_no, memo)
        VALUES ('{POOL}', entry_no_, 'sale:' || lpad(entry_no_::text, 36, '0'), 'sale',
            sha256(int8send(entry_no_)), now(), now(), current_date, entry_no_,
            't001-' || entry_no_);
    INSERT INTO transfer (pool, transfer_no, entry_no, position, asset, code, debit_account,
            credit_account, amount)
        VALUES ('{POOL}', transfer_no_, entry_no_, 1, 'points', 'redemption', resident,
                'redeemed:store-' || shop, points),
            ('{POOL}', transfer_no_ + 1, entry_no_, 2, 'fen', 'reimbursement', 'pool_fund',
                'merchant:store-' || shop, points * 10);
    RETURN entry_no_;
END $$;
"""

_SCRIPT = f"""\\set who random(1, {RESIDENTS})
\\set shop random(1, {MERCHANTS})
SELECT redeem(:who, :shop, 2);
"""


@dataclass(frozen=True, slots=True)
class Reference:
    """The ideal redemption in a scratch database of its own, driven by pgbench."""

    cluster: Cluster
    programs: Path
    script: Path
    database: str = "reference"

    def redemptions_a_s(self, clients: int, seconds: int) -> float:
        """What pgbench reaches with prepared statements and this many clients.

        Raises:
            BenchError: pgbench is not there, or failed.
        """
        options = ["-n", "-M", "prepared", "-c", str(clients), "-j", str(min(THREADS, clients))]
        options += ["-T", str(seconds), "-f", str(self.script)]
        where = ["-h", str(self.cluster.folder), "-U", OWNER, self.database]
        try:
            done = subprocess.run(
                [self.programs / "pgbench", *options, *where],
                capture_output=True,
                text=True,
                timeout=RUN_WITHIN_S + seconds,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            says = getattr(error, "stderr", None) or error
            raise BenchError(f"pgbench: {says}") from error
        return tps_of(done.stdout)


def tps_of(output: str) -> float:
    """The rate in pgbench's output.

    Raises:
        BenchError: there is none, or it is nothing.
    """
    found = _TPS.search(output)
    if found is None or float(found[1]) <= 0:
        raise BenchError(f"pgbench told no rate:\n{output}")
    return float(found[1])


def make_reference(cluster: Cluster, programs: Path, folder: Path) -> Reference:
    """Create the scratch database with the ledger's own tables."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "redeem.sql"
    script.write_text(_SCRIPT)
    reference = Reference(cluster, programs, script)
    make_books(cluster, reference.database)
    with cluster.connect(reference.database) as connection:
        connection.execute(_SETUP)
    return reference


def make_books(cluster: Cluster, database: str) -> None:
    """A database with nothing in it but the ledger's own tables, as the server has them."""
    cluster.create(database)
    engine = open_engine(cluster.url_of(database))
    try:
        tables = [ledger.ledger_head, ledger.account, ledger.entry, ledger.transfer]
        with engine.begin() as tx:
            metadata.create_all(tx, tables=tables)
    finally:
        engine.dispose()
