import json
import sqlite3
from pathlib import Path

import pytest

from bench import ledger
from bench.__main__ import main
from bench.attribution import REST, Part, Stopwatch, watching
from bench.figures import BenchError, Held, spread
from bench.raw_sqlite import RawFile, require_same_rows, rows_since
from bench.shop import selling_shop
from bench.syncs import SyncCount, read_log


@pytest.mark.timeout(600)  # thirty programs are started; on a busy machine each takes seconds
def test_a_quick_run_measures_every_benchmark_and_writes_their_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The ledger's has a test of its own, on PostgreSQL; without one the others go on.
    monkeypatch.setattr(ledger, "find_programs", lambda: None)
    file = tmp_path / "figures.json"
    assert main(["--quick", "--json", str(file), "--folder", str(tmp_path)]) == 0
    figures = json.loads(file.read_text())
    assert figures["machine"]["cores"] > 0
    terminal = figures["terminal"]
    for side in ("plain", "slow"):
        assert terminal[side]["held"]["ratio"] > 0
        assert terminal[side]["commits_a_sale"] == 2
        assert terminal[side]["same_rows"] > 0
    assert sum(line["share"] for line in terminal["attributed"]) == pytest.approx(1, abs=0.01)
    for side in ("online", "offline"):
        assert terminal["approval"][side]["count"] == 5
    if terminal["syncs"] is None:
        assert terminal["syncs_say"]
    else:
        assert terminal["syncs"]["log"] >= 2
    (sqlite,) = figures["redemption"]
    assert sqlite["redemptions"] == 10
    assert sqlite["held"]["ratio"] > 0
    assert sqlite["limit_a_s"] == pytest.approx(
        min(sqlite["health_trips_a_s"], sqlite["commits_a_s"]) / 2, abs=0.01
    )
    assert figures["ledger"] is None
    assert sorted(tmp_path.iterdir()) == [file]


def test_the_raw_file_ends_up_with_the_rows_of_the_till_and_a_difference_is_found(
    tmp_path: Path,
) -> None:
    with selling_shop(tmp_path) as shop:
        shop.sell()
        raw = RawFile(tmp_path / "raw.db", shop.file)
        shop.sell()
        shop.sell()
        sales = rows_since(shop.file, 2)
        raw.write_timed(sales[:1], [])
        with pytest.raises(BenchError):
            require_same_rows(shop.file, raw.file)
        raw.write_timed(sales[1:], [])
        raw.close()
        # Two counters: the receipts' and the directory's.
        assert require_same_rows(shop.file, raw.file) == 2 + 4 + 4 + 3 + 3
    assert sqlite3.connect(raw.file).execute("SELECT count(*) FROM sale").fetchone() == (3,)


def test_time_is_charged_to_the_innermost_part_and_functions_are_put_back() -> None:
    class Bread:
        def bake(self) -> int:
            return self.heat() + 1

        def heat(self) -> int:
            return 1

    before = dict(vars(Bread))
    watch = Stopwatch()
    with watching(watch, (Part(Bread, "bake", "baking"), Part(Bread, "heat", "heating"))):
        watch.start()
        assert Bread().bake() == 2
        watch.stop()
    assert dict(vars(Bread)) == before
    assert {line.part for line in watch.shares(1)} == {REST, "baking", "heating"}


def test_a_function_that_moved_is_named_instead_of_measured_as_nothing() -> None:
    with (
        pytest.raises(AttributeError, match="knead"),
        watching(Stopwatch(), (Part(Held, "knead", ""),)),
    ):
        pass


def test_only_syncs_between_the_marks_are_counted() -> None:
    log = "\n".join(
        f"12 {call}(7</run/{name}>) = 0"
        for call, name in (
            ("fdatasync", "terminal.db-wal"),
            ("fsync", "begin.mark"),
            ("fdatasync", "terminal.db-wal"),
            ("fdatasync", "terminal.db-wal"),
            ("fdatasync", "terminal.db"),
            ("fsync", "end.mark"),
            ("fdatasync", "terminal.db"),
        )
    )
    assert read_log(log, 2) == SyncCount(sales=2, log=1.0, database=0.5)
    assert isinstance(read_log(log.replace("end", "no"), 2), str)


def test_quantiles_are_values_that_were_measured() -> None:
    found = spread([0.001 * number for number in range(1, 101)])
    assert (found.count, found.p50_ms, found.p99_ms) == (100, 50.0, 99.0)


@pytest.mark.parametrize(("ratio", "says"), [(0.31, "达到"), (0.30, "达到"), (0.29, "没有达到")])
def test_a_ratio_says_whether_it_is_what_was_asked_for(ratio: float, says: str) -> None:
    assert says in Held(ratio=ratio, at_least=0.30).verdict.split(": ")[1].split(" · ")
