"""The stick in the simulation: what a page said is on it is never lost with a card, and a copy that
is made too late is found out.
"""

from pathlib import Path

import pytest

import simulate.run as run_module
from simulate.pool import Template
from simulate.recovery import Technician
from simulate.run import Simulation
from simulate.sticks import SimulatedStick
from terminal.diagnostics.handing_over import HandedOver
from terminal.domain.second_copy import CopyState

FEW_STEPS = 25
FEW_SEEDS = 6
ENOUGH_SEEDS = 40
"""A copy that is made too late is found within so many."""


def stick_runs(folder: Path, seeds: int) -> set[str]:
    """Sales and dead cards, with little else: the rules that the first seed breaks which does."""
    template = Template(folder / "template")
    for seed in range(1, 1 + seeds):
        simulation = Simulation(template, folder / f"run-{seed}", seed)
        simulation._does = (
            (simulation._sell, 30),
            (simulation.mishaps.touch_the_stick, 4),
            (simulation.mishaps.spoil_the_stick, 4),
            (simulation.mishaps.change_network, 3),
            (simulation.mishaps.lose_the_card, 1.5),
        )
        try:
            outcome = simulation.play()
        finally:
            simulation.close()
        if outcome.wrong:
            return {wrong.rule for wrong in outcome.wrong}
    return set()


def test_what_the_page_said_is_on_the_stick_comes_back_from_it_when_the_card_is_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[HandedOver] = []
    real = Technician._handed_over

    def listening(self: Technician, *about: object) -> HandedOver:
        handed.append(real(self, *about))  # type: ignore[arg-type] # whatever it is called with
        return handed[-1]

    monkeypatch.setattr(run_module, "STEPS", FEW_STEPS)
    monkeypatch.setattr(Technician, "_handed_over", listening)
    assert stick_runs(tmp_path, FEW_SEEDS) == set()
    assert sum(each.sales for each in handed) > 0, "sales came back that nobody else had"


def test_with_the_copy_made_after_success_is_shown_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = SimulatedStick.copy
    due: set[int] = set()

    def one_sale_late(stick: SimulatedStick) -> CopyState:
        if id(stick) in due and not stick.hangs:
            real(stick)
        due.add(id(stick))
        stick.state = CopyState.GOOD
        return stick.state

    monkeypatch.setattr(run_module, "STEPS", FEW_STEPS)
    monkeypatch.setattr(SimulatedStick, "copy", one_sale_late)
    assert "acknowledged" in stick_runs(tmp_path, ENOUGH_SEEDS)
