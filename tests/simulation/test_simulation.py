"""The simulation finds nothing in the programs, and finds each safeguard that is taken away."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection

import server.redemption.capture as capture_module
import server.redemption.intake as intake_module
import terminal.store.disk as store_disk
from protocol.sales import SaleReversed
from server.redemption.booked import Booked, Booking
from server.redemption.capture import Told
from server.redemption.queries import sale_of
from server.redemption.reversal import book_reversal
from server.redemption.states import SaleState
from simulate.__main__ import main, simulate
from simulate.pool import Template
from simulate.run import run

BLOCKS = 10
SEEDS_A_BLOCK = 20
ENOUGH_SEEDS = 60
"""A safeguard that is missing is found within so many."""


@pytest.mark.parametrize("block", range(BLOCKS))
def test_two_hundred_seeds_break_nothing(block: int, tmp_path: Path) -> None:
    first = 1 + block * SEEDS_A_BLOCK
    totals = simulate(tmp_path, range(first, first + SEEDS_A_BLOCK))
    assert totals.violations == 0, "the seeds are printed above"
    assert totals.runs == SEEDS_A_BLOCK
    assert totals.sales > SEEDS_A_BLOCK, "people bought something"
    assert totals.faults > 5 * SEEDS_A_BLOCK, "a lot went wrong"


def rules_broken(folder: Path) -> set[str]:
    """The rules that the first seed breaks which breaks any."""
    template = Template(folder / "template")
    for seed in range(1, 1 + ENOUGH_SEEDS):
        outcome = run(template, folder / f"run-{seed}", seed)
        if outcome.wrong:
            return {wrong.rule for wrong in outcome.wrong}
    return set()


def test_without_the_sale_ids_check_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_if_new(tx: Connection, pool: str, sale_id: object) -> object:
        found = sale_of(tx, pool, sale_id)  # type: ignore[arg-type] # whatever it is called with
        return None if found is not None and found.state is SaleState.CAPTURED else found

    monkeypatch.setattr(capture_module, "sale_of", as_if_new)
    assert "untold" in rules_broken(tmp_path)


def test_with_normal_instead_of_full_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(store_disk.PRAGMAS, "synchronous", ("NORMAL", 1))
    assert rules_broken(tmp_path) & {"acknowledged", "forgotten", "stopped"}


def test_without_the_tombstone_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(tx: Connection, told: Told, reversal: SaleReversed) -> Booking:
        if sale_of(tx, told.terms.pool, reversal.sale_id) is None:
            return Booked()
        return book_reversal(tx, told, reversal)

    books: dict[type[object], object] = {**intake_module._BOOKS, SaleReversed: forgetful}
    monkeypatch.setattr(intake_module, "_BOOKS", books)
    assert rules_broken(tmp_path) & {"I4", "undecided"}


def test_a_seed_is_the_same_run_every_time(tmp_path: Path) -> None:
    template = Template(tmp_path / "template")
    first, second = (run(template, tmp_path / name, 7) for name in ("one", "two"))
    assert first == second


def test_a_seed_comes_to_the_same_in_several_processes_of_the_command(tmp_path: Path) -> None:
    alone = simulate(tmp_path / "alone", range(21, 27))
    together = subprocess.run(
        [sys.executable, "-m", "simulate", "--seed", "21", "--runs", "6", "--jobs", "2"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert together.returncode == 0, together.stderr
    assert together.stdout.splitlines()[-1] == str(alone)


def test_the_last_line_counts_and_the_exit_code_says_whether_all_is_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--seed", "3", "--runs", "2", "--folder", str(tmp_path)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("2 次 runs")
    assert last.endswith("0 处违规 violations")
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"
    assert logging.root.manager.disable == logging.NOTSET, "nor is the caller's log silent"


def test_a_failure_names_its_seed_and_how_to_see_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(store_disk.PRAGMAS, "synchronous", ("NORMAL", 1))
    template = Template(tmp_path / "template")
    seeds = range(1, 1 + ENOUGH_SEEDS)
    bad = next(x for x in seeds if run(template, tmp_path / f"run-{x}", x).wrong)
    assert main(["--seed", str(bad), "--runs", "1", "--folder", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert f"seed {bad}: " in said
    assert f"./run simulate --seed {bad} --runs 1" in said
