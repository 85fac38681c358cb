"""The world of one run: the pool, the network, and the places with a device and somebody at it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

from simulate.cashier import Cashier
from simulate.clockwork import WorldClock
from simulate.device import Device
from simulate.network import Network
from simulate.pool import Enrolled, PoolServer
from simulate.sticks import SimulatedStick
from simulate.verdict import Wrong
from simulate.witness import Witness
from terminal.domain.last_run import Ended
from terminal.domain.notice import NoticeCode
from terminal.domain.ports import StoreFaultError


@dataclass(slots=True)
class CardCopy:
    """A disk as it was, and the sales that its page had shown by then."""

    images: dict[str, bytes]
    shown: set[object]
    stick: dict[str, bytes] | None = None


@dataclass(slots=True)
class Place:
    """A device, who stands at it, and the copies that somebody has made of its card."""

    device: Device
    cashier: Cashier
    copies: list[CardCopy] = field(default_factory=list)


@dataclass(slots=True)
class World:
    """Everything that a run is made of.

    Attributes:
        faults: what was done to it so far, beside what network, disks and sticks count.
        wrong: what was found while it went on.
        step: how far the run is.
    """

    folder: Path
    chance: Random
    clock: WorldClock
    server: PoolServer
    network: Network
    witness: Witness
    places: list[Place] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    faults: int = 0
    step: int = 0

    def open(self, enrolled: Enrolled, name: str = "", *, stick: bool = False) -> Place:
        """A further place; its device is off."""
        terminal = enrolled.identity.terminal
        name = name or terminal
        mount = self.folder / "sticks" / name
        device = Device(
            name,
            self.folder / name,
            enrolled=enrolled,
            network=self.network,
            clock=self.clock,
            chance=self.chance,
            stick=SimulatedStick(mount, terminal, self.chance) if stick else None,
        )
        place = Place(device, Cashier(device, self.server, self.witness, self.chance))
        self.places.append(place)
        return place

    def any_place(self) -> Place:
        return self.chance.choice(self.places)

    def with_sticks(self) -> list[tuple[Place, SimulatedStick]]:
        """The places whose device has a second medium."""
        return [(place, place.device.stick) for place in self.places if place.device.stick]

    def boot(self, place: Place) -> None:
        """Switch a device on, its clock perhaps behind, and look at its first page."""
        device = place.device
        if device.is_dead:
            return
        behind = timedelta()
        if self.chance.random() < 0.15:
            behind = timedelta(minutes=self.chance.uniform(1, 300))
        if device.boot(behind=behind):
            self._check_first_page(device)

    def _check_first_page(self, device: Device) -> None:
        """After a start the page must not say of the last sale what is not so."""
        pressed = self.witness.unseen.pop(device.name, None)
        newest = device.store.recent_sales(1)
        if pressed is None or not newest or newest[0].row.sale_id != pressed:
            return
        receipt_no = newest[0].row.receipt_no
        notice, last_run = device.page.view().notice, device.last_run.shown()
        says = notice.code if notice is not None else "nothing"
        if says != NoticeCode.LAST_COMPLETED or notice is None:
            self._wrong_first_page(device, says, receipt_no)
        elif notice.figures != {"receipt_no": receipt_no}:
            self._wrong_first_page(device, str(notice.figures), receipt_no)
        if last_run is None or (last_run.ended, last_run.receipt_no) != (
            Ended.COMPLETED,
            receipt_no,
        ):
            self._wrong_first_page(device, str(last_run), receipt_no)

    def _wrong_first_page(self, device: Device, says: str, receipt_no: str | None) -> None:
        self.wrong.append(
            Wrong("first page", f"{device.name} says {says}, and {receipt_no} is completed")
        )


def guarded(place: Place, round_: Callable[[], float]) -> None:
    """As the worker's loop does: a round that failed is tried again later."""
    try:
        round_()
    except StoreFaultError:
        if not place.device.disk.is_off() and place.device.disk.counts.troubles == 0:
            raise
