"""One run: a seed, and everything that follows from it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from simulate.clockwork import WorldClock
from simulate.device import Device
from simulate.mishaps import Mishaps
from simulate.network import Network
from simulate.pool import RESIDENTS, RULES, Template
from simulate.recovery import Technician
from simulate.shops import World, guarded
from simulate.verdict import Wrong, judge
from simulate.witness import Witness

STEPS: Final = 60
REPLAY_EVERY: Final = 10
QUIET_ROUNDS: Final = 12
HOLDS_END_S: Final = 400.0
"""Longer than the pool holds points for a sale."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    seed: int
    sales: int
    faults: int
    wrong: tuple[Wrong, ...]


class Simulation:
    """A pool, some shops and everything that can go wrong between them.

    Attributes:
        mishaps: what can be done to it.
    """

    def __init__(self, template: Template, folder: Path, seed: int) -> None:
        chance = self._chance = Random(seed)
        self._seed = seed
        clock = WorldClock()
        server = template.copy(folder / "server", clock, chance)
        for account in RESIDENTS:
            for rule in chance.sample(RULES, chance.randint(0, 3)):
                server.award(account, rule)
        network = Network(server, clock, chance)
        self._world = World(folder, chance, clock, server, network, Witness())
        self.mishaps = Mishaps(self._world)
        self._heirs = template.heirs
        terminals = chance.choice((1, 2, 2, 3))
        for each in template.enrolled[:terminals]:
            self._world.open(each, stick=chance.random() < 0.5)
        self._does = self._what_happens()

    def _what_happens(self) -> tuple[tuple[Callable[[], None], float], ...]:
        """Everything that a step may be, and how often it is."""
        mishaps = self.mishaps
        return (
            (self._sell, 60),
            (self._synchronise, 14),
            (self._print, 4),
            (self._let_time_pass, 8),
            (self._let_late_arrive, 4),
            (mishaps.change_network, 2),
            (mishaps.plan_an_end, 4),
            (mishaps.pull_the_plug, 1),
            (mishaps.spoil_the_disk, 2),
            (mishaps.stop_the_server, 1.5),
            (mishaps.operate, 2),
            (mishaps.tell_twice, 0.7),
            (mishaps.roll_back, 0.6),
            (mishaps.clone, 0.3),
            (mishaps.spoil_the_stick, 3),
            (mishaps.touch_the_stick, 3),
            (mishaps.lose_the_card, 0.4),
        )

    def play(self) -> Outcome:
        """Let it all happen, then let it all come to rest, and judge."""
        world = self._world
        actions, weights = zip(*self._does, strict=True)
        for place in world.places:
            world.boot(place)
            guarded(place, place.device.sync)
        for world.step in range(1, STEPS + 1):
            (action,) = self._chance.choices(actions, weights)
            action()
            world.network.deliver_late()
            self.mishaps.see_what_died()
        self._come_to_rest()
        wrong = world.wrong + judge(
            world.server,
            [place.device for place in world.places],
            world.witness,
            with_replay=self._seed % REPLAY_EVERY == 0,
        )
        return Outcome(self._seed, len(world.witness.completed), self._faults(), tuple(wrong))

    def _faults(self) -> int:
        """What was done to it, by everybody and everything."""
        world, counts = self._world, self._world.network.counts
        faults = world.faults + counts.lost + counts.late + counts.repeated
        faults += sum(place.device.disk.counts.troubles for place in world.places)
        return faults + sum(stick.troubles for _, stick in world.with_sticks())

    def close(self) -> None:
        """Leave no file open and no folder behind."""
        for place in self._world.places:
            place.device.close()
        self._world.server.close()
        shutil.rmtree(self._world.folder, ignore_errors=True)

    def _sell(self) -> None:
        place = self._world.any_place()
        if place.device.is_on:
            for _ in range(self._chance.randint(1, 4)):
                self._world.clock.pass_s(self._chance.uniform(0, 8))
                place.cashier.act(self._world.step)
                if place.device.disk.is_off():
                    return
        elif self._chance.random() < 0.3:
            self._world.boot(place)

    def _synchronise(self) -> None:
        place = self._world.any_place()
        if place.device.is_on:
            guarded(place, place.device.sync)

    def _print(self) -> None:
        place = self._world.any_place()
        if place.device.is_on:
            guarded(place, place.device.printing)
            guarded(place, place.device.chain)

    def _let_time_pass(self) -> None:
        longest = self._chance.choice((20, 120, 600, 6 * 3600))
        self._world.clock.pass_s(self._chance.uniform(0, longest))
        for place in self._world.places:
            if self._chance.random() < 0.3:
                place.device.correct_clock()

    def _let_late_arrive(self) -> None:
        self._world.clock.pass_s(self._chance.uniform(0, 60))
        self._world.network.deliver_late()

    def _come_to_rest(self) -> None:
        """The network is whole again, everything is on, and there is time to tell."""
        world = self._world
        world.network.calm = True
        world.server.disk.calm_down()
        world.network.deliver_late(all_of_them=True)
        for place in world.places:
            device = place.device
            if device.is_dead:
                continue
            device.disk.calm_down()
            device.correct_clock()
            if device.stick is not None:
                device.stick.calm_down()
            if device.is_on:
                device.stop()
            if not device.boot() and not device.is_stopped:
                world.wrong.append(Wrong("boot", f"{device.name}: {device.refused}"))
        world.clock.pass_s(HOLDS_END_S)
        for place in world.places:
            if place.device.is_on:
                self._tell_everything(place.device)
        self._recover()

    def _recover(self) -> None:
        """What the sticks of dead and of stopped terminals have goes to the pool by another one."""
        world = self._world
        technician = Technician(world.server, world.network, world.clock)
        for place, stick in world.with_sticks():
            enrolled = place.device.enrolled
            if place.device.is_dead or place.device.is_stopped:
                stick.calm_down()
                heir = self._heirs[enrolled.identity.shop]
                technician.recover(stick, enrolled, heir, world.folder)
        world.wrong += technician.wrong

    def _tell_everything(self, device: Device) -> None:
        for _ in range(QUIET_ROUNDS):
            device.sync()
            if device.is_stopped or device.store.untold() == 0:
                return
            self._world.clock.pass_s(60)


def run(template: Template, folder: Path, seed: int) -> Outcome:
    """One seed from its beginning to its judgement."""
    simulation = Simulation(template, folder, seed)
    try:
        return simulation.play()
    finally:
        simulation.close()
