import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench import ledger, ledger_meter
from bench.__main__ import main
from bench.figures import BenchError, Held
from bench.ledger_batches import drafts
from bench.ledger_history import ACCOUNTS, LEAST_TRANSFERS, entries_for, load_history
from bench.ledger_http import length_of
from bench.ledger_meter import Meter
from bench.ledger_reference import tps_of
from bench.postgres import Cluster
from bench.processes import cpu_s, family_cpu_s


@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_a_quick_run_measures_the_ledger_on_postgresql_and_leaves_clean_books(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    asked = ["ledger", "--quick", "--transfers", "20000", "--json", str(file)]
    assert main([*asked, "--folder", str(tmp_path)]) == 0
    figures = json.loads(file.read_text())
    assert figures["terminal"] is figures["redemption"] is None
    found = figures["ledger"]
    assert found["database"].startswith("postgres")
    size = ledger.QUICK
    for name, callers, count in (
        ("service", size.threads, size.service),
        ("http", size.clients, size.http),
        ("crowd", size.crowd, size.crowd_http),
    ):
        online = found[name]
        assert (online["callers"], online["redemptions"]) == (callers, callers * count)
        assert online["held"]["ratio"] == pytest.approx(
            online["redemptions_a_s"] / online["reference_a_s"], abs=0.01
        )
        assert online["spent"]["wall_ms"] > 0
    assert (found["service"]["server_processes"], found["http"]["server_processes"]) == (0, 1)
    assert found["crowded"]["ratio"] > 0
    assert found["batches"]["entries_a_batch"] == size.batch
    assert found["batches"]["held"]["ratio"] == pytest.approx(
        found["batches"]["posted_a_s"] / found["batches"]["copied_a_s"], abs=0.01
    )
    history = found["history"]
    assert (history["transfers"], history["full"]["count"]) == (20_000, size.latencies)
    assert history["held"]["ratio"] == pytest.approx(
        history["full"]["p50_ms"] / history["empty"]["p50_ms"], abs=0.01
    )
    said = capsys.readouterr().out
    assert "参照 reference" in said
    assert "1 个服务进程" in said
    assert sorted(tmp_path.iterdir()) == [file]


def test_without_postgresql_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "find_programs", lambda: None)
    said: list[str] = []
    assert ledger.measure(tmp_path, ledger.QUICK, said.append) is None
    assert "没有 PostgreSQL" in said[0]


@pytest.mark.parametrize("count", ["19999", "100000001", "many"])
def test_an_absurd_number_of_transfers_is_refused(
    count: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["ledger", "--transfers", count])
    assert "--transfers" in capsys.readouterr().err


def test_pgbenchs_rate_is_read_from_what_it_says() -> None:
    said = "latency average = 1.6 ms\ntps = 2487.123456 (without initial connection time)\n"
    assert tps_of(said) == pytest.approx(2487.123456)
    for nothing in ("", "tps = 0.0", "tps = none"):
        with pytest.raises(BenchError):
            tps_of(nothing)


def test_an_answers_length_is_read_whatever_its_capitals() -> None:
    assert length_of(b"HTTP/1.1 200 OK\r\nContent-Type: x\r\ncontent-LENGTH: 17") == 17
    with pytest.raises(BenchError):
        length_of(b"HTTP/1.1 200 OK\r\nContent-Type: x")


@pytest.mark.parametrize("transfers", [LEAST_TRANSFERS, 50_000, 10_000_000])
def test_a_history_has_as_many_transfers_as_were_asked_for(transfers: int) -> None:
    sales = entries_for(transfers) - ACCOUNTS
    assert ACCOUNTS + 2 * sales == transfers


def test_a_history_that_is_too_short_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(BenchError):
        load_history(Cluster(tmp_path, "none"), "nothing", LEAST_TRANSFERS - 1)


def test_drafts_of_batches_have_keys_of_their_own_and_four_postings() -> None:
    found = drafts(0, 20) + drafts(20, 20)
    assert len({each.key for each in found}) == 40
    assert all(len(each.legs) == 2 for each in found)


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (Held(ratio=1.2, at_most=1.2), "≤ 1.20: 达到"),
        (Held(ratio=1.21, at_most=1.2), "≤ 1.20: 没有达到"),
        (Held(ratio=0.3, at_least=0.35), "≥ 0.35: 没有达到"),
        (Held(ratio=0.3), "没有要求"),
    ],
)
def test_a_ratio_may_have_a_ceiling_as_well(held: Held, says: str) -> None:
    assert says in held.verdict


def test_a_meter_shares_out_what_its_stretches_took(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter(
        [
            (0.0,) * 7,
            (1.0, 0.4, 0.2, 0.1, 0.05, 10, 5),
            (5.0,) * 7,
            (6.0, 5.4, 5.2, 5.1, 5.05, 15, 10),
        ]
    )
    meter = Meter(cast(Any, SimpleNamespace(pid=1)))
    monkeypatch.setattr(meter, "_read", lambda: next(readings))
    for _ in range(2):
        with meter.running(50):
            pass
    assert meter.redemptions_a_s == 50
    assert meter.spent() == ledger_meter.Spent(
        wall_ms=20.0,
        caller_cpu_ms=8.0,
        server_cpu_ms=4.0,
        database_cpu_ms=2.0,
        syncing_ms=1.0,
        commits=0.2,
        syncs=0.1,
    )


def test_a_familys_processor_time_counts_its_first_member() -> None:
    assert family_cpu_s(1) >= cpu_s(1)


def test_the_sizes_leave_each_seller_points_enough() -> None:
    for size in (ledger.FULL, ledger.QUICK):
        once = size.service + 2 * size.http + size.crowd_http
        assert size.redemptions_each == 3 * size.warm_up + size.rounds * once
        assert size.crowd > size.clients
