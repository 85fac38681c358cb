"""One run: a seed, and everything that follows from it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final

from simulate.cashier import Cashier
from simulate.clockwork import WorldClock
from simulate.device import Device
from simulate.disk import DiskTrouble, Ends
from simulate.network import Network
from simulate.pool import RESIDENTS, RULES, Enrolled, Template
from simulate.recovery import Technician
from simulate.sticks import SimulatedStick, StickTrouble
from simulate.verdict import Wrong, judge
from simulate.witness import Witness
from terminal.domain.notice import NoticeCode
from terminal.domain.ports import StoreFaultError

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


@dataclass(slots=True)
class _Copy:
    """A disk as it was, and the sales that its page had shown by then."""

    images: dict[str, bytes]
    shown: set[object]
    stick: dict[str, bytes] | None = None


@dataclass(slots=True)
class _Place:
    """A device, who stands at it, and the copies that somebody has made of its card."""

    device: Device
    cashier: Cashier
    copies: list[_Copy] = field(default_factory=list)


class Simulation:
    """A pool, some shops and everything that can go wrong between them."""

    def __init__(self, template: Template, folder: Path, seed: int) -> None:
        self._chance = Random(seed)
        self._seed = seed
        self._folder = folder
        self._clock = WorldClock()
        self._server = template.copy(folder / "server", self._clock, self._chance)
        for account in RESIDENTS:
            for rule in self._chance.sample(RULES, self._chance.randint(0, 3)):
                self._server.award(account, rule)
        self._network = Network(self._server, self._clock, self._chance)
        self._witness = Witness()
        self._faults = 0
        self._wrong: list[Wrong] = []
        self._step = 0
        terminals = self._chance.choice((1, 2, 2, 3))
        self._heirs = template.heirs
        self._places = [
            self._open(each, stick=self._chance.random() < 0.5)
            for each in template.enrolled[:terminals]
        ]
        self._does: tuple[tuple[Callable[[], None], float], ...] = (
            (self._sell, 60),
            (self._synchronise, 14),
            (self._print, 4),
            (self._let_time_pass, 8),
            (self._let_late_arrive, 4),
            (self._change_network, 2),
            (self._plan_an_end, 4),
            (self._pull_the_plug, 1),
            (self._spoil_the_disk, 2),
            (self._stop_the_server, 1.5),
            (self._operate, 2),
            (self._tell_twice, 0.7),
            (self._roll_back, 0.6),
            (self._clone, 0.3),
            (self._spoil_the_stick, 3),
            (self._touch_the_stick, 3),
            (self._lose_the_card, 0.4),
        )

    def play(self) -> Outcome:
        """Let it all happen, then let it all come to rest, and judge."""
        actions, weights = zip(*self._does, strict=True)
        for place in self._places:
            self._boot(place)
            self._guarded(place, place.device.sync)
        for self._step in range(1, STEPS + 1):
            (action,) = self._chance.choices(actions, weights)
            action()
            self._network.deliver_late()
            self._see_what_died()
        self._come_to_rest()
        wrong = self._wrong + judge(
            self._server,
            [place.device for place in self._places],
            self._witness,
            with_replay=self._seed % REPLAY_EVERY == 0,
        )
        counts = self._network.counts
        faults = self._faults + counts.lost + counts.late + counts.repeated
        faults += sum(place.device.disk.counts.troubles for place in self._places)
        faults += sum(stick.troubles for _, stick in self._with_sticks())
        return Outcome(self._seed, len(self._witness.completed), faults, tuple(wrong))

    def close(self) -> None:
        """Leave no file open and no folder behind."""
        for place in self._places:
            place.device.close()
        self._server.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _open(self, enrolled: Enrolled, name: str = "", *, stick: bool = False) -> _Place:
        name = name or enrolled.identity.terminal
        mount = self._folder / "sticks" / name
        terminal = enrolled.identity.terminal
        device = Device(
            name,
            self._folder / name,
            enrolled=enrolled,
            network=self._network,
            clock=self._clock,
            chance=self._chance,
            stick=SimulatedStick(mount, terminal, self._chance) if stick else None,
        )
        return _Place(device, Cashier(device, self._server, self._witness, self._chance))

    def _boot(self, place: _Place) -> None:
        device = place.device
        if device.is_dead:
            return
        behind = timedelta()
        if self._chance.random() < 0.15:
            behind = timedelta(minutes=self._chance.uniform(1, 300))
        if device.boot(behind=behind):
            self._check_first_page(place)

    def _check_first_page(self, place: _Place) -> None:
        """After a start the page must not say of the last sale what is not so."""
        notice = place.device.page.view().notice
        doubtful = [
            each.row.sale_id
            for each in place.device.store.recent_sales(3)
            if each.row.sale_id in self._witness.in_doubt
            and each.row.sale_id not in self._witness.completed
        ]
        says = notice.code if notice is not None else ""
        if doubtful and says == NoticeCode.INTERRUPTED:
            self._wrong.append(
                Wrong("first page", f"{place.device.name} says interrupted, {doubtful} is done")
            )

    def _sell(self) -> None:
        place = self._chance.choice(self._places)
        if place.device.is_on:
            for _ in range(self._chance.randint(1, 4)):
                self._clock.pass_s(self._chance.uniform(0, 8))
                place.cashier.act(self._step)
                if place.device.disk.is_off():
                    return
        elif self._chance.random() < 0.3:
            self._boot(place)

    def _synchronise(self) -> None:
        place = self._chance.choice(self._places)
        self._guarded(place, place.device.sync if place.device.is_on else _nothing)

    def _print(self) -> None:
        place = self._chance.choice(self._places)
        self._guarded(place, place.device.printing if place.device.is_on else _nothing)
        self._guarded(place, place.device.chain if place.device.is_on else _nothing)

    @staticmethod
    def _guarded(place: _Place, round_: Callable[[], float]) -> None:
        """As the worker's loop does: a round that failed is tried again later."""
        try:
            round_()
        except StoreFaultError:
            if not place.device.disk.is_off() and place.device.disk.counts.troubles == 0:
                raise

    def _let_time_pass(self) -> None:
        longest = self._chance.choice((20, 120, 600, 6 * 3600))
        self._clock.pass_s(self._chance.uniform(0, longest))
        for place in self._places:
            if self._chance.random() < 0.3:
                place.device.correct_clock()

    def _let_late_arrive(self) -> None:
        self._clock.pass_s(self._chance.uniform(0, 60))
        self._network.deliver_late()

    def _change_network(self) -> None:
        name = self._chance.choice(self._places).device.name
        self._network.cut_off ^= {name}
        self._faults += 1

    def _plan_an_end(self) -> None:
        place = self._chance.choice(self._places)
        if place.device.is_on:
            place.device.disk.end_at(self._chance.choice(list(Ends)), self._chance.randint(1, 16))
            self._faults += 1

    def _pull_the_plug(self) -> None:
        place = self._chance.choice(self._places)
        if place.device.is_on:
            place.device.disk.end_now(self._chance.choice(list(Ends)))
            self._faults += 1

    def _spoil_the_disk(self) -> None:
        place = self._chance.choice(self._places)
        if place.device.is_on:
            trouble = self._chance.choice(list(DiskTrouble))
            place.device.disk.trouble_at(trouble, self._chance.randint(1, 8))

    def _stop_the_server(self) -> None:
        self._faults += 1
        if self._chance.random() < 0.5:
            ends = self._chance.choice(list(Ends))
            self._server.disk.end_at(ends, self._chance.randint(1, 40))
        else:
            self._server.restart()

    def _operate(self) -> None:
        if not self._server.disk.is_off():
            self._server.disk.calm_down()  # what the operator does is not what is tried here
            self._server.award(self._chance.choice(RESIDENTS), self._chance.choice(RULES))

    def _tell_twice(self) -> None:
        """A sale goes into the journal a second time, as when a device is restored by hand."""
        place = self._chance.choice(self._places)
        device = place.device
        shown = self._witness.of_device(device.name)
        if not device.is_on or not shown:
            return
        try:
            found = device.store.captured(self._chance.choice(shown).receipt_no)
            if found is not None and not device.is_stopped:
                with device.store.working() as work:
                    work.journal(found[1], device.clock.moment())
        except StoreFaultError:
            return

    def _roll_back(self) -> None:
        """Somebody puts an older copy of the card in."""
        place = self._chance.choice(self._places)
        if not place.copies:
            return
        device, copy = place.device, self._chance.choice(place.copies)
        if device.is_dead:
            return
        self._faults += 1
        stick, terminal = device.stick, device.enrolled.identity.terminal
        now = {shown.sale_id for shown in self._witness.of_device(device.name)}
        lost = {each for each in now if each not in copy.shown}
        # A stick that has everything brings it back: nothing may be lost, and nothing may stop.
        is_mended = stick is not None and stick.is_whole() and not device.is_stopped
        if stick is not None and copy.stick is not None and self._chance.random() < 0.3:
            stick.put_back(copy.stick)
            self._witness.on_stick -= lost
            is_mended = False
        device.stop(images=copy.images)
        device.quarantine.lift()
        if not is_mended:
            self._witness.copied.add(terminal)
            self._witness.may_be_lost |= lost
        self._boot(place)

    def _with_sticks(self) -> list[tuple[_Place, SimulatedStick]]:
        return [(place, place.device.stick) for place in self._places if place.device.stick]

    def _spoil_the_stick(self) -> None:
        """It fails at its next write."""
        if found := self._with_sticks():
            _, stick = self._chance.choice(found)
            stick.fail_once(self._chance.choice(list(StickTrouble)))

    def _touch_the_stick(self) -> None:
        """It is pulled out or put in, it hangs, or it is let go; the program looks every seconds."""
        if not (found := self._with_sticks()):
            return
        place, stick = self._chance.choice(found)
        luck = self._chance.random()
        if luck < 0.3:
            stick.move(plugged=not stick.is_plugged)
        elif luck < 0.5:
            stick.hangs = not stick.hangs
            stick.troubles += 1
        elif luck < 0.8:
            stick.move(plugged=True)
            stick.hangs = False
        if place.device.is_on:
            stick.copy()

    def _lose_the_card(self) -> None:
        """A card is dead for good; what its stick has is all that is left."""
        found = [each for each in self._with_sticks() if not each[0].device.is_dead]
        if not found:
            return
        (place, _), self._faults = self._chance.choice(found), self._faults + 1
        device = place.device
        device.stop(images={})
        device.is_dead = True
        self._witness.copied.add(device.enrolled.identity.terminal)
        now = {shown.sale_id for shown in self._witness.of_device(device.name)}
        self._witness.may_be_lost |= now - self._witness.on_stick

    def _clone(self) -> None:
        """Somebody puts a copy of the card into a second machine."""
        place = self._chance.choice(self._places)
        if not place.copies or len(self._places) > 3:
            return
        self._faults += 1
        self._witness.copied.add(place.device.enrolled.identity.terminal)
        copy = self._chance.choice(place.copies)
        twin = self._open(place.device.enrolled, f"{place.device.name}-copy{self._step}")
        twin.device.stop(images=copy.images)
        self._places.append(twin)
        self._boot(twin)

    def _see_what_died(self) -> None:
        for place in self._places:
            device = place.device
            if device.disk.is_off() and not device.is_dead:
                images = device.stop()
                if self._chance.random() < 0.5:
                    shown = {each.sale_id for each in self._witness.of_device(device.name)}
                    there = device.stick.content() if device.stick is not None else None
                    place.copies.append(_Copy(images, set(shown), there))
        if self._server.disk.is_off():
            self._server.restart()

    def _come_to_rest(self) -> None:
        """The network is whole again, everything is on, and there is time to tell."""
        self._network.calm = True
        self._server.disk.calm_down()
        self._network.deliver_late(all_of_them=True)
        for place in self._places:
            if place.device.is_dead:
                continue
            place.device.disk.calm_down()
            place.device.correct_clock()
            if place.device.stick is not None:
                place.device.stick.calm_down()
            if place.device.is_on:
                place.device.stop()
            if not place.device.boot() and not place.device.is_stopped:
                self._wrong.append(Wrong("boot", f"{place.device.name}: {place.device.refused}"))
        self._clock.pass_s(HOLDS_END_S)
        for place in self._places:
            if place.device.is_on:
                self._tell_everything(place.device)
        self._recover()

    def _recover(self) -> None:
        """What the sticks of dead and of stopped terminals have goes to the pool by another one."""
        technician = Technician(self._server, self._network, self._clock)
        for place, stick in self._with_sticks():
            enrolled = place.device.enrolled
            if place.device.is_dead or place.device.is_stopped:
                stick.calm_down()
                heir = self._heirs[enrolled.identity.shop]
                technician.recover(stick, enrolled, heir, self._folder)
        self._wrong += technician.wrong

    def _tell_everything(self, device: Device) -> None:
        for _ in range(QUIET_ROUNDS):
            device.sync()
            if device.is_stopped or device.store.untold() == 0:
                return
            self._clock.pass_s(60)


def _nothing() -> float:
    return 0.0


def run(template: Template, folder: Path, seed: int) -> Outcome:
    """One seed from its beginning to its judgement."""
    simulation = Simulation(template, folder, seed)
    try:
        return simulation.play()
    finally:
        simulation.close()
