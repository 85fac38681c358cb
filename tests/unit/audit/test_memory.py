"""Large books need no more memory than small ones: nothing keeps a table, or a list of its rows."""

import tracemalloc
from pathlib import Path

from sqlalchemy import Engine, func, select

from server.bootstrap.desk import make_desk
from server.commands.audit import INVARIANTS, run_audit
from server.db import create_all, metadata, open_engine, reading
from server.ledger.tables import transfer
from tests.unit.audit.multiplied import multiply
from tests.unit.audit.pool_world import PoolWorld, small_history

# Copied facts cannot be replayed, since they tell of the same records; and I8 holds the lines of
# one statement at a time, which the copies all go into.
LOOKED_AT = [each for each in INVARIANTS if each not in {"I8", "I10"}]
ALLOWED_GROWTH_BYTES = 2 * 1024 * 1024


def peak_bytes(engine: Engine) -> tuple[int, int]:
    """How many transfers were audited, and the most memory that Python held meanwhile."""
    with reading(engine) as tx:
        transfers = tx.execute(select(func.count()).select_from(transfer)).scalar_one()
        tracemalloc.start()
        try:
            found = run_audit(tx, "guanghui", make_desk, only=LOOKED_AT)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert all(each.stopped is None for each in found)
    assert all(each.checked == each.there for each in found)
    return transfers, peak


def test_an_audit_of_three_times_the_books_takes_no_more_memory(tmp_path: Path) -> None:
    peaks = []
    for times in (250, 750):
        engine = open_engine(f"sqlite:///{tmp_path}/{times}.db")
        create_all(engine, metadata)
        small_history(PoolWorld(engine))
        multiply(engine, times)
        peaks.append(peak_bytes(engine))
        engine.dispose()
    (few, small), (many, large) = peaks
    assert many > 2.9 * few > 10_000
    assert large < small + ALLOWED_GROWTH_BYTES, peaks
