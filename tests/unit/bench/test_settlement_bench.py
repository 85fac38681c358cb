import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct
from sqlalchemy import text

from bench import settlement
from bench.__main__ import LEAST_LINES, main
from bench.figures import BenchError
from bench.ledger_pool import POOL
from bench.postgres import Cluster, cluster, find_programs
from bench.settlement_checks import require_equal
from bench.settlement_duckdb import Duck, Sums, export
from bench.settlement_world import LAST_DAY, load_month, make_pool
from server.bootstrap.desk import make_desk
from server.commands.audit_statements import check_statements
from server.commands.context import OpenedPool
from server.db import reading, writing
from server.settlement.values import CloseRun, MerchantSettled, OpenRun, SettleMerchant

MERCHANTS, LINES = 4, 400
DATABASE = "books"

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL")
    with cluster(programs) as up:
        yield up


@pytest.fixture(scope="module")
def settled(
    postgres: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[OpenedPool, Sums]]:
    """A small month with every shape of contract, settled, and DuckDB's sums of it."""
    folder = tmp_path_factory.mktemp("settled")
    opened = make_pool(folder / "data", postgres, DATABASE, MERCHANTS, LINES)
    load_month(postgres, DATABASE, MERCHANTS, LINES)
    export(postgres, DATABASE, folder / "parquet")
    duck = Duck(folder / "parquet")
    duck.sum_up()
    sums = duck.sums()
    duck.close()
    desk = make_desk()
    commands: list[Struct] = [
        OpenRun(run="r", through=LAST_DAY, opened_by="test"),
        *(SettleMerchant(run="r", merchant=f"m{number:05d}") for number in range(MERCHANTS)),
        CloseRun(run="r", closed_by="test"),
    ]
    for command in commands:
        with writing(opened.engine) as tx:
            desk.submit(tx, POOL, command, actor="operator:test", recorded_at=settlement.SETTLED_AT)
    yield opened, sums
    opened.engine.dispose()


def test_a_quick_run_settles_two_months_and_compares_them_with_duckdb(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    asked = ["settlement", "--quick", "--lines", str(LEAST_LINES), "--json", str(file)]
    assert main([*asked, "--folder", str(tmp_path)]) == 0
    figures = json.loads(file.read_text())
    assert figures["terminal"] is figures["redemption"] is figures["ledger"] is None
    found = figures["settlement"]
    fewer, more = found["months"]
    assert (fewer["lines"], more["lines"]) == (LEAST_LINES // 4, LEAST_LINES)
    assert more["transfers"] > more["lines"]
    merchants = settlement.QUICK.merchants
    assert found["equal_statements"] == found["folded_statements"] == merchants
    assert found["merchants"] == merchants
    assert more["run"]["cpu_s"] > 0
    assert more["sums"]["count"] == settlement.QUICK.looked_at
    for name, part, of in (
        ("sums_held", more["preview"]["wall_s"], found["duckdb"]["wall_s"]),
        ("run_held", more["run"]["wall_s"], found["duckdb"]["wall_s"]),
        ("linear_held", more["run"]["wall_s"], fewer["run"]["wall_s"]),
    ):
        assert found[name]["ratio"] == pytest.approx(part / of, rel=0.02)
    assert sum(line["share"] for line in more["attributed"]) == pytest.approx(1, abs=0.01)
    assert found["frozen"]["p50_ms"] < found["lines_read"]["p50_ms"]
    assert sorted(tmp_path.iterdir()) == [file]


def test_a_settled_month_is_what_the_audit_and_duckdb_say(
    postgres: Cluster, settled: tuple[OpenedPool, Sums]
) -> None:
    opened, sums = settled
    equal = require_equal(opened, postgres, DATABASE, sums)
    assert (equal.statements, equal.folded) == (MERCHANTS, MERCHANTS)
    with reading(opened.engine) as tx:
        assert list(check_statements(tx, POOL)) == []


def test_the_month_has_refunds_points_tiers_and_a_contract_that_changes(
    settled: tuple[OpenedPool, Sums],
) -> None:
    _, sums = settled
    assert sum(found[1] for found in sums.merchants.values()) == LINES // 25
    assert all(value > 0 for found in sums.merchants.values() for value in found)
    contracts = sorted(contract for contract, _, _ in sums.tiers)
    assert contracts.count("m00001-1") == 2
    assert contracts.count("m00002-1") == 3
    assert {"m00003-1", "m00003-2"} <= set(contracts)


@pytest.mark.parametrize("where", ["merchant", "tier"])
def test_one_fen_that_differs_is_found(
    postgres: Cluster, settled: tuple[OpenedPool, Sums], where: str
) -> None:
    opened, sums = settled
    merchants, tiers = dict(sums.merchants), dict(sums.tiers)
    if where == "merchant":
        sales, refunds, takings_fen, *rest = merchants["m00002"]
        merchants["m00002"] = (sales, refunds, takings_fen + 1, *rest)
    else:
        place = min(tiers)
        bp, takings_fen, share_fen = tiers[place]
        tiers[place] = (bp, takings_fen, share_fen + 1)
    with pytest.raises(BenchError, match="DuckDB"):
        require_equal(opened, postgres, DATABASE, Sums(merchants, tiers))


def test_settling_one_merchant_reads_his_days_and_no_entries(
    postgres: Cluster, tmp_path: Path
) -> None:
    # One plan for all values is what the database goes over to after a dozen merchants.
    opened = make_pool(tmp_path / "data", postgres, "plans", MERCHANTS, LINES)
    try:
        load_month(postgres, "plans", MERCHANTS, LINES)
        desk = make_desk()
        commands: list[Struct] = [
            OpenRun(run="r", through=LAST_DAY, opened_by="test"),
            SettleMerchant(run="r", merchant="m00000"),
        ]
        with writing(opened.engine) as tx:
            tx.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
            for command in commands:
                made = desk.submit(
                    tx, POOL, command, actor="operator:test", recorded_at=settlement.SETTLED_AT
                )
            assert isinstance(made, MerchantSettled)
            assert made.statements == ("m00000-20260331",)
            scans = "SELECT pg_stat_get_xact_numscans(CAST(CAST(:name AS regclass) AS oid))"
            counted = {
                name: tx.execute(text(scans), {"name": name}).scalar_one()
                for name in ("entries_by_business_date", "entries_of_a_pool_are_counted")
            }
    finally:
        opened.engine.dispose()
    assert counted["entries_by_business_date"] == 0
    # Reading each entry would look it up by its number.
    assert counted["entries_of_a_pool_are_counted"] < LINES // MERCHANTS


def test_lines_that_do_not_share_out_are_refused(postgres: Cluster) -> None:
    with pytest.raises(BenchError, match="share out"):
        load_month(postgres, DATABASE, MERCHANTS, LINES + 1)
